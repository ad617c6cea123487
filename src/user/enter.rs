//! Entering a user namespace.
//!
//! Maps of more than the own id are written from outside, so a child is forked that stays there and waits until the
//! namespace is made. It does not run on: it writes the maps, or has them written, and ends.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, WaitOptions, waitpid};
use rustix::thread::CapabilitySet;

use super::map::{Extent, IdMap};
use super::ranges::{self, Range, Ranges};
use crate::sys::namespace::{Fork, Namespaces, fork_into};
use crate::sys::process::exit_now;
use crate::sys::user_namespace::{may, setting, unshare};

/// An ordinary user cannot be made root of a user namespace.
#[derive(Debug, thiserror::Error)]
pub enum EnterError {
    /// The kernel, or what guards it, allows none.
    #[error("cannot make a user namespace, in which strata works for everybody but root")]
    Refused(#[source] io::Error),
    /// The namespace is there and nobody can be mapped into it.
    #[error("cannot {operation} for the user namespace")]
    Map {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
    /// One of the helpers did its part and the other did not.
    #[error(
        "`newgidmap` mapped the groups of /etc/subgid, but `newuidmap` did not map the users of /etc/subuid"
    )]
    Helper,
    /// Something on the way failed.
    #[error("cannot {operation}")]
    Io {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        source: io::Error,
    },
}

impl EnterError {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<String> {
        let off = |name| setting(name) == Some(0);
        match self {
            Self::Refused(_) | Self::Map { .. } => Some(if off("user/max_user_namespaces") {
                "allow user namespaces, as root: `sysctl user.max_user_namespaces=15000`".to_owned()
            } else if off("kernel/unprivileged_userns_clone") {
                "allow user namespaces, as root: `sysctl kernel.unprivileged_userns_clone=1`".to_owned()
            } else if setting("kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
                "allow user namespaces, as root: `sysctl kernel.apparmor_restrict_unprivileged_userns=0`"
                    .to_owned()
            } else {
                "run it as root; in a container, one whose seccomp profile allows user namespaces \
                 (`--security-opt seccomp=unconfined`)"
                    .to_owned()
            }),
            Self::Helper => Some("make the ranges of both files those of this user".to_owned()),
            Self::Io { .. } => None,
        }
    }
}

/// Whether the process must [`enter`] a namespace before it can make sandboxes.
pub fn is_needed() -> bool {
    !rustix::process::geteuid().is_root() || !may(CapabilitySet::SYS_ADMIN)
}

/// How ids come into the namespace.
enum Mapping {
    /// As they are, written by the child itself.
    Same(IdMap),
    /// By the setuid programs.
    Helpers { ranges: Ranges, newuidmap: PathBuf, newgidmap: PathBuf },
}

impl Mapping {
    /// What is possible for a user, if it is more than the own id.
    fn choose(uid: u32) -> Option<Self> {
        let all = CapabilitySet::SETUID | CapabilitySet::SETGID | CapabilitySet::SETFCAP;
        if may(all) {
            let mut map = IdMap::read()?;
            for extent in map.users.iter_mut().chain(&mut map.groups) {
                extent.outside = extent.inside;
            }
            return Some(Self::Same(map));
        }
        let (newuidmap, newgidmap) = (helper("newuidmap")?, helper("newgidmap")?);
        Some(Self::Helpers { ranges: ranges::of(uid)?, newuidmap, newgidmap })
    }

    /// Maps the ids of process `pid`, whose own ids outside are `uid` and `gid`. Called in the child.
    fn apply(&self, pid: u32, (uid, gid): (u32, u32)) -> Applied {
        match self {
            Self::Same(map) => {
                let write = |name: &str, extents: &[Extent]| {
                    let line = |e: &Extent| format!("{} {} {}\n", e.inside, e.outside, e.count);
                    let text: String = extents.iter().map(line).collect();
                    fs::write(format!("/proc/{pid}/{name}"), text)
                };
                match write("gid_map", &map.groups) {
                    Err(_) => Applied::Nothing,
                    Ok(()) if write("uid_map", &map.users).is_ok() => Applied::All,
                    Ok(()) => Applied::Half,
                }
            }
            Self::Helpers { ranges, newuidmap, newgidmap } => {
                // Groups first: newgidmap refuses for the same reasons, and then nothing is lost.
                if !run(newgidmap, pid, gid, &ranges.groups) {
                    return Applied::Nothing;
                }
                if run(newuidmap, pid, uid, &ranges.users) { Applied::All } else { Applied::Half }
            }
        }
    }
}

/// How far the maps were written; the child's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    All = 0,
    Nothing = 1,
    Half = 2,
}

/// Makes the process user 0 of a new user namespace. To be called first of all, while there is only one thread.
pub fn enter() -> Result<(), EnterError> {
    let (uid, gid) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let applied = if let Some(mapping) = Mapping::choose(uid) {
        with_child(&mapping, (uid, gid))?
    } else {
        unshare().map_err(refused)?;
        Applied::Nothing
    };
    match applied {
        Applied::All => Ok(()),
        Applied::Half => Err(EnterError::Helper),
        Applied::Nothing => map_self(uid, gid),
    }
}

/// Makes the namespace while a child that stays outside waits for it, and has the child map the ids.
fn with_child(mapping: &Mapping, ids: (u32, u32)) -> Result<Applied, EnterError> {
    let failed = |operation| move |errno: Errno| EnterError::Io { operation, source: errno.into() };
    let (wait, go): (OwnedFd, OwnedFd) = pipe_with(PipeFlags::CLOEXEC).map_err(failed("make a pipe"))?;
    let me = std::process::id();
    match fork_into(Namespaces::empty()).map_err(failed("fork"))? {
        Fork::Child => {
            drop(go);
            // Nothing comes where the parent could not make a namespace.
            let told = File::from(wait).read_exact(&mut [0]).is_ok();
            let applied = if told { mapping.apply(me, ids) } else { Applied::Nothing };
            exit_now(applied as i32)
        }
        Fork::Parent { child } => {
            drop(wait);
            let made = unshare().map_err(refused);
            let told = made.and_then(|()| {
                let source = |source| EnterError::Io { operation: "tell the child of the namespace", source };
                File::from(go).write_all(&[1]).map_err(source)
            });
            let applied = end_of(child)?;
            told.map(|()| applied)
        }
    }
}

fn end_of(child: Pid) -> Result<Applied, EnterError> {
    let status = rustix::io::retry_on_intr(|| waitpid(Some(child), WaitOptions::empty()));
    let status =
        status.map_err(|errno| EnterError::Io { operation: "wait for a child", source: errno.into() })?;
    Ok(match status.and_then(|(_, status)| status.exit_status()) {
        Some(0) => Applied::All,
        Some(2) => Applied::Half,
        _ => Applied::Nothing,
    })
}

/// Maps the own ids to 0, which everybody may. The kernel wants setgroups(2) given up for that.
fn map_self(uid: u32, gid: u32) -> Result<(), EnterError> {
    let write = |operation, name: &str, text: String| {
        fs::write(format!("/proc/self/{name}"), text).map_err(|source| EnterError::Map { operation, source })
    };
    write("give up supplementary groups", "setgroups", "deny".to_owned())?;
    write("map the group", "gid_map", format!("0 {gid} 1"))?;
    write("map the user", "uid_map", format!("0 {uid} 1"))
}

fn refused(errno: Errno) -> EnterError {
    EnterError::Refused(errno.into())
}

/// Where setuid programs of the package `uidmap` are: nobody's `PATH` is trusted with that.
pub(super) fn helper(name: &str) -> Option<PathBuf> {
    let places = ["/usr/bin", "/bin", "/usr/local/bin", "/usr/sbin", "/run/wrappers/bin"];
    places.iter().map(|place| Path::new(place).join(name)).find(|path| path.is_file())
}

/// Runs `newuidmap` or `newgidmap`: 0 is the own id, the ranges follow from 1 on.
fn run(program: &Path, pid: u32, own: u32, ranges: &[Range]) -> bool {
    let mut numbers = vec![pid, 0, own, 1];
    let mut inside = 1_u32;
    for range in ranges {
        numbers.extend([inside, range.start, range.count]);
        inside = inside.saturating_add(range.count);
    }
    let mut command = Command::new(program);
    command.args(numbers.iter().map(u32::to_string)).env_clear();
    let null = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    null.status().is_ok_and(|status| status.success())
}
