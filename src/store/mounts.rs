//! Directories that outlive builds, which RUNs mount: `mounts/HEX/N`, where HEX is the key and N counts those that
//! several users got instead of sharing one. `mounts/HEX/about` says in words what they are.
//!
//! Invariants: `data` is complete once it is there; who uses it holds `lock`, shared or alone, until nothing of the
//! sandbox is left. What is in `data` is nobody's business but the users'.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::error::StoreError;
use super::{Store, WorkDir};
use crate::oci::CacheKey;
use crate::sys::lock::{Lock, Mode};

/// How the users of one key share what is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sharing {
    /// All use one directory at once.
    Together,
    /// All use one directory, one after the other.
    InTurn,
    /// Each uses a directory of its own.
    Apart,
}

/// A directory that outlives builds, in use.
#[derive(Debug)]
pub struct CacheMount {
    place: PathBuf,
    lock: Lock,
}

impl CacheMount {
    /// The directory; not there until [`CacheMount::begin`] was called once.
    pub fn data(&self) -> PathBuf {
        self.place.join("data")
    }

    /// Makes `new`, a directory on the store's file system, what is in use, unless another user just did so.
    pub fn begin(&self, new: &Path) -> Result<(), StoreError> {
        let data = self.data();
        match renameat_with(CWD, new, CWD, &data, RenameFlags::NOREPLACE) {
            Ok(()) | Err(Errno::EXIST) => Ok(()),
            Err(errno) => Err(StoreError::io("make", &data, errno.into())),
        }
    }
}

impl AsFd for CacheMount {
    /// The lock, for a sandbox that must keep it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Store {
    /// Takes a directory of the key `key`, which is called `about`, into use; with `anew` what is in it goes to that work
    /// directory first, which waits until nobody else uses it. `waiting` is called now and then while others are in the
    /// way; if it says no, the result is `None`.
    pub fn cache_mount(
        &self,
        key: &CacheKey,
        about: &str,
        sharing: Sharing,
        anew: Option<&WorkDir>,
        waiting: &dyn Fn() -> bool,
    ) -> Result<Option<CacheMount>, StoreError> {
        let all = self.root.join("mounts").join(key.digest().hex());
        describe(&all, about)?;
        let mode = match sharing {
            Sharing::Together if anew.is_none() => Mode::Shared,
            _ => Mode::Exclusive,
        };
        let found = match sharing {
            Sharing::Apart => Some(free(&all)?),
            Sharing::Together | Sharing::InTurn => {
                let place = place(&all, 0)?;
                let lock = Lock::wait_while(&place.join("lock"), mode, waiting)?;
                lock.map(|lock| CacheMount { place, lock })
            }
        };
        if let Some(mount) = &found {
            // The time of the lock says when it was used last; that is only for choosing what to prune.
            let _ = mount.lock.touch();
        }
        let (Some(mount), Some(work)) = (&found, anew) else { return Ok(found) };
        let data = mount.data();
        let old = work.path().join(format!("old-{}", super::work::random_name()?));
        match fs::rename(&data, &old) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("empty", &data, error));
            }
            _ => {}
        }
        if sharing == Sharing::Together {
            mount.lock.share()?;
        }
        Ok(found)
    }

    /// What a directory of the key holds, if somebody has used one. It is not taken into use: whoever does may change or
    /// empty it meanwhile.
    pub fn peek_cache_mount(&self, key: &CacheKey) -> Option<PathBuf> {
        let data = self.root.join("mounts").join(key.digest().hex()).join("0/data");
        data.is_dir().then_some(data)
    }
}

/// The first directory that nobody uses.
fn free(all: &Path) -> Result<CacheMount, StoreError> {
    let mut number = 0;
    loop {
        let place = place(all, number)?;
        if let Some(lock) = Lock::try_exclusive(&place.join("lock"))? {
            return Ok(CacheMount { place, lock });
        }
        number += 1;
    }
}

/// Writes down for people what the directories of a key are.
fn describe(all: &Path, about: &str) -> Result<(), StoreError> {
    let file = all.join("about");
    if file.exists() {
        return Ok(());
    }
    fs::create_dir_all(all).map_err(|e| StoreError::io("make", all, e))?;
    fs::write(&file, about).map_err(|e| StoreError::io("write", &file, e))
}

fn place(all: &Path, number: u32) -> Result<PathBuf, StoreError> {
    let place = all.join(number.to_string());
    fs::create_dir_all(&place).map_err(|e| StoreError::io("make", &place, e))?;
    Ok(place)
}
