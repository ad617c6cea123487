//! The context's directory, held open.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use super::ContextError;
use crate::sys::reach::{Reach, open_beneath};
use crate::tree::TreePath;

/// A directory below which files are opened by paths that cannot lead out of it.
#[derive(Debug)]
pub struct Root {
    path: PathBuf,
    dir: OwnedFd,
}

impl Root {
    /// Opens a directory. If `path` is a symbolic link it is followed.
    pub fn open(path: &Path) -> Result<Self, ContextError> {
        let open = || -> io::Result<Self> {
            let path = path.canonicalize()?;
            let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
            let dir = rustix::fs::openat(CWD, &path, flags, Mode::empty())?;
            Ok(Self { path, dir })
        };
        open().map_err(|source| ContextError::Open { root: path.to_owned(), source })
    }

    /// The directory's absolute path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Opens a regular file for reading. No component of `path` may be a symbolic link any more (see
    /// [`crate::tree::resolve`]); if there is one now, or the file is something else, the context has changed.
    pub fn open_file(&self, path: &TreePath) -> Result<File, ContextError> {
        // Not blocking, in case the file has been replaced by a pipe that nobody writes to.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let file = File::from(self.open_at(path, flags)?);
        let metadata = file.metadata().map_err(|source| ContextError::Entry {
            operation: "read",
            path: path.clone(),
            source,
        })?;
        if !metadata.is_file() {
            return Err(ContextError::Changed { path: path.clone() });
        }
        Ok(file)
    }

    /// The content of the file at `path`, with links followed inside this directory.
    pub fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        // Not blocking, in case it is a pipe.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let mut file = File::from(rustix::fs::openat2(&self.dir, path, flags, Mode::empty(), resolve)?);
        if !file.metadata()?.is_file() {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Whether anything stands at `path`, with links followed inside this directory.
    pub(super) fn has(&self, path: &TreePath) -> bool {
        let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        path.is_root()
            || rustix::fs::openat2(&self.dir, path.as_path(), flags, Mode::empty(), resolve).is_ok()
    }

    /// Opens an entry with no link followed anywhere.
    pub(super) fn open_at(&self, path: &TreePath, flags: OFlags) -> Result<OwnedFd, ContextError> {
        let flags = flags | OFlags::NOFOLLOW;
        open_beneath(self.dir.as_fd(), path.as_path(), flags).map_err(|errno| match errno {
            // It was there when it was listed.
            Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO => {
                ContextError::Changed { path: path.clone() }
            }
            errno => ContextError::Entry { operation: "open", path: path.clone(), source: errno.into() },
        })
    }
}

/// A path of any length as system calls take it.
pub(super) fn reach(path: &Path) -> Result<Reach<'_>, Errno> {
    Reach::to(path).map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO))
}
