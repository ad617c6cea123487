//! The sandbox's side of its control group: getting into it, and showing it.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;
use rustix::mount::MountAttrFlags;

use super::channel::{Cgroup, Failure};
use super::init::Step as _;
use super::root;
use crate::cgroup::Kind;
use crate::sys::mount::{FsContext, MountError, attach};
use crate::sys::namespace::{Fork, Namespaces, enter_own_cgroup_namespace, fork_into, fork_into_group};

/// The group of a sandbox that is about to begin: its hierarchies with their directories.
pub(super) struct Joined<'a> {
    parts: Vec<(&'a Kind, BorrowedFd<'a>)>,
    /// The first process was born in the hierarchy of version 2.
    born: bool,
    /// The first process was born in those of version 1, because its parent is there.
    entered: bool,
}

impl<'a> Joined<'a> {
    pub(super) fn new(group: &'a Cgroup, directories: &'a [OwnedFd]) -> Self {
        let parts = group.kinds.iter().zip(directories.iter().map(AsFd::as_fd)).collect();
        Self { parts, born: false, entered: group.entered }
    }

    /// Forks init, in version 2 straight into the group.
    pub(super) fn fork(&mut self, namespaces: Namespaces) -> Result<Fork, Errno> {
        let unified = self.parts.iter().find(|(kind, _)| **kind == Kind::Unified);
        if let Some((_, directory)) = unified {
            match fork_into_group(namespaces, *directory) {
                // The seccomp filters of some containers have no clone3(2).
                Err(Errno::NOSYS | Errno::PERM) => {}
                forked => {
                    self.born = true;
                    return forked;
                }
            }
        }
        fork_into(namespaces)
    }

    /// Moves the calling process to where it was not born. What it forks follows.
    pub(super) fn enter(&self) -> Result<(), Failure> {
        for (kind, directory) in &self.parts {
            let is_there = if **kind == Kind::Unified { self.born } else { self.entered };
            if is_there {
                continue;
            }
            let flags = OFlags::WRONLY | OFlags::CLOEXEC;
            openat(directory, "cgroup.procs", flags, Mode::empty())
                .and_then(|procs| rustix::io::write(procs, b"0"))
                .step("enter the cgroup")?;
        }
        enter_own_cgroup_namespace().step("make a cgroup namespace")
    }
}

/// Mounts the group where programs look for their limits, read-only; `sys` is a sysfs.
pub(super) fn show(kinds: &[Kind], sys: BorrowedFd<'_>) -> Result<(), MountError> {
    const QUIET: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID
        .union(MountAttrFlags::MOUNT_ATTR_NODEV)
        .union(MountAttrFlags::MOUNT_ATTR_NOEXEC)
        .union(MountAttrFlags::MOUNT_ATTR_RDONLY);
    let directory = |parent: BorrowedFd<'_>, name: &str| {
        openat(parent, name, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
    };
    let place = || directory(sys, "fs/cgroup");
    if kinds.is_empty() {
        return Ok(());
    }
    if kinds == [Kind::Unified] {
        let unified = FsContext::open("cgroup2")?.mount(QUIET)?;
        return Ok(attach(unified.as_fd(), place()?.as_fd())?);
    }
    let tmpfs = FsContext::open("tmpfs")?;
    tmpfs.string("mode", "0755")?;
    let tmpfs = tmpfs.mount(QUIET & !MountAttrFlags::MOUNT_ATTR_RDONLY)?;
    attach(tmpfs.as_fd(), place()?.as_fd())?;
    for kind in kinds {
        let (name, mount) = match kind {
            Kind::Unified => ("unified".to_owned(), FsContext::open("cgroup2")?),
            Kind::Legacy { controllers } => {
                let mount = FsContext::open("cgroup")?;
                controllers.iter().try_for_each(|controller| mount.flag(controller))?;
                (controllers.join(","), mount)
            }
        };
        mkdirat(&tmpfs, &name, Mode::from_raw_mode(0o755))?;
        attach(mount.mount(QUIET)?.as_fd(), directory(tmpfs.as_fd(), &name)?.as_fd())?;
    }
    Ok(root::read_only(place()?.as_fd())?)
}
