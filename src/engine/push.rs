//! Images into registries.

use crate::exec::CancelToken;
use crate::layer::Compression;
use crate::oci::{BlobDigest, Descriptor, ManifestDigest, Platform, Reference};
use crate::progress::Reporter;
use crate::registry::Registries;
use crate::store::ImageRow;
use crate::transport::{self, Bundle, MediaTypes, Packing, PushError, PushTarget, Session, SourceImage};

use super::Engine;
use super::error::EngineError;
use super::find::Named;

/// How layers are compressed that never were.
pub(super) const PACKING: Packing =
    Packing::Compressed { compression: Compression::GZIP, force: false, types: MediaTypes::Oci };

/// What was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// Its name.
    pub reference: Reference,
    /// Its manifest, or index, in the registry.
    pub manifest: Descriptor,
}

impl Engine {
    /// Pushes what this name stands for, or all whose names have its repository; with a platform only the images for it.
    pub fn push(
        &self,
        registries: &Registries,
        reference: &Reference,
        all_tags: bool,
        platform: Option<&Platform>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Vec<PushReport>, EngineError> {
        let references = if all_tags { self.tags_of(reference)? } else { vec![reference.clone()] };
        let mut reports = Vec::new();
        for reference in references {
            let name = reference.to_string();
            let named = match platform {
                Some(platform) => Named::Image(self.find_for(&name, Some(platform))?),
                None => self.find_named(&name)?,
            };
            reports.push(self.push_named(registries, reference, &named, reporter, cancel)?);
        }
        self.store.sync()?;
        Ok(reports)
    }

    fn push_named(
        &self,
        registries: &Registries,
        reference: Reference,
        named: &Named,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<PushReport, EngineError> {
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let images = match named {
            Named::Image(row) => vec![row.clone()],
            Named::Index(index) => self.images_of(index)?,
        };
        let attested = matches!(named, Named::Index(index) if !index.blobs.is_empty());
        let packing = |row: &ImageRow, image: &SourceImage| {
            if attested { Ok(Packing::AsListed) } else { self.packing(row, image) }
        };
        let step = reporter.start("prepare the layers");
        let bundle = match self.stored_bundle(session, named, Vec::new(), &packing, &step) {
            Ok(bundle) => bundle,
            Err(EngineError::Export(error)) => {
                let error = PushError::from(error);
                match &error {
                    PushError::Canceled => step.canceled(),
                    error => step.failed(error.to_string()),
                }
                return Err(cannot_push(&reference, error));
            }
            Err(error) => return Err(error),
        };
        step.done();
        Self::push_bundle(registries, (&reference, false), &bundle, session, reporter)?;
        let manifest = bundle.descriptor().clone();
        // So that what comes back is known to be this.
        for (row, image) in images.iter().zip(bundle.images()) {
            for digest in [manifest.digest, image.exported.manifest.digest] {
                self.store.set_repo_digest(&reference.name(), &ManifestDigest(digest), &row.manifest)?;
            }
        }
        Ok(PushReport { reference, manifest })
    }

    /// Pushes a bundle, which need not be in the store as one, under this name; the layers must be in the store. A name
    /// without a tag leaves it to its digest. `insecure` asks for no certificate, and not even for TLS.
    pub(super) fn push_bundle(
        registries: &Registries,
        (reference, insecure): (&Reference, bool),
        bundle: &Bundle,
        session: Session<'_>,
        reporter: &Reporter,
    ) -> Result<(), EngineError> {
        let failed = |source| cannot_push(reference, source);
        let repository =
            registries.own_repository(reference, insecure).map_err(|error| failed(error.into()))?;
        let tags: Vec<String> = reference.tag().map(str::to_owned).into_iter().collect();
        let name = reference.name();
        let target = PushTarget { repository: &repository, name: &name, tags: &tags };
        transport::push(session, target, bundle, reporter).map_err(failed)
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
