//! `pull` and `push`.

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use clap::ValueEnum;

use crate::engine::{Engine, EngineError, PullReport, PullRequest, PushReport};
use crate::exec::CancelToken;
use crate::oci::{Platform, Reference};
use crate::progress::Reporter;
use crate::registry::Registries;

use super::build::interruptible;
use super::error::{CliError, ErrorKind};
use super::render::{self, Mode, Renderer};
use super::{App, colour, dumb, print, reference, remotes};

/// How the result is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// As JSON, an object a line
    Json,
}

/// Bring images of a registry into the store
#[derive(Debug, clap::Args)]
pub(super) struct PullArgs {
    /// Bring all images of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Platform of the image, such as `linux/arm64` [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", env = "DOCKER_DEFAULT_PLATFORM", hide_env = true)]
    platform: Option<String>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    progress: Mode,
    /// Print only the name
    #[arg(short, long)]
    quiet: bool,
    /// Print the result in another form
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "quiet")]
    format: Option<Format>,
    /// `name[:tag]` or `name@digest`
    name: String,
}

pub(super) fn pull(app: &App, args: &PullArgs) -> Result<ExitCode, CliError> {
    let name = reference(&args.name)?;
    if args.all_tags {
        refuse_tag(&args.name, &name)?;
    }
    let platform = args.platform.as_deref().filter(|text| !text.is_empty()).map(str::parse).transpose();
    let platform = platform.map_err(|error: crate::oci::platform::PlatformError| {
        CliError::from_error(ErrorKind::Usage, &error)
    })?;
    let talks = !args.quiet && args.format.is_none();
    if talks {
        if !args.all_tags && !args.name.contains('@') && !has_tag(&args.name) {
            print("Using default tag: latest\n")?;
        }
        if let (Some(tag), false) = (name.tag(), args.all_tags) {
            print(&format!("{tag}: Pulling from {}\n", name.path()))?;
        }
    }
    let request = PullRequest { reference: name, platform, all_tags: args.all_tags };
    let mode = if args.quiet { Mode::Quiet } else { args.progress };
    let reports = transfer(app, mode, |engine, registries, reporter, cancel| {
        engine.pull(registries, &request, reporter, cancel)
    })?;
    for report in &reports {
        print(&match args.format {
            Some(Format::Json) => format!("{}\n", pulled_json(report)),
            None if args.quiet => format!("{}\n", report.reference),
            None => pulled_text(report),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Docker's last lines.
fn pulled_text(report: &PullReport) -> String {
    let PullReport { reference, pulled } = report;
    let status = if pulled.is_new { "Downloaded newer image for" } else { "Image is up to date for" };
    let shown = reference.familiar();
    format!("Digest: {}\nStatus: {status} {shown}\n{reference}\n", pulled.digest)
}

fn pulled_json(report: &PullReport) -> serde_json::Value {
    let PullReport { reference, pulled } = report;
    serde_json::json!({
        "reference": reference.to_string(),
        "digest": pulled.digest.to_string(),
        "manifest": pulled.manifest.to_string(),
        "id": pulled.id.to_string(),
        "isNew": pulled.is_new,
    })
}

/// Bring images of the store into a registry
#[derive(Debug, clap::Args)]
pub(super) struct PushArgs {
    /// Push all images of the repository
    #[arg(short, long)]
    all_tags: bool,
    /// Push only the image for this platform [default: all that the name stands for]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    progress: Mode,
    /// Print only the name
    #[arg(short, long)]
    quiet: bool,
    /// Print the result in another form
    #[arg(long, value_enum, value_name = "FORMAT", conflicts_with = "quiet")]
    format: Option<Format>,
    /// `name[:tag]`, which names an image in the store and says where it goes
    #[arg(add = super::completions::images())]
    name: String,
}

pub(super) fn push(app: &App, args: &PushArgs) -> Result<ExitCode, CliError> {
    let name = reference(&args.name)?;
    if name.digest().is_some() {
        let message = format!("`{}` has a digest, which cannot be given to an image", args.name);
        return Err(CliError::new(ErrorKind::Usage, message).hint("push it by a tag, such as `name:1.0`"));
    }
    if args.all_tags {
        refuse_tag(&args.name, &name)?;
    }
    if !args.quiet && args.format.is_none() {
        let implied = !args.all_tags && !has_tag(&args.name);
        let tag = if implied { "Using default tag: latest\n" } else { "" };
        print(&format!("{tag}The push refers to repository [{}]\n", name.name()))?;
    }
    let mode = if args.quiet { Mode::Quiet } else { args.progress };
    let reports = transfer(app, mode, |engine, registries, reporter, cancel| {
        engine.push(registries, &name, args.all_tags, args.platform.as_ref(), reporter, cancel)
    })?;
    for report in &reports {
        print(&match args.format {
            Some(Format::Json) => format!("{}\n", pushed_json(report)),
            None if args.quiet => format!("{}\n", report.reference),
            None => pushed_text(report),
        })?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Docker's last line.
fn pushed_text(PushReport { reference, manifest }: &PushReport) -> String {
    let tag = reference.tag().unwrap_or_default();
    format!("{tag}: digest: {} size: {}\n", manifest.digest, manifest.size)
}

fn pushed_json(PushReport { reference, manifest }: &PushReport) -> serde_json::Value {
    serde_json::json!({
        "reference": reference.to_string(),
        "digest": manifest.digest.to_string(),
        "size": manifest.size,
    })
}

/// Whether a name was typed with a tag.
fn has_tag(text: &str) -> bool {
    text.rsplit('/').next().is_some_and(|last| last.contains(':'))
}

fn refuse_tag(text: &str, name: &Reference) -> Result<(), CliError> {
    if has_tag(text) || name.digest().is_some() {
        let message = format!("`{text}` names one image, and `--all-tags` all of a repository");
        return Err(CliError::new(ErrorKind::Usage, message)
            .hint(format!("write `{}`, or leave `--all-tags` out", name.familiar_name())));
    }
    Ok(())
}

/// Does something with registries, with progress, and an end on Ctrl-C.
pub(super) fn transfer<T>(
    app: &App,
    mode: Mode,
    act: impl FnOnce(&Engine, &Registries, &Reporter, &CancelToken) -> Result<T, EngineError>,
) -> Result<T, CliError> {
    let registries = remotes::registries(app);
    let cancel = interruptible()?;
    let engine = app.engine()?;
    let stderr = io::stderr();
    let renderer: Arc<dyn Renderer> = render::on_stderr(mode, colour(&stderr), dumb());
    let result = act(&engine, &registries, &Reporter::new(renderer.clone()), &cancel);
    renderer.finish();
    Ok(result?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_told_from_ports() {
        for (text, expected) in [
            ("a", false),
            ("a:1", true),
            ("localhost:5000/a", false),
            ("localhost:5000/a:1", true),
            ("a/b", false),
        ] {
            assert_eq!(has_tag(text), expected, "{text}");
        }
    }
}
