//! Runs a pattern over a text as a set of states.

use super::{Token, next_unit};

/// The places in a pattern, one bit each, that a text read so far may have reached. The place behind the last token
/// is where the pattern is complete.
pub(super) struct States<'a> {
    tokens: &'a [Token],
    now: Vec<u64>,
    next: Vec<u64>,
}

impl<'a> States<'a> {
    /// The states after all of `text`.
    pub(super) fn after(tokens: &'a [Token], mut text: &[u8]) -> Self {
        let words = tokens.len() / 64 + 1;
        let mut states = Self { tokens, now: vec![0; words], next: vec![0; words] };
        reach(tokens, &mut states.now, 0);
        while let Some(unit) = next_unit(&mut text) {
            if !states.step(unit) {
                break;
            }
        }
        states
    }

    /// Whether the text is matched as it stands.
    pub(super) fn accepts(&self) -> bool {
        has(&self.now, self.tokens.len())
    }

    /// Whether some longer text could be matched.
    pub(super) fn can_go_on(&self) -> bool {
        (0..self.tokens.len()).any(|place| has(&self.now, place))
    }

    /// Reads one unit; `false` if nothing can match any more.
    pub(super) fn step(&mut self, unit: u32) -> bool {
        let slash = unit == u32::from(b'/');
        self.next.fill(0);
        for (word, &bits) in self.now.iter().enumerate() {
            let mut bits = bits;
            while bits != 0 {
                let place = word * 64 + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let Some(token) = self.tokens.get(place) else { continue };
                match token {
                    Token::Star if !slash => reach(self.tokens, &mut self.next, place),
                    Token::Rest => reach(self.tokens, &mut self.next, place),
                    Token::Skipping => {
                        set(&mut self.next, place);
                        if slash {
                            reach(self.tokens, &mut self.next, place + 1);
                        }
                    }
                    token if token.takes(unit) => reach(self.tokens, &mut self.next, place + 1),
                    _ => {}
                }
            }
        }
        std::mem::swap(&mut self.now, &mut self.next);
        self.now.iter().any(|&bits| bits != 0)
    }
}

/// Adds a place, and those that can be reached from it without reading anything.
fn reach(tokens: &[Token], places: &mut [u64], mut place: usize) {
    loop {
        set(places, place);
        match tokens.get(place) {
            Some(Token::Star | Token::Rest) => place += 1,
            Some(Token::Skip) => {
                set(places, place + 1);
                place += 2;
            }
            _ => return,
        }
    }
}

fn set(places: &mut [u64], place: usize) {
    places[place / 64] |= 1 << (place % 64);
}

fn has(places: &[u64], place: usize) -> bool {
    places[place / 64] & 1 << (place % 64) != 0
}
