//! `save`, `load`, `import`.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::dockerfile::remote::HttpUrl;
use crate::engine::{
    ArchiveForm, Engine, EngineError, ImportRequest, ImportSource, Input, SaveRequest, Target,
};
use crate::exec::CancelToken;
use crate::layer::Compression;
use crate::oci::Platform;
use crate::progress::Reporter;

use super::error::{CliError, ErrorKind};
use super::render::{self, Mode, Renderer};
use super::{App, colour, dumb, new_name, print, remotes, signals};

/// Write images to an archive
#[derive(Debug, clap::Args)]
pub(super) struct SaveArgs {
    /// Write to this file or directory instead of standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Form of what is written
    #[arg(long, value_enum, default_value = "docker-archive")]
    format: SaveFormat,
    /// How layers are compressed [default: as they are: those of a build are not]
    #[arg(long, value_enum)]
    compression: Option<SaveCompression>,
    /// Compress layers with gzip
    #[arg(long, conflicts_with = "compression")]
    compress: bool,
    /// Refuse images that are not for this platform
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// Names or ids
    #[arg(required = true, add = super::completions::images())]
    images: Vec<String>,
}

/// What `save` can write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SaveFormat {
    /// What `docker load` reads, which is an OCI layout, too
    DockerArchive,
    /// An OCI layout as a tar
    OciArchive,
    /// An OCI layout as a directory; images are added to one that is there
    OciDir,
}

/// How `save` compresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum SaveCompression {
    /// Not at all
    Uncompressed,
    /// gzip, which everybody reads
    Gzip,
    /// Zstandard
    Zstd,
}

pub(super) fn save(app: &App, args: &SaveArgs) -> Result<ExitCode, CliError> {
    let to = match (&args.output, args.format) {
        (Some(path), SaveFormat::OciDir) => Target::Directory(path.clone()),
        (None, SaveFormat::OciDir) => {
            return Err(CliError::new(ErrorKind::Usage, "a directory cannot be written to standard output")
                .hint("use --output"));
        }
        (Some(path), _) => Target::File(path.clone()),
        (None, _) if io::stdout().is_terminal() => {
            return Err(terminal("refusing to write an archive to a terminal", "--output"));
        }
        (None, _) => Target::Stdout,
    };
    let compression = match args.compression {
        Some(SaveCompression::Uncompressed) => Some(Compression::None),
        Some(SaveCompression::Gzip) => Some(Compression::GZIP),
        Some(SaveCompression::Zstd) => Some(Compression::ZSTD),
        None => args.compress.then_some(Compression::GZIP),
    };
    let docker = args.format == SaveFormat::DockerArchive;
    let request = SaveRequest {
        images: args.images.clone(),
        form: if docker { ArchiveForm::Docker } else { ArchiveForm::Oci },
        to,
        compression,
        platform: args.platform.clone(),
    };
    transfer(app, |engine, reporter, cancel| engine.save(&request, reporter, cancel))?;
    Ok(ExitCode::SUCCESS)
}

/// Read images from an archive
#[derive(Debug, clap::Args)]
pub(super) struct LoadArgs {
    /// Read this file, or the directory of an OCI layout, instead of standard input
    #[arg(short, long, value_name = "FILE")]
    input: Option<PathBuf>,
    /// Platform of the images that are read [default: all of an image that are there, or else this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
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
        engine.load(input(args.input.as_deref(), &mut stdin), args.platform.clone(), reporter, cancel)
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
    /// Platform of the image [default: this machine's]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]")]
    platform: Option<Platform>,
    /// The tar, a file or a URL, plain or compressed by gzip, zstd, bzip2 or xz; `-` is standard input
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
        platform: args.platform.clone(),
    };
    let url = from.and_then(Path::to_str).filter(|text| is_url(text)).map(HttpUrl::new).transpose();
    let url = url.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))?;
    let clients = remotes::from_environment();
    let image = transfer(app, |engine, reporter, cancel| {
        let mut stdin = io::stdin();
        let source = match url {
            Some(url) => ImportSource::Url(url, &clients.http),
            None => ImportSource::Input(input(from, &mut stdin)),
        };
        engine.import(source, &request, reporter, cancel)
    })?;
    print(&format!("{}\n", image.id))?;
    Ok(ExitCode::SUCCESS)
}

fn is_url(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
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
