//! Physical lines to logical ones: continuations joined, comments and blank lines taken out.
//!
//! A logical line knows where each of its bytes comes from; a [`Fragment`] is a part of it. Heredoc bodies are read
//! from here too, because only whoever has read an opener knows that the next lines are none of ours. Must not
//! know instructions.

use std::borrow::Cow;

use crate::diagnostic::{Span, Spanned};

use super::ast::Escape;
use super::error::{ParseError, ParseErrorKind, Warning, WarningKind};
use super::word::Word;

/// Bytes that a physical line may have, its end not counted.
pub(super) const MAX_LINE: usize = 65_535;

/// A logical line.
pub(super) struct Logical<'s> {
    text: Cow<'s, str>,
    /// Where the bytes from each offset of `text` on come from; the first piece begins at 0.
    pieces: Vec<Piece>,
    /// The comment lines directly above.
    pub(super) comments: Vec<Spanned<String>>,
}

struct Piece {
    logical: u32,
    source: u32,
}

impl<'s> Logical<'s> {
    /// All of it, without white space at its ends.
    pub(super) fn fragment(&self) -> Fragment<'_> {
        Fragment { text: &self.text, start: 0, pieces: &self.pieces }.trim()
    }

    fn push(&mut self, text: &'s str, source: u32) {
        self.pieces.push(Piece { logical: self.text.len() as u32, source });
        if self.text.is_empty() {
            self.text = Cow::Borrowed(text);
        } else {
            self.text.to_mut().push_str(text);
        }
    }
}

/// A part of a logical line.
#[derive(Clone, Copy)]
pub(super) struct Fragment<'l> {
    text: &'l str,
    /// Offset of `text` in the logical line.
    start: u32,
    pieces: &'l [Piece],
}

/// White space that separates arguments; a line feed cannot be in a logical line.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\u{b}' | '\u{c}' | '\r')
}

impl<'l> Fragment<'l> {
    pub(super) fn text(self) -> &'l str {
        self.text
    }

    pub(super) fn is_empty(self) -> bool {
        self.text.is_empty()
    }

    /// The bytes from `start` to before `end`, both offsets into this fragment.
    pub(super) fn sub(self, start: usize, end: usize) -> Self {
        Self { text: &self.text[start..end], start: self.start + start as u32, pieces: self.pieces }
    }

    /// The bytes from `start` on.
    pub(super) fn from(self, start: usize) -> Self {
        self.sub(start, self.text.len())
    }

    pub(super) fn trim(self) -> Self {
        let start = self.text.len() - self.text.trim_start().len();
        self.sub(start, start.max(self.text.trim_end().len()))
    }

    /// Cuts at the first blank: what is before it, and what follows the blanks.
    pub(super) fn split_word(self) -> (Self, Self) {
        let end = self.text.find(is_blank).unwrap_or(self.text.len());
        let rest = self.text[end..].trim_start_matches(is_blank);
        (self.sub(0, end), self.from(self.text.len() - rest.len()))
    }

    /// The parts between blanks.
    pub(super) fn words(self) -> impl Iterator<Item = Self> {
        let mut rest = self;
        std::iter::from_fn(move || {
            rest = rest.from(rest.text.len() - rest.text.trim_start_matches(is_blank).len());
            let (word, others) = rest.split_word();
            rest = others;
            (!word.is_empty()).then_some(word)
        })
    }

    /// Is it at the same place of the line?
    pub(super) fn overlaps(self, other: Self) -> bool {
        let end = |fragment: Self| fragment.start + fragment.text.len() as u32;
        self.start < end(other) && other.start < end(self)
    }

    /// Its place in the source, from its first byte to its last.
    pub(super) fn span(self) -> Span {
        let start = self.source_offset(self.start);
        match self.text.len() as u32 {
            0 => Span::new(start, start),
            length => Span::new(start, self.source_offset(self.start + length - 1) + 1),
        }
    }

    fn source_offset(self, logical: u32) -> u32 {
        let piece = self.pieces.partition_point(|piece| piece.logical <= logical).saturating_sub(1);
        self.pieces.get(piece).map_or(0, |piece| piece.source + (logical - piece.logical))
    }

    pub(super) fn word(self) -> Word {
        Word { text: self.text.to_owned(), span: self.span() }
    }

    pub(super) fn spanned(self) -> Spanned<String> {
        Spanned::new(self.text.to_owned(), self.span())
    }

    pub(super) fn error(self, kind: impl Into<ParseErrorKind>) -> ParseError {
        ParseError::new(kind, self.span())
    }
}

/// Reads a source from top to bottom.
pub(super) struct Lines<'s> {
    text: &'s str,
    at: usize,
    escape: u8,
    pub(super) errors: Vec<ParseError>,
    pub(super) warnings: Vec<Warning>,
}

/// The body of a heredoc.
pub(super) struct Body {
    /// Its lines.
    pub(super) span: Span,
    /// End of the terminator, its line end not counted.
    pub(super) end: u32,
}

impl<'s> Lines<'s> {
    pub(super) fn new(text: &'s str, escape: Escape) -> Self {
        let at = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { text, at, escape: escape.byte(), errors: Vec::new(), warnings: Vec::new() }
    }

    /// The next logical line that is not empty.
    pub(super) fn next_logical(&mut self) -> Option<Logical<'s>> {
        let mut comments = Vec::new();
        loop {
            let (line, at) = self.physical()?;
            let text = line.trim_start();
            let at = at + (line.len() - text.len()) as u32;
            if let Some(comment) = text.strip_prefix('#') {
                let comment = comment.trim();
                comments
                    .push(Spanned::new(comment.to_owned(), Span::new(at, at + text.trim_end().len() as u32)));
            } else if text.is_empty() {
                comments.clear();
            } else {
                let mut logical =
                    Logical { text: Cow::Borrowed(""), pieces: Vec::with_capacity(1), comments };
                self.join(&mut logical, text, at);
                if !logical.text.trim().is_empty() {
                    return Some(logical);
                }
                comments = Vec::new();
            }
        }
    }

    /// Appends `line` and, as long as the last one ends with an escape character, the lines below it.
    fn join(&mut self, logical: &mut Logical<'s>, line: &'s str, at: u32) {
        let Some(mut text) = self.continued(line) else {
            return logical.push(line, at);
        };
        logical.push(text, at);
        let mut empty_line = None;
        while let Some((line, at)) = self.physical() {
            let trimmed = line.trim_start();
            if trimmed.starts_with('#') {
                continue;
            }
            if trimmed.is_empty() {
                empty_line.get_or_insert(Span::new(at, at));
                continue;
            }
            let continued = self.continued(line);
            text = continued.unwrap_or(line);
            logical.push(text, at);
            if continued.is_none() {
                break;
            }
        }
        let warning = |span| Warning { kind: WarningKind::NoEmptyContinuation, span };
        self.warnings.extend(empty_line.map(warning));
    }

    /// What comes before the continuation character, if the line ends with one. A doubled one is none.
    fn continued(&self, line: &'s str) -> Option<&'s str> {
        let escape = char::from(self.escape);
        let before = line.trim_end_matches([' ', '\t']).strip_suffix(escape)?;
        (!before.ends_with(escape)).then_some(before)
    }

    /// The lines up to one that is `terminator`; `None` and everything to the end read if there is none.
    pub(super) fn heredoc_body(&mut self, terminator: &str, strip_tabs: bool) -> Option<Body> {
        let start = self.at;
        while let Some((line, at)) = self.physical() {
            let candidate = if strip_tabs { line.trim_start_matches('\t') } else { line };
            if candidate == terminator {
                return Some(Body { span: Span::new(start as u32, at), end: at + line.len() as u32 });
            }
        }
        None
    }

    /// The next physical line without its end, and its offset.
    fn physical(&mut self) -> Option<(&'s str, u32)> {
        let at = self.at;
        let rest = &self.text[at..];
        if rest.is_empty() {
            return None;
        }
        let (line, length) = match rest.find('\n') {
            Some(end) => (&rest[..end], end + 1),
            None => (rest, rest.len()),
        };
        self.at += length;
        if line.len() > MAX_LINE {
            let span = Span::new(at as u32, at as u32 + 1);
            self.errors.push(ParseError::new(ParseErrorKind::LineTooLong { length: line.len() }, span));
        }
        Some((line.trim_end_matches('\r'), at as u32))
    }
}
