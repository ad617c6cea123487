//! Taking things out of the store one by one, for pruning. What a running command uses stays.
//!
//! Invariants: rows are chosen while nobody can take a lease; what is removed from a directory is renamed into a work
//! directory first, under the lock of its users. The data of rows goes with the next sweep.

use std::fs;
use std::path::Path;

use super::Store;
use super::database::Stored;
use super::error::StoreError;
use super::inventory::EncodingRow;
use super::work::{WorkDir, random_name};
use crate::oci::DiffId;
use crate::sys::lock::Lock;
use crate::sys::remove;

impl Store {
    /// Forgets all cache records that name these layers; gives the layers that running commands use, whose records stay.
    pub fn forget_records(&self, layers: &[DiffId]) -> Result<Vec<DiffId>, StoreError> {
        let _alone = self.sweeping()?;
        let leased = self.leased_layers()?;
        let (used, unused): (Vec<DiffId>, Vec<DiffId>) =
            layers.iter().partition(|layer| leased.contains(layer));
        self.database.write("forget cache records", |t| {
            let mut forget = t.prepare("DELETE FROM records WHERE diff_id = ?1")?;
            for layer in unused {
                forget.execute([Stored(layer.0)])?;
            }
            Ok(())
        })?;
        Ok(used)
    }

    /// Forgets that these blobs are forms of their layers, unless a running command uses the layer; says of how many.
    pub fn forget_encodings(&self, encodings: &[EncodingRow]) -> Result<usize, StoreError> {
        let _alone = self.sweeping()?;
        let leased = self.leased_layers()?;
        self.database.write("forget encodings", |t| {
            let mut forget = t.prepare("DELETE FROM encodings WHERE diff_id = ?1 AND encoding = ?2")?;
            let mut forgotten = 0;
            for row in encodings.iter().filter(|row| !leased.contains(&row.layer)) {
                forgotten += forget.execute((Stored(row.layer.0), &row.encoding))?;
            }
            Ok(forgotten)
        })
    }

    /// Empties a directory of [`Store::cache_mounts`]; says no if somebody uses it. Its lock stays where it is, because
    /// somebody may be about to take it.
    pub fn clear_cache_mount(&self, name: &str, work: &WorkDir) -> Result<bool, StoreError> {
        let place = self.root.join("mounts").join(name);
        let Some(_lock) = Lock::try_exclusive(&place.join("lock"))? else { return Ok(false) };
        take_away(&place.join("data"), work)?;
        Ok(true)
    }

    /// Removes a file of [`Store::fetched_files`]; says no if somebody uses it.
    pub fn remove_fetched(&self, name: &str, work: &WorkDir) -> Result<bool, StoreError> {
        let path = self.root.join("sources/http").join(name);
        let Some(_lock) = Lock::try_transient(&path.with_extension("lock"))? else { return Ok(false) };
        take_away(&path, work)?;
        Ok(true)
    }

    /// Removes a mirror of [`Store::git_mirrors`]; says no if somebody uses it.
    pub fn remove_mirror(&self, name: &str, work: &WorkDir) -> Result<bool, StoreError> {
        let path = self.root.join("sources/git").join(name);
        let Some(_lock) = Lock::try_exclusive(&path.with_extension("lock"))? else { return Ok(false) };
        take_away(&path, work)?;
        Ok(true)
    }

    /// Removes a stat cache.
    pub fn remove_stat_cache(&self, name: &str) -> Result<(), StoreError> {
        let path = self.root.join("stat").join(name);
        match fs::remove_file(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(StoreError::io("remove", &path, e)),
            _ => Ok(()),
        }
    }
}

/// Renames a directory into `work` and removes it there; one that is gone is no error.
fn take_away(path: &Path, work: &WorkDir) -> Result<(), StoreError> {
    let away = work.path().join(random_name()?);
    match fs::rename(path, &away) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        result => result.map_err(|e| StoreError::io("move away", path, e))?,
    }
    remove::tree(&away).map_err(|e| StoreError::io("remove", &away, e))
}
