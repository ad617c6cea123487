//! Work directories: what is being made, each under a held lock, and leases: which layers their owners use.
//!
//! The leases of a directory are what its lock file holds, digests of layers one behind the other. A lease is taken while
//! `publish.lock` is shared and counted while it is held alone, so nobody decides about a layer between the look-up that
//! finds it and the lease. Ending a command, however it ends, costs nothing: its leases go with its directory. In the
//! database they would cost every look-up of a cached build a transaction that writes.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use super::Store;
use super::error::StoreError;
use crate::oci::{DiffId, Digest};
use crate::sys::lock::{Lock, Mode};
use crate::sys::remove;

/// A directory of one's own below `work/`. It is removed when it is dropped; if the process is killed, the lock
/// becomes free with its last holder and the next command removes it.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    lock: Lock,
    /// The layers that the lock file names.
    leases: Mutex<HashSet<DiffId>>,
}

/// The name of the lock in a work directory.
const LOCK: &str = "lock";

impl WorkDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Notes that the owner uses a layer. `_held` is `publish.lock`, since before the layer was looked up.
    pub(super) fn lease(&self, layer: &DiffId, _held: &Lock) -> Result<(), StoreError> {
        let mut leases = self.leases.lock().unwrap_or_else(PoisonError::into_inner);
        if !leases.contains(layer) {
            let failed = |e| StoreError::io("write", &self.path.join(LOCK), e);
            self.lock.append(layer.0.as_bytes()).map_err(failed)?;
            leases.insert(*layer);
        }
        Ok(())
    }
}

impl AsFd for WorkDir {
    /// The lock, for a child process that must keep the directory alive.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        // What cannot be removed now is removed by a later command's sweep.
        let _ = remove::tree(&self.path);
    }
}

impl Store {
    /// Makes a work directory and takes its lock.
    pub fn work_dir(&self) -> Result<WorkDir, StoreError> {
        let work = self.root.join("work");
        let name = random_name()?;
        let path = work.join(name);
        // A sweep between the making and the locking would take it for an abandoned one.
        let _making = Lock::wait(&work.join(".lock"), Mode::Exclusive)?;
        fs::create_dir(&path).map_err(|e| StoreError::io("make", &path, e))?;
        let lock = Lock::wait(&path.join(LOCK), Mode::Exclusive)?;
        Ok(WorkDir { path, lock, leases: Mutex::default() })
    }

    /// Removes the work directories whose owners are gone.
    pub(super) fn sweep_work(&self) -> Result<(), StoreError> {
        let abandoned: Vec<PathBuf> =
            self.work_names()?.iter().map(|name| self.root.join("work").join(name)).collect();
        for path in abandoned.into_iter().filter(|path| self.is_abandoned(path)) {
            remove::tree(&path).map_err(|e| StoreError::io("remove", &path, e))?;
        }
        Ok(())
    }

    /// The layers that running commands use. It decides something only while `publish.lock` is held alone.
    pub fn leased_layers(&self) -> Result<HashSet<DiffId>, StoreError> {
        let mut layers = HashSet::new();
        for name in self.work_names()? {
            let path = self.root.join("work").join(name).join(LOCK);
            let bytes = match fs::read(&path) {
                Ok(bytes) => bytes,
                // Not there yet, or not any more.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(StoreError::io("read", &path, error)),
            };
            // A command that was killed over it may have left half of one.
            let (digests, _) = bytes.as_chunks();
            layers.extend(digests.iter().map(|digest| DiffId(Digest::from_bytes(*digest))));
        }
        Ok(layers)
    }

    fn work_names(&self) -> Result<Vec<String>, StoreError> {
        let work = self.root.join("work");
        let failed = |e| StoreError::io("list", &work, e);
        let mut names = Vec::new();
        for entry in fs::read_dir(&work).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            if name != ".lock" {
                names.push(name.to_string_lossy().into_owned());
            }
        }
        Ok(names)
    }

    /// Removes the reservations of killed processes. Those of living ones are held.
    pub(super) fn sweep_locks(&self) -> Result<(), StoreError> {
        let locks = self.root.join("locks");
        for entry in fs::read_dir(&locks).map_err(|e| StoreError::io("list", &locks, e))? {
            let entry = entry.map_err(|e| StoreError::io("list", &locks, e))?;
            drop(Lock::try_transient(&entry.path())?);
        }
        Ok(())
    }

    fn is_abandoned(&self, path: &Path) -> bool {
        let Ok(_making) = Lock::wait(&self.root.join("work/.lock"), Mode::Exclusive) else { return false };
        // A directory without a lock file was being removed when its owner died.
        let lock = path.join(LOCK);
        !lock.exists() || matches!(Lock::try_exclusive(&lock), Ok(Some(_)))
    }
}

/// A name that no other process chooses.
pub(super) fn random_name() -> Result<String, StoreError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 8];
    File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|e| StoreError::io("read", path, e))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}
