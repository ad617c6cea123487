//! The build context: what of a local directory is visible, and its content.
//!
//! Owns the ignore file, the walk, the stat cache, and the reading of what a build selects. The directory is the
//! user's and alive: everything is looked at once, what is read is checked to have held still, and what is remembered
//! from an earlier build is believed only if nothing can have changed since. Must not know instructions, stores or
//! layers: it gives tree indices and open files.

use std::io;
use std::path::PathBuf;

use crate::tree::TreePath;

pub mod dockerignore;
mod found;
mod read;
mod root;
pub mod scan;
mod stat_cache;

pub use dockerignore::{Dockerignore, DockerignoreError};
pub use found::FileId;
pub use root::Root;
pub use scan::{Absence, Scan};

/// A context cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ContextError {
    /// The context's directory cannot be opened.
    #[error("cannot open the context `{}`", root.display())]
    Open {
        /// The directory.
        root: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Something in the context cannot be looked at or read.
    #[error("cannot {operation} `{}` of the context", path.as_path().display())]
    Entry {
        /// What was to be done, such as `list` or `read`.
        operation: &'static str,
        /// Which entry.
        path: TreePath,
        /// Why.
        source: io::Error,
    },
    /// A file did not hold still.
    #[error("`{}` of the context changed during the build", path.as_path().display())]
    Changed {
        /// Which file.
        path: TreePath,
    },
    /// The walk failed at a place that it does not tell.
    #[error("cannot walk the context `{}`", root.display())]
    Walk {
        /// The directory.
        root: PathBuf,
        /// Why.
        source: ignore::Error,
    },
    /// The stat cache cannot be written.
    #[error("cannot write the stat cache `{}`", file.display())]
    SaveCache {
        /// Its file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
}
