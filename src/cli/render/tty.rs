//! A live list of steps, in BuildKit's look.
//!
//! The list stands at the end of the terminal's text and is drawn over itself at each tick: the cursor goes up by the
//! rows that the last drawing has by now (a terminal that became narrower has wrapped them), each line is written
//! and the rest of its row erased, and what is left below is erased. The cursor is never hidden and no mode is
//! changed, so that nothing has to be put in order when strata is killed. At the end the whole list is left as
//! text, with what was noted of its steps and the last lines of those that failed.
//!
//! A terminal that becomes lower moves the upper rows of a drawing out of sight, and most give them back when they
//! become higher again. So these rows are remembered, and covered when they may have come back.

mod frame;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use super::lines::{Splitter, Tail, clean, clean_name};
use super::plain::transfer;
use super::{Output, Screen, TerminalSize};
use crate::progress::Event;
use frame::{Frame, Line};

/// How many lines of a step's output are kept for the case that it fails.
const TAIL: usize = 20;
/// Columns and rows of an output that has no size.
const SIZE: (usize, usize) = (80, 24);

/// Shows a live list.
pub(super) struct Tty {
    output: Output,
    size: TerminalSize,
    colour: bool,
    steps: BTreeMap<usize, Step>,
    warnings: Vec<String>,
    /// The widths of the lines of the last drawing.
    drawn: Vec<usize>,
    /// The widths of lines of earlier drawings that went out of sight at the top.
    hidden: Vec<usize>,
    /// The rows of the terminal at the last drawing.
    rows: usize,
}

/// A step and what is known of it.
#[derive(Debug)]
struct Step {
    name: String,
    started: Duration,
    state: State,
    splitter: Splitter,
    /// What strata itself has to say of it.
    notes: Vec<String>,
    /// Lines of output for the live list.
    log: Tail,
    /// The same lines with their times, in case the step fails.
    tail: Tail,
    /// How far a transfer has come.
    transfer: Option<String>,
}

/// How a step stands; the durations are how long it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Running,
    Cached,
    Done(Duration),
    Failed(Duration),
    Canceled(Duration),
}

impl Step {
    fn new(name: &str, started: Duration) -> Self {
        Self {
            name: clean_name(name),
            started,
            state: State::Running,
            splitter: Splitter::default(),
            notes: Vec::new(),
            log: Tail::new(frame::LOG),
            tail: Tail::new(TAIL),
            transfer: None,
        }
    }

    /// Takes output; `None` for the end of it.
    fn log(&mut self, output: Option<(crate::progress::Stream, &[u8])>, now: Duration) {
        let seconds = now.saturating_sub(self.started).as_secs_f64();
        let Self { splitter, log, tail, .. } = self;
        let line = |line: String| {
            tail.push(format!("{seconds:.3} {line}"));
            log.push(line);
        };
        match output {
            Some((stream, bytes)) => splitter.push(stream, bytes, line),
            None => splitter.finish(line),
        }
    }
}

impl Tty {
    /// Starts without steps.
    pub(super) fn new(output: Output, size: TerminalSize, colour: bool) -> Self {
        Self {
            output,
            size,
            colour,
            steps: BTreeMap::new(),
            warnings: Vec::new(),
            drawn: Vec::new(),
            hidden: Vec::new(),
            rows: 0,
        }
    }

    fn end(&mut self, number: usize, state: State, now: Duration) {
        if let Some(step) = self.steps.get_mut(&number) {
            step.log(None, now);
            step.state = state;
        }
    }

    /// Draws `lines` over the last drawing.
    fn draw(&mut self, lines: &[Line], (columns, rows): (usize, usize)) {
        let mut text = self.back(columns);
        for line in lines {
            line.paint(&mut text, self.colour);
            text.push_str("\x1b[K\n");
        }
        text.push_str("\x1b[J");
        self.output.write(&text);
        let back = rows.saturating_sub(std::mem::replace(&mut self.rows, rows));
        let mut above = height(&self.hidden, columns).saturating_sub(back)
            + height(&self.drawn, columns).saturating_sub(rows.saturating_sub(1));
        self.hidden.append(&mut self.drawn);
        self.hidden.retain(|&width| {
            let is_above = above > 0;
            above = above.saturating_sub(height(&[width], columns));
            is_above
        });
        self.drawn = lines.iter().map(Line::width).collect();
    }

    /// What moves the cursor to the beginning of the last drawing. A terminal stops at its top row, so rows that are out
    /// of sight do not harm.
    fn back(&self, columns: usize) -> String {
        match height(&self.hidden, columns) + height(&self.drawn, columns) {
            0 => String::new(),
            rows => format!("\r\x1b[{rows}A"),
        }
    }
}

/// How many rows lines of these widths take.
fn height(widths: &[usize], columns: usize) -> usize {
    widths.iter().map(|width| width.div_ceil(columns).max(1)).sum()
}

impl Screen for Tty {
    fn event(&mut self, event: Event, now: Duration) {
        match event {
            Event::Started { step, name } => {
                self.steps.insert(step, Step::new(&name, now));
            }
            Event::Output { step, stream, bytes } => {
                if let Some(step) = self.steps.get_mut(&step) {
                    step.log(Some((stream, &bytes)), now);
                }
            }
            Event::Note { step, text } => {
                if let Some(step) = self.steps.get_mut(&step) {
                    step.notes.push(clean_name(&text));
                }
            }
            // The list shows what is going on, not what it took.
            Event::Used { .. } => {}
            Event::Transfer { step, done, total } => {
                if let Some(step) = self.steps.get_mut(&step) {
                    step.transfer = Some(transfer(done, total, now.saturating_sub(step.started)));
                }
            }
            Event::Cached { step } => self.end(step, State::Cached, now),
            Event::Done { step, elapsed } => self.end(step, State::Done(elapsed), now),
            Event::Failed { step, elapsed, canceled, .. } => {
                let state = if canceled { State::Canceled(elapsed) } else { State::Failed(elapsed) };
                self.end(step, state, now);
            }
            Event::Warning { text } => {
                let lines: Vec<String> = text.lines().map(|line| clean(line.as_bytes())).collect();
                self.warnings.push(lines.join("\n"));
            }
        }
    }

    fn tick(&mut self, now: Duration) {
        if self.steps.is_empty() {
            return;
        }
        let (columns, rows) = (self.size)().unwrap_or(SIZE);
        let lines = Frame { steps: &self.steps, now, columns }.live(rows);
        self.draw(&lines, (columns, rows));
    }

    fn hide(&mut self) {
        let (columns, _) = (self.size)().unwrap_or(SIZE);
        let back = self.back(columns);
        if !back.is_empty() {
            self.output.write(&(back + "\x1b[J"));
        }
        (self.drawn, self.hidden) = (Vec::new(), Vec::new());
    }

    fn finish(&mut self, now: Duration) {
        let (columns, rows) = (self.size)().unwrap_or(SIZE);
        if !self.steps.is_empty() {
            let lines = Frame { steps: &self.steps, now, columns }.last();
            self.draw(&lines, (columns, rows));
        }
        let mut text = String::new();
        for step in self.steps.values().filter(|step| matches!(step.state, State::Failed(_))) {
            text.push_str(&step.tail.block(&step.name));
        }
        for warning in &self.warnings {
            let _ = writeln!(text, "warning: {warning}");
        }
        self.output.write(&text);
    }
}

#[cfg(test)]
mod tests;
