//! `images`, `tag`, `rmi`.

mod rows;
mod tree;

use std::process::ExitCode;

use crate::engine::{EngineError, ImageFilter, ImageSummary, Removed};

use super::completions;
use super::error::CliError;
use super::list::ListFormat;
use super::{App, new_name, print};

/// List images
#[derive(Debug, clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct ImagesArgs {
    /// All images; none is hidden without it
    #[arg(short, long)]
    all: bool,
    /// Show digests of manifests
    #[arg(long)]
    digests: bool,
    /// Only some: `before=IMAGE`, `since=IMAGE`, `until=TIME`, `dangling=BOOL`, `label=NAME[=VALUE]`,
    /// `reference=PATTERN`; may be repeated
    #[arg(short, long, value_name = "FILTER")]
    filter: Vec<String>,
    /// Print `table`, `json`, or a Go template, such as `{{.ID}}: {{.Size}}` or `table {{.Tag}}\t{{.ID}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print ids in full
    #[arg(long)]
    no_trunc: bool,
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
    /// Draw which images have layers in common
    #[arg(long, conflicts_with_all = ["digests", "format", "no_trunc", "quiet"])]
    tree: bool,
    /// Only images of this name, which may have `*`, `?` and `[…]`
    #[arg(value_name = "NAME[:TAG]", add = completions::images())]
    name: Option<String>,
}

pub(super) fn list(app: &App, args: &ImagesArgs) -> Result<ExitCode, CliError> {
    let format =
        ListFormat::parse(args.format.as_deref().map(rows::template).as_deref(), &rows::table(args.digests))?;
    let filter = filter(args)?;
    let images = app.engine()?.images(&filter)?;
    let text = if args.tree {
        tree::draw(&images)
    } else if args.quiet && args.format.is_none() {
        ids(&images, args.no_trunc)
    } else {
        format.render(rows::FIELDS, &rows::of(&images, args.no_trunc, jiff::Timestamp::now()))?
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn filter(args: &ImagesArgs) -> Result<ImageFilter, CliError> {
    let now = jiff::Timestamp::now();
    let mut filter = ImageFilter::default();
    for text in &args.filter {
        filter.add(text, now).map_err(EngineError::from)?;
    }
    if let Some(name) = &args.name {
        // A name is checked as one, so that a mistake in it is told.
        if !name.contains(['*', '?', '[', '\\']) {
            super::reference(name)?;
        }
        filter.add_reference(name).map_err(EngineError::from)?;
    }
    Ok(filter)
}

fn ids(images: &[ImageSummary], full: bool) -> String {
    images.iter().map(|image| format!("{}\n", id(image, full))).collect()
}

fn id(image: &ImageSummary, full: bool) -> String {
    if full { image.id.to_string() } else { image.id.short() }
}

/// Give an image another name
#[derive(Debug, clap::Args)]
pub(super) struct TagArgs {
    /// Name or id of the image
    #[arg(add = completions::images())]
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
    #[arg(required = true, add = completions::images())]
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
