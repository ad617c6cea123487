//! What can go wrong with groups.

use std::io;
use std::path::PathBuf;

use super::hierarchy::Kind;

/// A group cannot be made as it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CgroupError {
    /// Limits that cannot be.
    #[error("{0}")]
    Limits(String),
    /// The machine does not have what a limit needs.
    #[error("`{flag}` needs the cgroup controller `{controller}`, which is not there")]
    NoController {
        /// The flag.
        flag: &'static str,
        /// The controller.
        controller: &'static str,
    },
    /// There is no hierarchy at all.
    #[error("`--cgroup-parent` needs cgroups, and none are mounted")]
    NoHierarchy,
    /// A controller cannot be switched on for the children of a group.
    #[error("cannot switch on the cgroup controller `{controller}` below `{}`", path.display())]
    Enable {
        /// The controller.
        controller: &'static str,
        /// The group.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A group cannot be made.
    #[error("cannot make the cgroup `{}`", path.display())]
    Make {
        /// Its directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The groups where one is to be made are another user's.
    #[error("cannot make a cgroup in `{}`, which is not this user's", path.display())]
    NotOurs {
        /// The group that cannot be changed.
        path: PathBuf,
        /// Whether it is of version 2.
        unified: bool,
    },
    /// The kernel refuses a limit.
    #[error("cannot write `{value}` to `{}`", path.display())]
    Set {
        /// What was written.
        value: String,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Processors or memory nodes that are not there, or not for us.
    #[error("`{flag} {asked}` asks for {}, and there are {available}", numbers(missing))]
    NotAvailable {
        /// The flag.
        flag: &'static str,
        /// Its value.
        asked: String,
        /// What is too much.
        missing: Vec<u32>,
        /// What there is.
        available: String,
    },
    /// What is written down of groups cannot be read or written.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What was to be done.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A slot cannot be locked.
    #[error(transparent)]
    Lock(#[from] crate::sys::lock::LockError),
    /// Every slot is in use.
    #[error("every place for a cgroup is in use")]
    NoSlot,
}

impl CgroupError {
    /// The same, if the hierarchy is of this kind and who asks may change nothing there.
    pub(super) fn in_hierarchy(self, kind: &Kind) -> Self {
        let denied = |source: &io::Error| source.kind() == io::ErrorKind::PermissionDenied;
        let unified = *kind == Kind::Unified;
        match self {
            Self::Make { path, source } if denied(&source) => {
                Self::NotOurs { path: path.parent().unwrap_or(&path).to_owned(), unified }
            }
            Self::Enable { path, source, .. } if denied(&source) => Self::NotOurs { path, unified },
            other => other,
        }
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> Option<String> {
        let remedy = match self {
            Self::NoController { controller: "memory", .. } => {
                "boot the kernel with `cgroup_enable=memory`, or mount the hierarchy at /sys/fs/cgroup"
            }
            Self::NoController { .. } | Self::NoHierarchy => {
                "mount the cgroups at /sys/fs/cgroup, or build without limits"
            }
            Self::Enable { .. } => {
                "name a cgroup without processes with `--cgroup-parent`; in a container, give it the machine's \
                 cgroups (`--cgroupns=host`)"
            }
            Self::NotOurs { unified: true, .. } => {
                "run it in a cgroup that systemd made for this user: `systemd-run --user --scope strata ...`"
            }
            Self::NotOurs { unified: false, .. } => {
                "cgroups of version 1 are root's: let root make one in each hierarchy, give it to this user \
                 (`chown -R`), and name it with `--cgroup-parent`"
            }
            Self::Make { source, .. } if source.raw_os_error() == Some(libc::EROFS) => {
                "the cgroups are mounted read-only: in a container, give it writable ones, or build without limits"
            }
            Self::Make { .. } | Self::Set { .. } => "limits need cgroups that can be written to",
            Self::Limits(_)
            | Self::NotAvailable { .. }
            | Self::File { .. }
            | Self::Lock(_)
            | Self::NoSlot => return None,
        };
        Some(remedy.to_owned())
    }
}

fn numbers(numbers: &[u32]) -> String {
    numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(", ")
}
