//! What a build writes, and where: `--output` as values.
//!
//! Owns the types of outputs, how their text is read, and which of them cannot be together or cannot be at all, as far
//! as that can be told before the build begins. How they are written is [`super::export`]'s.

mod annotation;
pub(super) mod csv;
mod error;
mod parse;

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use annotation::Form;
pub use annotation::{Annotation, AnnotationError, Level};
pub use error::{OutputError, OutputRefusal};

use crate::attest::Shape;
use crate::layer::Compression;
use crate::oci::{Platform, Reference};
use crate::transport::{ExportError, MediaTypes, Packing};

/// One output of a build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputSpec {
    /// In which form.
    pub form: OutputForm,
    /// Which time things in it have.
    pub epoch: EpochChoice,
}

/// The form of an output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputForm {
    /// An image, in the store or in a registry.
    Image(ImageOutput),
    /// An image as files.
    Layout(LayoutOutput),
    /// The files of the result.
    Files(FilesOutput),
    /// Nothing but what the cache keeps.
    CacheOnly,
}

/// The time of what an output writes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum EpochChoice {
    /// That of the build, if it has one.
    #[default]
    Build,
    /// None, also if the build has one.
    Never,
    /// This, in seconds since 1970.
    At(i64),
}

/// An image in the store or in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageOutput {
    /// What it looks like.
    pub look: ImageLook,
    /// Whether it is put into the store.
    pub store: bool,
    /// Whether, and how, it is sent to the registries of its names.
    pub push: Option<PushChoice>,
}

/// How an image is pushed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PushChoice {
    /// Without a tag, under its digest alone.
    pub by_digest: bool,
    /// Also by plain HTTP, and to a registry whose certificate cannot be verified.
    pub insecure: bool,
}

/// An image as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayoutOutput {
    /// What it looks like.
    pub look: ImageLook,
    /// As the archive that `docker load` reads, and not as an OCI layout.
    pub docker: bool,
    /// Where to. A docker archive is no directory.
    pub to: Target,
}

/// The files of the result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilesOutput {
    /// Where to: into a directory, or as a tar.
    pub to: Target,
    /// Whether they are put into a directory named after the platform; `None` for an image of several only.
    pub split: Option<bool>,
    /// Whether what is not in the result is removed from the directory.
    pub mirror: bool,
    /// How the names of files with attestations begin.
    pub attestation_prefix: String,
}

/// Where files go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// Into this directory.
    Directory(PathBuf),
    /// Into an archive at this path.
    File(PathBuf),
    /// To standard output, as an archive.
    Stdout,
}

/// What an image looks like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageLook {
    /// Names besides those of the build.
    pub names: Vec<Reference>,
    /// How layers are compressed; `None` chooses.
    pub compression: Option<Compression>,
    /// Whether that goes for layers that came compressed, too.
    pub force: bool,
    /// Whose media types there are.
    pub types: MediaTypes,
    /// Whether times of files are clamped to the epoch.
    pub rewrite: bool,
    /// Remarks besides those of the build.
    pub annotations: Vec<Annotation>,
    /// Whether it goes without the attestations of the build.
    pub unattested: bool,
    /// What the manifest with the attestations looks like.
    pub attestation_shape: Shape,
}

impl ImageLook {
    /// Whether manifest and layers may stay what they are in the store.
    pub(super) fn leaves_layers(&self) -> bool {
        self.compression.is_none() && !self.force && self.types == MediaTypes::Oci
    }

    /// How its layers go out; `default` is the compression where none was chosen.
    pub(super) fn packing(&self, default: Compression) -> Packing {
        let compression = self.compression.unwrap_or(default);
        Packing::Compressed { compression, force: self.force, types: self.types }
    }
}

impl OutputSpec {
    /// Reads what follows `--output`: `type=…,name=value…`, a directory, or `-` for a tar on standard output.
    pub fn parse(text: &str) -> Result<Self, OutputError> {
        parse::parse(text)
    }

    /// An image in the store as it is without any `--output`.
    pub fn store() -> Self {
        Self::image(true, None)
    }

    /// An image that is sent to the registries of its names.
    pub fn push() -> Self {
        Self::image(true, Some(PushChoice::default()))
    }

    fn image(store: bool, push: Option<PushChoice>) -> Self {
        let form = OutputForm::Image(ImageOutput { look: ImageLook::default(), store, push });
        Self { form, epoch: EpochChoice::Build }
    }

    /// Where it is written to, if it is written to a file or a directory.
    pub fn path(&self) -> Option<&Path> {
        match self.target()? {
            Target::Directory(path) | Target::File(path) => Some(path),
            Target::Stdout => None,
        }
    }

    /// Whether it goes to standard output.
    pub fn is_stdout(&self) -> bool {
        self.target() == Some(&Target::Stdout)
    }

    /// What the image looks like, if it is one.
    pub(super) fn look(&self) -> Option<&ImageLook> {
        match &self.form {
            OutputForm::Image(ImageOutput { look, .. }) | OutputForm::Layout(LayoutOutput { look, .. }) => {
                Some(look)
            }
            OutputForm::Files(_) | OutputForm::CacheOnly => None,
        }
    }

    fn target(&self) -> Option<&Target> {
        match &self.form {
            OutputForm::Layout(LayoutOutput { to, .. }) | OutputForm::Files(FilesOutput { to, .. }) => {
                Some(to)
            }
            OutputForm::Image(_) | OutputForm::CacheOnly => None,
        }
    }

    /// Refuses to write archives to a terminal; the error says so.
    pub fn refuse_terminal(outputs: &[Self], stdout: &impl IsTerminal) -> Result<(), String> {
        if stdout.is_terminal() && outputs.iter().any(Self::is_stdout) {
            return Err("refusing to write an archive to a terminal".to_owned());
        }
        Ok(())
    }
}

/// What of a build its outputs depend on.
pub(super) struct Circumstances<'a> {
    /// The names of the image.
    pub(super) names: &'a [Reference],
    /// The user's remarks for all images.
    pub(super) annotations: &'a [Annotation],
    /// The platforms that are built for.
    pub(super) platforms: &'a [Platform],
    /// Whether the build has an epoch.
    pub(super) has_epoch: bool,
    /// Whether anything is to be said of the image beside it.
    pub(super) is_attested: bool,
    /// Directories that a mirror must not be, nor be above.
    pub(super) precious: &'a [PathBuf],
}

/// Refuses outputs that can be seen to be impossible, before hours are spent on what they would be made of.
pub(super) fn refuse_impossible(
    outputs: &[OutputSpec],
    circumstances: &Circumstances<'_>,
) -> Result<(), OutputRefusal> {
    for (i, output) in outputs.iter().enumerate() {
        let same =
            outputs[..i].iter().find(|other| output.target().is_some() && other.target() == output.target());
        match same.and_then(OutputSpec::target) {
            Some(Target::Stdout) => return Err(OutputRefusal::StdoutTwice),
            // A layout takes the images of several outputs, if they have names of their own.
            Some(Target::File(path) | Target::Directory(path)) => {
                return Err(OutputRefusal::PlaceTwice { path: path.clone() });
            }
            None => {}
        }
        refuse_look(output, circumstances)?;
        if let OutputForm::Files(FilesOutput { to: Target::Directory(path), mirror: true, .. }) = &output.form
        {
            let place = std::fs::canonicalize(path).unwrap_or_else(|_| path.clone());
            if let Some(precious) =
                circumstances.precious.iter().find(|precious| precious.starts_with(&place))
            {
                return Err(OutputRefusal::Mirror { path: path.clone(), precious: precious.clone() });
            }
        }
    }
    Ok(())
}

fn refuse_look(output: &OutputSpec, circumstances: &Circumstances<'_>) -> Result<(), OutputRefusal> {
    let Some(look) = output.look() else { return Ok(()) };
    let has_epoch = match output.epoch {
        EpochChoice::Build => circumstances.has_epoch,
        EpochChoice::Never => false,
        EpochChoice::At(_) => true,
    };
    if look.rewrite && !has_epoch {
        return Err(OutputRefusal::RewriteWithoutEpoch);
    }
    let is_attested = circumstances.is_attested && !look.unattested;
    if is_attested {
        if let OutputForm::Layout(LayoutOutput { docker: true, .. }) = output.form {
            return Err(OutputRefusal::AttestedDockerArchive);
        }
        if look.types == MediaTypes::Docker {
            return Err(OutputRefusal::AttestedDockerTypes);
        }
    }
    let nameless = circumstances.names.is_empty() && look.names.is_empty();
    if let OutputForm::Image(ImageOutput { push: Some(_), .. }) = output.form
        && nameless
    {
        return Err(OutputRefusal::PushWithoutName);
    }
    let are_several = circumstances.platforms.len() > 1;
    let is_layout = match &output.form {
        OutputForm::Layout(LayoutOutput { docker: true, .. }) if are_several => {
            return Err(OutputRefusal::DockerArchive);
        }
        form => matches!(form, OutputForm::Layout(_)),
    };
    let has_index = are_several || is_attested;
    let form = Form { types: look.types, is_layout, has_index };
    for annotation in circumstances.annotations.iter().chain(&look.annotations) {
        annotation.refuse_impossible(circumstances.platforms, form)?;
    }
    Ok(())
}

/// Refuses places that can be seen to be none.
pub(super) fn refuse_places(outputs: &[OutputSpec]) -> Result<(), ExportError> {
    let places = || outputs.iter().filter_map(|output| Some((output.target()?, output.path()?)));
    for (target, path) in places() {
        // One output may make the directory of another.
        let made = |dir: &Path| places().any(|(_, other)| dir.starts_with(other));
        let parent = path.parent().filter(|dir| *dir != Path::new("") && !made(dir));
        let wrong = match (target, path.metadata()) {
            (Target::Directory(_), Ok(metadata)) if !metadata.is_dir() => Some(Errno::NOTDIR.into()),
            (Target::File(_), Ok(metadata)) if metadata.is_dir() => Some(Errno::ISDIR.into()),
            (Target::File(_), Err(_)) => parent.and_then(|dir| dir.metadata().err()),
            _ => None,
        };
        if let Some(source) = wrong {
            return Err(ExportError::Io { operation: "create", path: path.to_owned(), source });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
