//! What is known of images in registries: under which digests repositories have them, and where blobs are.
//!
//! A repository is named in full here, as `docker.io/library/busybox`. All of it may be out of date, or wrong: it says
//! what to try first.

use super::Store;
use super::database::{Stored, digest, now};
use super::error::StoreError;
use super::images::ImageRow;
use crate::oci::{BlobDigest, ManifestDigest};

impl Store {
    /// A repository has an image that is known here under this digest: that of its manifest, or of an index that lists
    /// it. Of an image that has been removed meanwhile nothing is remembered.
    pub fn set_repo_digest(
        &self,
        repository: &str,
        digest: &ManifestDigest,
        manifest: &ManifestDigest,
    ) -> Result<(), StoreError> {
        self.database.write("remember a repository's digest", |t| {
            t.execute(
                "INSERT OR IGNORE INTO repo_digests (repository, digest, manifest)
                 SELECT ?1, ?2, ?3 WHERE EXISTS (SELECT 1 FROM images WHERE manifest = ?3)",
                (repository, Stored(digest.0), Stored(manifest.0)),
            )
        })?;
        Ok(())
    }

    /// Under which digests repositories have an image, sorted.
    pub fn repo_digests(
        &self,
        manifest: &ManifestDigest,
    ) -> Result<Vec<(String, ManifestDigest)>, StoreError> {
        self.database.read("look for repositories' digests", |c| {
            c.prepare_cached(
                "SELECT digest, repository FROM repo_digests WHERE manifest = ?1 ORDER BY repository, digest",
            )?
            .query_map([Stored(manifest.0)], |row| Ok((row.get(1)?, ManifestDigest(digest(row, 0)?))))?
            .collect()
        })
    }

    /// The images that a repository has under a digest, the one that came last first: an index has several.
    pub fn find_repo_digest(
        &self,
        repository: &str,
        wanted: &ManifestDigest,
    ) -> Result<Vec<ImageRow>, StoreError> {
        let found: Vec<ManifestDigest> = self.database.read("look for a repository's digest", |c| {
            c.prepare_cached("SELECT manifest FROM repo_digests WHERE repository = ?1 AND digest = ?2")?
                .query_map((repository, Stored(wanted.0)), |row| Ok(ManifestDigest(digest(row, 0)?)))?
                .collect()
        })?;
        let mut rows = Vec::new();
        for manifest in found {
            rows.extend(self.find_image(&manifest)?);
        }
        rows.sort_by_key(|row| std::cmp::Reverse(row.stored));
        Ok(rows)
    }

    /// A repository has these blobs: they came from there, or went there.
    pub fn set_distributed(
        &self,
        repository: &str,
        blobs: impl IntoIterator<Item = BlobDigest>,
    ) -> Result<(), StoreError> {
        self.database.write("remember where blobs are", |t| {
            let mut insert = t.prepare_cached(
                "INSERT INTO distributed (digest, repository, last_use) VALUES (?1, ?2, ?3)
                 ON CONFLICT (digest, repository) DO UPDATE SET last_use = excluded.last_use",
            )?;
            for blob in blobs {
                insert.execute((Stored(blob.0), repository, now()))?;
            }
            Ok(())
        })
    }

    /// The repositories that had a blob, those of which it was heard last first.
    pub fn distributed(&self, blob: &BlobDigest) -> Result<Vec<String>, StoreError> {
        self.database.read("look where a blob is", |c| {
            c.prepare_cached(
                "SELECT repository FROM distributed WHERE digest = ?1 ORDER BY last_use DESC, repository",
            )?
            .query_map([Stored(blob.0)], |row| row.get(0))?
            .collect()
        })
    }
}
