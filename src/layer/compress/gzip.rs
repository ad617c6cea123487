//! gzip written by several threads: members of a fixed size (RFC 1952, 2.2: a file is a sequence of members).
//!
//! Each member is compressed whole by one thread, so the bytes do not depend on which thread that was. Must not know
//! what is compressed.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use libdeflater::{CompressionLvl, Compressor as Deflater};

/// Input of one member, in bytes. Part of the format: other borders give other bytes.
const MEMBER: usize = 1 << 20;

/// Cuts its input into members, has them compressed by threads of its own, and writes them in order.
pub(super) struct GzipWriter<W> {
    inner: W,
    level: CompressionLvl,
    threads: usize,
    /// The next member's input so far.
    input: Vec<u8>,
    /// Members that are being compressed, oldest first.
    waiting: VecDeque<Receiver<Member>>,
    /// Members that are written: their memory is used again.
    spare: Vec<Member>,
    any: bool,
    pool: Pool,
}

/// A piece of input and, once it is compressed, the output.
#[derive(Default)]
struct Member {
    input: Vec<u8>,
    output: Vec<u8>,
}

impl Member {
    fn compress(&mut self, deflater: &mut Deflater) {
        self.output.resize(deflater.gzip_compress_bound(self.input.len()), 0);
        let len = deflater
            .gzip_compress(&self.input, &mut self.output)
            .expect("the output has the room it may need");
        self.output.truncate(len);
    }
}

impl<W: Write> GzipWriter<W> {
    pub(super) fn new(inner: W, level: u8, threads: usize) -> io::Result<Self> {
        let level = CompressionLvl::new(level.into()).map_err(|_| super::level_error("gzip", level))?;
        let (input, waiting, spare) = (Vec::new(), VecDeque::new(), Vec::new());
        Ok(Self { inner, level, threads, input, waiting, spare, any: false, pool: Pool::default() })
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = bytes.len().min(MEMBER - self.input.len());
        self.input.extend_from_slice(&bytes[..len]);
        if self.input.len() == MEMBER {
            self.submit()?;
        }
        Ok(len)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// Gives the collected input to a thread, and waits for the oldest member if all threads have enough to do.
    fn submit(&mut self) -> io::Result<()> {
        let mut member = self.spare.pop().unwrap_or_default();
        std::mem::swap(&mut member.input, &mut self.input);
        self.input.clear();
        self.any = true;
        self.waiting.push_back(self.pool.submit(member, self.level, self.threads));
        if self.waiting.len() > 2 * self.threads {
            self.write_oldest()?;
        }
        Ok(())
    }

    fn write_oldest(&mut self) -> io::Result<()> {
        let Some(oldest) = self.waiting.pop_front() else { return Ok(()) };
        let member = oldest.recv().expect("a thread of the pool answers every job");
        self.inner.write_all(&member.output)?;
        self.spare.push(member);
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<W> {
        if !self.input.is_empty() || !self.any {
            self.submit()?;
        }
        while !self.waiting.is_empty() {
            self.write_oldest()?;
        }
        Ok(self.inner)
    }
}

/// Threads that compress members; started when there is something for them to do.
#[derive(Default)]
struct Pool {
    jobs: Option<Sender<Job>>,
    queue: Option<Arc<Mutex<Receiver<Job>>>>,
    threads: Vec<JoinHandle<()>>,
}

/// A member to compress, and where it goes then.
struct Job {
    member: Member,
    answer: SyncSender<Member>,
}

impl Pool {
    /// Has `member` compressed. Each call starts a thread, until there are `threads`.
    fn submit(&mut self, member: Member, level: CompressionLvl, threads: usize) -> Receiver<Member> {
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
        jobs.send(Job { member, answer }).expect("the queue lives as long as the pool");
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
    let mut deflater = Deflater::new(level);
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { mut member, answer }) = job else { return };
        member.compress(&mut deflater);
        // Nobody waits for it if writing has failed.
        let _ = answer.send(member);
    }
}
