//! What can go wrong when an image or a file system is written to files.

use std::io;
use std::path::{Path, PathBuf};

use crate::layer::{PartsError, PlaceError, StreamError, TarError};
use crate::oci::{DiffId, Digest, ImageId, JsonError, ManifestDigest, ManifestError};
use crate::store::StoreError;
use crate::tree::TreePath;

use super::meter::Canceled;

/// An image or a file system cannot be written to where it should go.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the output cannot be dealt with.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The output does not take what is written to it.
    #[error("cannot write the output")]
    Write {
        /// Why not.
        source: io::Error,
    },
    /// A manifest in the store cannot be used.
    #[error("the manifest {manifest} in the store cannot be used")]
    Manifest {
        /// Which one.
        manifest: ManifestDigest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// An image config in the store cannot be used.
    #[error("the config {id} in the store cannot be used")]
    Config {
        /// Which one.
        id: ImageId,
        /// What is wrong with it.
        source: JsonError,
    },
    /// Manifest and config disagree.
    #[error("the image {id} has {diff_ids} layers by its config and {layers} by its manifest")]
    LayerCount {
        /// The image.
        id: ImageId,
        /// Layers in the config.
        diff_ids: usize,
        /// Layers in the manifest.
        layers: usize,
    },
    /// What is said of the images of an index would not be true of others.
    #[error("the attestations in the index {index} are of its images with the layers as they are")]
    Attested {
        /// The index.
        index: ManifestDigest,
    },
    /// A stored layer cannot be read.
    #[error("the layer {layer} in the store cannot be read")]
    Layer {
        /// Which one.
        layer: DiffId,
        /// Why not.
        source: Box<StreamError<PartsError>>,
    },
    /// The bytes that a stored layer gives are not those that it is named after.
    #[error("the layer {layer} in the store is damaged: its content now makes {found}")]
    LayerMismatch {
        /// The layer.
        layer: DiffId,
        /// The digest of what it gives.
        found: Digest,
    },
    /// A stored blob cannot be read.
    #[error("the blob {blob} in the store cannot be read")]
    Blob {
        /// Which one.
        blob: Digest,
        /// Why not.
        source: io::Error,
    },
    /// A stored blob has other bytes than its name says.
    #[error("the blob {blob} in the store is damaged: its content has digest {found}")]
    BlobMismatch {
        /// The blob.
        blob: Digest,
        /// The digest of what it holds.
        found: Digest,
    },
    /// The compression is not possible.
    #[error("cannot compress the layer {layer}")]
    Compress {
        /// The layer.
        layer: DiffId,
        /// Why not.
        source: io::Error,
    },
    /// An entry has no form in a tar.
    #[error(transparent)]
    Tar(#[from] TarError),
    /// The content of a file in the final file system cannot be read.
    #[error("cannot read the file system of the result")]
    Content {
        /// Why not.
        source: Box<StreamError<PartsError>>,
    },
    /// An entry cannot be put into the output directory.
    #[error("cannot write to the output directory {}", root.display())]
    Place {
        /// The directory.
        root: PathBuf,
        /// Which entry, and why not.
        source: PlaceError,
    },
    /// Something in the output directory would have to be removed with all that is in it.
    #[error("the output has `{path}`, which is no directory, but {} has a directory there that is not empty", root.display())]
    Occupied {
        /// The directory that is written to.
        root: PathBuf,
        /// The entry.
        path: TreePath,
    },
    /// Two file systems that become one have different things at one place.
    #[error("`{path}` for {second} is not the same as for {first}")]
    Clash {
        /// The place.
        path: TreePath,
        /// What the first one is for.
        first: String,
        /// What the other one is for.
        second: String,
    },
    /// The output directory has an index that is not one of an OCI layout.
    #[error("{} exists and is not the index of an OCI image layout", path.display())]
    ForeignIndex {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: JsonError,
    },
    /// It was interrupted.
    #[error("canceled")]
    Canceled,
}

impl ExportError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source }
    }

    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Attested { .. } => Some("leave the compression as it is"),
            Self::Clash { .. } => {
                Some("leave `platform-split=false` out, so that each platform has a directory")
            }
            _ => None,
        }
    }

    /// The error of a writer that is metered: it may have been the meter that stopped.
    pub(super) fn write(source: io::Error) -> Self {
        if Canceled::is(&source) { Self::Canceled } else { Self::Write { source } }
    }
}
