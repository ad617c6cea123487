//! The root: the overlay of the layers, and the private tmpfs beside it.
//!
//! The *scratch* is a small tmpfs of the sandbox's own, mounted over the skeleton's directory in the sandbox's mount
//! namespace: it holds the directory that the root is mounted on and the files that are bound into the root. It goes
//! with the old root when that is detached; what was bound stays.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags, fstatfs, mkdirat, open, openat};
use rustix::io::Errno;
use rustix::mount::{MountAttrFlags, MountFlags, mount_remount};

use super::channel::Failure;
use super::init::Step as _;
use super::spec::{MountApi, MountSource, Root, Spec, Upper};
use crate::sys::mount::{FsContext, MountError, add_attributes_to_all, attach, bind, make_private};
use crate::user::is_confined;

/// `f_type` of overlayfs, see statfs(2).
const OVERLAYFS_MAGIC: rustix::fs::FsWord = 0x794c_7630;

/// Options of every overlay: those that would let a change appear as anything but whole files are off, and none may
/// depend on the kernel's build.
const OPTIONS: [(&str, &str); 4] =
    [("index", "off"), ("metacopy", "off"), ("redirect_dir", "nofollow"), ("xino", "off")];

/// The most lowers that overlayfs takes.
const OVERLAY_LOWERS: usize = 500;

/// The name in the scratch of the directory that the root is mounted on.
const ROOT: &str = "root";

/// The private tmpfs, as a directory.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) dir: OwnedFd,
    /// The skeleton's directory, opened before the tmpfs was mounted over it.
    skeleton: OwnedFd,
}

/// Cuts the mount namespace off from the machine's and mounts the scratch, with what is to be bound into the root.
pub(super) fn scratch(skeleton: &Path, spec: &Spec) -> Result<Scratch, Failure> {
    make_private().step("make mounts private")?;
    let skeleton_dir = open_dir(skeleton).step("open the skeleton")?;
    let dir = (|| {
        let tmpfs = FsContext::open("tmpfs")?;
        tmpfs.string("mode", "0755")?;
        tmpfs.string("size", &scratch_size(spec).to_string())?;
        tmpfs.mount(MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV)
    })()
    .step("mount the scratch tmpfs")?;
    attach(dir.as_fd(), skeleton_dir.as_fd()).step("attach the scratch tmpfs")?;
    let files = [("hosts", Some(&spec.hosts)), ("resolv.conf", spec.resolv_conf.as_ref())];
    for (name, content) in files.into_iter().filter_map(|(name, content)| Some((name, content?))) {
        write_file(dir.as_fd(), name, content, 0o644).step(&format!("write /etc/{name}"))?;
    }
    Ok(Scratch { dir, skeleton: skeleton_dir })
}

/// Room for the files that are bound into the root: a page more each, for what is not full.
fn scratch_size(spec: &Spec) -> usize {
    let contents = spec.mounts.iter().map(|mount| match &mount.source {
        MountSource::File { content, .. } => content.0.len() + (8 << 10),
        _ => 16 << 10,
    });
    (1 << 20) + contents.sum::<usize>()
}

impl Scratch {
    /// Makes an empty directory or file and opens it.
    pub(super) fn place(&self, name: &str, is_directory: bool) -> Result<OwnedFd, Errno> {
        if is_directory {
            mkdirat(&self.dir, name, Mode::from_raw_mode(0o755))?;
        } else {
            write_file(self.dir.as_fd(), name, &[], 0o600)?;
        }
        openat(&self.dir, name, OFlags::PATH | OFlags::CLOEXEC, Mode::empty())
    }
}

/// Makes a file with this content, which no umask makes less accessible than `mode` says.
pub(super) fn write_file(dir: BorrowedFd<'_>, name: &str, content: &[u8], mode: u32) -> Result<(), Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
    let file = openat(dir, name, flags, Mode::from_raw_mode(mode))?;
    rustix::fs::fchmod(&file, Mode::from_raw_mode(mode))?;
    let mut rest = content;
    while !rest.is_empty() {
        rest = &rest[rustix::io::write(&file, rest)?..];
    }
    Ok(())
}

pub(super) fn open_dir(path: &Path) -> Result<OwnedFd, Errno> {
    open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
}

/// Mounts the root; the result is its directory.
pub(super) fn mount(root: &Root, scratch: &Scratch) -> Result<OwnedFd, Failure> {
    if let (true, [only]) = (root.plain, &root.lowers[..]) {
        return whole(only, root.upper.is_none(), scratch).step(&format!("mount `{}`", only.display()));
    }
    let skeleton = scratch.skeleton.try_clone().step("duplicate a descriptor")?;
    let lowers = open_lowers(&root.lowers, Some(skeleton), scratch, (ROOT, root.mount_api))?;
    Layers::new(lowers, root.upper.as_ref(), root.volatile)?.mount_in(scratch, ROOT, root.mount_api)
}

/// Opens what the overlay `name` is to stack: `layers`, topmost first, and `below` under them.
///
/// What is more than one overlay takes is merged by an overlay of its own. Only the lowest can be: a merged one shows no
/// whiteouts to what lies under it. And only once, because the kernel stacks no third overlay on two.
pub(super) fn open_lowers(
    layers: &[PathBuf],
    below: Option<OwnedFd>,
    scratch: &Scratch,
    (name, api): (&str, MountApi),
) -> Result<Vec<OwnedFd>, Failure> {
    if layers.len() + usize::from(below.is_some()) <= OVERLAY_LOWERS {
        return open_layers(layers, below);
    }
    let (above, merged) = layers.split_at(OVERLAY_LOWERS - 1);
    // These close before the others are opened: a process may have a thousand descriptors.
    let merged = Layers::new(open_layers(merged, below)?, None, false)?;
    let merged = merged.mount_in(scratch, &format!("{name}-merged"), api)?;
    open_layers(above, Some(merged))
}

fn open_layers(paths: &[PathBuf], below: Option<OwnedFd>) -> Result<Vec<OwnedFd>, Failure> {
    let mut layers = Vec::with_capacity(paths.len() + 1);
    for path in paths {
        layers.push(open_dir(path).step(&format!("open the layer `{}`", path.display()))?);
    }
    layers.extend(below);
    Ok(layers)
}

/// Mounts a directory as the root, as it is.
fn whole(directory: &Path, is_read_only: bool, scratch: &Scratch) -> Result<OwnedFd, Errno> {
    let target = scratch.place(ROOT, true)?;
    let tree = bind(open_dir(directory)?.as_fd(), "")?;
    attach(tree.as_fd(), target.as_fd())?;
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mounted = openat(&scratch.dir, ROOT, flags, Mode::empty())?;
    if is_read_only {
        read_only(mounted.as_fd())?;
    }
    Ok(mounted)
}

/// Makes the mount whose root `place` is read-only.
pub(super) fn read_only(place: BorrowedFd<'_>) -> Result<(), Errno> {
    if is_confined() {
        // What the machine's mount has besides, such as nosuid, could not be left out.
        return add_attributes_to_all(place, MountAttrFlags::MOUNT_ATTR_RDONLY);
    }
    let place = format!("/proc/self/fd/{}", place.as_raw_fd());
    mount_remount(place, MountFlags::BIND | MountFlags::RDONLY, c"")
}

/// An overlay's options without a value. Without `userxattr` a user namespace could mount it and not remove
/// directories from it.
pub(super) fn flags(volatile: bool) -> impl Iterator<Item = &'static str> {
    volatile.then_some("volatile").into_iter().chain(is_confined().then_some("userxattr"))
}

/// The directories of an overlay, opened.
pub(super) struct Layers {
    /// Topmost first.
    lowers: Vec<OwnedFd>,
    upper: Option<(OwnedFd, OwnedFd)>,
    volatile: bool,
}

impl Layers {
    pub(super) fn new(lowers: Vec<OwnedFd>, upper: Option<&Upper>, volatile: bool) -> Result<Self, Failure> {
        let open = |path: &Path| open_dir(path).step(&format!("open `{}`", path.display()));
        let upper = upper.map(|upper| Ok((open(&upper.dir)?, open(&upper.work)?))).transpose()?;
        Ok(Self { lowers, upper, volatile })
    }

    /// Mounts the overlay on a new directory of the scratch, which is the result; read-only without an upper.
    pub(super) fn mount_in(&self, scratch: &Scratch, name: &str, api: MountApi) -> Result<OwnedFd, Failure> {
        let target = scratch.place(name, true).step(&format!("make the directory `{name}`"))?;
        let mounted = match (&self.upper, &self.lowers[..]) {
            // overlayfs refuses a single lower without an upper.
            (None, [only]) => bind(only.as_fd(), "")
                .and_then(|tree| attach(tree.as_fd(), target.as_fd()))
                .map_err(Into::into),
            _ => self.mount(api, target.as_fd()),
        };
        mounted.or_else(|error| self.blame(error))?;
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mounted = openat(&scratch.dir, name, flags, Mode::empty()).step("open what was mounted")?;
        if self.upper.is_none() {
            read_only(mounted.as_fd()).step("make it read-only")?;
        }
        Ok(mounted)
    }

    fn mount(&self, api: MountApi, target: BorrowedFd<'_>) -> Result<(), MountError> {
        let context = FsContext::open("overlay")?;
        let takes_fds = api == MountApi::Best
            && self.lowers.first().is_none_or(|lower| context.fd("lowerdir+", lower.as_fd()).is_ok());
        if !takes_fds {
            drop(context);
            return self.mount_classic(target);
        }
        for lower in self.lowers.iter().skip(1) {
            context.fd("lowerdir+", lower.as_fd())?;
        }
        if let Some((upper, work)) = &self.upper {
            context.fd("upperdir", upper.as_fd())?;
            context.fd("workdir", work.as_fd())?;
        }
        for (key, value) in OPTIONS {
            context.string(key, value)?;
        }
        for flag in self.flags() {
            context.flag(flag)?;
        }
        let overlay = context.mount(MountAttrFlags::empty())?;
        Ok(attach(overlay.as_fd(), target)?)
    }

    /// mount(2) takes one page of options, so the layers are named as short as can be: relative to the directory of
    /// our descriptors.
    fn mount_classic(&self, target: BorrowedFd<'_>) -> Result<(), MountError> {
        let numbers: Vec<String> = self.lowers.iter().map(|lower| lower.as_raw_fd().to_string()).collect();
        let mut options = vec![format!("lowerdir={}", numbers.join(":"))];
        if let Some((upper, work)) = &self.upper {
            options.push(format!("upperdir={},workdir={}", upper.as_raw_fd(), work.as_raw_fd()));
        }
        options.extend(OPTIONS.map(|(key, value)| format!("{key}={value}")));
        options.extend(self.flags().map(str::to_owned));
        let options = std::ffi::CString::new(options.join(",")).map_err(|_| Errno::INVAL)?;
        rustix::process::chdir("/proc/self/fd")?;
        let target = target.as_raw_fd().to_string();
        Ok(rustix::mount::mount("overlay", target, "overlay", MountFlags::empty(), &*options)?)
    }

    fn flags(&self) -> impl Iterator<Item = &'static str> {
        flags(self.volatile && self.upper.is_some())
    }

    /// Tells a refused upper from other failures.
    fn blame(&self, error: MountError) -> Result<(), Failure> {
        let on_overlay = |dir: &OwnedFd| fstatfs(dir).is_ok_and(|stat| stat.f_type == OVERLAYFS_MAGIC);
        match &self.upper {
            Some((upper, _))
                if error.errno == Errno::INVAL && (on_overlay(upper) || error.log.contains("upper")) =>
            {
                let log =
                    if error.log.is_empty() { "it lies on an overlay itself".to_owned() } else { error.log };
                Err(Failure::Upper { log })
            }
            _ => Err(error).step("mount the overlay"),
        }
    }
}
