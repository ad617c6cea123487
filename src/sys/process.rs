//! The calling process: its signals, rights and what it turns into.
//!
//! Most functions change state that threads share or that std relies on; they are for processes of a single thread
//! that are about to execute another program.
#![expect(unsafe_code, reason = "signals, seccomp and exec have no safe wrapper")]

use std::ffi::{CStr, CString};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;

/// A signal that was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceivedSignal {
    /// Its number.
    pub number: i32,
    /// Whether a process sent it with kill(2), rather than the kernel (a terminal's key, a child's end).
    pub by_kill: bool,
}

/// What children that were waited for have used, see getrusage(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChildUsage {
    /// Time in user mode.
    pub user: Duration,
    /// Time in the kernel.
    pub system: Duration,
    /// The largest resident set of one of them, in bytes.
    pub max_rss: u64,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to files on disks.
    pub written: u64,
}

/// The result of a raw system call, with `errno` taken where it is -1.
pub(super) fn check(result: libc::c_long) -> Result<libc::c_long, Errno> {
    if result != -1 {
        return Ok(result);
    }
    // SAFETY: errno's address is valid for the thread's whole life.
    Err(Errno::from_raw_os_error(unsafe { *libc::__errno_location() }))
}

fn all_signals() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: sigfillset initialises the set that it is given and cannot fail.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// Blocks every signal that can be blocked. Children inherit that.
pub fn block_signals() -> Result<(), Errno> {
    let set = all_signals();
    // SAFETY: the set is initialised; the old mask is not asked for.
    let result = unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()) };
    check(result.into())?;
    Ok(())
}

/// Waits for a signal; every signal must be blocked.
pub fn wait_signal() -> Result<ReceivedSignal, Errno> {
    let set = all_signals();
    let mut info = MaybeUninit::<libc::siginfo_t>::uninit();
    // SAFETY: both pointers are valid for the call; `info` is only read after it succeeded.
    let number = check(unsafe { libc::sigwaitinfo(&raw const set, info.as_mut_ptr()) }.into())?;
    // SAFETY: sigwaitinfo succeeded and filled it.
    let info = unsafe { info.assume_init() };
    Ok(ReceivedSignal { number: number as i32, by_kill: info.si_code == libc::SI_USER })
}

/// Gives every signal its default action and unblocks all, as a program expects to find them.
pub fn reset_signals() -> Result<(), Errno> {
    /// The size of the kernel's signal set.
    const SET_BYTES: libc::c_long = 8;
    // The kernel's `struct sigaction` in all zeros: SIG_DFL, no flags, no mask. libc's sigaction(2) would not touch
    // its own two signals, which posix_spawn(3) leaves ignored.
    let default = [0_u64; 4];
    for signal in 1..=libc::c_long::from(libc::SIGRTMAX()) {
        let none = std::ptr::null_mut::<u64>();
        // SAFETY: `default` is at least as large as the kernel's struct on every architecture, and no handler is
        // installed. KILL and STOP are refused with an error, which is right.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), none, SET_BYTES) };
    }
    // SAFETY: sigemptyset initialises the set; the old mask is not asked for.
    let result = unsafe {
        let mut set = MaybeUninit::uninit();
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut())
    };
    check(result.into())?;
    Ok(())
}

/// Makes every descriptor from `first` on close at the next exec, see close_range(2).
pub fn close_on_exec_from(first: u32) -> Result<(), Errno> {
    // SAFETY: only a flag of the descriptors changes, they stay open.
    check(unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) })?;
    Ok(())
}

/// Closes every descriptor but the first three and `kept`. Whoever has them as values must not use or drop those any
/// more: the process is about to become another program or to end.
pub fn close_all_but(kept: BorrowedFd<'_>) -> Result<(), Errno> {
    let kept = u32::try_from(kept.as_raw_fd()).map_err(|_| Errno::BADF)?;
    for (first, last) in [(3, kept.saturating_sub(1)), (kept.max(2) + 1, u32::MAX)] {
        if first <= last {
            // SAFETY: the caller promises that nobody uses them any more.
            check(unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) })?;
        }
    }
    Ok(())
}

/// Sends a signal, given by number, to a process; one that is gone is no error.
pub fn kill(pid: rustix::process::Pid, signal: i32) -> Result<(), Errno> {
    // SAFETY: kill(2) takes plain numbers.
    match check(unsafe { libc::kill(pid.as_raw_nonzero().get(), signal) }.into()) {
        Ok(_) | Err(Errno::SRCH) => Ok(()),
        Err(errno) => Err(errno),
    }
}

/// The unit of `ru_inblock` and `ru_oublock`, in bytes.
const BLOCK: u64 = 512;

/// What the calling process's children that were waited for have used.
pub fn child_usage() -> Result<ChildUsage, Errno> {
    let mut usage = MaybeUninit::<libc::rusage>::uninit();
    // SAFETY: the pointer is valid; `usage` is only read after the call succeeded.
    check(unsafe { libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) }.into())?;
    // SAFETY: getrusage succeeded and filled it.
    let usage = unsafe { usage.assume_init() };
    let duration = |time: libc::timeval| Duration::new(time.tv_sec as u64, time.tv_usec as u32 * 1000);
    Ok(ChildUsage {
        user: duration(usage.ru_utime),
        system: duration(usage.ru_stime),
        max_rss: usage.ru_maxrss as u64 * 1024,
        read: usage.ru_inblock as u64 * BLOCK,
        written: usage.ru_oublock as u64 * BLOCK,
    })
}

/// Installs a seccomp program, an array of `struct sock_filter`, without setting no_new_privs: the caller needs
/// `CAP_SYS_ADMIN`, see seccomp(2).
pub fn load_seccomp(program: &[u8]) -> Result<(), Errno> {
    let mut filter: Vec<libc::sock_filter> = program
        .chunks_exact(size_of::<libc::sock_filter>())
        .map(|b| libc::sock_filter {
            code: u16::from_ne_bytes([b[0], b[1]]),
            jt: b[2],
            jf: b[3],
            k: u32::from_ne_bytes([b[4], b[5], b[6], b[7]]),
        })
        .collect();
    let length = u16::try_from(filter.len()).map_err(|_| Errno::INVAL)?;
    let program = libc::sock_fprog { len: length, filter: filter.as_mut_ptr() };
    // SAFETY: `program` points to `len` instructions that live until the call is over.
    check(unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            // Leaves the CPU's speculation as it is for other programs; slower loads gain nothing here.
            libc::SECCOMP_FILTER_FLAG_SPEC_ALLOW,
            &raw const program,
        )
    })?;
    Ok(())
}

/// Turns the process into the program at `path`. Returns only if that failed.
pub fn execute(path: &CStr, args: &[CString], env: &[CString]) -> Errno {
    let pointers = |strings: &[CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|s| s.as_ptr()).chain([std::ptr::null()]).collect()
    };
    let (args, env) = (pointers(args), pointers(env));
    // SAFETY: both arrays end in a null pointer and hold strings that end in NUL and outlive the call.
    match check(unsafe { libc::execve(path.as_ptr(), args.as_ptr(), env.as_ptr()) }.into()) {
        Err(errno) => errno,
        Ok(_) => Errno::INVAL,
    }
}

/// Ends the process at once: nothing is flushed, no exit handler runs. For children of a fork.
pub fn exit_now(code: i32) -> ! {
    // SAFETY: _exit(2) takes a plain number and does not return.
    unsafe { libc::_exit(code) }
}
