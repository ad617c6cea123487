//! Groups that were made for other groups to lie in, because the user named them and they were not there.
//!
//! They are on one list, in the directory of the slots. Whoever is done with a group removes those of the list that
//! are empty now. Nothing comes or goes while the list's lock is held.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::error::CgroupError;
use crate::sys::lock::{Lock, LockError, Mode};

/// The list, held.
#[derive(Debug)]
pub(super) struct Parents {
    list: PathBuf,
    _lock: Lock,
}

impl Parents {
    /// Waits for the list.
    pub(super) fn hold(directory: &Path) -> Result<Self, LockError> {
        let lock = Lock::wait(&directory.join("parents.lock"), Mode::Exclusive)?;
        Ok(Self { list: directory.join(LIST), _lock: lock })
    }

    /// Makes groups, the outermost first. They are on the list before they are there.
    pub(super) fn make(&self, missing: &[PathBuf]) -> Result<(), CgroupError> {
        if missing.is_empty() {
            return Ok(());
        }
        let mut listed = read(&self.list);
        listed.extend(missing.iter().cloned());
        self.write(&listed).map_err(|source| CgroupError::File {
            operation: "write",
            path: self.list.clone(),
            source,
        })?;
        for path in missing {
            match fs::create_dir(path) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                made => made.map_err(|source| CgroupError::Make { path: path.clone(), source })?,
            }
        }
        Ok(())
    }

    /// Removes those that nothing lies in any more.
    fn remove_unused(&self) {
        let mut listed = read(&self.list);
        listed.sort();
        listed.dedup();
        listed.reverse();
        listed.retain(|path| {
            let gone = fs::remove_dir(path);
            gone.is_err_and(|error| error.kind() != io::ErrorKind::NotFound)
        });
        // A list that stays as it was is read again by the next.
        let _ = if listed.is_empty() { fs::remove_file(&self.list) } else { self.write(&listed) };
    }

    fn write(&self, listed: &[PathBuf]) -> io::Result<()> {
        fs::write(&self.list, text(listed))
    }
}

/// Removes the listed groups of `directory` that nothing lies in any more.
pub(super) fn remove_unused(directory: &Path) {
    if directory.join(LIST).exists()
        && let Ok(parents) = Parents::hold(directory)
    {
        parents.remove_unused();
    }
}

const LIST: &str = "parents";

/// Paths as lines.
pub(super) fn text(paths: &[PathBuf]) -> Vec<u8> {
    let lines = paths.iter().map(|path| [path.as_os_str().as_bytes(), b"\n"].concat());
    lines.flatten().collect()
}

/// The paths of a file of lines; none if it is not there.
pub(super) fn read(file: &Path) -> Vec<PathBuf> {
    let text = fs::read(file).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| PathBuf::from(OsStr::from_bytes(line))).collect()
}
