//! What a container gets without being asked: a file with its name, the volumes of its image, and in a root that
//! cannot be written to the mount points.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exec::{Mount, MountSource, Root, Secret, Upper};
use crate::oci::Config;
use crate::solve::{Stack, StepError};
use crate::tree::{LastLink, Lookup as _, Node, ResolveError, TreePath, resolve};

/// Where the name is.
const HOSTNAME: &str = "/etc/hostname";

/// A file with the name, as in Docker.
pub(super) fn hostname(name: &str) -> Mount {
    let content = Secret(format!("{name}\n").into_bytes());
    let source = MountSource::File { content, mode: 0o644, uid: 0, gid: 0 };
    Mount { target: HOSTNAME.to_owned(), source, read_only: false }
}

/// The volumes of an image for a container of which the root is read-only: each a directory that can be written to and
/// begins with what the image has there. In any other container a volume differs from the root in nothing, because both
/// go with it. `mounted` is what the user has mounted; `scratch` takes what is written.
pub(super) fn volumes(
    config: &Config,
    mounted: &[Mount],
    (stack, root): (&Stack, &Root),
    scratch: &Path,
) -> Result<Vec<Mount>, StepError> {
    let mut mounts = Vec::new();
    for volume in config.volumes.iter().flatten().map(|(path, _)| path) {
        let path = TreePath::clean(volume.as_bytes());
        let taken = mounted.iter().any(|mount| TreePath::clean(mount.target.as_bytes()) == path);
        if path.is_root() || taken {
            continue;
        }
        let own = scratch.join(format!("volume-{}", mounts.len()));
        let source = match resolve(stack.view(), &path, LastLink::Follow) {
            Ok(real) if is_directory(stack, &real)? => with_content(root, &real, &own)?,
            Ok(_) => continue,
            Err(ResolveError::Lookup(error)) => return Err(error.into()),
            Err(_) => MountSource::Host { path: made(own)?, inside: PathBuf::new() },
        };
        mounts.push(Mount { target: format!("/{path}"), source, read_only: false });
    }
    Ok(mounts)
}

fn is_directory(stack: &Stack, path: &TreePath) -> Result<bool, StepError> {
    Ok(stack.view().node(path)? == Some(Node::Directory))
}

/// A directory of the image, to be written to.
fn with_content(root: &Root, real: &TreePath, own: &Path) -> Result<MountSource, StepError> {
    let inside = real.as_path().to_owned();
    Ok(match root.lowers.first() {
        // A copy of the image that nobody else has.
        Some(copy) if root.plain => MountSource::Host { path: copy.clone(), inside },
        _ => {
            let upper = Upper { dir: made(own.join("upper"))?, work: made(own.join("work"))? };
            MountSource::Layers { lowers: root.lowers.clone(), upper: Some(upper), inside }
        }
    })
}

/// Sees to it that a root which cannot be written to has all that is to be mounted on, and the working directory. What
/// has to be made lies below all layers, in `scratch`, or in the copy that the root is.
pub(super) fn mount_points(
    root: &mut Root,
    (mounts, cwd): (&[Mount], &Path),
    scratch: &Path,
) -> Result<(), StepError> {
    let copy = root.lowers.first().filter(|_| root.plain).cloned();
    let base = if let Some(copy) = copy {
        // An overlay has these from the skeleton.
        for directory in ["/proc", "/sys", "/dev"] {
            make_below(&copy, Path::new(directory), false)?;
        }
        for file in ["/etc/hosts", "/etc/resolv.conf"] {
            make_below(&copy, Path::new(file), true)?;
        }
        copy
    } else {
        let base = made(scratch.join("points"))?;
        root.lowers.push(base.clone());
        base
    };
    for mount in mounts {
        let is_file = match &mount.source {
            MountSource::File { .. } => true,
            MountSource::Host { path, inside } if inside.as_os_str().is_empty() => !path.is_dir(),
            _ => false,
        };
        make_below(&base, Path::new(&mount.target), is_file)?;
    }
    make_below(&base, cwd, false)
}

/// Makes what is missing of a path below `base`. No link is followed: what lies behind one is left alone.
fn make_below(base: &Path, path: &Path, is_file: bool) -> Result<(), StepError> {
    let path = TreePath::clean(std::os::unix::ffi::OsStrExt::as_bytes(path.as_os_str()));
    let mut at = base.to_owned();
    let mut parts = path.as_path().components().peekable();
    while let Some(part) = parts.next() {
        at.push(part);
        match at.symlink_metadata() {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Ok(()),
            Err(_) if is_file && parts.peek().is_none() => {
                fs::File::create_new(&at).map_err(failed(&at))?;
            }
            Err(_) => fs::create_dir(&at).map_err(failed(&at))?,
        }
    }
    Ok(())
}

fn made(directory: PathBuf) -> Result<PathBuf, StepError> {
    fs::create_dir_all(&directory).map_err(failed(&directory))?;
    Ok(directory)
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Io { operation: "make", path, source }
}
