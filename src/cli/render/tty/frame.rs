//! What one drawing of the live list consists of: lines that each fit into one row.

use std::collections::BTreeMap;
use std::time::Duration;

use unicode_width::UnicodeWidthChar;

use super::{State, Step};

/// How many lines of output a running step shows at most.
pub(super) const LOG: usize = 6;

/// Tab stops are this many columns apart.
const TAB: usize = 8;

/// The steps at one moment.
pub(super) struct Frame<'a> {
    pub(super) steps: &'a BTreeMap<usize, Step>,
    pub(super) now: Duration,
    pub(super) columns: usize,
}

/// One line and its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) text: String,
    colour: Colour,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Colour {
    Default,
    Finished,
    Dim,
    Failed,
    Warning,
}

impl Line {
    /// How many columns it takes.
    pub(super) fn width(&self) -> usize {
        width(&self.text)
    }

    /// Appends it to `out`, coloured or not.
    pub(super) fn paint(&self, out: &mut String, colour: bool) {
        let code = match self.colour {
            Colour::Finished => "36",
            Colour::Dim => "2",
            Colour::Failed => "31",
            Colour::Warning => "33",
            Colour::Default => "",
        };
        if colour && !code.is_empty() {
            out.extend(["\x1b[", code, "m", &self.text, "\x1b[0m"]);
        } else {
            out.push_str(&self.text);
        }
    }
}

impl Frame<'_> {
    /// What fits into so many rows, one of which is left to the cursor: every running step if possible, then some of
    /// their output, then the steps that ended last.
    pub(super) fn live(&self, rows: usize) -> Vec<Line> {
        let budget = rows.saturating_sub(2);
        let running = self.steps.values().filter(|step| step.state == State::Running).count();
        let room = budget.saturating_sub(running);
        let log = room.checked_div(running).unwrap_or(0).min(LOG);
        // A step that moves data has one line more, which comes before its output.
        let detail: usize = self.steps.values().map(|step| Self::details(step, log).len()).sum();
        let mut ended = room.saturating_sub(detail);
        let mut shown = budget;
        let mut lines = Vec::new();
        for step in self.steps.values().rev() {
            let is_running = step.state == State::Running;
            if !is_running && ended == 0 {
                continue;
            }
            if !is_running {
                ended -= 1;
            }
            let details = Self::details(step, log);
            if shown < 1 + details.len() {
                break;
            }
            shown -= 1 + details.len();
            lines.extend(details.iter().rev().map(|text| Self::detail(text, self.columns.saturating_sub(1))));
            lines.push(self.step(step));
        }
        lines.push(self.header(""));
        lines.reverse();
        lines
    }

    /// All steps and what was noted of them, in full, for the time when nothing will be drawn any more.
    pub(super) fn last(&self) -> Vec<Line> {
        let mut lines = vec![self.header(" FINISHED")];
        for step in self.steps.values() {
            lines.push(self.step(step));
            lines.extend(step.notes.iter().map(|note| Self::detail(note, usize::MAX)));
        }
        lines
    }

    fn header(&self, end: &str) -> Line {
        let ended = self.steps.values().filter(|step| step.state != State::Running).count();
        let (seconds, all) = (self.now.as_secs_f64(), self.steps.len());
        let failed = self.steps.values().any(|step| matches!(step.state, State::Failed(_)));
        let canceled = self.steps.values().any(|step| matches!(step.state, State::Canceled(_)));
        let end = if failed || canceled || ended < all { "" } else { end };
        let colour = match (failed, end.is_empty()) {
            (true, _) => Colour::Failed,
            (false, true) => Colour::Default,
            (false, false) => Colour::Finished,
        };
        let text = format!("[+] Building {seconds:.1}s ({ended}/{all}){end}");
        Line { text: fit(&text, self.columns.saturating_sub(1)), colour }
    }

    fn step(&self, step: &Step) -> Line {
        let (word, elapsed, colour) = match step.state {
            State::Running => ("", self.now.saturating_sub(step.started), Colour::Default),
            State::Cached => ("CACHED ", Duration::ZERO, Colour::Finished),
            State::Done(elapsed) => ("", elapsed, Colour::Finished),
            State::Failed(elapsed) => ("ERROR ", elapsed, Colour::Failed),
            State::Canceled(elapsed) => ("CANCELED ", elapsed, Colour::Warning),
        };
        let left = format!(" => {word}{}", step.name);
        let right = format!(" {:.1}s", elapsed.as_secs_f64());
        // The last column stays free: a full row would make some terminals begin another one.
        let columns = self.columns.saturating_sub(1);
        let Some(room) = columns.checked_sub(right.len()).filter(|room| *room >= right.len()) else {
            return Line { text: fit(&left, columns), colour };
        };
        let left = fit(&left, room);
        let padding = room - width(&left);
        Line { text: format!("{left}{:padding$}{right}", ""), colour }
    }

    /// A line below a step, in so many columns.
    fn detail(text: &str, columns: usize) -> Line {
        let colour = if text.starts_with("warning: ") { Colour::Warning } else { Colour::Dim };
        Line { text: fit(&format!(" => => {text}"), columns), colour }
    }

    /// What is shown below a running step, in at most `max` lines: the last note, what is moved, what the command says.
    fn details(step: &Step, max: usize) -> Vec<String> {
        if step.state != State::Running {
            return Vec::new();
        }
        let told = step.notes.last().into_iter().chain(&step.transfer);
        let mut details: Vec<String> = told.take(max).cloned().collect();
        let room = max - details.len();
        details.extend(step.log.last(room).map(|line| format!("# {}", expand_tabs(line))));
        details
    }
}

/// `text` with tabs as spaces, cut to so many columns; what was cut shows as `...` where there is room for it.
fn fit(text: &str, columns: usize) -> String {
    let text = expand_tabs(text);
    if width(&text) <= columns {
        return text;
    }
    let dots = if columns >= 10 { "..." } else { "" };
    let mut room = columns - dots.len();
    let mut cut = String::new();
    for c in text.chars() {
        let Some(rest) = room.checked_sub(c.width().unwrap_or(0)) else { break };
        room = rest;
        cut.push(c);
    }
    cut + dots
}

fn expand_tabs(text: &str) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for c in text.chars() {
        if c == '\t' {
            let spaces = TAB - column % TAB;
            expanded.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
        } else {
            expanded.push(c);
            column += c.width().unwrap_or(0);
        }
    }
    expanded
}

/// Columns of a text without control characters. Characters are counted one by one, as most terminals do it.
fn width(text: &str) -> usize {
    text.chars().filter_map(UnicodeWidthChar::width).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_by_columns() {
        for (text, columns, cut) in [
            ("short", 10, "short"),
            ("exactly_10", 10, "exactly_10"),
            ("eleven_long", 10, "eleven_..."),
            ("日本語日本語", 12, "日本語日本語"),
            ("日本語日本語", 11, "日本語日..."),
            ("narrow", 4, "narr"),
            ("日本", 3, "日"),
            ("x", 0, ""),
            ("a\tb", 20, "a       b"),
            ("e\u{301}xact", 5, "e\u{301}xact"),
        ] {
            assert_eq!(fit(text, columns), cut, "{text} in {columns}");
        }
    }
}
