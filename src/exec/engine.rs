//! The engine's side: starts a stage, passes output on, waits, and says how it ended.

use std::borrow::Cow;
use std::ffi::OsString;
use std::io::{self, IoSlice, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, send,
    sendmsg, socketpair,
};

use super::cancel::{CancelToken, Signals};
use super::channel::{self, Input, Request};
use super::error::{ExecError, SpecProblem};
use super::sandbox::Sandbox;
use super::spec::{MAX_LOWERS, MountSource, Network, Spec};
use super::stage::LENGTH_BYTES;
use super::terminal::Terminal;
use super::{MAX_KEPT, MAX_SENT, STAGE_NAME, program, seccomp};
use crate::cgroup::{Group, Hits, Used};
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
    /// A terminal for the command, in the place of the three streams.
    pub terminal: Option<Terminal<'a>>,
    /// The network namespace of [`Network::Given`].
    pub network: Option<BorrowedFd<'a>>,
    /// The control group that the sandbox is in.
    pub cgroup: Option<&'a Group>,
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
    /// Which limits of its control group it met.
    pub hits: Hits,
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

/// What a command and its children used. Without a control group only those children count that ended before it and
/// were waited for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors.
    pub cpu: Duration,
    /// The largest resident set of one process, in bytes.
    pub max_rss: u64,
    /// The most memory that all had together, with the file cache, in bytes, if that was counted.
    pub memory: Option<u64>,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to files on disks, at once or later.
    pub written: u64,
}

impl Usage {
    /// With what a group counted. It also sees processes that nobody waited for; but of what is written it only sees
    /// what reached the disks by now.
    fn with(self, used: Used) -> Self {
        let (read, written) = used.io.unwrap_or_default();
        Self {
            cpu: self.cpu.max(used.cpu.unwrap_or_default()),
            max_rss: self.max_rss,
            memory: used.memory.or(self.memory),
            read: self.read.max(read),
            written: self.written.max(written),
        }
    }
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
    /// `keep` are descriptors (locks of work directories, at most [`MAX_KEPT`]) that the sandbox's own processes
    /// hold open, though not the command: they are released when the sandbox is gone, even if this process is killed
    /// before. The calling thread must not be one of a pool that computes: it blocks, and if it ends, the sandbox is
    /// killed.
    pub fn run(
        &self,
        spec: &Spec,
        io: Io<'_>,
        keep: &[BorrowedFd<'_>],
        cancel: &CancelToken,
    ) -> Result<Outcome, ExecError> {
        check(spec, &io, keep, cancel)?;
        let stage = self.start(matches!(io.output, Output::Piped(_)))?;
        stage.serve(spec, io, keep, cancel)
    }

    /// Starts a stage that waits for a command whose output is [`Output::Piped`]: half of what a sandbox costs that
    /// runs only a moment. The calling thread must live as long as the stage.
    pub fn start_ahead(&self) -> Result<Stage, ExecError> {
        self.start(true)
    }

    /// Starts a stage. Everything it gets from us it gets over its standard input or its standard output and error,
    /// so that no other child of this process can inherit a part of it.
    fn start(&self, piped: bool) -> Result<Stage, ExecError> {
        let (socket, theirs) = socket_pair()?;
        let failed = |source| ExecError::Engine { doing: "start the stage", source };
        let program = program::protected(&self.stage).map_err(failed)?;
        let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
        command.arg0(STAGE_NAME).env_clear().stdin(theirs);
        let output = if piped {
            let (stdout, stdout_theirs) = pipe()?;
            let (stderr, stderr_theirs) = pipe()?;
            command.stdout(stdout_theirs).stderr(stderr_theirs);
            Some([stdout, stderr])
        } else {
            None
        };
        let stage = command.spawn().map_err(failed)?;
        // `command` holds their ends; they must close for ours to see an end.
        drop(command);
        Ok(Stage { sandbox: Sandbox::new(stage, socket), output, has_entered: false })
    }
}

/// A stage that waits for what it is to do. It ends when it is dropped.
pub struct Stage {
    sandbox: Sandbox,
    output: Option<[PipeReader; 2]>,
    /// Whether it is in its control group, as far as one can get into one only by a move.
    has_entered: bool,
}

impl Stage {
    /// Moves it to a group of version 1, so that what it starts is born there. On a machine that is at rest the
    /// kernel takes some 10 ms for that; in version 2 there is nothing to do. The stage itself is counted then: that
    /// is not for groups with limits.
    pub fn enter(&mut self, group: &Group) -> Result<(), ExecError> {
        group
            .admit(self.sandbox.stage_id())
            .map_err(|source| ExecError::Engine { doing: "move the stage to its cgroup", source })?;
        self.has_entered = true;
        Ok(())
    }

    /// Does what [`Executor::run`] does, with the group that it [entered](Self::enter), if it did.
    pub fn run(
        self,
        spec: &Spec,
        io: Io<'_>,
        keep: &[BorrowedFd<'_>],
        cancel: &CancelToken,
    ) -> Result<Outcome, ExecError> {
        check(spec, &io, keep, cancel)?;
        self.serve(spec, io, keep, cancel)
    }

    fn serve(
        self,
        spec: &Spec,
        io: Io<'_>,
        keep: &[BorrowedFd<'_>],
        cancel: &CancelToken,
    ) -> Result<Outcome, ExecError> {
        let Self { mut sandbox, output, has_entered } = self;
        let seccomp =
            if spec.filtered { seccomp::program(spec.capabilities) } else { Cow::Borrowed(&[][..]) };
        let terminal = match io.terminal {
            Some(terminal) => Some((terminal, socket_pair()?)),
            None => None,
        };
        let stdin = (io.stdin == Stdin::Inherit).then(rustix::stdio::stdin);
        let input = match &terminal {
            Some((terminal, _)) => Input::Terminal(terminal.size()),
            None if stdin.is_some() => Input::Given,
            None => Input::Null,
        };
        let group = io.cgroup;
        let cgroup = channel::Cgroup {
            kinds: group.map(Group::kinds).unwrap_or_default(),
            limited: group.is_some_and(|group| !group.limits().is_empty()),
            entered: has_entered,
        };
        let request = Request::encode(spec, &seccomp, input, io.foreground, &cgroup);
        let theirs = terminal.as_ref().map(|(_, (_, theirs))| theirs.as_fd());
        let mut fds: Vec<BorrowedFd<'_>> = theirs.or(stdin).into_iter().chain(io.network).collect();
        fds.extend(group.into_iter().flat_map(Group::directories));
        fds.extend(group.map(Group::lock));
        fds.extend(keep);
        let sent = send_request(sandbox.socket.as_fd(), &request, &fds);
        // A stage that dies while it is spoken to is found out about below: its end of the socket closes.
        if let Err(errno) = sent
            && errno != Errno::PIPE
            && errno != Errno::CONNRESET
        {
            return Err(engine_error("send the stage its request")(errno));
        }
        match terminal {
            Some((terminal, (ours, theirs))) => {
                drop(theirs);
                sandbox.follow_terminal(ours, terminal, io.signals, cancel)?;
            }
            None => sandbox.follow(output, io, cancel)?,
        }
        let finished = sandbox.finish(spec, cancel);
        let Some((used, hits)) = group.map(Group::count) else { return finished };
        match finished {
            Ok(outcome) => Ok(Outcome { usage: outcome.usage.with(used), hits, ..outcome }),
            // The kernel chose the process that watches over the command, which went with it.
            Err(ExecError::Killed) if hits.killed > 0 => Ok(Outcome {
                status: Status::Signal(libc::SIGKILL),
                stubs: Vec::new(),
                usage: Usage::default().with(used),
                hits,
            }),
            Err(error) => Err(error),
        }
    }
}

/// Refuses what cannot be run, or shall not any more, before it is begun.
fn check(spec: &Spec, io: &Io<'_>, keep: &[BorrowedFd<'_>], cancel: &CancelToken) -> Result<(), ExecError> {
    let Spec { root, args, env, cwd, user, hostname, mounts, .. } = spec;
    let has_nul = |bytes: &[u8]| bytes.contains(&0);
    if args.is_empty() {
        return Err(SpecProblem::NoCommand.into());
    }
    let mounted = mounts.iter().filter_map(|mount| match &mount.source {
        MountSource::Layers { lowers, .. } => Some(lowers.len()),
        _ => None,
    });
    if let Some(count) = mounted.chain([root.lowers.len()]).find(|count| *count > MAX_LOWERS) {
        return Err(SpecProblem::TooManyLowers { count }.into());
    }
    if keep.len() > MAX_KEPT {
        return Err(SpecProblem::TooManyKept { count: keep.len() }.into());
    }
    if io.network.is_some() != (spec.network == Network::Given) {
        return Err(SpecProblem::Network.into());
    }
    if !cwd.is_absolute() {
        return Err(SpecProblem::RelativeCwd(cwd.clone()).into());
    }
    let places = [
        ("an argument", args.iter().any(|arg| has_nul(arg.as_bytes()))),
        ("the environment", env.iter().any(|(n, v)| has_nul(n.as_bytes()) || has_nul(v.as_bytes()))),
        ("the working directory", has_nul(cwd.as_os_str().as_bytes())),
        ("the user", has_nul(user.as_bytes())),
        ("the host name", has_nul(hostname.as_bytes())),
        ("the target of a mount", mounts.iter().any(|mount| has_nul(mount.target.as_bytes()))),
    ];
    if let Some((place, _)) = places.into_iter().find(|(_, bad)| *bad) {
        return Err(SpecProblem::Nul { place }.into());
    }
    check_lengths(args, env)?;
    if cancel.is_canceled() { Err(ExecError::Canceled) } else { Ok(()) }
}

/// Refuses texts that execve(2) would refuse without saying which: its `MAX_ARG_STRLEN` is 32 pages, with a zero.
fn check_lengths(args: &[OsString], env: &[(OsString, OsString)]) -> Result<(), ExecError> {
    let max = 32 * rustix::param::page_size() - 1;
    let arguments = args.iter().map(|arg| ("an argument of the command".to_owned(), arg.len()));
    let variables = env.iter().map(|(name, value)| {
        (format!("the variable `{}`", name.to_string_lossy()), name.len() + "=".len() + value.len())
    });
    match arguments.chain(variables).find(|(_, length)| *length > max) {
        Some((place, length)) => Err(SpecProblem::TooLong { place, length, max }.into()),
        None => Ok(()),
    }
}

/// An error of the engine's side.
pub(super) fn engine_error(doing: &'static str) -> impl Fn(Errno) -> ExecError {
    move |errno| ExecError::Engine { doing, source: errno.into() }
}

fn socket_pair() -> Result<(OwnedFd, OwnedFd), ExecError> {
    socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
        .map_err(engine_error("make a socket"))
}

fn pipe() -> Result<(PipeReader, io::PipeWriter), ExecError> {
    let (reader, writer) = io::pipe().map_err(|source| ExecError::Engine { doing: "make a pipe", source })?;
    // When the sandbox is gone its pipes are drained without waiting: a descriptor may have got out of it.
    rustix::io::ioctl_fionbio(&reader, true).map_err(engine_error("set up a pipe"))?;
    Ok((reader, writer))
}

/// Sends the length, with the descriptors, and the request.
fn send_request(socket: BorrowedFd<'_>, request: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SENT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !fds.is_empty() {
        control.push(SendAncillaryMessage::ScmRights(fds));
    }
    let length: [u8; LENGTH_BYTES] = (request.len() as u64).to_ne_bytes();
    sendmsg(socket, &[IoSlice::new(&length)], &mut control, SendFlags::NOSIGNAL)?;
    let mut rest = request;
    while !rest.is_empty() {
        rest = &rest[send(socket, rest, SendFlags::NOSIGNAL)?..];
    }
    Ok(())
}
