//! The machine's devices, for commands that have the rights of its root.

use std::fs::{self, DirEntry};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use rustix::fs::{FileType, Mode, OFlags, mkdirat, mknodat, openat};
use rustix::io::Errno;

use super::mounts::bind_device;
use crate::user::is_confined;

/// Directories of `/dev` that are file systems of their own, and the sandbox's are others.
const OWN: [&str; 4] = ["pts", "shm", "mqueue", "fd"];

/// Makes the nodes of the machine's `/dev` in `dev` too; those that are there stay as they are.
pub(super) fn add_all(dev: BorrowedFd<'_>) -> Result<(), Errno> {
    add(Path::new("/dev"), dev)
}

fn add(from: &Path, to: BorrowedFd<'_>) -> Result<(), Errno> {
    // What goes while it is looked at is not there.
    for entry in fs::read_dir(from).into_iter().flatten().flatten() {
        match add_entry(&entry, to) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(errno) => return Err(errno),
        }
    }
    Ok(())
}

fn add_entry(entry: &DirEntry, to: BorrowedFd<'_>) -> Result<(), Errno> {
    let name = entry.file_name();
    let Ok(metadata) = entry.path().symlink_metadata() else { return Ok(()) };
    let kind = metadata.file_type();
    let mode = Mode::from_raw_mode(metadata.mode() & 0o7777);
    if kind.is_dir() {
        if OWN.iter().any(|own| name == *own) {
            return Ok(());
        }
        mkdirat(to, &name, mode)?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        return add(&entry.path(), openat(to, &name, flags, Mode::empty())?.as_fd());
    }
    let node = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => FileType::CharacterDevice,
        (_, true) => FileType::BlockDevice,
        _ => return Ok(()),
    };
    if is_confined() {
        // Whether the command may open it is for the machine to say; a name that cannot be bound is left out.
        let _ = bind_device(to, &name, &entry.path());
        return Ok(());
    }
    mknodat(to, &name, node, mode, metadata.rdev())
}
