//! Mounts by the kernel's new interface: a file system is configured, made and attached by file descriptors
//! (fsopen(2), fsconfig(2), fsmount(2), move_mount(2)).
//!
//! Everything acts on the calling process's mount namespace. Nothing here knows what is mounted or why.
#![expect(unsafe_code, reason = "mount_setattr(2) has no safe wrapper")]

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags,
    UnmountFlags, fsconfig_create, fsconfig_set_fd, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen,
    mount_change, move_mount, open_tree, unmount,
};
use rustix::path::Arg;

use super::process::check;

/// A mount call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountError {
    /// The error number.
    pub errno: Errno,
    /// The kernel's words, without the severity letter; lines are joined by `; `. Often empty.
    pub log: String,
}

impl From<Errno> for MountError {
    fn from(errno: Errno) -> Self {
        Self { errno, log: String::new() }
    }
}

/// A file system that is being configured.
#[derive(Debug)]
pub struct FsContext(OwnedFd);

impl FsContext {
    /// Starts configuring a file system of the given type, which is also what mount tables will name as its source.
    pub fn open(fs_type: &str) -> Result<Self, MountError> {
        let context = Self(fsopen(fs_type, FsOpenFlags::FSOPEN_CLOEXEC)?);
        context.string("source", fs_type)?;
        Ok(context)
    }

    /// Sets `key=value`. The kernel takes at most 255 bytes of value and refuses more with an empty log.
    pub fn string(&self, key: &str, value: &str) -> Result<(), MountError> {
        fsconfig_set_string(self.0.as_fd(), key, value).map_err(|errno| self.error(errno))
    }

    /// Sets a flag.
    pub fn flag(&self, key: &str) -> Result<(), MountError> {
        fsconfig_set_flag(self.0.as_fd(), key).map_err(|errno| self.error(errno))
    }

    /// Sets a parameter whose value is an open file.
    pub fn fd(&self, key: &str, value: BorrowedFd<'_>) -> Result<(), MountError> {
        fsconfig_set_fd(self.0.as_fd(), key, value).map_err(|errno| self.error(errno))
    }

    /// Makes the file system and a mount of it that is attached nowhere.
    pub fn mount(self, attributes: MountAttrFlags) -> Result<OwnedFd, MountError> {
        fsconfig_create(self.0.as_fd()).map_err(|errno| self.error(errno))?;
        fsmount(self.0.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes).map_err(|errno| self.error(errno))
    }

    /// Adds what the kernel wrote about the failure, see fsopen(2) "The message retrieval interface".
    fn error(&self, errno: Errno) -> MountError {
        let mut log = String::new();
        let mut buffer = [0; 1024];
        while let Ok(length @ 1..) = rustix::io::read(&self.0, &mut buffer) {
            let line = String::from_utf8_lossy(&buffer[..length]);
            let text = line.get(2..).unwrap_or("").trim();
            if !log.is_empty() {
                log.push_str("; ");
            }
            log.push_str(text);
        }
        MountError { errno, log }
    }
}

/// Attaches a detached mount on what `target` refers to, which may be a symbolic link itself.
pub fn attach(mount: BorrowedFd<'_>, target: BorrowedFd<'_>) -> Result<(), Errno> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(mount, "", target, "", flags)
}

/// A detached bind mount of `path` under `dir`; a last symbolic link is not followed.
pub fn bind(dir: BorrowedFd<'_>, path: impl Arg) -> Result<OwnedFd, Errno> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_EMPTY_PATH
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    open_tree(dir, path, flags)
}

/// A detached copy of the mount at `path`, an absolute one, with everything that is mounted below it.
pub fn bind_all(path: &str) -> Result<OwnedFd, Errno> {
    let flags =
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC | OpenTreeFlags::AT_RECURSIVE;
    open_tree(rustix::fs::CWD, path, flags)
}

/// Adds attributes to a mount, which may be detached; not to those below it. See mount_setattr(2) (Linux 5.12).
pub fn add_attributes(mount: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<(), Errno> {
    add(mount, attributes, 0)
}

/// Adds attributes to a mount and those below it.
pub fn add_attributes_to_all(tree: BorrowedFd<'_>, attributes: MountAttrFlags) -> Result<(), Errno> {
    add(tree, attributes, libc::AT_RECURSIVE)
}

fn add(mount: BorrowedFd<'_>, attributes: MountAttrFlags, flags: libc::c_int) -> Result<(), Errno> {
    let change =
        libc::mount_attr { attr_set: attributes.bits().into(), attr_clr: 0, propagation: 0, userns_fd: 0 };
    // SAFETY: the path is an empty C string, and the struct is as long as the call is told.
    check(unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH | flags,
            &raw const change,
            size_of::<libc::mount_attr>(),
        )
    })?;
    Ok(())
}

/// Cuts every mount of the namespace off from the one that it was copied from.
pub fn make_private() -> Result<(), Errno> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
}

/// Makes the mount whose root is `root` the root of the namespace and detaches all others.
pub fn pivot(root: BorrowedFd<'_>) -> Result<(), Errno> {
    rustix::process::fchdir(root)?;
    // The old root comes to lie on top of the new one at the same place, see pivot_root(2).
    rustix::process::pivot_root(".", ".")?;
    unmount(".", UnmountFlags::DETACH)?;
    rustix::process::chdir("/")
}
