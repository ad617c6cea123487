//! `history`.

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::engine::HistoryLine;
use crate::oci::Platform;

use super::error::CliError;
use super::list::{Fields, ListFormat};
use super::template::{Field, Shape};
use super::{App, human, print};

/// Show how an image was made
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Print `table`, `json`, or a Go template, such as `{{.ID}}: {{.CreatedBy}}`
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// Print sizes and dates for people; `--human=false` prints bytes and times
    #[arg(short = 'H', long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    human: bool,
    /// Print ids and instructions in full
    #[arg(long)]
    no_trunc: bool,
    /// Print only ids
    #[arg(short, long)]
    quiet: bool,
    /// Of several images of the name the one for this platform [default: this machine's, or else the first]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Name or id of the image
    #[arg(add = super::completions::images())]
    image: String,
}

const FIELDS: Fields = Fields {
    shape: &[
        Field::new("ID", Shape::Text),
        Field::new("CreatedSince", Shape::Text),
        Field::new("CreatedAt", Shape::Text),
        Field::new("CreatedBy", Shape::Text),
        Field::new("Size", Shape::Text),
        Field::new("Comment", Shape::Text),
    ],
    headers: &["IMAGE", "CREATED", "CREATED AT", "CREATED BY", "SIZE", "COMMENT"],
};

const TABLE: &str = "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";
const TABLE_OF_NUMBERS: &str = "{{.ID}}\t{{.CreatedAt}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}";

/// How much of an instruction a line shows.
const INSTRUCTION_WIDTH: usize = 45;

pub(super) fn run(app: &App, args: &HistoryArgs) -> Result<ExitCode, CliError> {
    let table = if args.human { TABLE } else { TABLE_OF_NUMBERS };
    let format = ListFormat::parse(args.format.as_deref(), table)?;
    let lines = app.engine()?.history(&args.image, args.platform.as_ref())?;
    let text = if args.quiet {
        lines.iter().map(|line| format!("{}\n", line_id(line, args.no_trunc))).collect()
    } else {
        let now = jiff::Timestamp::now();
        let rows: Vec<Value> = lines.iter().map(|line| row(line, args, now)).collect();
        format.render(FIELDS, &rows)?
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn row(line: &HistoryLine, args: &HistoryArgs, now: jiff::Timestamp) -> Value {
    let by = line.entry.created_by.as_deref().unwrap_or_default().replace(['\n', '\t'], " ");
    let created = line.entry.created.as_deref();
    // Docker has whole seconds here.
    let at = created.and_then(|time| time.parse::<jiff::Timestamp>().ok());
    let at = at.map_or_else(String::new, |time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    json!({
        "ID": line_id(line, args.no_trunc),
        "CreatedSince": if args.human { human::ago(created, now) } else { at.clone() },
        "CreatedAt": at,
        "CreatedBy": if args.no_trunc { by } else { human::cut(&by, INSTRUCTION_WIDTH) },
        "Size": if args.human { human::size(line.size) } else { line.size.to_string() },
        "Comment": line.entry.comment.clone().unwrap_or_default(),
    })
}

fn line_id(line: &HistoryLine, full: bool) -> String {
    match &line.image {
        None => "<missing>".to_owned(),
        Some(id) if full => id.to_string(),
        Some(id) => id.digest().short(),
    }
}
