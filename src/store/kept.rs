//! What failed steps left, kept for a look: `kept/ID/` with `upper` (where the changes are that the step had made), `about`
//! (what the owner says of the step), `boot` and `lock`.
//!
//! Invariants: a directory below `kept/` is complete; who looks at it holds `lock` shared, and who removes it
//! exclusively. Nothing refers to them, so no image, layer or record can come from one.
//!
//! There are few, and none for long: a new one takes the place of the oldest, whoever opens the store removes those that
//! are old or from before a boot (nothing of them was ever synced), and a collection removes all.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::Store;
use super::error::StoreError;
use super::work::{WorkDir, random_name};
use crate::sys::lock::{Lock, Mode};
use crate::sys::remove;

/// How many failed steps are kept.
const MAX_KEPT: usize = 3;

/// How long one is kept.
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// So many digits of a random name are an id: few enough to be typed.
const ID_DIGITS: usize = 8;

/// One of what is kept, as a list has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KeptId {
    /// When it was kept.
    pub created: SystemTime,
    /// Its id.
    pub id: String,
}

/// What a failed step left, which stays as long as this lives.
#[derive(Debug)]
pub struct Kept {
    place: PathBuf,
    lock: Lock,
}

impl Kept {
    /// The directory with the step's changes: the upper of its overlay, or its whole root in a store without overlays.
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
        let (all, made) = (self.all_kept(), work.path().join(&id));
        for directory in [&all, &made] {
            match fs::DirBuilder::new().mode(0o700).create(directory) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::io("make", directory, e));
                }
                _ => {}
            }
        }
        let rename =
            |from: &Path, to: &Path| fs::rename(from, to).map_err(|e| StoreError::io("move away", from, e));
        rename(upper, &made.join("upper"))?;
        for (name, bytes) in [("about", about), ("boot", self.boot.as_bytes()), ("lock", b"")] {
            let path = made.join(name);
            fs::write(&path, bytes).map_err(|e| StoreError::io("write", &path, e))?;
        }
        rename(&made, &all.join(&id))?;
        self.drop_kept(self.kept()?.into_iter().skip(MAX_KEPT), work)?;
        Ok(id)
    }

    /// What is kept, the latest first.
    pub fn kept(&self) -> Result<Vec<KeptId>, StoreError> {
        let all = self.all_kept();
        let entries = match fs::read_dir(&all) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| StoreError::io("list", &all, e))?,
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(|e| StoreError::io("list", &all, e))?;
            let made = fs::metadata(entry.path().join("about")).and_then(|about| about.modified());
            // What has lost its description, by a crash of the machine, is the first to go.
            let created = made.unwrap_or(SystemTime::UNIX_EPOCH);
            found.push(KeptId { created, id: entry.file_name().to_string_lossy().into_owned() });
        }
        found.sort_by(|a, b| b.cmp(a));
        Ok(found)
    }

    /// What is kept under an id of [`Store::kept`]; `None` if it is gone.
    pub fn open_kept(&self, id: &str) -> Result<Option<Kept>, StoreError> {
        let place = self.all_kept().join(id);
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

    /// Removes these; gives those that somebody looks at, which stay.
    pub fn drop_kept(
        &self,
        these: impl IntoIterator<Item = KeptId>,
        work: &WorkDir,
    ) -> Result<Vec<KeptId>, StoreError> {
        let mut used = Vec::new();
        for kept in these {
            let place = self.all_kept().join(&kept.id);
            let lock = match Lock::try_exclusive(&place.join("lock")) {
                Err(_) if !place.is_dir() => continue,
                lock => lock?,
            };
            let Some(_lock) = lock else {
                used.push(kept);
                continue;
            };
            // Moved first, so that what is there is complete also when this is killed.
            let away = work.path().join(format!("kept-{}", kept.id));
            match fs::rename(&place, &away) {
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => continue,
                result => result.map_err(|e| StoreError::io("move away", &place, e))?,
            }
            remove::tree(&away).map_err(|e| StoreError::io("remove", &away, e))?;
        }
        Ok(used)
    }

    /// Removes what is old, or from before a boot.
    pub(super) fn drop_old_kept(&self) -> Result<(), StoreError> {
        let now = SystemTime::now();
        let old: Vec<KeptId> = self.kept()?.into_iter().filter(|kept| self.is_old(kept, now)).collect();
        if !old.is_empty() {
            self.drop_kept(old, &self.work_dir()?)?;
        }
        Ok(())
    }

    fn is_old(&self, kept: &KeptId, now: SystemTime) -> bool {
        let boot = fs::read_to_string(self.all_kept().join(&kept.id).join("boot"));
        // A clock that was set back makes nothing old.
        now.duration_since(kept.created).is_ok_and(|age| age > MAX_AGE)
            || boot.ok().as_deref() != Some(&self.boot)
    }

    pub(super) fn all_kept(&self) -> PathBuf {
        self.root.join("kept")
    }
}
