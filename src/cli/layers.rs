//! `layers`: what the layers of an image hold, and what later layers waste of it.

mod page;

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::engine::{LayerReport, LayerUse, Wasted};

use super::error::{CliError, ErrorKind};
use super::table::Table;
use super::{App, complain, completions, human, inspect, print};

/// Show what the layers of an image hold, and what later layers waste of it
#[derive(Debug, clap::Args)]
pub(super) struct LayersArgs {
    /// Print `table` or `json`
    #[arg(long, value_enum, default_value_t = Format::Table, value_name = "FORMAT")]
    format: Format,
    /// Write a page with a map of the image to this file instead: open it in a browser
    #[arg(long, value_name = "FILE", conflicts_with = "format")]
    html: Option<PathBuf>,
    /// Print instructions in full
    #[arg(long)]
    no_trunc: bool,
    /// How many of the paths are listed that waste the most
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    top: usize,
    /// Name or id of the image
    #[arg(add = completions::images())]
    image: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Json,
}

/// How much of an instruction a line shows.
const INSTRUCTION_WIDTH: usize = 60;

pub(super) fn run(app: &App, args: &LayersArgs) -> Result<ExitCode, CliError> {
    let report = app.engine()?.layers(&args.image)?;
    if let Some(path) = &args.html {
        fs::write(path, page::render(&report)).map_err(|error| {
            CliError::from_error(ErrorKind::General, &error)
                .context(format!("cannot write `{}`", path.display()))
        })?;
        complain(&format!("written to {}\n", path.display()));
        return Ok(ExitCode::SUCCESS);
    }
    let text = match args.format {
        Format::Table => text(&report, args),
        Format::Json => format!("{}\n", inspect::pretty(&json(&report, args.top))),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn text(report: &LayerReport, args: &LayersArgs) -> String {
    let mut table = Table::new(["LAYER", "ID", "SIZE", "ENTRIES", "WASTED", "CREATED BY"]);
    for (i, layer) in report.layers.iter().enumerate() {
        let by = instruction(layer);
        table.row([
            (i + 1).to_string(),
            layer.diff_id.digest().short(),
            human::size(layer.usage.size),
            layer.entries.to_string(),
            human::size(layer.usage.hidden),
            if args.no_trunc { by } else { human::cut(&by, INSTRUCTION_WIDTH) },
        ]);
    }
    let mut text = table.render();
    let (size, hidden) = (report.size(), report.hidden());
    text.push_str(&format!(
        "\n{} in all, {} wasted ({})\n",
        human::size(size),
        human::size(hidden),
        percent(hidden, size)
    ));
    if hidden > 0 && args.top > 0 {
        let mut table = Table::new(["WASTED", "LAYERS", "BY LAYER", "PATH"]);
        for wasted in report.wasted.iter().take(args.top) {
            let path = format!("/{}", human::path(wasted.path.as_bytes()));
            table.row([human::size(wasted.size), numbers(wasted), how(wasted), path]);
        }
        text.push('\n');
        text.push_str(&table.render());
    }
    text
}

/// The instruction that made a layer, in one line.
fn instruction(layer: &LayerUse) -> String {
    let by = layer.history.as_ref().and_then(|entry| entry.created_by.as_deref()).unwrap_or_default();
    by.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn numbers(wasted: &Wasted) -> String {
    wasted.layers.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn how(wasted: &Wasted) -> String {
    format!("{} {}", if wasted.deleted { "deleted in" } else { "replaced in" }, wasted.by)
}

fn percent(part: u64, whole: u64) -> String {
    match whole {
        0 => "0%".to_owned(),
        whole => format!("{:.1}%", part as f64 * 100.0 / whole as f64),
    }
}

fn json(report: &LayerReport, top: usize) -> Value {
    let layer = |layer: &LayerUse| {
        json!({
            "Id": layer.diff_id.to_string(),
            "CreatedBy": layer.history.as_ref().and_then(|entry| entry.created_by.clone()).unwrap_or_default(),
            "Created": layer.history.as_ref().and_then(|entry| entry.created.clone()).unwrap_or_default(),
            "Size": layer.usage.size,
            "Files": layer.usage.files,
            "Entries": layer.entries,
            "Wasted": layer.usage.hidden,
        })
    };
    let wasted = |one: &Wasted| {
        json!({
            "Path": format!("/{}", human::path(one.path.as_bytes())),
            "Size": one.size,
            "Layers": one.layers,
            "ByLayer": one.by,
            "Deleted": one.deleted,
        })
    };
    json!({
        "Id": report.id.to_string(),
        "Names": report.names,
        "Size": report.size(),
        "Wasted": report.hidden(),
        "Layers": report.layers.iter().map(layer).collect::<Vec<_>>(),
        "WastedPaths": report.wasted.iter().take(top).map(wasted).collect::<Vec<_>>(),
    })
}
