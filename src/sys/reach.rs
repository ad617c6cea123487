//! Paths of any length.
//!
//! A system call takes a path of 4,095 bytes. What lies deeper, or has a short path below a directory that has not, is
//! reached by opening directories on the way. Must not know what lies there.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, openat, openat2};
use rustix::io::Errno;

/// How much of a path one call gets, in bytes: what it takes, less some room for the name of an open directory.
const MOST: usize = 4000;

/// What is opened on the way.
const WAY: OFlags = OFlags::PATH.union(OFlags::DIRECTORY).union(OFlags::CLOEXEC);

/// A path that system calls take, for one that may be longer.
#[derive(Debug)]
pub struct Reach<'p> {
    path: Cow<'p, Path>,
    /// What the path begins with.
    _dir: Option<OwnedFd>,
}

impl<'p> Reach<'p> {
    /// Opens as many directories as it takes; mostly none. Links on the way are followed.
    pub fn to(path: &'p Path) -> io::Result<Self> {
        let mut dir: Option<OwnedFd> = None;
        let mut rest = path;
        while let Some((beginning, end)) = split(rest) {
            dir = Some(openat(dir.as_ref().map_or(CWD, OwnedFd::as_fd), beginning, WAY, Mode::empty())?);
            rest = end;
        }
        let path = match &dir {
            None => Cow::Borrowed(path),
            Some(dir) => Cow::Owned(PathBuf::from(format!("/proc/self/fd/{}", dir.as_raw_fd())).join(rest)),
        };
        Ok(Self { path, _dir: dir })
    }
}

impl AsRef<Path> for Reach<'_> {
    fn as_ref(&self) -> &Path {
        &self.path
    }
}

/// Opens what is at `path` below `root` (the root itself for an empty path), without following any link.
pub fn open_beneath(root: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    let mut dir: Option<OwnedFd> = None;
    let mut rest = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    while let Some((beginning, end)) = split(rest) {
        dir = Some(step_beneath(dir.as_ref().map_or(root, OwnedFd::as_fd), beginning, WAY)?);
        rest = end;
    }
    step_beneath(dir.as_ref().map_or(root, OwnedFd::as_fd), rest, flags | OFlags::CLOEXEC)
}

/// openat2(2).
fn step_beneath(dir: BorrowedFd<'_>, path: &Path, flags: OFlags) -> Result<OwnedFd, Errno> {
    loop {
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        match openat2(dir, path, flags, Mode::empty(), resolve) {
            // A rename elsewhere on the machine can make the kernel's check uncertain.
            Err(Errno::AGAIN | Errno::INTR) => {}
            result => return result,
        }
    }
}

/// The beginning of a path that is too long, and the rest, which is never absolute. A component that is too long itself is
/// left to the kernel.
fn split(path: &Path) -> Option<(&Path, &Path)> {
    let bytes = path.as_os_str().as_bytes();
    let border = bytes.get(..=MOST)?.iter().rposition(|&b| b == b'/').filter(|&border| border > 0)?;
    let (beginning, rest) = bytes.split_at(border);
    let name = rest.iter().position(|&b| b != b'/').unwrap_or(rest.len());
    // Slashes at the end ask for a directory.
    let rest = if name == rest.len() { b"." } else { &rest[name..] };
    Some((Path::new(OsStr::from_bytes(beginning)), Path::new(OsStr::from_bytes(rest))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Makes a file at a path of `length` bytes below `root`.
    fn deep_file(root: &Path, length: usize) -> PathBuf {
        let mut path = PathBuf::new();
        while path.as_os_str().len() + 202 < length {
            path.push("d".repeat(100));
            fs::create_dir(Reach::to(&root.join(&path)).unwrap()).unwrap();
        }
        let parent = path.join("").as_os_str().len();
        path.push("f".repeat(length - parent));
        fs::write(Reach::to(&root.join(&path)).unwrap(), length.to_string()).unwrap();
        assert_eq!(path.as_os_str().len(), length);
        path
    }

    #[test]
    fn paths_of_every_length_are_reached() {
        for length in [1, 3999, 4000, 4001, 4002, 4095, 4096, 9000] {
            let root = tempfile::tempdir().unwrap();
            let opened = fs::File::open(root.path()).unwrap();
            let path = deep_file(root.path(), length);
            let content = fs::read_to_string(Reach::to(&root.path().join(&path)).unwrap()).unwrap();
            assert_eq!(content, length.to_string());
            let file = open_beneath(opened.as_fd(), &path, OFlags::RDONLY).unwrap();
            assert_eq!(io::read_to_string(fs::File::from(file)).unwrap(), content);
        }
    }

    #[test]
    fn slashes_where_a_path_is_split_do_not_lead_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        fs::write(root.path().join("d/name"), "inside").unwrap();
        let opened = fs::File::open(root.path()).unwrap();
        let slashes = "/".repeat(9000);
        let path = PathBuf::from(format!("d{slashes}name"));
        let whole = PathBuf::from(format!("{}/{}", root.path().display(), path.display()));
        assert_eq!(fs::read_to_string(Reach::to(&whole).unwrap()).unwrap(), "inside");
        let file = open_beneath(opened.as_fd(), &path, OFlags::RDONLY).unwrap();
        assert_eq!(io::read_to_string(fs::File::from(file)).unwrap(), "inside");
        let directory = PathBuf::from(format!("d{slashes}"));
        assert!(open_beneath(opened.as_fd(), &directory, OFlags::DIRECTORY).is_ok());
    }

    #[test]
    fn links_deep_below_are_not_followed_beneath() {
        let root = tempfile::tempdir().unwrap();
        let opened = fs::File::open(root.path()).unwrap();
        let parent = deep_file(root.path(), 5000).parent().unwrap().to_owned();
        let link = parent.join("link");
        std::os::unix::fs::symlink("/etc", Reach::to(&root.path().join(&link)).unwrap()).unwrap();
        let below = link.join("passwd");
        assert_eq!(open_beneath(opened.as_fd(), &below, OFlags::RDONLY).unwrap_err(), Errno::LOOP);
        assert!(fs::File::open(Reach::to(&root.path().join(&below)).unwrap()).is_ok());
    }

    #[test]
    fn a_component_that_is_too_long_is_the_kernels_business() {
        let path = PathBuf::from("/").join("x".repeat(5000));
        let error = fs::symlink_metadata(Reach::to(&path).unwrap()).unwrap_err();
        assert_eq!(Errno::from_io_error(&error), Some(Errno::NAMETOOLONG));
    }
}
