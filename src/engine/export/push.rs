//! Where images of a build are sent to registries.

use crate::oci::{ManifestDigest, Reference};
use crate::transport::{Packing, Prepared, SourceImage};

use super::super::error::EngineError;
use super::super::output::PushChoice;
use super::Exporting;

impl Exporting<'_> {
    /// Sends an image, whose blobs the store has or can make, to the registries of its names.
    pub(super) fn push(
        &self,
        image: &Prepared,
        names: &[Reference],
        choice: PushChoice,
        stored: bool,
    ) -> Result<(), EngineError> {
        let digest = ManifestDigest(image.exported.manifest.digest);
        let source = SourceImage {
            manifest_json: image.manifest_json.clone(),
            config_json: image.config_json.clone(),
            names: Vec::new(),
            annotations: image.exported.manifest.annotations.clone(),
        };
        let (engine, registries) = (self.engine, &self.request.registries);
        for name in names {
            let reference = if choice.by_digest { name.at_digest(digest) } else { name.clone() };
            let target = (&reference, choice.insecure);
            let manifest = engine.push_image(
                registries,
                target,
                &source,
                Packing::AsListed,
                self.reporter,
                self.session.cancel,
            )?;
            if stored {
                // So that what comes back is known to be this.
                let pushed = ManifestDigest(manifest.digest);
                self.session.store.set_repo_digest(&name.name(), &pushed, &digest)?;
            }
        }
        Ok(())
    }
}
