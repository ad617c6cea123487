//! `save`, `load`, `import`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::{Destination, Engine, EngineError, ImportRequest, Input};
use crate::exec::CancelToken;
use crate::progress::Reporter;

use super::error::{CliError, ErrorKind};
use super::render::{self, Mode, Renderer};
use super::{App, colour, dumb, new_name, print, signals};

/// Write images to an archive
#[derive(Debug, clap::Args)]
pub(super) struct SaveArgs {
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Names or ids
    #[arg(required = true, add = super::completions::images())]
    images: Vec<String>,
}

pub(super) fn save(app: &App, args: &SaveArgs) -> Result<ExitCode, CliError> {
    if args.output.is_none() && io::stdout().is_terminal() {
        return Err(terminal("refusing to write an archive to a terminal", "--output"));
    }
    transfer(app, |engine, reporter, cancel| {
        let mut stdout = io::stdout();
        let to = match &args.output {
            Some(path) => Destination::File(path),
            None => Destination::Stream(&mut stdout),
        };
        engine.save(&args.images, to, reporter, cancel)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Read images from an archive
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// Read this file, or the directory of an OCI layout, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Print only what was loaded
    #[arg(short, long)]
    quiet: bool,
}

pub(super) fn load(app: &App, args: &LoadArgs) -> Result<ExitCode, CliError> {
    if args.input.is_none() && io::stdin().is_terminal() {
        return Err(terminal("refusing to read an archive from a terminal", "--input"));
    }
    let loaded = transfer(app, |engine, reporter, cancel| {
        let mut stdin = io::stdin();
        engine.load(input(args.input.as_deref(), &mut stdin), reporter, cancel)
    })?;
    let mut text = String::new();
    for image in &loaded {
        if image.names.is_empty() {
            text.push_str(&format!("Loaded image ID: {}\n", image.id));
        }
        for name in &image.names {
            text.push_str(&format!("Loaded image: {}\n", name.familiar()));
        }
    }
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// Make an image of a root file system's tar
#[derive(Debug, clap::Args)]
pub(super) struct ImportArgs {
    /// Dockerfile instruction that sets the image's config, such as `CMD ["sh"]`; may be repeated
    #[arg(short, long = "change", value_name = "INSTRUCTION")]
    changes: Vec<String>,
    /// Remark for the image's history
    #[arg(short, long, value_name = "TEXT")]
    message: Option<String>,
    /// The tar, plain or compressed by gzip, zstd, bzip2 or xz; `-` is standard input
    file: PathBuf,
    /// Name of the image
    name: Option<String>,
}

pub(super) fn import(app: &App, args: &ImportArgs) -> Result<ExitCode, CliError> {
    let from = Some(args.file.as_path()).filter(|path| *path != Path::new("-"));
    if from.is_none() && io::stdin().is_terminal() {
        return Err(terminal("refusing to read a tar from a terminal", "a file"));
    }
    let request = ImportRequest {
        changes: args.changes.clone(),
        name: args.name.as_deref().map(new_name).transpose()?,
        message: args.message.clone(),
    };
    let image = transfer(app, |engine, reporter, cancel| {
        let mut stdin = io::stdin();
        engine.import(input(from, &mut stdin), &request, reporter, cancel)
    })?;
    print(&format!("{}\n", image.id))?;
    Ok(ExitCode::SUCCESS)
}

fn input<'a>(path: Option<&'a Path>, stdin: &'a mut io::Stdin) -> Input<'a> {
    match path {
        Some(path) => Input::Path(path),
        None => Input::Stream(stdin),
    }
}

pub(super) fn terminal(message: &str, flag: &str) -> CliError {
    CliError::new(ErrorKind::General, message).hint(format!("use {flag}, or a pipe"))
}

/// Does something that moves an archive: with progress on a terminal, and an end on Ctrl-C.
pub(super) fn transfer<T>(
    app: &App,
    act: impl FnOnce(&Engine, &Reporter, &CancelToken) -> Result<T, EngineError>,
) -> Result<T, CliError> {
    let cancel = CancelToken::new().map_err(|error| CliError::from_error(ErrorKind::General, &error))?;
    let on_signal = cancel.clone();
    signals::on_interrupt(move |_| on_signal.cancel())?;
    let engine = app.engine()?;
    let stderr = io::stderr();
    // Progress of an archive is worth a line only where it can be drawn over.
    let mode = if stderr.is_terminal() { Mode::Tty } else { Mode::Quiet };
    let renderer: Arc<dyn Renderer> = render::on_stderr(mode, colour(&stderr), dumb());
    let result = act(&engine, &Reporter::new(renderer.clone()), &cancel);
    renderer.finish();
    Ok(result?)
}
