//! Writes the contents of a layer's files while the archive is being read.
//!
//! Owns the worker threads and their queue: small files in batches, large ones in pieces. Files are hashed as they
//! are written. Must not know archives; the reader sees to it that parents exist and that nothing is replaced while
//! it is being written ([`Pool::drain`]).
//!
//! Memory is bounded by the queue: [`QUEUE`] jobs of a batch's size, and [`PIECES`] pieces of each large file.
//! Threads are started when the first batch is full, so that a small layer needs none.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Scope};

use crate::layer::place::{PlaceError, Placer};
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::Entry;

/// A file larger than this passes in pieces of this size. In bytes.
pub(super) const PIECE: usize = 256 * 1024;

/// A batch is full with so many bytes or files.
const BATCH_BYTES: usize = 256 * 1024;
const BATCH_FILES: usize = 64;

/// Jobs that wait.
const QUEUE: usize = 4;

/// Pieces of one large file that wait.
const PIECES: usize = 4;

/// More threads than this only wait for the file system.
const MAX_THREADS: usize = 4;

/// Files with their contents, one after the other.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    files: Vec<(usize, Entry, Range<usize>)>,
}

impl Batch {
    /// Adds a file; returns where its content belongs.
    pub(super) fn add(&mut self, number: usize, entry: Entry, size: usize) -> &mut [u8] {
        let start = self.bytes.len();
        self.bytes.resize(start + size, 0);
        self.files.push((number, entry, start..start + size));
        &mut self.bytes[start..]
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= BATCH_BYTES || self.files.len() >= BATCH_FILES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.files.is_empty()
    }
}

/// A piece of a large file.
pub(super) enum Piece {
    Bytes(Vec<u8>),
    /// So many zeros, which need no room on disk.
    Hole(u64),
}

impl Piece {
    /// How much of the file it is, in bytes.
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Hole(length) => *length,
        }
    }
}

enum Job {
    Batch(Batch),
    Large { number: usize, entry: Entry, file: File, pieces: Receiver<Piece> },
}

/// The queue, and what has come out of it.
pub(super) struct Pool<'a> {
    placer: &'a Placer,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    busy: usize,
    threads: usize,
    closed: bool,
    digests: Vec<(usize, Digest)>,
    error: Option<PlaceError>,
}

/// A worker has failed; [`Pool::finish`] says why.
#[derive(Debug)]
pub(super) struct Failed;

impl<'a> Pool<'a> {
    pub(super) fn new(placer: &'a Placer) -> Self {
        Self { placer, state: Mutex::default(), changed: Condvar::new() }
    }

    /// Lets a batch be written, when there is room for it.
    pub(super) fn send<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        batch: Batch,
    ) -> Result<(), Failed> {
        self.push(scope, Job::Batch(batch))
    }

    /// Lets a large file be written, from the pieces that the returned sender is given. Sending fails when a
    /// worker has failed.
    pub(super) fn send_large<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        number: usize,
        entry: Entry,
    ) -> Result<SyncSender<Piece>, Failed> {
        let file = match self.placer.create(&entry.path) {
            Ok(file) => file,
            Err(error) => {
                self.lock().error.get_or_insert(error);
                return Err(Failed);
            }
        };
        let (sender, pieces) = sync_channel(PIECES);
        self.push(scope, Job::Large { number, entry, file, pieces })?;
        Ok(sender)
    }

    /// Waits until everything that was sent is on disk.
    pub(super) fn drain(&self) -> Result<(), Failed> {
        let mut state = self.lock();
        while state.error.is_none() && (!state.jobs.is_empty() || state.busy > 0) {
            state = self.wait(state);
        }
        if state.error.is_some() { Err(Failed) } else { Ok(()) }
    }

    /// Writes a batch in the calling thread: for what is left when all has been read, and for small layers.
    pub(super) fn write_here(&self, batch: &Batch) -> Result<(), Failed> {
        self.record(write_batch(self.placer, batch))
    }

    /// Lets the workers end.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// The digest of each file by its number, or the first error.
    pub(super) fn finish(self) -> Result<Vec<(usize, Digest)>, PlaceError> {
        let state = self.state.into_inner().unwrap_or_else(PoisonError::into_inner);
        match state.error {
            Some(error) => Err(error),
            None => Ok(state.digests),
        }
    }

    fn push<'scope>(&'scope self, scope: &'scope Scope<'scope, '_>, job: Job) -> Result<(), Failed> {
        let mut state = self.lock();
        if state.threads == 0 {
            state.threads = thread::available_parallelism().map_or(1, usize::from).min(MAX_THREADS);
            for _ in 0..state.threads {
                scope.spawn(|| self.work());
            }
        }
        while state.error.is_none() && state.jobs.len() >= QUEUE {
            state = self.wait(state);
        }
        if state.error.is_some() {
            return Err(Failed);
        }
        state.jobs.push_back(job);
        self.changed.notify_all();
        Ok(())
    }

    fn work(&self) {
        let mut state = self.lock();
        loop {
            let Some(job) = state.jobs.pop_front() else {
                if state.closed || state.error.is_some() {
                    return;
                }
                state = self.wait(state);
                continue;
            };
            state.busy += 1;
            drop(state);
            self.changed.notify_all();
            let result = match job {
                Job::Batch(batch) => write_batch(self.placer, &batch),
                Job::Large { number, entry, file, pieces } => {
                    write_large(self.placer, number, &entry, file, &pieces)
                }
            };
            // Nobody reads the error here: `finish` does.
            let _ = self.record(result);
            state = self.lock();
            state.busy -= 1;
            self.changed.notify_all();
        }
    }

    fn record(&self, result: Result<Vec<(usize, Digest)>, PlaceError>) -> Result<(), Failed> {
        let mut state = self.lock();
        match result {
            Ok(digests) => {
                state.digests.extend(digests);
                Ok(())
            }
            Err(error) => {
                state.error.get_or_insert(error);
                state.jobs.clear();
                Err(Failed)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'g>(&self, guard: MutexGuard<'g, State>) -> MutexGuard<'g, State> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }
}

fn write_batch(placer: &Placer, batch: &Batch) -> Result<Vec<(usize, Digest)>, PlaceError> {
    let mut digests = Vec::with_capacity(batch.files.len());
    for (number, entry, range) in &batch.files {
        let content = &batch.bytes[range.clone()];
        let mut file = placer.create(&entry.path)?;
        file.write_all(content).map_err(|source| write_error(entry, source))?;
        placer.finish(&file, entry)?;
        digests.push((*number, Digest::of(content)));
    }
    Ok(digests)
}

/// Writes what comes. If less comes than should, the reader knows why, and the layer is given up.
fn write_large(
    placer: &Placer,
    number: usize,
    entry: &Entry,
    mut file: File,
    pieces: &Receiver<Piece>,
) -> Result<Vec<(usize, Digest)>, PlaceError> {
    let mut hash = Digester::new(io::sink());
    for piece in pieces {
        let written = match &piece {
            Piece::Bytes(bytes) => file.write_all(bytes).and_then(|()| hash.write_all(bytes)),
            Piece::Hole(length) => leave_hole(&mut file, *length)
                .and_then(|()| io::copy(&mut io::repeat(0).take(*length), &mut hash).map(|_| ())),
        };
        written.map_err(|source| write_error(entry, source))?;
    }
    placer.finish(&file, entry)?;
    Ok(vec![(number, hash.finish().1)])
}

/// Makes `file` longer without writing anything.
fn leave_hole(file: &mut File, length: u64) -> io::Result<()> {
    let length = i64::try_from(length).map_err(|_| io::ErrorKind::FileTooLarge)?;
    let end = file.seek(SeekFrom::Current(length))?;
    file.set_len(end)
}

fn write_error(entry: &Entry, source: std::io::Error) -> PlaceError {
    PlaceError { operation: "write", path: entry.path.clone(), source }
}
