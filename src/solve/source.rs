//! Where a COPY's files come from: the context, another state of a file system, or the Dockerfile itself.

use std::path::PathBuf;
use std::sync::Arc;

use crate::oci::{ContentDigest, FingerprintHasher};
use crate::plan::ContextId;
use crate::tree::{Entry, Found, Index, Selected, TreePath, fingerprint_at};

use super::state::{Opened, State};

/// Where the content of a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the context, at this path.
    Context(TreePath),
    /// In a file of the store. Files of one group are one file under several names.
    Layer {
        /// The file on the host.
        file: PathBuf,
        /// The group: the source's number, the layer's number and the path in it.
        shared: Option<(usize, usize, TreePath)>,
    },
    /// Nowhere: it is empty.
    Empty,
}

/// What the patterns of a COPY are looked for in.
#[derive(Debug)]
pub(super) enum SourceTree {
    /// A context.
    Context(ContextId),
    /// Another state of a file system.
    State(State),
}

/// One thing that a source names, with all that is below it.
#[derive(Debug)]
pub(super) struct SourceItem {
    /// What its copy is called in a directory.
    pub(super) name: Box<[u8]>,
    /// The thing itself.
    pub(super) root: SourceNode,
    /// What is below it, in order, by paths of the source's tree.
    pub(super) below: Vec<SourceNode>,
}

/// An entry of a source.
#[derive(Debug)]
pub(super) struct SourceNode {
    pub(super) entry: Entry,
    pub(super) origin: Option<Origin>,
}

/// What the sources of a COPY select, before anything is made of it.
pub(super) enum Selection {
    /// From the context.
    Context {
        /// What was selected.
        selected: Vec<Selected>,
        /// The entries of all of it.
        index: Index,
    },
    /// From another state of a file system.
    State {
        /// What was selected, each with itself and all below it.
        selected: Vec<(Selected, Vec<Found>)>,
        /// That state.
        opened: Arc<Opened>,
    },
}

impl Selection {
    /// What of the selection counts for the cache: names, types, metadata and contents, but of a directory that is
    /// named only what is in it.
    pub(super) fn digest(&self) -> ContentDigest {
        let mut hasher = FingerprintHasher::new("selection v2");
        match self {
            Self::Context { selected, index } => {
                for one in selected {
                    fingerprint(&mut hasher, one, index.subtree(&one.real).iter());
                }
            }
            Self::State { selected, .. } => {
                for (one, found) in selected {
                    fingerprint(&mut hasher, one, found.iter().map(|found| &found.entry));
                }
            }
        }
        ContentDigest(hasher.finish())
    }

    /// The things to be copied.
    pub(super) fn items(&self) -> Vec<SourceItem> {
        match self {
            Self::Context { selected, index } => {
                let node = |entry: &Entry| SourceNode {
                    origin: Some(Origin::Context(entry.path.clone())),
                    entry: entry.clone(),
                };
                selected
                    .iter()
                    .filter_map(|one| item(one, index.subtree(&one.real).iter().map(node)))
                    .collect()
            }
            Self::State { selected, opened } => {
                // One file under several names stays one within a source, but not across sources: those are copies.
                let node = |number: usize, found: &Found| SourceNode {
                    origin: Some(Origin::Layer {
                        file: opened.content_path(found),
                        shared: Some((number, found.layer, found.content.clone())),
                    }),
                    entry: found.entry.clone(),
                };
                let sources = selected.iter().enumerate();
                sources
                    .filter_map(|(i, (one, found))| item(one, found.iter().map(|found| node(i, found))))
                    .collect()
            }
        }
    }
}

/// The root of a tree has no entry in a layer's index, so one is made up for it.
fn item(selected: &Selected, nodes: impl Iterator<Item = SourceNode>) -> Option<SourceItem> {
    let mut below: Vec<SourceNode> = nodes.collect();
    let has_root = below.first().is_some_and(|node| node.entry.path == selected.real);
    let root = if has_root {
        below.remove(0)
    } else if selected.real.is_root() {
        let entry = Entry::directory(TreePath::root(), 0o755, crate::tree::Time::default());
        SourceNode { entry, origin: None }
    } else {
        return None;
    };
    Some(SourceItem { name: selected.named.name().into(), root, below })
}

/// Whether the thing is a directory counts, and how many entries it has: else a file and a directory with one file of
/// the same name would be alike.
fn fingerprint<'e>(hasher: &mut FingerprintHasher, one: &Selected, entries: impl Iterator<Item = &'e Entry>) {
    let entries: Vec<(TreePath, &Entry)> =
        entries.filter_map(|entry| Some((entry.path.below(&one.real)?, entry))).collect();
    let is_directory = one.real.is_root()
        || entries.first().is_some_and(|(below, entry)| below.is_root() && entry.is_directory());
    hasher.value(&is_directory);
    hasher.number(entries.len() as u64);
    for (below, entry) in entries {
        match below.is_root() {
            true if entry.is_directory() => {}
            true => fingerprint_at(entry, one.named.name(), hasher),
            false => fingerprint_at(entry, below.as_bytes(), hasher),
        }
    }
}
