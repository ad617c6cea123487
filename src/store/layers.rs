//! Layers: unpacked, with their tree index, in one or more parts.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension as _};

use super::Store;
use super::database::{Stored, digest, now};
use super::error::StoreError;
use super::work::{WorkDir, random_name};
use crate::oci::{BlobDigest, CacheKey, ContentDigest, DiffId, Digest};
use crate::sys::remove;
use crate::tree::{Entry, Index, IndexFile, content_digest, write_index};

/// The most parts that a layer is spread over; a delta of a layer that has as many is written in full.
pub const MAX_PARTS: usize = 3;

/// How the bytes of a layer's tar are obtained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TarSource {
    /// Our tar writer, version 1, makes them from the index and the parts.
    Writer,
    /// They are this blob, perhaps after decompression.
    Blob(BlobDigest),
}

/// A layer in the store.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Its name.
    pub diff_id: DiffId,
    /// The digest of its entries without times.
    pub content: ContentDigest,
    /// The size of its tar in bytes.
    pub tar_size: u64,
    /// What its files hold, in bytes: the size that people are told.
    pub size: u64,
    /// Where its tar comes from.
    pub source: TarSource,
    /// Whether its tar left out directories that entries lie in.
    pub implied: bool,
    /// The directories that an overlay stacks to show it, topmost first.
    pub parts: Vec<PathBuf>,
}

/// A layer that was just made and is to be published.
#[derive(Debug)]
pub struct NewLayer<'a> {
    /// Its name.
    pub diff_id: DiffId,
    /// Its entries. What part 0 holds lies in `directory`; part 1 is the first of `below`.
    pub index: &'a Index,
    /// The size of its tar in bytes.
    pub tar_size: u64,
    /// Where its tar comes from.
    pub source: TarSource,
    /// The directory that was made for it, inside a work directory of the same store. It is moved away.
    pub directory: &'a Path,
    /// For a delta: the parts of the older layer that it is stacked over.
    pub below: Vec<PathBuf>,
}

impl Store {
    /// Looks for a layer and takes a lease on it for the owner of `work`.
    pub fn layer(&self, diff_id: &DiffId, work: &WorkDir) -> Result<Option<Layer>, StoreError> {
        let held = self.publishing()?;
        let layer = self.peek_layer(diff_id)?;
        if layer.is_some() {
            work.lease(diff_id, &held)?;
        }
        Ok(layer)
    }

    /// Looks for layers without a lease, for reports.
    pub fn peek_layer(&self, diff_id: &DiffId) -> Result<Option<Layer>, StoreError> {
        self.database.read("look for a layer", |c| self.find_layer(c, diff_id))
    }

    /// Opens a layer's tree index.
    pub fn layer_index(&self, diff_id: &DiffId) -> Result<Arc<IndexFile>, StoreError> {
        Ok(Arc::new(IndexFile::open(&self.layer_dir(diff_id).join("index"))?))
    }

    /// Publishes a layer and takes a lease on it. A layer of this name that is there already stays as it is, and
    /// the new one is dropped.
    pub fn publish_layer(&self, new: &NewLayer<'_>, work: &WorkDir) -> Result<Layer, StoreError> {
        if let Some(layer) = self.layer(&new.diff_id, work)? {
            return Ok(layer);
        }
        // Two publishers may hold the same layer cut into parts in different ways; the index must fit the parts of the
        // one whose row is there.
        let _alone = self.reserve(&CacheKey(new.diff_id.0), &|| true)?;
        if let Some(layer) = self.layer(&new.diff_id, work)? {
            return Ok(layer);
        }
        let held = self.publishing()?;
        let place = self.layer_dir(&new.diff_id);
        match fs::create_dir(&place) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(StoreError::io("make", &place, error));
            }
            // A directory that is there holds a part that other layers use, or debris.
            _ => {}
        }
        let index = work.path().join(random_name()?);
        let file = File::create_new(&index).map_err(|e| StoreError::io("make", &index, e))?;
        write_index(new.index, file).map_err(|e| StoreError::io("write", &index, e))?;
        let place_of_index = place.join("index");
        fs::rename(&index, &place_of_index)
            .map_err(|e| StoreError::io("put in place", &place_of_index, e))?;
        let part = place.join(format!("p{}", random_name()?));
        fs::rename(new.directory, &part).map_err(|e| StoreError::io("put in place", &part, e))?;
        let mut parts = vec![part];
        parts.extend(new.below.iter().cloned());
        let layer = Layer {
            diff_id: new.diff_id,
            content: content_digest(new.index.entries()),
            tar_size: new.tar_size,
            size: new.index.entries().iter().map(Entry::size).sum(),
            source: new.source,
            implied: new.index.entries().iter().any(|entry| entry.implied),
            parts,
        };
        let published = self.insert_layer(&layer)?;
        work.lease(&layer.diff_id, &held)?;
        if published.parts[0] != layer.parts[0] {
            // Another process was quicker.
            remove::tree(&layer.parts[0]).map_err(|e| StoreError::io("remove", &layer.parts[0], e))?;
        }
        Ok(published)
    }

    fn insert_layer(&self, layer: &Layer) -> Result<Layer, StoreError> {
        self.database.write("record a layer", |t| {
            if let Some(existing) = self.find_layer(t, &layer.diff_id)? {
                return Ok(existing);
            }
            let source = match layer.source {
                TarSource::Writer => None,
                TarSource::Blob(digest) => Some(Stored(digest.0)),
            };
            t.prepare_cached(
                "INSERT INTO layers (diff_id, content, tar_size, size, source, implied, boot, created)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                Stored(layer.diff_id.0),
                Stored(layer.content.0),
                layer.tar_size as i64,
                layer.size as i64,
                source,
                layer.implied,
                &self.boot,
                now(),
            ))?;
            for (ordinal, part) in layer.parts.iter().enumerate() {
                t.prepare_cached("INSERT INTO parts (diff_id, ordinal, path) VALUES (?1, ?2, ?3)")?
                    .execute((Stored(layer.diff_id.0), ordinal as i64, self.relative(part)))?;
            }
            Ok(layer.clone())
        })
    }

    fn find_layer(&self, connection: &Connection, diff_id: &DiffId) -> rusqlite::Result<Option<Layer>> {
        let row = connection
            .prepare_cached("SELECT content, tar_size, source, implied, size FROM layers WHERE diff_id = ?1")?
            .query_row([Stored(diff_id.0)], |row| {
                let source: Option<Stored> = row.get(2)?;
                Ok(Layer {
                    diff_id: *diff_id,
                    content: ContentDigest(digest(row, 0)?),
                    tar_size: row.get::<_, i64>(1)? as u64,
                    size: row.get::<_, i64>(4)? as u64,
                    source: source.map_or(TarSource::Writer, |blob| TarSource::Blob(BlobDigest(blob.0))),
                    implied: row.get(3)?,
                    parts: Vec::new(),
                })
            })
            .optional()?;
        let Some(mut layer) = row else { return Ok(None) };
        layer.parts = connection
            .prepare_cached("SELECT path FROM parts WHERE diff_id = ?1 ORDER BY ordinal")?
            .query_map([Stored(diff_id.0)], |row| row.get::<_, String>(0))?
            .map(|path| Ok(self.root.join(path?)))
            .collect::<rusqlite::Result<_>>()?;
        Ok(Some(layer))
    }

    pub(super) fn layer_dir(&self, diff_id: &DiffId) -> PathBuf {
        self.layer_dir_of(diff_id.digest())
    }

    pub(super) fn layer_dir_of(&self, digest: &Digest) -> PathBuf {
        self.root.join("layers/sha256").join(digest.hex())
    }

    /// A path below the root as rows hold it, so that a store can be moved.
    fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}
