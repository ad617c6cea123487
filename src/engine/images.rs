//! What is done with images that are there: listing, naming, removing, their history.

mod filter;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use crate::oci::{
    BlobDigest, DiffId, Digest, Document, History, ImageConfig, ImageId, ManifestDigest, Reference,
};
use crate::store::{ImageRow, Store, StoreError};

use super::Engine;
use super::error::EngineError;
use super::find::{Image, familiar};

pub use filter::{FilterError, ImageFilter};

/// One image as a list shows it.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// The image id.
    pub id: ImageId,
    /// The manifest.
    pub manifest: ManifestDigest,
    /// Its names; empty for an image that has lost its name or never had one.
    pub names: Vec<Reference>,
    /// When it was made (RFC 3339), if it says so.
    pub created: Option<String>,
    /// What the files of its layers hold, in bytes.
    pub size: u64,
    /// How much of that other images in the store have too, because it is in the same layers.
    pub shared: u64,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its layers, lowest first, with what their files hold, in bytes.
    pub layers: Vec<(DiffId, u64)>,
}

/// One line of an image's history.
#[derive(Debug, Clone)]
pub struct HistoryLine {
    /// The id of the image, for its topmost entry.
    pub image: Option<ImageId>,
    /// The entry.
    pub entry: History,
    /// What the files of its layer hold, in bytes.
    pub size: u64,
}

/// What became of a name or an image that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name is gone.
    Untagged(String),
    /// An image is gone.
    Deleted(ImageId),
}

impl Engine {
    /// The images that `filter` wants, the newest first, with the names that it wants.
    pub fn images(&self, filter: &ImageFilter) -> Result<Vec<ImageSummary>, EngineError> {
        let mut summaries = self.summaries()?;
        let created = |text: &str| -> Result<Option<Timestamp>, EngineError> {
            let image = self.load_documents(self.find(text)?)?;
            Ok(Some(image.config.created.and_then(|time| time.parse().ok()).unwrap_or_default()))
        };
        let (before, since) = filter.bounds();
        let bounds = (before.map_or(Ok(None), created)?, since.map_or(Ok(None), created)?);
        summaries.retain_mut(|image| filter.accepts(image, bounds));
        summaries.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(summaries)
    }

    fn summaries(&self) -> Result<Vec<ImageSummary>, EngineError> {
        let mut summaries = Vec::new();
        for row in self.store.images()? {
            let names = self.shown_names(&row)?;
            let mut summary = ImageSummary {
                id: row.id,
                manifest: row.manifest,
                names,
                created: None,
                size: 0,
                shared: 0,
                labels: BTreeMap::new(),
                layers: Vec::new(),
            };
            // One damaged image must not hide the others.
            if let Some(image) = self.load_readable(row)? {
                let sizes = self.layer_sizes(&image)?;
                let size = |layer: &DiffId| sizes.get(layer).copied().unwrap_or(0);
                let layers = image.config.rootfs.diff_ids.iter().map(|layer| (*layer, size(layer)));
                summary.layers = layers.collect();
                summary.size = summary.layers.iter().map(|(_, size)| size).sum();
                summary.created = image.config.created;
                summary.labels = image.config.config.labels;
            }
            summaries.push(summary);
        }
        count_shared(&mut summaries);
        Ok(summaries)
    }

    /// An image's names. One that was pulled by its digest alone has that for a name.
    fn shown_names(&self, row: &ImageRow) -> Result<Vec<Reference>, EngineError> {
        let names: Vec<Reference> = row.names.iter().filter_map(|name| name.parse().ok()).collect();
        if !names.is_empty() {
            return Ok(names);
        }
        let digests = self.store.repo_digests(&row.manifest)?;
        // A repository has an image under its own digest and perhaps that of an index: one will do.
        let first = digests.first().map(|(name, digest)| format!("{name}@{digest}"));
        Ok(first.and_then(|name| name.parse().ok()).into_iter().collect())
    }

    /// How much of what the image's layers hold other images have too, in bytes.
    pub(super) fn shared_size(&self, image: &Image) -> Result<u64, EngineError> {
        let all = self.summaries()?;
        Ok(all.iter().find(|one| one.manifest == image.row.manifest).map_or(0, |one| one.shared))
    }

    /// An image's documents; `None` if one of them is gone or damaged.
    pub(super) fn load_readable(&self, row: ImageRow) -> Result<Option<Image>, EngineError> {
        match self.load_documents(row) {
            Ok(image) => Ok(Some(image)),
            Err(EngineError::Store(StoreError::NoBlob(_) | StoreError::Mismatch { .. })) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Gives the image that `source` names another name.
    pub fn tag(&self, source: &str, name: &Reference) -> Result<(), EngineError> {
        let row = self.find(source)?;
        self.store.set_ref(&name.to_string(), &row.manifest)?;
        Ok(self.store.sync()?)
    }

    /// Removes a name, and the image with its last name. By id, `force` removes an image that has several names.
    pub fn remove(&self, text: &str, force: bool) -> Result<Vec<Removed>, EngineError> {
        let row = self.find(text)?;
        let name =
            text.parse::<Reference>().ok().map(|r| r.to_string()).filter(|name| row.names.contains(name));
        let mut removed = Vec::new();
        match name {
            Some(name) if row.names.len() > 1 => {
                self.store.remove_ref(&name)?;
                return Ok(vec![Removed::Untagged(familiar(&name))]);
            }
            Some(_) => {}
            None if row.names.len() > 1 && !force => {
                let names = row.names.iter().map(|name| familiar(name)).collect();
                return Err(EngineError::StillNamed { id: row.id.digest().short(), names });
            }
            None => {}
        }
        removed.extend(row.names.iter().map(|name| Removed::Untagged(familiar(name))));
        self.store.remove_image(&row.manifest)?;
        removed.push(Removed::Deleted(row.id));
        let work = self.store.work_dir()?;
        self.store.collect(&work, needed)?;
        Ok(removed)
    }

    /// An image's history, the topmost entry first.
    pub fn history(&self, text: &str) -> Result<Vec<HistoryLine>, EngineError> {
        let image = self.load_documents(self.find(text)?)?;
        let sizes = self.layer_sizes(&image)?;
        let mut layers = image.config.rootfs.diff_ids.iter();
        let mut lines = Vec::new();
        for entry in image.config.history {
            let layer = if entry.empty_layer { None } else { layers.next() };
            let size = layer.and_then(|layer| sizes.get(layer)).copied().unwrap_or(0);
            lines.push(HistoryLine { image: None, entry, size });
        }
        lines.reverse();
        if let Some(top) = lines.first_mut() {
            top.image = Some(image.row.id);
        }
        Ok(lines)
    }

    /// What the files of an image's layers hold, in bytes.
    pub(super) fn image_size(&self, image: &Image) -> Result<u64, EngineError> {
        let sizes = self.layer_sizes(image)?;
        Ok(image.config.rootfs.diff_ids.iter().filter_map(|layer| sizes.get(layer)).sum())
    }

    fn layer_sizes(&self, image: &Image) -> Result<BTreeMap<DiffId, u64>, EngineError> {
        let mut sizes = BTreeMap::new();
        for diff_id in &image.config.rootfs.diff_ids {
            if let Some(layer) = self.store.peek_layer(diff_id)? {
                sizes.insert(*diff_id, layer.size);
            }
        }
        Ok(sizes)
    }
}

/// Finds out how much each image shares with others.
fn count_shared(images: &mut [ImageSummary]) {
    let mut users: HashMap<DiffId, u32> = HashMap::new();
    for image in images.iter() {
        let distinct: HashSet<DiffId> = image.layers.iter().map(|(layer, _)| *layer).collect();
        for layer in distinct {
            *users.entry(layer).or_default() += 1;
        }
    }
    for image in images {
        let shared =
            image.layers.iter().filter(|(layer, _)| users.get(layer).is_some_and(|users| *users > 1));
        image.shared = shared.map(|(_, size)| size).sum();
    }
}

/// The blobs and layers that the images in the store are made of. Of an image with a document that is gone or damaged
/// stays what the other one names.
fn needed(store: &Store) -> Result<(HashSet<Digest>, HashSet<DiffId>), StoreError> {
    let (mut blobs, mut layers) = (HashSet::new(), HashSet::new());
    for ImageRow { manifest, id, .. } in store.images()? {
        blobs.extend([manifest.0, id.0]);
        if let Some(bytes) = readable(store, manifest.0)?
            && let Ok(Document::Manifest(manifest)) = Document::from_json(&bytes, None)
        {
            blobs.extend(manifest.layers.iter().map(|layer| layer.digest));
            layers.extend(manifest.layers.iter().map(|layer| DiffId(layer.digest)));
        }
        if let Some(bytes) = readable(store, id.0)?
            && let Ok(config) = ImageConfig::from_json(&bytes)
        {
            layers.extend(config.rootfs.diff_ids);
        }
    }
    Ok((blobs, layers))
}

/// A document's bytes; `None` if it is gone or damaged.
fn readable(store: &Store, digest: Digest) -> Result<Option<Vec<u8>>, StoreError> {
    match store.read_blob(&BlobDigest(digest)) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(StoreError::NoBlob(_) | StoreError::Mismatch { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
