//! Images into registries.

use crate::exec::CancelToken;
use crate::layer::Compression;
use crate::oci::{BlobDigest, Descriptor, ManifestDigest, Reference};
use crate::progress::Reporter;
use crate::registry::Registries;
use crate::store::ImageRow;
use crate::transport::{self, MediaTypes, Packing, PushError, PushTarget, Session, SourceImage};

use super::Engine;
use super::error::EngineError;

/// How layers are compressed that never were.
pub(super) const PACKING: Packing =
    Packing::Compressed { compression: Compression::GZIP, force: false, types: MediaTypes::Oci };

/// An image that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// Its name.
    pub reference: Reference,
    /// Its manifest in the registry.
    pub manifest: Descriptor,
}

impl Engine {
    /// Pushes the image of this name, or all images whose names have its repository.
    pub fn push(
        &self,
        registries: &Registries,
        reference: &Reference,
        all_tags: bool,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Vec<PushReport>, EngineError> {
        let references = if all_tags { self.tags_of(reference)? } else { vec![reference.clone()] };
        let mut reports = Vec::new();
        for reference in references {
            let row = self.find(&reference.to_string())?;
            let image = SourceImage::stored(&self.store, &row.manifest, Vec::new())?;
            let packing = self.packing(&row, &image)?;
            let target = (&reference, false);
            let manifest = self.push_image(registries, target, &image, packing, reporter, cancel)?;
            // So that what comes back is known to be this.
            let pushed = ManifestDigest(manifest.digest);
            self.store.set_repo_digest(&reference.name(), &pushed, &row.manifest)?;
            reports.push(PushReport { reference, manifest });
        }
        self.store.sync()?;
        Ok(reports)
    }

    /// Pushes an image, which need not be in the store as one, under this name; its layers must be in the store. A
    /// name without a tag leaves it to its digest. `insecure` asks for no certificate, and not even for TLS.
    pub(super) fn push_image(
        &self,
        registries: &Registries,
        (reference, insecure): (&Reference, bool),
        image: &SourceImage,
        packing: Packing,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Descriptor, EngineError> {
        let failed = |source| cannot_push(reference, source);
        let repository =
            registries.own_repository(reference, insecure).map_err(|error| failed(error.into()))?;
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let tags: Vec<String> = reference.tag().map(str::to_owned).into_iter().collect();
        let name = reference.name();
        let target = PushTarget { repository: &repository, name: &name, tags: &tags };
        Ok(transport::push(session, target, image, packing, reporter).map_err(failed)?.manifest)
    }

    /// How an image goes out: as it is, if it came from a registry or compressed, so that its digest stays.
    fn packing(&self, row: &ImageRow, image: &SourceImage) -> Result<Packing, EngineError> {
        let manifest = crate::oci::Manifest::from_json(&image.manifest_json)?;
        let config = self.load_documents(row.clone())?.config;
        let mut came_compressed = !manifest.layers.is_empty();
        for (listed, diff_id) in manifest.layers.iter().zip(&config.rootfs.diff_ids) {
            let is_blob = listed.digest != diff_id.0;
            came_compressed &= is_blob && self.store.blob_size(&BlobDigest(listed.digest))?.is_some();
        }
        let has_been_there =
            self.store.repo_digests(&row.manifest)?.iter().any(|(_, digest)| *digest == row.manifest);
        Ok(if came_compressed || has_been_there { Packing::AsListed } else { PACKING })
    }

    /// All names in the store that have the repository of this one.
    fn tags_of(&self, reference: &Reference) -> Result<Vec<Reference>, EngineError> {
        let mut found = Vec::new();
        for row in self.store.images()? {
            let names = row.names.iter().filter_map(|name| name.parse::<Reference>().ok());
            found.extend(names.filter(|name| name.name() == reference.name()));
        }
        if found.is_empty() {
            return Err(EngineError::NoImage { name: reference.familiar_name(), similar: None });
        }
        found.sort();
        Ok(found)
    }
}

/// The error for an image that cannot be pushed.
fn cannot_push(reference: &Reference, source: PushError) -> EngineError {
    EngineError::Push { name: reference.familiar(), source: Box::new(source) }
}
