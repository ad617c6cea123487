//! Wildcard patterns over whole paths.
//!
//! Owns the pattern language of Dockerfiles: Go's `path/filepath.Match`, and the same with `**` as
//! github.com/moby/patternmatcher adds it for ignore files. Works on bytes; must not know trees or files.
//!
//! A pattern is split once into a literal head, a literal tail and what is between, so that nearly every path is
//! settled by comparing its two ends. The rest is run as a set of states, which takes time in proportion to
//! pattern times path whatever the pattern is.
//!
//! One place differs from Go on purpose: there a `*` before a class that matches `/`, as in `*[^x]*b`, may give up
//! too early, because the first fit of each piece is final. Here every fit is tried, as in patternmatcher.

use std::ops::Range;

mod states;

use states::States;

/// Which wildcards a pattern may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stars {
    /// Those of Go's `filepath.Match`: `*`, `?`, `[a-z]`, `[^a-z]`, `\x`. Two stars mean what one does.
    Single,
    /// Also `**`: any number of components, or none.
    Double,
}

/// A compiled pattern, matched against a whole path without a leading `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    tokens: Box<[Token]>,
    /// What of `tokens` lies between the head and the tail.
    between: Range<usize>,
    head: Box<[u8]>,
    tail: Box<[u8]>,
    middle: Middle,
}

/// What stands between head and tail, where that can be tested without running states.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Middle {
    Nothing,
    NoSlash,
    WholeComponents,
    Anything,
    States,
}

/// One step of a pattern. A *unit* is a character, or a byte that is not part of one.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Unit(u32),
    /// `?`
    NotSlash,
    /// `[…]`; like in Go, a negated one also takes `/`.
    Class {
        negated: bool,
        ranges: Box<[(u32, u32)]>,
    },
    /// `*`
    Star,
    /// The start of a `**` that is followed by something: either nothing is skipped, or [`Token::Skipping`] begins.
    Skip,
    /// Inside a skipped part, which ends after a `/`. Always after a [`Token::Skip`].
    Skipping,
    /// Any text at all.
    Rest,
}

/// A pattern is malformed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the pattern `{pattern}` is malformed: {fault}")]
pub struct PatternError {
    /// The pattern; bytes that are not UTF-8 are replaced.
    pub pattern: String,
    /// What is wrong.
    pub fault: PatternFault,
}

/// What is wrong with a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PatternFault {
    /// A `[` without its `]`.
    #[error("`[` is never closed")]
    Unclosed,
    /// A `]` or `-` where a character of a class must come.
    #[error("`[` must be followed by characters or ranges, and `-` and `]` among them need a `\\` before")]
    Class,
    /// A range that ends before it begins.
    #[error("a range in `[…]` ends before it begins")]
    Range,
    /// A class with bytes that are no UTF-8.
    #[error("`[…]` holds bytes that are not UTF-8")]
    Encoding,
    /// A `\` at the end.
    #[error("nothing follows the last `\\`")]
    Escape,
}

impl Pattern {
    /// Compiles a pattern that is in normal form already (see [`super::TreePath`]).
    pub fn new(pattern: &[u8], stars: Stars) -> Result<Self, PatternError> {
        let tokens = Parser { rest: pattern, stars, tokens: Vec::new() }.parse().map_err(|fault| {
            PatternError { pattern: String::from_utf8_lossy(pattern).into_owned(), fault }
        })?;
        let is_wild = |token: &Token| !matches!(token, Token::Unit(_));
        let start = tokens.iter().position(is_wild).unwrap_or(tokens.len());
        let end = tokens.iter().rposition(is_wild).map_or(tokens.len(), |i| i + 1);
        let middle = match &tokens[start..end] {
            [] => Middle::Nothing,
            [Token::Star] => Middle::NoSlash,
            [Token::Rest] | [Token::Skip, Token::Skipping, Token::Star] => Middle::Anything,
            [Token::Skip, Token::Skipping] => Middle::WholeComponents,
            _ => Middle::States,
        };
        let (head, tail) = (literal(&tokens[..start]), literal(&tokens[end..]));
        Ok(Self { tokens: tokens.into(), between: start..end, head, tail, middle })
    }

    /// Whether the whole of `path` fits.
    pub fn matches(&self, path: &[u8]) -> bool {
        let (head, tail) = (&self.head[..], &self.tail[..]);
        if path.len() < head.len() + tail.len() || !path.starts_with(head) || !path.ends_with(tail) {
            return false;
        }
        let middle = &path[head.len()..path.len() - tail.len()];
        match self.middle {
            Middle::Nothing => middle.is_empty(),
            Middle::NoSlash => !middle.contains(&b'/'),
            Middle::WholeComponents => matches!(middle.last(), None | Some(b'/')),
            Middle::Anything => true,
            Middle::States => States::after(&self.tokens[self.between.clone()], middle).accepts(),
        }
    }

    /// Whether some path below the directory `dir`, which is not among them, could fit.
    pub fn could_match_below(&self, dir: &[u8]) -> bool {
        if dir.is_empty() {
            return true;
        }
        let head = &self.head[..];
        if head.len() > dir.len() {
            return head.starts_with(dir) && head[dir.len()] == b'/';
        }
        let Some(rest) = dir.strip_prefix(head) else { return false };
        let mut states = States::after(&self.tokens[self.between.start..], rest);
        states.step(u32::from(b'/'));
        states.can_go_on()
    }

    /// The text that a path must begin with; the whole pattern if it has no wildcard.
    pub fn head(&self) -> &[u8] {
        &self.head
    }

    /// The text that a path must end with, after the head.
    pub fn tail(&self) -> &[u8] {
        &self.tail
    }

    /// The path, if the pattern has no wildcard and so fits one path only.
    pub fn as_literal(&self) -> Option<&[u8]> {
        (self.middle == Middle::Nothing).then_some(&*self.head)
    }

    /// The end of the path, if the pattern is `**/` and that end: it then fits at any depth.
    pub fn as_any_depth(&self) -> Option<&[u8]> {
        (self.middle == Middle::WholeComponents && self.head.is_empty()).then_some(&*self.tail)
    }
}

/// Whether `component` of a source is a wildcard: it has an unescaped `*`, `?` or `[`.
pub fn is_wildcard(component: &[u8]) -> bool {
    let mut bytes = component.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'*' | b'?' | b'[' => return true,
            _ => {}
        }
    }
    false
}

struct Parser<'a> {
    rest: &'a [u8],
    stars: Stars,
    tokens: Vec<Token>,
}

impl Parser<'_> {
    fn parse(mut self) -> Result<Vec<Token>, PatternFault> {
        while let Some(&byte) = self.rest.first() {
            match byte {
                b'*' => self.star(),
                b'?' => {
                    self.rest = &self.rest[1..];
                    self.tokens.push(Token::NotSlash);
                }
                b'[' => self.class()?,
                b'\\' => {
                    self.rest = &self.rest[1..];
                    let unit = next_unit(&mut self.rest).ok_or(PatternFault::Escape)?;
                    self.tokens.push(Token::Unit(unit));
                }
                _ => {
                    let unit = next_unit(&mut self.rest);
                    self.tokens.extend(unit.map(Token::Unit));
                }
            }
        }
        Ok(self.tokens)
    }

    fn star(&mut self) {
        let double = self.stars == Stars::Double && self.rest.starts_with(b"**");
        self.rest = &self.rest[if double { 2 } else { 1 }..];
        if !double {
            // A star after a star adds nothing, but a state to keep.
            if self.tokens.last() != Some(&Token::Star) {
                self.tokens.push(Token::Star);
            }
            return;
        }
        let with_slash = self.rest.first() == Some(&b'/');
        self.rest = &self.rest[usize::from(with_slash)..];
        // `**x` with nothing but text behind is a plain suffix for patternmatcher, not bound to a `/`.
        let suffix = self.tokens.is_empty()
            && !with_slash
            && !self.rest.iter().any(|b| matches!(b, b'*' | b'?' | b'[' | b']' | b'\\'));
        if self.rest.is_empty() || suffix {
            self.tokens.push(Token::Rest);
        } else {
            self.tokens.extend([Token::Skip, Token::Skipping]);
        }
    }

    fn class(&mut self) -> Result<(), PatternFault> {
        self.rest = &self.rest[1..];
        let negated = self.rest.first() == Some(&b'^');
        self.rest = &self.rest[usize::from(negated)..];
        let mut ranges = Vec::new();
        loop {
            if self.rest.first() == Some(&b']') && !ranges.is_empty() {
                self.rest = &self.rest[1..];
                break;
            }
            let low = self.class_unit()?;
            let high = if self.rest.first() == Some(&b'-') {
                self.rest = &self.rest[1..];
                self.class_unit()?
            } else {
                low
            };
            // Go's `filepath.Match` lets it pass and never matches it; patternmatcher makes a regular expression
            // of it, and that is refused.
            if high < low && self.stars == Stars::Double {
                return Err(PatternFault::Range);
            }
            ranges.push((low, high));
        }
        self.tokens.push(Token::Class { negated, ranges: ranges.into() });
        Ok(())
    }

    fn class_unit(&mut self) -> Result<u32, PatternFault> {
        match self.rest.first() {
            None => return Err(PatternFault::Unclosed),
            Some(b'-' | b']') => return Err(PatternFault::Class),
            Some(b'\\') => self.rest = &self.rest[1..],
            Some(_) => {}
        }
        match next_unit(&mut self.rest) {
            None => Err(PatternFault::Unclosed),
            Some(unit) if unit >= NOT_A_CHARACTER => Err(PatternFault::Encoding),
            Some(unit) => Ok(unit),
        }
    }
}

/// Units from here on stand for single bytes that are not UTF-8.
const NOT_A_CHARACTER: u32 = 0x11_0000;

/// Takes one character, or one byte that is not part of a character, from the front of `text`.
fn next_unit(text: &mut &[u8]) -> Option<u32> {
    let (&first, rest) = text.split_first()?;
    let length = match first {
        0..0x80 => {
            *text = rest;
            return Some(u32::from(first));
        }
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    };
    let character = text.get(..length).and_then(|bytes| std::str::from_utf8(bytes).ok()?.chars().next());
    *text = if character.is_some() { &text[length..] } else { rest };
    Some(character.map_or(NOT_A_CHARACTER + u32::from(first), u32::from))
}

/// The bytes of tokens that are all units.
fn literal(tokens: &[Token]) -> Box<[u8]> {
    let mut bytes = Vec::with_capacity(tokens.len());
    for token in tokens {
        if let Token::Unit(unit) = token {
            match char::from_u32(*unit) {
                Some(character) => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                None => bytes.push((unit - NOT_A_CHARACTER) as u8),
            }
        }
    }
    bytes.into()
}

#[cfg(test)]
mod tests;
