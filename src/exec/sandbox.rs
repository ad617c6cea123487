//! A running sandbox, seen from the engine: output, reports and signals are passed on until nothing is left of it.

use std::io::PipeReader;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::process::Child;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send};

use super::cancel::{CancelToken, Signals};
use super::channel::{Failure, Report};
use super::engine::{Io, Outcome, Output, engine_error};
use super::error::ExecError;
use super::spec::Spec;
use crate::cgroup::Hits;
use crate::progress::Stream;

/// How much output is passed on at once, at most: what a pipe holds.
const PIECE: usize = 64 * 1024;

/// A stage that runs, and what it has reported.
pub(super) struct Sandbox {
    pub(super) socket: OwnedFd,
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
    /// The sandbox of a stage that was started and waits for its request at the other end of `socket`.
    pub(super) fn new(stage: Child, socket: OwnedFd) -> Self {
        Self { socket, stage, buffer: Vec::new(), stubs: Vec::new(), end: None }
    }

    /// The stage's process id.
    pub(super) fn stage_id(&self) -> u32 {
        self.stage.id()
    }

    /// Makes the stage kill init: it sees our end of the socket close.
    pub(super) fn give_up(&self) {
        let _ = rustix::net::shutdown(&self.socket, Shutdown::Write);
    }

    /// Sends the command a signal. A sandbox that is gone needs none.
    pub(super) fn signal(&self, signal: u8) {
        let _ = send(&self.socket, &[signal], SendFlags::NOSIGNAL);
    }

    /// Passes output, reports and signals on until stage and init are gone.
    pub(super) fn follow(
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
                self.signal(signal);
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
    pub(super) fn receive(&mut self, buffer: &mut [u8]) -> Result<bool, ExecError> {
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
    pub(super) fn finish(mut self, spec: &Spec, cancel: &CancelToken) -> Result<Outcome, ExecError> {
        self.stage.wait().map_err(|source| ExecError::Engine { doing: "wait for the stage", source })?;
        let failure = match self.end.take() {
            Some(Report::Ended { status, usage }) if !cancel.is_canceled() => {
                let stubs = std::mem::take(&mut self.stubs);
                return Ok(Outcome { status, stubs, usage, hits: Hits::default() });
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

/// Takes output.
type Sink<'a> = dyn FnMut(Stream, &[u8]) + 'a;

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
    sink: Option<&mut Sink<'_>>,
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
