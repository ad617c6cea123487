//! What can be wrong with outputs.

use std::path::PathBuf;

use crate::oci::{Platform, ReferenceError};

use super::annotation::AnnotationError;
use super::csv::CsvError;

/// An output cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the output `{text}` is wrong: {problem}")]
pub struct OutputError {
    pub(super) text: String,
    pub(super) problem: OutputProblem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum OutputProblem {
    #[error("it is empty")]
    Empty,
    #[error(transparent)]
    Csv(#[from] CsvError),
    #[error("it has no `type`")]
    NoType,
    #[error("there is no type `{0}`; there are image, registry, docker, oci, local, tar and cacheonly")]
    Type(String),
    #[error("`{0}` is no attribute of the type `{1}`")]
    Attribute(String, String),
    #[error("`{name}` has no meaning here: {why}")]
    Meaningless { name: String, why: &'static str },
    #[error("`{0}` stands twice")]
    Twice(String),
    #[error("`{0}` must be `true` or `false`, not `{1}`")]
    Bool(String, String),
    #[error("there is no compression `{0}`; there are uncompressed, gzip, zstd and estargz")]
    Compression(String),
    #[error("`compression-level` must be a number from 0 to {most}, not `{found}`")]
    Level { found: String, most: u8 },
    #[error("what is not compressed has no `compression-level`")]
    LevelOfNothing,
    #[error("{0} needs OCI's media types: leave `oci-mediatypes=false` out")]
    NeedsOci(&'static str),
    #[error(transparent)]
    Name(#[from] ReferenceError),
    #[error("`{0}` has a digest, which cannot be given to an image")]
    NameWithDigest(String),
    #[error(transparent)]
    Annotation(#[from] AnnotationError),
    #[error("`source-date-epoch` must be seconds since 1970, or nothing, not `{0}`")]
    Epoch(String),
    #[error("`attestation-prefix` must be the beginning of a file's name, not `{0}`")]
    AttestationPrefix(String),
    #[error("`mode` must be `copy` or `delete`, not `{0}`")]
    Mode(String),
    #[error("`push-by-digest` needs `push=true`")]
    DigestWithoutPush,
    #[error("without `push=true` nothing would be left of it; use `type=cacheonly`")]
    NeitherStoredNorPushed,
    #[error(
        "the store holds layers as they are, and these would be others: push it with `store=false`, or write files"
    )]
    EstargzInStore,
    #[error("it needs `dest=`")]
    NoDestination,
    #[error("`dest=` is empty")]
    EmptyDestination,
    #[error("a directory cannot be written to standard output")]
    DirectoryToStdout,
    #[error("`{0}` is neither a path nor `name=value`")]
    Word(String),
}

/// Outputs that are right by themselves are impossible in this build.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OutputRefusal {
    /// Several outputs would be mixed.
    #[error("several outputs go to standard output")]
    StdoutTwice,
    /// One output would replace another.
    #[error("several outputs go to `{}`", path.display())]
    PlaceTwice {
        /// Where.
        path: PathBuf,
    },
    /// Docker's archive has no index.
    #[error("an archive for `docker load` has no place for attestations")]
    AttestedDockerArchive,
    /// Docker's format of an index lists nothing but images.
    #[error("attestations need OCI's media types")]
    AttestedDockerTypes,
    /// Nobody could say where to.
    #[error("an image without a name cannot be pushed")]
    PushWithoutName,
    /// Nobody could say what to.
    #[error("`rewrite-timestamp` needs a time that files may have at most")]
    RewriteWithoutEpoch,
    /// Only an image of several platforms has an index.
    #[error("the annotation `{key}` is for an index, and the image of one platform has none")]
    NoIndex {
        /// The annotation.
        key: String,
    },
    /// The place for it is in a layout.
    #[error("the annotation `{key}` is for the {of}'s descriptor, which only the index of a layout has")]
    NoDescriptor {
        /// The annotation.
        key: String,
        /// What is described.
        of: &'static str,
    },
    /// An index is for all platforms.
    #[error("the annotation `{key}` is for an index and for one platform, and an index is for all")]
    IndexForPlatform {
        /// The annotation.
        key: String,
    },
    /// Docker's archive has no place for an index.
    #[error("the image is for several platforms, and a docker archive holds one for each name")]
    DockerArchive,
    /// Docker's format has none.
    #[error("the annotation `{key}` has no place in a manifest with Docker's media types")]
    DockerManifest {
        /// The annotation.
        key: String,
    },
    /// It would be nowhere.
    #[error(
        "the annotation `{key}` is for {platform}, and the image is for {}",
        super::super::error::listed(built)
    )]
    OtherPlatform {
        /// The annotation.
        key: String,
        /// The platform that it is for.
        platform: Box<Platform>,
        /// The platforms of the image.
        built: Vec<Platform>,
    },
    /// Too much would be removed.
    #[error("`mode=delete` would remove what is in `{}`, and with it `{}`", path.display(), precious.display())]
    Mirror {
        /// The directory.
        path: PathBuf,
        /// What is in it.
        precious: PathBuf,
    },
}

impl OutputRefusal {
    /// What the user can do instead.
    pub fn remedy(&self) -> Option<&'static str> {
        Some(match self {
            Self::StdoutTwice | Self::PlaceTwice { .. } => "give each a file of its own with `dest=`",
            Self::AttestedDockerArchive => {
                "use `type=oci`, or leave them out of it with `attestation-inline=false`"
            }
            Self::AttestedDockerTypes => {
                "leave `oci-mediatypes=false` out, or the attestations with `attestation-inline=false`"
            }
            Self::PushWithoutName => "give it one with `--tag`",
            Self::RewriteWithoutEpoch => {
                "set `SOURCE_DATE_EPOCH`, or use `--reproducible`, which takes it from the context"
            }
            Self::NoIndex { .. } => "use the types `manifest` or `manifest-descriptor`",
            Self::NoDescriptor { of: "index", .. } => "use the type `index`, or an output with `type=oci`",
            Self::NoDescriptor { .. } => "use the type `manifest`, or an output with `type=oci`",
            Self::IndexForPlatform { .. } => "leave the platform out",
            Self::DockerArchive => "use `type=oci`, or build for one platform",
            Self::DockerManifest { .. } => "leave `oci-mediatypes=false` out",
            Self::OtherPlatform { .. } => return None,
            Self::Mirror { .. } => "give a directory that is for this output alone",
        })
    }
}
