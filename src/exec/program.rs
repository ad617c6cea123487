//! The program that stages execute, where nothing that runs in a sandbox can write to it.
//!
//! A command can execute its own `/proc/self/exe` as long as that is still ours, and so get at the file. Seen through a
//! read-only mount that nobody else has, or as a sealed copy, the file is of no use to it.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use crate::sys::mount::{add_attributes, bind};

/// Opens the program at `path` for being executed by way of the descriptor.
pub(super) fn protected(path: &Path) -> io::Result<OwnedFd> {
    // The kernel may be too old, or the program replaced or out of the namespace's sight.
    mounted(path).or_else(|_| copied(path))
}

/// A read-only mount of the file alone, attached nowhere.
fn mounted(path: &Path) -> io::Result<OwnedFd> {
    let named = fs::canonicalize(path)?;
    let parent = named.parent().ok_or(Errno::NOENT)?;
    let name = named.file_name().and_then(|name| name.to_str()).ok_or(Errno::NOENT)?;
    let parent =
        fs::OpenOptions::new().read(true).custom_flags(libc::O_PATH | libc::O_DIRECTORY).open(parent)?;
    let mount = bind(parent.as_fd(), name)?;
    add_attributes(mount.as_fd(), MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    // Of a running program the name may be another file's by now.
    let (found, wanted) = (rustix::fs::fstat(&mount)?, fs::metadata(path)?);
    if (found.st_dev, found.st_ino) != (wanted.dev(), wanted.ino()) {
        return Err(Errno::STALE.into());
    }
    Ok(mount)
}

/// A copy in memory that can never be changed.
fn copied(path: &Path) -> io::Result<OwnedFd> {
    let copy = memfd_create("strata", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
    let mut copy = File::from(copy);
    io::copy(&mut File::open(path)?, &mut copy)?;
    let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    fcntl_add_seals(&copy, seals)?;
    Ok(copy.into())
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn neither_form_can_be_written_to_and_both_run() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        fs::copy("/bin/true", &path).unwrap();
        for (open, errno) in [(mounted(&path), Errno::ROFS), (copied(&path), Errno::PERM)] {
            let open = open.unwrap();
            let again = format!("/proc/self/fd/{}", open.as_raw_fd());
            assert!(Command::new(&again).status().unwrap().success());
            let written = File::options().write(true).truncate(true).open(&again);
            assert_eq!(written.unwrap_err().raw_os_error(), Some(errno.raw_os_error()));
        }
    }
}
