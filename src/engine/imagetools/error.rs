//! What can go wrong with images in registries that are not brought.

use crate::oci::{Digest, Reference};
use crate::registry::RegistryError;
use crate::transport::{CombineError, CopyError, PullError, PushError};

use super::super::output::Level;

/// An image in a registry cannot be looked at, or not be put together.
#[derive(Debug, thiserror::Error)]
pub enum ImagetoolsError {
    /// A source cannot be read.
    #[error("cannot read `{}`", name.familiar())]
    Source {
        /// Its name.
        name: Reference,
        /// Whether the store has an image of this name.
        in_store: bool,
        /// Whether it is what was to be added to.
        is_target: bool,
        /// Why not.
        source: Box<PullError>,
    },
    /// A digest alone is in one of several repositories, or in none.
    #[error(
        "in which repository `{digest}` is cannot be told: the sources and the tags name none, or several"
    )]
    NoRepository {
        /// The digest.
        digest: Digest,
    },
    /// A descriptor contradicts what is there.
    #[error("of `{digest}` the {what} is said to be `{said}`, and is `{found}`")]
    Differs {
        /// What it is about.
        digest: Digest,
        /// Which property.
        what: &'static str,
        /// What the user says.
        said: String,
        /// What is there.
        found: String,
    },
    /// There is no name whose image could be the first source.
    #[error("there is nothing to append to: no tag is given")]
    NothingToAppendTo,
    /// An annotation would change what is listed, or stands nowhere.
    #[error("there is no place for the annotation `{key}`: {}", no_place(*level))]
    NoPlaceFor {
        /// The annotation.
        key: String,
        /// What it is about.
        level: Level,
    },
    /// An index is for no platform.
    #[error("the annotation `{key}` is for the index, which is for no platform")]
    IndexForPlatform {
        /// The annotation.
        key: String,
    },
    /// The sources do not make what was wished.
    #[error(transparent)]
    Combine(#[from] CombineError),
    /// What the image is made of cannot be brought to where it goes.
    #[error("cannot copy from `{from}` to `{to}`")]
    Copy {
        /// The source's repository.
        from: String,
        /// The target's.
        to: String,
        /// Why not.
        source: Box<CopyError>,
    },
    /// The image cannot be brought to where it goes.
    #[error("cannot push `{name}`")]
    Push {
        /// As people write it.
        name: String,
        /// Why not.
        source: Box<PushError>,
    },
    /// An attestation is out of all proportion.
    #[error("the attestation {digest} has {size} bytes, more than {limit}")]
    LargeAttestation {
        /// Its blob.
        digest: Digest,
        /// Its size in bytes.
        size: u64,
        /// The most that is read.
        limit: u64,
    },
    /// An attestation is not one.
    #[error("the attestation {digest} cannot be read: {reason}")]
    Attestation {
        /// Its blob.
        digest: Digest,
        /// Why not.
        reason: String,
    },
}

fn no_place(level: Level) -> &'static str {
    match level {
        Level::Manifest => "a manifest with it would be another image",
        _ => "nothing lists the index",
    }
}

impl ImagetoolsError {
    /// A source could not be read.
    pub(super) fn source(name: &Reference, source: PullError) -> Self {
        Self::Source { name: name.clone(), in_store: false, is_target: false, source: Box::new(source) }
    }

    /// Whether it was interrupted.
    pub fn is_canceled(&self) -> bool {
        match self {
            Self::Source { source, .. } => matches!(**source, PullError::Canceled),
            Self::Copy { source, .. } => matches!(**source, CopyError::Canceled),
            Self::Push { source, .. } => matches!(**source, PushError::Canceled),
            _ => false,
        }
    }

    /// Whether a registry does not have, or does not show, what was looked for.
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Source { source, .. } if is_absent(source))
    }

    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Source { name, in_store, is_target, source } => {
                // Whoever is not let in, or cannot connect, has another way out.
                let is_missing = is_missing(source);
                let other = || source.remedy().filter(|_| !is_missing);
                if *in_store && other().is_none() {
                    Some(format!(
                        "the store has this image: push it first: `strata push {}`",
                        name.familiar()
                    ))
                } else if *is_target && is_missing {
                    Some("leave `--append` out if there is no such image yet".to_owned())
                } else {
                    source.remedy()
                }
            }
            Self::NoRepository { .. } => Some(format!("write it as `NAME@{}…`", Digest::ALGORITHM)),
            Self::NothingToAppendTo => Some("name the image with `--tag`".to_owned()),
            Self::NoPlaceFor { .. } => Some(
                "annotate the index (`index:KEY=VALUE`), or what it lists (`manifest-descriptor:KEY=VALUE`)"
                    .to_owned(),
            ),
            Self::IndexForPlatform { .. } => Some(
                "annotate what it lists for the platform: `manifest-descriptor[PLATFORM]:KEY=VALUE`"
                    .to_owned(),
            ),
            Self::Copy { source, .. } => source.remedy(),
            Self::Push { source, .. } => source.remedy(),
            _ => None,
        }
    }
}

/// Whether a registry says that it does not have what was asked for.
fn is_missing(error: &PullError) -> bool {
    matches!(error, PullError::Registry(RegistryError::NotFound { .. }))
}

/// Whether a registry does not have, or does not show, what was asked for.
pub(super) fn is_absent(error: &PullError) -> bool {
    matches!(
        error,
        PullError::Registry(
            RegistryError::NotFound { .. }
                | RegistryError::PullDenied { .. }
                | RegistryError::HostNotFound { .. }
                | RegistryError::Connect { .. }
        )
    )
}
