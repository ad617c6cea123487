//! Ways to reach a running sandbox from other threads: giving it up, and sending signals to its command.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::pipe::{PipeFlags, pipe_with};

use super::error::ExecError;

/// Gives up every sandbox that runs with it. Clones share one state; once canceled it stays so.
#[derive(Debug, Clone)]
pub struct CancelToken {
    /// An eventfd that is written once and never read, so that it stays readable for every poller.
    event: Arc<OwnedFd>,
    /// How many computations are running that do not look at the token.
    computing: Arc<AtomicUsize>,
}

impl CancelToken {
    /// A token that is not canceled.
    pub fn new() -> Result<Self, ExecError> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)
            .map_err(|errno| ExecError::Engine { doing: "make an eventfd", source: errno.into() })?;
        Ok(Self { event: Arc::new(event), computing: Arc::default() })
    }

    /// Does something that takes no notice of the token, and leaves nothing behind that would have to be cleaned up;
    /// `None` if it was canceled before.
    pub fn computing<T>(&self, act: impl FnOnce() -> T) -> Option<T> {
        let running = Running::new(&self.computing);
        let result = (!self.is_canceled()).then(act);
        drop(running);
        result
    }

    /// Whether something is going on that will not notice that the token is canceled. Nothing begins after
    /// [`CancelToken::cancel`], so that whoever asks then may end the process.
    pub fn is_computing(&self) -> bool {
        self.computing.load(Ordering::SeqCst) > 0
    }

    /// Makes every sandbox that runs with this token end at once, and those that would start, fail.
    pub fn cancel(&self) {
        // The one error is a counter that is full, which reads as canceled.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }

    /// Whether [`CancelToken::cancel`] was called.
    pub fn is_canceled(&self) -> bool {
        let mut fds = [PollFd::new(&self.event, PollFlags::IN)];
        matches!(poll(&mut fds, Some(&Timespec::default())), Ok(1))
    }

    /// Readable once canceled.
    pub fn as_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }
}

/// Counts a computation as long as it lives.
struct Running<'t>(&'t AtomicUsize);

impl<'t> Running<'t> {
    fn new(count: &'t AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Signals for the command of one sandbox: [`Signals::send`] from any thread, even before the command has started.
#[derive(Debug)]
pub struct Signals {
    read: OwnedFd,
    write: OwnedFd,
}

impl Signals {
    /// A handle without signals under way.
    pub fn new() -> Result<Self, ExecError> {
        let (read, write) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK)
            .map_err(|errno| ExecError::Engine { doing: "make a pipe", source: errno.into() })?;
        Ok(Self { read, write })
    }

    /// Sends the command a signal, such as `libc::SIGTERM`. Numbers that are no signal are dropped.
    pub fn send(&self, signal: i32) -> io::Result<()> {
        let Ok(number) = u8::try_from(signal) else { return Ok(()) };
        rustix::io::write(&self.write, &[number])?;
        Ok(())
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// Takes one signal that is under way.
    pub(super) fn take(&self) -> Option<u8> {
        let mut byte = [0];
        matches!(rustix::io::read(&self.read, &mut byte), Ok(1)).then_some(byte[0])
    }
}
