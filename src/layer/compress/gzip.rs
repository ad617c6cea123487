//! gzip written by several threads, as a sequence of members (RFC 1952, 2.2).
//!
//! The input is cut into pieces of a fixed size, and a thread makes one member of a piece, or several where
//! [`Detector`] finds random data in it. So the bytes depend on the input and the level alone. Must not know what is
//! compressed.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use libdeflater::{CompressionLvl, Compressor as Deflater};

use super::random::Detector;

/// Input that is compressed as one piece, in bytes. Part of the format: other borders give other bytes. What
/// starts a piece cannot refer to the piece before, so smaller ones cost size; larger ones cost memory.
const PIECE: usize = 2 << 20;

/// Cuts its input into pieces, has them compressed by threads of its own, and writes them in order.
pub(super) struct GzipWriter<W> {
    inner: W,
    level: CompressionLvl,
    threads: usize,
    /// The next piece so far.
    input: Vec<u8>,
    /// Pieces that are being compressed, oldest first.
    waiting: VecDeque<Receiver<Piece>>,
    /// Pieces that are written: their memory is used again.
    spare: Vec<Piece>,
    /// Where each piece that was written ends in the output.
    ends: Vec<u64>,
    pool: Pool,
}

/// A piece of input and, once it is compressed, the output.
#[derive(Default)]
struct Piece {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl<W: Write> GzipWriter<W> {
    pub(super) fn new(inner: W, level: u8, threads: usize) -> io::Result<Self> {
        let level = CompressionLvl::new(level.into()).map_err(|_| super::level_error("gzip", level))?;
        let (input, waiting, spare, ends) = (Vec::new(), VecDeque::new(), Vec::new(), Vec::new());
        Ok(Self { inner, level, threads, input, waiting, spare, ends, pool: Pool::default() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(PIECE - self.input.len());
        self.input.extend_from_slice(&bytes[..len]);
        if self.input.len() == PIECE {
            self.submit()?;
        }
        Ok(len)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// Gives the collected input to a thread, and waits for the oldest piece if all threads have enough to do.
    fn submit(&mut self) -> io::Result<()> {
        let mut piece = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut piece.input, &mut self.input);
        self.input.clear();
        self.waiting.push_back(self.pool.submit(piece, self.level, self.threads));
        if self.waiting.len() > self.threads + 2 {
            self.write_oldest()?;
        }
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let piece = oldest.recv().expect("a thread of the pool answers every job");
        self.inner.write_all(&piece.output)?;
        self.ends.push(self.start_of(self.ends.len()) + piece.output.len() as u64);
        self.spare.push(piece);
        Ok(())
    }

    /// Ends the piece that is being collected: the next byte begins another one, whose number is returned.
    pub(super) fn cut(&mut self) -> io::Result<usize> {
        if !self.input.is_empty() {
            self.submit()?;
        }
        Ok(self.ends.len() + self.waiting.len())
    }

    /// Writes all pieces that are whole.
    pub(super) fn drain(&mut self) -> io::Result<()> {
        while !self.waiting.is_empty() {
            self.write_oldest()?;
        }
        Ok(())
    }

    /// Where a piece starts in the output, or will start: it, or all before it, must have been written.
    pub(super) fn start_of(&self, piece: usize) -> u64 {
        piece.checked_sub(1).map_or(0, |before| self.ends[before])
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if self.cut()? == 0 {
            self.submit()?;
        }
        self.drain()?;
        Ok(self.inner)
    }
}

/// Threads that compress pieces; started when there is something for them to do.
#[derive(Default)]
struct Pool {
    jobs: Option<Sender<Job>>,
    queue: Option<Arc<Mutex<Receiver<Job>>>>,
    threads: Vec<JoinHandle<()>>,
}

/// A piece to compress, and where it goes then.
struct Job {
    piece: Piece,
    answer: SyncSender<Piece>,
}

impl Pool {
    /// Has `piece` compressed. Each call starts a thread, until there are `threads`.
    fn submit(&mut self, piece: Piece, level: CompressionLvl, threads: usize) -> Receiver<Piece> {
        let (answer, result) = sync_channel(1);
        let jobs = self.jobs.get_or_insert_with(|| {
            let (jobs, queue) = channel();
            self.queue = Some(Arc::new(Mutex::new(queue)));
            jobs
        });
        if let Some(queue) = &self.queue
            && self.threads.len() < threads
        {
            let queue = Arc::clone(queue);
            self.threads.push(thread::spawn(move || work(&queue, level)));
        }
        jobs.send(Job { piece, answer }).expect("the queue lives as long as the pool");
        result
    }
}

impl Drop for Pool {
    /// Ends the threads, which finish what they are at.
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // A thread that panicked has said so.
            let _ = thread.join();
        }
    }
}

fn work(queue: &Mutex<Receiver<Job>>, level: CompressionLvl) {
    let mut encoder = Encoder::new(level);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut piece, answer }) = job else { return };
        encoder.compress(&piece.input, &mut piece.output);
        // Nobody waits for it if writing has failed.
        let _ = answer.send(piece);
    }
}

/// Compresses pieces of input, each for itself, with memory that is used again.
struct Encoder {
    deflater: Deflater,
    stored: Deflater,
    detector: Detector,
    scratch: Vec<u8>,
}

impl Encoder {
    fn new(level: CompressionLvl) -> Self {
        let stored = Deflater::new(CompressionLvl::new(0).unwrap_or(level));
        Self { deflater: Deflater::new(level), stored, detector: Detector::default(), scratch: Vec::new() }
    }

    /// Replaces `output` by the members for `input`: one, or more where it changes to or from random data.
    fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) {
        output.clear();
        for (range, random) in self.detector.split(input) {
            let input = &input[range];
            let deflater = if random { &mut self.stored } else { &mut self.deflater };
            let bound = deflater.gzip_compress_bound(input.len());
            if self.scratch.len() < bound {
                // Fresh zeros come from the kernel, and only for what is used: most of it never is.
                self.scratch = vec![0; bound];
            }
            let len =
                deflater.gzip_compress(input, &mut self.scratch).expect("there is room for the worst case");
            output.extend_from_slice(&self.scratch[..len]);
        }
    }
}
