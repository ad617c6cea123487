//! Where what a build made is sent to registries.

use crate::oci::ManifestDigest;
use crate::transport::Bundle;

use super::super::Engine;
use super::super::error::EngineError;
use super::super::output::PushChoice;
use super::Exporting;

impl Exporting<'_> {
    /// Sends what the store has, or can make, to the registries of its names.
    pub(super) fn push(&self, bundle: &Bundle, choice: PushChoice, stored: bool) -> Result<(), EngineError> {
        let digest = ManifestDigest(bundle.descriptor().digest);
        let registries = &self.request.registries;
        for name in bundle.names() {
            let reference = if choice.by_digest { name.at_digest(digest) } else { name.clone() };
            let target = (&reference, choice.insecure);
            Engine::push_bundle(registries, target, bundle, self.session, self.reporter)?;
            if stored {
                // So that what comes back is known to be this.
                for image in bundle.images() {
                    let manifest = ManifestDigest(image.exported.manifest.digest);
                    self.session.store.set_repo_digest(&name.name(), &digest, &manifest)?;
                }
            }
        }
        Ok(())
    }
}
