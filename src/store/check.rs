//! Whether the database and the files of a store agree, and what of it can be put right.
//!
//! What is looked for here can be seen without the documents of images and without reading layers; whoever knows more
//! looks on. Nothing is removed that is not looked at again under the lock that keeps everybody else from publishing.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::DirBuilderExt as _;

use super::Store;
use super::containers::ContainerRow;
use super::database::{Stored, digest};
use super::error::StoreError;
use super::inventory::listed;
use super::recover::digest_of;
use crate::oci::{BlobDigest, DiffId, Digest};
use crate::sys::lock::Lock;

/// Something in a store that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum RowFlaw {
    /// SQLite finds fault with the database.
    Database(String),
    /// A reference names an image that has no row.
    Reference {
        /// The reference.
        name: String,
    },
    /// A layer's index or one of its parts is not there.
    LayerGone {
        /// The layer.
        layer: DiffId,
        /// What is missing, relative to the store.
        path: String,
    },
    /// A layer is to come out of a blob that has no row.
    LayerSource {
        /// The layer.
        layer: DiffId,
        /// The blob.
        blob: BlobDigest,
    },
    /// A compressed form of a layer is not there.
    Encoding {
        /// The layer.
        layer: DiffId,
        /// The compression.
        encoding: String,
    },
    /// Cache records name a layer that has no row.
    Records {
        /// The layer.
        layer: DiffId,
    },
    /// A container's directory is not there.
    Container {
        /// Its name.
        name: String,
    },
    /// A blob's file is not there, or has another size or digest.
    Blob {
        /// The blob.
        blob: BlobDigest,
        /// What is wrong.
        problem: BlobProblem,
    },
    /// A file or directory that no row speaks of.
    Stray {
        /// Where, relative to the store.
        path: String,
    },
}

/// What is wrong with a blob.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlobProblem {
    /// There is no file.
    Gone,
    /// The file has another size.
    Size {
        /// The right one.
        expected: u64,
        /// The wrong one.
        found: u64,
    },
    /// The file has another digest.
    Content {
        /// The wrong one.
        found: Digest,
    },
    /// The file cannot be read.
    Unreadable(String),
}

impl Store {
    /// Compares the rows with what is on disk. Nobody publishes meanwhile, so it does not take long: no content is read.
    pub fn row_flaws(&self) -> Result<Vec<RowFlaw>, StoreError> {
        let _alone = self.sweeping()?;
        let mut flaws = self.database_flaws()?;
        for (blob, size) in self.blob_rows()? {
            flaws.extend(self.blob_flaw(blob, size, false));
        }
        flaws.extend(self.layer_flaws()?);
        flaws.extend(self.strays()?);
        for container in self.containers()? {
            if !self.container_place(&container.id).is_dir() {
                flaws.push(RowFlaw::Container { name: container.name });
            }
        }
        Ok(flaws)
    }

    /// What SQLite says of its file, and rows that name rows which are not there.
    fn database_flaws(&self) -> Result<Vec<RowFlaw>, StoreError> {
        self.database.read("check the database", |c| {
            let mut flaws = Vec::new();
            for line in c.prepare("PRAGMA integrity_check")?.query_map([], |row| row.get::<_, String>(0))? {
                let line = line?;
                if line != "ok" {
                    flaws.push(RowFlaw::Database(line));
                }
            }
            let mut refs =
                c.prepare("SELECT name FROM refs WHERE manifest NOT IN (SELECT manifest FROM images)")?;
            for name in refs.query_map([], |row| row.get(0))? {
                flaws.push(RowFlaw::Reference { name: name? });
            }
            let records =
                "SELECT DISTINCT diff_id FROM records WHERE diff_id NOT IN (SELECT diff_id FROM layers)";
            for layer in c.prepare(records)?.query_map([], |row| digest(row, 0))? {
                flaws.push(RowFlaw::Records { layer: DiffId(layer?) });
            }
            let encodings =
                "SELECT diff_id, encoding FROM encodings WHERE diff_id NOT IN (SELECT diff_id FROM layers)
                             OR digest NOT IN (SELECT digest FROM blobs)";
            for row in c.prepare(encodings)?.query_map([], |row| Ok((digest(row, 0)?, row.get(1)?)))? {
                let (layer, encoding) = row?;
                flaws.push(RowFlaw::Encoding { layer: DiffId(layer), encoding });
            }
            let sources = "SELECT diff_id, source FROM layers
                           WHERE source IS NOT NULL AND source NOT IN (SELECT digest FROM blobs)";
            for row in c.prepare(sources)?.query_map([], |row| Ok((digest(row, 0)?, digest(row, 1)?)))? {
                let (layer, blob) = row?;
                flaws.push(RowFlaw::LayerSource { layer: DiffId(layer), blob: BlobDigest(blob) });
            }
            Ok(flaws)
        })
    }

    /// All blobs with their sizes.
    pub fn blob_rows(&self) -> Result<Vec<(BlobDigest, u64)>, StoreError> {
        self.database.read("list blobs", |c| {
            c.prepare("SELECT digest, size FROM blobs ORDER BY digest")?
                .query_map([], |row| Ok((BlobDigest(digest(row, 0)?), row.get::<_, i64>(1)? as u64)))?
                .collect()
        })
    }

    /// All layers that have a row.
    pub fn layer_rows(&self) -> Result<Vec<DiffId>, StoreError> {
        self.database.read("list layers", |c| {
            c.prepare("SELECT diff_id FROM layers ORDER BY diff_id")?
                .query_map([], |row| digest(row, 0).map(DiffId))?
                .collect()
        })
    }

    /// What is wrong with the file of a blob; with `hash` all of it is read.
    pub fn blob_flaw(&self, blob: BlobDigest, size: u64, hash: bool) -> Option<RowFlaw> {
        let path = self.blob_path(&blob);
        let flaw = |problem| Some(RowFlaw::Blob { blob, problem });
        let found = match fs::symlink_metadata(&path) {
            Ok(metadata) if metadata.is_file() => metadata.len(),
            _ => return flaw(BlobProblem::Gone),
        };
        if found != size {
            return flaw(BlobProblem::Size { expected: size, found });
        }
        if !hash {
            return None;
        }
        match fs::File::open(&path).and_then(digest_of) {
            Ok(found) if found == blob.0 => None,
            Ok(found) => flaw(BlobProblem::Content { found }),
            Err(error) => flaw(BlobProblem::Unreadable(error.to_string())),
        }
    }

    fn layer_flaws(&self) -> Result<Vec<RowFlaw>, StoreError> {
        let parts = self.layer_parts()?;
        let mut flaws = Vec::new();
        for layer in self.layer_rows()? {
            let index = format!("layers/sha256/{}/index", layer.0.hex());
            let own = parts.get(&layer).cloned().unwrap_or_default();
            let mut gone = |path: String| flaws.push(RowFlaw::LayerGone { layer, path });
            if !self.root.join(&index).is_file() {
                gone(index);
            }
            if own.is_empty() {
                gone("its parts".to_owned());
            }
            own.into_iter().filter(|part| !self.root.join(part).is_dir()).for_each(gone);
        }
        Ok(flaws)
    }

    /// What a collection would remove because no row speaks of it.
    fn strays(&self) -> Result<Vec<RowFlaw>, StoreError> {
        let blobs: HashSet<String> = self.blob_rows()?.iter().map(|(blob, _)| blob.0.hex()).collect();
        let layers: HashSet<String> = self.layer_rows()?.iter().map(|layer| layer.0.hex()).collect();
        let parts: HashSet<String> = self.layer_parts()?.into_values().flatten().collect();
        let mut strays = Vec::new();
        for name in listed(&self.root.join("blobs/sha256"))? {
            if !blobs.contains(&name) {
                strays.push(format!("blobs/sha256/{name}"));
            }
        }
        for name in listed(&self.root.join("layers/sha256"))? {
            let items = listed(&self.root.join("layers/sha256").join(&name))?;
            if items.is_empty() {
                strays.push(format!("layers/sha256/{name}"));
            }
            for item in items {
                let path = format!("layers/sha256/{name}/{item}");
                if if item == "index" { !layers.contains(&name) } else { !parts.contains(&path) } {
                    strays.push(path);
                }
            }
        }
        Ok(strays.into_iter().map(|path| RowFlaw::Stray { path }).collect())
    }

    /// Holds everybody off who publishes, for repairs.
    pub fn hold_alone(&self) -> Result<Lock, StoreError> {
        self.sweeping()
    }

    /// Takes out what a flaw of the rows is about. Files without rows go with the next sweep.
    pub fn drop_flawed(&self, flaw: &RowFlaw) -> Result<(), StoreError> {
        match flaw {
            RowFlaw::Blob { blob, .. } => self.drop_blob(blob),
            RowFlaw::LayerGone { layer, .. } | RowFlaw::LayerSource { layer, .. } => self.drop_layer(layer),
            RowFlaw::Reference { name } => self.remove_ref(name).map(drop),
            RowFlaw::Records { layer } => self.database.write("drop cache records", |t| {
                t.execute("DELETE FROM records WHERE diff_id = ?1", [Stored(layer.0)]).map(drop)
            }),
            RowFlaw::Encoding { layer, encoding } => self.database.write("drop an encoding", |t| {
                let query = "DELETE FROM encodings WHERE diff_id = ?1 AND encoding = ?2";
                t.execute(query, (Stored(layer.0), encoding)).map(drop)
            }),
            RowFlaw::Container { name } => self.restore_container(name),
            RowFlaw::Stray { .. } | RowFlaw::Database(_) => Ok(()),
        }
    }

    /// Makes the directory of a container again whose changes are a layer; any other has nothing left to be kept for.
    fn restore_container(&self, name: &str) -> Result<(), StoreError> {
        let row = self.containers()?.into_iter().find(|row| row.name == name);
        let Some(ContainerRow { id, layer: Some(_), .. }) = row else {
            return self.database.write("drop a container", |t| {
                t.execute("DELETE FROM containers WHERE name = ?1", [name]).map(drop)
            });
        };
        let place = self.container_place(&id);
        fs::DirBuilder::new()
            .mode(0o700)
            .recursive(true)
            .create(&place)
            .map_err(|e| StoreError::io("make", &place, e))
    }

    /// Drops a blob that is broken, with what leans on it.
    fn drop_blob(&self, blob: &BlobDigest) -> Result<(), StoreError> {
        self.database.write("drop a blob", |t| {
            t.execute("DELETE FROM blobs WHERE digest = ?1", [Stored(blob.0)])?;
            t.execute("DELETE FROM encodings WHERE digest = ?1", [Stored(blob.0)]).map(drop)
        })
    }

    /// Drops a layer that is broken, with its records.
    pub fn drop_layer(&self, layer: &DiffId) -> Result<(), StoreError> {
        self.database.write("drop a layer", |t| {
            t.execute("DELETE FROM layers WHERE diff_id = ?1", [Stored(layer.0)])?;
            t.execute("DELETE FROM records WHERE diff_id = ?1", [Stored(layer.0)]).map(drop)
        })
    }
}
