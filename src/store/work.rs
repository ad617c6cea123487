//! Work directories: what is being made, each under a held lock.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use super::Store;
use super::error::StoreError;
use crate::sys::lock::{Lock, Mode};
use crate::sys::remove;

/// A directory of one's own below `work/`. It is removed when it is dropped; if the process is killed, the lock
/// becomes free with its last holder and the next command removes it.
#[derive(Debug)]
pub struct WorkDir {
    path: PathBuf,
    name: String,
    lock: Lock,
}

impl WorkDir {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, which leases carry.
    pub(super) fn name(&self) -> &str {
        &self.name
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
        let path = work.join(&name);
        // A sweep between the making and the locking would take it for an abandoned one.
        let _making = Lock::wait(&work.join(".lock"), Mode::Exclusive)?;
        fs::create_dir(&path).map_err(|e| StoreError::io("make", &path, e))?;
        let lock = Lock::wait(&path.join("lock"), Mode::Exclusive)?;
        Ok(WorkDir { path, name, lock })
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

    /// Drops the leases whose work directory is gone: a lease is worth as much as the lock that it names. Called when
    /// leases are about to count, so that ending a command costs no transaction.
    pub(super) fn drop_dead_leases(&self) -> Result<(), StoreError> {
        // The names are read after the leases: a directory made in between is not taken for a dead one.
        let leases = self.database.read("list leases", |c| {
            c.prepare("SELECT DISTINCT work FROM leases")?
                .query_map([], |row| row.get::<_, String>(0))?
                .collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let alive = self.work_names()?;
        self.database.write("drop leases", |t| {
            for work in leases.iter().filter(|work| !alive.contains(work)) {
                t.execute("DELETE FROM leases WHERE work = ?1", [work])?;
            }
            Ok(())
        })
    }

    pub(super) fn work_names(&self) -> Result<Vec<String>, StoreError> {
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
        let lock = path.join("lock");
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
