//! Namespaces: a process that is born in new ones, and what has to be set up in them.
#![expect(unsafe_code, reason = "clone(2) and interface flags have no safe wrapper")]

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use std::thread;

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use rustix::process::Pid;
pub use rustix::thread::UnshareFlags as Namespaces;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::process::check;

/// On which side of a fork the caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fork {
    /// In the parent.
    Parent {
        /// The child.
        child: Pid,
    },
    /// In the child.
    Child,
}

/// Forks; the child lives in new namespaces of the given kinds and is the first process of a new pid namespace.
///
/// Only for processes with a single thread: a lock that another thread holds stays locked in the child for ever.
/// Handlers of pthread_atfork(3) are not run.
pub fn fork_into(namespaces: Namespaces) -> Result<Fork, Errno> {
    let flags = libc::c_ulong::from(namespaces.bits()) | libc::SIGCHLD as libc::c_ulong;
    let none: libc::c_ulong = 0;
    // SAFETY: without CLONE_VM the child runs on a copy of the address space and the same stack address, as after
    // fork(2); the null pointers belong to flags that are not set.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone, flags, none, none, none, none) })?;
    Ok(Pid::from_raw(pid as i32).map_or(Fork::Child, |child| Fork::Parent { child }))
}

/// See clone(2); libc's constant is too narrow for it.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Forks like [`fork_into`]; the child is born in the control group (of version 2) whose directory is given, which
/// spares it the wait that moving there would take.
pub fn fork_into_group(namespaces: Namespaces, group: BorrowedFd<'_>) -> Result<Fork, Errno> {
    // SAFETY: `clone_args` is plain data for which all zeros is a value.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(namespaces.bits()) | CLONE_INTO_CGROUP;
    arguments.exit_signal = libc::SIGCHLD as u64;
    arguments.cgroup = group.as_raw_fd() as u64;
    let size = size_of::<libc::clone_args>();
    // SAFETY: as in `fork_into`; the structure has the size that is said and outlives the call.
    let pid = check(unsafe { libc::syscall(libc::SYS_clone3, &raw const arguments, size) })?;
    Ok(Pid::from_raw(pid as i32).map_or(Fork::Child, |child| Fork::Parent { child }))
}

/// Makes the control group that the process is in the root of what it sees of control groups.
pub fn enter_own_cgroup_namespace() -> Result<(), Errno> {
    // SAFETY: the flag is none of those that change what descriptors or memory the threads of a process share.
    unsafe { rustix::thread::unshare_unsafe(Namespaces::NEWCGROUP) }
}

/// A new network namespace, which lives as long as the descriptor or something in it.
pub fn new_network() -> io::Result<OwnedFd> {
    // A thread of its own: only it moves, and it ends at once.
    in_thread(|| {
        // SAFETY: the flag is none of those that change what descriptors or memory the thread shares.
        unsafe { rustix::thread::unshare_unsafe(Namespaces::NEWNET) }?;
        loopback_up()?;
        Ok(File::open("/proc/thread-self/ns/net")?.into())
    })
}

/// Calls `act` on a thread that is in the network namespace.
pub fn in_network<T: Send>(namespace: BorrowedFd<'_>, act: impl FnOnce() -> T + Send) -> io::Result<T> {
    in_thread(|| {
        move_into_link_name_space(namespace, Some(LinkNameSpaceType::Network))?;
        Ok(act())
    })
}

fn in_thread<T: Send>(act: impl FnOnce() -> io::Result<T> + Send) -> io::Result<T> {
    thread::scope(|scope| {
        let thread = thread::Builder::new().spawn_scoped(scope, act)?;
        thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Takes the loopback interface of the calling process's network namespace up, see netdevice(7).
pub fn loopback_up() -> Result<(), Errno> {
    let socket = socket_with(AddressFamily::INET, SocketType::DGRAM, SocketFlags::CLOEXEC, None)?;
    // SAFETY: `ifreq` is plain data for which all zeros is a value.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l' as libc::c_char;
    request.ifr_name[1] = b'o' as libc::c_char;
    request.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: SIOCSIFFLAGS reads an `ifreq` with a name that ends in NUL and flags, both set above.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    check(result.into())?;
    Ok(())
}
