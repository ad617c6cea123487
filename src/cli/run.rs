//! `run`.

use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::{EngineError, RunRequest};
use crate::exec::{CancelToken, ExecError, Signals};

use super::build::NetworkChoice;
use super::error::{CliError, ErrorKind};
use super::{App, signals};

/// Run a command in a container of an image
#[derive(Debug, clap::Args)]
pub(super) struct RunArgs {
    /// Remove the container when the command ends; containers that stay are not supported yet
    #[arg(long)]
    rm: bool,
    /// Network of the container
    #[arg(long, value_enum, default_value = "default")]
    network: NetworkChoice,
    /// Name or id of the image
    image: String,
    /// Command instead of the image's own
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn run(app: &App, args: &RunArgs) -> Result<ExitCode, CliError> {
    if !args.rm {
        let message = "not supported yet: a container that stays after its command has ended";
        return Err(CliError::new(ErrorKind::Run, message).hint("add `--rm`"));
    }
    let failed = |error: ExecError| CliError::from_error(ErrorKind::Run, &error);
    let to_command = Arc::new(Signals::new().map_err(failed)?);
    let cancel = CancelToken::new().map_err(failed)?;
    let sender = Arc::clone(&to_command);
    signals::forward(move |signal| {
        // The command may have ended already.
        let _ = sender.send(signal);
    })?;
    let request =
        RunRequest { image: args.image.clone(), command: args.command.clone(), network: args.network.mode() };
    let engine = app.engine().map_err(|error| error.with_kind(ErrorKind::Run))?;
    match engine.run(&request, &to_command, &cancel) {
        Ok(status) => Ok(ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX))),
        Err(error) => {
            let kind = match &error {
                EngineError::Exec(ExecError::Command { errno: libc::ENOENT, .. }) => ErrorKind::NotFound,
                EngineError::Exec(ExecError::Command { .. }) => ErrorKind::NotExecutable,
                _ => ErrorKind::Run,
            };
            Err(CliError::from(error).with_kind(kind))
        }
    }
}
