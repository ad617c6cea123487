//! From the text of a pattern to its tokens.

use super::units::{NOT_A_CHARACTER, next_unit};
use super::{PatternFault, Stars, Token};

pub(super) struct Parser<'a> {
    pub(super) rest: &'a [u8],
    pub(super) stars: Stars,
    pub(super) tokens: Vec<Token>,
}

impl Parser<'_> {
    pub(super) fn parse(mut self) -> Result<Vec<Token>, PatternFault> {
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
