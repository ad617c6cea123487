//! Advisory locks on files (flock(2)).
//!
//! A lock belongs to the open file description: it is held until the last copy of the descriptor is closed, in
//! whatever process. Two descriptors opened apart exclude each other also within one process.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// A held lock; dropping it releases it, unless a child process holds a copy.
#[derive(Debug)]
#[must_use = "a lock that is dropped is released"]
pub struct Lock {
    file: File,
    path: PathBuf,
}

/// How long a waiter for a transient lock sleeps: flock(2) itself could not be given up.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Who else may hold the lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Others that share it.
    Shared,
    /// Nobody.
    Exclusive,
}

/// A lock cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot lock {}", path.display())]
pub struct LockError {
    path: PathBuf,
    source: io::Error,
}

impl Lock {
    /// Waits for the lock on the file at `path`, which is made if it is missing.
    pub fn wait(path: &Path, mode: Mode) -> Result<Self, LockError> {
        let lock = Self::open(path)?;
        let operation = match mode {
            Mode::Shared => FlockOperation::LockShared,
            Mode::Exclusive => FlockOperation::LockExclusive,
        };
        rustix::io::retry_on_intr(|| flock(&lock.file, operation)).map_err(|errno| lock.error(errno))?;
        Ok(lock)
    }

    /// Takes the lock on the file at `path` for itself if nobody holds it; `None` if somebody does.
    pub fn try_exclusive(path: &Path) -> Result<Option<Self>, LockError> {
        Self::try_lock(path, Mode::Exclusive)
    }

    /// Takes the lock on the file at `path` unless who holds it is in the way; `None` if somebody is.
    pub fn try_lock(path: &Path, mode: Mode) -> Result<Option<Self>, LockError> {
        let lock = Self::open(path)?;
        let operation = match mode {
            Mode::Shared => FlockOperation::NonBlockingLockShared,
            Mode::Exclusive => FlockOperation::NonBlockingLockExclusive,
        };
        match flock(&lock.file, operation) {
            Ok(()) => Ok(Some(lock)),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(errno) => Err(lock.error(errno)),
        }
    }

    /// The same as [`Lock::try_lock`], but waits. `waiting` is called now and then; if it says no, the wait is given up
    /// and the result is `None`.
    pub fn wait_while(
        path: &Path,
        mode: Mode,
        waiting: &dyn Fn() -> bool,
    ) -> Result<Option<Self>, LockError> {
        loop {
            if let Some(lock) = Self::try_lock(path, mode)? {
                return Ok(Some(lock));
            }
            if !waiting() {
                return Ok(None);
            }
            thread::sleep(BETWEEN_TRIES);
        }
    }

    /// Lets others share a lock that was held alone.
    pub fn share(&self) -> Result<(), LockError> {
        flock(&self.file, FlockOperation::LockShared).map_err(|errno| self.error(errno))
    }

    /// Notes on the lock's file that it was taken now.
    pub fn touch(&self) -> io::Result<()> {
        self.file.set_modified(SystemTime::now())
    }

    /// Writes at the end of the lock's file, for who reads it without holding the lock.
    pub fn append(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)
    }

    /// Waits for a lock whose file exists only while somebody holds or wants it. `waiting` is called now and then
    /// while somebody else holds it; if it says no, the wait is given up and the result is `None`.
    pub fn wait_transient(
        path: &Path,
        waiting: &dyn Fn() -> bool,
    ) -> Result<Option<TransientLock>, LockError> {
        // Whoever sweeps takes each lock for a moment; that is nothing to be waited for, or spoken of.
        let mut first = true;
        loop {
            if let Some(lock) = Self::try_transient(path)? {
                return Ok(Some(lock));
            }
            if !std::mem::take(&mut first) && !waiting() {
                return Ok(None);
            }
            thread::sleep(BETWEEN_TRIES);
        }
    }

    /// Takes a transient lock if nobody holds it.
    pub fn try_transient(path: &Path) -> Result<Option<TransientLock>, LockError> {
        let lock = Self::try_exclusive(path)?;
        Ok(lock.filter(Self::has_its_file).map(TransientLock))
    }

    /// The holder before may have removed the file between our open and our lock.
    fn has_its_file(&self) -> bool {
        let now = fs::metadata(&self.path).map(|now| now.ino()).ok();
        now.is_some() && now == self.file.metadata().map(|held| held.ino()).ok()
    }

    fn open(path: &Path) -> Result<Self, LockError> {
        let file = OpenOptions::new().create(true).truncate(false).read(true).write(true).open(path);
        match file {
            Ok(file) => Ok(Self { file, path: path.to_owned() }),
            Err(source) => Err(LockError { path: path.to_owned(), source }),
        }
    }

    fn error(&self, errno: Errno) -> LockError {
        LockError { path: self.path.clone(), source: errno.into() }
    }
}

impl AsFd for Lock {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

/// A held lock whose file goes with it.
#[derive(Debug)]
#[must_use = "a lock that is dropped is released"]
pub struct TransientLock(Lock);

impl Drop for TransientLock {
    fn drop(&mut self) {
        // Removed while it is still held, so that who waits for it sees that its file is gone and opens it anew. A
        // file that cannot be removed is only untidy.
        let _ = fs::remove_file(&self.0.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_and_a_released_one_is_given() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let held = Lock::try_exclusive(&path).unwrap().unwrap();
        assert!(Lock::try_exclusive(&path).unwrap().is_none());
        drop(held);
        assert!(Lock::try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_transient_lock_excludes_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("lock");
        let inside = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for thread in 0..8 {
                let (path, inside) = (&path, &inside);
                scope.spawn(move || {
                    for _ in 0..50 {
                        let lock = if thread % 2 == 0 {
                            Lock::wait_transient(path, &|| true).unwrap()
                        } else {
                            Lock::try_transient(path).unwrap()
                        };
                        let Some(_lock) = lock else { continue };
                        assert_eq!(inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst), 0);
                        inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                    }
                });
            }
        });
        assert!(!path.exists());
    }
}
