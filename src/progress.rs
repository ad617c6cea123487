//! What happens during a build, a load or a save, as events.
//!
//! Owns the vocabulary only: a [`Sink`] decides what becomes of an event. Nothing here draws or knows of
//! terminals.

use std::sync::Arc;
use std::time::Duration;

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
