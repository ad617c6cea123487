//! Durability: one sync at the end of a build, and what is checked after a crash of the machine.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Store;
use super::database::{Stored, digest};
use super::error::StoreError;
use super::layers::Layer;
use crate::oci::digest::Digester;
use crate::oci::{BlobDigest, DiffId, Digest};
use crate::sys::reach::Reach;
use crate::tree::{Entry, Kind};

/// What the kernel calls the time since it was started (random(4), boot_id).
pub(super) fn boot_id() -> Result<String, StoreError> {
    let path = Path::new("/proc/sys/kernel/random/boot_id");
    let text = fs::read_to_string(path).map_err(|e| StoreError::io("read", path, e))?;
    Ok(text.trim().to_owned())
}

impl Store {
    /// Makes all that was published so far durable. Costs nothing if nothing was published since the last time.
    pub fn sync(&self) -> Result<(), StoreError> {
        let pending = self.database.read("look for what is not synced", |c| {
            c.query_row(
                "SELECT EXISTS (SELECT 1 FROM layers WHERE NOT synced) OR EXISTS (SELECT 1 FROM blobs WHERE NOT synced)",
                [],
                |row| row.get::<_, bool>(0),
            )
        })?;
        if !pending {
            return Ok(());
        }
        // Rows that come while the file system syncs are not covered by it, so the rows to mark are chosen first.
        let last = self.database.read("look for what is not synced", |c| {
            let ids = |query: &str| -> rusqlite::Result<Vec<Digest>> {
                c.prepare(query)?.query_map([], |row| digest(row, 0))?.collect()
            };
            Ok((
                ids("SELECT diff_id FROM layers WHERE NOT synced")?,
                ids("SELECT digest FROM blobs WHERE NOT synced")?,
            ))
        })?;
        let io = |e: io::Error| StoreError::io("sync", &self.root, e);
        let root = File::open(&self.root).map_err(io)?;
        rustix::fs::syncfs(&root).map_err(|e| io(e.into()))?;
        self.database.write("note what is synced", |t| {
            let mut update = t.prepare("UPDATE layers SET synced = 1 WHERE diff_id = ?1")?;
            for id in &last.0 {
                update.execute([Stored(*id)])?;
            }
            let mut update = t.prepare("UPDATE blobs SET synced = 1 WHERE digest = ?1")?;
            for id in &last.1 {
                update.execute([Stored(*id)])?;
            }
            Ok(())
        })?;
        self.database.fold_log()
    }

    /// Verifies what was not synced when the machine went down, and drops what is not whole.
    pub(super) fn recover(&self) -> Result<(), StoreError> {
        let (layers, blobs) = self.database.read("look for what a crash may have cut", |c| {
            let ids = |query: &str| -> rusqlite::Result<Vec<Digest>> {
                c.prepare_cached(query)?.query_map([&self.boot], |row| digest(row, 0))?.collect()
            };
            Ok((
                ids("SELECT diff_id FROM layers WHERE NOT synced AND boot <> ?1")?,
                ids("SELECT digest FROM blobs WHERE NOT synced AND boot <> ?1")?,
            ))
        })?;
        for id in layers.into_iter().map(DiffId) {
            let whole = self.peek_layer(&id)?.is_some_and(|layer| self.is_whole(&layer));
            self.settle("layers", "diff_id", id.0, whole)?;
        }
        for id in blobs.into_iter().map(BlobDigest) {
            let whole =
                self.open_blob(&id).is_ok_and(|file| digest_of(file).is_ok_and(|found| found == id.0));
            self.settle("blobs", "digest", id.0, whole)?;
        }
        Ok(())
    }

    /// Whether a layer's directories hold what its index says.
    pub fn is_whole(&self, layer: &Layer) -> bool {
        let Ok(index) = self.layer_index(&layer.diff_id).and_then(|index| Ok(index.read_all()?)) else {
            return false;
        };
        index.entries().iter().all(|entry| {
            layer
                .parts
                .get(usize::from(entry.part))
                .is_some_and(|part| agrees(&part.join(entry.path.as_path()), entry))
        })
    }

    /// Keeps or drops what was judged, if it is still the row that was: another process may have settled it, and made
    /// it anew, meanwhile.
    fn settle(&self, table: &str, key: &str, id: Digest, whole: bool) -> Result<(), StoreError> {
        let judged = format!("{key} = ?1 AND NOT synced AND boot <> ?2");
        self.database.write("settle what a crash may have cut", |t| {
            if whole {
                t.execute(
                    &format!("UPDATE {table} SET synced = 1 WHERE {judged}"),
                    (Stored(id), &self.boot),
                )?;
                return Ok(());
            }
            if t.execute(&format!("DELETE FROM {table} WHERE {judged}"), (Stored(id), &self.boot))? == 0 {
                return Ok(());
            }
            if table == "layers" {
                t.execute("DELETE FROM records WHERE diff_id = ?1", [Stored(id)])?;
                return Ok(());
            }
            t.execute("DELETE FROM encodings WHERE digest = ?1", [Stored(id)])?;
            let sourced = "SELECT diff_id FROM layers WHERE source = ?1";
            t.execute(&format!("DELETE FROM records WHERE diff_id IN ({sourced})"), [Stored(id)])?;
            t.execute("DELETE FROM layers WHERE source = ?1", [Stored(id)])?;
            // An image without its documents can be neither shown nor used, and an index has all that it lists.
            let images = "SELECT manifest FROM images WHERE manifest = ?1 OR config = ?1";
            let lists = format!("SELECT index_digest FROM index_images WHERE manifest IN ({images})");
            let others = "SELECT index_digest FROM index_blobs WHERE blob = ?1";
            t.execute(
                &format!(
                    "DELETE FROM indexes WHERE digest = ?1 OR digest IN ({lists}) OR digest IN ({others})"
                ),
                [Stored(id)],
            )?;
            t.execute(&format!("DELETE FROM images WHERE manifest IN ({images})"), [Stored(id)])?;
            Ok(())
        })
    }
}

fn agrees(path: &Path, entry: &Entry) -> bool {
    let found = Reach::to(path).and_then(|path| Ok((fs::symlink_metadata(&path)?, path)));
    let Ok((metadata, path)) = found else { return false };
    match &entry.kind {
        Kind::File { size, digest } => {
            let same = |file| digest_of(file).is_ok_and(|found| found == *digest);
            metadata.is_file() && metadata.len() == *size && File::open(&path).is_ok_and(same)
        }
        Kind::Directory { .. } => metadata.is_dir() && metadata.mode() & 0o7777 == entry.mode,
        Kind::Symlink { target } => {
            use std::os::unix::ffi::OsStrExt;
            fs::read_link(path).is_ok_and(|found| found.as_os_str().as_bytes() == &**target)
        }
        _ => true,
    }
}

pub(super) fn digest_of(mut file: File) -> io::Result<Digest> {
    let mut digester = Digester::new(io::sink());
    io::copy(&mut file, &mut digester)?;
    Ok(digester.finish().1)
}
