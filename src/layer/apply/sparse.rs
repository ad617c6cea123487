//! Files that a tar stores without their holes.
//!
//! Owns where four forms say what is stored: GNU's old type `S`, whose map is in the header and in blocks behind it,
//! and three of PAX: 0.0 with a pair of records for each stretch, 0.1 with all of them in one record, 1.0 with lines of
//! numbers before the content. Pure; [`super::archive`] reads the bytes.
//!
//! Invariant: a [`map`] has no stretch outside of the file and none that lies before the one in front of it, so that
//! runs come to exactly the file's size and to exactly the bytes that are stored.

use super::fields::{decimal, number};

/// What comes next of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// So many zeros that are not stored.
    Hole(u64),
    /// So many bytes of the archive.
    Data(u64),
}

/// A stretch of a file that is stored: where it begins, and its length.
pub(super) type Stretch = (u64, u64);

/// What PAX records have said of a sparse file. Values that are no numbers make it [invalid](Records::is_invalid).
#[derive(Debug, Default)]
pub(super) struct Records {
    version: (Option<u64>, Option<u64>),
    /// The name; the entry's own is made up for readers that know nothing of holes.
    pub(super) name: Option<Vec<u8>>,
    /// The size with the holes.
    pub(super) size: Option<u64>,
    /// Offset and length of each stretch, one after the other.
    numbers: Vec<u64>,
    is_sparse: bool,
    invalid: bool,
}

/// Where the map of a sparse file is.
pub(super) enum Place {
    /// Here.
    Records(Vec<Stretch>),
    /// Before the content.
    Content,
}

impl Records {
    /// Takes in the record `GNU.sparse.KEY`.
    pub(super) fn take(&mut self, key: &[u8], value: &[u8]) {
        self.is_sparse = true;
        let mut number = |text| {
            let value: Option<u64> = decimal(text);
            self.invalid |= value.is_none();
            value
        };
        match key {
            b"major" => self.version.0 = number(value),
            b"minor" => self.version.1 = number(value),
            b"name" => self.name = Some(value.to_vec()),
            b"size" | b"realsize" => self.size = number(value),
            b"offset" | b"numbytes" => {
                let value = number(value);
                // Pairs must be pairs: an offset comes first.
                self.invalid |= (key == b"offset") != self.numbers.len().is_multiple_of(2);
                self.numbers.extend(value);
            }
            b"map" => {
                let numbers = value.split(|&b| b == b',').filter(|text| !text.is_empty()).map(number);
                self.numbers = numbers.flatten().collect();
            }
            // `numblocks` says again how many stretches there are.
            _ => {}
        }
    }

    /// Where the map is; `None` if the file is not sparse, or if nothing that is known says where.
    pub(super) fn place(&self) -> Option<Place> {
        match self.version {
            (Some(1), Some(0)) => Some(Place::Content),
            (None | Some(0), None | Some(0 | 1)) => pairs(&self.numbers).map(Place::Records),
            _ => None,
        }
    }

    /// Whether any of it was said.
    pub(super) fn is_sparse(&self) -> bool {
        self.is_sparse
    }

    /// Whether some of it makes no sense.
    pub(super) fn is_invalid(&self) -> bool {
        self.invalid
    }
}

/// The stretches of a part of an old map, fields of twelve bytes each: those before the first that is empty. `None` if
/// a number is none.
pub(super) fn old_map(fields: &[u8]) -> Option<Vec<Stretch>> {
    let value = |field: &[u8]| number(field).and_then(|value| u64::try_from(value).ok());
    let used = fields.as_chunks::<24>().0.iter().take_while(|stretch| stretch[0] != 0);
    used.map(|stretch| Some((value(&stretch[..12])?, value(&stretch[12..])?))).collect()
}

/// Lines of numbers that come block by block: how many stretches there are, then each.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: Vec<u8>,
    ends: u64,
    /// Lines that there must be.
    wanted: Option<u64>,
}

impl Lines {
    /// Takes in a block. `true` when all lines have come; `None` if they are no numbers.
    pub(super) fn take(&mut self, block: &[u8]) -> Option<bool> {
        self.text.extend_from_slice(block);
        self.ends += block.split(|&b| b == b'\n').skip(1).count() as u64;
        if self.wanted.is_none() && self.ends > 0 {
            let count: u64 = self.numbers().next()??;
            self.wanted = Some(count.checked_mul(2)?.checked_add(1)?);
        }
        Some(self.wanted.is_some_and(|wanted| self.ends >= wanted))
    }

    /// How much has come, in bytes.
    pub(super) fn len(&self) -> usize {
        self.text.len()
    }

    /// The stretches, when all lines have come.
    pub(super) fn map(&self) -> Option<Vec<Stretch>> {
        let wanted = usize::try_from(self.wanted?).ok()?;
        let numbers: Option<Vec<u64>> = self.numbers().take(wanted).skip(1).collect();
        pairs(&numbers?)
    }

    fn numbers(&self) -> impl Iterator<Item = Option<u64>> {
        self.text.split(|&b| b == b'\n').map(decimal)
    }
}

fn pairs(numbers: &[u64]) -> Option<Vec<Stretch>> {
    let (pairs, rest) = numbers.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|&[offset, length]| (offset, length)).collect())
}

/// The runs of a file of `size` bytes, the last one first. `None` if the stretches are not in order, lead out of the
/// file, or are not what is `stored`.
pub(super) fn runs(map: &[Stretch], size: u64, stored: u64) -> Option<Vec<Run>> {
    let mut runs = Vec::new();
    let (mut end, mut total) = (0, 0_u64);
    for &(offset, length) in map {
        let hole = offset.checked_sub(end)?;
        end = offset.checked_add(length).filter(|&end| end <= size)?;
        total = total.checked_add(length)?;
        runs.extend([Run::Hole(hole), Run::Data(length)]);
    }
    runs.push(Run::Hole(size - end));
    runs.retain(|run| !matches!(run, Run::Hole(0) | Run::Data(0)));
    runs.reverse();
    (total == stored).then_some(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_cover_the_file() {
        use Run::{Data, Hole};
        for (map, size, stored, expected) in [
            (&[][..], 0, 0, Some(vec![])),
            (&[], 5, 0, Some(vec![Hole(5)])),
            (&[(0, 5)], 5, 5, Some(vec![Data(5)])),
            (
                &[(2, 3), (5, 0), (7, 1), (10, 0)],
                10,
                4,
                Some(vec![Hole(2), Data(1), Hole(2), Data(3), Hole(2)]),
            ),
            (&[(2, 3), (4, 1)], 10, 4, None),
            (&[(4, 1), (2, 1)], 10, 2, None),
            (&[(2, 9)], 10, 9, None),
            (&[(11, 0)], 10, 0, None),
            (&[(2, 3)], 10, 4, None),
            (&[(1, u64::MAX)], u64::MAX, u64::MAX, None),
        ] {
            assert_eq!(runs(map, size, stored), expected, "{map:?} of {size}");
        }
    }

    #[test]
    fn lines_may_end_anywhere() {
        for (text, expected) in [
            ("0\n", Some(vec![])),
            ("1\n0\n5\nmore", Some(vec![(0, 5)])),
            ("2\n1\n2\n30\n4\n", Some(vec![(1, 2), (30, 4)])),
            ("1\n0\nx\n", None),
            ("x\n", None),
            ("\n", None),
            ("18446744073709551615\n", None),
        ] {
            for block in 1..=text.len() {
                let mut lines = Lines::default();
                let mut blocks = text.as_bytes().chunks(block);
                let done = blocks
                    .find_map(|block| lines.take(block).map_or(Some(false), |done| done.then_some(true)));
                let map = done.filter(|done| *done).and_then(|_| lines.map());
                assert_eq!(map, expected, "{text:?} in blocks of {block}");
            }
        }
    }
}
