//! Walking a directory tree that nobody else changes, by descriptors, with several threads where that pays.
//!
//! Owns the order of the result (a directory's entries by name in byte order) and how work is shared out. Links are
//! never followed. Must not know what is looked for: a visitor makes a value of each entry.
//!
//! One thread walks until [`MANY`] entries have been seen, then more are started: a small tree costs its system
//! calls and nothing else. Directories are opened by their path beneath the root when their turn comes, so that a
//! wide tree does not hold many descriptors.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use rustix::fs::{FileType, RawDir, Statx};

use super::file;

/// From this many entries on it pays to start threads.
pub const MANY: usize = 64;

/// More threads than this only wait for the file system's locks.
const MAX_THREADS: usize = 8;

/// An entry that the visitor is shown.
#[derive(Debug)]
pub struct Visit<'a> {
    /// The directory that holds it.
    pub dir: BorrowedFd<'a>,
    /// The path of that directory, relative to the root of the walk.
    pub parent: &'a Path,
    /// Its name there.
    pub name: &'a CStr,
    /// What it is.
    pub status: &'a Statx,
}

impl Visit<'_> {
    /// Its path, relative to the root of the walk.
    pub fn path(&self) -> PathBuf {
        self.parent.join(OsStr::from_bytes(self.name.to_bytes()))
    }

    /// Its type.
    pub fn file_type(&self) -> FileType {
        FileType::from_raw_mode(self.status.stx_mode.into())
    }
}

/// An entry of the result.
#[derive(Debug)]
pub struct Node<T> {
    /// Its name.
    pub name: Box<[u8]>,
    /// What the visitor made of it.
    pub value: T,
    /// For a directory, its number in [`Tree`].
    pub directory: Option<usize>,
}

/// The directories of a tree, by number; the root is number 0.
#[derive(Debug)]
pub struct Tree<T> {
    directories: Vec<Vec<Node<T>>>,
}

impl<T> Tree<T> {
    /// The entries of a directory, by name in byte order; given away, so that each can be taken once.
    pub fn take(&mut self, directory: usize) -> Vec<Node<T>> {
        std::mem::take(&mut self.directories[directory])
    }
}

/// A walk failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{}`", path.display())]
pub struct WalkError {
    /// What was being done.
    pub operation: &'static str,
    /// To what, relative to the root of the walk.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

/// Shows every entry below `root`, but not `root` itself, to `visit`, from one or several threads. The first
/// error ends the walk.
pub fn walk<T, E, V>(root: BorrowedFd<'_>, visit: &V) -> Result<Tree<T>, E>
where
    T: Send,
    E: From<WalkError> + Send,
    V: Fn(&Visit<'_>) -> Result<T, E> + Sync,
{
    let shared = Shared {
        root,
        visit,
        state: Mutex::new(State {
            waiting: vec![(0, PathBuf::new())],
            directories: vec![Vec::new()],
            busy: 0,
            seen: 0,
            error: None,
        }),
        changed: Condvar::new(),
    };
    thread::scope(|scope| shared.work(Some(scope)));
    let state = shared.state.into_inner().unwrap_or_else(PoisonError::into_inner);
    match state.error {
        Some(error) => Err(error),
        None => Ok(Tree { directories: state.directories }),
    }
}

struct Shared<'a, T, E, V> {
    root: BorrowedFd<'a>,
    visit: &'a V,
    state: Mutex<State<T, E>>,
    changed: Condvar,
}

struct State<T, E> {
    /// Directories that nobody has begun.
    waiting: Vec<(usize, PathBuf)>,
    directories: Vec<Vec<Node<T>>>,
    /// Threads that are in a directory, from which more may come.
    busy: usize,
    seen: usize,
    error: Option<E>,
}

impl<T, E, V> Shared<'_, T, E, V>
where
    T: Send,
    E: From<WalkError> + Send,
    V: Fn(&Visit<'_>) -> Result<T, E> + Sync,
{
    /// Takes directories until there are none; starts more threads once, if `more` allows it.
    fn work<'scope>(&'scope self, mut more: Option<&'scope Scope<'scope, '_>>) {
        let mut buffer = Vec::with_capacity(32 * 1024);
        let mut state = self.lock();
        loop {
            let Some((number, path)) = state.waiting.pop() else {
                if state.busy == 0 {
                    self.changed.notify_all();
                    return;
                }
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            state.busy += 1;
            let start = state.seen >= MANY && state.waiting.len() > 1;
            drop(state);
            if start && let Some(scope) = more.take() {
                let threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
                for _ in 1..threads {
                    scope.spawn(|| self.work(None));
                }
            }
            let entries = self.directory(&path, &mut buffer);
            state = self.lock();
            state.busy -= 1;
            match entries {
                Ok(entries) => state.add(number, &path, entries),
                Err(error) => {
                    state.waiting.clear();
                    state.error.get_or_insert(error);
                }
            }
            if !state.waiting.is_empty() || state.busy == 0 {
                self.changed.notify_all();
            }
        }
    }

    /// Visits the entries of one directory.
    fn directory(&self, path: &Path, buffer: &mut Vec<u8>) -> Result<Vec<(Node<T>, bool)>, E> {
        let failed = |operation, source: io::Error| WalkError { operation, path: path.to_owned(), source };
        let dir = file::open_beneath(self.root, path).map_err(|error| failed("open the directory", error))?;
        let names = names(dir.as_fd(), buffer).map_err(|error| failed("read the directory", error))?;
        let mut entries = Vec::with_capacity(names.len());
        for name in names {
            let bytes = name.to_bytes();
            let status = file::status(dir.as_fd(), &name).map_err(|source| WalkError {
                operation: "look at",
                path: path.join(OsStr::from_bytes(bytes)),
                source,
            })?;
            let visit = Visit { dir: dir.as_fd(), parent: path, name: &name, status: &status };
            let value = (self.visit)(&visit)?;
            let node = Node { name: bytes.into(), value, directory: None };
            entries.push((node, visit.file_type() == FileType::Directory));
        }
        Ok(entries)
    }

    fn lock(&self) -> MutexGuard<'_, State<T, E>> {
        // Nothing below can panic halfway: what the lock guards is whole at all times.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T, E> State<T, E> {
    /// Files a directory's entries and lets its directories wait for a thread.
    fn add(&mut self, number: usize, path: &Path, entries: Vec<(Node<T>, bool)>) {
        self.seen += entries.len();
        let mut nodes = Vec::with_capacity(entries.len());
        for (mut node, is_directory) in entries {
            if is_directory && self.error.is_none() {
                let child = self.directories.len();
                self.directories.push(Vec::new());
                self.waiting.push((child, path.join(OsStr::from_bytes(&node.name))));
                node.directory = Some(child);
            }
            nodes.push(node);
        }
        self.directories[number] = nodes;
    }
}

/// The names in a directory but `.` and `..`, in byte order.
fn names(dir: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> io::Result<Vec<CString>> {
    buffer.clear();
    let spare: &mut [MaybeUninit<u8>] = buffer.spare_capacity_mut();
    let mut raw = RawDir::new(dir, spare);
    let mut names = Vec::new();
    while let Some(entry) = raw.next() {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    names.sort_unstable();
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn paths(tree: &mut Tree<PathBuf>, directory: usize, all: &mut Vec<PathBuf>) {
        for node in tree.take(directory) {
            all.push(node.value);
            if let Some(directory) = node.directory {
                paths(tree, directory, all);
            }
        }
    }

    fn walked(root: &Path) -> Result<Vec<PathBuf>, WalkError> {
        let root = file::open_directory(root).unwrap();
        let mut tree = walk(root.as_fd(), &|visit: &Visit<'_>| Ok::<_, WalkError>(visit.path()))?;
        let mut all = Vec::new();
        paths(&mut tree, 0, &mut all);
        Ok(all)
    }

    #[test]
    fn small_and_large_trees_come_in_order() {
        for (width, depth) in [(1, 1), (3, 2), (20, 3)] {
            let dir = tempfile::tempdir().unwrap();
            let mut expected = Vec::new();
            for i in 0..width {
                let mut path = PathBuf::from(format!("d{i:02}"));
                for _ in 0..depth {
                    expected.push(path.clone());
                    for name in ["a", "b"] {
                        expected.push(path.join(name));
                    }
                    path.push("sub");
                }
                std::fs::create_dir_all(dir.path().join(path.parent().unwrap())).unwrap();
            }
            for path in expected.iter().filter(|p| p.ends_with("a") || p.ends_with("b")) {
                std::fs::write(dir.path().join(path), "").unwrap();
            }
            expected.sort();
            assert_eq!(walked(dir.path()).unwrap(), expected);
        }
    }

    #[test]
    fn links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("/etc", dir.path().join("etc")).unwrap();
        assert_eq!(walked(dir.path()).unwrap(), [PathBuf::from("etc")]);
    }

    #[test]
    fn the_visitor_can_end_the_walk() {
        let dir = tempfile::tempdir().unwrap();
        for i in 0..200 {
            std::fs::create_dir_all(dir.path().join(format!("{i}/x"))).unwrap();
        }
        let root = file::open_directory(dir.path()).unwrap();
        let result = walk(root.as_fd(), &|visit: &Visit<'_>| {
            if visit.name.to_bytes() == b"x" {
                let source = io::ErrorKind::Other.into();
                return Err(WalkError { operation: "accept", path: visit.path(), source });
            }
            Ok(())
        });
        assert!(result.unwrap_err().to_string().starts_with("cannot accept `"));
    }
}
