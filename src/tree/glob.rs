//! Wildcard patterns over whole paths.
//!
//! Owns the pattern language of Dockerfiles: Go's `path/filepath.Match`, and the same with `**` as
//! github.com/moby/patternmatcher adds it for ignore files. Works on bytes; must not know trees or files.
//!
//! A pattern is split once into its two ends, of a fixed number of characters each, and the part between them that
//! may be of any length. Nearly every path is settled at its ends, the literal bytes first; what is left is run as a
//! set of states, which takes time in proportion to pattern times path whatever the pattern is.
//!
//! One place differs from Go on purpose: there a `*` before a class that matches `/`, as in `*[^x]*b`, may give up
//! too early, because the first fit of each piece is final. Here every fit is tried, as in patternmatcher.

mod ends;
#[cfg(test)]
pub(crate) mod naive;
mod parse;
mod states;
mod units;

pub use ends::{Ends, PathEnds};

use parse::Parser;
use states::States;
use units::{last_unit, next_unit, push_unit};

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
    /// The literal text that the pattern begins with.
    head: Box<[u8]>,
    /// The literal text that the pattern ends with, apart from the head.
    tail: Box<[u8]>,
    /// Tokens of a fixed length after the head: up to this place.
    fixed_head: usize,
    /// Tokens of a fixed length before the tail: from this place.
    fixed_tail: usize,
    /// How many tokens the head and the tail stand for.
    literal: (usize, usize),
    middle: Middle,
    /// The longest text that must stand somewhere between the ends.
    within: Box<[u8]>,
}

/// What stands between the ends of fixed length, where that can be tested without running states.
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
        let is_open =
            |token: &Token| matches!(token, Token::Star | Token::Skip | Token::Skipping | Token::Rest);
        let fixed_head = tokens.iter().position(is_open).unwrap_or(tokens.len());
        let fixed_tail = tokens.iter().rposition(is_open).map_or(tokens.len(), |place| place + 1);
        let middle = match &tokens[fixed_head..fixed_tail] {
            [] => Middle::Nothing,
            [Token::Star] => Middle::NoSlash,
            [Token::Rest] | [Token::Skip, Token::Skipping, Token::Star] => Middle::Anything,
            [Token::Skip, Token::Skipping] => Middle::WholeComponents,
            _ => Middle::States,
        };
        let (head, before) = literal(tokens[..fixed_head].iter());
        let after =
            tokens[fixed_tail..].iter().rev().take_while(|token| matches!(token, Token::Unit(_))).count();
        let (tail, _) = literal(tokens[tokens.len() - after..].iter());
        let literal = (before, after);
        let within = longest_literal(&tokens[fixed_head..fixed_tail]);
        Ok(Self { tokens: tokens.into(), head, tail, fixed_head, fixed_tail, literal, middle, within })
    }

    /// Whether the whole of `path` fits.
    pub fn matches(&self, path: &[u8]) -> bool {
        let Some(rest) = path.strip_prefix(&*self.head) else { return false };
        let Some(mut rest) = rest.strip_suffix(&*self.tail) else { return false };
        let (before, after) = self.literal;
        for token in &self.tokens[before..self.fixed_head] {
            if !next_unit(&mut rest).is_some_and(|unit| token.takes(unit)) {
                return false;
            }
        }
        for token in self.tokens[self.fixed_tail..self.tokens.len() - after].iter().rev() {
            if !last_unit(&mut rest).is_some_and(|unit| token.takes(unit)) {
                return false;
            }
        }
        match self.middle {
            Middle::Nothing => rest.is_empty(),
            Middle::NoSlash => !rest.contains(&b'/'),
            Middle::WholeComponents => matches!(rest.last(), None | Some(b'/')),
            Middle::Anything => true,
            Middle::States => {
                contains(rest, &self.within)
                    && States::after(&self.tokens[self.fixed_head..self.fixed_tail], rest).accepts()
            }
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
        let mut states = States::after(&self.tokens[self.literal.0..], rest);
        states.step(u32::from(b'/'));
        states.can_go_on()
    }

    /// The path, if the pattern has no wildcard and so fits one path only.
    pub fn as_literal(&self) -> Option<&[u8]> {
        (self.literal.0 == self.tokens.len()).then_some(&*self.head)
    }

    /// The end of the path, if the pattern is `**/` and that end: it then fits at any depth.
    pub fn as_any_depth(&self) -> Option<&[u8]> {
        let only_tail = self.fixed_head == 0 && self.fixed_tail + self.literal.1 == self.tokens.len();
        (self.middle == Middle::WholeComponents && only_tail).then_some(&*self.tail)
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

impl Token {
    /// Whether it stands for exactly one unit, and that may be `unit`.
    fn takes(&self, unit: u32) -> bool {
        match self {
            Self::Unit(wanted) => *wanted == unit,
            Self::NotSlash => unit != u32::from(b'/'),
            Self::Class { negated, ranges } => {
                // To Go, a byte that is not UTF-8 is the replacement character.
                let unit = char::from_u32(unit).map_or(u32::from(char::REPLACEMENT_CHARACTER), u32::from);
                ranges.iter().any(|&(low, high)| (low..=high).contains(&unit)) != *negated
            }
            Self::Star | Self::Skip | Self::Skipping | Self::Rest => false,
        }
    }
}

/// The bytes of the leading literal tokens, and how many tokens they are.
fn literal<'a>(tokens: impl Iterator<Item = &'a Token>) -> (Box<[u8]>, usize) {
    let mut bytes = Vec::new();
    let mut count = 0;
    for token in tokens {
        let Token::Unit(unit) = token else { break };
        push_unit(&mut bytes, *unit);
        count += 1;
    }
    (bytes.into(), count)
}

fn longest_literal(tokens: &[Token]) -> Box<[u8]> {
    let runs = tokens.split(|token| !matches!(token, Token::Unit(_)));
    let longest = runs.max_by_key(|run| run.len()).unwrap_or_default();
    literal(longest.iter()).0
}

fn contains(text: &[u8], wanted: &[u8]) -> bool {
    wanted.is_empty() || text.windows(wanted.len()).any(|window| window == wanted)
}

#[cfg(test)]
mod tests;
