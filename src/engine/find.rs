//! Images by what people call them.

use crate::diagnostic::nearest;
use crate::oci::{
    BlobDigest, Document, ImageConfig, Manifest, ManifestDigest, Platform, Reference, ReferenceErrorKind,
};
use crate::store::{ImageRow, IndexRow, StoreError};

use super::Engine;
use super::error::{EngineError, OtherPlatform};

/// An image with its documents.
#[derive(Debug, Clone)]
pub(super) struct Image {
    pub(super) row: ImageRow,
    pub(super) manifest: Manifest,
    pub(super) config: ImageConfig,
}

/// What a name stands for.
#[derive(Debug, Clone)]
pub(super) enum Named {
    /// One image.
    Image(ImageRow),
    /// All images of an index.
    Index(IndexRow),
}

impl Named {
    /// The manifest, or the index.
    pub(super) fn digest(&self) -> ManifestDigest {
        match self {
            Self::Image(row) => row.manifest,
            Self::Index(index) => index.digest,
        }
    }

    /// The names that stand for it, in canonical form.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::Image(row) => &row.names,
            Self::Index(index) => &index.names,
        }
    }
}

impl Engine {
    /// Whether the store has what `text` names, for `platform` if one is given.
    pub fn has_image(&self, text: &str, platform: Option<&Platform>) -> Result<bool, EngineError> {
        match self.find_for(text, platform) {
            Ok(_) => Ok(true),
            Err(EngineError::NoImage { .. } | EngineError::OtherPlatform(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The image that `text` names: of an index the one for this machine, or else the first.
    pub(super) fn find(&self, text: &str) -> Result<ImageRow, EngineError> {
        let named = self.find_named(text)?;
        self.image_of(named)
    }

    /// The image for `platform` that `text` names. Without a platform it is the one of [`Engine::find()`].
    pub(super) fn find_for(&self, text: &str, platform: Option<&Platform>) -> Result<ImageRow, EngineError> {
        let named = self.find_named(text)?;
        let Some(wanted) = platform else { return self.image_of(named) };
        let mut rows = self.choices(&named, text)?;
        let platform = |row: &ImageRow| Ok(self.load_documents(row.clone())?.config.platform());
        let mut found = rows.iter().map(platform).collect::<Result<Vec<_>, EngineError>>()?;
        if let Some(place) = found.iter().position(|own| own == wanted) {
            return Ok(rows.swap_remove(place));
        }
        if matches!(named, Named::Image(_)) {
            found.truncate(1);
        }
        let (name, wanted) = (text.to_owned(), wanted.clone());
        Err(EngineError::OtherPlatform(Box::new(OtherPlatform { name, found, wanted })))
    }

    /// An image: of an index the one for this machine, or else the first.
    pub(super) fn image_of(&self, named: Named) -> Result<ImageRow, EngineError> {
        let index = match named {
            Named::Image(row) => return Ok(row),
            Named::Index(index) => index,
        };
        let own = self.own_of(self.images_left(&index)?);
        own.ok_or_else(|| EngineError::NoImage { name: index.digest.to_string(), similar: None })
    }

    /// The image for this machine, or else the first.
    fn own_of(&self, mut rows: Vec<ImageRow>) -> Option<ImageRow> {
        let own = Platform::host().choose(rows.iter().map(|row| self.platform_of(row))).unwrap_or(0);
        (own < rows.len()).then(|| rows.swap_remove(own))
    }

    /// The images of an index that are there, in its order.
    pub(super) fn images_left(&self, index: &IndexRow) -> Result<Vec<ImageRow>, StoreError> {
        let rows = index.images.iter().map(|manifest| self.store.find_image(manifest));
        Ok(rows.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// The images of an index, in its order: all of them, or an error.
    pub(super) fn images_of(&self, index: &IndexRow) -> Result<Vec<ImageRow>, EngineError> {
        let image = |manifest: &ManifestDigest| {
            let lacking = || {
                let index =
                    index.names.first().map_or_else(|| index.digest.to_string(), |name| familiar(name));
                EngineError::Lacking { index, manifest: *manifest }
            };
            self.store.find_image(manifest)?.ok_or_else(lacking)
        };
        index.images.iter().map(image).collect()
    }

    /// What `text` names: a reference, or the beginning of an id, which for an index is its digest.
    pub(super) fn find_named(&self, text: &str) -> Result<Named, EngineError> {
        if let Ok(reference) = text.parse::<Reference>()
            && let Some(named) = self.find_reference(&reference)?
        {
            return Ok(named);
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
            let mut indexes = self.store.indexes()?;
            indexes.retain(|index| index.digest.digest().hex().starts_with(prefix));
            match (&found[..], &indexes[..]) {
                ([], []) => {}
                ([one], []) => return Ok(Named::Image((*one).clone())),
                ([], [one]) => return Ok(Named::Index(one.clone())),
                _ => return Err(EngineError::Ambiguous(text.to_owned())),
            }
        }
        match text.parse::<Reference>() {
            Err(error) if error.kind != ReferenceErrorKind::Id => Err(error.into()),
            _ => Err(no_image(text, &images)),
        }
    }

    fn find_reference(&self, reference: &Reference) -> Result<Option<Named>, StoreError> {
        let store = &self.store;
        let Some(digest) = reference.digest() else {
            let name = reference.to_string();
            return match store.find_index_ref(&name)? {
                Some(index) => Ok(Some(Named::Index(index))),
                None => Ok(store.find_ref(&name)?.map(Named::Image)),
            };
        };
        if let Some(index) = store.find_index(&digest)? {
            return Ok(Some(Named::Index(index)));
        }
        let image = match store.find_image(&digest)? {
            Some(row) => Some(row),
            None => self.find_repo_digest(reference, &digest)?,
        };
        Ok(image.map(Named::Image))
    }

    /// The image that a repository has under a digest, which may be that of an index: the one for this machine, or else
    /// the one that came last.
    fn find_repo_digest(
        &self,
        reference: &Reference,
        digest: &ManifestDigest,
    ) -> Result<Option<ImageRow>, StoreError> {
        Ok(self.own_of(self.store.find_repo_digest(&reference.name(), digest)?))
    }

    /// What an image is for, if its config can be read.
    pub(super) fn platform_of(&self, row: &ImageRow) -> Option<Platform> {
        let config = self.store.read_blob(&BlobDigest(row.id.0)).ok()?;
        Some(ImageConfig::from_json(&config).ok()?.platform())
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
