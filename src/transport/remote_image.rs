//! Documents of images in a registry, for those that do not bring the images.

use crate::oci::{Descriptor, Document, ManifestDigest, MediaType};
use crate::registry::{Repository, Watch, Which};

use super::pull::{self, PullError};

/// A manifest or an index of a registry, verified and understood.
#[derive(Debug, Clone)]
pub struct RemoteDocument {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Their digest.
    pub digest: ManifestDigest,
    /// What it says.
    pub document: Document,
}

impl RemoteDocument {
    /// Reads it.
    pub fn read(repository: &Repository<'_>, which: &Which, watch: &Watch<'_>) -> Result<Self, PullError> {
        let raw = repository.manifest(which, watch)?;
        let document = pull::parse(&raw)?;
        Ok(Self { bytes: raw.bytes, digest: raw.digest, document })
    }

    /// Its type.
    pub fn media_type(&self) -> &MediaType {
        match &self.document {
            Document::Manifest(manifest) => &manifest.media_type,
            Document::Index(index) => &index.media_type,
        }
    }
}

/// All of a blob, whose size is for the caller to look at before, verified.
pub fn read_blob(
    repository: &Repository<'_>,
    blob: &Descriptor,
    watch: Watch<'_>,
) -> Result<Vec<u8>, PullError> {
    pull::small_blob(repository, blob, watch)
}
