//! The contents of a stored layer's files, wherever its parts hold them.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use super::stream::Content;
use crate::oci::Digest;
use crate::sys::file;
use crate::tree::{Entry, Kind, TreePath};

/// Reads a layer's files out of its parts, topmost first, and verifies them.
#[derive(Debug, Clone, Copy)]
pub struct Parts<'a>(pub &'a [PathBuf]);

/// A stored layer does not hold what its index says.
#[derive(Debug, thiserror::Error)]
pub enum PartsError {
    /// A file cannot be opened.
    #[error("cannot open {} of a stored layer", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file has other content than when the layer was made.
    #[error(
        "the content of `{path}` in a stored layer is damaged: it has digest {found} instead of {expected}"
    )]
    Damaged {
        /// The path inside the layer.
        path: TreePath,
        /// What the index says.
        expected: Digest,
        /// What was read.
        found: Digest,
    },
    /// An entry names a part that the layer has not.
    #[error("the index names part {part} for `{path}`, which the layer has not")]
    NoPart {
        /// The path inside the layer.
        path: TreePath,
        /// The part.
        part: u8,
    },
}

impl Content for Parts<'_> {
    type Error = PartsError;

    fn open(&self, entry: &Entry) -> Result<File, PartsError> {
        let missing = || PartsError::NoPart { path: entry.path.clone(), part: entry.part };
        open_content(self.0.get(usize::from(entry.part)).ok_or_else(missing)?, &entry.path)
    }

    fn finish(&self, entry: &Entry, _copy: Option<&File>, digest: Option<&Digest>) -> Result<(), PartsError> {
        match (&entry.kind, digest) {
            (Kind::File { digest: expected, .. }, Some(found)) if expected != found => {
                let (path, expected, found) = (entry.path.clone(), *expected, *found);
                Err(PartsError::Damaged { path, expected, found })
            }
            _ => Ok(()),
        }
    }
}

/// Opens the content of a file that lies at `path` in one of a layer's parts.
pub fn open_content(part: &Path, path: &TreePath) -> Result<File, PartsError> {
    let path = part.join(path.as_path());
    file::open_at(&path).map_err(|source| PartsError::Open { path, source })
}
