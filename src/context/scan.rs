//! Looks at every visible entry of a context once, and reads what a build selects.

use std::fmt;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::SystemTime;

use super::ContextError;
use super::dockerignore::{Dockerignore, Line};
use super::found::{FileId, Found, What};
use super::read;
use super::root::Root;
use super::stat_cache::{self, StatCache};
use crate::tree::{Entry, Index, Lookup, Node, Time, TreePath};

mod walk;

use walk::Walked;

/// The visible entries of a context, in the order of [`TreePath`], the root first. Contents and extended attributes are
/// read when [`Scan::index`] asks for them.
#[derive(Debug)]
pub struct Scan {
    root: Root,
    ignore: Arc<Dockerignore>,
    entries: Vec<Found>,
    /// How many directories were listed to find the entries.
    listed: usize,
    /// Whether any of them is a file with several names.
    linked: bool,
    started: Time,
    cache: Option<PathBuf>,
    /// Whether something was read that the cache did not have.
    learned: bool,
}

/// Why a path is not among the visible entries.
#[derive(Debug)]
pub enum Absence<'a> {
    /// There is no such thing in the directory either.
    NotThere,
    /// It is there, but a line of the ignore file hides it.
    Hidden {
        /// The ignore file, if the lines came from one.
        file: Option<&'a Path>,
        /// The line that decides.
        line: &'a Line,
    },
    /// It is there now, but was not when the context was looked at.
    Later,
}

impl Scan {
    /// Walks the directory `root`. `cache` is the stat cache's file, which need not exist yet; `None` trusts no earlier
    /// reading.
    pub fn new(root: &Path, ignore: Arc<Dockerignore>, cache: Option<PathBuf>) -> Result<Self, ContextError> {
        // The beginning must not lie after anything that is looked at.
        Self::started_at(now(), root, ignore, cache)
    }

    fn started_at(
        started: Time,
        root: &Path,
        ignore: Arc<Dockerignore>,
        cache: Option<PathBuf>,
    ) -> Result<Self, ContextError> {
        let root = Root::open(root)?;
        let small = cache.as_deref().is_some_and(StatCache::is_small);
        let load = || cache.as_deref().and_then(StatCache::load);
        let (walked, known) = if small {
            // What a thread costs to start is more than what it saves.
            (walk::walk(&root, &ignore, small), load())
        } else {
            thread::scope(|scope| {
                let known = scope.spawn(load);
                let walked = walk::walk(&root, &ignore, small);
                // The thread does not panic; if it did, nothing would be known.
                (walked, known.join().ok().flatten())
            })
        };
        let Walked { mut entries, listed } = walked?;
        if let Some(known) = known {
            known.apply(&mut entries);
        }
        let linked = entries.iter().any(|found| found.linked);
        Ok(Self { root, ignore, entries, listed, linked, started, cache, learned: false })
    }

    /// The context's directory, from which files are opened.
    pub fn root(&self) -> &Root {
        &self.root
    }

    /// The number of visible entries, with the root.
    pub fn count(&self) -> usize {
        self.entries.len()
    }

    /// The number of directories that were listed to find them. Together with the entries it is what a scan's cost grows
    /// with: what lies below a hidden directory costs nothing if no line could show any of it.
    pub fn listed(&self) -> usize {
        self.listed
    }

    /// When the youngest of the visible files was changed; `None` if there are none.
    pub fn newest_file(&self) -> Option<Time> {
        let files = self.entries.iter().filter(|found| matches!(found.what, What::File { .. }));
        files.map(|found| found.status.mtime).max()
    }

    /// The index of the selected paths, all that is below them, and the directories above them. What is not known of
    /// these entries yet is read, on all cores; nothing else is. Selected paths that are not there are passed over.
    pub fn index(&mut self, selection: &[TreePath]) -> Result<Index, ContextError> {
        self.index_with(selection, &[])
    }

    /// The same, with the entries at the paths `alone`, without what is below them.
    pub fn index_with(&mut self, trees: &[TreePath], alone: &[TreePath]) -> Result<Index, ContextError> {
        let wanted = self.wanted(trees, alone);
        let chosen = || self.entries.iter().zip(&wanted).filter(|&(_, &wanted)| wanted);
        if !chosen().all(|(found, _)| found.is_complete()) {
            let entries = self.entries.iter_mut().zip(&wanted);
            let pending = entries.filter(|(found, wanted)| **wanted && !found.is_complete());
            read::complete(&self.root, pending.map(|(found, _)| found).collect())?;
            self.learned = true;
        }
        let chosen = self.entries.iter().zip(&wanted).filter(|&(_, &wanted)| wanted);
        let entries: Vec<Entry> = chosen.filter_map(|(found, _)| found.entry()).collect();
        Ok(Index::from_sorted(entries).expect("the walk sorts its entries and drops doubles"))
    }

    /// Which file is at `path`, if it is a regular one that has other names too.
    pub fn file_id(&self, path: &TreePath) -> Option<FileId> {
        if !self.linked {
            return None;
        }
        self.position(path).ok().and_then(|place| self.entries[place].file_id())
    }

    /// Opens a visible file; see [`Root::open_file`].
    pub fn open_file(&self, path: &TreePath) -> Result<File, ContextError> {
        self.root.open_file(path)
    }

    /// Writes the stat cache, if there is one and something was learned since it was loaded.
    pub fn save_cache(&mut self) -> Result<(), ContextError> {
        let Some(file) = self.cache.as_ref().filter(|_| self.learned) else { return Ok(()) };
        stat_cache::save(file, &self.entries, self.started)
            .map_err(|source| ContextError::SaveCache { file: file.clone(), source })?;
        self.learned = false;
        Ok(())
    }

    /// Why `path` is not there. Only for paths that were not found.
    pub fn absence(&self, path: &TreePath) -> Absence<'_> {
        let verdict = self.ignore.verdict(path);
        match self.ignore.deciding(verdict) {
            _ if !self.root.has(path) => Absence::NotThere,
            Some(line) if verdict.is_hidden() => Absence::Hidden { file: self.ignore.file(), line },
            _ => Absence::Later,
        }
    }

    /// For each entry, whether it is below one of `trees`, one of `alone`, or a directory above either.
    fn wanted(&self, trees: &[TreePath], alone: &[TreePath]) -> Vec<bool> {
        let mut wanted = vec![false; self.entries.len()];
        let whole = trees.iter().map(|path| (path, true));
        for (path, whole) in whole.chain(alone.iter().map(|path| (path, false))) {
            let Ok(start) = self.position(path) else { continue };
            let count = if whole { self.subtree(start) } else { 1 };
            wanted[start..start + count].fill(true);
            for above in path.ancestors().chain([TreePath::root()]) {
                if let Ok(place) = self.position(&above) {
                    wanted[place] = true;
                }
            }
        }
        wanted
    }

    fn position(&self, path: &TreePath) -> Result<usize, usize> {
        self.entries.binary_search_by(|found| found.path.cmp(path))
    }

    /// How many entries the one at `place` and all below it are.
    fn subtree(&self, place: usize) -> usize {
        let top = &self.entries[place].path;
        self.entries[place..].partition_point(|found| found.path.is_below(top))
    }
}

impl Lookup for Scan {
    type Error = std::convert::Infallible;

    fn node(&self, path: &TreePath) -> Result<Option<Node>, Self::Error> {
        Ok(self.position(path).ok().map(|place| Node::from(&self.entries[place])))
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<(TreePath, Node)>, Self::Error> {
        let mut children = Vec::new();
        let Ok(start) = self.position(dir) else { return Ok(children) };
        let end = start + self.subtree(start);
        let mut place = start + 1;
        while place < end {
            let found = &self.entries[place];
            children.push((found.path.clone(), Node::from(found)));
            place += if matches!(found.what, What::Directory) { self.subtree(place) } else { 1 };
        }
        Ok(children)
    }
}

impl fmt::Display for Absence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotThere => write!(f, "it does not exist"),
            Self::Hidden { file: Some(file), line } => {
                write!(f, "line {} of `{}` hides it: `{}`", line.number, file.display(), line.text)
            }
            Self::Hidden { file: None, line } => write!(f, "the pattern `{}` hides it", line.text),
            Self::Later => write!(f, "it came into being during the build"),
        }
    }
}

/// The time of day.
fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time { seconds: since.as_secs() as i64, nanos: since.subsec_nanos() }
}

#[cfg(test)]
mod tests;
