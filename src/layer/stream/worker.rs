//! A reading thread of [`stream`](super::stream).
//!
//! Owns how contents are read, hashed and copied on their way into a [`Piece`]. Must not know the order in which
//! pieces are written.

use std::fs::File;
use std::io::{self, Read, Sink, Write};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use rustix::buffer::spare_capacity;

use super::{Arrival, Content, PIECE, Piece, Place, StreamError, StreamOptions};
use crate::layer::tar;
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::{Entry, Kind};

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
pub(super) struct Worker<'a, C: Content> {
    pub(super) entries: &'a [Entry],
    pub(super) units: &'a [Range<usize>],
    pub(super) next: &'a AtomicUsize,
    pub(super) content: &'a C,
    pub(super) options: StreamOptions,
    pub(super) outlet: Outlet<C::Error>,
    pub(super) buffers: Receiver<Vec<u8>>,
}

impl<C: Content> Worker<'_, C> {
    /// Works until there are no more units, or an error here or elsewhere.
    pub(super) fn run(mut self) {
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
                    let _ = self.outlet.pieces.send(Some((place, Err(error))));
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

    /// A file that makes several pieces.
    fn large_file(&mut self, place: &mut Place, i: usize, entry: &Entry) -> Result<(), Stop<C::Error>> {
        let file = self.content.open(entry).map_err(StreamError::Content)?;
        let copy = self.content.copy_to(entry).map_err(StreamError::Content)?;
        if self.options.tar {
            let mut header = self.buffer()?;
            tar::encode_header(entry, &mut header).map_err(StreamError::Tar)?;
            self.outlet.send(place, header, Vec::new(), false)?;
        }
        let reading = LargeFile { entry, file: &file, copy: copy.as_ref(), left: entry.size() };
        let mut hash = self.options.digests.then(|| Digester::new(io::sink()));
        let mut last = match &mut hash {
            Some(hash) => self.pass_hashed(place, reading, hash)?,
            None => self.pass(place, reading)?,
        };
        let digest = hash.map(|hash| hash.finish().1);
        self.content.finish(entry, copy.as_ref(), digest.as_ref()).map_err(StreamError::Content)?;
        last.resize(last.len() + tar::padding(entry.size()), 0);
        self.outlet.send(place, last, digest.map(|digest| (i, digest)).into_iter().collect(), true)
    }

    /// Sends all pieces of a file but the last one, which it returns.
    fn pass(&self, place: &mut Place, mut reading: LargeFile<'_>) -> Result<Vec<u8>, Stop<C::Error>> {
        loop {
            let mut bytes = next_buffer(&self.buffers)?;
            reading.fill(&mut bytes)?;
            if reading.left == 0 {
                return Ok(bytes);
            }
            self.outlet.send(place, bytes, Vec::new(), false)?;
        }
    }

    /// The same, with all of the file given to `hash`. A thread of its own reads and copies, so that this one only
    /// hashes.
    fn pass_hashed(
        &mut self,
        place: &mut Place,
        reading: LargeFile<'_>,
        hash: &mut Digester<Sink>,
    ) -> Result<Vec<u8>, Stop<C::Error>> {
        let mut last = Vec::new();
        let mut left = reading.left;
        thread::scope(|scope| {
            let (send, filled) = channel();
            let buffers = &mut self.buffers;
            let reader = scope.spawn(move || reading.read_all(buffers, &send));
            for bytes in filled {
                // A sink takes everything.
                let _ = hash.write_all(&bytes);
                left -= bytes.len() as u64;
                if left == 0 {
                    last = bytes;
                } else {
                    self.outlet.send(place, bytes, Vec::new(), false)?;
                }
            }
            reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })?;
        Ok(last)
    }

    /// An empty buffer.
    fn buffer(&self) -> Result<Vec<u8>, Stop<C::Error>> {
        let mut buffer = next_buffer(&self.buffers)?;
        buffer.clear();
        Ok(buffer)
    }
}

/// Where a worker's pieces go.
pub(super) struct Outlet<E> {
    pub(super) worker: usize,
    pub(super) pieces: Sender<Arrival<E>>,
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
        self.pieces.send(Some((*place, Ok(piece)))).map_err(|_| Stop::Gone)?;
        place.1 += 1;
        Ok(())
    }
}

impl<E> Drop for Outlet<E> {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.pieces.send(None);
        }
    }
}

/// A buffer, once there is one, with whatever it was used for last.
fn next_buffer<E>(buffers: &Receiver<Vec<u8>>) -> Result<Vec<u8>, Stop<E>> {
    buffers.recv().map_err(|_| Stop::Gone)
}

/// A large file on its way, in buffers of [`PIECE`] bytes, the last one shorter.
struct LargeFile<'a> {
    entry: &'a Entry,
    file: &'a File,
    copy: Option<&'a File>,
    /// What is not read yet, in bytes.
    left: u64,
}

impl LargeFile<'_> {
    /// Replaces `bytes` by the file's next ones, and writes them to the copy.
    fn fill<E>(&mut self, bytes: &mut Vec<u8>) -> Result<(), StreamError<E>> {
        let want = self.left.min(PIECE as u64) as usize;
        // A buffer that was as long before is not set to zeros again.
        bytes.resize(want, 0);
        self.file.read_exact(bytes).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => size_error(self.entry),
            _ => read_error(self.entry, source),
        })?;
        self.left -= want as u64;
        if self.left == 0 && self.file.read(&mut [0]).map_err(|source| read_error(self.entry, source))? > 0 {
            return Err(size_error(self.entry));
        }
        if let Some(mut copy) = self.copy {
            copy.write_all(bytes).map_err(|source| copy_error(self.entry, source))?;
        }
        Ok(())
    }

    fn read_all<E>(mut self, buffers: &Receiver<Vec<u8>>, filled: &Sender<Vec<u8>>) -> Result<(), Stop<E>> {
        while self.left > 0 {
            let mut bytes = next_buffer(buffers)?;
            self.fill(&mut bytes)?;
            filled.send(bytes).map_err(|_| Stop::Gone)?;
        }
        Ok(())
    }
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
