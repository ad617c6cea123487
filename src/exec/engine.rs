//! The engine's side: starts a stage, passes output on, waits, and says how it ended.

use std::io::{self, IoSlice, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown, SocketFlags, SocketType,
    send, sendmsg, socketpair,
};

use super::cancel::{CancelToken, Signals};
use super::channel::{Failure, Report, Request};
use super::error::{ExecError, SpecProblem};
use super::spec::{MAX_LOWERS, Spec};
use super::stage::LENGTH_BYTES;
use super::{MAX_KEPT, STAGE_NAME, seccomp};
use crate::progress::Stream;

/// How much output is passed on at once, at most: what a pipe holds.
const PIECE: usize = 64 * 1024;

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
        check(spec, keep.len())?;
        if cancel.is_canceled() {
            return Err(ExecError::Canceled);
        }
        let seccomp = seccomp::program()?;
        let (mut sandbox, output) = self.start(&io)?;
        let stdin = (io.stdin == Stdin::Inherit).then(rustix::stdio::stdin);
        let request = Request::encode(spec, seccomp, stdin.is_some(), io.foreground);
        let fds: Vec<BorrowedFd<'_>> = stdin.into_iter().chain(keep.iter().copied()).collect();
        let sent = send_request(sandbox.socket.as_fd(), &request, &fds);
        // A stage that dies while it is spoken to is found out about below: its end of the socket closes.
        if let Err(errno) = sent
            && errno != Errno::PIPE
            && errno != Errno::CONNRESET
        {
            return Err(engine_error("send the stage its request")(errno));
        }
        sandbox.follow(output, io, cancel)?;
        sandbox.finish(spec, cancel)
    }

    /// Starts a stage. Everything it gets from us it gets over its standard input or its standard output and error,
    /// so that no other child of this process can inherit a part of it.
    fn start(&self, io: &Io<'_>) -> Result<(Sandbox, Option<[PipeReader; 2]>), ExecError> {
        let (socket, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)
                .map_err(engine_error("make a socket"))?;
        let mut command = Command::new(&self.stage);
        command.arg0(STAGE_NAME).env_clear().stdin(theirs);
        let output = match io.output {
            Output::Inherit => None,
            Output::Piped(_) => {
                let (stdout, stdout_theirs) = pipe()?;
                let (stderr, stderr_theirs) = pipe()?;
                command.stdout(stdout_theirs).stderr(stderr_theirs);
                Some([stdout, stderr])
            }
        };
        let stage =
            command.spawn().map_err(|source| ExecError::Engine { doing: "start the stage", source })?;
        // `command` holds their ends; they must close for ours to see an end.
        drop(command);
        Ok((Sandbox { socket, stage, buffer: Vec::new(), stubs: Vec::new(), end: None }, output))
    }
}

/// Refuses what cannot be run, before anything is started.
fn check(spec: &Spec, keep: usize) -> Result<(), ExecError> {
    let Spec { root, args, env, cwd, user, hostname, .. } = spec;
    let has_nul = |bytes: &[u8]| bytes.contains(&0);
    if args.is_empty() {
        return Err(SpecProblem::NoCommand.into());
    }
    if root.lowers.len() > MAX_LOWERS {
        return Err(SpecProblem::TooManyLowers { count: root.lowers.len() }.into());
    }
    if keep > MAX_KEPT {
        return Err(SpecProblem::TooManyKept { count: keep }.into());
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
    ];
    match places.into_iter().find(|(_, bad)| *bad) {
        Some((place, _)) => Err(SpecProblem::Nul { place }.into()),
        None => Ok(()),
    }
}

fn engine_error(doing: &'static str) -> impl Fn(Errno) -> ExecError {
    move |errno| ExecError::Engine { doing, source: errno.into() }
}

fn pipe() -> Result<(PipeReader, io::PipeWriter), ExecError> {
    let (reader, writer) = io::pipe().map_err(|source| ExecError::Engine { doing: "make a pipe", source })?;
    // When the sandbox is gone its pipes are drained without waiting: a descriptor may have got out of it.
    rustix::io::ioctl_fionbio(&reader, true).map_err(engine_error("set up a pipe"))?;
    Ok((reader, writer))
}

/// Sends the length, with the descriptors, and the request.
fn send_request(socket: BorrowedFd<'_>, request: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_KEPT + 1))];
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

/// A stage that runs, and what it has reported.
struct Sandbox {
    socket: OwnedFd,
    stage: Child,
    /// Reports that have not arrived as a whole yet.
    buffer: Vec<u8>,
    stubs: Vec<PathBuf>,
    /// The first report of an end: a command that could not be executed is followed by its exit.
    end: Option<Report>,
}

impl Drop for Sandbox {
    /// Where `run` is left early, by an error or a panic of the output's callback, the sandbox is taken down and
    /// waited for all the same.
    fn drop(&mut self) {
        self.give_up();
        let _ = self.stage.wait();
    }
}

impl Sandbox {
    /// Makes the stage kill init: it sees our end of the socket close.
    fn give_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Passes output, reports and signals on until stage and init are gone.
    fn follow(
        &mut self,
        output: Option<[PipeReader; 2]>,
        io: Io<'_>,
        cancel: &CancelToken,
    ) -> Result<(), ExecError> {
        let mut sink = match io.output {
            Output::Piped(sink) => Some(sink),
            Output::Inherit => None,
        };
        let [mut stdout, mut stderr] = output.map_or([None, None], |pipes| pipes.map(Some));
        let mut canceled = false;
        let mut buffer = vec![0; PIECE];
        loop {
            let ready = wait_ready([
                stdout.as_ref().map(AsFd::as_fd),
                stderr.as_ref().map(AsFd::as_fd),
                (!canceled).then(|| cancel.as_fd()),
                io.signals.map(Signals::as_fd),
                Some(self.socket.as_fd()),
            ])?;
            let pipes = [(&mut stdout, Stream::Stdout), (&mut stderr, Stream::Stderr)];
            for (pipe, stream) in
                pipes.into_iter().zip(ready).filter_map(|(pipe, ready)| ready.then_some(pipe))
            {
                if let Piece::End = read_piece(pipe, stream, &mut buffer, sink.as_deref_mut())? {
                    *pipe = None;
                }
            }
            if ready[2] {
                canceled = true;
                self.give_up();
            }
            if ready[3]
                && let Some(signal) = io.signals.and_then(Signals::take)
            {
                // A sandbox that is gone needs no signals.
                let _ = send(&self.socket, &[signal], SendFlags::NOSIGNAL);
            }
            if ready[4] && self.receive(&mut buffer)? {
                break;
            }
        }
        for (mut pipe, stream) in [(stdout, Stream::Stdout), (stderr, Stream::Stderr)] {
            while let Piece::Some = read_piece(&mut pipe, stream, &mut buffer, sink.as_deref_mut())? {}
        }
        Ok(())
    }

    /// Takes reports in. Whether the socket has ended, which is when no process of the sandbox is left.
    fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, ExecError> {
        match rustix::io::read(&self.socket, &mut *buffer) {
            Ok(0) | Err(Errno::CONNRESET) => return Ok(true),
            Ok(count) => self.buffer.extend_from_slice(&buffer[..count]),
            Err(errno) => return Err(engine_error("read the sandbox's reports")(errno)),
        }
        while let Some(report) = Report::take(&mut self.buffer) {
            match report {
                Report::Stub(path) => self.stubs.push(path),
                end => {
                    self.end.get_or_insert(end);
                }
            }
        }
        Ok(false)
    }

    /// Waits for the stage, which is about to end, and says how it went.
    fn finish(mut self, spec: &Spec, cancel: &CancelToken) -> Result<Outcome, ExecError> {
        self.stage.wait().map_err(|source| ExecError::Engine { doing: "wait for the stage", source })?;
        let failure = match self.end.take() {
            Some(Report::Ended { status, usage }) if !cancel.is_canceled() => {
                return Ok(Outcome { status, stubs: std::mem::take(&mut self.stubs), usage });
            }
            _ if cancel.is_canceled() => return Err(ExecError::Canceled),
            Some(Report::Failed(failure)) => failure,
            _ => return Err(ExecError::Killed),
        };
        Err(match failure {
            Failure::Setup { step, errno, log } => ExecError::Setup { step, errno, log },
            Failure::Upper { log } => {
                let upper = spec.root.upper.as_ref().map(|upper| upper.dir.clone()).unwrap_or_default();
                ExecError::Upper { upper, log }
            }
            Failure::User(reason) => ExecError::User { user: spec.user.clone(), reason },
            Failure::Command { errno } => {
                ExecError::Command { program: spec.args.first().cloned().unwrap_or_default(), errno }
            }
        })
    }
}

/// Waits until one of the descriptors is readable or has ended; says which are.
fn wait_ready<const N: usize>(fds: [Option<BorrowedFd<'_>>; N]) -> Result<[bool; N], ExecError> {
    let mut polled: Vec<PollFd<'_>> =
        fds.iter().flatten().map(|fd| PollFd::from_borrowed_fd(*fd, PollFlags::IN)).collect();
    rustix::io::retry_on_intr(|| poll(&mut polled, None)).map_err(engine_error("poll"))?;
    let mut polled = polled.iter();
    Ok(fds.map(|fd| fd.is_some() && polled.next().is_some_and(|fd| !fd.revents().is_empty())))
}

/// What a read from a pipe gave.
enum Piece {
    Some,
    /// Nothing for now.
    Pause,
    End,
}

fn read_piece(
    pipe: &mut Option<PipeReader>,
    stream: Stream,
    buffer: &mut [u8],
    sink: Option<&mut (dyn FnMut(Stream, &[u8]) + '_)>,
) -> Result<Piece, ExecError> {
    let Some(pipe) = pipe else { return Ok(Piece::End) };
    match rustix::io::read(&*pipe, &mut *buffer) {
        Ok(0) => Ok(Piece::End),
        Ok(count) => {
            if let Some(sink) = sink {
                sink(stream, &buffer[..count]);
            }
            Ok(Piece::Some)
        }
        Err(Errno::AGAIN) => Ok(Piece::Pause),
        Err(errno) => Err(engine_error("read the command's output")(errno)),
    }
}
