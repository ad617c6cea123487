//! What little of a pattern and of a path is enough to settle nearly all pairs of them: the first and the last eight
//! bytes, and which bytes there are at all.

use super::units::push_unit;
use super::{Pattern, Token};

/// Bytes that a path must begin with, end with and have. Small, so that a table of them stays in the processor's cache.
#[derive(Debug, Clone, Copy)]
pub struct Ends {
    head: Word,
    tail: Word,
    /// The set of all bytes that the pattern names.
    bytes: u64,
}

/// The same of a path.
#[derive(Debug, Clone, Copy)]
pub struct PathEnds {
    head: u64,
    tail: u64,
    bytes: u64,
}

/// Some of eight bytes.
#[derive(Debug, Clone, Copy)]
struct Word {
    bytes: u64,
    mask: u64,
}

impl Ends {
    /// Those of a pattern.
    pub fn of(pattern: &Pattern) -> Self {
        let head: Vec<Option<u8>> = pattern.head.iter().copied().map(Some).collect();
        let (mut first, mut last) = ([None; 8], [None; 8]);
        let length = head.len().min(8);
        first[..length].copy_from_slice(&head[..length]);
        let tail = tail(pattern);
        let length = tail.len().min(8);
        last[8 - length..].copy_from_slice(&tail[tail.len() - length..]);
        let mut bytes = Vec::new();
        for token in &pattern.tokens {
            if let Token::Unit(unit) = token {
                push_unit(&mut bytes, *unit);
            }
        }
        Self { head: Word::of(first), tail: Word::of(last), bytes: set_of(&bytes) }
    }

    /// Whether a path with such ends could fit.
    pub fn allow(&self, path: &PathEnds) -> bool {
        let head = (path.head ^ self.head.bytes) & self.head.mask;
        let tail = (path.tail ^ self.tail.bytes) & self.tail.mask;
        head | tail | self.bytes & !path.bytes == 0
    }
}

/// What is known of the bytes at the end of all paths that fit; `None` for any byte.
fn tail(pattern: &Pattern) -> Vec<Option<u8>> {
    let mut reversed = Vec::new();
    for token in pattern.tokens[pattern.fixed_tail..].iter().rev() {
        match token {
            Token::Unit(unit) => {
                let mut bytes = Vec::new();
                push_unit(&mut bytes, *unit);
                reversed.extend(bytes.into_iter().rev().map(Some));
            }
            // As in `*.py[co]`: some byte, but exactly one.
            Token::Class { negated: false, ranges } if ranges.iter().all(|&(_, high)| high < 0x80) => {
                reversed.push(None);
            }
            _ => break,
        }
    }
    reversed.reverse();
    reversed
}

impl Word {
    fn of(bytes: [Option<u8>; 8]) -> Self {
        Self {
            bytes: u64::from_le_bytes(bytes.map(Option::unwrap_or_default)),
            mask: u64::from_le_bytes(bytes.map(|byte| if byte.is_some() { 0xFF } else { 0 })),
        }
    }
}

impl PathEnds {
    /// Those of a path. Where a short path has no byte it counts as zero, which no pattern asks for.
    pub fn of(path: &[u8]) -> Self {
        let (mut head, mut tail) = ([0; 8], [0; 8]);
        if let (Some(first), Some(last)) = (path.first_chunk(), path.last_chunk()) {
            (head, tail) = (*first, *last);
        } else {
            head[..path.len()].copy_from_slice(path);
            tail[8 - path.len()..].copy_from_slice(path);
        }
        Self { head: u64::from_le_bytes(head), tail: u64::from_le_bytes(tail), bytes: set_of(path) }
    }
}

/// A set of bytes, in which some share a place: small letters do so with neither digits nor punctuation.
fn set_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |set, byte| set | 1 << ((byte ^ (!byte & 0x40) >> 1) & 63))
}
