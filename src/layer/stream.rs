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

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::mem;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::buffer::spare_capacity;

use super::tar::{self, TarError};
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::{Entry, Kind, TreePath};

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

/// Cuts `entries` into units. Those that neither are in the tar nor have a content are in units, too.
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

/// About how many bytes of tar an entry makes; not less than its content and headers take in a buffer.
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

type Arrival<E> = (Place, Result<Piece, StreamError<E>>);

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
                let (place, mut piece) =
                    self.arriving.recv().expect("workers send all pieces of all units, or an error");
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

/// Why a worker stops before the last unit.
enum Stop<E> {
    /// It met an error.
    Failed(StreamError<E>),
    /// The writer met one.
    Gone,
}

impl<E> From<StreamError<E>> for Stop<E> {
    fn from(error: StreamError<E>) -> Self {
        Self::Failed(error)
    }
}

/// One reading thread.
struct Worker<'a, C: Content> {
    entries: &'a [Entry],
    units: &'a [Range<usize>],
    next: &'a AtomicUsize,
    content: &'a C,
    options: StreamOptions,
    outlet: Outlet<C::Error>,
    buffers: Receiver<Vec<u8>>,
}

impl<C: Content> Worker<'_, C> {
    fn run(mut self) {
        loop {
            let unit = self.next.fetch_add(1, Ordering::Relaxed);
            let Some(range) = self.units.get(unit) else { return };
            let mut place = (unit, 0);
            let entry = &self.entries[range.start];
            let done = if entry.size() > PIECE as u64 {
                self.large_file(&mut place, range.start, entry)
            } else {
                self.batch(&mut place, range.clone())
            };
            match done {
                Ok(()) => {}
                Err(Stop::Gone) => return,
                Err(Stop::Failed(error)) => {
                    // If nobody receives it, another error came first.
                    let _ = self.outlet.pieces.send((place, Err(error)));
                    return;
                }
            }
        }
    }

    /// Entries that fit one piece.
    fn batch(&self, place: &mut Place, range: Range<usize>) -> Result<(), Stop<C::Error>> {
        let mut bytes = self.buffer()?;
        let mut digests = Vec::with_capacity(range.len());
        for i in range {
            let entry = &self.entries[i];
            if self.options.tar {
                tar::encode_header(entry, &mut bytes).map_err(StreamError::Tar)?;
            }
            if matches!(entry.kind, Kind::File { .. }) {
                digests.extend(self.small_file(entry, &mut bytes)?.map(|digest| (i, digest)));
                bytes.resize(bytes.len() + tar::padding(entry.size()), 0);
            }
        }
        self.outlet.send(place, bytes, digests, true)
    }

    /// Appends the content of `entry` to `bytes`.
    fn small_file(
        &self,
        entry: &Entry,
        bytes: &mut Vec<u8>,
    ) -> Result<Option<Digest>, StreamError<C::Error>> {
        let file = self.content.open(entry).map_err(StreamError::Content)?;
        let mut copy = self.content.copy_to(entry).map_err(StreamError::Content)?;
        let start = bytes.len();
        let end = start + entry.size() as usize;
        read_to(&file, bytes, end).map_err(|source| read_error(entry, source))?;
        if bytes.len() != end {
            return Err(size_error(entry));
        }
        if let Some(copy) = &mut copy {
            copy.write_all(&bytes[start..]).map_err(|source| copy_error(entry, source))?;
        }
        let digest = self.options.digests.then(|| Digest::of(&bytes[start..]));
        self.content.finish(entry, copy.as_ref(), digest.as_ref()).map_err(StreamError::Content)?;
        Ok(digest)
    }

    /// A file that makes several pieces. A thread of its own reads and copies it, so that this one only hashes.
    fn large_file(&mut self, place: &mut Place, i: usize, entry: &Entry) -> Result<(), Stop<C::Error>> {
        let file = self.content.open(entry).map_err(StreamError::Content)?;
        let mut copy = self.content.copy_to(entry).map_err(StreamError::Content)?;
        if self.options.tar {
            let mut header = self.buffer()?;
            tar::encode_header(entry, &mut header).map_err(StreamError::Tar)?;
            self.outlet.send(place, header, Vec::new(), false)?;
        }
        let mut hash = Digester::new(io::sink());
        let mut last = Vec::new();
        let mut left = entry.size();
        thread::scope(|scope| {
            let (send, filled) = channel();
            let (buffers, copy) = (&mut self.buffers, copy.as_mut());
            let reader = scope.spawn(move || read_large(entry, &file, copy, buffers, &send));
            for bytes in filled {
                if self.options.digests {
                    // A sink takes everything.
                    let _ = hash.write_all(&bytes);
                }
                left -= bytes.len() as u64;
                if left == 0 {
                    last = bytes;
                } else {
                    self.outlet.send(place, bytes, Vec::new(), false)?;
                }
            }
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        let (_, digest, _) = hash.finish();
        let digest = self.options.digests.then_some(digest);
        self.content.finish(entry, copy.as_ref(), digest.as_ref()).map_err(StreamError::Content)?;
        last.resize(last.len() + tar::padding(entry.size()), 0);
        self.outlet.send(place, last, digest.map(|digest| (i, digest)).into_iter().collect(), true)
    }

    fn buffer(&self) -> Result<Vec<u8>, Stop<C::Error>> {
        next_buffer(&self.buffers)
    }
}

/// Where a worker's pieces go.
struct Outlet<E> {
    worker: usize,
    pieces: Sender<Arrival<E>>,
}

impl<E> Outlet<E> {
    /// Sends a piece and moves `place` on to the one after it in the same unit.
    fn send(
        &self,
        place: &mut Place,
        bytes: Vec<u8>,
        digests: Vec<(usize, Digest)>,
        last: bool,
    ) -> Result<(), Stop<E>> {
        let piece = Piece { worker: self.worker, bytes, digests, last };
        self.pieces.send((*place, Ok(piece))).map_err(|_| Stop::Gone)?;
        place.1 += 1;
        Ok(())
    }
}

/// An empty buffer, once there is one.
fn next_buffer<E>(buffers: &Receiver<Vec<u8>>) -> Result<Vec<u8>, Stop<E>> {
    let mut buffer = buffers.recv().map_err(|_| Stop::Gone)?;
    buffer.clear();
    Ok(buffer)
}

/// Reads all of a file in buffers of [`PIECE`] bytes, the last one shorter, and writes them to the copy.
fn read_large<E>(
    entry: &Entry,
    mut file: &File,
    mut copy: Option<&mut File>,
    buffers: &Receiver<Vec<u8>>,
    filled: &Sender<Vec<u8>>,
) -> Result<(), Stop<E>> {
    let mut left = entry.size();
    while left > 0 {
        let mut bytes = next_buffer(buffers)?;
        let want = left.min(PIECE as u64);
        file.take(want).read_to_end(&mut bytes).map_err(|source| read_error(entry, source))?;
        left -= want;
        let longer = left == 0 && file.read(&mut [0]).map_err(|source| read_error(entry, source))? > 0;
        if (bytes.len() as u64) < want || longer {
            return Err(size_error(entry).into());
        }
        if let Some(copy) = &mut copy {
            copy.write_all(&bytes).map_err(|source| copy_error(entry, source))?;
        }
        filled.send(bytes).map_err(|_| Stop::Gone)?;
    }
    Ok(())
}

/// Reads until `bytes` has more than `end` bytes or the file ends.
fn read_to(file: &File, bytes: &mut Vec<u8>, end: usize) -> io::Result<()> {
    while bytes.len() <= end {
        bytes.reserve(end + 1 - bytes.len());
        let asked = bytes.capacity() - bytes.len();
        let n = rustix::io::retry_on_intr(|| rustix::io::read(file, spare_capacity(bytes)))?;
        // A regular file gives less than was asked for at its end only; that saves a call to see the end.
        if n == 0 || (n < asked && bytes.len() == end) {
            break;
        }
    }
    Ok(())
}

fn read_error<E>(entry: &Entry, source: io::Error) -> StreamError<E> {
    StreamError::Read { path: entry.path.clone(), source }
}

fn copy_error<E>(entry: &Entry, source: io::Error) -> StreamError<E> {
    StreamError::Copy { path: entry.path.clone(), source }
}

fn size_error<E>(entry: &Entry) -> StreamError<E> {
    StreamError::Size { path: entry.path.clone(), expected: entry.size() }
}
