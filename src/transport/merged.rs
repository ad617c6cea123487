//! The final file system of an image, ready to be written out.
//!
//! Owns how what a view shows becomes a tree of its own: names of one file are links again, and nothing is implied,
//! opaque or removed any more. Must not know where it goes.

use std::collections::btree_map::Entry as Place;
use std::collections::hash_map::Entry as Slot;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;

use crate::layer::{Content, Parts, PartsError, open_content};
use crate::oci::Digest;
use crate::store::Layer;
use crate::tree::{Entry, Found, Kind, Time, TreePath};

use super::error::ExportError;

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
}

/// One of several file systems that become one.
#[derive(Debug)]
pub struct Piece {
    /// What it is of, for messages.
    pub label: String,
    /// The directory that it is put into, by its name; `None` puts it beside the others.
    pub directory: Option<String>,
    /// Its files.
    pub merged: Merged,
}

impl Merged {
    /// All pieces together. Of directories that several have the first one's counts; what else several have must be the
    /// same in all.
    pub fn join(pieces: Vec<Piece>) -> Result<Self, ExportError> {
        let mut all: BTreeMap<TreePath, (Found, usize)> = BTreeMap::new();
        let mut layers = Vec::new();
        let labels: Vec<String> = pieces.iter().map(|piece| piece.label.clone()).collect();
        for (number, piece) in pieces.into_iter().enumerate() {
            let below = piece.directory.map_or_else(TreePath::root, |name| TreePath::from(name.as_str()));
            let above = (!below.is_root()).then(|| Found {
                entry: Entry::directory(below.clone(), 0o755, Time::default()),
                layer: 0,
                content: below.clone(),
            });
            let own = piece.merged.found.into_iter().map(|mut found| {
                found.entry.path = below.join(&found.entry.path);
                found
            });
            for mut found in above.into_iter().chain(own) {
                found.layer += layers.len();
                match all.entry(found.entry.path.clone()) {
                    Place::Vacant(place) => drop(place.insert((found, number))),
                    Place::Occupied(there) => {
                        let (other, first) = there.get();
                        if !is_same(&other.entry, &found.entry) {
                            return Err(ExportError::Clash {
                                path: found.entry.path,
                                first: labels[*first].clone(),
                                second: labels[number].clone(),
                            });
                        }
                    }
                }
            }
            layers.extend(piece.merged.layers);
        }
        Ok(Self { found: all.into_values().map(|(found, _)| found).collect(), layers })
    }

    /// The entries as a tree without layers below; with `epoch`, all times are that many seconds since 1970.
    pub(super) fn flatten(&self, epoch: Option<i64>) -> Flat<'_> {
        let time = epoch.map(Time::from_seconds);
        let mut names: HashMap<(usize, &TreePath), &TreePath> = HashMap::new();
        let entries = self.found.iter().map(|found| {
            let mut entry = found.entry.clone();
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
                    entry.kind = Kind::Hardlink { target: (*first.get()).clone() };
                }
            }
            entry
        });
        Flat { entries: entries.collect(), merged: self }
    }
}

/// Whether one of the two entries can stand for both: two directories, or but for their times the same.
fn is_same(one: &Entry, other: &Entry) -> bool {
    let attributes = |entry: &Entry| (entry.mode, entry.uid, entry.gid, entry.xattrs.clone());
    one.is_directory() && other.is_directory()
        || one.kind == other.kind && attributes(one) == attributes(other)
}

impl Flat<'_> {
    fn found(&self, entry: &Entry) -> Option<&Found> {
        let found = &self.merged.found;
        found.binary_search_by(|found| found.entry.path.cmp(&entry.path)).ok().map(|i| &found[i])
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
