//! What the caller wants mounted besides: parts of layers, directories and files of the machine, memory, secrets.
//!
//! Each is prepared in the scratch first, where it is found by a path that cannot lead out of it, and made read-only
//! there; what is attached in the root is a clone of that. Everything else of the scratch goes with the old root.

use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid, chownat, fstat, openat, openat2};
use rustix::io::Errno;

use super::channel::Failure;
use super::init::Step as _;
use super::mounts::{Kind, NODEV, NOSUID, Points, new};
use super::root::{Layers, Scratch, open_lowers, read_only, write_file};
use super::spec::{Mount, MountSource, Spec};
use crate::sys::mount::{add_attributes_to_all, attach, bind, bind_all};
use crate::user::is_confined;

/// Mounts everything in the order of the spec.
pub(super) fn mount(spec: &Spec, scratch: &Scratch, points: &mut Points<'_>) -> Result<(), Failure> {
    for (number, mount) in spec.mounts.iter().enumerate() {
        let name = format!("extra-{number}");
        let prepared = prepare(mount, spec, scratch, &name)?;
        add_attributes_to_all(prepared.as_fd(), NODEV)
            .step(&format!("forbid devices in {}", mount.target))?;
        let mode = fstat(&prepared).map(|stat| stat.st_mode).step("look at what is to be mounted")?;
        let kind = match FileType::from_raw_mode(mode) {
            FileType::Directory => Kind::Directory,
            _ => Kind::File,
        };
        points.mount(&prepared, mount.target.trim_start_matches('/'), kind)?;
    }
    Ok(())
}

/// A detached mount of what is asked for.
fn prepare(mount: &Mount, spec: &Spec, scratch: &Scratch, name: &str) -> Result<OwnedFd, Failure> {
    let step = || format!("prepare the mount of {}", mount.target);
    match &mount.source {
        MountSource::Memory { size } => {
            let size = size.map(|size| size.to_string());
            let options: Vec<(&str, &str)> = size.iter().map(|size| ("size", size.as_str())).collect();
            new("tmpfs", &options, NOSUID | NODEV).step(&step())
        }
        MountSource::File { content, mode, uid, gid } => {
            write_file(scratch.dir.as_fd(), name, &content.0, *mode).step(&step())?;
            let (uid, gid) = (Some(Uid::from_raw(*uid)), Some(Gid::from_raw(*gid)));
            chownat(&scratch.dir, name, uid, gid, AtFlags::SYMLINK_NOFOLLOW).step(&step())?;
            let file = entry(scratch, name).step(&step())?;
            let tree = bind(file.as_fd(), "").step(&step())?;
            finished(tree, &file, mount.read_only, scratch, name).step(&step())
        }
        MountSource::Host { path, inside } => {
            let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW;
            let host = rustix::fs::open(path, flags, Mode::empty()).step(&step())?;
            let found = find(&host, inside).step_inside(inside, &mount.target)?;
            let tree = with_mounts(found.as_fd()).step(&step())?;
            let is_directory = fstat(&tree).is_ok_and(|it| FileType::from_raw_mode(it.st_mode).is_dir());
            let place = scratch.place(name, is_directory).step(&step())?;
            finished(tree, &place, mount.read_only, scratch, name).step(&step())
        }
        MountSource::Layers { lowers, upper, inside } => {
            let mut opened = open_lowers(lowers, None, scratch, (name, spec.root.mount_api))?;
            if opened.is_empty() {
                opened.push(scratch.place(&format!("{name}-empty"), true).step(&step())?);
            }
            let layers = Layers::new(opened, upper.as_ref(), true)?;
            let root = layers.mount_in(scratch, name, spec.root.mount_api)?;
            // A clone is read-only if what it is cloned from is.
            let found = find(&root, inside).step_inside(inside, &mount.target)?;
            bind(found.as_fd(), "").step(&step())
        }
    }
}

/// `tree`, or a read-only clone of it, for which it is mounted at `place`, which is called `name`.
fn finished(
    tree: OwnedFd,
    place: &OwnedFd,
    is_read_only: bool,
    scratch: &Scratch,
    name: &str,
) -> Result<OwnedFd, Errno> {
    if !is_read_only {
        return Ok(tree);
    }
    attach(tree.as_fd(), place.as_fd())?;
    let mounted = entry(scratch, name)?;
    read_only(mounted.as_fd())?;
    with_mounts(mounted.as_fd())
}

/// A detached clone. A user namespace must take what the machine has mounted below along: it could show what that hides.
fn with_mounts(place: BorrowedFd<'_>) -> Result<OwnedFd, Errno> {
    if is_confined() { bind_all(&format!("/proc/self/fd/{}", place.as_raw_fd())) } else { bind(place, "") }
}

/// Opens an entry of the scratch, or what is mounted there.
fn entry(scratch: &Scratch, name: &str) -> Result<OwnedFd, Errno> {
    openat(&scratch.dir, name, OFlags::PATH | OFlags::CLOEXEC | OFlags::NOFOLLOW, Mode::empty())
}

/// Opens what is at `inside` of `dir`, or `dir` itself. No way out of it is taken.
fn find(dir: &OwnedFd, inside: &Path) -> Result<OwnedFd, Errno> {
    if inside.as_os_str().is_empty() {
        return dir.try_clone().map_err(|_| Errno::MFILE);
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    openat2(dir, inside, flags, Mode::empty(), ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS)
}

trait StepInside<T> {
    /// Names what was looked for and the mount that it is for.
    fn step_inside(self, inside: &Path, target: &str) -> Result<T, Failure>;
}

impl<T> StepInside<T> for Result<T, Errno> {
    fn step_inside(self, inside: &Path, target: &str) -> Result<T, Failure> {
        self.map_err(|errno| Failure::Setup {
            step: format!("find `{}` for the mount of {target}", inside.display()),
            errno: errno.raw_os_error(),
            log: if errno == Errno::XDEV { "it leads out of where it is".to_owned() } else { String::new() },
        })
    }
}
