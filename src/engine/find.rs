//! Images by what people call them.

use crate::diagnostic::nearest;
use crate::oci::{
    BlobDigest, Document, ImageConfig, Manifest, ManifestDigest, Platform, Reference, ReferenceErrorKind,
};
use crate::store::{ImageRow, StoreError};

use super::Engine;
use super::error::EngineError;

/// An image with its documents.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) row: ImageRow,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
}

impl Engine {
    /// The image that `text` names: a reference, or the beginning of an id.
    pub(super) fn find(&self, text: &str) -> Result<ImageRow, EngineError> {
        if let Ok(reference) = text.parse::<Reference>()
            && let Some(row) = self.find_reference(&reference)?
        {
            return Ok(row);
        }
        let images = self.store.images()?;
        let prefix = text.strip_prefix("sha256:").unwrap_or(text);
        if !prefix.is_empty()
            && prefix.len() <= 64
            && prefix.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
        {
            let mut found: Vec<&ImageRow> =
                images.iter().filter(|image| image.id.digest().hex().starts_with(prefix)).collect();
            found.dedup_by_key(|image| image.id);
            match found[..] {
                [] => {}
                [one] => return Ok(one.clone()),
                _ => return Err(EngineError::Ambiguous(text.to_owned())),
            }
        }
        match text.parse::<Reference>() {
            Err(error) if error.kind != ReferenceErrorKind::Id => Err(error.into()),
            _ => Err(no_image(text, &images)),
        }
    }

    fn find_reference(&self, reference: &Reference) -> Result<Option<ImageRow>, StoreError> {
        match reference.digest() {
            Some(digest) => match self.store.find_image(&digest)? {
                Some(row) => Ok(Some(row)),
                None => self.find_repo_digest(reference, &digest),
            },
            None => self.store.find_ref(&reference.to_string()),
        }
    }

    /// The image that a repository has under a digest, which may be that of an index: the one for this machine, or else
    /// the one that came last.
    fn find_repo_digest(
        &self,
        reference: &Reference,
        digest: &ManifestDigest,
    ) -> Result<Option<ImageRow>, StoreError> {
        let mut rows = self.store.find_repo_digest(&reference.name(), digest)?;
        let own = rows.iter().position(|row| self.is_for(row, &Platform::host()));
        Ok(match own {
            Some(own) => Some(rows.swap_remove(own)),
            None => rows.into_iter().next(),
        })
    }

    /// Whether an image is for a platform, by its config; one that cannot be read is for none.
    pub(super) fn is_for(&self, row: &ImageRow, platform: &Platform) -> bool {
        let config = self.store.read_blob(&BlobDigest(row.id.0)).ok();
        let config = config.and_then(|json| ImageConfig::from_json(&json).ok());
        config.is_some_and(|config| is_for(&config, platform))
    }

    /// An image's documents.
    pub(super) fn load_documents(&self, row: ImageRow) -> Result<Image, EngineError> {
        let name = row.names.first().map_or_else(|| row.id.digest().short(), |name| familiar(name));
        let bytes = self.store.read_blob(&BlobDigest(row.manifest.0))?;
        let manifest = match Document::from_json(&bytes, None)? {
            Document::Manifest(manifest) => manifest,
            Document::Index(_) => return Err(EngineError::NoImage { name, similar: None }),
        };
        let bytes = self.store.read_blob(&BlobDigest(row.id.0))?;
        let config = ImageConfig::from_json(&bytes).map_err(|source| EngineError::Config { name, source })?;
        Ok(Image { row, manifest, config })
    }
}

/// Whether a config is one for a platform. Of variants it is assumed that the machine has what they need.
pub(super) fn is_for(config: &ImageConfig, platform: &Platform) -> bool {
    let own = Platform::normalized(&config.os, &config.architecture, "");
    own.os == platform.os && own.architecture == platform.architecture
}

fn no_image(text: &str, images: &[ImageRow]) -> EngineError {
    let names: Vec<String> =
        images.iter().flat_map(|image| &image.names).map(|name| familiar(name)).collect();
    let bare = names.iter().map(|name| name.strip_suffix(":latest").unwrap_or(name));
    let similar = nearest(text, names.iter().map(String::as_str).chain(bare)).map(str::to_owned);
    EngineError::NoImage { name: text.to_owned(), similar }
}

/// A canonical reference as people see it.
pub(super) fn familiar(name: &str) -> String {
    name.parse::<Reference>().map_or_else(|_| name.to_owned(), |reference| reference.familiar())
}
