//! The final file system of an image, ready to be written out.
//!
//! Owns how what a view shows becomes a tree of its own: names of one file are links again, and nothing is implied,
//! opaque or removed any more. Must not know where it goes.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::fs::File;

use crate::layer::{Content, Parts, PartsError, open_content};
use crate::oci::Digest;
use crate::store::Layer;
use crate::tree::{Entry, Found, Kind, Time, TreePath};

/// A merged file system: everything that a view of a stack of layers shows.
#[derive(Debug, Clone)]
pub struct Merged {
    /// What the view's walk of the root gave, in order.
    pub found: Vec<Found>,
    /// The layers of the view, topmost first.
    pub layers: Vec<Layer>,
}

/// A merged file system with one entry a path, and where the contents lie.
pub(super) struct Flat<'a> {
    /// In the order of a walk.
    pub(super) entries: Vec<Entry>,
    merged: &'a Merged,
    /// The directory that all of them are in.
    below: TreePath,
}

impl Merged {
    /// The entries as a tree without layers below; with `epoch`, all times are that many seconds since 1970, and with
    /// `below` all are in a directory of that name.
    pub(super) fn flatten(&self, epoch: Option<i64>, below: Option<&str>) -> Flat<'_> {
        let time = epoch.map(Time::from_seconds);
        let below = below.map_or_else(TreePath::root, TreePath::from);
        let above =
            (!below.is_root()).then(|| Entry::directory(below.clone(), 0o755, time.unwrap_or_default()));
        let mut names: HashMap<(usize, &TreePath), &TreePath> = HashMap::new();
        let entries = self.found.iter().map(|found| {
            let mut entry = found.entry.clone();
            entry.path = below.join(&entry.path);
            entry.implied = false;
            entry.mtime = time.unwrap_or(entry.mtime);
            if entry.is_directory() {
                entry.kind = Kind::Directory { opaque: false };
                return entry;
            }
            match names.entry((found.layer, &found.content)) {
                Slot::Vacant(slot) => {
                    slot.insert(&found.entry.path);
                }
                Slot::Occupied(first) => {
                    entry.kind = Kind::Hardlink { target: below.join(first.get()) };
                }
            }
            entry
        });
        Flat { entries: above.into_iter().chain(entries).collect(), merged: self, below }
    }
}

impl Flat<'_> {
    fn found(&self, entry: &Entry) -> Option<&Found> {
        let found = &self.merged.found;
        let path = entry.path.below(&self.below)?;
        found.binary_search_by(|found| found.entry.path.cmp(&path)).ok().map(|i| &found[i])
    }
}

impl Content for Flat<'_> {
    type Error = PartsError;

    fn open(&self, entry: &Entry) -> Result<File, PartsError> {
        let missing = || PartsError::NoPart { path: entry.path.clone(), part: entry.part };
        let found = self.found(entry).ok_or_else(missing)?;
        let layer = self.merged.layers.get(found.layer).ok_or_else(missing)?;
        let part = layer.parts.get(usize::from(found.entry.part)).ok_or_else(missing)?;
        open_content(part, &found.content)
    }

    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), PartsError> {
        Parts(&[]).finish(entry, copy, digest)
    }
}
