//! A text with a name, and places in it.

use std::ops::Range;
use std::sync::OnceLock;

/// A text with the name that messages call it by.
#[derive(Debug, Clone)]
pub struct Source {
    name: String,
    text: String,
    /// Byte offset at which each line starts; made when somebody asks.
    lines: OnceLock<Vec<u32>>,
}

impl Source {
    /// Texts are cut at this many bytes, so that an offset fits a `u32`.
    const MAX_LENGTH: usize = u32::MAX as usize;

    /// Takes a text. Its name is mostly a path as the user wrote it.
    ///
    /// What lies beyond 4 GiB is cut off; whoever reads a file refuses such a size long before.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let mut text = text.into();
        if text.len() > Self::MAX_LENGTH {
            text.truncate(boundary(&text, Self::MAX_LENGTH));
        }
        Self { name: name.into(), text, lines: OnceLock::new() }
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part of the text at `span`; empty if the span is not of this source.
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// The line and column of a byte offset; an offset behind the end counts as the end.
    pub fn location(&self, offset: u32) -> Location {
        let offset = boundary(&self.text, offset as usize);
        let lines = self.lines();
        let line = lines.partition_point(|&start| start as usize <= offset);
        let start = lines[line - 1] as usize;
        Location { line: line as u32, column: self.text[start..offset].chars().count() as u32 + 1 }
    }

    /// The lines, from 1, that `span` touches.
    pub fn line_range(&self, span: Span) -> std::ops::RangeInclusive<u32> {
        let last = if span.is_empty() { span.end } else { span.end - 1 };
        self.location(span.start).line..=self.location(last).line
    }

    /// Starts of lines; never empty, because the first line starts at 0.
    fn lines(&self) -> &[u32] {
        self.lines.get_or_init(|| {
            let ends = self.text.bytes().enumerate().filter(|&(_, b)| b == b'\n');
            std::iter::once(0).chain(ends.map(|(at, _)| at as u32 + 1)).collect()
        })
    }
}

/// The last character boundary at or before `offset`.
pub(super) fn boundary(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// A place as people count: both from 1, the column in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Location {
    /// The line.
    pub line: u32,
    /// The column, in Unicode scalar values.
    pub column: u32,
}

/// A range of bytes in a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// Offset of the first byte.
    pub start: u32,
    /// Offset behind the last byte.
    pub end: u32,
}

impl Span {
    /// The span from `start` to before `end`.
    pub fn new(start: u32, end: u32) -> Self {
        Self { start, end: end.max(start) }
    }

    /// From this span's start to `other`'s end.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self::new(self.start, other.end)
    }

    /// Does it cover no byte?
    pub fn is_empty(self) -> bool {
        self.start >= self.end
    }

    /// The span as a range to index a text with.
    pub fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// A value with the place that it was read from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Its place.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// Joins a value and its place.
    pub fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_become_lines_and_columns() {
        let source = Source::new("f", "ab\né\n\nz");
        let cases = [
            (0, 1, 1),
            (1, 1, 2),
            (2, 1, 3),
            (3, 2, 1),
            (5, 2, 2),
            (6, 3, 1),
            (7, 4, 1),
            (8, 4, 2),
            (99, 4, 2),
        ];
        for (offset, line, column) in cases {
            assert_eq!(source.location(offset), Location { line, column }, "offset {offset}");
        }
    }

    #[test]
    fn a_span_touches_the_lines_of_its_bytes_only() {
        let source = Source::new("f", "ab\ncd\nef");
        assert_eq!(source.line_range(Span::new(0, 3)), 1..=1);
        assert_eq!(source.line_range(Span::new(0, 4)), 1..=2);
        assert_eq!(source.line_range(Span::new(3, 3)), 2..=2);
        assert_eq!(source.slice(Span::new(3, 5)), "cd");
        assert_eq!(source.slice(Span::new(3, 500)), "");
    }
}
