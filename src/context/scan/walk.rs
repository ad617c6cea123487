//! The walk: on all cores, each visible entry looked at once, directories that cannot show anything never opened.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::available_parallelism;

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};
use rayon::prelude::*;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::super::ContextError;
use super::super::dockerignore::{Dockerignore, Verdict};
use super::super::found::{Found, Status, What};
use super::super::root::Root;
use crate::tree::{Device, TreePath};

/// What a walk has seen.
pub(super) struct Walked {
    /// The entries below and with the root, in order, each path once.
    pub(super) entries: Vec<Found>,
    /// How many directories were listed.
    pub(super) listed: usize,
}

/// Walks everything that can be visible. `small` says that it is probably done in a millisecond.
pub(super) fn walk(root: &Root, ignore: &Arc<Dockerignore>, small: bool) -> Result<Walked, ContextError> {
    let mut builder = WalkBuilder::new(root.path());
    // A second thread has nothing to do at first, and then sleeps for a millisecond.
    let threads = if small { 1 } else { available_parallelism().map_or(1, Into::into) };
    builder.standard_filters(false).threads(threads);
    if !ignore.is_empty() {
        let (ignore, top) = (Arc::clone(ignore), root.path().to_owned());
        builder.filter_entry(move |entry| {
            let is_dir = entry.file_type().is_some_and(|kind| kind.is_dir());
            let path = below(&top, entry.path());
            !(is_dir && ignore.can_prune(path, ignore.verdict_on(path)))
        });
    }
    let walk = Walk { top: root.path(), ignore, gathered: Mutex::default() };
    builder.build_parallel().visit(&mut &walk);
    let gathered = walk.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
    if let Some(error) = gathered.error {
        return Err(error);
    }
    let mut entries = gathered.entries;
    entries.par_sort_unstable_by(|a, b| a.path.cmp(&b.path));
    // A directory that is changed while it is listed may give a name twice (readdir(3)).
    entries.dedup_by(|a, b| a.path == b.path);
    drop_empty_hidden(&mut entries);
    Ok(Walked { entries, listed: gathered.listed })
}

/// Drops hidden directories with nothing visible in them.
fn drop_empty_hidden(entries: &mut Vec<Found>) {
    if !entries.iter().any(|found| found.hidden) {
        return;
    }
    // From the end, what is in a directory comes before the directory itself, and of what is kept the last is in it if
    // anything is.
    let mut kept: Vec<Found> = Vec::with_capacity(entries.len());
    for found in entries.drain(..).rev() {
        let needed = || kept.last().is_some_and(|last| last.path.is_below(&found.path));
        if !found.hidden || needed() {
            kept.push(found);
        }
    }
    kept.reverse();
    *entries = kept;
}

/// What all threads of a walk share.
struct Walk<'a> {
    top: &'a Path,
    ignore: &'a Dockerignore,
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    entries: Vec<Found>,
    listed: usize,
    /// The first one; it ends the walk.
    error: Option<ContextError>,
}

/// What one thread of a walk has found. It is handed over when the thread ends.
struct Collector<'a> {
    walk: &'a Walk<'a>,
    entries: Vec<Found>,
    listed: usize,
    error: Option<ContextError>,
    /// The directory of the latest entry with the verdict on it: its siblings mostly come one after the other.
    dir: Vec<u8>,
    dir_verdict: Verdict,
}

impl<'s, 'a: 's> ParallelVisitorBuilder<'s> for &'a Walk<'a> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(Collector {
            walk: self,
            entries: Vec::new(),
            listed: 0,
            error: None,
            dir: Vec::new(),
            dir_verdict: Verdict::default(),
        })
    }
}

impl ParallelVisitor for Collector<'_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        let result = match entry {
            Ok(entry) => self.look(&entry),
            Err(error) => self.walk.error(error).map_or(Ok(WalkState::Continue), Err),
        };
        result.unwrap_or_else(|error| {
            self.error = Some(error);
            WalkState::Quit
        })
    }
}

impl Drop for Collector<'_> {
    fn drop(&mut self) {
        let mut gathered = self.walk.gathered.lock().unwrap_or_else(PoisonError::into_inner);
        gathered.entries.append(&mut self.entries);
        gathered.listed += self.listed;
        gathered.error = gathered.error.take().or(self.error.take());
    }
}

impl Collector<'_> {
    fn look(&mut self, entry: &DirEntry) -> Result<WalkState, ContextError> {
        let path = below(self.walk.top, entry.path());
        let hidden = self.is_hidden(path);
        let listed = entry.file_type().is_some_and(|kind| kind.is_dir());
        if hidden && !listed {
            return Ok(WalkState::Continue);
        }
        let error = |operation: &'static str, errno: Errno| ContextError::Entry {
            operation,
            path: TreePath::clean(path),
            source: errno.into(),
        };
        let stat = match rustix::fs::lstat(entry.path()) {
            Ok(stat) => stat,
            // Gone since it was listed.
            Err(Errno::NOENT | Errno::NOTDIR) => return Ok(WalkState::Skip),
            Err(errno) => return Err(error("look at", errno)),
        };
        let status = Status::of(&stat);
        let what = match what(entry.path(), &stat) {
            Ok(what) => what,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::INVAL) => return Ok(WalkState::Skip),
            Err(errno) => return Err(error("read the link", errno)),
        };
        let is_dir = matches!(what, What::Directory);
        if hidden && !is_dir {
            return Ok(WalkState::Skip);
        }
        let path = TreePath::clean(path);
        let linked = matches!(what, What::File(_)) && stat.st_nlink > 1;
        self.entries.push(Found { path, status, what, xattrs: None, hidden, linked });
        self.listed += usize::from(is_dir && listed);
        Ok(if is_dir || !listed { WalkState::Continue } else { WalkState::Skip })
    }

    fn is_hidden(&mut self, path: &[u8]) -> bool {
        let ignore = self.walk.ignore;
        if ignore.is_empty() || path.is_empty() {
            return false;
        }
        let dir = path.iter().rposition(|&b| b == b'/').map_or(&path[..0], |end| &path[..end]);
        if dir != self.dir {
            self.dir_verdict = ignore.verdict_on(dir);
            self.dir.clear();
            self.dir.extend_from_slice(dir);
        }
        ignore.verdict_in(self.dir_verdict, path).is_hidden()
    }
}

impl Walk<'_> {
    /// The walker's error with the path that it is about; `None` if that is only gone since it was listed.
    fn error(&self, error: ignore::Error) -> Option<ContextError> {
        match error {
            ignore::Error::WithDepth { err, .. } => self.error(*err),
            ignore::Error::WithPath { path, err } => match *err {
                ignore::Error::Io(source) if source.kind() == std::io::ErrorKind::NotFound => None,
                ignore::Error::Io(source) => {
                    let path = TreePath::clean(below(self.top, &path));
                    Some(ContextError::Entry { operation: "list", path, source })
                }
                other => self.error(other),
            },
            source => Some(ContextError::Walk { root: self.top.to_owned(), source }),
        }
    }
}

/// The part of `path` below `top`, in normal form: the walker joins nothing but names to its root.
fn below<'p>(top: &Path, path: &'p Path) -> &'p [u8] {
    let bytes = path.as_os_str().as_bytes();
    let rest = bytes.strip_prefix(top.as_os_str().as_bytes()).unwrap_or(bytes);
    rest.strip_prefix(b"/").unwrap_or(rest)
}

#[expect(clippy::unnecessary_cast, reason = "the widths differ between architectures")]
fn what(path: &Path, stat: &Stat) -> Result<What, Errno> {
    let device = || Device {
        major: rustix::fs::major(stat.st_rdev as u64),
        minor: rustix::fs::minor(stat.st_rdev as u64),
    };
    Ok(match FileType::from_raw_mode(stat.st_mode) {
        FileType::Directory => What::Directory,
        FileType::Symlink => What::Symlink(rustix::fs::readlink(path, Vec::new())?.into_bytes().into()),
        FileType::CharacterDevice => What::CharDevice(device()),
        FileType::BlockDevice => What::BlockDevice(device()),
        FileType::Fifo => What::Fifo,
        FileType::Socket => What::Socket,
        _ => What::File(None),
    })
}
