//! What can go wrong with a store.

use std::io;
use std::path::{Path, PathBuf};

use crate::oci::{BlobDigest, DiffId, Digest};
use crate::sys::lock::LockError;
use crate::tree::IndexFileError;

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
    #[error("the store at {} has format {found}, and this strata reads format {expected}", root.display())]
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
}

impl StoreError {
    pub(super) fn io(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { operation, path: path.to_owned(), source }
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
