//! `--output`: what a build writes, and where.

use std::io::{self, IsTerminal};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use crate::image;
use crate::layer::Compression;
use crate::oci::{Descriptor, ImageConfig, ImageId, MediaType, Reference};
use crate::progress::Reporter;
use crate::solve::Stack;
use crate::store::StoreError;
use crate::transport::{self, ExportError, Merged, Packing, Session, SourceImage};
use crate::tree::TreePath;

use super::Engine;
use super::build::BuildRequest;
use super::error::EngineError;

/// One output of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// In which form.
    pub format: OutputFormat,
    /// Where to.
    pub destination: OutputDestination,
}

/// The form of an output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputFormat {
    /// An image in the store.
    Image,
    /// An OCI image layout.
    Oci {
        /// As a tar, or as a directory.
        tar: bool,
        /// How layers are compressed.
        compression: Compression,
    },
    /// The archive that `docker load` reads.
    Docker {
        /// How layers are compressed.
        compression: Compression,
    },
    /// The files of the result.
    Local,
    /// The files of the result as a tar.
    Tar,
}

impl OutputFormat {
    /// Whether a directory is written, and not a stream.
    fn is_directory(self) -> bool {
        matches!(self, Self::Local | Self::Oci { tar: false, .. })
    }
}

/// Where an output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputDestination {
    /// Into the store.
    Store,
    /// To this file or directory.
    Path(PathBuf),
    /// To standard output.
    Stdout,
}

/// An output cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the output `{text}` is wrong: {problem}")]
pub struct OutputError {
    text: String,
    problem: OutputProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum OutputProblem {
    #[error("it is empty")]
    Empty,
    #[error("it has no `type`")]
    NoType,
    #[error("there is no type `{0}`; there are image, oci, docker, local and tar")]
    Type(String),
    #[error("not supported yet: the type `{0}`")]
    LaterType(String),
    #[error("`{0}` is no attribute of the type `{1}`")]
    Attribute(String, String),
    #[error("not supported yet: the attribute `{0}`")]
    LaterAttribute(String),
    #[error("`{0}` stands twice")]
    Twice(String),
    #[error("`{0}` must be `true` or `false`, not `{1}`")]
    Bool(String, String),
    #[error("there is no compression `{0}`; there are uncompressed, gzip and zstd")]
    Compression(String),
    #[error("it needs `dest=`")]
    NoDestination,
    #[error("`dest=` is empty")]
    EmptyDestination,
    #[error("a directory cannot be written to standard output")]
    DirectoryToStdout,
    #[error("`{0}` is neither a path nor `name=value`")]
    Word(String),
}

impl OutputSpec {
    /// Reads what follows `--output`: `type=…,name=value…`, a directory, or `-` for a tar on standard output.
    pub fn parse(text: &str) -> Result<Self, OutputError> {
        parse(text).map_err(|problem| OutputError { text: text.to_owned(), problem })
    }

    /// Whether it goes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.destination == OutputDestination::Stdout
    }

    /// Refuses to write archives to a terminal; the error says so.
    pub fn refuse_terminal(outputs: &[Self], stdout: &impl IsTerminal) -> Result<(), String> {
        if stdout.is_terminal() && outputs.iter().any(Self::is_stdout) {
            return Err("refusing to write an archive to a terminal".to_owned());
        }
        Ok(())
    }

    /// Refuses destinations that can be seen to be none, before hours are spent on what goes there.
    pub(super) fn refuse_destinations(outputs: &[Self]) -> Result<(), ExportError> {
        let destinations = || outputs.iter().filter_map(|output| Some((output.format, output.path()?)));
        for (format, path) in destinations() {
            // One output may make the directory of another.
            let made = |dir: &Path| destinations().any(|(_, other)| dir.starts_with(other));
            let parent = path.parent().filter(|dir| *dir != Path::new("") && !made(dir));
            let wrong = match (format.is_directory(), path.metadata()) {
                (true, Ok(metadata)) if !metadata.is_dir() => Some(Errno::NOTDIR.into()),
                (false, Ok(metadata)) if metadata.is_dir() => Some(Errno::ISDIR.into()),
                (false, Err(_)) => parent.and_then(|dir| dir.metadata().err()),
                _ => None,
            };
            if let Some(source) = wrong {
                return Err(ExportError::Io { operation: "create", path: path.to_owned(), source });
            }
        }
        Ok(())
    }

    fn path(&self) -> Option<&Path> {
        match &self.destination {
            OutputDestination::Path(path) => Some(path),
            OutputDestination::Store | OutputDestination::Stdout => None,
        }
    }
}

/// Attributes of BuildKit that come with the issue of images in and out.
const LATER: [&str; 12] = [
    "push",
    "push-by-digest",
    "name",
    "compression-level",
    "force-compression",
    "oci-mediatypes",
    "rewrite-timestamp",
    "source-date-epoch",
    "platform-split",
    "mode",
    "attestation-inline",
    "annotation",
];

fn parse(text: &str) -> Result<OutputSpec, OutputProblem> {
    if text.is_empty() {
        return Err(OutputProblem::Empty);
    }
    if !text.contains('=') {
        return Ok(if text == "-" {
            OutputSpec { format: OutputFormat::Tar, destination: OutputDestination::Stdout }
        } else {
            OutputSpec { format: OutputFormat::Local, destination: OutputDestination::Path(text.into()) }
        });
    }
    let mut attributes = Vec::new();
    for word in text.split(',') {
        let (name, value) = word.split_once('=').ok_or_else(|| OutputProblem::Word(word.to_owned()))?;
        let name = name.trim().to_ascii_lowercase();
        if attributes.iter().any(|(other, _)| *other == name) {
            return Err(OutputProblem::Twice(name));
        }
        attributes.push((name, value));
    }
    let mut take = |wanted: &str| {
        let at = attributes.iter().position(|(name, _)| name == wanted)?;
        Some(attributes.remove(at).1)
    };
    let kind = take("type").ok_or(OutputProblem::NoType)?;
    let format = match kind {
        "image" => OutputFormat::Image,
        "oci" => {
            let tar = take("tar").map_or(Ok(true), |value| boolean("tar", value))?;
            OutputFormat::Oci { tar, compression: compression(take("compression"), Compression::GZIP)? }
        }
        "docker" => {
            OutputFormat::Docker { compression: compression(take("compression"), Compression::None)? }
        }
        "local" => OutputFormat::Local,
        "tar" => OutputFormat::Tar,
        "registry" | "cacheonly" => return Err(OutputProblem::LaterType(kind.to_owned())),
        other => return Err(OutputProblem::Type(other.to_owned())),
    };
    let directory = format.is_directory();
    let destination = match (format, take("dest")) {
        (OutputFormat::Image, None) => OutputDestination::Store,
        (OutputFormat::Image, Some(_)) => {
            return Err(OutputProblem::Attribute("dest".to_owned(), kind.to_owned()));
        }
        (_, Some("-")) if directory => return Err(OutputProblem::DirectoryToStdout),
        (_, Some("-")) => OutputDestination::Stdout,
        (_, Some("")) => return Err(OutputProblem::EmptyDestination),
        (_, Some(path)) => OutputDestination::Path(path.into()),
        (_, None) if directory => return Err(OutputProblem::NoDestination),
        (_, None) => OutputDestination::Stdout,
    };
    match attributes.first() {
        None => Ok(OutputSpec { format, destination }),
        Some((name, _)) if LATER.contains(&name.as_str()) || name.starts_with("annotation") => {
            Err(OutputProblem::LaterAttribute(name.clone()))
        }
        Some((name, _)) => Err(OutputProblem::Attribute(name.clone(), kind.to_owned())),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, OutputProblem> {
    match value {
        "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        other => Err(OutputProblem::Bool(name.to_owned(), other.to_owned())),
    }
}

fn compression(value: Option<&str>, default: Compression) -> Result<Compression, OutputProblem> {
    match value {
        None => Ok(default),
        Some("uncompressed") => Ok(Compression::None),
        Some("gzip") => Ok(Compression::GZIP),
        Some("zstd") => Ok(Compression::ZSTD),
        Some(other) => Err(OutputProblem::Compression(other.to_owned())),
    }
}

/// A built image before it goes anywhere.
#[derive(Debug, Clone)]
pub(super) struct BuiltImage {
    pub(super) id: ImageId,
    pub(super) config: ImageConfig,
    pub(super) config_json: Vec<u8>,
    pub(super) manifest_json: Vec<u8>,
    pub(super) descriptor: Descriptor,
}

impl BuiltImage {
    /// The image with this config and these layers.
    pub(super) fn new(config: ImageConfig, layers: Vec<Descriptor>) -> Self {
        let config_json = config.to_json();
        let manifest_json = image::manifest(&config, layers).to_json();
        let descriptor = Descriptor::of(MediaType::Manifest, &manifest_json);
        Self { id: config.id(), config, config_json, manifest_json, descriptor }
    }
}

impl Engine {
    /// Writes what the request asks for; says whether the image is in the store now.
    pub(super) fn write_outputs(
        &self,
        request: &BuildRequest,
        image: &BuiltImage,
        session: Session<'_>,
        reporter: &Reporter,
    ) -> Result<bool, EngineError> {
        let mut stored = request.outputs.is_empty();
        for output in &request.outputs {
            match output.format {
                OutputFormat::Image => stored = true,
                _ => write_output(output, image, &request.tags, session, reporter)?,
            }
        }
        if stored {
            self.store_image(image, &request.tags, session.work)?;
        }
        Ok(stored)
    }
}

fn write_output(
    output: &OutputSpec,
    image: &BuiltImage,
    names: &[Reference],
    session: Session<'_>,
    reporter: &Reporter,
) -> Result<(), EngineError> {
    let step = reporter.start(match output.format {
        OutputFormat::Image | OutputFormat::Oci { .. } => "exporting to an OCI layout",
        OutputFormat::Docker { .. } => "exporting to a docker archive",
        OutputFormat::Local => "exporting to a directory",
        OutputFormat::Tar => "exporting to a tar",
    });
    let images = [SourceImage {
        manifest_json: image.manifest_json.clone(),
        config_json: image.config_json.clone(),
        names: names.to_vec(),
        annotations: std::collections::BTreeMap::new(),
    }];
    let packing = |compression| Packing::compressed(compression);
    let merged = || -> Result<Merged, EngineError> {
        let stack = Stack::open(&image.config.rootfs.diff_ids, session.store, session.work)?;
        let found = stack.view().walk(&TreePath::root()).map_err(StoreError::from)?;
        Ok(Merged { found, layers: stack.layers().to_vec() })
    };
    let mut stdout = io::stdout();
    match (&output.destination, output.format) {
        (OutputDestination::Path(dir), OutputFormat::Oci { tar: false, compression }) => {
            transport::write_oci_directory(session, &images, packing(compression), dir, &step)?;
        }
        (OutputDestination::Path(dir), OutputFormat::Local) => {
            transport::write_local(session, &merged()?, None, dir, &step)?
        }
        (destination, format) => {
            let to = match destination {
                OutputDestination::Path(path) => transport::Destination::File(path),
                OutputDestination::Stdout | OutputDestination::Store => {
                    transport::Destination::Stream(&mut stdout)
                }
            };
            match format {
                OutputFormat::Oci { compression, .. } => {
                    transport::write_oci(session, &images, packing(compression), to, &step)?;
                }
                OutputFormat::Docker { compression } => {
                    transport::write_docker(session, &images, packing(compression), to, &step)?;
                }
                OutputFormat::Tar | OutputFormat::Local | OutputFormat::Image => {
                    transport::write_plain_tar(session, &merged()?, None, to, &step)?;
                }
            }
        }
    }
    step.done();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outputs_are_read() {
        let path = |p: &str| OutputDestination::Path(p.into());
        let oci = |tar, compression| OutputFormat::Oci { tar, compression };
        for (text, format, destination) in [
            ("out", OutputFormat::Local, path("out")),
            ("-", OutputFormat::Tar, OutputDestination::Stdout),
            ("type=image", OutputFormat::Image, OutputDestination::Store),
            ("type=local,dest=d", OutputFormat::Local, path("d")),
            ("type=tar,dest=t.tar", OutputFormat::Tar, path("t.tar")),
            ("type=tar", OutputFormat::Tar, OutputDestination::Stdout),
            ("type=oci,dest=o.tar", oci(true, Compression::GZIP), path("o.tar")),
            ("type=oci,tar=false,dest=o", oci(false, Compression::GZIP), path("o")),
            ("type=oci,compression=zstd,dest=-", oci(true, Compression::ZSTD), OutputDestination::Stdout),
            (
                "dest=d.tar,type=docker",
                OutputFormat::Docker { compression: Compression::None },
                path("d.tar"),
            ),
        ] {
            assert_eq!(OutputSpec::parse(text), Ok(OutputSpec { format, destination }), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_done_is_said() {
        for (text, words) in [
            ("", "it is empty"),
            ("type=docker,dest=", "`dest=` is empty"),
            ("type=local,dest=", "`dest=` is empty"),
            ("dest=x", "it has no `type`"),
            ("type=ocj,dest=x", "there is no type `ocj`; there are image, oci, docker, local and tar"),
            ("type=registry", "not supported yet: the type `registry`"),
            ("type=oci,dest=x,foo=1", "`foo` is no attribute of the type `oci`"),
            ("type=oci,dest=x,annotation.a=1", "not supported yet: the attribute `annotation.a`"),
            ("type=oci,dest=x,dest=y", "`dest` stands twice"),
            ("type=oci,tar=maybe,dest=x", "`tar` must be `true` or `false`, not `maybe`"),
            (
                "type=oci,compression=lz4,dest=x",
                "there is no compression `lz4`; there are uncompressed, gzip and zstd",
            ),
            ("type=local", "it needs `dest=`"),
            ("type=local,dest=-", "a directory cannot be written to standard output"),
            ("type=local,dest", "`dest` is neither a path nor `name=value`"),
            ("type=image,dest=x", "`dest` is no attribute of the type `image`"),
        ] {
            let error = OutputSpec::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("the output `{text}` is wrong: {words}"));
        }
    }
}
