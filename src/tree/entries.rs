//! Asking a tree for entries, whatever holds it.

use super::entry::Entry;
use super::path::TreePath;

/// A tree that can be asked for the entry at a path, or for those in a directory.
pub trait Tree {
    /// Why an answer cannot be had.
    type Error;

    /// The entry at `path`; nothing is followed, and the root is a directory even where no entry says so.
    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Self::Error>;

    /// The entries directly in `dir`, in order; none if it is not a directory.
    fn entries_in(&self, dir: &TreePath) -> Result<Vec<Entry>, Self::Error>;
}
