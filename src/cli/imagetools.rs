//! `imagetools`, buildx's commands for images in registries: `inspect`.

mod create;
mod shape;

use std::process::ExitCode;

use serde_json::{Map, Value, json};

use crate::engine::{Attestations, EngineError, RemoteImages, RemoteLook, look_at_remote};
use crate::exec::CancelToken;
use crate::oci::Entry;
use crate::registry::Registries;

use super::build::interruptible;
use super::error::{CliError, ErrorKind};
use super::template::{Template, TemplateError};
use super::{App, human, manifest, print, reference, remotes};

/// Images in registries, without bringing them
#[derive(Debug, clap::Subcommand)]
pub(super) enum ImagetoolsCommand {
    /// Put an image together of others that are in registries
    Create(Box<create::CreateArgs>),
    /// Show what a name stands for in its registry
    Inspect(InspectArgs),
}

/// Show what a name stands for in its registry
#[derive(Debug, clap::Args)]
pub(super) struct InspectArgs {
    /// Print it by a Go template with `.Name`, `.Manifest`, `.Image`, `.Provenance` and `.SBOM`
    #[arg(long, value_name = "TEMPLATE", conflicts_with = "raw")]
    format: Option<String>,
    /// Print the manifest or the index byte for byte
    #[arg(long)]
    raw: bool,
    /// `name[:tag]` or `name@digest`
    name: String,
}

pub(super) fn run(app: &App, command: &ImagetoolsCommand) -> Result<ExitCode, CliError> {
    match command {
        ImagetoolsCommand::Create(args) => create::run(app, args),
        ImagetoolsCommand::Inspect(args) => inspect(app, args),
    }
}

fn inspect(app: &App, args: &InspectArgs) -> Result<ExitCode, CliError> {
    let name = reference(&args.name)?;
    // What buildx takes for its own form.
    let format =
        args.format.as_deref().filter(|text| !matches!(text.replace(' ', "").as_str(), "" | "{{.Manifest}}"));
    let template = format.map(|text| Template::parse(text).map_err(|error| bad_template(&error)));
    let template = template.transpose()?;
    let (registries, cancel) = (remotes::registries(app), interruptible()?);
    let look = look_at_remote(&registries, &name, &cancel).map_err(|error| absent(app, &args.name, error))?;
    if args.raw {
        return manifest::raw(&look.bytes);
    }
    let text = match (&template, format) {
        (Some(template), Some(format)) => {
            let shown = Shown::of(&look, format, &registries, &cancel)?;
            let value = shown.value(&args.name, &look);
            let shape = if shown.is_several() { shape::SEVERAL } else { shape::ONE };
            template.render_indented(&value, shape).map_err(|error| bad_template(&error))?
        }
        _ => text(&look),
    };
    let end = if text.ends_with('\n') { "" } else { "\n" };
    print(&format!("{text}{end}"))?;
    Ok(ExitCode::SUCCESS)
}

/// The error for a name of nothing in the registry. It may be that the store was meant.
fn absent(app: &App, name: &str, error: EngineError) -> CliError {
    let is_absent = matches!(&error, EngineError::Imagetools(error) if error.is_absent());
    let in_store = is_absent
        && app.store.as_ref().is_ok_and(|root| root.exists())
        && app.engine().is_ok_and(|engine| engine.document(name).is_ok());
    let error = CliError::from(error);
    if in_store { error.hint(format!("`strata inspect {name}` shows the one in the store")) } else { error }
}

/// What a template can show.
struct Shown {
    images: RemoteImages,
    attestations: Option<Attestations>,
}

impl Shown {
    /// Reads what the template may need: attestations can be large.
    fn of(
        look: &RemoteLook,
        format: &str,
        registries: &Registries,
        cancel: &CancelToken,
    ) -> Result<Self, CliError> {
        let images = look.images(registries, cancel)?;
        let wants_attestations = format.contains("Provenance") || format.contains("SBOM");
        let attestations = wants_attestations.then(|| look.attestations(&images, registries, cancel));
        Ok(Self { images, attestations: attestations.transpose()? })
    }

    /// Whether there are several images, which templates find by their platforms.
    fn is_several(&self) -> bool {
        self.images.configs.len() > 1
    }

    fn value(&self, name: &str, look: &RemoteLook) -> Value {
        let configs = self.images.configs.clone().into_iter().collect();
        let mut value = json!({
            "name": name,
            "manifest": described(look),
            "image": self.by_platform(configs, &Value::Null),
        });
        if let Some(attestations) = &self.attestations {
            let provenance = attestations.provenance.iter();
            let provenance =
                provenance.map(|(platform, slsa)| (platform.clone(), json!({ "SLSA": slsa }))).collect();
            let sboms = attestations.sboms.iter();
            let sboms = sboms.map(|(platform, sboms)| (platform.clone(), sbom(sboms))).collect();
            value["Provenance"] = self.by_platform(provenance, &json!({}));
            value["SBOM"] = self.by_platform(sboms, &json!({}));
        }
        value
    }

    /// A value for each image, or that of the only one.
    fn by_platform(&self, values: Map<String, Value>, none: &Value) -> Value {
        if self.is_several() {
            return Value::Object(values);
        }
        values.into_iter().next().map_or_else(|| none.clone(), |(_, value)| value)
    }
}

/// The first list of contents, and others: stages may have ones of their own.
fn sbom(all: &[Value]) -> Value {
    match all {
        [] => json!({}),
        [first] => json!({ "SPDX": first }),
        [first, others @ ..] => json!({ "SPDX": first, "AdditionalSPDXs": others }),
    }
}

/// `.Manifest`: an index with its descriptor, or the descriptor of a manifest.
fn described(look: &RemoteLook) -> Value {
    let mut value = look.listing.as_ref().map_or_else(|| json!({}), |listing| json!(listing));
    value["mediaType"] = json!(look.media_type);
    value["digest"] = look.digest.to_string().into();
    value["size"] = look.size().into();
    value
}

/// buildx's text.
fn text(look: &RemoteLook) -> String {
    let mut lines = Lines::default();
    lines.add("Name", look.name.to_string());
    lines.add("MediaType", look.media_type.to_string());
    lines.add("Digest", look.digest.to_string());
    lines.flush("");
    if let Some(listing) = &look.listing {
        // With the tag, as buildx has it.
        let tag = look.name.tag().map(|tag| format!(":{tag}")).unwrap_or_default();
        let name = format!("{}{tag}", look.name.name());
        lines.out.push_str("\nManifests:\n");
        for (i, entry) in listing.manifests.iter().enumerate() {
            if i > 0 {
                lines.gap();
            }
            lines.entry(&format!("{name}@{}", entry.digest), entry);
        }
        lines.flush("  ");
    }
    lines.out
}

/// Labels with values behind them, which begin in one column until there are labels of another kind.
#[derive(Default)]
struct Lines {
    out: String,
    /// An empty label is an empty line.
    rows: Vec<(String, String)>,
}

impl Lines {
    fn add(&mut self, label: &str, value: String) {
        self.rows.push((format!("{label}:"), value));
    }

    fn gap(&mut self) {
        self.rows.push(Default::default());
    }

    /// What an index says of something.
    fn entry(&mut self, name: &str, entry: &Entry) {
        self.add("Name", name.to_owned());
        self.add("MediaType", entry.media_type.to_string());
        if let Some(platform) = &entry.platform {
            self.add("Platform", platform.normalized().to_string());
            if let Some(version) = &platform.os_version {
                self.add("OSVersion", version.clone());
            }
            if !platform.os_features.is_empty() {
                self.add("OSFeatures", platform.os_features.join(", "));
            }
        }
        if !entry.urls.is_empty() {
            self.add("URLs", entry.urls.join(", "));
        }
        if !entry.annotations.is_empty() {
            self.add("Annotations", String::new());
            self.flush("  ");
            for (key, value) in &entry.annotations {
                self.add(key, value.clone());
            }
            self.flush("    ");
        }
    }

    fn flush(&mut self, indent: &str) {
        // Annotations and the like are whoever's words.
        let harmless = |(label, value): (String, String)| (human::harmless(&label), human::harmless(&value));
        let rows: Vec<_> = self.rows.drain(..).map(harmless).collect();
        let width = rows.iter().map(|(label, _)| label.chars().count()).max().unwrap_or_default();
        for (label, value) in rows {
            let line = format!("{indent}{label:width$} {value}");
            self.out.push_str(line.trim_end());
            self.out.push('\n');
        }
    }
}

fn bad_template(error: &TemplateError) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot use the template of `--format`")
}
