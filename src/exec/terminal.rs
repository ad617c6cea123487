//! A command with a terminal of its own, which the engine plays: what the user types goes in, what the command says
//! comes out, and the size follows the user's terminal.
//!
//! The terminal is made inside, by the command's process, in the sandbox's own `/dev/pts`, so that its name means
//! something there. Its other end comes to the engine over a socket of its own.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};

use super::cancel::{CancelToken, Signals};
use super::channel::Failure;
use super::engine::engine_error;
use super::error::ExecError;
use super::init::Step as _;
use super::sandbox::Sandbox;
use super::user::User;
use crate::sys::terminal::{self, Size};
use crate::user::IdMap;

/// The user's side of a terminal: what is typed is read from one, what is shown is written to the other.
#[derive(Debug, Clone, Copy)]
pub struct Terminal<'a> {
    /// Where the user types; `None` if nothing is passed on. Its size, if it is a terminal, is the sandbox's.
    pub input: Option<BorrowedFd<'a>>,
    /// Where the user looks.
    pub output: BorrowedFd<'a>,
}

impl Terminal<'_> {
    /// The size of whichever end is a terminal.
    pub(super) fn size(self) -> Size {
        let mut ends = self.input.into_iter().chain([self.output]);
        ends.find_map(|end| terminal::size(end).ok()).unwrap_or_default()
    }
}

/// What Ctrl-D is on a terminal: the end of the input.
const END_OF_INPUT: u8 = 4;

/// How much is passed on at once.
const PIECE: usize = 16 * 1024;

/// The group that may write to others' terminals, as Debian numbers it.
const TTY_GROUP: u32 = 5;

/// In the command's process: makes a terminal, sends its other end over `socket`, and takes it for standard input,
/// output and error. The process must lead a session.
pub(super) fn take(socket: &OwnedFd, size: Size, user: &User) -> Result<(), Failure> {
    let make = || -> Result<(), Errno> {
        let pair = terminal::open_pair(Path::new("/dev/pts/ptmx"))?;
        terminal::resize(pair.slave.as_fd(), size)?;
        let group = IdMap::current().has_group(TTY_GROUP).then_some(rustix::fs::Gid::from_raw(TTY_GROUP));
        rustix::fs::fchown(&pair.slave, Some(rustix::fs::Uid::from_raw(user.uid)), group)?;
        terminal::control(pair.slave.as_fd())?;
        rustix::stdio::dup2_stdin(&pair.slave)?;
        rustix::stdio::dup2_stdout(&pair.slave)?;
        rustix::stdio::dup2_stderr(&pair.slave)?;
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [pair.master.as_fd()];
        control.push(SendAncillaryMessage::ScmRights(&fds));
        sendmsg(socket, &[IoSlice::new(b"t")], &mut control, SendFlags::NOSIGNAL)?;
        Ok(())
    };
    make().step("make a terminal")
}

/// The engine's part of a terminal while the sandbox runs.
struct Relay<'a> {
    user: Terminal<'a>,
    /// Where the other end comes from.
    socket: Option<OwnedFd>,
    /// The other end.
    master: Option<OwnedFd>,
    /// What was typed and has not been taken yet.
    typed: Vec<u8>,
    /// Whether there is more to be typed.
    typing: bool,
}

impl Sandbox {
    /// As `follow`, for a command with a terminal, whose other end comes from `socket`.
    pub(super) fn follow_terminal(
        &mut self,
        socket: OwnedFd,
        user: Terminal<'_>,
        signals: Option<&Signals>,
        cancel: &CancelToken,
    ) -> Result<(), ExecError> {
        let typing = user.input.is_some();
        let mut relay = Relay { user, socket: Some(socket), master: None, typed: Vec::new(), typing };
        let mut canceled = false;
        let mut buffer = vec![0; PIECE];
        loop {
            let ready = relay.wait([
                (!canceled).then(|| cancel.as_fd()),
                signals.map(Signals::as_fd),
                Some(self.socket.as_fd()),
            ])?;
            relay.pass(&ready, &mut buffer)?;
            if ready.others[0] {
                canceled = true;
                self.give_up();
            }
            if ready.others[1]
                && let Some(signal) = signals.and_then(Signals::take)
            {
                if i32::from(signal) == libc::SIGWINCH {
                    relay.resize();
                } else {
                    self.signal(signal);
                }
            }
            if ready.others[2] && self.receive(&mut buffer)? {
                break;
            }
        }
        relay.drain(&mut buffer);
        Ok(())
    }
}

/// Which descriptors have something.
struct Ready {
    socket: bool,
    /// What the other end of the command's terminal is ready for.
    master: PollFlags,
    input: bool,
    others: [bool; 3],
}

impl Relay<'_> {
    fn wait(&self, others: [Option<BorrowedFd<'_>>; 3]) -> Result<Ready, ExecError> {
        let mut master = PollFlags::IN;
        if !self.typed.is_empty() {
            master |= PollFlags::OUT;
        }
        let input = self.user.input.filter(|_| self.typing && self.typed.is_empty() && self.master.is_some());
        let fds = [
            (self.socket.as_ref().map(AsFd::as_fd), PollFlags::IN),
            (self.master.as_ref().map(AsFd::as_fd), master),
            (input, PollFlags::IN),
            (others[0], PollFlags::IN),
            (others[1], PollFlags::IN),
            (others[2], PollFlags::IN),
        ];
        let mut polled: Vec<PollFd<'_>> =
            fds.iter().filter_map(|(fd, flags)| Some(PollFd::from_borrowed_fd((*fd)?, *flags))).collect();
        rustix::io::retry_on_intr(|| poll(&mut polled, None)).map_err(engine_error("poll"))?;
        let mut polled = polled.iter();
        let events =
            fds.map(|(fd, _)| fd.and_then(|_| polled.next()).map_or(PollFlags::empty(), PollFd::revents));
        Ok(Ready {
            socket: !events[0].is_empty(),
            master: events[1],
            input: !events[2].is_empty(),
            others: [!events[3].is_empty(), !events[4].is_empty(), !events[5].is_empty()],
        })
    }

    fn pass(&mut self, ready: &Ready, buffer: &mut [u8]) -> Result<(), ExecError> {
        if ready.socket {
            self.master = self.socket.take().and_then(|socket| receive(&socket));
            if let Some(master) = &self.master {
                rustix::io::ioctl_fionbio(master, true).map_err(engine_error("set up a terminal"))?;
            }
            // It may have changed since the request was sent.
            self.resize();
        }
        if ready.master.intersects(PollFlags::IN | PollFlags::HUP | PollFlags::ERR) && !self.show(buffer) {
            self.master = None;
        }
        if ready.input {
            self.read_typed(buffer);
        }
        if (ready.master.contains(PollFlags::OUT) || ready.input)
            && let Some(master) = &self.master
        {
            match rustix::io::write(master, &self.typed) {
                Ok(count) => drop(self.typed.drain(..count)),
                Err(Errno::AGAIN) => {}
                // Nobody reads any more.
                Err(_) => self.typed.clear(),
            }
        }
        Ok(())
    }

    /// Shows what the command says; whether there may be more.
    fn show(&self, buffer: &mut [u8]) -> bool {
        let Some(master) = &self.master else { return false };
        match rustix::io::read(master, &mut *buffer) {
            // The last program that had the terminal is gone.
            Ok(0) | Err(Errno::IO) => false,
            Ok(count) => {
                let mut rest = &buffer[..count];
                while !rest.is_empty() {
                    match rustix::io::write(self.user.output, rest) {
                        Ok(count) => rest = &rest[count..],
                        Err(Errno::INTR | Errno::AGAIN) => {}
                        // A user who has gone away misses it.
                        Err(_) => break,
                    }
                }
                true
            }
            Err(errno) => matches!(errno, Errno::AGAIN | Errno::INTR),
        }
    }

    fn read_typed(&mut self, buffer: &mut [u8]) {
        let Some(input) = self.user.input else { return };
        match rustix::io::read(input, &mut *buffer) {
            Ok(0) => {
                self.typing = false;
                self.typed.push(END_OF_INPUT);
            }
            Ok(count) => self.typed.extend_from_slice(&buffer[..count]),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(_) => self.typing = false,
        }
    }

    fn resize(&self) {
        if let Some(master) = &self.master {
            // The command goes on in a window of the wrong size.
            let _ = terminal::resize(master.as_fd(), self.user.size());
        }
    }

    /// Shows what is left when nobody is there any more to say more.
    fn drain(&mut self, buffer: &mut [u8]) {
        let left = |master: &OwnedFd| rustix::io::ioctl_fionread(master).is_ok_and(|count| count > 0);
        while self.master.as_ref().is_some_and(left) && self.show(buffer) {}
    }
}

/// Takes a descriptor from a socket; `None` if it ended before one came.
fn receive(socket: &OwnedFd) -> Option<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(socket, &mut [IoSliceMut::new(&mut byte)], &mut control, RecvFlags::CMSG_CLOEXEC).ok()?;
    control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut rights) => rights.next(),
        _ => None,
    })
}
