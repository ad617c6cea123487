//! What can go wrong with an operation.

use std::io;
use std::path::PathBuf;

use crate::cgroup::CgroupError;
use crate::context::{ContextError, DockerignoreError};
use crate::diagnostic::{Diagnostic, Source};
use crate::exec::ExecError;
use crate::image::AssembleError;
use crate::layer::ApplyError;
use crate::network::NetworkError;
use crate::oci::{DiffId, JsonError, ManifestDigest, ManifestError, Platform, ReferenceError};
use crate::remote::git::GitError;
use crate::remote::http::HttpError;
use crate::solve::{SolveError, StepError};
use crate::store::StoreError;
use crate::transport::{ExportError, LoadError, PullError, PushError};

use super::attest::ScanError;
use super::containers::ContainerError;
use super::images::FilterError;
use super::imagetools::ImagetoolsError;
use super::keys::KeysError;
use super::look_error::LookError;
use super::output::OutputRefusal;

/// An operation failed.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Only root can do this until user namespaces are used.
    #[error("strata must run as root: ordinary users are not supported yet")]
    NotRoot,
    /// A name stands for no image.
    #[error("there is no image `{name}` in the store")]
    NoImage {
        /// As the user wrote it.
        name: String,
        /// A name that is near it.
        similar: Option<String>,
    },
    /// A name is none.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// An id stands for more than one image.
    #[error("`{0}` is the beginning of the ids of several images")]
    Ambiguous(String),
    /// An image is still named by others.
    #[error("the image {id} has several names: {}", names.join(", "))]
    StillNamed {
        /// The short id.
        id: String,
        /// The names.
        names: Vec<String>,
    },
    /// An image is one of several that an index lists.
    #[error("the image {id} is one of those of `{index}`")]
    Listed {
        /// The short id.
        id: String,
        /// The index, by a name or by its short digest.
        index: String,
    },
    /// One of the images that an index lists has been removed.
    #[error("`{index}` lists the image {manifest}, which is not in the store any more")]
    Lacking {
        /// The index, by a name or by its digest.
        index: String,
        /// The image.
        manifest: ManifestDigest,
    },
    /// A filter of a list cannot be used.
    #[error(transparent)]
    Filter(#[from] FilterError),
    /// Something that an image does not show.
    #[error(transparent)]
    Look(#[from] LookError),
    /// An image is not for what was asked.
    #[error(transparent)]
    OtherPlatform(Box<OtherPlatform>),
    /// A `--change` cannot be understood.
    #[error("`--change` is wrong")]
    Change(Vec<String>),
    /// A build failed.
    #[error(transparent)]
    Build(#[from] Box<BuildError>),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A sandbox cannot be used.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// A container cannot be what was asked.
    #[error(transparent)]
    Container(#[from] ContainerError),
    /// Ports of a container that has not a network of its own.
    #[error("ports can be published only from a network of the container's own")]
    PortsWithoutNetwork,
    /// A network for a container cannot be made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// A control group for a container cannot be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// An image or its files cannot be written.
    #[error(transparent)]
    Export(#[from] ExportError),
    /// An archive cannot be read.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// An image cannot be pulled.
    #[error("cannot pull `{name}`")]
    Pull {
        /// As people write it.
        name: String,
        /// Why not.
        source: Box<PullError>,
    },
    /// An image cannot be pushed.
    #[error("cannot push `{name}`")]
    Push {
        /// As people write it.
        name: String,
        /// Why not.
        source: Box<PushError>,
    },
    /// An image in a registry cannot be looked at, or not be put together.
    #[error(transparent)]
    Imagetools(Box<ImagetoolsError>),
    /// A layer of an image cannot be used.
    #[error(transparent)]
    Layers(#[from] StepError),
    /// A manifest in the store is not one.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// A config in the store is not one.
    #[error("the config of the image `{name}` is not valid")]
    Config {
        /// The image.
        name: String,
        /// Why.
        source: JsonError,
    },
    /// An image lists a layer that the store does not have.
    #[error("the layer {layer} of the image `{name}` is not in the store")]
    NoLayer {
        /// The image.
        name: String,
        /// The layer.
        layer: DiffId,
    },
    /// No step of this store failed, or nothing is kept any more of those that did.
    #[error("no failed step is kept in this store")]
    NothingKept,
    /// An id stands for no failed step.
    #[error("no failed step is kept under the id `{id}`")]
    NoKept {
        /// As the user wrote it.
        id: String,
        /// The ids that there are, the latest first.
        known: Vec<String>,
    },
    /// What is kept of a failed step cannot be removed now.
    #[error("somebody is looking at what the failed step `{id}` left")]
    KeptInUse {
        /// Its id.
        id: String,
    },
    /// What a failed step started from was removed.
    #[error("what the failed step `{name}` started from is not in the store any more")]
    SceneGone {
        /// The step.
        name: String,
    },
    /// An image says nothing of what to run, and neither does the user.
    #[error("no command: the image `{0}` has none, and none was given")]
    NoCommand(String),
    /// A file operation failed.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
}

/// An image is not for what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the image `{name}` is for {}, not for {wanted}", listed(found))]
pub struct OtherPlatform {
    /// The image.
    pub name: String,
    /// What it is for.
    pub found: Vec<Platform>,
    /// What was asked for.
    pub wanted: Platform,
}

/// Platforms in a row.
pub(super) fn listed(platforms: &[Platform]) -> String {
    let platforms: Vec<String> = platforms.iter().map(Platform::to_string).collect();
    platforms.join(" and ")
}

/// A build failed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The context is not a directory.
    #[error("the build context `{}` is not a directory", path.display())]
    NoContext {
        /// As given.
        path: PathBuf,
    },
    /// A named context is not a directory.
    #[error("the build context `{name}` is `{}`, which is not a directory", path.display())]
    NoNamedContext {
        /// Its name.
        name: String,
        /// As given.
        path: PathBuf,
    },
    /// A context cannot be read.
    #[error(transparent)]
    Context(ContextError),
    /// A stream gives no bytes, or not those of its format.
    #[error("cannot read the stream with the context or the Dockerfile")]
    Stream {
        /// Why not.
        source: io::Error,
    },
    /// The archive with the context cannot be unpacked.
    #[error("cannot unpack the build context")]
    Unpack {
        /// Why not.
        source: ApplyError,
    },
    /// A stream is neither an archive nor a text.
    #[error("the stream is no archive, and is too large for a Dockerfile: it has {limit} bytes or more")]
    NoText {
        /// The most that a Dockerfile may have, in bytes.
        limit: u64,
    },
    /// The stream that should be the context holds a Dockerfile, and another one was named.
    #[error("there are two Dockerfiles: the stream that should be the context is one, and another was named")]
    TwoDockerfiles,
    /// An image of a layout cannot be loaded.
    #[error("cannot load `{text}`")]
    Layout {
        /// As given.
        text: String,
        /// Why not.
        source: LoadError,
    },
    /// A file cannot be fetched.
    #[error(transparent)]
    Http(HttpError),
    /// A Git repository cannot be used.
    #[error(transparent)]
    Git(GitError),
    /// The time that the build should have is none.
    #[error("invalid SOURCE_DATE_EPOCH: `{text}` is not a number of seconds since 1970")]
    Epoch {
        /// As given.
        text: String,
    },
    /// There is nothing that a build could have its time from.
    #[error("the context has no files whose times the image could have")]
    NoEpoch,
    /// Outputs are impossible in this build.
    #[error(transparent)]
    Outputs(#[from] OutputRefusal),
    /// An SBOM cannot be had.
    #[error(transparent)]
    Scan(ScanError),
    /// A shell stands in one file system.
    #[error("a shell can be opened in the build for one platform only")]
    ShellForSeveral,
    /// Something that cannot be done yet.
    #[error("not supported yet: {what}")]
    Unsupported {
        /// What.
        what: String,
    },
    /// There is no Dockerfile.
    #[error("there is no Dockerfile at `{}`", path.display())]
    NoDockerfile {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The Dockerfile cannot be read.
    #[error("cannot read the Dockerfile `{}`", path.display())]
    Dockerfile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A secret's file cannot be read.
    #[error("cannot read the secret `{id}` from `{}`", path.display())]
    Secret {
        /// The secret's name.
        id: String,
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is no agent for the user's SSH keys.
    #[error("cannot use the SSH keys of `{id}`")]
    Keys {
        /// The agent's name.
        id: String,
        /// Why not.
        source: KeysError,
    },
    /// A secret is more than what a secret may be.
    #[error("the secret `{id}` is larger than {max} bytes")]
    LargeSecret {
        /// The secret's name.
        id: String,
        /// The most bytes that a secret may have.
        max: u64,
    },
    /// The ignore file cannot be used.
    #[error(transparent)]
    Ignore(#[from] DockerignoreError),
    /// The Dockerfile is wrong, or asks for what cannot be had.
    #[error("{}", findings.first().map_or("the Dockerfile is wrong", |finding| finding.message.as_str()))]
    Findings {
        /// The Dockerfile.
        text: Source,
        /// What is wrong with it, at least one.
        findings: Vec<Diagnostic>,
    },
    /// A step failed.
    #[error("the build failed")]
    Step {
        /// The Dockerfile.
        text: Source,
        /// Which, and why.
        #[source]
        error: Box<SolveError>,
    },
    /// A place of a step names a stage that is not there.
    #[error("there is no stage `{name}`")]
    NoStage {
        /// As given.
        name: String,
        /// A name that is near it.
        similar: Option<String>,
    },
    /// There is no step where a shell was wanted.
    #[error("line {line}{} has no step", stage.as_ref().map(|stage| format!(" of the stage `{stage}`")).unwrap_or_default())]
    NoStep {
        /// The line.
        line: u32,
        /// The stage, if one was given.
        stage: Option<String>,
        /// The steps before and after it.
        near: Vec<NearStep>,
    },
    /// The step where a shell was wanted is not one of the target's.
    #[error("the target does not need the step at line {line}")]
    NotNeeded {
        /// The line.
        line: u32,
        /// The name of its stage.
        stage: Option<String>,
    },
    /// The image's documents cannot be made.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// The build was interrupted.
    #[error("the build was interrupted")]
    Interrupted,
}

/// A step that a wrong line may have meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NearStep {
    /// Its first line.
    pub line: u32,
    /// The beginning of its instruction.
    pub text: String,
}
