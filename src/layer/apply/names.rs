//! What an archive has put where so far.
//!
//! Owns the names that a layer gets while it is unpacked: where a name from the archive leads once links among its
//! parents are followed, which directories it needs, what it replaces, and which names are one file. Pure: the disk
//! follows what is decided here.

use std::collections::{BTreeMap, VecDeque};

use super::ApplyError;
use crate::layer::tar::MAX_PATH;
use crate::oci::Digest;
use crate::tree::{Entry, Index, Kind, Time, TreePath};

/// As many links as Linux follows in one path (path_resolution(7)).
const MAX_LINKS: usize = 40;

/// A thing on disk, whatever number of names it has.
#[derive(Debug)]
struct Node {
    /// Its metadata, under the name by which it lies on disk first.
    entry: Entry,
    /// Its other names.
    others: Vec<TreePath>,
}

/// A tree in the making.
#[derive(Debug, Default)]
pub(super) struct Names {
    paths: BTreeMap<TreePath, usize>,
    nodes: Vec<Node>,
    /// The parent that the last name was in, as it stood in the archive and where it led. Archives list a
    /// directory's entries together.
    last: Option<(Vec<u8>, TreePath)>,
}

/// A parent, found.
#[derive(Debug)]
pub(super) struct Parent {
    /// Where it is.
    pub(super) path: TreePath,
    /// Directories that do not exist yet and that the archive has not listed, outermost first.
    pub(super) missing: Vec<TreePath>,
}

impl Names {
    /// How many names there are.
    pub(super) fn len(&self) -> usize {
        self.paths.len()
    }

    /// What is at `path`, as it will be described; the path in it is that of the first name.
    pub(super) fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.paths.get(path).map(|&node| &self.nodes[node].entry)
    }

    /// Where `parent`, cleaned of empty and `.` components, leads: links that the archive has made are followed, as if its
    /// root were `/`. `name` is the entry that is meant, for errors.
    pub(super) fn resolve(&mut self, parent: &[u8], name: &[u8]) -> Result<Parent, ApplyError> {
        if let Some((raw, path)) = &self.last
            && raw == parent
        {
            return Ok(Parent { path: path.clone(), missing: Vec::new() });
        }
        let mut todo: VecDeque<Vec<u8>> = components(parent);
        let mut path = TreePath::root();
        let mut missing = Vec::new();
        let mut links = 0;
        while let Some(component) = todo.front() {
            if component == b".." {
                path = path.parent().unwrap_or_default();
                todo.pop_front();
                continue;
            }
            let run = Run::new(&path, &todo);
            if run.bytes.len() > MAX_PATH {
                return Err(ApplyError::Name { name: name.into(), problem: super::Problem::Long });
            }
            // What has an entry has parents that are directories, so that there is one border to be found.
            let known = run.ends.partition_point(|&end| self.paths.contains_key(&run.prefix(end)));
            if let Some(&end) = run.ends[..known].last() {
                let at = run.prefix(end);
                match self.get(&at).map(|entry| &entry.kind) {
                    Some(Kind::Symlink { target }) => {
                        links += 1;
                        if links > MAX_LINKS {
                            return Err(ApplyError::Loop { name: name.into() });
                        }
                        path = at.parent().filter(|_| !target.starts_with(b"/")).unwrap_or_default();
                        todo.drain(..known);
                        for component in components(target).into_iter().rev() {
                            todo.push_front(component);
                        }
                        continue;
                    }
                    Some(Kind::Whiteout) => missing.push(at),
                    Some(Kind::Directory { .. }) | None => {}
                    Some(_) => return Err(ApplyError::Parent { name: name.into(), parent: at }),
                }
            }
            todo.drain(..run.ends.len());
            let below =
                run.ends[known..].iter().map(|&end| run.prefix(end)).filter(|path| !missing.contains(path));
            missing.extend(below.collect::<Vec<_>>());
            path = TreePath::clean(&run.bytes);
        }
        self.last = Some((parent.to_vec(), path.clone()));
        Ok(Parent { path, missing })
    }

    /// Adds a name for a new thing; nothing but a whiteout may be there. Returns the thing's number.
    pub(super) fn add(&mut self, mut entry: Entry) -> usize {
        let whiteout = self.get(&entry.path).is_some_and(Entry::is_whiteout);
        if let Kind::Directory { opaque } = &mut entry.kind
            && whiteout
        {
            // Removed and made again: nothing of the lower directory may show.
            *opaque = true;
            entry.implied = false;
        }
        let node = self.nodes.len();
        self.paths.insert(entry.path.clone(), node);
        self.nodes.push(Node { entry, others: Vec::new() });
        node
    }

    /// Adds another name for what is at `target`.
    pub(super) fn add_link(&mut self, target: &TreePath, path: &TreePath) {
        if let Some(&node) = self.paths.get(target) {
            self.paths.insert(path.clone(), node);
            self.nodes[node].others.push(path.clone());
        }
    }

    /// Describes an existing directory anew; an opaque one stays opaque.
    pub(super) fn describe_directory(&mut self, entry: Entry) {
        if let Some(&node) = self.paths.get(&entry.path) {
            let old = &mut self.nodes[node].entry;
            let kind = old.kind.clone();
            *old = Entry { kind, ..entry };
        }
    }

    /// Makes an existing directory opaque.
    pub(super) fn make_opaque(&mut self, path: &TreePath) {
        if let Some(&node) = self.paths.get(path) {
            self.nodes[node].entry.kind = Kind::Directory { opaque: true };
        }
    }

    /// Takes away `path` and everything below. Returns what must go from the disk, children first, and whether it
    /// is a directory.
    pub(super) fn remove(&mut self, path: &TreePath) -> Vec<(TreePath, bool)> {
        self.last = None;
        let below: Vec<TreePath> = self
            .paths
            .range(path.clone()..)
            .map(|(p, _)| p)
            .take_while(|p| p.is_below(path))
            .cloned()
            .collect();
        let mut gone = Vec::with_capacity(below.len());
        for path in below.into_iter().rev() {
            let Some(node) = self.paths.remove(&path) else { continue };
            let node = &mut self.nodes[node];
            let (directory, whiteout) = (node.entry.is_directory(), node.entry.is_whiteout());
            if node.entry.path == path {
                if let Some(other) = node.others.pop() {
                    node.entry.path = other;
                }
            } else {
                node.others.retain(|other| *other != path);
            }
            // Whiteouts come to the disk last.
            if !whiteout {
                gone.push((path, directory));
            }
        }
        gone
    }

    /// Notes the digest of a file's content.
    pub(super) fn set_digest(&mut self, node: usize, content: Digest) {
        if let Kind::File { digest, .. } = &mut self.nodes[node].entry.kind {
            *digest = content;
        }
    }

    /// The finished index: of the names of one thing the first in order carries it, the others are links to that.
    pub(super) fn into_index(self) -> Index {
        let mut carriers: BTreeMap<usize, TreePath> = BTreeMap::new();
        let mut entries = Vec::with_capacity(self.paths.len());
        for (path, node) in self.paths {
            let Node { entry, others } = &self.nodes[node];
            let mut entry = Entry { path: path.clone(), ..entry.clone() };
            if !others.is_empty() {
                match carriers.get(&node) {
                    Some(first) => entry.kind = Kind::Hardlink { target: first.clone() },
                    None => {
                        carriers.insert(node, path);
                    }
                }
            }
            entries.push(entry);
        }
        Index::from_sorted(entries).expect("the map has each path once, in the order of paths")
    }

    /// A directory that only its children speak of.
    pub(super) fn implied(path: TreePath) -> Entry {
        Entry { implied: true, ..Entry::directory(path, 0o755, Time::default()) }
    }
}

/// A path on the way, up to the next `..`: all of it, and where each of the components that were added ends.
struct Run {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Run {
    fn new(path: &TreePath, todo: &VecDeque<Vec<u8>>) -> Self {
        let mut run = Self { bytes: path.as_bytes().to_vec(), ends: Vec::new() };
        for component in todo.iter().take_while(|component| *component != b"..") {
            if !run.bytes.is_empty() {
                run.bytes.push(b'/');
            }
            run.bytes.extend_from_slice(component);
            run.ends.push(run.bytes.len());
        }
        run
    }

    fn prefix(&self, end: usize) -> TreePath {
        TreePath::clean(&self.bytes[..end])
    }
}

fn components(path: &[u8]) -> VecDeque<Vec<u8>> {
    path.split(|&b| b == b'/').filter(|part| !matches!(*part, b"" | b".")).map(Vec::from).collect()
}
