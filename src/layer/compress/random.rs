//! Finds data that deflate cannot make smaller, at a small part of the cost of trying.
//!
//! Layers hold much that is compressed already (images, wheels, jars), on which a compressor spends most of its
//! time. The answer depends on the input alone. Must not know how the parts are compressed.

use std::ops::Range;

/// What is looked at as one, in bytes.
const BLOCK: usize = 16 * 1024;

/// Deflate refers back this many bytes at most. A run of random data that is as long separates what is around it
/// anyway, so cutting there loses nothing.
const WINDOW: usize = 32 * 1024;

/// In what steps the borders of a run of random data are found, in bytes.
const STEP: usize = 1024;

/// Of so many bytes of a block ...
const STRIDE: usize = 256;

/// ... so many are counted.
const SAMPLE: usize = 32;

/// How uneven the counts of the sample's byte values may be, as a chi-squared statistic of 255 degrees of freedom:
/// 255 with a deviation of 23 for random bytes. Data on the limit could be made about 0.4 % smaller.
const UNEVEN: u64 = 350;

/// Repeats of four bytes that a block may have: random data has none, and this many would save 0.2 %.
const REPEATS: usize = 16;

const SLOT_BITS: u32 = 13;

/// Splits input into parts that are worth compressing and parts that are not.
pub(super) struct Detector {
    /// Where four bytes of a certain hash were last.
    seen: Box<[u32]>,
}

impl Default for Detector {
    fn default() -> Self {
        Self { seen: vec![0; 1 << SLOT_BITS].into() }
    }
}

impl Detector {
    /// The parts of `input`, in order and at least one, and whether each is random. Input must be below 4 GiB.
    pub(super) fn split(&mut self, input: &[u8]) -> Vec<(Range<usize>, bool)> {
        self.seen.fill(0);
        let mut parts: Vec<(Range<usize>, bool)> = Vec::new();
        for start in (0..input.len()).step_by(BLOCK) {
            let end = input.len().min(start + BLOCK);
            let random = end - start == BLOCK
                && is_even(
                    input[start..end].chunks_exact(STRIDE).map(|stretch| &stretch[..SAMPLE]),
                    BLOCK / STRIDE * SAMPLE,
                )
                && !self.repeats(input, start..end);
            match parts.last_mut() {
                Some((last, same)) if *same == random => last.end = end,
                _ => {
                    absorb_short(&mut parts);
                    push(&mut parts, start..end, random);
                }
            }
        }
        absorb_short(&mut parts);
        if parts.is_empty() {
            parts.push((0..0, false));
        }
        move_borders(input, &mut parts);
        parts
    }

    /// Whether the part has more than a few bytes that stand shortly before, too.
    fn repeats(&mut self, input: &[u8], part: Range<usize>) -> bool {
        let word = |at: usize| u32::from_le_bytes([input[at], input[at + 1], input[at + 2], input[at + 3]]);
        let mut repeats = 0;
        for at in part.start..part.end - 3 {
            let now = word(at);
            let slot = &mut self.seen[(now.wrapping_mul(0x9e37_79b1) >> (32 - SLOT_BITS)) as usize];
            let before = std::mem::replace(slot, at as u32) as usize;
            // Long repeats are seen at some of their places, too.
            if at % 4 == 0 && before != at && at - before <= WINDOW && word(before) == now {
                repeats += 1;
            }
        }
        repeats > REPEATS
    }
}

/// Appends a part, or extends the last one if that became of the same sort.
fn push(parts: &mut Vec<(Range<usize>, bool)>, range: Range<usize>, random: bool) {
    match parts.last_mut() {
        Some((last, same)) if *same == random => last.end = range.end,
        _ => parts.push((range, random)),
    }
}

/// Takes the last part as not random if it is too short for a cut, and joins it with the one before.
fn absorb_short(parts: &mut Vec<(Range<usize>, bool)>) {
    if let Some((range, true)) = parts.last()
        && range.len() < WINDOW
        && let Some((range, _)) = parts.pop()
    {
        push(parts, range, false);
    }
}

/// Extends random parts over what is random of the blocks beside them: a compressor finds such a border worse.
fn move_borders(input: &[u8], parts: &mut [(Range<usize>, bool)]) {
    for i in 1..parts.len() {
        let border = parts[i].0.start;
        let even = |range: Range<usize>| is_even(std::iter::once(&input[range]), STEP);
        let moved = if parts[i].1 {
            let len = parts[i - 1].0.len().min(BLOCK);
            let steps = (1..len / STEP).take_while(|n| even(border - n * STEP..border - (n - 1) * STEP));
            border - steps.count() * STEP
        } else {
            let len = parts[i].0.len().min(BLOCK);
            let steps = (1..len / STEP).take_while(|n| even(border + (n - 1) * STEP..border + n * STEP));
            border + steps.count() * STEP
        };
        parts[i - 1].0.end = moved;
        parts[i].0.start = moved;
    }
}

/// Whether all byte values are about as frequent in stretches that have `total` bytes. Mostly they are not, and a
/// part tells.
fn is_even<'a>(stretches: impl Iterator<Item = &'a [u8]>, total: usize) -> bool {
    let total = total as u64;
    // chi squared = 256 / total * squares - total
    let limit = total * (total + UNEVEN);
    let mut counts = [0_u64; 256];
    let mut squares = 0;
    for stretch in stretches {
        for &byte in stretch {
            let count = &mut counts[usize::from(byte)];
            squares += 2 * *count + 1;
            *count += 1;
        }
        // More bytes never make the sum of the squares smaller.
        if 256 * squares >= limit {
            return false;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::compress::tests::{noise, text};

    fn split(input: &[u8]) -> Vec<(Range<usize>, bool)> {
        let parts = Detector::default().split(input);
        let ends: Vec<_> = parts.iter().map(|(range, _)| range.end).collect();
        let starts: Vec<_> = parts.iter().skip(1).map(|(range, _)| range.start).collect();
        assert_eq!((parts[0].0.start, ends.last()), (0, Some(&input.len())));
        assert_eq!(starts, ends[..ends.len() - 1], "without gaps");
        parts
    }

    #[test]
    fn random_data_is_found_where_it_is() {
        assert_eq!(split(b""), [(0..0, false)]);
        assert_eq!(split(&text(100_000)), [(0..100_000, false)]);
        assert_eq!(split(&noise(1, 1 << 20)), [(0..1 << 20, true)]);
        // The borders lie off the blocks and are found to within a step.
        let parts = split(&[text(70_000), noise(2, 200_000), text(70_000)].concat());
        let [(before, false), (random, true), (after, false)] = &parts[..] else { panic!("{parts:?}") };
        assert!((70_000..70_000 + STEP).contains(&random.start), "{before:?} {random:?}");
        assert!((270_000 - STEP..=270_000).contains(&random.end), "{random:?} {after:?}");
    }

    #[test]
    fn short_runs_do_not_cut() {
        let input = [text(64 * 1024), noise(3, BLOCK), text(64 * 1024)].concat();
        assert_eq!(split(&input), [(0..input.len(), false)]);
    }

    #[test]
    fn repeated_noise_is_not_random() {
        // Each distance is one that deflate reaches; in the last the repeat is in another block.
        for len in [300, 5000, 20_000] {
            let input = noise(4, len).repeat(200_000 / len);
            let random: usize =
                split(&input).iter().filter(|(_, random)| *random).map(|(range, _)| range.len()).sum();
            assert!(random <= WINDOW, "{len}: {random} bytes taken as random");
        }
    }

    #[test]
    fn narrow_parts_between_random_ones_stay() {
        let input =
            [noise(5, 40 * 1024), text(3000), noise(6, 120 * 1024), text(700), noise(7, 90 * 1024)].concat();
        assert!(split(&input).iter().all(|(range, _)| !range.is_empty()));
    }
}
