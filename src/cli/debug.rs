//! `debug`, and the shells of `build`.

use std::io::IsTerminal as _;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::{BuildRequest, Engine, Seat, Shell};
use crate::exec::{CancelToken, ExecError, Signals, Terminal};
use crate::sys::terminal::RawMode;

use super::error::{CliError, ErrorKind};
use super::{App, complain, signals};

/// Open a shell in what a failed step of a build left
#[derive(Debug, clap::Args)]
pub(super) struct DebugArgs {
    /// The failed step, as its error names it [default: the latest]
    id: Option<String>,
}

pub(super) fn run(app: &App, args: &DebugArgs) -> Result<ExitCode, CliError> {
    refuse_without_terminal()?;
    let engine = app.engine()?;
    let shell = engine.failed_step(args.id.as_deref())?;
    open(&engine, &shell, None)
}

/// Refuses to open a shell that nobody could type at.
pub(super) fn refuse_without_terminal() -> Result<(), CliError> {
    let wrong = |which| {
        CliError::new(ErrorKind::Usage, format!("a shell needs a terminal, and {which}"))
            .hint("run it where you can type, without a pipe or a file in the place of the terminal")
    };
    if !std::io::stdin().is_terminal() {
        return Err(wrong("standard input is none"));
    }
    if !std::io::stdout().is_terminal() && !std::io::stderr().is_terminal() {
        return Err(wrong("neither standard output nor standard error is one"));
    }
    Ok(())
}

/// Opens a shell on the user's terminal and waits for its end; gives its exit code. It has the secrets of `build`.
pub(super) fn open(
    engine: &Engine,
    shell: &Shell,
    build: Option<&BuildRequest>,
) -> Result<ExitCode, CliError> {
    let failed = |error: ExecError| CliError::from_error(ErrorKind::General, &error);
    let (stdin, stdout, stderr) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    let output: BorrowedFd<'_> = if stdout.is_terminal() { stdout.as_fd() } else { stderr.as_fd() };
    let to_shell = Arc::new(Signals::new().map_err(failed)?);
    // Not the one of the build: what failed has canceled that.
    let cancel = CancelToken::new().map_err(failed)?;
    let on_signal = cancel.clone();
    signals::on_interrupt(move |_| on_signal.cancel())?;
    let sender = Arc::clone(&to_shell);
    signals::on_resize(move |signal| {
        // The shell may have ended already.
        let _ = sender.send(signal);
    })?;
    complain(&format!("shell at `{}`; what is done here is gone when it ends\n", shell.step()));
    let seat = Seat { terminal: Terminal { input: Some(stdin.as_fd()), output }, signals: &to_shell };
    // Keys go to the shell's terminal as they are typed; what they mean is decided there.
    let raw = RawMode::set(stdin.as_fd());
    let ended = engine.open_shell(shell, build, seat, &cancel);
    drop(raw);
    Ok(ExitCode::from(u8::try_from(ended?.code()).unwrap_or(u8::MAX)))
}
