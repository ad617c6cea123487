//! What lies in an upper directory, entry by entry, before anything is compared.
//!
//! Does on the way, in the walk's threads, what needs no comparison: cuts the times of what is no directory, and
//! takes overlayfs's attributes off.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::FileType;

use super::CommitError;
use crate::layer::whiteout::{Marks, OPAQUE_VALUE, is_overlay_attribute};
use crate::sys::file;
use crate::sys::walk::{Visit, WalkError};
use crate::sys::xattr::Place;
use crate::tree::{Device, Time, TreePath, Xattr};

/// What an entry of an upper directory is.
#[derive(Debug)]
pub(super) enum Seen {
    File {
        size: u64,
    },
    Directory {
        opaque: bool,
    },
    Symlink {
        target: Box<[u8]>,
    },
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
    /// The removal of what lies below. As a device it is what a layer has, as a marked file it is not.
    Whiteout {
        device: bool,
    },
}

/// An entry of an upper directory.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) seen: Seen,
    pub(super) mode: u32,
    pub(super) uid: u32,
    pub(super) gid: u32,
    pub(super) mtime: Time,
    pub(super) xattrs: Vec<Xattr>,
    /// What the names of one file have in common, if it has more than one.
    pub(super) inode: Option<u64>,
}

/// Takes overlayfs's attributes off the root, which the walk does not show.
pub(super) fn clear_root(root: BorrowedFd<'_>) -> io::Result<()> {
    let place = Place::new(root, b".");
    place.names()?.iter().filter(|name| is_overlay_attribute(name)).try_for_each(|name| place.remove(name))
}

/// Reads an entry.
pub(super) fn scan(visit: &Visit<'_>, marks: Marks) -> Result<Scanned, CommitError> {
    let status = visit.status;
    let failed = |operation, source| CommitError::Walk(WalkError { operation, path: visit.path(), source });
    let device = Device { major: status.stx_rdev_major, minor: status.stx_rdev_minor };
    let mut seen = match visit.file_type() {
        FileType::Directory => Seen::Directory { opaque: false },
        FileType::Symlink => {
            let target =
                file::link_text(visit.dir, visit.name).map_err(|error| failed("read the link", error))?;
            Seen::Symlink { target }
        }
        FileType::CharacterDevice if device == Device::default() => Seen::Whiteout { device: true },
        FileType::CharacterDevice => Seen::CharDevice(device),
        FileType::BlockDevice => Seen::BlockDevice(device),
        FileType::Fifo => Seen::Fifo,
        FileType::Socket => Seen::Socket,
        _ => Seen::File { size: status.stx_size },
    };
    let mut xattrs = Vec::new();
    // What will not stay needs no care. Whiteouts share one inode: they are no hard links of each other.
    if !matches!(seen, Seen::Whiteout { .. } | Seen::Socket) {
        attributes(visit, marks, &mut seen, &mut xattrs)?;
        if status.stx_mtime.tv_nsec != 0 && !matches!(seen, Seen::Directory { .. }) {
            file::set_time_at(visit.dir, visit.name.to_bytes(), (status.stx_mtime.tv_sec, 0))
                .map_err(|error| failed("set the time of", error))?;
        }
    }
    Ok(Scanned {
        mode: u32::from(status.stx_mode) & 0o7777,
        uid: status.stx_uid,
        gid: status.stx_gid,
        mtime: Time { seconds: status.stx_mtime.tv_sec, nanos: status.stx_mtime.tv_nsec },
        inode: (status.stx_nlink > 1 && !matches!(seen, Seen::Directory { .. })).then_some(status.stx_ino),
        xattrs,
        seen,
    })
}

/// Reads the attributes, heeds overlayfs's and takes them off.
fn attributes(
    visit: &Visit<'_>,
    marks: Marks,
    seen: &mut Seen,
    xattrs: &mut Vec<Xattr>,
) -> Result<(), CommitError> {
    let failed = |source| {
        CommitError::Walk(WalkError { operation: "read the attributes of", path: visit.path(), source })
    };
    let place = Place::new(visit.dir, visit.name.to_bytes());
    for name in place.names().map_err(failed)? {
        if Xattr::is_kept(&name) {
            if let Some(value) = place.get(&name).map_err(failed)? {
                xattrs.push(Xattr { name, value });
            }
            continue;
        }
        if !is_overlay_attribute(&name) {
            continue;
        }
        if let Some(attribute) =
            marks.elsewhere().into_iter().find(|elsewhere| elsewhere.as_bytes() == &*name)
        {
            let path = TreePath::clean(visit.path().as_os_str().as_encoded_bytes());
            return Err(CommitError::Elsewhere { path, attribute });
        }
        match seen {
            Seen::Directory { opaque } if *name == *marks.opaque() => {
                *opaque = place.get(&name).map_err(failed)?.is_some_and(|value| *value == *OPAQUE_VALUE);
            }
            Seen::File { size: 0 } if *name == *marks.whiteout() => *seen = Seen::Whiteout { device: false },
            _ => {}
        }
        place.remove(&name).map_err(failed)?;
    }
    xattrs.sort_unstable();
    Ok(())
}
