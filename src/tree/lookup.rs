//! Looking into a tree by path, whatever holds it.

use super::entry::Entry;
use super::path::TreePath;

/// A tree that can be asked for a path or for what is in a directory.
pub trait Lookup {
    /// Why an answer cannot be had.
    type Error;

    /// The entry at `path`; nothing is followed, and the root is a directory even where no entry says so.
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Self::Error>;

    /// The entries directly in `dir`, in order; none if it is not a directory.
    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, Self::Error>;
}
