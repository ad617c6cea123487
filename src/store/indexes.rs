//! Indexes: lists of images of which one name stands for all, and what else these lists keep.
//!
//! Invariant: every image that an index lists here is in the store. Whoever takes one away takes the index away.

use rusqlite::OptionalExtension as _;

use super::Store;
use super::database::{Stored, digest, now};
use super::error::StoreError;
use super::images::names_in;
use crate::oci::{BlobDigest, ManifestDigest};

/// An index in the store: its document is there, and so is all that it lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexRow {
    /// The digest of the document.
    pub digest: ManifestDigest,
    /// The document's media type.
    pub media_type: String,
    /// The document's size in bytes.
    pub size: u64,
    /// When it came into the store, in seconds since 1970.
    pub stored: i64,
    /// The manifests of its images, in its order.
    pub images: Vec<ManifestDigest>,
    /// What else it leads to: manifests that are no images', with their blobs.
    pub blobs: Vec<BlobDigest>,
    /// Its references in canonical form, sorted.
    pub names: Vec<String>,
}

/// An index to be made known. Its document, its images and the other blobs must be in the store.
#[derive(Debug, Clone, Copy)]
pub struct NewIndex<'a> {
    /// The digest of the document.
    pub digest: &'a ManifestDigest,
    /// The document's media type.
    pub media_type: &'a str,
    /// The document's size in bytes.
    pub size: u64,
    /// The manifests of its images, in its order.
    pub images: &'a [ManifestDigest],
    /// What else it leads to.
    pub blobs: &'a [BlobDigest],
}

impl Store {
    /// Makes an index known.
    pub fn put_index(&self, index: NewIndex<'_>) -> Result<(), StoreError> {
        let key = Stored(index.digest.0);
        self.database.write("record an index", |t| {
            let new = t.execute(
                "INSERT OR IGNORE INTO indexes (digest, media_type, size, created) VALUES (?1, ?2, ?3, ?4)",
                (&key, index.media_type, index.size as i64, now()),
            )?;
            if new == 0 {
                return Ok(());
            }
            for (ordinal, manifest) in index.images.iter().enumerate() {
                t.execute(
                    "INSERT INTO index_images (index_digest, ordinal, manifest) VALUES (?1, ?2, ?3)",
                    (&key, ordinal as i64, Stored(manifest.0)),
                )?;
            }
            for blob in index.blobs {
                t.execute(
                    "INSERT OR IGNORE INTO index_blobs (index_digest, blob) VALUES (?1, ?2)",
                    (&key, Stored(blob.0)),
                )?;
            }
            Ok(())
        })
    }

    /// Lets `name`, a canonical reference, stand for an index that is known, and for `image` of it where one image is
    /// wanted, whatever it named before.
    pub fn set_index_ref(
        &self,
        name: &str,
        index: &ManifestDigest,
        image: &ManifestDigest,
    ) -> Result<(), StoreError> {
        self.database.write("set a reference to an index", |t| {
            t.execute(
                "INSERT INTO refs (name, manifest, index_digest) VALUES (?1, ?2, ?3)
                 ON CONFLICT (name) DO UPDATE SET manifest = ?2, index_digest = ?3",
                (name, Stored(image.0), Stored(index.0)),
            )
        })?;
        Ok(())
    }

    /// Forgets an index with its references, if these are `names`, sorted; says whether it did. Its images stay.
    pub fn remove_index_if(&self, index: &ManifestDigest, names: &[String]) -> Result<bool, StoreError> {
        self.database.write("remove an index", |t| {
            if names_in(t, "index_digest", index)? != names {
                return Ok(false);
            }
            t.execute("DELETE FROM refs WHERE index_digest = ?1", [Stored(index.0)])?;
            Ok(t.execute("DELETE FROM indexes WHERE digest = ?1", [Stored(index.0)])? > 0)
        })
    }

    /// Forgets an index, whose references then name the image that was taken for it.
    pub fn drop_index(&self, index: &ManifestDigest) -> Result<(), StoreError> {
        self.database.write("drop an index", |t| {
            t.execute("DELETE FROM indexes WHERE digest = ?1", [Stored(index.0)])
        })?;
        Ok(())
    }

    /// The index with this digest.
    pub fn find_index(&self, index: &ManifestDigest) -> Result<Option<IndexRow>, StoreError> {
        Ok(self.select_indexes("WHERE digest = ?1", &[&Stored(index.0)])?.pop())
    }

    /// The index that a canonical reference stands for; `None` also for one that names an image.
    pub fn find_index_ref(&self, name: &str) -> Result<Option<IndexRow>, StoreError> {
        let index = self.database.read("look for a reference to an index", |c| {
            c.prepare_cached("SELECT index_digest FROM refs WHERE name = ?1 AND index_digest IS NOT NULL")?
                .query_row([name], |row| digest(row, 0))
                .optional()
        })?;
        index.map_or(Ok(None), |index| self.find_index(&ManifestDigest(index)))
    }

    /// The indexes that list an image.
    pub fn indexes_of(&self, manifest: &ManifestDigest) -> Result<Vec<IndexRow>, StoreError> {
        let listing = "WHERE digest IN (SELECT index_digest FROM index_images WHERE manifest = ?1)";
        self.select_indexes(listing, &[&Stored(manifest.0)])
    }

    /// All indexes, the one that came last first.
    pub fn indexes(&self) -> Result<Vec<IndexRow>, StoreError> {
        self.select_indexes("", &[])
    }

    fn select_indexes(
        &self,
        filter: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<IndexRow>, StoreError> {
        let query = format!(
            "SELECT digest, media_type, size, created FROM indexes {filter} ORDER BY created DESC, digest"
        );
        self.database.read("list indexes", |c| {
            let mut rows: Vec<IndexRow> = c
                .prepare_cached(&query)?
                .query_map(params, |row| {
                    Ok(IndexRow {
                        digest: ManifestDigest(digest(row, 0)?),
                        media_type: row.get(1)?,
                        size: row.get::<_, i64>(2)? as u64,
                        stored: row.get(3)?,
                        images: Vec::new(),
                        blobs: Vec::new(),
                        names: Vec::new(),
                    })
                })?
                .collect::<Result<_, _>>()?;
            let mut images = c.prepare_cached(
                "SELECT manifest FROM index_images WHERE index_digest = ?1 ORDER BY ordinal",
            )?;
            let mut blobs =
                c.prepare_cached("SELECT blob FROM index_blobs WHERE index_digest = ?1 ORDER BY blob")?;
            let mut names =
                c.prepare_cached("SELECT name FROM refs WHERE index_digest = ?1 ORDER BY name")?;
            for index in &mut rows {
                let key = || [Stored(index.digest.0)];
                index.images = images
                    .query_map(key(), |row| digest(row, 0).map(ManifestDigest))?
                    .collect::<Result<_, _>>()?;
                index.blobs = blobs
                    .query_map(key(), |row| digest(row, 0).map(BlobDigest))?
                    .collect::<Result<_, _>>()?;
                index.names = names.query_map(key(), |row| row.get(0))?.collect::<Result<_, _>>()?;
            }
            Ok(rows)
        })
    }
}
