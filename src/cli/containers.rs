//! Containers that stay: `ps`, `rm`, `rename`, `export`, `commit`, `container prune`, and `diff` of one.

mod rows;

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::{
    CommitRequest, ContainerError, ContainerFilter, ContainerState, Destination, Engine, EngineError,
    PathChange, Touched,
};

use super::error::{CliError, ErrorKind};
use super::list::ListFormat;
use super::{App, archives, completions, confirm, human, inspect, new_name, print};

/// List containers
#[derive(Debug, clap::Args)]
#[command(after_help = "A container stays when it was run with `--name` and without `--rm`.")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct PsArgs {
    /// Also those that have ended
    #[arg(short, long)]
    all: bool,
    /// Only some: `ancestor=IMAGE`, `before=CONTAINER`, `exited=CODE`, `id=ID`, `label=NAME[=VALUE]`, `name=NAME`,
    /// `since=CONTAINER`, `status=running|exited`, `until=TIME`; may be repeated
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print `table`, `json`, or a Go template, such as `{{.ID}}: {{.Status}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// The last N that were made, also those that have ended
    #[arg(short = 'n', long, value_name = "N")]
    last: Option<usize>,
    /// The last one that was made
    #[arg(short, long, conflicts_with = "last")]
    latest: bool,
    /// Print ids and commands in full
    #[arg(long)]
    no_trunc: bool,
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
    /// Add how much each has changed
    #[arg(short, long)]
    size: bool,
}

pub(super) fn list(app: &App, args: &PsArgs) -> Result<ExitCode, CliError> {
    let format = ListFormat::parse(args.format.as_deref(), &rows::table(args.size))?;
    let filter = filter(&args.filter)?;
    let engine = app.engine()?;
    let mut containers = engine.containers(&filter)?;
    let last = if args.latest { Some(1) } else { args.last };
    if !args.all && last.is_none() && !filter.wants_ended() {
        containers.retain(|container| container.state == ContainerState::Running);
    }
    containers.truncate(last.unwrap_or(usize::MAX));
    let text = if args.quiet && args.format.is_none() {
        containers.iter().map(|one| format!("{}\n", rows::id(one, args.no_trunc))).collect()
    } else {
        let mut rows = rows::of(&containers, args.no_trunc, Timestamp::now());
        if args.size {
            for (row, container) in rows.iter_mut().zip(&containers) {
                row["Size"] = human::size(engine.container_size(&container.id)?.apparent).into();
            }
        }
        format.render(rows::FIELDS, &rows)?
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn filter(typed: &[String]) -> Result<ContainerFilter, CliError> {
    let mut filter = ContainerFilter::default();
    for text in typed {
        filter.add(text, Timestamp::now()).map_err(EngineError::from)?;
    }
    Ok(filter)
}

/// Remove containers
#[derive(Debug, clap::Args)]
pub(super) struct RmArgs {
    /// Kill those that run
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(required = true, add = completions::containers())]
    containers: Vec<String>,
}

pub(super) fn remove(app: &App, args: &RmArgs) -> Result<ExitCode, CliError> {
    let engine = app.engine()?;
    let (mut text, mut failures) = (String::new(), Vec::new());
    for container in &args.containers {
        match engine.remove_container(container, args.force) {
            Ok(()) => text.push_str(&format!("{container}\n")),
            // As in Docker, what is gone already is no failure with `--force`.
            Err(error @ EngineError::Container(ContainerError::None { .. })) if args.force => {
                super::complain(&format!("note: {error}\n"));
            }
            // The others are removed all the same.
            Err(error) => failures.push(error.into()),
        }
    }
    print(&text)?;
    CliError::all(failures).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// Remove all containers that have ended
#[derive(Debug, clap::Args)]
pub(super) struct ContainerPruneArgs {
    /// Only some: `until=TIME`, `label=NAME[=VALUE]`, and the other filters of `ps`; may be repeated
    #[arg(long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

pub(super) fn prune(app: &App, args: &ContainerPruneArgs) -> Result<ExitCode, CliError> {
    let filter = filter(&args.filter)?;
    if !confirm::agreed("This removes all containers that have ended.", args.force)? {
        return Ok(ExitCode::SUCCESS);
    }
    let (removed, freed) = app.engine()?.prune_containers(&filter)?;
    let ids: String = removed.iter().map(|id| format!("{id}\n")).collect();
    print(&format!("{ids}Total reclaimed space: {}\n", human::size(freed.used)))?;
    Ok(ExitCode::SUCCESS)
}

/// Give a container another name
#[derive(Debug, clap::Args)]
pub(super) struct RenameArgs {
    /// Name or id of the container
    #[arg(add = completions::containers())]
    container: String,
    /// The new name
    name: String,
}

pub(super) fn rename(app: &App, args: &RenameArgs) -> Result<ExitCode, CliError> {
    app.engine()?.rename_container(&args.container, &args.name)?;
    Ok(ExitCode::SUCCESS)
}

/// Write the files of a container as a tar
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Name or id of the container
    #[arg(add = completions::containers())]
    container: String,
}

pub(super) fn export(app: &App, args: &ExportArgs) -> Result<ExitCode, CliError> {
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(archives::terminal("refusing to write an archive to a terminal", "`--output`"));
    }
    archives::transfer(app, |engine, reporter, cancel| {
        let mut stdout = io::stdout();
        let to = match &args.output {
            Some(path) => Destination::File(path),
            None => Destination::Stream(&mut stdout),
        };
        engine.export_container(&args.container, to, reporter, cancel)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Make an image of a container
#[derive(Debug, clap::Args)]
pub(super) struct CommitArgs {
    /// Who made it, such as `A. Uthor <a@example.com>`
    #[arg(short, long)]
    author: Option<String>,
    /// Dockerfile instruction that changes the image's config, such as `CMD ["sh"]`; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Remark for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// Name or id of the container
    #[arg(add = completions::containers())]
    container: String,
    /// Name of the image
    name: Option<String>,
}

pub(super) fn commit(app: &App, args: &CommitArgs) -> Result<ExitCode, CliError> {
    let request = CommitRequest {
        name: args.name.as_deref().map(new_name).transpose()?,
        author: args.author.clone(),
        message: args.message.clone(),
        changes: args.changes.clone(),
    };
    let id = app.engine()?.commit_container(&args.container, &request)?;
    print(&format!("{id}\n"))?;
    Ok(ExitCode::SUCCESS)
}

/// What a container of this name changed, as `diff` prints it; `None` if there is no such container.
pub(super) fn changes(engine: &Engine, name: &str, as_json: bool) -> Result<Option<String>, CliError> {
    if !engine.names_container(name)? {
        return Ok(None);
    }
    let changes = engine.container_changes(name)?;
    Ok(Some(if as_json {
        let values: Vec<Value> = changes.iter().map(value).collect();
        format!("{}\n", inspect::pretty(&values))
    } else {
        changes.iter().map(line).collect()
    }))
}

fn shown(change: &PathChange) -> String {
    format!("/{}", human::path(change.path.as_bytes()))
}

fn line(change: &PathChange) -> String {
    let letter = match change.touched {
        Touched::Added => 'A',
        Touched::Changed => 'C',
        Touched::Deleted => 'D',
    };
    format!("{letter} {}\n", shown(change))
}

/// As Docker's interface gives it.
fn value(change: &PathChange) -> Value {
    let kind = match change.touched {
        Touched::Changed => 0,
        Touched::Added => 1,
        Touched::Deleted => 2,
    };
    json!({ "Path": shown(change), "Kind": kind })
}

/// Show what a container changed
#[derive(Debug, clap::Args)]
pub(super) struct ContainerDiffArgs {
    /// Name or id of the container
    #[arg(add = completions::containers())]
    container: String,
}

pub(super) fn diff(app: &App, args: &ContainerDiffArgs) -> Result<ExitCode, CliError> {
    let changes = app.engine()?.container_changes(&args.container)?;
    print(&changes.iter().map(line).collect::<String>())?;
    Ok(ExitCode::SUCCESS)
}

/// What a container printed is not kept
#[derive(Debug, clap::Args)]
pub(super) struct LogsArgs {
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    rest: Vec<String>,
}

/// Says where logs are.
pub(super) fn logs(args: &LogsArgs) -> Result<ExitCode, CliError> {
    let name = args.rest.last().map(String::as_str).unwrap_or_default();
    Err(CliError::new(
        ErrorKind::General,
        format!("there are no logs of `{name}`: what a container prints is not kept"),
    )
    .hint("it goes where `strata run` writes: keep it with `strata run … 2>&1 | tee FILE`"))
}
