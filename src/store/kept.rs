//! What failed steps left, kept for a look: `kept/ID/` with `upper` (the changes that the step had made), `about` (what
//! the owner says of the step) and `lock`.
//!
//! Invariants: a directory below `kept/` is complete; who looks at it holds `lock` shared, and who removes it
//! exclusively. There are few: a new one takes the place of the oldest, and a collection removes all. Nothing refers to
//! them, so no image, layer or record can come from one.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Store;
use super::error::StoreError;
use super::work::{WorkDir, random_name, remove_tree};
use crate::sys::lock::{Lock, Mode};

/// How many failed steps are kept.
const MAX_KEPT: usize = 3;

/// So many digits of a random name are an id: few enough to be typed.
const ID_DIGITS: usize = 8;

/// What a failed step left, which stays as long as this lives.
#[derive(Debug)]
pub struct Kept {
    place: PathBuf,
    lock: Lock,
}

impl Kept {
    /// The upper directory of the step's overlay.
    pub fn upper(&self) -> PathBuf {
        self.place.join("upper")
    }

    /// What was said of it.
    pub fn about(&self) -> Result<Vec<u8>, StoreError> {
        let path = self.place.join("about");
        fs::read(&path).map_err(|e| StoreError::io("read", &path, e))
    }
}

impl AsFd for Kept {
    /// The lock, for a sandbox that must keep it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Store {
    /// Keeps the directory `upper`, which lies in `work` and is not there afterwards; gives its id.
    pub fn keep(&self, upper: &Path, about: &[u8], work: &WorkDir) -> Result<String, StoreError> {
        let id: String = random_name()?.chars().take(ID_DIGITS).collect();
        let all = self.root.join("kept");
        for (directory, mode) in [(&all, 0o700), (&work.path().join(&id), 0o700)] {
            match fs::DirBuilder::new().mode(mode).create(directory) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::io("make", directory, e));
                }
                _ => {}
            }
        }
        let made = work.path().join(&id);
        let rename =
            |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| StoreError::io("move away", from, e));
        rename(upper, &made.join("upper"))?;
        for (name, bytes) in [("about", about), ("lock", b"")] {
            let path = made.join(name);
            fs::write(&path, bytes).map_err(|e| StoreError::io("write", &path, e))?;
        }
        rename(&made, &all.join(&id))?;
        self.drop_kept(MAX_KEPT, work)?;
        Ok(id)
    }

    /// The ids of what is kept, the latest first.
    pub fn kept(&self) -> Result<Vec<String>, StoreError> {
        let all = self.root.join("kept");
        let entries = match fs::read_dir(&all) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| StoreError::io("list", &all, e))?,
        };
        let mut found: Vec<(SystemTime, String)> = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| StoreError::io("list", &all, e))?;
            let made = fs::metadata(entry.path().join("about")).and_then(|about| about.modified());
            // What has lost its description, by a crash of the machine, is the first to go.
            let made = made.unwrap_or(SystemTime::UNIX_EPOCH);
            found.push((made, entry.file_name().to_string_lossy().into_owned()));
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found.into_iter().map(|(_, id)| id).collect())
    }

    /// What is kept under an id of [`Store::kept`]; `None` if it is gone.
    pub fn open_kept(&self, id: &str) -> Result<Option<Kept>, StoreError> {
        let place = self.root.join("kept").join(id);
        if !place.is_dir() {
            return Ok(None);
        }
        let lock = match Lock::wait(&place.join("lock"), Mode::Shared) {
            Err(_) if !place.is_dir() => return Ok(None),
            lock => lock?,
        };
        // It may have been removed before the lock was had.
        Ok(place.is_dir().then_some(Kept { place, lock }))
    }

    /// Removes all but the latest `count`, and those that somebody looks at.
    pub(super) fn drop_kept(&self, count: usize, work: &WorkDir) -> Result<(), StoreError> {
        for id in self.kept()?.into_iter().skip(count) {
            let place = self.root.join("kept").join(&id);
            let lock = match Lock::try_exclusive(&place.join("lock")) {
                Err(_) if !place.is_dir() => continue,
                lock => lock?,
            };
            let Some(_lock) = lock else { continue };
            // Moved first, so that what is there is complete also when this is killed.
            let away = work.path().join(format!("kept-{id}"));
            match fs::rename(&place, &away) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                result => result.map_err(|e| StoreError::io("move away", &place, e))?,
            }
            remove_tree(&away).map_err(|e| StoreError::io("remove", &away, e))?;
        }
        Ok(())
    }
}
