//! `build --check` and `build --call`: what is said of a build instead of building.

mod excerpt;
mod json;
mod sarif;
mod text;

use std::process::ExitCode;
use std::sync::Arc;

use crate::diagnostic::Source;
use crate::engine::{BuildRequest, Checked, Inspection};
use crate::lint::Finding;
use crate::progress::{Reporter, Silent};

use super::build::interruptible;
use super::error::{CliError, ErrorKind};
use super::{App, explain, host, print};

/// The flags that ask for something else than a build.
#[derive(Debug, clap::Args)]
pub(super) struct CallArgs {
    /// Look for mistakes instead of building; short for `--call check`
    #[arg(long)]
    check: bool,
    /// Say something of the build instead: `check`, `outline` or `targets`, with `,format=json` behind it
    #[arg(long, value_name = "METHOD")]
    call: Option<String>,
    /// How the answer to `--check` or `--call` is written
    #[arg(long, value_enum)]
    format: Option<Format>,
}

impl CallArgs {
    /// What they ask for.
    pub(super) fn call(&self) -> Result<Call, CliError> {
        Call::parse(self.check, self.call.as_deref(), self.format)
    }
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    /// A build.
    Build,
    /// Its warnings.
    Check,
    /// What its target can be given.
    Outline,
    /// What could be built.
    Targets,
}

/// How it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// For people
    Text,
    /// For programs
    Json,
    /// For programs that show findings: SARIF 2.1.0
    Sarif,
}

/// What is asked for, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Call {
    pub(super) method: Method,
    format: Format,
}

impl Call {
    /// Reads `--check`, `--call METHOD[,format=FORMAT]` and `--format`.
    fn parse(check: bool, call: Option<&str>, format: Option<Format>) -> Result<Self, CliError> {
        let usage = |message: String| CliError::new(ErrorKind::Usage, message);
        let mut fields = call.unwrap_or("build").split(',').map(str::trim);
        let method = match fields.next().unwrap_or_default() {
            "build" => Method::Build,
            // The name of BuildKit's request for it.
            "check" | "lint" => Method::Check,
            "outline" => Method::Outline,
            "targets" => Method::Targets,
            other => {
                return Err(usage(format!("`--call {other}` is unknown")).hint(
                    "it can be `build`, `check`, `outline` or `targets`, with `,format=json` behind it",
                ));
            }
        };
        let method = match (check, call) {
            (true, None) => Method::Check,
            (true, Some(_)) if method != Method::Check => {
                return Err(usage("`--check` and `--call` ask for different things".to_owned())
                    .hint("`--check` is short for `--call check`"));
            }
            _ => method,
        };
        let mut chosen = format;
        for field in fields {
            let asked = match field.split_once('=') {
                Some(("format", "text")) => Format::Text,
                Some(("format", "json")) => Format::Json,
                Some(("format", "sarif")) => Format::Sarif,
                _ => {
                    return Err(usage(format!("`{field}` in `--call` is unknown"))
                        .hint("it can be `format=text`, `format=json` or `format=sarif`"));
                }
            };
            if chosen.is_some_and(|chosen| chosen != asked) {
                return Err(usage("two different formats are asked for".to_owned()));
            }
            chosen = Some(asked);
        }
        match (method, chosen) {
            (Method::Build, Some(_)) => {
                Err(usage("`--format` is for `--check` and `--call`, not for a build".to_owned()))
            }
            (Method::Outline | Method::Targets, Some(Format::Sarif)) => {
                Err(usage("`format=sarif` is for `--call check` only".to_owned()))
            }
            (method, chosen) => Ok(Self { method, format: chosen.unwrap_or(Format::Text) }),
        }
    }
}

/// Answers a call that is no build.
pub(super) fn run(app: &App, call: Call, request: &BuildRequest) -> Result<ExitCode, CliError> {
    let cancel = interruptible()?;
    let inspection = match Inspection::in_place(request, &host(), &cancel)? {
        Some(inspection) => inspection,
        None => app.engine()?.inspect_build(request, &Reporter::new(Arc::new(Silent)), &cancel)?,
    };
    let source = inspection.source();
    let text = match (call.method, call.format) {
        (Method::Outline, Format::Text) => text::outline(&inspection.outline()?),
        (Method::Outline, _) => json::outline(source, &inspection.outline()?),
        (Method::Targets, Format::Text) => text::targets(&inspection.targets()?),
        (Method::Targets, _) => json::targets(source, &inspection.targets()?),
        (Method::Check | Method::Build, format) => return check(format, &inspection.check()?),
    };
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn check(format: Format, checked: &Checked) -> Result<ExitCode, CliError> {
    if let Some(hints) = hints(checked) {
        super::complain(&hints);
    }
    match format {
        Format::Text => print(&text::check(checked))?,
        Format::Json => print(&json::check(checked))?,
        Format::Sarif => print(&sarif::check(checked))?,
    }
    if format == Format::Text && !checked.errors.is_empty() {
        return Err(CliError::drawn(ErrorKind::General, explain::draw(&checked.source, &checked.errors)));
    }
    let clean = checked.findings.is_empty() && checked.errors.is_empty();
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(ErrorKind::General.code()) })
}

fn hints(checked: &Checked) -> Option<String> {
    let drawn = explain::draw(&checked.source, &checked.hints);
    (!drawn.is_empty()).then_some(drawn)
}

/// The warnings of a build for its end: each with its place, then how many there are.
pub(super) fn warnings(checked: &Checked) -> String {
    let mut text = String::new();
    if let Some(hints) = hints(checked) {
        text.push_str(&hints);
        text.push('\n');
    }
    for finding in &checked.findings {
        text.push_str(&explain::draw(&checked.source, std::slice::from_ref(&finding.diagnostic)));
        text.push('\n');
    }
    match checked.findings.len() {
        0 => {}
        1 => text.push_str("1 warning found\n"),
        count => text.push_str(&format!("{count} warnings found\n")),
    }
    text
}

/// The lines that BuildKit gives as a finding's place: those of the whole instruction.
fn lines(source: &Source, finding: &Finding) -> Option<(u32, u32)> {
    let lines = source.line_range(finding.statement?);
    if finding.rule.name == "NoEmptyContinuation" {
        return Some((*lines.end(), *lines.end()));
    }
    Some((*lines.start(), *lines.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_read() {
        let read = |check, call, format| Call::parse(check, call, format).map_err(|error| error.kind());
        let call = |method, format| Ok(Call { method, format });
        for (check, text, format, expected) in [
            (false, None, None, call(Method::Build, Format::Text)),
            (true, None, None, call(Method::Check, Format::Text)),
            (true, None, Some(Format::Sarif), call(Method::Check, Format::Sarif)),
            (false, Some("check,format=json"), None, call(Method::Check, Format::Json)),
            (true, Some("lint"), None, call(Method::Check, Format::Text)),
            (false, Some("targets"), Some(Format::Json), call(Method::Targets, Format::Json)),
            (false, Some("outline,format=text"), None, call(Method::Outline, Format::Text)),
            (true, Some("outline"), None, Err(ErrorKind::Usage)),
            (false, Some("check,format=xml"), None, Err(ErrorKind::Usage)),
            (false, Some("check,json"), None, Err(ErrorKind::Usage)),
            (false, Some("check,format=json"), Some(Format::Text), Err(ErrorKind::Usage)),
            (false, Some("outline"), Some(Format::Sarif), Err(ErrorKind::Usage)),
            (false, Some(""), None, Err(ErrorKind::Usage)),
            (false, None, Some(Format::Json), Err(ErrorKind::Usage)),
        ] {
            assert_eq!(read(check, text, format), expected, "{check} {text:?} {format:?}");
        }
    }
}
