//! `images`, `history`, `tag`, `rmi`.

use std::process::ExitCode;

use crate::engine::{HistoryLine, ImageSummary, Removed};

use super::error::CliError;
use super::table::Table;
use super::{App, human, new_name, print, reference};

/// List images
#[derive(Debug, clap::Args)]
pub(super) struct ImagesArgs {
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
    /// Print ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Only images of this name
    name: Option<String>,
}

pub(super) fn list(app: &App, args: &ImagesArgs) -> Result<ExitCode, CliError> {
    let images = app.engine()?.images()?;
    let wanted = args.name.as_deref().map(reference).transpose()?;
    let tagged = args
        .name
        .as_deref()
        .is_some_and(|name| name.rsplit('/').next().is_some_and(|last| last.contains(':')));
    let now = jiff::Timestamp::now();
    let mut table = Table::new(["REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE"]);
    let mut ids = Vec::new();
    for image in &images {
        let names = image.names.iter().filter(|name| match &wanted {
            None => true,
            Some(wanted) => name.name() == wanted.name() && (!tagged || name.tag() == wanted.tag()),
        });
        let mut rows: Vec<(String, String)> =
            names.map(|name| (name.familiar_name(), name.tag().unwrap_or("<none>").to_owned())).collect();
        if image.names.is_empty() && wanted.is_none() {
            rows.push(("<none>".to_owned(), "<none>".to_owned()));
        }
        if !rows.is_empty() {
            ids.push(id(image, args.no_trunc));
        }
        for (name, tag) in rows {
            let created = human::ago(image.created.as_deref(), now);
            table.row([name, tag, id(image, args.no_trunc), created, human::size(image.size)]);
        }
    }
    let text = if args.quiet { ids.iter().map(|id| format!("{id}\n")).collect() } else { table.render() };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn id(image: &ImageSummary, full: bool) -> String {
    if full { image.id.to_string() } else { image.id.digest().short() }
}

/// Show how an image was made
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Print ids and instructions in full
    #[arg(long)]
    no_trunc: bool,
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
    /// Name or id of the image
    image: String,
}

/// How much of an instruction a line shows.
const INSTRUCTION_WIDTH: usize = 45;

pub(super) fn history(app: &App, args: &HistoryArgs) -> Result<ExitCode, CliError> {
    let lines = app.engine()?.history(&args.image)?;
    if args.quiet {
        let ids: String = lines.iter().map(|line| format!("{}\n", line_id(line, args.no_trunc))).collect();
        print(&ids)?;
        return Ok(ExitCode::SUCCESS);
    }
    let now = jiff::Timestamp::now();
    let mut table = Table::new(["IMAGE", "CREATED", "CREATED BY", "SIZE", "COMMENT"]);
    for line in &lines {
        let by = line.entry.created_by.as_deref().unwrap_or_default().replace(['\n', '\t'], " ");
        let by = if args.no_trunc { by } else { cut(&by, INSTRUCTION_WIDTH) };
        table.row([
            line_id(line, args.no_trunc),
            human::ago(line.entry.created.as_deref(), now),
            by,
            human::size(line.size),
            line.entry.comment.clone().unwrap_or_default(),
        ]);
    }
    print(&table.render())?;
    Ok(ExitCode::SUCCESS)
}

fn line_id(line: &HistoryLine, full: bool) -> String {
    match &line.image {
        None => "<missing>".to_owned(),
        Some(id) if full => id.to_string(),
        Some(id) => id.digest().short(),
    }
}

fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// Give an image another name
#[derive(Debug, clap::Args)]
pub(super) struct TagArgs {
    /// Name or id of the image
    source: String,
    /// The new name
    target: String,
}

pub(super) fn tag(app: &App, args: &TagArgs) -> Result<ExitCode, CliError> {
    let name = new_name(&args.target)?;
    app.engine()?.tag(&args.source, &name)?;
    Ok(ExitCode::SUCCESS)
}

/// Remove images
#[derive(Debug, clap::Args)]
pub(super) struct RmiArgs {
    /// Remove an image that has several names by its id
    #[arg(short, long)]
    force: bool,
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
}

pub(super) fn remove(app: &App, args: &RmiArgs) -> Result<ExitCode, CliError> {
    let engine = app.engine()?;
    let mut text = String::new();
    let mut failures = Vec::new();
    for image in &args.images {
        match engine.remove(image, args.force) {
            Ok(removed) => text.extend(removed.iter().map(|one| match one {
                Removed::Untagged(name) => format!("Untagged: {name}\n"),
                Removed::Deleted(id) => format!("Deleted: {id}\n"),
            })),
            // The others are removed all the same, as Docker does.
            Err(error) => failures.push(error.into()),
        }
    }
    print(&text)?;
    CliError::all(failures).map_or(Ok(ExitCode::SUCCESS), Err)
}
