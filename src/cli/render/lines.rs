//! From a command's bytes to lines that are safe to show.
//!
//! Commands write any bytes, in pieces that end anywhere. Here they become lines of text without control
//! characters, so that what a command writes can neither move the cursor, nor change the terminal, nor pass for a
//! line of strata's own.

use std::collections::VecDeque;

use crate::progress::Stream;

/// A line that is longer is shown in pieces, because it is held in memory until it ends.
const LINE_MAX: usize = 64 << 10;

/// Cuts the output of one step into lines. Standard output and standard error are cut apart from each other.
#[derive(Debug, Default)]
pub(super) struct Splitter {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Splitter {
    /// Takes bytes, and gives every line that is complete, cleaned, to `line`.
    pub(super) fn push(&mut self, stream: Stream, bytes: &[u8], mut line: impl FnMut(String)) {
        let held = match stream {
            Stream::Stdout => &mut self.stdout,
            Stream::Stderr => &mut self.stderr,
        };
        for piece in bytes.split_inclusive(|&b| b == b'\n') {
            match piece.strip_suffix(b"\n") {
                Some(piece) if held.is_empty() => line(clean(piece)),
                Some(piece) => {
                    held.extend_from_slice(piece);
                    line(clean(held));
                    held.clear();
                }
                None => held.extend_from_slice(piece),
            }
            if held.len() > LINE_MAX {
                line(clean(held));
                held.clear();
            }
        }
    }

    /// Gives what was written after the last line end, cleaned, to `line`.
    pub(super) fn finish(&mut self, mut line: impl FnMut(String)) {
        for held in [&mut self.stdout, &mut self.stderr] {
            if !held.is_empty() {
                line(clean(&std::mem::take(held)));
            }
        }
    }
}

/// The last lines of an output.
#[derive(Debug)]
pub(super) struct Tail {
    lines: VecDeque<String>,
    max: usize,
}

impl Tail {
    /// Keeps at most `max` lines.
    pub(super) fn new(max: usize) -> Self {
        Self { lines: VecDeque::new(), max }
    }

    /// Adds a line after the others.
    pub(super) fn push(&mut self, line: String) {
        if self.lines.len() == self.max {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// How many lines are kept.
    pub(super) fn len(&self) -> usize {
        self.lines.len()
    }

    /// The last `count` of the kept lines.
    pub(super) fn last(&self, count: usize) -> impl Iterator<Item = &str> {
        self.lines.iter().skip(self.lines.len().saturating_sub(count)).map(String::as_str)
    }

    /// The kept lines between two rules, under the name of the step that wrote them.
    pub(super) fn block(&self, name: &str) -> String {
        if self.lines.is_empty() {
            return String::new();
        }
        let mut text = format!("------\n > {name}:\n");
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        text.push_str("------\n");
        text
    }
}

/// A line as a terminal would leave it, without what only a terminal can show: a carriage return starts it anew,
/// escape sequences and control characters vanish, bytes that are not UTF-8 become `U+FFFD`.
pub(super) fn clean(line: &[u8]) -> String {
    let line = line.trim_ascii_end();
    let start = line.iter().rposition(|&b| b == b'\r').map_or(0, |i| i + 1);
    let text = String::from_utf8_lossy(&line[start..]);
    if !text.chars().any(is_unsafe) {
        return text.into_owned();
    }
    let mut clean = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\u{1b}' => skip_escape(&mut chars),
            '\u{9b}' => skip_control_sequence(&mut chars),
            c if is_unsafe(c) => {}
            c => clean.push(c),
        }
    }
    clean
}

/// A step's name on one line: it may quote an instruction of several.
pub(super) fn clean_name(name: &str) -> String {
    let lines: Vec<String> = name.lines().map(|line| clean(line.as_bytes()).trim().to_owned()).collect();
    lines.join(" ")
}

/// Control characters but the tab, and the characters that turn the direction of writing around.
fn is_unsafe(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Skips what follows an escape character (ECMA-48, 5.3 and 5.4; xterm's control sequences).
fn skip_escape(chars: &mut std::str::Chars<'_>) {
    match chars.next() {
        Some('[') => skip_control_sequence(chars),
        // Strings, such as a window's title: they end with BEL or `ESC \`.
        Some(']' | 'P' | 'X' | '^' | '_') => {
            let mut last = ' ';
            for c in chars {
                if c == '\u{7}' || c == '\u{9c}' || (last == '\u{1b}' && c == '\\') {
                    return;
                }
                last = c;
            }
        }
        Some(' '..='/') => {
            let _ = chars.find(|c| !matches!(c, ' '..='/'));
        }
        _ => {}
    }
}

/// Skips parameters up to the final character.
fn skip_control_sequence(chars: &mut std::str::Chars<'_>) {
    let _ = chars.find(|c| !matches!(c, ' '..='?'));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_made_harmless() {
        for (bytes, text) in [
            (&b"plain"[..], "plain"),
            (b"dos\r", "dos"),
            (b" 10%\r 50%\r100%", "100%"),
            (b"tab\there", "tab\there"),
            (b"\x1b[31;1mred\x1b[0m", "red"),
            (b"a\x1b[2Jb\x1b[10;20Hc\x1b[?25l", "abc"),
            (b"\x1b]0;title\x07x\x1b]8;;http://a\x1b\\y", "xy"),
            (b"\x1b(Bx\x1bMy\x1bc", "xy"),
            (b"\x1b[31", ""),
            (b"\x1b", ""),
            (b"a\x08\x07\x00b", "ab"),
            (b"\xc2\x9b2Jx", "x"),
            (b"\xff\xfe", "\u{fffd}\u{fffd}"),
            ("ünï\u{202e}code".as_bytes(), "ünïcode"),
        ] {
            assert_eq!(clean(bytes), text, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn names_are_one_line() {
        assert_eq!(clean_name("[1/2] RUN <<EOF\n  echo \x1b[31m\n\tEOF"), "[1/2] RUN <<EOF echo EOF");
    }

    #[test]
    fn partial_lines_are_held_apart() {
        let mut splitter = Splitter::default();
        let mut lines = Vec::new();
        for (stream, bytes) in [
            (Stream::Stdout, &b"a"[..]),
            (Stream::Stderr, b"x"),
            (Stream::Stdout, b"b\nc\n\nd"),
            (Stream::Stderr, b"y\n"),
        ] {
            splitter.push(stream, bytes, |line| lines.push(line));
        }
        assert_eq!(lines, ["ab", "c", "", "xy"]);
        splitter.finish(|line| lines.push(line));
        splitter.finish(|line| lines.push(line));
        assert_eq!(lines[4..], ["d"]);
    }

    #[test]
    fn endless_lines_are_cut() {
        let mut splitter = Splitter::default();
        let mut lengths = Vec::new();
        for _ in 0..3 {
            splitter.push(Stream::Stdout, &vec![b'x'; LINE_MAX / 2 + 1], |line| lengths.push(line.len()));
        }
        assert_eq!(lengths, [LINE_MAX + 2]);
    }

    #[test]
    fn tails_keep_the_last_lines() {
        let mut tail = Tail::new(2);
        for line in ["a", "b", "c"] {
            tail.push(line.to_owned());
        }
        assert_eq!(tail.last(1).collect::<Vec<_>>(), ["c"]);
        assert_eq!(tail.block("RUN x"), "------\n > RUN x:\nb\nc\n------\n");
    }
}
