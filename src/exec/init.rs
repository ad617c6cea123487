//! Init: pid 1 of the sandbox. It builds the root, starts the command, reaps whatever is left to it, passes signals
//! on to the command and ends when the command ends, upon which the kernel kills the rest.

use std::ffi::{CString, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::{Component, Path};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, mkdirat, openat2};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, set_parent_process_death_signal, umask, wait};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::cgroups::Joined;
use super::channel::{Failure, Input, Report, Request};
use super::engine::{Status, Usage};
use super::spec::{Network, Spec};
use super::user::{self, User};
use super::{mounts, resources, rights, root, stage, terminal};
use crate::oci::DEFAULT_PATH;
use crate::sys::mount::MountError;
use crate::sys::namespace::{Fork, Namespaces, fork_into, loopback_up};
use crate::sys::process::{child_usage, close_all_but, execute, exit_now, kill, reset_signals, wait_signal};
use crate::user::IdMap;

/// Names the step that an error belongs to.
pub(super) trait Step<T> {
    /// Makes the error a failure of `step`.
    fn step(self, step: &str) -> Result<T, Failure>;
}

impl<T> Step<T> for Result<T, Errno> {
    fn step(self, step: &str) -> Result<T, Failure> {
        self.map_err(MountError::from).step(step)
    }
}

impl<T> Step<T> for Result<T, MountError> {
    fn step(self, step: &str) -> Result<T, Failure> {
        self.map_err(|MountError { errno, log }| Failure::Setup {
            step: step.to_owned(),
            errno: errno.raw_os_error(),
            log,
        })
    }
}

impl<T> Step<T> for std::io::Result<T> {
    fn step(self, step: &str) -> Result<T, Failure> {
        self.map_err(|error| Errno::from_io_error(&error).unwrap_or(Errno::IO)).step(step)
    }
}

/// Lives init's life; the result is its exit code, which nobody looks at. `stage` is a pidfd of the stage.
pub(super) fn run(
    request: &Request,
    socket: BorrowedFd<'_>,
    (stdin, network, group): (Option<OwnedFd>, Option<OwnedFd>, Joined<'_>),
    stage: &OwnedFd,
) -> i32 {
    let report = match follow_stage(stage)
        .and_then(|()| group.enter())
        .and_then(|()| join(network))
        .and_then(|()| prepare(request, socket))
        .and_then(|user| start(request, socket, stdin, &user))
        .and_then(|command| attend(command).step("wait for the command"))
    {
        Ok((status, usage)) => Report::Ended { status, usage },
        Err(failure) => Report::Failed(failure),
    };
    stage::send(socket, &report);
    0
}

/// Dies with the stage, also if it died before this call.
fn follow_stage(stage: &OwnedFd) -> Result<(), Failure> {
    set_parent_process_death_signal(Some(Signal::KILL)).step("set the parent-death signal")?;
    let mut fds = [PollFd::new(stage, PollFlags::IN)];
    match poll(&mut fds, Some(&Timespec::default())) {
        Ok(0) => Ok(()),
        _ => exit_now(1),
    }
}

/// Enters the network that was given. Before anything is mounted: `/sys` shows the network of whoever mounts it.
fn join(network: Option<OwnedFd>) -> Result<(), Failure> {
    let Some(network) = network else { return Ok(()) };
    move_into_link_name_space(network.as_fd(), Some(LinkNameSpaceType::Network)).step("enter the network")
}

/// Builds the sandbox around the process, up to its working directory.
fn prepare(request: &Request, socket: BorrowedFd<'_>) -> Result<User, Failure> {
    let spec = &request.spec;
    umask(Mode::empty());
    let scratch = root::scratch(&spec.root.skeleton, spec)?;
    let root = root::mount(&spec.root, &scratch)?;
    for stub in mounts::populate(request, &scratch, root.as_fd())? {
        stage::send(socket, &Report::Stub(stub));
    }
    crate::sys::mount::pivot(root.as_fd()).step("pivot_root")?;
    // From now on paths are the image's, and some lead to the descriptors of whoever follows them.
    drop((scratch, root));
    if !spec.insecure {
        mounts::restrict()?;
    }
    rustix::system::sethostname(spec.hostname.as_bytes()).step("sethostname")?;
    if spec.network == Network::None {
        loopback_up().step("take the loopback interface up")?;
    }
    umask(Mode::from_raw_mode(0o022));
    let user = user::find((&spec.user, &spec.groups), Path::new("/"), IdMap::current())?;
    enter(&spec.cwd)?;
    Ok(user)
}

/// Makes the working directory if it is missing and changes to it.
fn enter(cwd: &Path) -> Result<(), Failure> {
    let found = match directory(cwd) {
        Err(Errno::NOENT) => {
            make_directory(cwd).step(&format!("make the working directory `{}`", cwd.display()))
        }
        found => found.step(&format!("change to the working directory `{}`", cwd.display())),
    };
    rustix::process::fchdir(found?).step("change to the working directory")
}

/// Opens a directory of the root. Links of `/proc` that lead to what a process has open are not followed: they would
/// be a way out.
fn directory(path: &Path) -> Result<OwnedFd, Errno> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS)
}

/// Makes a directory with its parents, as far as they are missing.
fn make_directory(path: &Path) -> Result<OwnedFd, Errno> {
    match (directory(path), path.parent(), path.components().next_back()) {
        (Err(Errno::NOENT), Some(parent), Some(Component::Normal(name))) => {
            match mkdirat(make_directory(parent)?, name, Mode::from_raw_mode(0o755)) {
                // A link to nowhere; opening it says so.
                Ok(()) | Err(Errno::EXIST) => directory(path),
                Err(errno) => Err(errno),
            }
        }
        (Err(Errno::NOENT), Some(parent), Some(Component::ParentDir)) => {
            make_directory(parent)?;
            directory(path)
        }
        (found, ..) => found,
    }
}

/// Starts the command.
fn start(
    request: &Request,
    socket: BorrowedFd<'_>,
    stdin: Option<OwnedFd>,
    user: &User,
) -> Result<Pid, Failure> {
    match fork_into(Namespaces::empty()).step("fork")? {
        Fork::Parent { child } => Ok(child),
        Fork::Child => {
            let failure = become_command(request, socket, stdin, user);
            stage::send(socket, &Report::Failed(failure));
            exit_now(1)
        }
    }
}

/// Turns the process into the command. Returns only if that failed.
fn become_command(request: &Request, socket: BorrowedFd<'_>, stdin: Option<OwnedFd>, user: &User) -> Failure {
    let prepared = (|| {
        let terminal = match request.input {
            Input::Terminal(size) => Some(size),
            Input::Null | Input::Given => None,
        };
        if !request.foreground || terminal.is_some() {
            rustix::process::setsid().step("setsid")?;
        }
        let input = stdin.map_or_else(null_input, Ok)?;
        match terminal {
            Some(size) => terminal::take(&input, size, user)?,
            None => rustix::stdio::dup2_stdin(&input).step("set up standard input")?,
        }
        drop(input);
        // The program's path is the image's too, and what closes at exec is still open while it is looked for.
        close_all_but(socket).step("close descriptors")?;
        reset_signals().step("reset signals")?;
        resources::limit(&request.spec.resources)?;
        rights::reduce(user, &request.seccomp, &request.spec)
    })();
    match prepared {
        Err(failure) => failure,
        Ok(()) => Failure::Command { errno: execute_found(&request.spec, user).raw_os_error() },
    }
}

fn null_input() -> Result<OwnedFd, Failure> {
    rustix::fs::open("/dev/null", OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).step("open /dev/null")
}

/// Executes the program, looked for as execvp(3) does: a match that may not be executed is remembered while the
/// search goes on.
fn execute_found(spec: &Spec, user: &User) -> Errno {
    let text = |bytes: Vec<u8>| CString::new(bytes).unwrap_or_default();
    let args: Vec<CString> = spec.args.iter().map(|arg| text(arg.as_bytes().to_vec())).collect();
    let env: Vec<CString> = environment(spec, user).into_iter().map(text).collect();
    let Some(program) = spec.args.first().map(|program| program.as_bytes()) else { return Errno::NOENT };
    if program.is_empty() {
        return Errno::NOENT;
    }
    if program.contains(&b'/') {
        return execute(&text(program.to_vec()), &args, &env);
    }
    let path = spec.env.iter().rev().find(|(name, _)| name == "PATH");
    let path = path.map_or(DEFAULT_PATH.as_bytes(), |(_, value)| value.as_bytes());
    let mut result = Errno::NOENT;
    for dir in path.split(|&byte| byte == b':') {
        // An empty entry means the working directory.
        let dir = if dir.is_empty() { b"." } else { dir };
        match execute(&text([dir, b"/", program].concat()), &args, &env) {
            Errno::NOENT | Errno::NOTDIR => {}
            Errno::ACCESS => result = Errno::ACCESS,
            errno => return errno,
        }
    }
    result
}

/// `NAME=value` strings, with `HOME` added if it is absent or empty.
fn environment(spec: &Spec, user: &User) -> Vec<Vec<u8>> {
    let pair = |name: &OsString, value: &OsString| [name.as_bytes(), b"=", value.as_bytes()].concat();
    let has_home = spec.env.iter().any(|(name, value)| name == "HOME" && !value.is_empty());
    let kept = spec.env.iter().filter(|(name, _)| has_home || name != "HOME");
    let mut env: Vec<Vec<u8>> = kept.map(|(name, value)| pair(name, value)).collect();
    if !has_home {
        env.push(pair(&"HOME".into(), &OsString::from_vec(user.home.clone())));
    }
    env
}

/// Waits for the end of the command, reaping every other child and passing signals on.
fn attend(command: Pid) -> Result<(Status, Usage), Errno> {
    loop {
        let signal = wait_signal()?;
        if signal.number == libc::SIGCHLD {
            if let Some(status) = reap(command)? {
                let usage = child_usage()?;
                let usage = Usage {
                    cpu: usage.user + usage.system,
                    max_rss: usage.max_rss,
                    memory: None,
                    read: usage.read,
                    written: usage.written,
                };
                return Ok((status, usage));
            }
        } else if signal.by_kill {
            // What the terminal sends goes to its whole foreground group, the command among it, by itself.
            kill(command, signal.number)?;
        }
    }
}

/// Reaps every child that has ended; the status of the command if it is one of them.
fn reap(command: Pid) -> Result<Option<Status>, Errno> {
    loop {
        match wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == command => return Ok(Some(end_of(status))),
            Ok(Some(_)) => {}
            Ok(None) => return Ok(None),
            Err(errno) => return Err(errno),
        }
    }
}

fn end_of(status: WaitStatus) -> Status {
    match status.terminating_signal() {
        Some(signal) => Status::Signal(signal),
        None => Status::Exit(status.exit_status().unwrap_or_default()),
    }
}
