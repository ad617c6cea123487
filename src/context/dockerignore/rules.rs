//! Finds the last of many patterns that fits a path, without trying most of them.

use std::collections::HashMap;

use super::Line;
use crate::tree::glob::Pattern;

/// Patterns by how they can be found. A pattern's *place* is its number among the lines, from 0.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Patterns without wildcards, with the last place of each.
    whole: HashMap<Box<[u8]>, u32>,
    /// Patterns `**/name`, by name, with the last place of each.
    names: HashMap<Box<[u8]>, u32>,
    /// All others, the last one first.
    others: Vec<Ends>,
}

/// The first and the last eight bytes of what a path must begin and end with: two comparisons of words, in a table that
/// stays in the processor's cache, settle nearly all patterns.
#[derive(Debug)]
struct Ends {
    place: u32,
    head: u64,
    head_mask: u64,
    tail: u64,
    tail_mask: u64,
}

impl Rules {
    pub(super) fn new<'a>(patterns: impl Iterator<Item = &'a Pattern>) -> Self {
        let mut rules = Self::default();
        for (place, pattern) in patterns.enumerate() {
            let place = place as u32;
            match (pattern.as_literal(), pattern.as_any_depth()) {
                (Some(path), _) => {
                    rules.whole.insert(path.into(), place);
                }
                (None, Some(name)) if !name.contains(&b'/') => {
                    rules.names.insert(name.into(), place);
                }
                _ => {
                    let (head, head_mask) = first_word(pattern.head());
                    let (tail, tail_mask) = last_word(pattern.tail());
                    rules.others.push(Ends { place, head, head_mask, tail, tail_mask });
                }
            }
        }
        rules.others.reverse();
        rules
    }

    /// The last place, but none before `floor`, whose pattern fits `path` itself.
    pub(super) fn last_fit(&self, path: &[u8], floor: u32, lines: &[Line]) -> Option<usize> {
        let mut best = None;
        let mut floor = floor;
        let mut offer = |place: Option<&u32>| {
            if let Some(&place) = place.filter(|&&place| place >= floor) {
                best = Some(place as usize);
                floor = place + 1;
            }
        };
        if !self.whole.is_empty() {
            offer(self.whole.get(path));
        }
        if !self.names.is_empty() {
            let name = path.rsplit(|&b| b == b'/').next().unwrap_or(path);
            offer(self.names.get(name));
        }
        let (head, _) = first_word(path);
        let (tail, _) = last_word(path);
        for ends in &self.others {
            if ends.place < floor {
                break;
            }
            if (head ^ ends.head) & ends.head_mask == 0
                && (tail ^ ends.tail) & ends.tail_mask == 0
                && lines[ends.place as usize].pattern.matches(path)
            {
                return Some(ends.place as usize);
            }
        }
        best
    }
}

/// The first eight bytes as a word, and the mask of those that there are.
fn first_word(bytes: &[u8]) -> (u64, u64) {
    if let Some(word) = bytes.first_chunk() {
        return (u64::from_le_bytes(*word), u64::MAX);
    }
    let (mut word, mut mask) = ([0; 8], [0; 8]);
    word[..bytes.len()].copy_from_slice(bytes);
    mask[..bytes.len()].fill(0xFF);
    (u64::from_le_bytes(word), u64::from_le_bytes(mask))
}

/// The last eight bytes as a word, and the mask of those that there are.
fn last_word(bytes: &[u8]) -> (u64, u64) {
    if let Some(word) = bytes.last_chunk() {
        return (u64::from_le_bytes(*word), u64::MAX);
    }
    let (mut word, mut mask) = ([0; 8], [0; 8]);
    word[8 - bytes.len()..].copy_from_slice(bytes);
    mask[8 - bytes.len()..].fill(0xFF);
    (u64::from_le_bytes(word), u64::from_le_bytes(mask))
}
