//! What can be wrong with an image of a registry.

use std::io;

use crate::layer::{ApplyError, ArchiveError, DecompressError};
use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{DiffId, Digest, JsonError, ManifestDigest, ManifestError, MediaType, Platform};
use crate::progress::Step;
use crate::registry::RegistryError;
use crate::store::StoreError;

use super::super::load_error::{LoadError, Part};
use super::super::meter::Canceled;
use super::super::publish::UnpackError;

/// An image cannot be pulled.
#[derive(Debug, thiserror::Error)]
pub enum PullError {
    /// The registry does not give it.
    #[error(transparent)]
    Registry(RegistryError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file of the store cannot be dealt with.
    #[error(transparent)]
    Files(LoadError),
    /// Docker's oldest format has no diff ids, and nothing in it is verified by content.
    #[error(
        "the manifest {manifest} is in Docker's schema 1, which went out of use in 2017 and is not supported"
    )]
    Schema1 {
        /// Which one.
        manifest: ManifestDigest,
    },
    /// An index or a manifest cannot be used.
    #[error("the manifest {manifest} in the registry cannot be used")]
    Manifest {
        /// Which one.
        manifest: ManifestDigest,
        /// What is wrong with it.
        source: ManifestError,
    },
    /// Indexes lead to indexes without an end.
    #[error("the index {index} is nested too deep")]
    Nested {
        /// The one that is too many.
        index: ManifestDigest,
    },
    /// No image is for the platform.
    #[error(
        "there is no image for {wanted}: {}",
        if found.is_empty() { "the index is empty".to_owned() } else { format!("only for {}", found.join(", ")) }
    )]
    NoPlatform {
        /// What was wanted.
        wanted: Platform,
        /// What there is.
        found: Vec<String>,
    },
    /// The config is no JSON of the right shape.
    #[error("the config of the image cannot be read")]
    Config(#[source] JsonError),
    /// A document is out of all proportion.
    #[error("the config {digest} has {size} bytes, more than {DOCUMENT_MAX}")]
    TooBig {
        /// Which one.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
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
    /// A layer that registries do not have.
    #[error(
        "the layer {digest} is a foreign one (`{found}`): its bytes may not be distributed by registries"
    )]
    Foreign {
        /// Its blob.
        digest: Digest,
        /// Its type.
        found: MediaType,
    },
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
    #[error("the layer {blob} holds the tar {found}, and the config names {expected}")]
    DiffId {
        /// Its blob.
        blob: Digest,
        /// What the config says.
        expected: DiffId,
        /// What it is.
        found: DiffId,
    },
    /// A layer is compressed in a form that has no media type.
    #[error("the layer {blob} is compressed with {format}, and layers can only be with gzip or zstd")]
    Compression {
        /// Its blob.
        blob: Digest,
        /// `bzip2` or `xz`.
        format: &'static str,
    },
    /// A layer cannot be unpacked.
    #[error("cannot unpack the layer {blob}")]
    Unpack {
        /// Its blob.
        blob: Digest,
        /// Why not.
        source: ApplyError,
    },
    /// A layer cannot be decompressed.
    #[error("cannot decompress the layer {blob}")]
    Decompress {
        /// Its blob.
        blob: Digest,
        /// Why not.
        source: io::Error,
    },
    /// A layer cannot be written down.
    #[error("cannot keep the layer {blob}")]
    Keep {
        /// Its blob.
        blob: Digest,
        /// Why not.
        source: io::Error,
    },
    /// It was interrupted.
    #[error("canceled")]
    Canceled,
}

impl From<RegistryError> for PullError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Canceled => Self::Canceled,
            other => Self::Registry(other),
        }
    }
}

impl PullError {
    /// The error of reading a layer, decompressed on the way and written down.
    pub(in super::super) fn reading(blob: Digest, source: io::Error) -> Self {
        if Canceled::is(&source) {
            Self::Canceled
        } else if DecompressError::of(&source).is_some() {
            Self::Decompress { blob, source }
        } else {
            match source.downcast::<RegistryError>() {
                Ok(error) => error.into(),
                Err(source) => Self::Keep { blob, source },
            }
        }
    }

    /// The error of unpacking a layer, whose reader may have been what stopped.
    pub(super) fn unpacking(blob: Digest, error: UnpackError) -> Self {
        match error {
            UnpackError::Apply(ApplyError::Archive(ArchiveError::Read { source })) => {
                Self::reading(blob, source)
            }
            UnpackError::Apply(source) => Self::Unpack { blob, source },
            UnpackError::Load(error) => Self::Files(error),
        }
    }

    /// Whether an endpoint sent other bytes than those that were asked for.
    pub(in super::super) fn is_wrong_source(&self) -> bool {
        matches!(self, Self::Registry(RegistryError::Digest { .. }))
    }

    /// Whether it may come from bytes that are not the layer's.
    pub(super) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::DiffId { .. } | Self::Unpack { .. } | Self::Decompress { .. } | Self::Compression { .. }
        )
    }

    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.remedy(),
            Self::Schema1 { .. } => Some("push it again with a newer program".to_owned()),
            Self::NoPlatform { .. } => Some("choose another one with `--platform`".to_owned()),
            _ => None,
        }
    }
}

/// Ends a step as what it did ended.
pub(super) fn end<T>(step: Step<'_>, result: Result<T, PullError>) -> Result<T, PullError> {
    match &result {
        Ok(_) => step.done(),
        Err(PullError::Canceled) => step.canceled(),
        Err(error) => step.failed(error.to_string()),
    }
    result
}
