//! Garbage collection: what no image, no cache record and no running command needs.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Transaction;

use super::Store;
use super::database::{Stored, digest};
use super::disk::Disk;
use super::error::StoreError;
use super::work::WorkDir;
use crate::oci::{DiffId, Digest};
use crate::sys::remove;

impl Store {
    /// Removes layers and blobs that nothing needs, and what failed steps left. `images` says for an image's manifest and config which blobs
    /// and layers the image is made of.
    ///
    /// A lease of another command that is alive holds a layer.
    pub fn collect(
        &self,
        work: &WorkDir,
        images: impl Fn(&Self) -> Result<(HashSet<Digest>, HashSet<DiffId>), StoreError>,
    ) -> Result<(), StoreError> {
        self.drop_kept(self.kept()?, work)?;
        self.sweep(work, images).map(drop)
    }

    /// The same, but what failed steps left stays; gives what was freed.
    pub fn sweep(
        &self,
        work: &WorkDir,
        images: impl Fn(&Self) -> Result<(HashSet<Digest>, HashSet<DiffId>), StoreError>,
    ) -> Result<Disk, StoreError> {
        self.sweep_work()?;
        let sweeping = self.sweeping()?;
        let (blobs, mut layers) = images(self)?;
        layers.extend(self.leased_layers()?);
        let layers: HashSet<Digest> = layers.into_iter().map(|layer| layer.0).collect();
        let keep = self.database.write("collect garbage", |t| {
            delete_unneeded(
                t,
                "layers",
                "diff_id",
                |id| layers.contains(id),
                &[
                    "SELECT diff_id FROM records",
                    "SELECT diff_id FROM container_layers",
                    "SELECT layer FROM containers WHERE layer IS NOT NULL",
                ],
            )?;
            delete_unneeded(
                t,
                "blobs",
                "digest",
                |id| blobs.contains(id),
                &[
                    "SELECT source FROM layers WHERE source IS NOT NULL",
                    "SELECT digest FROM encodings WHERE diff_id IN (SELECT diff_id FROM layers)",
                    "SELECT digest FROM indexes",
                    "SELECT blob FROM index_blobs",
                ],
            )?;
            t.execute("DELETE FROM encodings WHERE diff_id NOT IN (SELECT diff_id FROM layers)", [])?;
            t.execute("DELETE FROM distributed WHERE digest NOT IN (SELECT digest FROM blobs)", [])?;
            Keep::read(t)
        })?;
        let freed = self.sweep_blobs(&keep)?;
        let away = self.move_layers_away(&keep, work)?;
        // Others may go on: what is removed now is in nobody's way.
        drop(sweeping);
        Ok(freed + remove_all(&away)?)
    }

    fn sweep_blobs(&self, keep: &Keep) -> Result<Disk, StoreError> {
        let mut freed = Disk::default();
        let directory = self.root.join("blobs/sha256");
        for name in names(&directory)? {
            if !keep.blobs.contains(&name) {
                let path = directory.join(&name);
                freed += Disk::of(&path)?;
                fs::remove_file(&path).map_err(|e| StoreError::io("remove", &path, e))?;
            }
        }
        Ok(freed)
    }

    /// Directories are renamed into a work directory first, so that a killed sweep leaves nothing half removed.
    fn move_layers_away(&self, keep: &Keep, work: &WorkDir) -> Result<Vec<PathBuf>, StoreError> {
        let mut away = Vec::new();
        let directory = self.root.join("layers/sha256");
        for name in names(&directory)? {
            let layer = directory.join(&name);
            let listed = keep.layers.contains(&name);
            let mut left = false;
            for item in names(&layer)? {
                let part = format!("layers/sha256/{name}/{item}");
                if if item == "index" { listed } else { keep.parts.contains(&part) } {
                    left = true;
                    continue;
                }
                let (from, to) = (layer.join(&item), work.path().join(format!("{name}-{item}")));
                fs::rename(&from, &to).map_err(|e| StoreError::io("move away", &from, e))?;
                away.push(to);
            }
            if !left {
                fs::remove_dir(&layer).map_err(|e| StoreError::io("remove", &layer, e))?;
            }
        }
        Ok(away)
    }
}

fn remove_all(paths: &[PathBuf]) -> Result<Disk, StoreError> {
    let mut freed = Disk::default();
    for path in paths {
        freed += Disk::of(path)?;
        if path.is_dir() { remove::tree(path) } else { fs::remove_file(path) }
            .map_err(|e| StoreError::io("remove", path, e))?;
    }
    Ok(freed)
}

/// The names of what stays.
struct Keep {
    blobs: HashSet<String>,
    layers: HashSet<String>,
    parts: HashSet<String>,
}

impl Keep {
    fn read(t: &Transaction<'_>) -> rusqlite::Result<Self> {
        let digests = |query: &str| -> rusqlite::Result<HashSet<String>> {
            t.prepare(query)?.query_map([], |row| Ok(digest(row, 0)?.hex()))?.collect()
        };
        Ok(Self {
            blobs: digests("SELECT digest FROM blobs")?,
            layers: digests("SELECT diff_id FROM layers")?,
            parts: t
                .prepare("SELECT path FROM parts")?
                .query_map([], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
        })
    }
}

fn delete_unneeded(
    t: &Transaction<'_>,
    table: &str,
    key: &str,
    needed: impl Fn(&Digest) -> bool,
    also_needed: &[&str],
) -> rusqlite::Result<()> {
    let conditions: Vec<String> = also_needed.iter().map(|query| format!("{key} NOT IN ({query})")).collect();
    let candidates: Vec<Digest> = t
        .prepare(&format!("SELECT {key} FROM {table} WHERE {}", conditions.join(" AND ")))?
        .query_map([], |row| digest(row, 0))?
        .collect::<Result<_, _>>()?;
    let mut delete = t.prepare(&format!("DELETE FROM {table} WHERE {key} = ?1"))?;
    for id in candidates.iter().filter(|id| !needed(id)) {
        delete.execute([Stored(*id)])?;
    }
    Ok(())
}

pub(super) fn names(directory: &Path) -> Result<Vec<String>, StoreError> {
    let io = |e| StoreError::io("list", directory, e);
    let mut names = Vec::new();
    for entry in fs::read_dir(directory).map_err(io)? {
        names.push(entry.map_err(io)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
