//! Where a COPY's files come from: a context, another state of a file system, an archive, or the Dockerfile itself.
//!
//! Owns the common form that all of these get before anything is put anywhere, and what of it counts for the cache.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::oci::{ContentDigest, Fingerprint, FingerprintHasher};
use crate::plan::ContextId;
use crate::sys::reach::Reach;
use crate::tree::{Entry, Found, Kind, Time, Tree, TreePath, ViewError, fingerprint_at};

use super::choose::{Choice, Extent};
use super::context::Context;
use super::error::StepError;
use super::state::{Opened, State};

/// Where the content of a file lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// In the context, at this path.
    Context(TreePath),
    /// In a file on the host that nobody changes.
    File(PathBuf),
    /// Nowhere: it is empty.
    Empty,
}

impl Origin {
    /// Opens the content at its beginning; `context` is where [`Origin::Context`] lies.
    pub(super) fn open(&self, context: Option<&Context>) -> Result<File, StepError> {
        let file = match (self, context) {
            (Self::Context(path), Some(context)) => return Ok(context.open_file(path)?),
            (Self::Context(path), None) => return Err(StepError::Changed(path.clone())),
            (Self::File(file), _) => file,
            (Self::Empty, _) => Path::new("/dev/null"),
        };
        let opened = Reach::to(file).and_then(File::open);
        opened.map_err(|source| StepError::Io { operation: "open", path: file.to_owned(), source })
    }
}

/// What the patterns of a COPY are looked for in.
#[derive(Debug)]
pub(super) enum SourceTree {
    /// A context.
    Context(ContextId),
    /// Another state of a file system.
    State(State),
}

/// One thing that a source names.
#[derive(Debug)]
pub(super) struct SourceItem {
    /// What its copy is called in a directory.
    pub(super) name: Box<[u8]>,
    /// Where it is, for messages.
    pub(super) real: TreePath,
    pub(super) kind: ItemKind,
    /// What it consists of, in order, by paths below it. Never a hard link: see [`Piece::file`].
    pub(super) pieces: Vec<Piece>,
}

/// How an item is put to its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ItemKind {
    /// A single piece, whose path is the root.
    File,
    /// The content of a directory, which had this time.
    Directory(Option<Time>),
    /// What was in an archive: into a directory, over what is there as tar does it, but where links lead.
    Archive,
}

/// An entry with what is needed to make it.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    /// The entry. One that is implied is a directory that is only there for what is in it: if there is one already where
    /// it goes, that one stays as it is.
    pub(super) entry: Entry,
    /// Where its content is, for a file.
    pub(super) origin: Option<Origin>,
    /// Pieces of one item with the same number are one file under several names.
    pub(super) file: Option<usize>,
}

impl Piece {
    /// A piece without a content.
    pub(super) fn bare(entry: Entry) -> Self {
        Self { entry, origin: None, file: None }
    }
}

/// What the sources of a COPY select, before anything is made of it.
#[derive(Debug)]
pub(super) struct Selection {
    /// For each source of the instruction, in its order, what it names. A source that the Dockerfile itself holds names
    /// nothing here: it is among the arguments of the step. One that is fetched is added when the step is carried out.
    pub(super) sources: Vec<Vec<SourceItem>>,
}

impl Selection {
    /// What of the selection counts for the cache: names, types, metadata and contents, and which names are one file, but
    /// of a directory that is named only what is in it.
    pub(super) fn digest(&self) -> ContentDigest {
        Self::digest_of(self.sources.iter().flatten())
    }

    /// What of some things counts.
    pub(super) fn digest_of<'i>(items: impl IntoIterator<Item = &'i SourceItem>) -> ContentDigest {
        let mut hasher = FingerprintHasher::new("selection v3");
        for item in items {
            hasher.value(item);
        }
        ContentDigest(hasher.finish())
    }
}

impl Fingerprint for SourceItem {
    /// Whether the thing is a directory counts, and how many pieces it has: else a file and a directory with one file of
    /// the same name would be alike.
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let is_file = self.kind == ItemKind::File;
        hasher.value(&!is_file);
        hasher.number(self.pieces.len() as u64);
        let mut first: HashMap<usize, &TreePath> = HashMap::new();
        for Piece { entry, file, .. } in &self.pieces {
            let path = if is_file { &self.name } else { entry.path.as_bytes() };
            match file.map(|file| *first.entry(file).or_insert(&entry.path)) {
                Some(target) if *target != entry.path => {
                    let kind = Kind::Hardlink { target: target.clone() };
                    fingerprint_at(&Entry { kind, ..entry.clone() }, path, hasher);
                }
                _ => fingerprint_at(entry, path, hasher),
            }
        }
    }
}

/// Gives numbers to the files of an item that have several names.
struct Numbers<K>(HashMap<K, usize>);

impl<K: std::hash::Hash + Eq> Numbers<K> {
    fn new() -> Self {
        Self(HashMap::new())
    }

    fn of(&mut self, file: K) -> usize {
        let next = self.0.len();
        *self.0.entry(file).or_insert(next)
    }
}

/// Reads what was chosen of a context.
pub(super) fn from_context(
    context: &Context,
    choices: &[Vec<Choice>],
) -> Result<Vec<Vec<SourceItem>>, StepError> {
    let (mut trees, mut alone) = (Vec::new(), Vec::new());
    for part in choices.iter().flatten().flat_map(|choice| &choice.parts) {
        let list = if part.extent == Extent::Tree { &mut trees } else { &mut alone };
        list.push(part.real.clone());
    }
    let index = context.index(&trees, &alone)?;
    let item = |choice: &Choice| {
        let mut numbers = Numbers::new();
        let mut pieces = Vec::new();
        for part in &choice.parts {
            let entries = index.subtree(&part.real);
            let count = if part.extent == Extent::Tree { entries.len() } else { entries.len().min(1) };
            for entry in &entries[..count] {
                let Some(path) = path_in(choice, part.below.join(&below(&entry.path, &part.real))) else {
                    continue;
                };
                let is_file = matches!(entry.kind, Kind::File { .. });
                let file = if is_file { context.file_id(&entry.path) } else { None };
                // Names of one file that do not agree were read while it was being changed.
                let file = file.map(|id| numbers.of((id, entry.kind.clone())));
                let origin = is_file.then(|| Origin::Context(entry.path.clone()));
                let entry = settled(entry.clone(), path, part.extent);
                pieces.push(socket_as_file(Piece { entry, origin, file }));
            }
        }
        let time = index.get(&choice.real).map(|entry| entry.mtime);
        SourceItem { name: choice.name.clone(), real: choice.real.clone(), kind: kind(choice, time), pieces }
    };
    Ok(choices.iter().map(|choices| choices.iter().map(item).collect()).collect())
}

/// Looks up what was chosen of a state.
pub(super) fn from_state(opened: &Opened, choices: &[Choice]) -> Result<Vec<SourceItem>, ViewError> {
    choices.iter().map(|choice| state_item(opened, choice)).collect()
}

/// Looks up one thing that was chosen of a state.
pub(super) fn state_item(opened: &Opened, choice: &Choice) -> Result<SourceItem, ViewError> {
    let mut found: Vec<(TreePath, Extent, Found)> = Vec::new();
    for part in &choice.parts {
        let entries = match part.extent {
            Extent::Tree => opened.view.walk(&part.real)?,
            Extent::Alone | Extent::Parent => opened.view.lookup(&part.real)?.into_iter().collect(),
        };
        for one in entries {
            if let Some(path) = path_in(choice, part.below.join(&below(&one.entry.path, &part.real))) {
                found.push((path, part.extent, one));
            }
        }
    }
    let place = |found: &Found| (found.layer, found.content.clone());
    let links = found.iter().filter(|(.., found)| found.content != found.entry.path);
    let linked: HashSet<(usize, TreePath)> = links.map(|(.., found)| place(found)).collect();
    let mut numbers = Numbers::new();
    let pieces = found.into_iter().map(|(path, extent, found)| {
        let file = (!linked.is_empty()).then(|| place(&found)).filter(|place| linked.contains(place));
        let is_file = matches!(found.entry.kind, Kind::File { .. });
        Piece {
            origin: is_file.then(|| Origin::File(opened.content_path(&found))),
            file: file.map(|place| numbers.of(place)),
            entry: settled(found.entry, path, extent),
        }
    });
    let pieces = pieces.collect();
    let own = if choice.real.is_root() { None } else { opened.view.entry(&choice.real)? };
    let kind = kind(choice, own.map(|entry| entry.mtime));
    Ok(SourceItem { name: choice.name.clone(), real: choice.real.clone(), kind, pieces })
}

/// Where something goes below its item; `None` for a directory that is the item itself.
fn path_in(choice: &Choice, path: TreePath) -> Option<TreePath> {
    (!choice.is_directory || !path.is_root()).then_some(path)
}

fn below(path: &TreePath, dir: &TreePath) -> TreePath {
    path.below(dir).unwrap_or_default()
}

fn kind(choice: &Choice, time: Option<Time>) -> ItemKind {
    if choice.is_directory { ItemKind::Directory(time) } else { ItemKind::File }
}

/// An entry without what only its own tree gives a meaning to.
fn settled(entry: Entry, path: TreePath, extent: Extent) -> Entry {
    let mut entry = Entry { path, implied: extent == Extent::Parent, part: 0, ..entry };
    if let Kind::Directory { opaque } = &mut entry.kind {
        *opaque = false;
    }
    entry
}

/// A socket becomes an empty file, as BuildKit makes it.
fn socket_as_file(piece: Piece) -> Piece {
    if !matches!(piece.entry.kind, Kind::Socket) {
        return piece;
    }
    let kind = Kind::File { size: 0, digest: crate::oci::Digest::of(b"") };
    Piece { entry: Entry { kind, ..piece.entry }, origin: Some(Origin::Empty), ..piece }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn piece(path: &str, content: &str, file: Option<usize>) -> Piece {
        let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content.as_bytes()) };
        let entry = Entry::new(path.into(), kind, 0o644, Time::default());
        Piece { entry, origin: Some(Origin::Empty), file }
    }

    fn digest(name: &str, kind: ItemKind, pieces: Vec<Piece>) -> ContentDigest {
        let item = SourceItem { name: name.as_bytes().into(), real: name.into(), kind, pieces };
        Selection { sources: vec![vec![item]] }.digest()
    }

    #[test]
    fn what_a_selection_is_counts() {
        let directory = ItemKind::Directory(None);
        let parent = |implied| {
            let dir = Entry { implied, ..Entry::directory("d".into(), 0o755, Time::default()) };
            vec![Piece::bare(dir), piece("d/a", "1", None)]
        };
        let different = [
            digest("a", ItemKind::File, vec![piece("", "1", None)]),
            digest("b", ItemKind::File, vec![piece("", "1", None)]),
            digest("x", directory, vec![piece("a", "1", None)]),
            digest("x", directory, vec![piece("a", "1", None), piece("b", "1", None)]),
            digest("x", directory, vec![piece("a", "1", Some(0)), piece("b", "1", Some(0))]),
            digest("x", directory, parent(false)),
            digest("x", directory, parent(true)),
            digest("x", directory, Vec::new()),
        ];
        for (i, one) in different.iter().enumerate() {
            assert_eq!(different.iter().position(|other| other == one), Some(i));
        }
    }

    #[test]
    fn names_of_directories_and_numbers_of_files_do_not_count() {
        let pair = |file| vec![piece("a", "1", file), piece("b", "1", None)];
        let directory = ItemKind::Directory(None);
        // A file whose other names are elsewhere is a file like others.
        assert_eq!(digest("x", directory, pair(Some(7))), digest("y", directory, pair(None)));
        let links = |file| vec![piece("a", "1", Some(file)), piece("b", "1", Some(file))];
        let time = ItemKind::Directory(Some(Time::from_seconds(1)));
        assert_eq!(digest("x", directory, links(3)), digest("x", time, links(0)));
    }
}
