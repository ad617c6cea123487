//! The guard of a helper that puts itself into the background: the program, executed anew with one thread, as the first
//! process of a pid namespace that the helper lives in. When the guard ends the kernel ends the helper, and the guard
//! ends when the other end of its socket is closed, by whatever death.
//!
//! Standard input is what the helper gets as its own, standard output the socket, the arguments are the helper's.

use std::ffi::OsString;
use std::io::{self, PipeReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::process::{Command, ExitCode, Stdio};

use rustix::process::{WaitOptions, waitpid};

use crate::sys::namespace::{Fork, Namespaces, fork_into};
use crate::sys::process::{block_signals, close_on_exec_from, exit_now};

/// The first argument by which the program knows that it is a guard.
pub(super) const GUARD_NAME: &str = "strata-network";

/// The line that says that the helper did its work.
pub(super) const READY: &str = "ready";

/// The most that is passed on of what a helper says.
const MESSAGE: usize = 4096;

/// Does a guard's work if the process was started as one. `main` must call this before anything else, while there is
/// only one thread, and return the code if there is one.
pub fn guard_entry() -> Option<ExitCode> {
    let mut arguments = std::env::args_os();
    if arguments.next()? != GUARD_NAME {
        return None;
    }
    let arguments: Vec<OsString> = arguments.collect();
    Some(if guard(&arguments).is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Forks the first process of the namespace and waits for it, so that who waits for us waits for the helper's end.
fn guard(arguments: &[OsString]) -> io::Result<()> {
    // The keys of the terminal are for the command that needs the network, as long as it runs.
    block_signals()?;
    close_on_exec_from(3)?;
    match fork_into(Namespaces::NEWPID)? {
        Fork::Child => exit_now(i32::from(run(arguments).is_err())),
        Fork::Parent { child } => {
            rustix::io::retry_on_intr(|| waitpid(Some(child), WaitOptions::empty()))?;
            Ok(())
        }
    }
}

/// Runs the helper, says how it went, and waits for the end of the socket.
fn run(arguments: &[OsString]) -> io::Result<()> {
    let mut socket = UnixStream::from(rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?);
    let answer = match start(arguments) {
        Ok(message) => message,
        Err(error) => error.to_string(),
    };
    socket.write_all(format!("{answer}\n").as_bytes())?;
    // Nobody speaks to us; the read ends with the other side.
    while socket.read(&mut [0; 16])? > 0 {}
    Ok(())
}

/// Runs the helper until it is in the background; what there is to say of that.
fn start(arguments: &[OsString]) -> io::Result<String> {
    let Some((program, arguments)) = arguments.split_first() else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    let (mut said, stderr) = io::pipe()?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdout(Stdio::null()).stderr(stderr);
    let mut child = command.spawn()?;
    drop(command);
    let status = child.wait()?;
    if status.success() { Ok(READY.to_owned()) } else { message(&mut said) }
}

/// What a helper said last. It may have left a process behind that keeps the pipe open, so its end is not waited for.
fn message(said: &mut PipeReader) -> io::Result<String> {
    rustix::io::ioctl_fionbio(&*said, true)?;
    let mut text = Vec::new();
    let mut buffer = [0; MESSAGE];
    while text.len() < MESSAGE {
        match said.read(&mut buffer) {
            Ok(count @ 1..) => text.extend_from_slice(&buffer[..count]),
            _ => break,
        }
    }
    let text = String::from_utf8_lossy(&text);
    // Where there is no log of the system's, that is what it says first.
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("to syslog"));
    Ok(lines.collect::<Vec<_>>().join("; "))
}
