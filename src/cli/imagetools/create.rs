//! `imagetools create`.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::json;

use crate::engine::{Annotation, AnnotationError, GivenSource, GivenSourceError, IndexRequest, NewIndex};
use crate::oci::Platform;
use crate::oci::manifest::DOCUMENT_MAX;

use super::super::error::{CliError, ErrorKind};
use super::super::render::Mode;
use super::super::result_file::ResultFile;
use super::super::transfer::transfer;
use super::super::{App, new_name, print};

/// Put an image together of others that are in registries
#[derive(Debug, clap::Args)]
pub(in super::super) struct CreateArgs {
    /// Name of the new image
    #[arg(short, long, value_name = "NAME")]
    tag: Vec<String>,
    /// Add to what the first name stands for
    #[arg(long)]
    append: bool,
    /// Print the new image and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Read a source from a file: a name, a digest or the JSON of a descriptor
    #[arg(short, long, value_name = "FILE")]
    file: Vec<PathBuf>,
    /// Annotate the index (`index:KEY=VALUE`) or what it lists (`manifest-descriptor[PLATFORM]:KEY=VALUE`)
    #[arg(long, value_name = "TYPE:KEY=VALUE")]
    annotation: Vec<String>,
    /// Take only images for these platforms, with their attestations
    #[arg(short, long, value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platform: Vec<Platform>,
    /// Make an index of a single manifest, too
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true,
          default_value_t = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    prefer_index: bool,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    progress: Mode,
    /// Write the new image's digest and names to a file, as JSON
    #[arg(long, value_name = "FILE", conflicts_with = "dry_run")]
    metadata_file: Option<PathBuf>,
    /// Names (`name[:tag]`, `name@digest`), digests or descriptors as JSON
    #[arg(value_name = "SOURCE")]
    sources: Vec<String>,
}

pub(super) fn run(app: &App, args: &CreateArgs) -> Result<ExitCode, CliError> {
    let request = request(args)?;
    let metadata = args.metadata_file.as_deref().map(ResultFile::prepare).transpose()?;
    let created = transfer(app, args.progress, |engine, registries, reporter, cancel| {
        engine.create_index(registries, &request, reporter, cancel)
    })?;
    if args.dry_run {
        print(&format!("{}\n", String::from_utf8_lossy(&created.bytes)))?;
    }
    if let Some(file) = metadata {
        file.write(&format!("{:#}\n", described(&created, &request)))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn request(args: &CreateArgs) -> Result<IndexRequest, CliError> {
    let usage = |message: &str, hint: &str| CliError::new(ErrorKind::Usage, message).hint(hint);
    if args.sources.is_empty() && args.file.is_empty() {
        return Err(usage(
            "there are no sources",
            "name images of registries, or files that do with `--file`",
        ));
    }
    if args.tag.is_empty() && !args.dry_run {
        return Err(usage(
            "the new image has no name",
            "give it one with `--tag`, or look at it with `--dry-run`",
        ));
    }
    let mut sources = Vec::new();
    for path in &args.file {
        let failed =
            |error: CliError| error.context(format!("cannot use the source in `{}`", path.display()));
        sources.push(read(path).and_then(|text| source(&text)).map_err(failed)?);
    }
    for text in &args.sources {
        sources.push(source(text)?);
    }
    let annotations: Result<Vec<Vec<Annotation>>, AnnotationError> =
        args.annotation.iter().map(|text| Annotation::parse(text)).collect();
    let annotations = annotations.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))?;
    Ok(IndexRequest {
        tags: args.tag.iter().map(|text| new_name(text)).collect::<Result<_, _>>()?,
        sources,
        append: args.append,
        prefer_index: args.prefer_index,
        platforms: args.platform.clone(),
        annotations: annotations.concat(),
        dry_run: args.dry_run,
    })
}

fn source(text: &str) -> Result<GivenSource, CliError> {
    text.parse().map_err(|error: GivenSourceError| {
        let words = CliError::from_error(ErrorKind::Usage, &error);
        error.remedy().into_iter().fold(words, CliError::hint)
    })
}

/// The text of a file that is no longer than a descriptor can be.
fn read(path: &Path) -> Result<String, CliError> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(DOCUMENT_MAX + 1).read_to_string(&mut text));
    read.map_err(|error| CliError::from_error(ErrorKind::General, &error))?;
    if text.len() as u64 > DOCUMENT_MAX {
        return Err(CliError::new(ErrorKind::Usage, format!("it has more than {DOCUMENT_MAX} bytes")));
    }
    Ok(text)
}

/// buildx's metadata.
fn described(created: &NewIndex, request: &IndexRequest) -> serde_json::Value {
    let names: Vec<String> = request.tags.iter().map(ToString::to_string).collect();
    json!({ "containerimage.descriptor": created.descriptor, "image.name": names.join(",") })
}
