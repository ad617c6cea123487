//! `completions` and `man`: what a shell completes, and the manual's pages. Both follow from the commands' definitions.
//!
//! A shell asks the program itself what can stand at a place, so that what it offers is never older than the program,
//! and names of images are offered too.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, ValueEnum};
use clap_complete::CompleteEnv;
use clap_complete::engine::{ArgValueCompleter, CompletionCandidate};
use clap_complete::env::{Bash, EnvCompleter, Fish, Zsh};

use crate::engine::{ContainerFilter, Engine, ImageFilter};
use crate::exec::Executor;

use super::error::{CliError, ErrorKind};
use super::{Arguments, host, print, root_of_environment, user};

/// The variable by which a shell says that it wants to complete something.
const VARIABLE: &str = "STRATA_COMPLETE";

/// Print a script that makes a shell complete commands, flags and names of images
#[derive(Debug, clap::Args)]
#[command(after_help = "For bash: `strata completions bash > /etc/bash_completion.d/strata`.\n\
    For zsh: `strata completions zsh > /usr/local/share/zsh/site-functions/_strata`.\n\
    For fish: `strata completions fish > ~/.config/fish/completions/strata.fish`.")]
pub(super) struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

pub(super) fn run(args: &CompletionsArgs) -> Result<ExitCode, CliError> {
    let shell: &dyn EnvCompleter = match args.shell {
        Shell::Bash => &Bash,
        Shell::Zsh => &Zsh,
        Shell::Fish => &Fish,
    };
    let mut script = Vec::new();
    shell.write_registration(VARIABLE, "strata", "strata", "strata", &mut script).map_err(|error| {
        CliError::from_error(ErrorKind::General, &error).context("cannot make the script")
    })?;
    print(&String::from_utf8_lossy(&script))?;
    Ok(ExitCode::SUCCESS)
}

/// Answers a shell that asks what can stand at a place; `None` if none asks.
pub(super) fn answer() -> Option<ExitCode> {
    let words: Vec<OsString> = std::env::args_os().collect();
    let directory = std::env::current_dir().ok();
    let completer = CompleteEnv::with_factory(Arguments::command).var(VARIABLE);
    match completer.try_complete(words, directory.as_deref()) {
        Ok(false) => None,
        Ok(true) => Some(ExitCode::SUCCESS),
        // A shell can show nothing else while somebody types.
        Err(_) => Some(ExitCode::FAILURE),
    }
}

/// Completes names of images.
pub(super) fn images() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| -> Vec<CompletionCandidate> {
        let typed = typed.to_string_lossy();
        let names = stored_names().unwrap_or_default();
        names.into_iter().filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    })
}

/// Completes names of containers.
pub(super) fn containers() -> ArgValueCompleter {
    ArgValueCompleter::new(|typed: &OsStr| -> Vec<CompletionCandidate> {
        let typed = typed.to_string_lossy();
        let containers = open().and_then(|engine| engine.containers(&ContainerFilter::default()).ok());
        let names = containers.unwrap_or_default().into_iter().map(|container| container.name);
        names.filter(|name| name.starts_with(&*typed)).map(CompletionCandidate::new).collect()
    })
}

/// The names of the images in the store that is there; none if it cannot be read.
fn stored_names() -> Option<Vec<String>> {
    let images = open()?.images(&ImageFilter::default()).ok()?;
    Some(images.iter().flat_map(|image| &image.names).map(crate::oci::Reference::familiar).collect())
}

/// The store that is there.
fn open() -> Option<Engine> {
    let typed = std::env::args_os().skip_while(|word| word != "--root").nth(1).map(PathBuf::from);
    let root = typed.or_else(root_of_environment).map_or_else(user::default_store, Ok).ok()?;
    // Nothing is made because somebody pressed a key.
    if !root.exists() {
        return None;
    }
    user::become_root().ok()?;
    Engine::open(&root, Executor::default(), host()).ok()
}

/// Write the pages of the manual
#[derive(Debug, clap::Args)]
pub(super) struct ManArgs {
    /// The directory, such as `/usr/local/share/man/man1`; it is made if it is missing
    directory: PathBuf,
}

pub(super) fn man(args: &ManArgs) -> Result<ExitCode, CliError> {
    fs::create_dir_all(&args.directory)
        .and_then(|()| clap_mangen::generate_to(Arguments::command(), &args.directory))
        .map_err(|error| {
            let place = args.directory.display();
            CliError::from_error(ErrorKind::General, &error).context(format!("cannot write to `{place}`"))
        })?;
    Ok(ExitCode::SUCCESS)
}
