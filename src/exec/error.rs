//! Why a process could not be run to its end.

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;

/// A process could not be run, or was given up. A command that ran and failed is not an error but an
/// [`Outcome`](super::Outcome).
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program was not found or cannot be executed.
    #[error("cannot run `{}`: {}", program.to_string_lossy(), command_problem(*errno))]
    Command {
        /// The first argument, as given.
        program: OsString,
        /// `ENOENT`, `EACCES`, `ENOEXEC`, …
        errno: i32,
    },
    /// The user or group does not exist in the root.
    #[error("cannot run as user `{user}`: {reason}")]
    User {
        /// The user, as given.
        user: String,
        /// What is wrong with it.
        reason: UserProblem,
    },
    /// The file system of the upper directory cannot be an overlay's upper.
    #[error(
        "cannot mount an overlay with changes in `{}`: {log}; use a store on ext4, xfs, btrfs or tmpfs (in a \
         container: on a volume)",
        upper.display()
    )]
    Upper {
        /// The upper directory.
        upper: PathBuf,
        /// The kernel's words.
        log: String,
    },
    /// A step of setting the sandbox up failed.
    #[error("cannot set up the sandbox: {step}: {}{}", io::Error::from_raw_os_error(*errno), log_suffix(log))]
    Setup {
        /// The step, such as `mount /proc`.
        step: String,
        /// The error number.
        errno: i32,
        /// The kernel's words where it had any, else empty.
        log: String,
    },
    /// The spec cannot be run by any kernel.
    #[error("{0}")]
    Spec(#[from] SpecProblem),
    /// The engine's side failed: pipes, polling, starting the stage.
    #[error("cannot {doing}: {source}")]
    Engine {
        /// What was being done.
        doing: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// A file or directory of the skeleton could not be made.
    #[error("cannot make `{}`: {source}", path.display())]
    Skeleton {
        /// Which.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The sandbox ended without saying how: somebody killed it, or the machine ran out of memory.
    #[error("the sandbox was killed")]
    Killed,
    /// [`CancelToken::cancel`](super::CancelToken::cancel) was called.
    #[error("canceled")]
    Canceled,
}

/// What is wrong with a spec itself.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecProblem {
    /// No program.
    #[error("there is no command to run")]
    NoCommand,
    /// More lowers than two overlays take.
    #[error("{count} layers are too many for a command to run on, the limit is {}", super::MAX_LOWERS)]
    TooManyLowers {
        /// How many there are.
        count: usize,
    },
    /// A network namespace was given and is not wanted, or the other way round.
    #[error("a network namespace goes with a network of its own, and only with that")]
    Network,
    /// More descriptors to keep than go into one message.
    #[error("{count} descriptors are too many to keep open, the limit is {}", super::MAX_KEPT)]
    TooManyKept {
        /// How many there are.
        count: usize,
    },
    /// A NUL byte in what must be a C string.
    #[error("{place} contains a NUL byte")]
    Nul {
        /// Where: `an argument`, `the environment`, …
        place: &'static str,
    },
    /// A text that is longer than the kernel takes.
    #[error("{place} has {length} bytes, and Linux takes no more than {max} in one argument or variable")]
    TooLong {
        /// Which: `an argument`, `the variable …`.
        place: String,
        /// Its length.
        length: usize,
        /// The longest.
        max: usize,
    },
    /// A working directory that is not absolute.
    #[error("the working directory `{}` is not absolute", .0.display())]
    RelativeCwd(PathBuf),
}

/// Why a user of [`Spec::user`](super::Spec::user) cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserProblem {
    /// A name without an entry.
    #[error("no user `{0}` in /etc/passwd of the image")]
    NoUser(String),
    /// A group name without an entry.
    #[error("no group `{0}` in /etc/group of the image")]
    NoGroup(String),
    /// A number beyond what Docker takes.
    #[error("id `{0}` is out of range")]
    Range(String),
    /// Ids that the user namespace lacks.
    #[error("the ids {uid}:{gid} are not among those that this user has")]
    Unmapped {
        /// The user.
        uid: u32,
        /// The group.
        gid: u32,
    },
}

impl ExecError {
    /// The exit code that Docker gives such a failure, where it has one of its own: 127 for a program that is not
    /// there, 126 for one that cannot be executed.
    pub fn exit_code(&self) -> Option<u8> {
        match self {
            Self::Command { errno, .. } if matches!(*errno, libc::ENOENT | libc::ENOTDIR) => Some(127),
            Self::Command { .. } => Some(126),
            _ => None,
        }
    }
}

fn command_problem(errno: i32) -> String {
    match errno {
        libc::ENOENT => "no such file or directory, in the image or in its `PATH`".to_owned(),
        libc::ENOTDIR => "on the way to it the image has something that is not a directory".to_owned(),
        libc::EACCES => "permission denied".to_owned(),
        libc::ENOEXEC => {
            "exec format error: neither a program for this machine nor a script with `#!`".to_owned()
        }
        libc::E2BIG => "its arguments and variables together are longer than Linux allows".to_owned(),
        other => io::Error::from_raw_os_error(other).to_string(),
    }
}

fn log_suffix(log: &str) -> String {
    if log.is_empty() { String::new() } else { format!(" ({log})") }
}
