//! The tree index: a canonical, sorted list of a tree's entries.
//!
//! The same type describes a build context, a layer and a merged root. Owns the entry and path types, their
//! order, the on-disk form that is searched by path, the merged view of a stack of layers, what differs between two
//! trees and what layers hide of each other, and the content digest that cache keys are made of. Must not know instructions, stores or tar files.
//!
//! Invariants: entries of an [`Index`] are in the order of [`TreePath`] (parents before children, siblings in
//! byte order, a subtree contiguous), each path stands once, and every entry's parents are entries too.

mod changes;
mod content;
mod entries;
mod entry;
mod format;
pub mod glob;
mod hidden;
mod index;
pub mod lookup;
mod path;
mod usage;
mod view;

pub use changes::{Aspect, Difference, differences, merged};
pub use content::{content_digest, fingerprint_at};
pub use entries::Tree;
pub use entry::{Device, Entry, Kind, Time, Xattr};
pub use format::{IndexFile, IndexFileError, write_index};
pub use hidden::{Hidden, hidden};
pub use index::{Index, OrderError};
pub use lookup::{
    LastLink, Lookup, Node, ResolveError, SelectError, Selected, check_source, has_wildcards, resolve,
    resolve_new, select, select_below,
};
pub use path::TreePath;
pub(crate) use path::compare;
pub use usage::Usage;
pub use view::{Found, LayerView, View, ViewError};
