//! Images and the references that name them.

use rusqlite::{OptionalExtension as _, Transaction};

use super::Store;
use super::database::{Stored, digest, now};
use super::error::StoreError;
use crate::oci::{ImageId, ManifestDigest};

/// An image in the store: a manifest whose blob is there, and what people call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRow {
    /// Its manifest.
    pub manifest: ManifestDigest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest's size in bytes.
    pub size: u64,
    /// Its config's digest: the image id.
    pub id: ImageId,
    /// When it came into the store, in seconds since 1970.
    pub stored: i64,
    /// The references in canonical form that stand for it, sorted: its own, and those of indexes in which it is the image
    /// that is taken where one is wanted.
    pub names: Vec<String>,
}

/// The references of an image or of an index, sorted.
pub(super) fn names_in(
    transaction: &Transaction<'_>,
    column: &str,
    of: &ManifestDigest,
) -> rusqlite::Result<Vec<String>> {
    let query = format!("SELECT name FROM refs WHERE {column} = ?1 ORDER BY name");
    transaction.prepare_cached(&query)?.query_map([Stored(of.0)], |row| row.get(0))?.collect()
}

impl Store {
    /// Makes an image known. Its blobs must be in the store.
    pub fn put_image(
        &self,
        manifest: &ManifestDigest,
        media_type: &str,
        size: u64,
        id: &ImageId,
    ) -> Result<(), StoreError> {
        self.database.write("record an image", |t| {
            t.execute(
                "INSERT OR IGNORE INTO images (manifest, media_type, size, config, created) VALUES (?1, ?2, ?3, ?4, ?5)",
                (Stored(manifest.0), media_type, size as i64, Stored(id.0), now()),
            )
        })?;
        Ok(())
    }

    /// Lets `name`, a canonical reference, name an image that is known and nothing else, whatever it named before.
    pub fn set_ref(&self, name: &str, manifest: &ManifestDigest) -> Result<(), StoreError> {
        self.database.write("set a reference", |t| {
            t.execute(
                "INSERT INTO refs (name, manifest) VALUES (?1, ?2)
                 ON CONFLICT (name) DO UPDATE SET manifest = ?2, index_digest = NULL",
                (name, Stored(manifest.0)),
            )
        })?;
        Ok(())
    }

    /// Lets `name` name an image that is known, unless it names something; says whether it names it now.
    pub fn set_free_ref(&self, name: &str, manifest: &ManifestDigest) -> Result<bool, StoreError> {
        let set = self.database.write("set a reference", |t| {
            t.execute(
                "INSERT INTO refs (name, manifest) VALUES (?1, ?2) ON CONFLICT (name) DO NOTHING",
                (name, Stored(manifest.0)),
            )
        })?;
        Ok(set > 0)
    }

    /// Forgets a reference; says whether there was one.
    pub fn remove_ref(&self, name: &str) -> Result<bool, StoreError> {
        let removed = self
            .database
            .write("remove a reference", |t| t.execute("DELETE FROM refs WHERE name = ?1", [name]))?;
        Ok(removed > 0)
    }

    /// Forgets a reference, if it names this image and no index; says whether it did.
    pub fn remove_ref_to(&self, name: &str, manifest: &ManifestDigest) -> Result<bool, StoreError> {
        let removed = self.database.write("remove a reference", |t| {
            t.execute(
                "DELETE FROM refs WHERE name = ?1 AND manifest = ?2 AND index_digest IS NULL",
                (name, Stored(manifest.0)),
            )
        })?;
        Ok(removed > 0)
    }

    /// Forgets an image with all its references, and the indexes that list it: an index has all its images. What these
    /// were called then names the image that was taken for them. Layers go when nothing else needs them.
    pub fn remove_image(&self, manifest: &ManifestDigest) -> Result<(), StoreError> {
        self.database.write("remove an image", |t| {
            t.execute(
                "DELETE FROM indexes WHERE digest IN (SELECT index_digest FROM index_images WHERE manifest = ?1)",
                [Stored(manifest.0)],
            )?;
            t.execute("DELETE FROM images WHERE manifest = ?1", [Stored(manifest.0)])
        })?;
        Ok(())
    }

    /// Forgets an image with its references, if these are `names`, sorted, and no index lists it; says whether it did.
    /// Somebody else may have given it a name since that was decided.
    pub fn remove_image_if(&self, manifest: &ManifestDigest, names: &[String]) -> Result<bool, StoreError> {
        self.database.write("remove an image that nothing needs", |t| {
            let listed = "SELECT EXISTS (SELECT 1 FROM index_images WHERE manifest = ?1)";
            let listed = t.query_row(listed, [Stored(manifest.0)], |row| row.get::<_, bool>(0))?;
            if listed || names_in(t, "manifest", manifest)? != names {
                return Ok(false);
            }
            Ok(t.execute("DELETE FROM images WHERE manifest = ?1", [Stored(manifest.0)])? > 0)
        })
    }

    /// The image that a canonical reference names.
    pub fn find_ref(&self, name: &str) -> Result<Option<ImageRow>, StoreError> {
        let manifest = self.database.read("look for a reference", |c| {
            c.prepare_cached("SELECT manifest FROM refs WHERE name = ?1")?
                .query_row([name], |row| digest(row, 0))
                .optional()
        })?;
        match manifest {
            Some(manifest) => self.find_image(&ManifestDigest(manifest)),
            None => Ok(None),
        }
    }

    /// The image with this manifest.
    pub fn find_image(&self, manifest: &ManifestDigest) -> Result<Option<ImageRow>, StoreError> {
        Ok(self.select_images("WHERE i.manifest = ?1", &[&Stored(manifest.0)])?.pop())
    }

    /// All images, the one that came last first.
    pub fn images(&self) -> Result<Vec<ImageRow>, StoreError> {
        self.select_images("", &[])
    }

    fn select_images(
        &self,
        filter: &str,
        params: &[&dyn rusqlite::ToSql],
    ) -> Result<Vec<ImageRow>, StoreError> {
        // A unit separator cannot stand in a reference.
        let query = format!(
            "SELECT i.manifest, i.media_type, i.size, i.config, i.created, group_concat(r.name, char(31))
             FROM images i LEFT JOIN refs r ON r.manifest = i.manifest {filter}
             GROUP BY i.manifest ORDER BY i.created DESC, i.manifest"
        );
        self.database.read("list images", |c| {
            c.prepare_cached(&query)?
                .query_map(params, |row| {
                    let names: Option<String> = row.get(5)?;
                    let mut names: Vec<String> =
                        names.iter().flat_map(|names| names.split('\u{1f}')).map(str::to_owned).collect();
                    names.sort();
                    Ok(ImageRow {
                        manifest: ManifestDigest(digest(row, 0)?),
                        media_type: row.get(1)?,
                        size: row.get::<_, i64>(2)? as u64,
                        id: ImageId(digest(row, 3)?),
                        stored: row.get(4)?,
                        names,
                    })
                })?
                .collect()
        })
    }
}
