//! `inspect`.

mod shape;

use std::process::ExitCode;

use serde_json::Value;

use crate::engine::{Engine, EngineError};
use crate::oci::Platform;

use super::completions;
use super::error::{CliError, ErrorKind};
use super::template::{Shape, Template, TemplateError};
use super::{App, print};

/// Show the details of images or containers as JSON
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Print each by a Go template, such as `{{.Id}}` or `{{json .RootFS}}`; `json` prints a compact list
    #[arg(short, long, value_name = "TEMPLATE")]
    format: Option<String>,
    /// Add sizes: how much of an image others share, how much a container has changed
    #[arg(short, long)]
    size: bool,
    /// Of several images of the name the one for this platform [default: this machine's, or else the first]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// What is looked for; without it a container, or an image if none is called so
    #[arg(long = "type", value_name = "TYPE", value_enum)]
    kind: Option<Kind>,
    /// Names or ids
    #[arg(required = true, add = completions::images())]
    names: Vec<String>,
}

/// What can be looked for.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Kind {
    Container,
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

    fn render(&self, found: &[(Value, Shape)]) -> Result<String, CliError> {
        let values = || found.iter().map(|(value, _)| value.clone()).collect::<Vec<Value>>();
        match self {
            Self::Indented => Ok(format!("{}\n", pretty(&values()))),
            Self::Compact => Ok(format!("{}\n", Value::Array(values()))),
            Self::Template(template) => {
                let line = |(value, shape): &(Value, Shape)| Ok(template.render(value, *shape)? + "\n");
                let lines: Result<String, TemplateError> = found.iter().map(line).collect();
                lines.map_err(|error| bad_template(&error))
            }
        }
    }
}

pub(super) fn run(app: &App, args: &InspectArgs) -> Result<ExitCode, CliError> {
    inspect(app, args, args.kind)
}

/// `container inspect`.
pub(super) fn containers(app: &App, args: &InspectArgs) -> Result<ExitCode, CliError> {
    inspect(app, args, Some(Kind::Container))
}

fn inspect(app: &App, args: &InspectArgs, kind: Option<Kind>) -> Result<ExitCode, CliError> {
    let format = Format::parse(args.format.as_deref().unwrap_or_default())?;
    let engine = app.engine()?;
    let (mut found, mut failures) = (Vec::new(), Vec::new());
    let kind = match (kind, &args.platform) {
        (Some(Kind::Container), Some(_)) => {
            let message = "a container is for the platform of its image, so `--platform` cannot be given";
            return Err(CliError::new(ErrorKind::Usage, message));
        }
        (None, Some(_)) => Some(Kind::Image),
        (kind, _) => kind,
    };
    for name in &args.names {
        match look(&engine, name, kind, args) {
            Ok(value) => found.push(value),
            Err(error) => failures.push(error.into()),
        }
    }
    print(&format.render(&found)?)?;
    CliError::all(failures).map_or(Ok(ExitCode::SUCCESS), Err)
}

/// What is called so, with its type.
fn look(
    engine: &Engine,
    name: &str,
    kind: Option<Kind>,
    args: &InspectArgs,
) -> Result<(Value, Shape), EngineError> {
    let container = || Ok((engine.inspect_container(name, args.size)?, Shape::Any));
    let image = || Ok((engine.inspect(name, args.platform.as_ref(), args.size)?, shape::IMAGE));
    match kind {
        Some(Kind::Container) => container(),
        Some(Kind::Image) => image(),
        None if engine.names_container(name)? => container(),
        None => image(),
    }
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
