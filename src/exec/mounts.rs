//! What is mounted into the root: `/proc`, `/sys`, `/dev`, `/etc/hosts`, `/etc/resolv.conf`; and what of it is hidden
//! or read-only.
//!
//! Invariant: a path of the image is only ever resolved inside the root. A mount point that exists, be it only in the
//! skeleton, is not touched, so nothing of it gets into the upper.

use std::ffi::OsStr;
use std::fs;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{
    AtFlags, CWD, FileType, Mode, OFlags, ResolveFlags, Stat, Timespec, Timestamps, fstat, makedev, mkdirat,
    mknodat, openat2, symlinkat, utimensat,
};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, mount_bind, mount_remount};

use super::channel::{Failure, Request};
use super::extra;
use super::init::Step as _;
use super::root::Scratch;
use super::spec::Script;
use super::{cgroups, devices};
use crate::sys::mount::{
    FsContext, MountError, add_attributes, add_attributes_to_all, attach, bind, bind_all,
};
use crate::user::{IdMap, is_confined};

pub(super) const NOSUID: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOSUID;
pub(super) const NODEV: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NODEV;
const NOEXEC: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_NOEXEC;
const RDONLY: MountAttrFlags = MountAttrFlags::MOUNT_ATTR_RDONLY;

/// Hidden from the command, as in Docker: files read as empty, directories are empty.
const MASKED: [&str; 12] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/interrupts",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];

/// Read-only for the command, as in Docker.
const READ_ONLY: [&str; 5] = ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// Device nodes of `/dev`: name, major, minor; see devices.txt of the kernel's documentation.
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Symbolic links of `/dev`: name, target.
const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    ("ptmx", "pts/ptmx"),
];

/// The size of `/dev/shm`, Docker's default.
const SHM_SIZE: u64 = 64 << 20;

/// Mounts everything. The result is the paths in the root that had to be made for it.
pub(super) fn populate(
    request: &Request,
    scratch: &Scratch,
    root: BorrowedFd<'_>,
) -> Result<Vec<PathBuf>, Failure> {
    let spec = &request.spec;
    let mut points = Points { root, stubs: Vec::new() };
    let proc = kernel("proc", "/proc", NOSUID | NODEV | NOEXEC).step("make the proc file system")?;
    points.mount(&proc, "proc", Kind::Directory)?;
    let access = if spec.insecure { MountAttrFlags::empty() } else { RDONLY };
    let sys = kernel("sysfs", "/sys", NOSUID | NODEV | NOEXEC | access).step("make the sys file system")?;
    points.mount(&sys, "sys", Kind::Directory)?;
    if request.cgroup.limited {
        // It only tells a program what it may use. A machine that does not let us show it is no reason to fail.
        let _ = cgroups::show(&request.cgroup.kinds, sys.as_fd());
    }
    let dev = new("tmpfs", &[("mode", "755"), ("size", "64m")], NOSUID).step("make the dev file system")?;
    points.mount(&dev, "dev", Kind::Directory)?;
    fill_dev(dev.as_fd(), spec.shm_size)?;
    if spec.insecure {
        devices::add_all(dev.as_fd()).step("make the machine's devices")?;
    }
    if let Some(script) = &spec.script {
        put_script(dev.as_fd(), script).step(&format!("write /dev/{PIPES}/{}", script.name))?;
    }

    let resolv_conf = spec.resolv_conf.is_some().then_some("resolv.conf");
    for name in ["hosts"].into_iter().chain(resolv_conf) {
        let file = bind(scratch.dir.as_fd(), name).step(&format!("bind /etc/{name}"))?;
        match points.mount(&file, &format!("etc/{name}"), Kind::File) {
            // In a read-only root an image without the file simply has none.
            Err(Failure::Setup { errno, .. }) if errno == Errno::ROFS.raw_os_error() => {}
            mounted => mounted?,
        }
    }
    extra::mount(spec, scratch, &mut points)?;
    Ok(points.stubs)
}

/// A new file system, mounted nowhere yet.
pub(super) fn new(
    fs_type: &str,
    options: &[(&str, &str)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, MountError> {
    let context = FsContext::open(fs_type)?;
    for (key, value) in options {
        context.string(key, value)?;
    }
    context.mount(attributes)
}

/// A new file system of the kernel's, or where the user namespace may not make one, what is mounted at `place` outside:
/// the sys of a network that is the machine's, the proc of a container that has parts of it hidden.
fn kernel(fs_type: &str, place: &str, attributes: MountAttrFlags) -> Result<OwnedFd, MountError> {
    match new(fs_type, &[], attributes) {
        Err(error) if error.errno == Errno::PERM && is_confined() => {
            let tree = bind_all(place)?;
            add_attributes_to_all(tree.as_fd(), attributes)?;
            Ok(tree)
        }
        result => result,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

/// Finds mount points in the root and makes those that are missing.
pub(super) struct Points<'a> {
    root: BorrowedFd<'a>,
    stubs: Vec<PathBuf>,
}

impl Points<'_> {
    /// Mounts something at a path of the root, without its first `/`.
    pub(super) fn mount(&mut self, mount: &OwnedFd, path: &str, kind: Kind) -> Result<(), Failure> {
        let target = match self.find(path, kind) {
            Err(Errno::NOENT) => self.make(path, kind).step(&format!("make the mount point /{path}"))?,
            found => found.step(&format!("mount /{path}"))?,
        };
        let is_directory = fstat(&target).is_ok_and(|it| FileType::from_raw_mode(it.st_mode).is_dir());
        let attached = match kind {
            Kind::File if is_directory => Err(Errno::ISDIR),
            _ => attach(mount.as_fd(), target.as_fd()),
        };
        attached.step(&format!("mount /{path}"))
    }

    /// Opens what is at `path`. A last symbolic link to a file is opened itself: the mount then covers the link,
    /// wherever it leads.
    fn find(&self, path: &str, kind: Kind) -> Result<OwnedFd, Errno> {
        let flags = match kind {
            Kind::Directory => OFlags::PATH | OFlags::DIRECTORY,
            Kind::File => OFlags::PATH | OFlags::NOFOLLOW,
        };
        openat2(self.root, path, flags | OFlags::CLOEXEC, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// Makes `path` with its parents, and notes what was made. What was there keeps its times.
    fn make(&mut self, path: &str, kind: Kind) -> Result<OwnedFd, Errno> {
        let (parent, name) = match path.rsplit_once('/') {
            Some((parent, name)) => (self.directory(parent)?, name),
            None => (self.root.try_clone_to_owned().map_err(|_| Errno::MFILE)?, path),
        };
        let before = fstat(&parent)?;
        match kind {
            Kind::Directory => mkdirat(&parent, name, Mode::from_raw_mode(0o755))?,
            Kind::File => {
                let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
                rustix::fs::openat(&parent, name, flags, Mode::from_raw_mode(0o644))?;
            }
        }
        set_times(&parent, &before)?;
        // What is made in another mount than the root is none of the root's changes.
        if before.st_dev == fstat(self.root)?.st_dev {
            self.stubs.push(self.path_of(&parent, name));
        }
        self.find(path, kind)
    }

    fn directory(&mut self, path: &str) -> Result<OwnedFd, Errno> {
        match self.find(path, Kind::Directory) {
            Err(Errno::NOENT) => self.make(path, Kind::Directory),
            found => found,
        }
    }

    /// The path inside the root of `name` in `parent`, with every link resolved, as far as the machine's `/proc`
    /// tells.
    fn path_of(&self, parent: &OwnedFd, name: &str) -> PathBuf {
        let real = |fd: BorrowedFd<'_>| fs::read_link(format!("/proc/self/fd/{}", fd.as_raw_fd())).ok();
        let inside = (|| real(parent.as_fd())?.strip_prefix(real(self.root)?).map(Path::to_owned).ok())();
        Path::new("/").join(inside.unwrap_or_default()).join(name)
    }
}

/// Gives a directory the times back that it had.
fn set_times(directory: &OwnedFd, times: &Stat) -> Result<(), Errno> {
    let time = |tv_sec, tv_nsec: u64| Timespec { tv_sec, tv_nsec: tv_nsec as i64 };
    let times = Timestamps {
        last_access: time(times.st_atime, times.st_atime_nsec),
        last_modification: time(times.st_mtime, times.st_mtime_nsec),
    };
    let path = format!("/proc/self/fd/{}", directory.as_raw_fd());
    utimensat(CWD, path, &times, AtFlags::empty())
}

/// Makes the nodes, links and mounts of `/dev`.
fn fill_dev(dev: BorrowedFd<'_>, shm_size: Option<u64>) -> Result<(), Failure> {
    for (name, major, minor) in DEVICES {
        let step = || format!("make /dev/{name}");
        if is_confined() {
            bind_device(dev, name.as_ref(), &Path::new("/dev").join(name)).step(&step())?;
            continue;
        }
        mknodat(dev, name, FileType::CharacterDevice, Mode::from_raw_mode(0o666), makedev(major, minor))
            .step(&step())?;
    }
    for (name, target) in LINKS {
        symlinkat(target, dev, name).step(&format!("make /dev/{name}"))?;
    }
    let pts: &[(&str, &str)] = &[("mode", "0620"), ("ptmxmode", "0666"), ("gid", "5")];
    // Where there is no group `tty`, terminals have their user's.
    let pts = if IdMap::current().has_group(5) { pts } else { &pts[..2] };
    let shm_size = shm_size.unwrap_or(SHM_SIZE).to_string();
    let shm: &[(&str, &str)] = &[("mode", "1777"), ("size", &shm_size)];
    let mounts = [
        ("pts", "devpts", pts, NOSUID | NOEXEC),
        ("shm", "tmpfs", shm, NOSUID | NODEV | NOEXEC),
        ("mqueue", "mqueue", &[], NOSUID | NODEV | NOEXEC),
    ];
    for (name, fs_type, options, attributes) in mounts {
        let step = || format!("mount /dev/{name}");
        mkdirat(dev, name, Mode::from_raw_mode(0o755)).step(&step())?;
        let mount = new(fs_type, options, attributes).step(&step())?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let target = rustix::fs::openat(dev, name, flags, Mode::empty()).step(&step())?;
        attach(mount.as_fd(), target.as_fd()).step(&step())?;
    }
    Ok(())
}

/// Puts a device of the machine's into `/dev`: in a user namespace none can be made.
pub(super) fn bind_device(dev: BorrowedFd<'_>, name: &OsStr, device: &Path) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    drop(rustix::fs::openat(dev, name, flags, Mode::from_raw_mode(0o666))?);
    let device = bind(CWD, device)?;
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let target = rustix::fs::openat(dev, name, flags, Mode::empty())?;
    attach(device.as_fd(), target.as_fd())
}

/// Where BuildKit puts the heredocs that name their own interpreter, below `/dev`.
const PIPES: &str = "pipes";

fn put_script(dev: BorrowedFd<'_>, script: &Script) -> Result<(), Errno> {
    mkdirat(dev, PIPES, Mode::from_raw_mode(0o755))?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let pipes = rustix::fs::openat(dev, PIPES, flags, Mode::empty())?;
    super::root::write_file(pipes.as_fd(), &script.name, &script.content, 0o755)
}

/// Hides and write-protects what Docker does. To be called inside the root; the paths are all of file systems that
/// [`populate`] mounted, so no link of the image can lead them astray.
pub(super) fn restrict() -> Result<(), Failure> {
    keep_devices()?;
    let mut empty: Option<&str> = None;
    for path in MASKED {
        mask(path, &mut empty).step(&format!("mask {path}"))?;
    }
    for path in READ_ONLY {
        let attributes = MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC;
        match mount_bind(path, path) {
            Err(Errno::NOENT) => Ok(()),
            Err(errno) => Err(errno),
            Ok(()) => mount_remount(path, MountFlags::BIND | MountFlags::RDONLY | attributes, c""),
        }
        .step(&format!("make {path} read-only"))?;
    }
    Ok(())
}

/// Leaves the command the devices of `/dev`, and no others: neither those that it makes nor those of the image. For
/// that each is a mount of its own, and the root and `/dev` have none.
fn keep_devices() -> Result<(), Failure> {
    for (name, ..) in DEVICES {
        let path = format!("/dev/{name}");
        match mount_bind(&path, &path) {
            // The caller may have mounted something else over it.
            Err(Errno::NOENT) | Ok(()) => {}
            Err(errno) => return Err(errno).step(&format!("bind {path}")),
        }
    }
    for path in ["/dev", "/"] {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(path, flags, Mode::empty())
            .and_then(|mount| add_attributes(mount.as_fd(), NODEV))
            .step(&format!("forbid devices in {path}"))?;
    }
    Ok(())
}

/// Covers a file with `/dev/null`, a directory with an empty one; what is not there needs nothing. All empty
/// directories are one: `empty` is where it was mounted first.
fn mask(path: &'static str, empty: &mut Option<&'static str>) -> Result<(), MountError> {
    match mount_bind("/dev/null", path) {
        // Or is it `/dev/null` that is missing, because the caller covered it?
        Err(Errno::NOENT) if !Path::new(path).exists() => return Ok(()),
        Ok(()) => return Ok(()),
        Err(Errno::NOTDIR) => {}
        Err(errno) => return Err(errno.into()),
    }
    if let Some(first) = empty {
        return Ok(mount_bind(*first, path)?);
    }
    let tmpfs = new("tmpfs", &[("size", "0")], NOSUID | NODEV | NOEXEC | RDONLY)?;
    let target =
        rustix::fs::openat(CWD, path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    attach(tmpfs.as_fd(), target.as_fd())?;
    *empty = Some(path);
    Ok(())
}
