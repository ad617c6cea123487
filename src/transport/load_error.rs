//! What can be wrong with an archive that is loaded or imported.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::layer::{ApplyError, ArchiveError, DecompressError, PartsError, StreamError};
use crate::oci::layout::LayoutError;
use crate::oci::{DiffId, Digest, JsonError, ManifestError, MediaType, Platform, ReferenceError};
use crate::progress::Step;
use crate::store::StoreError;

use super::archive::DamagedTar;
use super::looks::Looks;
use super::meter::Canceled;

/// What of an image something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// A list of images.
    Index,
    /// The manifest.
    Manifest,
    /// The image config.
    Config,
    /// A layer.
    Layer,
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Index => "index",
            Self::Manifest => "manifest",
            Self::Config => "config",
            Self::Layer => "layer",
        })
    }
}

/// An archive cannot be loaded, or a root file system not imported.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
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
    /// The input does not give its bytes.
    #[error("cannot read the archive")]
    Read {
        /// Why not.
        source: io::Error,
    },
    /// The archive as a whole is compressed, and that fails or gives too much.
    #[error("cannot decompress the archive")]
    Decompress {
        /// Why not.
        source: io::Error,
    },
    /// The input is something else.
    #[error("the archive is not a tar: it {0}")]
    NotTar(Looks),
    /// A directory was given where only a tar will do.
    #[error("`{}` is a directory, not a tar", .0.display())]
    Directory(PathBuf),
    /// The archive is no whole tar.
    #[error(transparent)]
    Tar(#[from] DamagedTar),
    /// It is an archive of something else.
    #[error("the archive holds no images: it has neither `index.json` nor `manifest.json`")]
    Unknown,
    /// No image has the tag.
    #[error("no image of the layout has the tag `{wanted}`: there are {}", list(found))]
    NoTag {
        /// The tag.
        wanted: String,
        /// Those that there are.
        found: Vec<String>,
    },
    /// It is an OCI layout of another kind.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// A document is no JSON of the right shape.
    #[error("`{name}` in the archive cannot be read")]
    Json {
        /// The file in the archive.
        name: String,
        /// What is wrong with it.
        source: JsonError,
    },
    /// An index or a manifest cannot be used.
    #[error("`{name}` in the archive cannot be used")]
    Manifest {
        /// The file in the archive.
        name: String,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Something that is named is not there.
    #[error("the archive has no `{name}`, which is the {part} of an image")]
    Missing {
        /// What it would be.
        part: Part,
        /// The file that should be in the archive.
        name: String,
    },
    /// Something is longer or shorter than announced.
    #[error("the {part} {digest} has {found} bytes in the archive, and should have {expected}")]
    Size {
        /// What it is.
        part: Part,
        /// Its name.
        digest: Digest,
        /// Announced.
        expected: u64,
        /// Found.
        found: u64,
    },
    /// Something is not what it is named after.
    #[error("the {part} {expected} in the archive is damaged: its content has digest {found}")]
    Digest {
        /// What it is.
        part: Part,
        /// Its name.
        expected: Digest,
        /// The digest of what it holds.
        found: Digest,
    },
    /// A document is out of all proportion.
    #[error("`{name}` in the archive has {size} bytes, more than {limit}")]
    TooBig {
        /// The file in the archive.
        name: String,
        /// Its size in bytes.
        size: u64,
        /// The most it may have.
        limit: u64,
    },
    /// A descriptor's type is not one that strata can use there.
    #[error("the {part} {digest} has the media type `{found}`, which strata cannot use")]
    MediaType {
        /// What it would be.
        part: Part,
        /// Its name.
        digest: Digest,
        /// Its type.
        found: MediaType,
    },
    /// Indexes lead to indexes without an end.
    #[error("the index {digest} is nested too deep")]
    Nested {
        /// The one that is too many.
        digest: Digest,
    },
    /// No image is for this machine.
    #[error("the archive has no image for {wanted}: it has {}", list(found))]
    NoPlatform {
        /// This machine's platform.
        wanted: Platform,
        /// What there is.
        found: Vec<String>,
    },
    /// There are no images at all.
    #[error("the archive lists no images")]
    NoImages,
    /// Manifest and config disagree.
    #[error("the image {config} has {diff_ids} layers by its config and {layers} by its manifest")]
    LayerCount {
        /// The config.
        config: Digest,
        /// Layers in the config.
        diff_ids: usize,
        /// Layers in the manifest.
        layers: usize,
    },
    /// A layer's tar is not the one that the config names.
    #[error("the layer `{name}` holds the tar {found}, and the config names {expected}")]
    DiffId {
        /// The file in the archive.
        name: String,
        /// What the config says.
        expected: DiffId,
        /// What it is.
        found: DiffId,
    },
    /// A layer cannot be unpacked.
    #[error("cannot unpack the layer `{name}`")]
    Unpack {
        /// The file in the archive.
        name: String,
        /// Why not.
        source: ApplyError,
    },
    /// A layer is compressed in a form that has no media type.
    #[error("the layer `{name}` is compressed with {format}, and layers can only be with gzip or zstd")]
    Compression {
        /// The file in the archive.
        name: String,
        /// `bzip2` or `xz`.
        format: &'static str,
    },
    /// A layer cannot be decompressed.
    #[error("cannot decompress the layer `{name}`")]
    Layer {
        /// The file in the archive.
        name: String,
        /// Why not.
        source: io::Error,
    },
    /// A name that an image should get is none.
    #[error("the archive gives an image an invalid name")]
    Name(#[source] ReferenceError),
    /// A root file system cannot be unpacked.
    #[error("cannot import the root file system")]
    Import {
        /// Why not.
        source: ApplyError,
    },
    /// What was unpacked cannot be read again.
    #[error("cannot read the root file system that was unpacked")]
    Reread {
        /// Why not.
        source: Box<StreamError<PartsError>>,
    },
    /// It was interrupted.
    #[error("canceled")]
    Canceled,
}

impl LoadError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source }
    }

    /// The error of reading the archive's own bytes, decompressed on the way.
    pub(super) fn read(source: io::Error) -> Self {
        if Canceled::is(&source) {
            Self::Canceled
        } else if DecompressError::of(&source).is_some() {
            Self::Decompress { source }
        } else {
            Self::Read { source }
        }
    }

    /// The error of unpacking a layer, whose reader may have been what stopped.
    pub(super) fn unpack(name: &str, source: ApplyError) -> Self {
        match source {
            ApplyError::Archive(ArchiveError::Read { source }) => Self::layer(name, source),
            source => Self::Unpack { name: name.to_owned(), source },
        }
    }

    /// The error of reading a layer, decompressed on the way.
    pub(super) fn layer(name: &str, source: io::Error) -> Self {
        if Canceled::is(&source) {
            Self::Canceled
        } else if DecompressError::of(&source).is_some() {
            Self::Layer { name: name.to_owned(), source }
        } else {
            Self::Read { source }
        }
    }
}

/// Ends a step as what it did ended.
pub(super) fn end<T>(step: Step<'_>, result: Result<T, LoadError>) -> Result<T, LoadError> {
    match &result {
        Ok(_) => step.done(),
        Err(LoadError::Canceled) => step.canceled(),
        Err(error) => step.failed(error.to_string()),
    }
    result
}

fn list(platforms: &[String]) -> String {
    if platforms.is_empty() { "none at all".to_owned() } else { platforms.join(", ") }
}
