//! The text of an output.

use crate::attest::Shape;
use crate::layer::Compression;
use crate::oci::Reference;
use crate::transport::MediaTypes;

use super::annotation::Annotation;
use super::csv;
use super::error::{OutputError, OutputProblem};
use super::{
    EpochChoice, FilesOutput, ImageLook, ImageOutput, LayoutOutput, OutputForm, OutputSpec, PushChoice,
    Target,
};

/// BuildKit's attributes that have no meaning here, and why.
const MEANINGLESS: [(&str, &str); 6] = [
    ("dangling-name-prefix", FOUND),
    ("danging-name-empty-only", FOUND),
    ("dangling-name-empty-only", FOUND),
    ("name-canonical", FOUND),
    ("compatibility-version", "what a layer's tar looks like never changes"),
    ("context", "there is no daemon to load the image into"),
];

const FOUND: &str = "every image in the store is found by `NAME@DIGEST`";

pub(super) fn parse(text: &str) -> Result<OutputSpec, OutputError> {
    spec(text).map_err(|problem| OutputError { text: text.to_owned(), problem })
}

fn spec(text: &str) -> Result<OutputSpec, OutputProblem> {
    if text.is_empty() {
        return Err(OutputProblem::Empty);
    }
    if !text.contains('=') {
        let to = if text == "-" { Target::Stdout } else { Target::Directory(text.into()) };
        let form = OutputForm::Files(FilesOutput {
            to,
            split: None,
            mirror: false,
            attestation_prefix: String::new(),
        });
        return Ok(OutputSpec { form, epoch: EpochChoice::Build });
    }
    let mut attributes = Attributes::read(text)?;
    let form = match attributes.kind.as_str() {
        "image" | "registry" => image(&mut attributes)?,
        "oci" | "docker" => layout(&mut attributes)?,
        "local" | "tar" => files(&mut attributes)?,
        "cacheonly" => OutputForm::CacheOnly,
        other => return Err(OutputProblem::Type(other.to_owned())),
    };
    let epoch = match form {
        OutputForm::CacheOnly => EpochChoice::Build,
        _ => epoch(attributes.take("source-date-epoch").as_deref())?,
    };
    attributes.refuse_rest()?;
    Ok(OutputSpec { form, epoch })
}

fn image(attributes: &mut Attributes) -> Result<OutputForm, OutputProblem> {
    let registry = attributes.kind == "registry";
    let look = look(attributes, Some(Compression::GZIP))?;
    let push = attributes.boolean("push")?.unwrap_or(registry);
    let by_digest = attributes.boolean("push-by-digest")?.unwrap_or(false);
    let insecure = attributes.boolean("registry.insecure")?.unwrap_or(false);
    let store = attributes.boolean("store")?.unwrap_or(true);
    always(attributes, "unpack", "layers in the store are always unpacked")?;
    if by_digest && !push {
        return Err(OutputProblem::DigestWithoutPush);
    }
    if !store && !push {
        return Err(OutputProblem::NeitherStoredNorPushed);
    }
    if store && matches!(look.compression, Some(Compression::Estargz(_))) {
        return Err(OutputProblem::EstargzInStore);
    }
    let push = push.then_some(PushChoice { by_digest, insecure });
    Ok(OutputForm::Image(ImageOutput { look, store, push }))
}

fn layout(attributes: &mut Attributes) -> Result<OutputForm, OutputProblem> {
    let docker = attributes.kind == "docker";
    let look = look(attributes, (!docker).then_some(Compression::GZIP))?;
    // What `docker load` reads is no directory.
    let tar = if docker { true } else { attributes.boolean("tar")?.unwrap_or(true) };
    Ok(OutputForm::Layout(LayoutOutput { look, docker, to: target(attributes, tar)? }))
}

fn files(attributes: &mut Attributes) -> Result<OutputForm, OutputProblem> {
    let tar = attributes.kind == "tar";
    let split = attributes.boolean("platform-split")?;
    let mode = if tar { None } else { attributes.take("mode") };
    let mirror = match mode.as_deref() {
        None | Some("copy") => false,
        Some("delete") => true,
        Some(other) => return Err(OutputProblem::Mode(other.to_owned())),
    };
    let attestation_prefix = attributes.take("attestation-prefix").unwrap_or_default();
    if attestation_prefix.contains('/') {
        return Err(OutputProblem::AttestationPrefix(attestation_prefix));
    }
    Ok(OutputForm::Files(FilesOutput { to: target(attributes, tar)?, split, mirror, attestation_prefix }))
}

/// What all images have. `default` is the compression where none is chosen, as far as that matters for its level.
fn look(attributes: &mut Attributes, default: Option<Compression>) -> Result<ImageLook, OutputProblem> {
    let (compression, level) = (attributes.take("compression"), attributes.take("compression-level"));
    let compression = self::compression(compression.as_deref(), level.as_deref(), default)?;
    let annotations = attributes.annotations()?;
    let docker_types = attributes.boolean("oci-mediatypes")? == Some(false);
    if docker_types {
        match compression {
            Some(Compression::Zstd(_)) => return Err(OutputProblem::NeedsOci("zstd")),
            Some(Compression::Estargz(_)) => return Err(OutputProblem::NeedsOci("estargz")),
            _ if !annotations.is_empty() => return Err(OutputProblem::NeedsOci("an annotation")),
            _ => {}
        }
    }
    always(
        attributes,
        "prefer-nondist-layers",
        "layers that may not be passed on are always marked as such",
    )?;
    Ok(ImageLook {
        names: attributes.take("name").map_or_else(|| Ok(Vec::new()), |names| self::names(&names))?,
        compression,
        force: attributes.boolean("force-compression")?.unwrap_or(false),
        types: if docker_types { MediaTypes::Docker } else { MediaTypes::Oci },
        rewrite: attributes.boolean("rewrite-timestamp")?.unwrap_or(false),
        annotations,
        unattested: attributes.boolean("attestation-inline")? == Some(false),
        attestation_shape: match attributes.boolean("oci-artifact")? {
            Some(true) => Shape::Artifact,
            Some(false) | None => Shape::Image,
        },
    })
}

/// Takes an attribute that can be true only.
fn always(attributes: &mut Attributes, name: &str, why: &'static str) -> Result<(), OutputProblem> {
    match attributes.boolean(name)? {
        Some(false) => Err(OutputProblem::Meaningless { name: format!("{name}=false"), why }),
        Some(true) | None => Ok(()),
    }
}

fn names(list: &str) -> Result<Vec<Reference>, OutputProblem> {
    let names = list.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| match name.parse::<Reference>()? {
            reference if reference.digest().is_some() => Err(OutputProblem::NameWithDigest(name.to_owned())),
            reference => Ok(reference),
        })
        .collect()
}

fn target(attributes: &mut Attributes, tar: bool) -> Result<Target, OutputProblem> {
    match (attributes.take("dest").as_deref(), tar) {
        (Some("-"), false) => Err(OutputProblem::DirectoryToStdout),
        (Some(""), _) => Err(OutputProblem::EmptyDestination),
        (None, false) => Err(OutputProblem::NoDestination),
        (Some("-") | None, true) => Ok(Target::Stdout),
        (Some(path), true) => Ok(Target::File(path.into())),
        (Some(path), false) => Ok(Target::Directory(path.into())),
    }
}

fn epoch(text: Option<&str>) -> Result<EpochChoice, OutputProblem> {
    match text {
        None => Ok(EpochChoice::Build),
        Some("") => Ok(EpochChoice::Never),
        Some(text) => super::super::epoch::seconds(text)
            .map(EpochChoice::At)
            .ok_or_else(|| OutputProblem::Epoch(text.to_owned())),
    }
}

fn compression(
    name: Option<&str>,
    level: Option<&str>,
    default: Option<Compression>,
) -> Result<Option<Compression>, OutputProblem> {
    let chosen = match name {
        None => None,
        Some("uncompressed") => Some(Compression::None),
        Some("gzip") => Some(Compression::GZIP),
        Some("zstd") => Some(Compression::ZSTD),
        Some("estargz") => Some(Compression::ESTARGZ),
        Some(other) => return Err(OutputProblem::Compression(other.to_owned())),
    };
    let Some(level) = level else { return Ok(chosen) };
    let number = |most| {
        let number = level.parse().ok().filter(|number| *number <= most);
        number.ok_or_else(|| OutputProblem::Level { found: level.to_owned(), most })
    };
    Ok(Some(match chosen.or(default) {
        None | Some(Compression::None) => return Err(OutputProblem::LevelOfNothing),
        Some(Compression::Gzip(_)) => Compression::Gzip(number(9)?),
        Some(Compression::Estargz(_)) => Compression::Estargz(number(9)?),
        Some(Compression::Zstd(_)) => match number(22)? {
            // That is how zstd says it.
            0 => Compression::ZSTD,
            level => Compression::Zstd(level),
        },
    }))
}

/// The attributes that were not used yet.
struct Attributes {
    kind: String,
    left: Vec<(String, String)>,
}

impl Attributes {
    fn read(text: &str) -> Result<Self, OutputProblem> {
        let mut left: Vec<(String, String)> = Vec::new();
        for field in csv::fields(text)? {
            let (name, value) = field.split_once('=').ok_or_else(|| OutputProblem::Word(field.clone()))?;
            let name = name.trim();
            // Keys of annotations are what they are.
            let is_annotation = name.to_ascii_lowercase().starts_with("annotation");
            let name = if is_annotation { name.to_owned() } else { name.to_ascii_lowercase() };
            if left.iter().any(|(other, _)| *other == name) {
                return Err(OutputProblem::Twice(name));
            }
            left.push((name, value.to_owned()));
        }
        let mut attributes = Self { kind: String::new(), left };
        attributes.kind = attributes.take("type").ok_or(OutputProblem::NoType)?;
        Ok(attributes)
    }

    fn take(&mut self, wanted: &str) -> Option<String> {
        let at = self.left.iter().position(|(name, _)| name == wanted)?;
        Some(self.left.remove(at).1)
    }

    fn boolean(&mut self, name: &str) -> Result<Option<bool>, OutputProblem> {
        match self.take(name).as_deref() {
            None => Ok(None),
            Some("true" | "1") => Ok(Some(true)),
            Some("false" | "0") => Ok(Some(false)),
            Some(other) => Err(OutputProblem::Bool(name.to_owned(), other.to_owned())),
        }
    }

    fn annotations(&mut self) -> Result<Vec<Annotation>, OutputProblem> {
        let mut found = Vec::new();
        let mut left = Vec::new();
        for (name, value) in self.left.drain(..) {
            match Annotation::of_attribute(&name, &value) {
                Some(annotation) => found.push(annotation?),
                None => left.push((name, value)),
            }
        }
        self.left = left;
        Ok(found)
    }

    /// Says of an attribute that nobody wanted why that is.
    fn refuse_rest(self) -> Result<(), OutputProblem> {
        let Some((name, _)) = self.left.into_iter().next() else { return Ok(()) };
        match MEANINGLESS.iter().find(|(known, _)| *known == name) {
            Some((_, why)) => Err(OutputProblem::Meaningless { name, why }),
            None => Err(OutputProblem::Attribute(name, self.kind)),
        }
    }
}
