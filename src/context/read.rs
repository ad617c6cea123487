//! Reads what an index needs and a walk does not find: contents' digests and extended attributes.

use std::fs::File;
use std::io::Read;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::thread::{self, available_parallelism};

use rustix::io::Errno;
use sha2::{Digest as _, Sha256};

use super::ContextError;
use super::found::{Found, Status, What};
use super::root::{Root, reach};
use crate::oci::Digest;
use crate::tree::{TreePath, Xattr};

/// Bytes read at a time: the memory that a thread needs, whatever the size of the files.
const BUFFER: usize = 256 << 10;

/// At least so many threads, so that a disk has enough to do while the processors wait for it: for small files that are
/// not in memory, eight take half the time of two.
const READERS: usize = 8;

/// Entries that a thread takes at a time: mostly of one directory.
const BATCH: usize = 32;

/// How often a file is read if it changes meanwhile.
const ATTEMPTS: usize = 2;

/// Reads all of `pending`. Of several errors the first in time is returned.
pub(super) fn complete(root: &Root, mut pending: Vec<&mut Found>) -> Result<(), ContextError> {
    let threads =
        available_parallelism().map_or(1, Into::into).max(READERS).min(pending.len().div_ceil(BATCH));
    let batches = Mutex::new(pending.chunks_mut(BATCH));
    let take = || batches.lock().unwrap_or_else(PoisonError::into_inner).next();
    let failed = OnceLock::new();
    let work = || {
        let mut buffer = vec![0; BUFFER];
        while failed.get().is_none()
            && let Some(batch) = take()
        {
            for found in batch {
                if let Err(error) = complete_one(root, found, &mut buffer) {
                    // A later error is dropped.
                    let _ = failed.set(error);
                    return;
                }
            }
        }
    };
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(work);
        }
    });
    failed.into_inner().map_or(Ok(()), Err)
}

fn complete_one(root: &Root, found: &mut Found, buffer: &mut [u8]) -> Result<(), ContextError> {
    if !matches!(found.what, What::File(_)) {
        found.xattrs = Some(xattrs_by_path(root, &found.path)?);
        return Ok(());
    }
    for _ in 0..ATTEMPTS {
        let file = root.open_file(&found.path)?;
        let before = status(&file, &found.path)?;
        let xattrs = Xattrs::Open(&file).read().map_err(|errno| xattr_error(&found.path, errno))?;
        let (digest, size) = digest(&file, before.size, buffer).map_err(|source| ContextError::Entry {
            operation: "read",
            path: found.path.clone(),
            source,
        })?;
        if size == before.size && status(&file, &found.path)? == before {
            found.status = before;
            found.what = What::File(Some(digest));
            found.xattrs = Some(xattrs);
            return Ok(());
        }
    }
    Err(ContextError::Changed { path: found.path.clone() })
}

fn status(file: &File, path: &TreePath) -> Result<Status, ContextError> {
    let stat = rustix::fs::fstat(file).map_err(|errno| ContextError::Entry {
        operation: "look at",
        path: path.clone(),
        source: errno.into(),
    })?;
    Ok(Status::of(&stat))
}

/// The digest of a file, and how much was read: no more than `size`, unless it has grown.
fn digest(mut file: &File, size: u64, buffer: &mut [u8]) -> std::io::Result<(Digest, u64)> {
    let mut hash = Sha256::new();
    let mut count = 0;
    // The status that is taken afterwards tells if there is more; a read for the end of the file would cost every
    // file a system call.
    while count < size {
        let n = match file.read(buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hash.update(&buffer[..n]);
        count += n as u64;
    }
    Ok((Digest::from_bytes(hash.finalize().into()), count))
}

/// The attributes of what is not opened, such as a link, which only a path can name.
fn xattrs_by_path(root: &Root, path: &TreePath) -> Result<Vec<Xattr>, ContextError> {
    let whole = root.path().join(path.as_path());
    match reach(&whole).and_then(|reached| Xattrs::Named(reached.as_ref()).read()) {
        Ok(xattrs) => Ok(xattrs),
        Err(Errno::NOENT | Errno::NOTDIR) => Err(ContextError::Changed { path: path.clone() }),
        Err(errno) => Err(xattr_error(path, errno)),
    }
}

fn xattr_error(path: &TreePath, errno: Errno) -> ContextError {
    ContextError::Entry {
        operation: "read the extended attributes of",
        path: path.clone(),
        source: errno.into(),
    }
}

/// Where extended attributes are read from.
enum Xattrs<'a> {
    Open(&'a File),
    Named(&'a std::path::Path),
}

impl Xattrs<'_> {
    /// The attributes that belong to the content, sorted by name. None where the file system has none.
    fn read(&self) -> Result<Vec<Xattr>, Errno> {
        let list = match sized(|buffer| self.list(buffer)) {
            Ok(list) => list,
            Err(Errno::NOTSUP) => return Ok(Vec::new()),
            Err(errno) => return Err(errno),
        };
        let mut xattrs = Vec::new();
        for name in list.split(|&b| b == 0).filter(|name| !name.is_empty() && Xattr::is_kept(name)) {
            match sized(|buffer| self.get(name, buffer)) {
                Ok(value) => xattrs.push(Xattr { name: name.into(), value: value.into() }),
                // Removed since, or not for this user: then it cannot be copied either.
                Err(Errno::NODATA | Errno::NOTSUP | Errno::PERM | Errno::ACCESS) => {}
                Err(errno) => return Err(errno),
            }
        }
        xattrs.sort_unstable();
        Ok(xattrs)
    }

    fn list(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => rustix::fs::flistxattr(file, buffer),
            Self::Named(path) => rustix::fs::llistxattr(*path, buffer),
        }
    }

    fn get(&self, name: &[u8], buffer: &mut [u8]) -> Result<usize, Errno> {
        match self {
            Self::Open(file) => rustix::fs::fgetxattr(file, name, buffer),
            Self::Named(path) => rustix::fs::lgetxattr(*path, name, buffer),
        }
    }
}

/// What a call puts into a buffer that is large enough for it. Nearly always there is nothing, or little.
fn sized(call: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut small = [0; 512];
    match call(&mut small) {
        Ok(size) => return Ok(small[..size].to_vec()),
        Err(Errno::RANGE) => {}
        Err(errno) => return Err(errno),
    }
    // The kernel gives neither a longer list nor a longer value (xattr(7)).
    let mut large = vec![0; 64 << 10];
    let size = call(&mut large)?;
    large.truncate(size);
    Ok(large)
}
