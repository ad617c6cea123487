//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use super::containers::ContainerId;
use crate::oci::{BlobDigest, DiffId, Digest};
use crate::sys::lock::LockError;
use crate::tree::IndexFileError;
use crate::user::IdMapError;

/// A store cannot do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
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
    /// The database refused.
    #[error("cannot {operation} in the store's database")]
    Database {
        /// What was being done.
        operation: &'static str,
        /// Why it failed.
        source: rusqlite::Error,
    },
    /// The database was written by another version.
    #[error("the store at {} has format {found}, and this strata reads formats up to {expected}", root.display())]
    Format {
        /// The store.
        root: PathBuf,
        /// What it has.
        found: i64,
        /// What is read.
        expected: i64,
    },
    /// The store would lie on a network file system.
    #[error("the store at {} lies on {name}, a network file system, whose locks cannot be relied on", root.display())]
    NetworkFileSystem {
        /// The store.
        root: PathBuf,
        /// The file system.
        name: &'static str,
    },
    /// The store was made by somebody whose ids are others than ours.
    #[error("the store at {} was made with other user and group ids", root.display())]
    OtherIds {
        /// The store.
        root: PathBuf,
        /// Whether ours are some of the store's.
        fewer: bool,
    },
    /// What the store says of its ids cannot be read.
    #[error("{} is damaged", path.display())]
    IdMap {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: IdMapError,
    },
    /// A lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A tree index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexFileError),
    /// Bytes are not those that their digest promised.
    #[error("the content has digest {found}, but {expected} was expected")]
    Mismatch {
        /// Promised.
        expected: Digest,
        /// Found.
        found: Digest,
    },
    /// A blob is not in the store.
    #[error("the store has no blob {0}")]
    NoBlob(BlobDigest),
    /// A layer is not in the store.
    #[error("the store has no layer {0}")]
    NoLayer(DiffId),
    /// A container is not in the store.
    #[error("the container {} is not in the store any more", .0.short())]
    NoContainer(ContainerId),
}

impl StoreError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source }
    }

    /// What the user can do about it.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::OtherIds { fewer: true, .. } => Some(
                "give this user the ranges in /etc/subuid and /etc/subgid back that the store was made with, or \
                 choose another directory with `--root`",
            ),
            Self::OtherIds { .. } => {
                Some("a store belongs to the user who made it: choose another directory with `--root`")
            }
            _ => None,
        }
    }

    /// Whether the disk is full, or the user's quota of it.
    pub fn is_disk_full(&self) -> bool {
        match self {
            Self::Io { source, .. } => {
                matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
            }
            Self::Database { source, .. } => {
                source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull)
            }
            _ => false,
        }
    }
}
