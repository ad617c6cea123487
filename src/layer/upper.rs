//! Turns the upper directory of an overlay that is no longer mounted into a layer, or a whole file system that was
//! changed.
//!
//! Owns what counts as a change, and the canonical form on disk: what [`super::apply`] would make of the layer's
//! own tar. Must not know who mounted the overlay or where the layer goes.
//!
//! - Opaque directories become explicit whiteouts, by comparison with what lies below; a whiteout of nothing goes.
//! - What was copied up and is as it was goes. Regular files of equal metadata, size and second are compared by
//!   content. A directory's time alone does not count.
//! - Sockets go; one that took the place of something becomes a whiteout of that. Mount points that the sandbox
//!   made and nobody used go.
//! - Times are cut to seconds. Of extended attributes [`crate::tree::Xattr::is_kept`] decides which are
//!   listed; overlayfs's own are taken off.
//! - Of several names of one file the first in order carries the content. A name that is as it was does not count:
//!   it shows the lower layer's file.
//!
//! The root's own metadata is no part of a layer and stays as it is.

mod diff;
mod scan;

use std::error::Error;
use std::fs::File;
use std::io::{self, Sink};
use std::os::fd::BorrowedFd;

use self::diff::{Diff, Plan, Shape};
use super::place::{PlaceError, Placer};
use super::stream::{Content, StreamError, StreamOptions, stream};
use super::tar::{TarError, TarWriter};
use super::whiteout::Marks;
use crate::oci::digest::Digester;
use crate::oci::{DiffId, Digest};
use crate::sys::walk::{self, WalkError};
use crate::tree::{Entry, Index, Kind, Tree, TreePath, View};

/// So many entries are read faster without starting threads, if they are small.
const FEW: usize = walk::MANY;

/// What is small, in bytes of content.
const LITTLE: u64 = 1024 * 1024;

/// An upper directory that has become a layer.
#[derive(Debug)]
pub struct Committed {
    /// What is in the directory now, without the root.
    pub index: Index,
    /// The digest of the layer's tar, as writer v1 makes it.
    pub diff_id: DiffId,
    /// The size of that tar in bytes.
    pub tar_size: u64,
}

/// An upper directory cannot become a layer.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// It cannot be read.
    #[error("cannot read what was changed")]
    Walk(#[source] WalkError),
    /// A name that no layer can have.
    #[error("`{path}` cannot be kept in a layer: names that start with `.wh.` mark removed files")]
    Reserved {
        /// The file.
        path: TreePath,
    },
    /// The overlay was mounted with features that keep data or names in the lower layers.
    #[error("`{path}` has the attribute `{attribute}`: the overlay was not mounted for making layers")]
    Elsewhere {
        /// The file.
        path: TreePath,
        /// The attribute.
        attribute: &'static str,
    },
    /// What lies below cannot be read.
    #[error("cannot compare with the layers below")]
    Base(#[source] Box<dyn Error + Send + Sync>),
    /// The directory cannot be made canonical, or a file cannot be opened.
    #[error("cannot make a layer of what was changed")]
    Place(#[source] PlaceError),
    /// The contents cannot be read or have no form in a tar.
    #[error("cannot make a layer of what was changed")]
    Stream(#[source] StreamError<PlaceError>),
    /// The same, for a small layer.
    #[error("cannot make a layer of what was changed")]
    Tar(#[source] TarError),
}

impl From<WalkError> for CommitError {
    fn from(error: WalkError) -> Self {
        Self::Walk(error)
    }
}

impl From<PlaceError> for CommitError {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

/// Makes a layer of the upper directory `upper`, which was mounted over `base` with `marks`. `stubs` are the paths
/// that the sandbox itself made to mount something there, directories and empty files. Nobody else may use the
/// directory meanwhile. After an error it is neither what it was nor a layer.
pub fn commit<L>(
    upper: BorrowedFd<'_>,
    base: &L,
    stubs: &[TreePath],
    marks: Marks,
) -> Result<Committed, CommitError>
where
    L: Tree<Error: Error + Send + Sync + 'static>,
{
    commit_tree((upper, Shape::Changes), base, stubs, marks)
}

/// Makes a layer of the directory `whole`, which held everything that `base` shows before it was changed, and may be
/// used as the layer of a store without overlays. For the rest see [`commit`].
pub fn commit_whole<L>(whole: BorrowedFd<'_>, base: &L, stubs: &[TreePath]) -> Result<Committed, CommitError>
where
    L: Tree<Error: Error + Send + Sync + 'static>,
{
    commit_tree((whole, Shape::Everything), base, stubs, Marks::None)
}

/// What lies in the directory `whole`, in which a command worked that [`commit_whole`] would be for, as entries whose
/// files have no digests. Only times of files change there: they are cut to seconds.
pub fn survey_whole(whole: BorrowedFd<'_>) -> Result<Index, CommitError> {
    let (_, plan) = compare((whole, Shape::Everything), &View::new(Vec::new()), &[], Marks::None)?;
    Ok(in_order(plan.kept))
}

fn commit_tree<L>(
    upper: (BorrowedFd<'_>, Shape),
    base: &L,
    stubs: &[TreePath],
    marks: Marks,
) -> Result<Committed, CommitError>
where
    L: Tree<Error: Error + Send + Sync + 'static>,
{
    let (placer, Plan { mut kept, removed, whiteouts, times }) = compare(upper, base, stubs, marks)?;
    for (path, directory) in &removed {
        if *directory { placer.remove_directory(path)? } else { placer.remove(path)? }
    }
    for path in whiteouts {
        placer.place(&Entry::whiteout(path))?;
    }
    for (path, seconds) in times {
        placer.set_directory_time(&path, seconds)?;
    }

    let (digest, tar_size) = hash(&mut kept, &placer)?;
    Ok(Committed { index: in_order(kept), diff_id: DiffId(digest), tar_size })
}

/// Finds out what must be done, and gives what does it.
fn compare<L>(
    (upper, shape): (BorrowedFd<'_>, Shape),
    base: &L,
    stubs: &[TreePath],
    marks: Marks,
) -> Result<(Placer, Plan), CommitError>
where
    L: Tree<Error: Error + Send + Sync + 'static>,
{
    let failed = |operation, source| PlaceError { operation, path: TreePath::root(), source };
    let root = upper.try_clone_to_owned().map_err(|source| failed("open", source))?;
    scan::clear_root(upper).map_err(|source| failed("take the overlay's attributes off", source))?;
    let tree = walk::walk(upper, &|visit: &walk::Visit<'_>| scan::scan(visit, marks))?;
    let placer = Placer::new(root, marks);
    let plan = Diff::new(tree, base, stubs, &placer).run(shape)?;
    Ok((placer, plan))
}

fn in_order(kept: Vec<Entry>) -> Index {
    Index::from_sorted(kept).expect("the walk goes through each directory in order, once")
}

/// Fills in the digests of the files among `entries`; returns the digest and the size of the tar of them all.
fn hash(entries: &mut [Entry], placer: &Placer) -> Result<(Digest, u64), CommitError> {
    let mut tar = Digester::new(io::sink());
    let few = entries.len() < FEW && entries.iter().map(Entry::size).sum::<u64>() < LITTLE;
    let digests = if few {
        hash_here(entries, placer, &mut tar)?
    } else {
        stream(entries, &Upper(placer), &mut tar, StreamOptions::default()).map_err(CommitError::Stream)?
    };
    for (entry, content) in entries.iter_mut().zip(digests) {
        if let (Kind::File { digest, .. }, Some(content)) = (&mut entry.kind, content) {
            *digest = content;
        }
    }
    let (_, digest, tar_size) = tar.finish();
    Ok((digest, tar_size))
}

/// What [`stream`] does, without its threads and buffers: these would take longer than a little content.
fn hash_here(
    entries: &[Entry],
    placer: &Placer,
    tar: &mut Digester<Sink>,
) -> Result<Vec<Option<Digest>>, CommitError> {
    let mut writer = TarWriter::new(tar);
    let mut digests = Vec::with_capacity(entries.len());
    for entry in entries {
        if matches!(entry.kind, Kind::File { .. }) {
            let mut content = Digester::new(placer.open(&entry.path)?);
            writer.append(entry, &mut content).map_err(CommitError::Tar)?;
            digests.push(Some(content.finish().1));
        } else {
            writer.append(entry, io::empty()).map_err(CommitError::Tar)?;
            digests.push(None);
        }
    }
    writer.finish().map_err(CommitError::Tar)?;
    Ok(digests)
}

/// Contents from the upper directory.
struct Upper<'a>(&'a Placer);

impl Content for Upper<'_> {
    type Error = PlaceError;

    fn open(&self, entry: &Entry) -> Result<File, PlaceError> {
        self.0.open(&entry.path)
    }
}

#[cfg(test)]
mod tests;
