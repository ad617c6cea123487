//! The stage: the program, executed anew with one thread, that gives birth to init and watches over it.
//!
//! It stays outside of the sandbox's namespaces and mounts nothing. It blocks every signal; what ends it is the end
//! of init, and what makes it kill init is the end of the engine or of the engine's end of the socket.

use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{
    DumpableBehavior, Pid, PidfdFlags, Signal, WaitOptions, pidfd_open, set_dumpable_behavior,
    set_parent_process_death_signal, waitpid,
};

use super::cgroups::Joined;
use super::channel::{Failure, Input, Report, Request};
use super::init;
use super::spec::Network;
use super::{MAX_SENT, STAGE_NAME};
use crate::sys::namespace::{Fork, Namespaces};
use crate::sys::process::{block_signals, close_on_exec_from, exit_now, kill};

/// What the engine sends ahead of anything else: how many bytes the request has.
pub(super) const LENGTH_BYTES: usize = 8;

/// Does a stage's work if the process was started as one. `main` must call this before anything else, while there
/// is only one thread, and return the code if there is one.
pub fn stage_entry() -> Option<ExitCode> {
    if std::env::args_os().next()? != STAGE_NAME {
        return None;
    }
    Some(if stage().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Errors are of no use to anybody but the engine, and it is told them as reports, or sees the socket end.
fn stage() -> Result<(), Errno> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    // Nobody may read our memory or borrow our binary through /proc, should they get that far.
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    block_signals()?;
    // Whatever the engine's own caller left open to it is not for the command: a directory among it would be a way
    // out of the root.
    close_on_exec_from(3)?;
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 3)?;
    let (bytes, mut fds) = receive(socket.as_fd())?;
    let request = Request::decode(&bytes).ok_or(Errno::BADMSG)?;
    let stdin = (request.input != Input::Null).then(|| fds.remove(0));
    let network = (request.spec.network == Network::Given).then(|| fds.remove(0));

    let groups: Vec<OwnedFd> = fds.drain(..request.cgroup.kinds.len().min(fds.len())).collect();
    let mut group = Joined::new(&request.cgroup, &groups);

    let me = pidfd_open(rustix::process::getpid(), PidfdFlags::empty())?;
    match group.fork(namespaces(request.spec.network)) {
        Ok(Fork::Child) => exit_now(init::run(&request, socket.as_fd(), (stdin, network, group), &me)),
        Ok(Fork::Parent { child }) => watch(socket.as_fd(), child),
        Err(errno) => {
            let step = "make namespaces".to_owned();
            let failure = Failure::Setup { step, errno: errno.raw_os_error(), log: String::new() };
            send(socket.as_fd(), &Report::Failed(failure));
            Ok(())
        }
    }
}

fn namespaces(network: Network) -> Namespaces {
    let always = Namespaces::NEWNS | Namespaces::NEWPID | Namespaces::NEWIPC | Namespaces::NEWUTS;
    match network {
        // A given namespace is entered by init.
        Network::Host | Network::Given => always,
        Network::None => always | Namespaces::NEWNET,
    }
}

/// Receives the request's bytes and the descriptors on its first byte.
fn receive(socket: BorrowedFd<'_>) -> Result<(Vec<u8>, Vec<OwnedFd>), Errno> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_SENT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut length = [0; LENGTH_BYTES];
    let mut parts = [IoSliceMut::new(&mut length)];
    let received = recvmsg(socket, &mut parts, &mut control, RecvFlags::CMSG_CLOEXEC | RecvFlags::WAITALL)?;
    if received.bytes != LENGTH_BYTES {
        return Err(Errno::BADMSG);
    }
    let mut fds = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            fds.extend(rights);
        }
    }
    let mut bytes = vec![0; usize::try_from(u64::from_ne_bytes(length)).map_err(|_| Errno::BADMSG)?];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::io::read(socket, &mut bytes[filled..])? {
            0 => return Err(Errno::BADMSG),
            count => filled += count,
        }
    }
    Ok((bytes, fds))
}

/// Sends a report. If nobody listens any more there is nobody to tell that.
pub(super) fn send(socket: BorrowedFd<'_>, report: &Report) {
    let bytes = report.encode();
    let mut rest = &bytes[..];
    while let Ok(count @ 1..) = rustix::io::write(socket, rest) {
        rest = &rest[count..];
    }
}

/// Passes signals on to init, kills it when the socket ends, and returns when it is gone.
fn watch(socket: BorrowedFd<'_>, init: Pid) -> Result<(), Errno> {
    let init_fd = pidfd_open(init, PidfdFlags::empty())?;
    let mut listening = true;
    loop {
        let mut fds = [PollFd::new(&init_fd, PollFlags::IN), PollFd::new(&socket, PollFlags::IN)];
        let count = if listening { 2 } else { 1 };
        rustix::io::retry_on_intr(|| poll(&mut fds[..count], None))?;
        if !fds[0].revents().is_empty() {
            waitpid(Some(init), WaitOptions::empty())?;
            return Ok(());
        }
        let mut signals = [0; 16];
        if let Ok(count @ 1..) = rustix::io::read(socket, &mut signals) {
            for &signal in &signals[..count] {
                // A number that is no signal is the sender's mistake and does no harm.
                let _ = kill(init, signal.into());
            }
        } else {
            kill(init, libc::SIGKILL)?;
            listening = false;
        }
    }
}
