//! `inspect`.

mod shape;

use std::process::ExitCode;

use serde_json::Value;

use super::completions;
use super::error::{CliError, ErrorKind};
use super::template::{Template, TemplateError};
use super::{App, print};

/// Show an image's details as JSON
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Print each image by a Go template, such as `{{.Id}}` or `{{json .RootFS}}`; `json` prints a compact list
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Add how much of the size other images share
    #[arg(short, long)]
    size: bool,
    /// What is looked for; there are only images
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    kind: Option<Kind>,
    /// Names or ids
    #[arg(required = true, add = completions::images())]
    images: Vec<String>,
}

/// What can be looked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Image,
}

/// What is printed of the images that were found.
enum Format {
    /// A list of them as JSON, for people.
    Indented,
    /// The same for programs.
    Compact,
    /// A line for each.
    Template(Template),
}

impl Format {
    fn parse(text: &str) -> Result<Self, CliError> {
        match text {
            "" => Ok(Self::Indented),
            "json" => Ok(Self::Compact),
            text => Template::parse(text).map(Self::Template).map_err(|error| bad_template(&error)),
        }
    }

    fn render(&self, images: &[Value]) -> Result<String, CliError> {
        match self {
            Self::Indented => Ok(format!("{}\n", pretty(images))),
            Self::Compact => Ok(format!("{}\n", Value::Array(images.to_vec()))),
            Self::Template(template) => {
                let line = |image| Ok(template.render(image, shape::IMAGE)? + "\n");
                let lines: Result<String, TemplateError> = images.iter().map(line).collect();
                lines.map_err(|error| bad_template(&error))
            }
        }
    }
}

pub(super) fn run(app: &App, args: &InspectArgs) -> Result<ExitCode, CliError> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    // Images are all that there is, so that it does not matter whether the user says so.
    let Kind::Image = args.kind.unwrap_or(Kind::Image);
    let engine = app.engine()?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    for image in &args.images {
        match engine.inspect(image, args.size) {
            Ok(value) => found.push(value),
            Err(error) => failures.push(error.into()),
        }
    }
    print(&format.render(&found)?)?;
    CliError::all(failures).map_or(Ok(ExitCode::SUCCESS), Err)
}

fn bad_template(error: &TemplateError) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot use the template of `--format`")
}

/// JSON indented by four spaces, as Docker prints it.
pub(super) fn pretty(values: &(impl serde::Serialize + ?Sized)) -> String {
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing JSON values into memory cannot fail.
    let _ = values.serialize(&mut serializer);
    String::from_utf8_lossy(&bytes).into_owned()
}
