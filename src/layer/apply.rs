//! Unpacks a layer's tar into an empty directory, as overlayfs reads it.
//!
//! Owns what the entries of a foreign archive may do. Whatever the archive says, nothing outside the directory is
//! touched, and memory is bounded by the number of entries:
//! their names and attributes have a limit ([`ApplyError::Text`]). Must not know compression or where layers are kept.
//!
//! Decisions, where archives leave a choice:
//! - Names are taken from the root of the layer, a leading `/` or `./` notwithstanding; `..` is refused.
//! - A parent that the archive has made a symbolic link is followed as if the layer were the root file system, as
//!   containerd does; a parent that is anything else but a directory is refused.
//! - Of several entries with one path the last stays. A directory that comes again keeps its content.
//! - A hard link must name a file that has come before in this archive. Its own metadata is that of the file: on
//!   disk they are one.
//! - Marks act on lower layers only, whatever their place in the archive. A path that is both removed and present
//!   is present; if it is a directory it is opaque. A character device 0:0 is what overlayfs calls a whiteout, and
//!   so do we.
//! - In a tar that is no layer ([`Contents::Files`]) there are no marks, and what looks like one is refused.
//! - Files that are stored without their holes have them on disk, too. A hole is content like any other: its zeros
//!   count for digests and limits.
//! - Attributes that are no part of a layer ([`crate::tree::Xattr::is_kept`]) are dropped.
//!
//! Metadata of directories and whiteouts come last: by then nothing changes a time or needs a permission.

mod archive;
mod fields;
mod names;
mod pool;
mod sparse;
mod unpack;

use std::io::Read;
use std::os::fd::OwnedFd;
use std::thread;

pub use self::archive::ArchiveError;
use self::archive::Reader;
pub(super) use self::archive::{Header, HeaderKind};
pub(super) use self::fields::checksum_is_right;
use self::pool::Pool;
use self::unpack::{Stop, Unpacking};
use super::place::{PlaceError, Placer};
use super::shown::shown;
use super::whiteout::Marks;
use crate::oci::DiffId;
use crate::tree::{Index, TreePath};

/// The longest text of a link: one less than the kernel's `PATH_MAX`.
const MAX_TARGET: usize = 4095;

/// The longest component of a path: the kernel's `NAME_MAX`.
const MAX_COMPONENT: usize = 255;

/// What the names, links and attributes of an archive may take all in all, in bytes: so many for each entry that the
/// archive has, and so many more. A name of 4,095 bytes can imply 2,047 directories, whose names take a thousand times
/// as much; no archive of files that somebody uses comes near.
const TEXT_OF_ENTRY: u64 = 512;
const TEXT: u64 = 24 << 20;

/// What a tar is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// A layer: some entries mark what is removed from the layers below.
    Layer,
    /// Files, and nothing else. What would be a mark in a layer is refused, because no layer could hold it. On disk
    /// they belong to us; the index has their owners.
    Files,
}

/// How to unpack.
#[derive(Debug, Clone, Copy)]
pub struct ApplyOptions {
    /// What the tar is about.
    pub contents: Contents,
    /// How the layer will be mounted.
    pub marks: Marks,
    /// The most content that all files together may have, in bytes.
    pub max_bytes: u64,
    /// The most entries there may be. Each costs some hundred bytes of memory.
    pub max_entries: usize,
}

impl ApplyOptions {
    /// For layers; no limit for content, four million entries.
    pub const fn new(marks: Marks) -> Self {
        Self { contents: Contents::Layer, marks, max_bytes: u64::MAX, max_entries: 4_000_000 }
    }
}

/// A layer that was unpacked.
#[derive(Debug)]
pub struct Applied {
    /// What is in the directory, without the root.
    pub index: Index,
    /// The digest of the archive.
    pub diff_id: DiffId,
    /// Whether writer v1 makes the very same archive from the index and the contents.
    pub regenerates: bool,
    /// The size of the archive in bytes.
    pub bytes: u64,
}

/// What is wrong with a name in an archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It would go up.
    #[error("it contains `..`")]
    Up,
    /// The path or one of its components is longer than Linux allows.
    #[error("it is too long")]
    Long,
    /// It has a zero byte.
    #[error("it contains a zero byte")]
    Zero,
    /// It starts with `.wh.` but is no mark.
    #[error("a name that starts with `.wh.` can only mark a removed file")]
    Reserved,
    /// It is a device that overlayfs takes for a mark.
    #[error("a character device 0:0 can only mark a removed file")]
    WhiteoutDevice,
    /// It names no entry, where one must be named.
    #[error("it is empty")]
    Empty,
    /// A mark asks to hide all lower layers.
    #[error("the root of a layer cannot be opaque")]
    OpaqueRoot,
}

/// A layer cannot be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// The archive is not readable as a layer.
    #[error(transparent)]
    Archive(ArchiveError),
    /// An entry's name cannot be used.
    #[error("the entry `{}` cannot be unpacked: {problem}", shown(name))]
    Name {
        /// The name as it stands.
        name: Box<[u8]>,
        /// What is wrong with it.
        problem: Problem,
    },
    /// The text of a link cannot be used.
    #[error(
        "the link `{}` cannot be unpacked: its target `{}` is not usable, {problem}",
        shown(name),
        shown(target)
    )]
    Target {
        /// The name of the link.
        name: Box<[u8]>,
        /// Its text.
        target: Box<[u8]>,
        /// What is wrong with it.
        problem: Problem,
    },
    /// A parent is no directory and no link to one.
    #[error(
        "the entry `{}` cannot be unpacked: `{}` is not a directory",
        shown(name),
        shown(parent.to_string().as_bytes())
    )]
    Parent {
        /// The entry.
        name: Box<[u8]>,
        /// The parent.
        parent: TreePath,
    },
    /// Links among the parents go round.
    #[error("the entry `{}` cannot be unpacked: too many symbolic links on the way", shown(name))]
    Loop {
        /// The entry.
        name: Box<[u8]>,
    },
    /// A hard link names nothing that it could.
    #[error(
        "the hard link `{}` cannot be unpacked: there is no file `{}` before it",
        shown(name),
        shown(target.to_string().as_bytes())
    )]
    LinkTarget {
        /// The link.
        name: Box<[u8]>,
        /// What it names.
        target: TreePath,
    },
    /// There is more content than allowed.
    #[error("there are over {limit} bytes of content, which is the limit")]
    Bytes {
        /// The limit.
        limit: u64,
    },
    /// There are more entries than allowed.
    #[error("there are over {limit} entries, which is the limit")]
    Entries {
        /// The limit.
        limit: usize,
    },
    /// There is more in names and attributes than entries of such a number ever have.
    #[error(
        "the names and attributes of {entries} entries take over {bytes} bytes of memory, which is too much"
    )]
    Text {
        /// How many entries have been read.
        entries: u64,
        /// The limit.
        bytes: u64,
    },
    /// An entry cannot be put on disk.
    #[error(transparent)]
    Place(PlaceError),
}

impl From<ArchiveError> for ApplyError {
    fn from(error: ArchiveError) -> Self {
        Self::Archive(error)
    }
}

impl From<PlaceError> for ApplyError {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}

/// Whether `input` begins as a tar with an entry: a header that can be read, as any reader of tars would.
pub fn begins_tar(input: impl Read) -> bool {
    match Reader::new(input).next() {
        Ok(first) => first.is_some(),
        // A tar, but none that can be unpacked.
        Err(error) => matches!(error, ArchiveError::Type { .. }),
    }
}

/// The header that `blocks` hold: an entry's, with the extended ones before it.
pub(super) fn header_of(blocks: &[u8]) -> Result<Option<Header>, ArchiveError> {
    Reader::new(blocks).next()
}

/// Unpacks `tar`, which is not compressed, into the empty directory `dir`. After an error the directory holds parts
/// of the layer and is of no use.
pub fn apply(tar: impl Read, dir: OwnedFd, options: ApplyOptions) -> Result<Applied, ApplyError> {
    let placer = Placer::new(dir, options.marks);
    let placer = match options.contents {
        Contents::Layer => placer,
        Contents::Files => placer.without_owners(),
    };
    let pool = Pool::new(&placer);
    let result = thread::scope(|scope| {
        let mut unpacking = Unpacking::new(&placer, &pool, scope, options);
        let result = unpacking.run(Reader::new(tar));
        pool.close();
        result.map(|end| (unpacking.names, unpacking.links, end, unpacking.regenerates))
    });
    let digests = pool.finish();
    let done = match result {
        Ok(done) => Some(done),
        Err(Stop::Error(error)) => return Err(error),
        Err(Stop::Worker) => None,
    };
    let digests = digests?;
    let (mut names, links, end, regenerates) = done.expect("a worker stops the reading only by its error");
    for (node, digest) in digests {
        names.set_digest(node, digest);
    }
    for (target, path) in links {
        placer.link(&target, &path)?;
    }
    let index = names.into_index();
    for entry in index.entries().iter().filter(|entry| entry.is_whiteout()) {
        placer.place(entry)?;
    }
    for entry in index.entries().iter().rev().filter(|entry| entry.is_directory()) {
        placer.finish_directory(entry)?;
    }
    Ok(Applied {
        index,
        diff_id: DiffId(end.digest),
        regenerates: regenerates && end.plain,
        bytes: end.bytes,
    })
}

#[cfg(test)]
mod laws;
#[cfg(test)]
mod tests;
