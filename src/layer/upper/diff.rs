//! What of an upper directory is a change, and what must happen on disk to leave only that.
//!
//! One pass in walk order, with a stack of its own: a tree may be thousands of directories deep. Directories are
//! kept provisionally; one that is as it was and has nothing kept below it is taken back when it ends.
//!
//! The layers below are asked as little as possible: never about what lies in a new directory, once for a whole
//! directory where many of its entries were touched or where it is opaque, and else for single entries.

use std::collections::HashMap;
use std::iter::Peekable;
use std::vec::IntoIter;

use super::CommitError;
use super::scan::{Scanned, Seen};
use crate::layer::place::{PlaceError, Placer};
use crate::layer::tar::WHITEOUT_PREFIX;
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::sys::walk::{Node, Tree};
use crate::tree::{self, Entry, Kind, TreePath};

/// From this many entries on one question for all of a directory is cheaper than one for each.
const MANY_TOUCHED: usize = 8;

/// What remains to be done.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// The layer's entries, in order. Files have no digest yet.
    pub(super) kept: Vec<Entry>,
    /// What must go from the disk, children first, and whether it is a directory.
    pub(super) removed: Vec<(TreePath, bool)>,
    /// Whiteouts to make after that.
    pub(super) whiteouts: Vec<TreePath>,
    /// Directories whose time must be set, when all else is done.
    pub(super) times: Vec<(TreePath, i64)>,
}

/// What a directory is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// The upper of an overlay: what is not in it shows through.
    Changes,
    /// All files there are: what is not in it was removed.
    Everything,
}

/// What the layers below have at a directory's path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Below {
    /// No directory.
    Nothing,
    /// A directory, which shows through.
    Merged,
    /// A directory, which does not show: it or one above is opaque.
    Hidden,
}

/// A name in a directory: what upper has, what lies below.
type Item = (Option<Node<Scanned>>, Option<Entry>);

/// A directory in the middle of which we are.
struct Frame {
    path: TreePath,
    items: IntoIter<Item>,
    below: Below,
    /// Its own entry among those kept; the root has none.
    position: Option<usize>,
    /// Whether it stays even with nothing below it.
    changed: bool,
    seconds: i64,
    /// Whether its time must be set.
    touched: bool,
}

/// The comparison.
pub(super) struct Diff<'a, L> {
    tree: Tree<Scanned>,
    base: &'a L,
    stubs: &'a [TreePath],
    placer: &'a Placer,
    plan: Plan,
    /// The first kept name of each file that has several.
    links: HashMap<u64, TreePath>,
    stack: Vec<Frame>,
}

impl<'a, L> Diff<'a, L>
where
    L: tree::Tree<Error: std::error::Error + Send + Sync + 'static>,
{
    pub(super) fn new(tree: Tree<Scanned>, base: &'a L, stubs: &'a [TreePath], placer: &'a Placer) -> Self {
        Self { tree, base, stubs, placer, plan: Plan::default(), links: HashMap::new(), stack: Vec::new() }
    }

    pub(super) fn run(mut self, shape: Shape) -> Result<Plan, CommitError> {
        let below = match shape {
            Shape::Changes => Below::Merged,
            Shape::Everything => Below::Hidden,
        };
        let items = self.items(&TreePath::root(), 0, below)?;
        self.stack.push(Frame {
            path: TreePath::root(),
            items: items.into_iter(),
            below,
            position: None,
            changed: true,
            seconds: 0,
            touched: false,
        });
        while let Some(frame) = self.stack.last_mut() {
            match frame.items.next() {
                Some((Some(node), base)) => {
                    let path = frame.path.child(&node.name);
                    let below = frame.below;
                    self.entry(path, node, base, below)?;
                }
                // Below, but hidden: the removal must be said.
                Some((None, Some(base))) => self.white_out(base.path),
                Some((None, None)) => {}
                None => self.leave(),
            }
        }
        Ok(self.plan)
    }

    /// The names of a directory, with what lies below where that matters.
    fn items(&mut self, path: &TreePath, directory: usize, below: Below) -> Result<Vec<Item>, CommitError> {
        let nodes = self.tree.take(directory);
        let failed = |error: L::Error| CommitError::Base(Box::new(error));
        match below {
            Below::Nothing => Ok(nodes.into_iter().map(|node| (Some(node), None)).collect()),
            Below::Merged if nodes.len() < MANY_TOUCHED => {
                let item = |node: Node<Scanned>| {
                    Ok((self.base.entry(&path.child(&node.name)).map_err(failed)?, node))
                };
                nodes.into_iter().map(item).map(|item| item.map(|(base, node)| (Some(node), base))).collect()
            }
            Below::Merged | Below::Hidden => {
                let base = self.base.entries_in(path).map_err(failed)?;
                Ok(merge(nodes, base, below == Below::Hidden))
            }
        }
    }

    /// Decides about one entry of upper.
    fn entry(
        &mut self,
        path: TreePath,
        node: Node<Scanned>,
        base: Option<Entry>,
        below: Below,
    ) -> Result<(), CommitError> {
        let scanned = &node.value;
        if node.name.starts_with(WHITEOUT_PREFIX) {
            return Err(CommitError::Reserved { path });
        }
        match scanned.seen {
            Seen::Directory { opaque } => return self.enter(path, node, base, below, opaque),
            Seen::Whiteout { device } => {
                if base.is_none() || !device {
                    self.remove(path.clone());
                }
                if base.is_some() && device {
                    self.plan.kept.push(Entry::whiteout(path));
                } else if base.is_some() {
                    self.white_out(path);
                }
                return Ok(());
            }
            Seen::Socket => {
                self.remove(path.clone());
                if base.is_some() {
                    self.white_out(path);
                }
                return Ok(());
            }
            _ => {}
        }
        let stub =
            matches!(scanned.seen, Seen::File { size: 0 }) && base.is_none() && self.stubs.contains(&path);
        let entry = describe(path, node.value);
        if stub || self.is_unchanged(&entry.0, base.as_ref())? {
            self.remove(entry.0.path);
            return Ok(());
        }
        let (mut entry, inode) = entry;
        if let Some(inode) = inode {
            match self.links.get(&inode) {
                Some(first) => entry.kind = Kind::Hardlink { target: first.clone() },
                None => {
                    self.links.insert(inode, entry.path.clone());
                }
            }
        }
        self.plan.kept.push(entry);
        Ok(())
    }

    /// Begins a directory.
    fn enter(
        &mut self,
        path: TreePath,
        node: Node<Scanned>,
        base: Option<Entry>,
        parent: Below,
        opaque: bool,
    ) -> Result<(), CommitError> {
        let base = base.filter(Entry::is_directory);
        let below = match (&base, parent) {
            (None, _) => Below::Nothing,
            (Some(_), Below::Merged) if !opaque => Below::Merged,
            (Some(_), _) => Below::Hidden,
        };
        let directory = node.directory.unwrap_or_default();
        let touched = node.value.mtime.nanos != 0;
        let (entry, _) = describe(path.clone(), node.value);
        let changed = match &base {
            Some(base) => !same_metadata(base, &entry),
            None => !self.stubs.contains(&path),
        };
        let items = self.items(&path, directory, below)?.into_iter();
        let position = Some(self.plan.kept.len());
        let seconds = entry.mtime.seconds;
        self.plan.kept.push(entry);
        self.stack.push(Frame { path, items, below, position, changed, seconds, touched });
        Ok(())
    }

    /// Ends a directory.
    fn leave(&mut self) {
        let Some(frame) = self.stack.pop() else { return };
        let Some(position) = frame.position else { return };
        if !frame.changed && self.plan.kept.len() == position + 1 {
            self.plan.kept.pop();
            self.plan.removed.push((frame.path, true));
            self.touch();
        } else if frame.touched {
            self.plan.times.push((frame.path, frame.seconds));
        }
    }

    /// Whether the layers below show the very same already.
    fn is_unchanged(&self, entry: &Entry, base: Option<&Entry>) -> Result<bool, CommitError> {
        let Some(base) = base.filter(|base| same_metadata(base, entry)) else { return Ok(false) };
        match (&base.kind, &entry.kind) {
            (Kind::File { size: old, digest }, Kind::File { size: new, .. }) => {
                let same = old == new && base.mtime.seconds == entry.mtime.seconds;
                Ok(same && *digest == self.digest(&entry.path)?)
            }
            (old, new) => Ok(old == new),
        }
    }

    fn digest(&self, path: &TreePath) -> Result<Digest, CommitError> {
        let mut file = Digester::new(self.placer.open(path)?);
        std::io::copy(&mut file, &mut std::io::sink()).map_err(|source| PlaceError {
            operation: "read",
            path: path.clone(),
            source,
        })?;
        Ok(file.finish().1)
    }

    fn remove(&mut self, path: TreePath) {
        self.plan.removed.push((path, false));
        self.touch();
    }

    fn white_out(&mut self, path: TreePath) {
        self.plan.whiteouts.push(path.clone());
        self.plan.kept.push(Entry::whiteout(path));
        self.touch();
    }

    /// The directory at hand gets a new time by what will be done in it.
    fn touch(&mut self) {
        if let Some(frame) = self.stack.last_mut() {
            frame.touched = true;
        }
    }
}

/// Puts what upper has beside what lies below; of the latter alone only with `all`. Both are in byte order.
fn merge(nodes: Vec<Node<Scanned>>, base: Vec<Entry>, all: bool) -> Vec<Item> {
    let mut items = Vec::with_capacity(nodes.len());
    let mut base: Peekable<IntoIter<Entry>> = base.into_iter().peekable();
    let alone = |entry: Entry| all.then_some((None, Some(entry)));
    for node in nodes {
        while let Some(entry) = base.next_if(|entry| entry.path.name() < &*node.name) {
            items.extend(alone(entry));
        }
        let same = base.next_if(|entry| entry.path.name() == &*node.name);
        items.push((Some(node), same));
    }
    items.extend(base.filter_map(alone));
    items
}

/// Whether two entries have equal metadata, as far as it counts for a change. The permissions of links do not: they
/// have none.
fn same_metadata(a: &Entry, b: &Entry) -> bool {
    let link = matches!(a.kind, Kind::Symlink { .. });
    (a.mode == b.mode || link) && (a.uid, a.gid) == (b.uid, b.gid) && a.xattrs == b.xattrs
}

/// What was seen, as an entry of the layer, and what its other names have in common with it.
fn describe(path: TreePath, scanned: Scanned) -> (Entry, Option<u64>) {
    let kind = match scanned.seen {
        Seen::File { size } => Kind::File { size, digest: Digest::from_bytes([0; 32]) },
        Seen::Directory { .. } => Kind::Directory { opaque: false },
        Seen::Symlink { target } => Kind::Symlink { target },
        Seen::CharDevice(device) => Kind::CharDevice(device),
        Seen::BlockDevice(device) => Kind::BlockDevice(device),
        Seen::Fifo => Kind::Fifo,
        Seen::Socket => Kind::Socket,
        Seen::Whiteout { .. } => Kind::Whiteout,
    };
    let entry = Entry {
        uid: scanned.uid,
        gid: scanned.gid,
        xattrs: scanned.xattrs,
        ..Entry::new(path, kind, scanned.mode, scanned.mtime.whole())
    };
    (entry, scanned.inode)
}
