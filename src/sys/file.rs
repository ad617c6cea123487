//! Making, describing and removing single directory entries, relative to an open directory.
//!
//! Every function names its target by an open directory and one name in it, so that nothing on the way can be
//! swapped underneath; only [`open_beneath`], which neither follows links nor leaves its root, and [`open_at`] walk a
//! path. Must not know what the entries are for. Errors are the kernel's; callers add the path.

use std::ffi::CStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, Statx, StatxFlags, Timespec, Timestamps, UTIME_OMIT, Uid,
};

use super::reach::{self, Reach};

/// Opens the directory at `path` below `root` (the root itself for an empty path), without following any link.
pub fn open_beneath(root: BorrowedFd<'_>, path: &Path) -> io::Result<OwnedFd> {
    Ok(reach::open_beneath(root, path, OFlags::RDONLY | OFlags::DIRECTORY)?)
}

/// Opens a directory of the host for use as a root.
pub fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Makes a new, empty regular file and opens it for writing. Fails if the name is taken.
pub fn create(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Opens a regular file for reading. A link is not followed, and a pipe does not block.
pub fn open(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(dir, name, flags, Mode::empty())?.into())
}

/// Opens the regular file at `path`, which may be of any length, for reading; the file itself is no link that is followed.
pub fn open_at(path: &Path) -> io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(CWD, Reach::to(path)?.as_ref(), flags, Mode::empty())?.into())
}

/// Makes a directory that only its owner may use.
pub fn make_directory(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::mkdirat(dir, name, Mode::RWXU)?)
}

/// Makes a symbolic link with the text `target`.
pub fn make_symlink(dir: BorrowedFd<'_>, name: &[u8], target: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::symlinkat(target, dir, name)?)
}

/// Makes a named pipe that only its owner may use.
pub fn make_fifo(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::mknodat(dir, name, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?)
}

/// Makes a device node that only its owner may use; needs privilege but for a character device 0:0.
pub fn make_device(dir: BorrowedFd<'_>, name: &[u8], block: bool, major: u32, minor: u32) -> io::Result<()> {
    let kind = if block { FileType::BlockDevice } else { FileType::CharacterDevice };
    let mode = if (major, minor) == (0, 0) { Mode::empty() } else { Mode::RUSR | Mode::WUSR };
    Ok(rustix::fs::mknodat(dir, name, kind, mode, rustix::fs::makedev(major, minor))?)
}

/// Gives `old` a second name. A symbolic link itself gets it, not what it points to.
pub fn link(old_dir: BorrowedFd<'_>, old: &[u8], new_dir: BorrowedFd<'_>, new: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::linkat(old_dir, old, new_dir, new, AtFlags::empty())?)
}

/// Removes a name that is no directory.
pub fn remove(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::empty())?)
}

/// Removes an empty directory.
pub fn remove_directory(dir: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::unlinkat(dir, name, AtFlags::REMOVEDIR)?)
}

/// What is at `name`, not following a link. statx(2).
pub fn status(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Statx> {
    Ok(rustix::fs::statx(dir, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)?)
}

/// The text of a symbolic link.
pub fn link_text(dir: BorrowedFd<'_>, name: &CStr) -> io::Result<Box<[u8]>> {
    Ok(rustix::fs::readlinkat(dir, name, Vec::new())?.into_bytes().into())
}

/// Sets the owner of an open file or directory. Clears set-user-ID bits and file capabilities.
pub fn set_owner(file: impl AsFd, (uid, gid): (u32, u32)) -> io::Result<()> {
    Ok(rustix::fs::fchown(file, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// Sets the owner by name, of a symbolic link too.
pub fn set_owner_at(dir: BorrowedFd<'_>, name: &[u8], (uid, gid): (u32, u32)) -> io::Result<()> {
    let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
    Ok(rustix::fs::chownat(dir, name, Some(uid), Some(gid), AtFlags::SYMLINK_NOFOLLOW)?)
}

/// Sets the permissions of an open file or directory.
pub fn set_mode(file: impl AsFd, mode: u32) -> io::Result<()> {
    Ok(rustix::fs::fchmod(file, Mode::from_raw_mode(mode & 0o7777))?)
}

/// Sets the permissions by name. The call would follow a symbolic link: the caller knows that there is none,
/// because it has just made the entry in a directory that nobody else writes to.
pub fn set_mode_at(dir: BorrowedFd<'_>, name: &[u8], mode: u32) -> io::Result<()> {
    Ok(rustix::fs::chmodat(dir, name, Mode::from_raw_mode(mode & 0o7777), AtFlags::empty())?)
}

/// Sets the modification time of an open file or directory; the access time becomes the same.
pub fn set_time(file: impl AsFd, mtime: (i64, u32)) -> io::Result<()> {
    let time = timespec(mtime);
    Ok(rustix::fs::futimens(file, &Timestamps { last_access: time, last_modification: time })?)
}

/// Sets the modification time by name, of a symbolic link too; the access time stays.
pub fn set_time_at(dir: BorrowedFd<'_>, name: &[u8], mtime: (i64, u32)) -> io::Result<()> {
    let omit = Timespec { tv_sec: 0, tv_nsec: UTIME_OMIT };
    let times = Timestamps { last_access: omit, last_modification: timespec(mtime) };
    Ok(rustix::fs::utimensat(dir, name, &times, AtFlags::SYMLINK_NOFOLLOW)?)
}

fn timespec((seconds, nanos): (i64, u32)) -> Timespec {
    Timespec { tv_sec: seconds, tv_nsec: nanos.into() }
}
