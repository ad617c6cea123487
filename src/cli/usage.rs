//! What is said of a command line that makes no sense, and with which code it ends.
//!
//! The code is Docker's: 125 for `run`, whose other codes are those of the command that it runs, and 1 for all others; but
//! `debug` runs commands, too.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::error::{ContextKind, ContextValue, ErrorKind as Clap};

use super::error::{CliError, ErrorKind};
use super::later;

/// Prints what is wrong with the process's arguments, or the help that they ask for; gives the code, or an error that is
/// still to be printed.
pub(super) fn explain(error: &clap::Error) -> Result<ExitCode, CliError> {
    if !error.use_stderr() {
        let _ = error.print();
        return Ok(ExitCode::SUCCESS);
    }
    let words: Vec<OsString> = std::env::args_os().skip(1).collect();
    let command = command(&words);
    let kind = if ["run", "debug"].contains(&&*command) { ErrorKind::Run } else { ErrorKind::Usage };
    if let Some(name) = not_yet(error, &command) {
        return Err(CliError::new(kind, format!("not supported yet: `{name}`")));
    }
    let _ = error.print();
    Ok(ExitCode::from(kind.code()))
}

/// The flag or command that is unknown, if Docker knows it.
fn not_yet(error: &clap::Error, command: &str) -> Option<String> {
    let name = |context| match error.get(context) {
        Some(ContextValue::String(name)) => Some(name.clone()),
        _ => None,
    };
    match error.kind() {
        Clap::UnknownArgument => name(ContextKind::InvalidArg).filter(|flag| later::is_flag(command, flag)),
        Clap::InvalidSubcommand => {
            let name =
                name(ContextKind::InvalidSubcommand).filter(|name| later::is_command(command, name))?;
            Some(if command == "container" { format!("{command} {name}") } else { name })
        }
        _ => None,
    }
}

/// The first word that is no option of all commands; `container run` is `run`.
fn command(words: &[OsString]) -> String {
    let mut words = words.iter();
    let mut names = std::iter::from_fn(|| {
        while let Some(word) = words.next() {
            if word == "--root" || word == "--registry-config" {
                words.next();
            } else if !word.to_string_lossy().starts_with('-') {
                return Some(word.to_string_lossy());
            }
        }
        None
    });
    match names.next() {
        Some(first) if first == "container" => names.next().filter(|name| name == "run").unwrap_or(first),
        first => first.unwrap_or_default(),
    }
    .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_found_behind_options() {
        for (words, found) in [
            (&["run", "--nope"][..], "run"),
            (&["--root", "run", "--debug", "build", "run"], "build"),
            (&["--root=run", "images"], "images"),
            (&["--debug"], ""),
            (&["container", "--debug", "run", "-d"], "run"),
            (&["container", "ls"], "container"),
        ] {
            let words: Vec<OsString> = words.iter().map(OsString::from).collect();
            assert_eq!(command(&words), found, "{words:?}");
        }
    }
}
