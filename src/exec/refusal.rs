//! Whether overlays can be mounted at all, asked before anything depends on it.
//!
//! An upper on another overlay is refused, as inside most containers; so is any overlay in a user namespace before
//! Linux 5.11, or where the kernel has none. The mount that is tried is attached nowhere.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::error::ExecError;
use super::root::flags;
use crate::sys::file::make_device;
use crate::sys::mount::{FsContext, MountError};

/// Why no overlay can be mounted with an upper in `scratch`, a directory for our use; `None` if one can.
pub fn overlay_refusal(scratch: &Path) -> Result<Option<String>, ExecError> {
    let directories = make(scratch)
        .map_err(|errno| ExecError::Engine { doing: "try out an overlay", source: errno.into() })?;
    let [_, upper, _] = &directories;
    if let Err(error) = make_device(upper.as_fd(), b"whiteout", false, 0, 0) {
        return Ok(Some(format!("its file system holds no whiteouts: {error}")));
    }
    Ok(mount(&directories).err().map(|MountError { errno, log }| {
        let errno = std::io::Error::from(errno);
        if log.is_empty() { errno.to_string() } else { format!("{errno} ({log})") }
    }))
}

/// Makes a lower, an upper and a work directory.
fn make(scratch: &Path) -> Result<[OwnedFd; 3], Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let dir = open(scratch, flags, Mode::empty())?;
    let make = |name: &str| {
        mkdirat(&dir, name, Mode::RWXU)?;
        openat(&dir, name, flags, Mode::empty())
    };
    Ok([make("try-lower")?, make("try-upper")?, make("try-work")?])
}

/// By strings, which every kernel takes.
fn mount([lower, upper, work]: &[OwnedFd; 3]) -> Result<OwnedFd, MountError> {
    let context = FsContext::open("overlay")?;
    for (key, directory) in [("lowerdir", lower), ("upperdir", upper), ("workdir", work)] {
        context.string(key, &format!("/proc/self/fd/{}", directory.as_raw_fd()))?;
    }
    for flag in flags(false) {
        context.flag(flag)?;
    }
    context.mount(MountAttrFlags::empty())
}
