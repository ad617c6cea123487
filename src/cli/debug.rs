//! `debug`, and the shells of `build`.

use std::io::{self, IsTerminal as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process::ExitCode;
use std::sync::Arc;

use jiff::Timestamp;

use crate::engine::{Engine, EngineError, Seat, Shell, ShellRequest};
use crate::exec::{CancelToken, ExecError, Signals, Terminal};
use crate::solve::StepError;
use crate::sys::terminal::RawMode;

use super::error::{CliError, ErrorKind};
use super::table::Table;
use super::{App, complain, given, human, print, signals};

/// The one entitlement that a shell can need.
const INSECURE: &str = "security.insecure";

/// Open a shell in what a failed step of a build left
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
pub(super) struct DebugArgs {
    /// Secret that the step mounts: `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`; may be repeated
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// SSH agent that the step mounts: `default`, `NAME=SOCKET` or `NAME=KEY[,KEY]`; may be repeated
    #[arg(long = "ssh", value_name = "AGENT")]
    agents: Vec<String>,
    /// What the step chose for itself: `security.insecure`
    #[arg(long, value_name = "ENTITLEMENT", value_parser = [INSECURE])]
    allow: Option<String>,
    /// List the failed steps that are kept
    #[arg(long, conflicts_with_all = ["remove", "id", "command", "secrets", "agents", "allow"])]
    list: bool,
    /// Remove what is kept: of the failed step that is named, or of all
    #[arg(long, conflicts_with_all = ["command", "secrets", "agents", "allow"])]
    remove: bool,
    /// The failed step, as its error names it [default: the latest]
    id: Option<String>,
    /// Command instead of a shell; needs no terminal
    #[arg(last = true)]
    command: Vec<String>,
}

pub(super) fn run(app: &App, args: &DebugArgs) -> Result<ExitCode, CliError> {
    let engine = || app.engine();
    let done = if args.list {
        engine().and_then(|engine| list(&engine))
    } else if args.remove {
        engine().and_then(|engine| remove(&engine, args.id.as_deref()))
    } else {
        visit(app, args)
    };
    // All other codes are those of the command.
    done.map_err(|error| match error.kind() {
        ErrorKind::General | ErrorKind::Usage => error.with_kind(ErrorKind::Run),
        _ => error,
    })
}

fn visit(app: &App, args: &DebugArgs) -> Result<ExitCode, CliError> {
    if args.command.is_empty() {
        refuse_without_terminal()?;
    }
    let request = ShellRequest {
        command: args.command.clone(),
        secrets: given::secrets(&args.secrets)?,
        agents: given::agents(&args.agents)?,
        search_path: std::env::var_os("PATH"),
        insecure: args.allow.is_some(),
        ..ShellRequest::default()
    };
    let engine = app.engine()?;
    let shell = engine.failed_step(args.id.as_deref())?;
    open(&engine, &shell, &request)
}

fn list(engine: &Engine) -> Result<ExitCode, CliError> {
    let now = Timestamp::now();
    let mut table = Table::new(["ID", "CREATED", "STEP"]);
    for step in engine.failed_steps()? {
        let created = Timestamp::try_from(step.created).ok().map(|time| time.to_string());
        table.row([
            step.id,
            human::ago(created.as_deref(), now),
            step.step.unwrap_or_else(|| "<unreadable>".to_owned()),
        ]);
    }
    print(&table.render())?;
    Ok(ExitCode::SUCCESS)
}

fn remove(engine: &Engine, id: Option<&str>) -> Result<ExitCode, CliError> {
    let removed = engine.forget_failed_steps(id)?;
    print(&removed.iter().map(|id| format!("{id}\n")).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// Refuses to open a shell that nobody could type at.
pub(super) fn refuse_without_terminal() -> Result<(), CliError> {
    let wrong = |which| {
        CliError::new(ErrorKind::Usage, format!("a shell needs a terminal, and {which}"))
            .hint("without a terminal `strata debug -- COMMAND` runs a command in what a failed step left")
    };
    if !io::stdin().is_terminal() {
        return Err(wrong("standard input is none"));
    }
    if !io::stdout().is_terminal() && !io::stderr().is_terminal() {
        return Err(wrong("neither standard output nor standard error is one"));
    }
    Ok(())
}

/// Runs a shell or a command and waits for its end; gives its exit code. Says before what it lacks.
pub(super) fn open(engine: &Engine, shell: &Shell, request: &ShellRequest) -> Result<ExitCode, CliError> {
    let failed = |error: ExecError| CliError::from_error(ErrorKind::General, &error);
    let (stdin, stdout, stderr) = (io::stdin(), io::stdout(), io::stderr());
    for remark in engine.shell_remarks(shell, request) {
        complain(&format!("note: {remark}\n"));
    }
    let output: BorrowedFd<'_> = if stdout.is_terminal() { stdout.as_fd() } else { stderr.as_fd() };
    // A command whose input or output is elsewhere has these; a shell has been refused without a terminal.
    let is_seated = request.command.is_empty() || (stdin.is_terminal() && stdout.is_terminal());
    let terminal = is_seated.then(|| Terminal { input: Some(stdin.as_fd()), output });
    let to_command = Arc::new(Signals::new().map_err(failed)?);
    // Not the one of the build: what failed has canceled that.
    let cancel = CancelToken::new().map_err(failed)?;
    catch_signals(terminal.is_some(), &to_command, &cancel)?;
    if request.command.is_empty() {
        complain(&format!("shell at `{}`; what is done here is gone when it ends\n", shell.step()));
    }
    // Keys go to the command's terminal as they are typed; what they mean is decided there.
    let raw = terminal.map(|_| RawMode::set(stdin.as_fd()));
    let seat = Seat { terminal, signals: &to_command };
    let ended = engine.open_shell(shell, request, seat, &cancel);
    drop(raw);
    match ended {
        Ok(status) => Ok(ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX))),
        Err(error) => Err(explained(error)),
    }
}

/// With a terminal, signals end what runs there, whose keys do not make any; without one they are the command's.
fn catch_signals(
    has_terminal: bool,
    to_command: &Arc<Signals>,
    cancel: &CancelToken,
) -> Result<(), CliError> {
    let sender = Arc::clone(to_command);
    let pass = move |signal| {
        // The command may have ended already.
        let _ = sender.send(signal);
    };
    if has_terminal {
        let on_signal = cancel.clone();
        signals::on_interrupt(move |_| on_signal.cancel())?;
        signals::on_resize(pass)
    } else {
        signals::forward(false, pass)
    }
}

/// A command that cannot be run has the exit code that a shell would give.
fn explained(error: EngineError) -> CliError {
    let kind = match &error {
        EngineError::Layers(StepError::Sandbox(ExecError::Command { errno: libc::ENOENT, .. })) => {
            Some(ErrorKind::NotFound)
        }
        EngineError::Layers(StepError::Sandbox(ExecError::Command { .. })) => Some(ErrorKind::NotExecutable),
        _ => None,
    };
    let error = CliError::from(error);
    match kind {
        Some(kind) => error.with_kind(kind),
        None => error,
    }
}
