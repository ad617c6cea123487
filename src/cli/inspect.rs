//! `inspect`.

use std::process::ExitCode;

use super::error::{CliError, ErrorKind};
use super::template::{Template, TemplateError};
use super::{App, print};

/// Show an image's details as JSON
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Print each image by a Go template, such as `{{.Id}}` or `{{json .RootFS}}`; `json` prints compact JSON
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Names or ids
    #[arg(required = true)]
    images: Vec<String>,
}

pub(super) fn run(app: &App, args: &InspectArgs) -> Result<ExitCode, CliError> {
    let template = match args.format.as_deref() {
        None => None,
        Some("json") => Some(Template::parse("{{json .}}").map_err(|error| bad_template(&error))?),
        Some(text) => Some(Template::parse(text).map_err(|error| bad_template(&error))?),
    };
    let engine = app.engine()?;
    let mut found = Vec::new();
    let mut failure = None;
    for image in &args.images {
        match engine.inspect(image) {
            Ok(value) => found.push(value),
            Err(error) => failure = failure.or(Some(error)),
        }
    }
    let text = match template {
        Some(template) => {
            let lines: Result<Vec<String>, TemplateError> =
                found.iter().map(|value| template.render(value)).collect();
            lines.map_err(|error| bad_template(&error))?.iter().map(|line| format!("{line}\n")).collect()
        }
        None => format!("{}\n", pretty(&found)),
    };
    print(&text)?;
    match failure {
        Some(error) => Err(error.into()),
        None => Ok(ExitCode::SUCCESS),
    }
}

fn bad_template(error: &TemplateError) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot use the template of `--format`")
}

/// JSON indented by four spaces, as Docker prints it.
fn pretty(values: &[serde_json::Value]) -> String {
    use serde::Serialize;
    let mut bytes = Vec::new();
    let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
    // Writing JSON values into memory cannot fail.
    let _ = values.serialize(&mut serializer);
    String::from_utf8_lossy(&bytes).into_owned()
}
