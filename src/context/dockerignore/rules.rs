//! Finds the last of many patterns that fits a path, without trying most of them.

use std::collections::HashMap;

use super::Line;
use crate::tree::glob::{Ends, PathEnds, Pattern};

/// Patterns by how they can be found. A pattern's *place* is its number among the lines, from 0.
#[derive(Debug, Default)]
pub(super) struct Rules {
    /// Patterns without wildcards, with the last place of each.
    whole: HashMap<Box<[u8]>, u32>,
    /// Patterns `**/name`, by name, with the last place of each.
    names: HashMap<Box<[u8]>, u32>,
    /// All others with their places, the last one first.
    others: Vec<(u32, Ends)>,
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
                _ => rules.others.push((place, Ends::of(pattern))),
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
        let path_ends = PathEnds::of(path);
        for (place, ends) in &self.others {
            if *place < floor {
                break;
            }
            if ends.allow(&path_ends) && lines[*place as usize].pattern.matches(path) {
                return Some(*place as usize);
            }
        }
        best
    }
}
