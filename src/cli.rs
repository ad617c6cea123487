//! The command line: arguments, words, colours, exit codes. The only part that prints and reads the environment.
//!
//! One file a command: what was typed is turned into the engine's options once, and library errors into words in
//! `error` and `explain` only.

mod archives;
mod build;
mod check;
mod completions;
mod confirm;
mod containers;
mod debug;
mod diff;
mod dns;
mod du;
pub mod error;
mod explain;
mod files;
mod flags;
mod fsck;
mod given;
mod history;
pub mod human;
mod images;
mod imagetools;
mod inspect;
mod later;
mod layers;
mod limits;
mod list;
mod login;
mod manifest;
mod ports;
mod prompt;
mod prune;
mod registry_files;
mod remotes;
pub mod render;
mod result_file;
mod rights;
mod run;
mod search;
mod signals;
pub mod table;
pub mod template;
mod transfer;
mod usage;
mod user;
mod volumes;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::engine::{Engine, EngineError, Host};
use crate::exec::{self, Executor};
use crate::network;
use error::{CliError, ErrorKind};
use registry_files::RegistryFiles;

/// Build OCI images from Dockerfiles, without a daemon
#[derive(Debug, Parser)]
#[command(name = "strata", version, propagate_version = true, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Under which heading every command's help lists what all commands understand.
const GLOBAL: &str = "Global options";

/// What every command understands.
#[derive(Debug, clap::Args)]
struct Global {
    /// Directory of the store [env: STRATA_ROOT] [default: /var/lib/strata, or ~/.local/share/strata for users]
    #[arg(long, global = true, value_name = "DIR", help_heading = GLOBAL)]
    root: Option<PathBuf>,
    /// File with settings of registries, in place of those of the system and the user
    /// [env: STRATA_REGISTRY_CONFIG] [default: /etc/containers/registries.conf and ~/.config/containers/registries.conf]
    #[arg(long, global = true, value_name = "FILE", help_heading = GLOBAL)]
    registry_config: Option<PathBuf>,
    /// Print an error as it is inside, too, for a report of a bug
    #[arg(long, global = true, help_heading = GLOBAL)]
    debug: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Build an image from a Dockerfile
    Build(Box<build::BuildArgs>),
    /// Open a shell in what a failed step of a build left
    Debug(debug::DebugArgs),
    /// List images
    Images(images::ImagesArgs),
    /// Run a command in a container of an image
    Run(Box<run::RunArgs>),
    /// List containers
    Ps(containers::PsArgs),
    /// Remove containers
    Rm(containers::RmArgs),
    /// Give a container another name
    Rename(containers::RenameArgs),
    /// Write the files of a container as a tar
    Export(containers::ExportArgs),
    /// Make an image of a container
    Commit(containers::CommitArgs),
    #[command(hide = true)]
    Logs(containers::LogsArgs),
    /// Containers
    #[command(subcommand)]
    Container(ContainerCommand),
    /// Show what the store holds and what it takes on disk
    Du(du::DuArgs),
    /// Remove what is kept for later builds, the least recently used first
    Prune(prune::PruneArgs),
    /// Check whether the store is whole
    Fsck(fsck::FsckArgs),
    /// The store as a whole
    #[command(subcommand)]
    System(SystemCommand),
    /// Bring images of a registry into the store
    Pull(transfer::PullArgs),
    /// Bring images of the store into a registry
    Push(transfer::PushArgs),
    /// Log in to a registry
    Login(login::LoginArgs),
    /// Log out from a registry
    Logout(login::LogoutArgs),
    /// Search a registry for images
    Search(search::SearchArgs),
    /// Write images to an archive
    Save(archives::SaveArgs),
    /// Read images from an archive
    Load(archives::LoadArgs),
    /// Make an image of a root file system's tar
    Import(archives::ImportArgs),
    /// Show how an image was made
    History(history::HistoryArgs),
    /// Show an image's details as JSON
    Inspect(inspect::InspectArgs),
    /// Show the manifest or the index of an image
    #[command(subcommand)]
    Manifest(manifest::ManifestCommand),
    /// Images in registries, without bringing them
    #[command(subcommand)]
    Imagetools(imagetools::ImagetoolsCommand),
    /// Show what differs between two images or two layers
    Diff(diff::DiffArgs),
    /// Show what the layers of an image hold, and what later layers waste of it
    Layers(layers::LayersArgs),
    /// List files of an image
    Ls(files::LsArgs),
    /// Print files of an image
    Cat(files::CatArgs),
    /// Copy files out of an image
    Cp(files::CpArgs),
    /// Give an image another name
    Tag(images::TagArgs),
    /// Remove images
    Rmi(images::RmiArgs),
    /// Print a script that makes a shell complete commands, flags and names of images
    Completions(completions::CompletionsArgs),
    /// Write the pages of the manual
    #[command(hide = true)]
    Man(completions::ManArgs),
}

#[derive(Debug, Subcommand)]
enum SystemCommand {
    /// Show what the store holds and what it takes on disk
    Df(du::DuArgs),
    /// Remove what nothing needs: ended containers, images without a name, what is kept for later builds
    Prune(prune::SystemPruneArgs),
}

#[derive(Debug, Subcommand)]
enum ContainerCommand {
    /// Run a command in a container of an image
    Run(Box<run::RunArgs>),
    /// List containers
    #[command(visible_aliases = ["list", "ps"])]
    Ls(containers::PsArgs),
    /// Remove containers
    #[command(visible_alias = "remove")]
    Rm(containers::RmArgs),
    /// Give a container another name
    Rename(containers::RenameArgs),
    /// Write the files of a container as a tar
    Export(containers::ExportArgs),
    /// Make an image of a container
    Commit(containers::CommitArgs),
    /// Show what a container changed
    Diff(containers::ContainerDiffArgs),
    /// Copy files out of a container
    Cp(files::CpArgs),
    /// Show a container's details as JSON
    Inspect(inspect::InspectArgs),
    /// Remove all containers that have ended
    Prune(containers::ContainerPruneArgs),
    #[command(hide = true)]
    Logs(containers::LogsArgs),
}

/// What a command runs with.
struct App {
    /// The store's directory, or why there can be none: not every command needs it.
    store: Result<PathBuf, CliError>,
    /// Where registries' settings and credentials are.
    registry_files: RegistryFiles,
}

impl App {
    /// Opens the store.
    fn engine(&self) -> Result<Engine, CliError> {
        let root = self.store.clone()?;
        Ok(Engine::open(&root, Executor::default(), host())?)
    }
}

/// Where the process runs. What cannot be read is not there.
fn host() -> Host {
    Host {
        directory: std::env::current_dir().ok(),
        hosts: fs::read("/etc/hosts").ok(),
        resolv_conf: fs::read("/etc/resolv.conf").ok(),
    }
}

/// `STRATA_ROOT`, where an empty value is as good as none.
fn root_of_environment() -> Option<PathBuf> {
    std::env::var_os("STRATA_ROOT").filter(|root| !root.is_empty()).map(PathBuf::from)
}

/// Runs the command that the process's arguments name.
pub fn main() -> ExitCode {
    // A sandbox's stage and a network's guard are this program executed anew; they must not spend time on arguments.
    if let Some(code) = exec::stage_entry().or_else(network::guard_entry) {
        return code;
    }
    if let Some(code) = completions::answer() {
        return code;
    }
    let arguments: Arguments = match flags::parse(&std::env::args_os().collect::<Vec<_>>()) {
        Ok(arguments) => arguments,
        Err(error) => return usage::explain(&error).unwrap_or_else(|error| failed(&error, false)),
    };
    let Global { root, registry_config, debug } = arguments.global;
    // A user's files are looked for while the process is still the user's.
    let registry_files = RegistryFiles::of_environment(registry_config);
    let root = root.or_else(root_of_environment).map_or_else(user::default_store, Ok);
    let app = App { store: root.and_then(|root| user::become_root().map(|()| root)), registry_files };
    let done = dispatch(&app, arguments.command);
    for unknown in app.registry_files.settings.unknown() {
        complain(&format!("warning: {unknown}\n"));
    }
    done.unwrap_or_else(|error| failed(&error, debug))
}

/// Says what failed; gives the exit code.
fn failed(error: &CliError, debug: bool) -> ExitCode {
    let mut text = error.render(colour(&io::stderr()));
    if let Some(details) = error.details().filter(|_| debug) {
        text.push_str(&format!("debug: {details}\n"));
    }
    complain(&text);
    error.exit_code()
}

fn dispatch(app: &App, command: Command) -> Result<ExitCode, CliError> {
    match command {
        Command::Build(args) => build::run(app, &args),
        Command::Debug(args) => debug::run(app, &args),
        Command::Images(args) => images::list(app, &args),
        Command::Run(args) => run::run(app, &args),
        Command::Ps(args) => containers::list(app, &args),
        Command::Rm(args) => containers::remove(app, &args),
        Command::Rename(args) => containers::rename(app, &args),
        Command::Export(args) => containers::export(app, &args),
        Command::Commit(args) => containers::commit(app, &args),
        Command::Logs(args) => containers::logs(&args),
        Command::Container(command) => container(app, command),
        Command::Du(args) | Command::System(SystemCommand::Df(args)) => du::run(app, &args),
        Command::Prune(args) => prune::run(app, &args),
        Command::Fsck(args) => fsck::run(app, &args),
        Command::System(SystemCommand::Prune(args)) => prune::system(app, &args),
        Command::Pull(args) => transfer::pull(app, &args),
        Command::Push(args) => transfer::push(app, &args),
        Command::Login(args) => login::login(app, &args),
        Command::Logout(args) => login::logout(app, &args),
        Command::Search(args) => search::run(app, &args),
        Command::Save(args) => archives::save(app, &args),
        Command::Load(args) => archives::load(app, &args),
        Command::Import(args) => archives::import(app, &args),
        Command::History(args) => history::run(app, &args),
        Command::Inspect(args) => inspect::run(app, &args),
        Command::Manifest(command) => manifest::run(app, &command),
        Command::Imagetools(command) => imagetools::run(app, &command),
        Command::Diff(args) => diff::run(app, &args),
        Command::Layers(args) => layers::run(app, &args),
        Command::Ls(args) => files::ls(app, &args),
        Command::Cat(args) => files::cat(app, &args),
        Command::Cp(args) => files::cp(app, &args),
        Command::Tag(args) => images::tag(app, &args),
        Command::Rmi(args) => images::remove(app, &args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => completions::man(&args),
    }
}

fn container(app: &App, command: ContainerCommand) -> Result<ExitCode, CliError> {
    match command {
        ContainerCommand::Run(args) => run::run(app, &args),
        ContainerCommand::Ls(args) => containers::list(app, &args),
        ContainerCommand::Rm(args) => containers::remove(app, &args),
        ContainerCommand::Rename(args) => containers::rename(app, &args),
        ContainerCommand::Export(args) => containers::export(app, &args),
        ContainerCommand::Commit(args) => containers::commit(app, &args),
        ContainerCommand::Diff(args) => containers::diff(app, &args),
        ContainerCommand::Cp(args) => files::cp(app, &args),
        ContainerCommand::Inspect(args) => inspect::containers(app, &args),
        ContainerCommand::Prune(args) => containers::prune(app, &args),
        ContainerCommand::Logs(args) => containers::logs(&args),
    }
}

/// Whether colours go to `stream` (no-color.org).
fn colour(stream: &impl IsTerminal) -> bool {
    stream.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty()) && !dumb()
}

fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// Writes a command's result. A reader that has gone away is no error.
fn print(text: &str) -> Result<(), CliError> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::from_error(ErrorKind::General, &error).context("cannot write to standard output"))
        }
        _ => Ok(()),
    }
}

/// Says something besides a command's result. A reader that has gone away is no error.
fn complain(text: &str) {
    let _ = io::stderr().write_all(text.as_bytes());
}

/// Parses a reference that the user typed.
fn reference(text: &str) -> Result<crate::oci::Reference, CliError> {
    text.parse().map_err(|error: crate::oci::ReferenceError| EngineError::from(error).into())
}

/// Parses a name that an image shall get.
fn new_name(text: &str) -> Result<crate::oci::Reference, CliError> {
    let name = reference(text)?;
    let why_not = if name.digest().is_some() {
        "has a digest, which cannot be given to an image"
    } else if text.starts_with("sha256:") {
        "as a name would be taken for a digest"
    } else {
        return Ok(name);
    };
    Err(CliError::new(ErrorKind::Usage, format!("`{text}` {why_not}"))
        .hint("give a name with a tag, such as `name:1.0`"))
}

impl From<EngineError> for CliError {
    fn from(error: EngineError) -> Self {
        explain::explain(&error).detailed(&error)
    }
}
