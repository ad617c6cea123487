//! What happens during a build, a load or a save, as events.
//!
//! Owns the vocabulary only: a [`Sink`] decides what becomes of an event. Nothing here draws or knows of
//! terminals.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// One event. Steps are named by the number that [`Event::Started`] introduced; numbers start at 1 and are
/// given in the order in which steps start.
#[derive(Debug, Clone)]
pub enum Event {
    /// A step begins; `name` is its line, such as `[build 2/4] COPY . /app`.
    Started {
        /// The step's number.
        step: usize,
        /// The step's line.
        name: String,
    },
    /// The step's result was taken from the cache. Comes in the place of [`Event::Done`].
    Cached {
        /// The step's number.
        step: usize,
    },
    /// Output of the step's command, as it was written (any bytes, not only whole lines).
    Output {
        /// The step's number.
        step: usize,
        /// Whether it was standard output or standard error.
        stream: Stream,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A remark of strata's own about the step, one line.
    Note {
        /// The step's number.
        step: usize,
        /// The remark.
        text: String,
    },
    /// How far a step that moves data has come.
    Transfer {
        /// The step's number.
        step: usize,
        /// Bytes done so far.
        done: u64,
        /// Bytes in all, if that is known.
        total: Option<u64>,
    },
    /// What the step's command has used.
    Used {
        /// The step's number.
        step: usize,
        /// What it was.
        usage: Usage,
    },
    /// The step ended well.
    Done {
        /// The step's number.
        step: usize,
        /// How long it took.
        elapsed: Duration,
    },
    /// The step failed, or was given up because another one failed; the error itself is the operation's result.
    Failed {
        /// The step's number.
        step: usize,
        /// How long it took.
        elapsed: Duration,
        /// Given up because of another step's failure or an interrupt.
        canceled: bool,
        /// Why, in one line without the step's name; empty for a step that was given up.
        reason: String,
    },
    /// A warning that belongs to no step.
    Warning {
        /// The warning, one line or several.
        text: String,
    },
}

/// What a command has used of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// Time on processors.
    pub cpu: Duration,
    /// Memory at its most.
    pub memory: Memory,
    /// Bytes read from disks.
    pub read: u64,
    /// Bytes written to files on disks.
    pub written: u64,
}

/// Memory at its most, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Memory {
    /// Of all processes together, with the file cache.
    Together(u64),
    /// Of the largest process: there was nothing to count them together with.
    LargestProcess(u64),
}

/// Which of a command's two outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

/// Takes events, from any thread.
pub trait Sink: Send + Sync {
    /// Takes one event. Must return soon: steps wait for it.
    fn event(&self, event: Event);
}

/// A shared sink.
pub type SharedSink = Arc<dyn Sink>;

/// Drops every event.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Sink for Silent {
    fn event(&self, _event: Event) {}
}

/// Numbers steps and tells a sink of them.
pub struct Reporter {
    sink: SharedSink,
    last: AtomicUsize,
}

impl Reporter {
    /// A reporter to `sink` that has numbered nothing yet.
    pub fn new(sink: SharedSink) -> Self {
        Self { sink, last: AtomicUsize::new(0) }
    }

    /// A step begins. Dropped without a word, it has failed.
    pub fn start(&self, name: &str) -> Step<'_> {
        let number = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        self.sink.event(Event::Started { step: number, name: name.to_owned() });
        Step { reporter: self, number, began: Instant::now(), ended: false }
    }

    /// Says a warning that belongs to no step.
    pub fn warn(&self, text: String) {
        self.sink.event(Event::Warning { text });
    }
}

/// A step that is under way. Dropped without an end, it has failed.
#[must_use = "a step that is dropped has failed"]
pub struct Step<'r> {
    reporter: &'r Reporter,
    number: usize,
    began: Instant,
    ended: bool,
}

impl Step<'_> {
    /// Passes output of the step's command on.
    pub fn output(&self, stream: Stream, bytes: &[u8]) {
        self.reporter.sink.event(Event::Output { step: self.number, stream, bytes: bytes.to_vec() });
    }

    /// Says something about the step.
    pub fn note(&self, text: String) {
        self.reporter.sink.event(Event::Note { step: self.number, text });
    }

    /// Says what its command has used.
    pub fn used(&self, usage: Usage) {
        self.reporter.sink.event(Event::Used { step: self.number, usage });
    }

    /// Says how far it has come.
    pub fn transfer(&self, done: u64, total: Option<u64>) {
        self.reporter.sink.event(Event::Transfer { step: self.number, done, total });
    }

    /// Its result came from the cache.
    pub fn cached(mut self) {
        self.ended = true;
        self.reporter.sink.event(Event::Cached { step: self.number });
    }

    /// It ended well.
    pub fn done(mut self) {
        self.ended = true;
        self.reporter.sink.event(Event::Done { step: self.number, elapsed: self.began.elapsed() });
    }

    /// It failed; `reason` is one line.
    pub fn failed(mut self, reason: String) {
        self.end(reason, false);
    }

    /// It was given up.
    pub fn canceled(mut self) {
        self.end(String::new(), true);
    }

    fn end(&mut self, reason: String, canceled: bool) {
        self.ended = true;
        let (step, elapsed) = (self.number, self.began.elapsed());
        self.reporter.sink.event(Event::Failed { step, elapsed, reason, canceled });
    }
}

impl Drop for Step<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.end(String::new(), false);
        }
    }
}
