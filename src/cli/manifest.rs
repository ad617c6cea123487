//! `manifest inspect`.

use std::io::{self, Write};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::engine::StoredDocument;

use super::error::{CliError, ErrorKind};
use super::{App, completions, inspect, print};

/// Manifests
#[derive(Debug, clap::Subcommand)]
pub(super) enum ManifestCommand {
    /// Show the manifest of an image in the store, or the index that a name stands for
    Inspect(InspectArgs),
}

/// Show the manifest of an image in the store, or the index that a name stands for
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Print it byte for byte, as its digest has it
    #[arg(long, conflicts_with = "verbose")]
    raw: bool,
    /// Print its descriptor, too, and with an index the manifests of it that are in the store
    #[arg(short, long)]
    verbose: bool,
    /// Name or id of the image
    #[arg(add = completions::images())]
    image: String,
}

pub(super) fn run(app: &App, command: &ManifestCommand) -> Result<ExitCode, CliError> {
    let ManifestCommand::Inspect(args) = command;
    let document = app.engine()?.document(&args.image)?;
    if args.raw {
        return raw(&document.bytes);
    }
    let value = match (args.verbose, document.manifests.as_slice()) {
        (false, _) => parsed(&document),
        (true, []) => verbose(&document),
        (true, manifests) => manifests.iter().map(verbose).collect(),
    };
    print(&format!("{}\n", inspect::pretty(&value)))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints a document byte for byte.
pub(super) fn raw(bytes: &[u8]) -> Result<ExitCode, CliError> {
    match io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(CliError::from_error(ErrorKind::General, &error).context("cannot write to standard output"))
        }
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn parsed(document: &StoredDocument) -> Value {
    // It was read as JSON before.
    serde_json::from_slice(&document.bytes).unwrap_or_default()
}

/// What `docker manifest inspect --verbose` prints.
fn verbose(document: &StoredDocument) -> Value {
    let mut descriptor = json!({
        "mediaType": document.media_type,
        "digest": document.digest.to_string(),
        "size": document.bytes.len(),
    });
    if let Some(platform) = &document.platform {
        descriptor["platform"] = json!(platform);
    }
    let kind = if document.media_type.contains("docker") { "SchemaV2Manifest" } else { "OCIManifest" };
    json!({ "Ref": document.name, "Descriptor": descriptor, kind: parsed(document) })
}
