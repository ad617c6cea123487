//! Lines that only follow each other, in BuildKit's manner, for logs and dumb terminals.
//!
//! A step's lines stand in a block under the step's name, each with the step's number. One step is current; what
//! steps beside it have to say is held back until the current one ends, is silent for a while, or has had the
//! output long enough. Then the block is left with `#5 ...`, and another one begins with its step's name. A step that
//! ends is shown at once.
//!
//! The last lines of a step that failed are shown again at the end, before the error, unless they stand there already:
//! if other steps' lines came between them, or after them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::lines::{Splitter, Tail, clean, clean_name};
use super::{Output, Screen};
use crate::cli::human;
use crate::progress::{Event, Memory, Stream, Usage};

/// A current step that is silent for so long makes room for others.
const SILENCE: Duration = Duration::from_secs(1);
/// What another step has to say is held back at most so long,
const PATIENCE: Duration = Duration::from_secs(5);
/// and at most so much of it, in bytes.
const HELD_MAX: usize = 64 << 10;
/// How many lines of a failed step are shown again.
const TAIL: usize = 20;
/// So many characters of why a step failed are shown.
const REASON_MAX: usize = 100;
/// How long a transfer runs before it is said how fast it is.
const RATE_AFTER: Duration = Duration::from_millis(500);
/// Time between two lines on how far a transfer has come.
const TRANSFER: Duration = Duration::from_secs(5);

/// Shows lines.
pub(super) struct Plain {
    output: Output,
    /// The steps that have not ended.
    steps: BTreeMap<usize, Step>,
    /// The step whose block is open.
    current: Option<usize>,
    /// When the current step wrote last.
    wrote: Duration,
    /// What the event being handled adds to the output.
    text: String,
    /// Nothing has been shown yet.
    first: bool,
    /// The steps that failed.
    failed: Vec<Failed>,
}

struct Step {
    name: String,
    started: Duration,
    splitter: Splitter,
    /// Lines that are not shown yet.
    held: String,
    /// Since when there is something to show; `None` for nothing.
    waiting: Option<Duration>,
    /// When the last line on a transfer was written, and the bytes by now.
    transfer: Option<(Duration, u64)>,
    /// The last lines of output, with their times.
    tail: Tail,
    /// How many lines of output are among those that are not shown yet,
    held_lines: usize,
    /// and how many are shown in the step's last block.
    block_lines: usize,
}

/// A step that failed.
struct Failed {
    name: String,
    tail: Tail,
    /// Whether something else was shown between the lines of its tail, or after them.
    apart: bool,
}

impl Step {
    /// Takes output; `None` for the end of it.
    fn log(&mut self, number: usize, output: Option<(Stream, &[u8])>, now: Duration) {
        let seconds = now.saturating_sub(self.started).as_secs_f64();
        let Self { splitter, held, tail, held_lines, .. } = self;
        let line = |line: String| {
            let line = format!("{seconds:.3} {line}");
            let _ = writeln!(held, "#{number} {line}");
            tail.push(line);
            *held_lines += 1;
        };
        match output {
            Some((stream, bytes)) => splitter.push(stream, bytes, line),
            None => splitter.finish(line),
        }
    }
}

impl Plain {
    /// Starts without steps.
    pub(super) fn new(output: Output) -> Self {
        Self {
            output,
            steps: BTreeMap::new(),
            current: None,
            wrote: Duration::ZERO,
            text: String::new(),
            first: true,
            failed: Vec::new(),
        }
    }

    /// Holds lines of a step, written by `write`, and shows what may be shown.
    fn say(&mut self, number: usize, now: Duration, write: impl FnOnce(&mut Step)) {
        let Some(step) = self.steps.get_mut(&number) else { return };
        let before = step.held.len();
        write(step);
        if step.held.len() == before {
            return;
        }
        step.waiting.get_or_insert(now);
        let overflow = step.held.len() > HELD_MAX;
        if overflow || self.current.is_none_or(|current| current == number) {
            self.show(number, now);
        } else {
            self.tick_steps(now);
        }
    }

    /// Ends a step with a last line.
    fn end(&mut self, number: usize, now: Duration, last: &str) -> Option<Step> {
        let step = self.steps.get_mut(&number)?;
        step.log(number, None, now);
        if let Some((_, done)) = step.transfer {
            let _ = writeln!(step.held, "#{number} transferred {}", human::size_with_digits(done, 4));
        }
        let _ = writeln!(step.held, "#{number} {last}");
        self.show(number, now);
        self.current = None;
        self.steps.remove(&number)
    }

    /// After the end of a step: shows the one that has waited longest.
    fn go_on(&mut self, now: Duration) {
        let longest = self.steps.iter().filter_map(|(number, step)| Some((step.waiting?, *number))).min();
        if let Some((_, next)) = longest.filter(|_| self.current.is_none()) {
            self.show(next, now);
        }
    }

    /// Makes the step current and shows what it holds.
    fn show(&mut self, number: usize, now: Duration) {
        let Some(step) = self.steps.get_mut(&number) else { return };
        if self.current != Some(number) {
            if let Some(left) = self.current.replace(number) {
                let _ = writeln!(self.text, "#{left} ...");
            }
            if !std::mem::take(&mut self.first) {
                self.text.push('\n');
            }
            let _ = writeln!(self.text, "#{number} {}", step.name);
            step.block_lines = 0;
            self.failed.iter_mut().for_each(|failed| failed.apart = true);
        }
        step.block_lines += std::mem::take(&mut step.held_lines);
        self.text.push_str(&std::mem::take(&mut step.held));
        step.waiting = None;
        self.wrote = now;
    }

    /// Shows the step that has waited longest, if it need not wait any more.
    fn tick_steps(&mut self, now: Duration) {
        let longest = self.steps.iter().filter_map(|(number, step)| Some((step.waiting?, *number))).min();
        if let Some((since, number)) = longest
            && (now.saturating_sub(self.wrote) >= SILENCE || now.saturating_sub(since) >= PATIENCE)
        {
            self.show(number, now);
        }
    }

    fn warn(&mut self, text: &str) {
        if let Some(left) = self.current.take() {
            let _ = writeln!(self.text, "#{left} ...");
        }
        if !std::mem::take(&mut self.first) {
            self.text.push('\n');
        }
        self.failed.iter_mut().for_each(|failed| failed.apart = true);
        for (i, line) in text.lines().enumerate() {
            let _ =
                writeln!(self.text, "{}{}", if i == 0 { "warning: " } else { "" }, clean(line.as_bytes()));
        }
    }

    fn flush(&mut self) {
        self.output.write(&std::mem::take(&mut self.text));
    }
}

impl Screen for Plain {
    fn event(&mut self, event: Event, now: Duration) {
        let ends = matches!(event, Event::Cached { .. } | Event::Done { .. } | Event::Failed { .. });
        match event {
            Event::Started { step: number, name } => {
                let step = Step {
                    name: clean_name(&name),
                    started: now,
                    splitter: Splitter::default(),
                    held: String::new(),
                    waiting: Some(now),
                    transfer: None,
                    tail: Tail::new(TAIL),
                    held_lines: 0,
                    block_lines: 0,
                };
                self.steps.insert(number, step);
                if self.current.is_none() {
                    self.show(number, now);
                }
            }
            Event::Output { step: number, stream, bytes } => {
                self.say(number, now, |step| step.log(number, Some((stream, &bytes)), now));
            }
            Event::Note { step: number, text } => self.say(number, now, |step| {
                let _ = writeln!(step.held, "#{number} {}", clean_name(&text));
            }),
            Event::Used { step: number, usage } => self.say(number, now, |step| {
                let _ = writeln!(step.held, "#{number} {}", used(&usage));
            }),
            Event::Transfer { step: number, done, total } => self.say(number, now, |step| {
                let (shown, bytes) = step.transfer.get_or_insert((now, 0));
                *bytes = done;
                if now.saturating_sub(*shown) >= TRANSFER {
                    *shown = now;
                    let elapsed = now.saturating_sub(step.started);
                    let _ = writeln!(step.held, "#{number} {}", transfer(done, total, elapsed));
                }
            }),
            Event::Cached { step } => drop(self.end(step, now, "CACHED")),
            Event::Done { step, elapsed } => {
                drop(self.end(step, now, &format!("DONE {:.1}s", elapsed.as_secs_f64())));
            }
            Event::Failed { step, canceled: true, .. } => drop(self.end(step, now, "CANCELED")),
            Event::Failed { step, reason, .. } => {
                let last = format!("ERROR: {}", short(&reason));
                let step = self.end(step, now, last.trim_end_matches(": "));
                self.failed.extend(step.map(|Step { name, tail, block_lines, .. }| Failed {
                    apart: block_lines < tail.len(),
                    name,
                    tail,
                }));
            }
            Event::Warning { text } => self.warn(&text),
        }
        if ends {
            self.go_on(now);
        }
        self.flush();
    }

    fn tick(&mut self, now: Duration) {
        self.tick_steps(now);
        self.flush();
    }

    fn finish(&mut self, now: Duration) {
        let open: Vec<usize> = self.steps.keys().copied().collect();
        for number in open {
            let Some(step) = self.steps.get_mut(&number) else { continue };
            step.log(number, None, now);
            if !step.held.is_empty() || step.waiting.is_some() {
                self.show(number, now);
            }
        }
        for Failed { name, tail, .. } in self.failed.iter().filter(|failed| failed.apart) {
            self.text.push_str(&tail.block(name));
        }
        self.flush();
    }
}

/// What a command used: `used 1.5s of processor time, 34.5MB of memory, 1.2MB read, 20kB written`.
fn used(usage: &Usage) -> String {
    let Usage { cpu, memory, read, written } = usage;
    let memory = match *memory {
        Memory::Together(bytes) => format!("{} of memory", human::size(bytes)),
        Memory::LargestProcess(bytes) => format!("{} of memory in the largest process", human::size(bytes)),
    };
    let (read, written) = (human::size(*read), human::size(*written));
    format!("used {:.2}s of processor time, {memory}, {read} read, {written} written", cpu.as_secs_f64())
}

/// The beginning of why a step failed: the error itself, which comes last, says all of it.
fn short(reason: &str) -> String {
    let reason = clean_name(reason);
    match reason.char_indices().nth(REASON_MAX) {
        Some((end, _)) => format!("{}…", &reason[..end]),
        None => reason,
    }
}

/// How far a transfer has come in a time, and how fast it was: `12.5MB / 40MB, 2.5MB/s`.
pub(super) fn transfer(done: u64, total: Option<u64>, elapsed: Duration) -> String {
    let mut text = human::size_with_digits(done, 4);
    if let Some(total) = total {
        text += &format!(" / {}", human::size_with_digits(total, 4));
    }
    // Right at the beginning a rate says nothing.
    if done > 0 && elapsed >= RATE_AFTER {
        let rate = done as f64 / elapsed.as_secs_f64();
        text += &format!(", {}/s", human::size_with_digits(rate as u64, 3));
    }
    text
}

#[cfg(test)]
mod tests;
