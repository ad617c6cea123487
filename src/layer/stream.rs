//! Moves the contents of a tree's files, in order, read by several threads.
//!
//! Owns the one engine behind committing, regenerating and copying a layer: each content is read once and on its
//! way is hashed, written into the layer's tar and into a copy, as far as the caller wants. Must not know where
//! contents lie or what becomes of the tar: [`Content`] and a writer say so.
//!
//! Work is cut into *units* of consecutive entries: a batch of small ones, or one large file that passes in pieces.
//! Workers take units in order and send [`Piece`]s; the calling thread writes them in order. Every worker has its
//! own few buffers, which come back when they are written. That bounds memory and cannot lock up: a worker that
//! waits for a buffer waits for its own earlier units, and these are never behind the unit that is written next.

mod worker;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::mem;
use std::ops::Range;
use std::sync::atomic::AtomicUsize;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use self::worker::{Outlet, Worker};
use super::tar::{self, TarError};
use crate::oci::Digest;
use crate::tree::{Entry, TreePath};

/// How many bytes of tar a piece has, about: half of a core's second level cache.
const PIECE: usize = 256 * 1024;

/// Buffers of one worker: one that it fills, one that is written, and some for workers to drift apart.
const BUFFERS: usize = 6;

/// More workers than this only wait: one thread hashes and writes the tar.
const MAX_WORKERS: usize = 8;

/// Where the contents of a tree's files come from and go to. Called from several threads, for one entry by one.
pub trait Content: Sync {
    /// Why a content cannot be had or kept.
    type Error: Send;

    /// Opens the content of `entry`, a regular file, at its beginning.
    fn open(&self, entry: &Entry) -> Result<File, Self::Error>;

    /// Where a copy of the content goes while it is read: an empty file open for writing, if one is wanted.
    fn copy_to(&self, entry: &Entry) -> Result<Option<File>, Self::Error> {
        let _ = entry;
        Ok(None)
    }

    /// Called when all of the content has passed and the copy is complete: to set the copy's metadata, to compare
    /// the digest, which is there if [`StreamOptions::digests`] is set.
    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), Self::Error> {
        let _ = (entry, copy, digest);
        Ok(())
    }
}

/// What [`stream`] makes, and with how many threads. The result is the same for any number.
#[derive(Debug, Clone, Copy)]
pub struct StreamOptions {
    /// Threads that read; 0 for one a core.
    pub threads: usize,
    /// Whether to write the tar.
    pub tar: bool,
    /// Whether to compute each file's digest.
    pub digests: bool,
}

impl Default for StreamOptions {
    /// Tar and digests, one thread a core.
    fn default() -> Self {
        Self { threads: 0, tar: true, digests: true }
    }
}

/// Contents could not be moved.
#[derive(Debug, thiserror::Error)]
pub enum StreamError<E> {
    /// A content cannot be had or kept, says its owner.
    #[error(transparent)]
    Content(E),
    /// An entry has no form in a layer tar.
    #[error(transparent)]
    Tar(TarError),
    /// A content could not be read.
    #[error("cannot read the content of `{path}`")]
    Read {
        /// The entry.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// The copy of a content could not be written.
    #[error("cannot write the copy of `{path}`")]
    Copy {
        /// The entry.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// A content is shorter or longer than its entry says: it changed after it was looked at.
    #[error("the content of `{path}` has not the {expected} bytes that it had before")]
    Size {
        /// The entry.
        path: TreePath,
        /// What the entry says.
        expected: u64,
    },
    /// The tar could not be written.
    #[error("cannot write the layer tar")]
    Write {
        /// Why not.
        source: io::Error,
    },
}

/// Reads the content of every regular file among `entries`, which are in the order of a walk, and writes the layer
/// tar of all entries to `out` from the calling thread. Returns a digest for each entry that is a regular file.
///
/// Of several errors the one of the first entry is returned, whatever the threads did; what was written is of no
/// use then, and copies may be incomplete.
pub fn stream<C: Content>(
    entries: &[Entry],
    content: &C,
    out: &mut dyn Write,
    options: StreamOptions,
) -> Result<Vec<Option<Digest>>, StreamError<C::Error>> {
    let units = units(entries, options.tar);
    let cores = || thread::available_parallelism().map_or(1, usize::from);
    let threads = if options.threads == 0 { cores() } else { options.threads };
    let threads = threads.min(MAX_WORKERS).min(units.len());
    let next = AtomicUsize::new(0);
    thread::scope(|scope| {
        let (pieces, arriving) = channel();
        let mut returns = Vec::with_capacity(threads);
        for worker in 0..threads {
            let (give, buffers) = channel();
            for _ in 0..BUFFERS {
                let _ = give.send(Vec::with_capacity(PIECE + tar::BLOCK));
            }
            returns.push(give);
            let outlet = Outlet { worker, pieces: pieces.clone() };
            let (units, next) = (&units, &next);
            let worker = Worker { entries, units, next, content, options, outlet, buffers };
            scope.spawn(move || worker.run());
        }
        // When this ends, by whatever way, both its ends of the channels close and so the workers stop.
        drop(pieces);
        Writer { arriving, returns, out, tar: options.tar }.run(entries.len(), units.len())
    })
}

/// Cuts `entries` into units; all of them, though without a tar only files make work.
fn units(entries: &[Entry], tar: bool) -> Vec<Range<usize>> {
    let mut units = Vec::new();
    let mut start = 0;
    let mut weight = 0;
    for (i, entry) in entries.iter().enumerate() {
        let size = if tar || entry.size() > 0 { weight_of(entry) } else { 64 };
        if weight + size > PIECE as u64 && start < i {
            units.push(start..i);
            start = i;
            weight = 0;
        }
        weight += size;
    }
    if start < entries.len() {
        units.push(start..entries.len());
    }
    units
}

/// About how many bytes of tar an entry makes. Where it is more, a buffer grows.
fn weight_of(entry: &Entry) -> u64 {
    let records = entry.path.as_bytes().len()
        + entry.xattrs.iter().map(|x| x.name.len() + x.value.len()).sum::<usize>();
    entry.size().saturating_add((2 * tar::BLOCK + records) as u64)
}

/// Some bytes of the tar, in order within a unit.
struct Piece {
    worker: usize,
    bytes: Vec<u8>,
    /// The files that ended in this piece, by their place among the entries.
    digests: Vec<(usize, Digest)>,
    /// Whether the unit ends here.
    last: bool,
}

/// A piece's place in the tar: its unit, and its number within that.
type Place = (usize, usize);

/// What a worker sends; `None` if it panics, because the writer would wait for its pieces for ever.
type Arrival<E> = Option<(Place, Result<Piece, StreamError<E>>)>;

/// The calling thread's part: puts the pieces in order.
struct Writer<'a, E> {
    arriving: Receiver<Arrival<E>>,
    returns: Vec<Sender<Vec<u8>>>,
    out: &'a mut dyn Write,
    tar: bool,
}

impl<E> Writer<'_, E> {
    fn run(self, entries: usize, units: usize) -> Result<Vec<Option<Digest>>, StreamError<E>> {
        let mut digests = vec![None; entries];
        let mut early = BTreeMap::new();
        let mut next: Place = (0, 0);
        while next.0 < units {
            while let Some(piece) = early.remove(&next) {
                let piece: Piece = piece?;
                next = if piece.last { (next.0 + 1, 0) } else { (next.0, next.1 + 1) };
                for (i, digest) in piece.digests {
                    digests[i] = Some(digest);
                }
                if self.tar {
                    self.out.write_all(&piece.bytes).map_err(|source| StreamError::Write { source })?;
                    self.give_back(piece.worker, piece.bytes);
                }
            }
            if next.0 < units {
                let arrival = self.arriving.recv().ok().flatten();
                let (place, mut piece) =
                    arrival.expect("workers send all units or an error, unless they panic");
                if let Ok(piece) = &mut piece
                    && !self.tar
                {
                    self.give_back(piece.worker, mem::take(&mut piece.bytes));
                }
                early.insert(place, piece);
            }
        }
        if self.tar {
            self.out.write_all(&tar::END).map_err(|source| StreamError::Write { source })?;
        }
        Ok(digests)
    }

    fn give_back(&self, worker: usize, bytes: Vec<u8>) {
        // A worker that is done wants no buffer any more.
        let _ = self.returns[worker].send(bytes);
    }
}

#[cfg(test)]
mod tests;
