//! What a COPY puts where: sources and a destination to the entries of a layer.
//!
//! Works on indexes only. What it needs to know of the file system below, it asks an [`Observer`], so that the
//! answers become the step's observed inputs. What an earlier source of the same instruction has put somewhere is there
//! for the later ones.

use std::collections::BTreeMap;

use crate::cache::Observer;
use crate::plan::Chmod;
use crate::tree::{Entry, Kind, LastLink, Lookup, Node, ResolveError, Time, Tree, TreePath, resolve_new};

use super::source::{ItemKind, Piece, SourceItem};

/// Entries of a layer that is to be made, and where their contents come from. Until [`Assembly::finish`] the files that
/// have several names are told by their numbers, afterwards by hard links.
pub(super) type Placed = BTreeMap<TreePath, Piece>;

/// How things are copied.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner<'a> {
    /// `--chown`, as numbers: the owner of all that is copied or made.
    pub(super) owner: Option<(u32, u32)>,
    /// `--chmod`.
    pub(super) chmod: Option<&'a Chmod>,
    /// The time of directories that are made.
    pub(super) now: Time,
}

/// A COPY cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum AssembleError<E> {
    /// A directory would go where something else is.
    #[error("cannot copy to non-directory: `{path}` is no place for the directory `{source_path}`")]
    NotADirectory {
        /// What was to be copied.
        source_path: TreePath,
        /// Where to.
        path: TreePath,
    },
    /// A file would go where a directory is.
    #[error("cannot replace to directory `{path}` with file `{source_path}`")]
    OverDirectory {
        /// What was to be copied.
        source_path: TreePath,
        /// Where to.
        path: TreePath,
    },
    /// A component of the destination is no directory.
    #[error("cannot make `{path}`: `{at}` is not a directory")]
    Blocked {
        /// The destination.
        path: TreePath,
        /// What is in its way.
        at: TreePath,
    },
    /// The destination leads through links without an end.
    #[error("the destination `{0}` leads through too many symbolic links")]
    TooManyLinks(TreePath),
    /// The file system below cannot be looked at.
    #[error(transparent)]
    Lookup(E),
}

/// A destination as it was written: absolute and clean, and whether it must be a directory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Destination<'a> {
    pub(super) path: &'a TreePath,
    pub(super) directory: bool,
}

pub(super) struct Assembly<'a, T: Tree> {
    below: &'a Observer<'a, T>,
    manner: Manner<'a>,
    placed: Placed,
    /// A directory that is new: nothing below it needs to be looked for in the file system below.
    new: Option<TreePath>,
    /// The first number that no file with several names has yet.
    files: usize,
}

/// What is at a path already.
#[derive(PartialEq, Eq)]
enum There {
    Nothing,
    Directory,
    Other,
}

impl<'a, T: Tree> Assembly<'a, T> {
    pub(super) fn new(below: &'a Observer<'a, T>, manner: Manner<'a>) -> Self {
        Self { below, manner, placed: Placed::new(), new: None, files: 0 }
    }

    /// The entries, with hard links put in place of files that are one.
    pub(super) fn finish(mut self) -> Placed {
        link(&mut self.placed);
        self.placed
    }

    /// Copies one thing.
    pub(super) fn copy(
        &mut self,
        item: SourceItem,
        to: Destination<'_>,
    ) -> Result<(), AssembleError<T::Error>> {
        let resolved = self.resolve(to.path)?;
        match item.kind {
            ItemKind::Directory(time) => self.copy_directory(item, &resolved, time),
            ItemKind::Archive => {
                // Modes are those in the archive, and nobody asks for others of what is made on the way.
                let chmod = self.manner.chmod.take();
                let result = self.unpack(item, &resolved);
                self.manner.chmod = chmod;
                result
            }
            ItemKind::File => {
                let into_directory = to.directory || self.there(&resolved)? == There::Directory;
                let target = if into_directory { resolved.child(&item.name) } else { resolved };
                self.make_parents(&target)?;
                self.put_all(item, &target)
            }
        }
    }

    /// Makes a directory with its parents, all new ones alike; those that exist stay as they are, and leave no
    /// entry if nothing had to be made.
    pub(super) fn make_directory(&mut self, path: &TreePath) -> Result<(), AssembleError<T::Error>> {
        let resolved = self.resolve(path)?;
        match self.there(&resolved)? {
            There::Directory => Ok(()),
            There::Other => Err(AssembleError::Blocked { path: resolved.clone(), at: resolved }),
            There::Nothing => {
                self.make_parents(&resolved)?;
                self.ensure_directory(&resolved, path)
            }
        }
    }

    fn copy_directory(
        &mut self,
        item: SourceItem,
        target: &TreePath,
        time: Option<Time>,
    ) -> Result<(), AssembleError<T::Error>> {
        // Owner and mode of the top directory are those that it has or that a made one gets, its time is the source's.
        self.make_top(&item.real, target)?;
        if let (Some(time), Some(piece)) = (time, self.placed.get_mut(target)) {
            piece.entry.mtime = time.whole();
        }
        self.put_all(item, target)
    }

    /// Sees to it that `target` is a directory that takes what is in `source_path`.
    fn make_top(&mut self, source_path: &TreePath, target: &TreePath) -> Result<(), AssembleError<T::Error>> {
        self.make_parents(target)?;
        if target.is_root() {
            return Ok(());
        }
        if self.there(target)? == There::Other {
            let (source_path, path) = (source_path.clone(), target.clone());
            return Err(AssembleError::NotADirectory { source_path, path });
        }
        self.ensure_directory(target, target)
    }

    /// Puts the pieces of an item at and below `target`, whose parents are there.
    fn put_all(&mut self, item: SourceItem, target: &TreePath) -> Result<(), AssembleError<T::Error>> {
        let first = self.files;
        for mut piece in item.pieces {
            let source_path = item.real.join(&piece.entry.path);
            self.number(&mut piece, first);
            self.put(target.join(&piece.entry.path), piece, source_path)?;
        }
        Ok(())
    }

    /// Puts what was in an archive below `target`, as tar would: links on the way are followed, and what is in the way
    /// gives way.
    fn unpack(&mut self, item: SourceItem, target: &TreePath) -> Result<(), AssembleError<T::Error>> {
        self.make_top(&item.real, target)?;
        let first = self.files;
        // The directory of the last entry: by its path in the archive, and where that leads.
        let mut last: Option<(TreePath, TreePath)> = None;
        for mut piece in item.pieces {
            let source_path = item.real.join(&piece.entry.path);
            self.number(&mut piece, first);
            let directory = piece.entry.path.parent().unwrap_or_default();
            if last.as_ref().is_none_or(|(path, _)| *path != directory) {
                let real = self.resolve(&target.join(&directory))?;
                self.make_parents(&real.child(piece.entry.path.name()))?;
                last = Some((directory, real));
            }
            let real = last.as_ref().map_or(target, |(_, real)| real);
            let path = real.child(piece.entry.path.name());
            self.replace(path, piece, source_path)?;
        }
        Ok(())
    }

    /// Puts an entry of an archive over whatever is below, but not over another kind of thing from an earlier source.
    fn replace(
        &mut self,
        path: TreePath,
        mut piece: Piece,
        source_path: TreePath,
    ) -> Result<(), AssembleError<T::Error>> {
        let is_directory = piece.entry.is_directory();
        match self.placed.get(&path).map(|earlier| earlier.entry.is_directory()) {
            Some(true) if !is_directory => return Err(AssembleError::OverDirectory { source_path, path }),
            Some(false) if is_directory => return Err(AssembleError::NotADirectory { source_path, path }),
            _ => {}
        }
        if is_directory && self.there(&path)? != There::Directory {
            self.is_new(&path);
        }
        self.dress(&mut piece.entry);
        self.insert(path, piece);
        Ok(())
    }

    /// Makes a number that is unique in an item unique among all: `first` is the first that the item may use.
    fn number(&mut self, piece: &mut Piece, first: usize) {
        if let Some(file) = &mut piece.file {
            *file += first;
            self.files = self.files.max(*file + 1);
        }
    }

    fn put(
        &mut self,
        path: TreePath,
        mut piece: Piece,
        source_path: TreePath,
    ) -> Result<(), AssembleError<T::Error>> {
        let there = self.there(&path)?;
        let is_directory = piece.entry.is_directory();
        match there {
            There::Directory if !is_directory => {
                return Err(AssembleError::OverDirectory { source_path, path });
            }
            There::Other if is_directory => {
                return Err(AssembleError::NotADirectory { source_path, path });
            }
            There::Directory if piece.entry.implied => return self.ensure_directory(&path, &path),
            _ => {}
        }
        if there == There::Nothing && is_directory {
            self.is_new(&path);
        }
        self.dress(&mut piece.entry);
        self.insert(path, piece);
        Ok(())
    }

    fn insert(&mut self, path: TreePath, mut piece: Piece) {
        piece.entry.path = path.clone();
        piece.entry.mtime = piece.entry.mtime.whole();
        piece.entry.implied = false;
        self.placed.insert(path, piece);
    }

    /// Gives an entry the owner and mode that the flags ask for.
    fn dress(&self, entry: &mut Entry) {
        if let Some((uid, gid)) = self.manner.owner {
            (entry.uid, entry.gid) = (uid, gid);
        }
        if let Some(chmod) = self.manner.chmod
            && !matches!(entry.kind, Kind::Symlink { .. })
        {
            entry.mode = chmod.apply(entry.mode, entry.is_directory());
        }
    }

    fn make_parents(&mut self, path: &TreePath) -> Result<(), AssembleError<T::Error>> {
        for parent in path.ancestors() {
            self.ensure_directory(&parent, path)?;
        }
        Ok(())
    }

    /// Sees to it that the layer has an entry for a directory: the one that is there, or a new one.
    fn ensure_directory(
        &mut self,
        path: &TreePath,
        wanted: &TreePath,
    ) -> Result<(), AssembleError<T::Error>> {
        let blocked = || AssembleError::Blocked { path: wanted.clone(), at: path.clone() };
        if let Some(piece) = self.placed.get(path) {
            return if piece.entry.is_directory() { Ok(()) } else { Err(blocked()) };
        }
        let entry = match self.there(path)? {
            There::Other => return Err(blocked()),
            There::Directory => {
                let found = self.below.metadata(path).map_err(AssembleError::Lookup)?;
                let mut entry =
                    found.unwrap_or_else(|| Entry::directory(path.clone(), 0o755, self.manner.now));
                (entry.kind, entry.implied, entry.part) = (Kind::Directory { opaque: false }, false, 0);
                entry
            }
            There::Nothing => {
                self.is_new(path);
                let mode = self.manner.chmod.map_or(0o755, Chmod::made_directory);
                let mut entry = Entry::directory(path.clone(), mode, self.manner.now.whole());
                (entry.uid, entry.gid) = self.manner.owner.unwrap_or((0, 0));
                entry
            }
        };
        self.placed.insert(path.clone(), Piece::bare(entry));
        Ok(())
    }

    fn is_new(&mut self, directory: &TreePath) {
        if !self.new.as_ref().is_some_and(|new| directory.is_below(new)) {
            self.new = Some(directory.clone());
        }
    }

    fn there(&self, path: &TreePath) -> Result<There, AssembleError<T::Error>> {
        let kind = |entry: &Entry| if entry.is_directory() { There::Directory } else { There::Other };
        if path.is_root() {
            return Ok(There::Directory);
        }
        if let Some(piece) = self.placed.get(path) {
            return Ok(kind(&piece.entry));
        }
        if self.is_in_new(path) {
            return Ok(There::Nothing);
        }
        let found = self.below.kind(path).map_err(AssembleError::Lookup)?;
        Ok(found.as_ref().map_or(There::Nothing, kind))
    }

    fn is_in_new(&self, path: &TreePath) -> bool {
        self.new.as_ref().is_some_and(|new| path.is_below(new))
    }

    /// What links lead through: what was placed, and what is below.
    fn node(&self, path: &TreePath) -> Result<Option<Node>, T::Error> {
        match self.placed.get(path) {
            Some(piece) => Ok(Some(Node::from(&piece.entry))),
            None if self.is_in_new(path) => Ok(None),
            None => self.below.node(path),
        }
    }

    fn resolve(&self, path: &TreePath) -> Result<TreePath, AssembleError<T::Error>> {
        resolve_new(|at| self.node(at), path, LastLink::Follow).map_err(|error| match error {
            ResolveError::NotADirectory { at, .. } | ResolveError::Missing { at, .. } => {
                AssembleError::Blocked { path: path.clone(), at }
            }
            ResolveError::TooManyLinks { path } => AssembleError::TooManyLinks(path),
            ResolveError::Lookup(error) => AssembleError::Lookup(error),
        })
    }
}

/// Turns files that are one file under several names into one file and hard links to it, as a layer lists them.
fn link(placed: &mut Placed) {
    let mut first: BTreeMap<usize, TreePath> = BTreeMap::new();
    for (path, piece) in placed.iter_mut() {
        let Some(file) = piece.file else { continue };
        match first.get(&file) {
            Some(target) => {
                piece.entry.kind = Kind::Hardlink { target: target.clone() };
                piece.origin = None;
            }
            None => {
                first.insert(file, path.clone());
            }
        }
    }
}
