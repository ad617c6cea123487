//! What is done with images that are there: listing, naming, removing, their history.

pub(super) mod filter;
mod remove;

use std::collections::{BTreeMap, HashMap, HashSet};

use jiff::Timestamp;

use crate::oci::{
    BlobDigest, DiffId, Digest, Document, History, ImageConfig, ImageId, ManifestDigest, Platform, Reference,
};
use crate::store::{Disk, ImageRow, IndexRow, Store, StoreError, WorkDir};

use super::Engine;
use super::error::EngineError;
use super::find::Image;

pub use filter::{FilterError, ImageFilter};
pub use remove::Removed;

/// One image, or an index of images, as a list shows it.
#[derive(Debug, Clone)]
pub struct ImageSummary {
    /// The image id, or the digest of the index.
    pub id: Digest,
    /// The manifest, or the index.
    pub manifest: ManifestDigest,
    /// What an image is for, if its config can be read.
    pub platform: Option<Platform>,
    /// The images of an index, in its order; empty for an image.
    pub images: Vec<ImageSummary>,
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

impl Engine {
    /// The images that `filter` wants, the newest first, with the names that it wants. Those of an index are in one line.
    pub fn images(&self, filter: &ImageFilter) -> Result<Vec<ImageSummary>, EngineError> {
        let mut list = self.summaries()?;
        let indexes = self.store.indexes()?;
        let lines = indexes.iter().map(|index| index_line(index, &list)).collect::<Vec<_>>();
        // What an index lists has a line of its own only where it has a name of its own.
        list.retain_mut(|image| {
            let lists: Vec<&IndexRow> =
                indexes.iter().filter(|index| index.images.contains(&image.manifest)).collect();
            let is_of_index =
                |name: &Reference| lists.iter().any(|index| index.names.contains(&name.to_string()));
            image.names.retain(|name| !is_of_index(name));
            lists.is_empty() || image.names.iter().any(|name| name.digest().is_none())
        });
        list.extend(lines);
        self.filtered(list, filter)
    }

    /// The images that `filter` wants, the newest first, each by itself. One of an index has the index's names, too.
    pub(super) fn single_images(&self, filter: &ImageFilter) -> Result<Vec<ImageSummary>, EngineError> {
        let mut list = self.summaries()?;
        for index in self.store.indexes()? {
            let names: Vec<Reference> = index.names.iter().filter_map(|name| name.parse().ok()).collect();
            for image in list.iter_mut().filter(|image| index.images.contains(&image.manifest)) {
                image.names.extend(names.clone());
                image.names.sort();
                image.names.dedup();
            }
        }
        self.filtered(list, filter)
    }

    fn filtered(
        &self,
        mut list: Vec<ImageSummary>,
        filter: &ImageFilter,
    ) -> Result<Vec<ImageSummary>, EngineError> {
        let created = |text: &str| -> Result<Option<Timestamp>, EngineError> {
            let image = self.load_documents(self.find(text)?)?;
            Ok(Some(image.config.created.and_then(|time| time.parse().ok()).unwrap_or_default()))
        };
        let (before, since) = filter.bounds();
        let bounds = (before.map_or(Ok(None), created)?, since.map_or(Ok(None), created)?);
        list.retain_mut(|image| filter.accepts(image, bounds));
        list.sort_by(|a, b| b.created.cmp(&a.created));
        Ok(list)
    }

    /// All images, each by itself.
    fn summaries(&self) -> Result<Vec<ImageSummary>, EngineError> {
        let mut summaries = Vec::new();
        for row in self.store.images()? {
            let names = self.shown_names(&row)?;
            let mut summary = ImageSummary {
                id: row.id.0,
                manifest: row.manifest,
                platform: None,
                images: Vec::new(),
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
                summary.platform = Some(image.config.platform());
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

    /// An image's history, the topmost entry first.
    pub fn history(&self, text: &str, platform: Option<&Platform>) -> Result<Vec<HistoryLine>, EngineError> {
        let image = self.load_documents(self.find_for(text, platform)?)?;
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

impl Engine {
    /// Removes what nothing needs any more, but for what failed steps left.
    pub(super) fn sweep(&self, work: &WorkDir) -> Result<Disk, EngineError> {
        Ok(self.store.sweep(work, needed)?)
    }

    /// The blobs and layers that an image is made of, with what the indexes that list it keep besides.
    pub(super) fn needed_by(&self, image: &ImageSummary) -> Result<(Vec<Digest>, Vec<DiffId>), EngineError> {
        let (mut blobs, layers) = parts_of(&self.store, image.manifest, ImageId(image.id))?;
        for index in self.store.indexes_of(&image.manifest)? {
            blobs.push(index.digest.0);
            blobs.extend(index.blobs.iter().map(|blob| blob.0));
        }
        Ok((blobs, layers))
    }
}

/// The line of an index in a list. Its size is that of all layers, each counted once.
fn index_line(index: &IndexRow, all: &[ImageSummary]) -> ImageSummary {
    let images = index.images.iter().filter_map(|manifest| all.iter().find(|one| one.manifest == *manifest));
    let images: Vec<ImageSummary> = images.cloned().collect();
    let first = images.first();
    let layers: BTreeMap<DiffId, u64> =
        images.iter().flat_map(|image| image.layers.iter().copied()).collect();
    let others = all.iter().filter(|image| !index.images.contains(&image.manifest));
    let elsewhere: HashSet<DiffId> =
        others.flat_map(|image| image.layers.iter().map(|(layer, _)| *layer)).collect();
    let shared = layers.iter().filter(|(layer, _)| elsewhere.contains(layer));
    ImageSummary {
        id: index.digest.0,
        manifest: index.digest,
        platform: None,
        names: index.names.iter().filter_map(|name| name.parse().ok()).collect(),
        created: images.iter().filter_map(|image| image.created.clone()).max(),
        size: layers.values().sum(),
        shared: shared.map(|(_, size)| size).sum(),
        labels: first.map(|image| image.labels.clone()).unwrap_or_default(),
        layers: layers.into_iter().collect(),
        images,
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

/// The blobs and layers that the images in the store are made of.
fn needed(store: &Store) -> Result<(HashSet<Digest>, HashSet<DiffId>), StoreError> {
    let (mut blobs, mut layers) = (HashSet::new(), HashSet::new());
    for ImageRow { manifest, id, .. } in store.images()? {
        let (own, below) = parts_of(store, manifest, id)?;
        blobs.extend(own);
        layers.extend(below);
    }
    Ok((blobs, layers))
}

/// The blobs and layers that one image is made of. Of one with a document that is gone or damaged stays what the other
/// one names.
fn parts_of(
    store: &Store,
    manifest: ManifestDigest,
    id: ImageId,
) -> Result<(Vec<Digest>, Vec<DiffId>), StoreError> {
    let (mut blobs, mut layers) = (vec![manifest.0, id.0], Vec::new());
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
