//! The patterns of `#`, `%` and `/`: `*`, `?`, and a backslash before either of them or itself.

use super::expand::MAX_GROWTH;

/// A pattern.
pub(super) struct Pattern {
    tokens: Vec<Token>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `*`.
    Any,
    /// `?`.
    One,
    Char(char),
}

/// A backslash before a character that needs none; `None` at the end.
pub(super) struct PatternError {
    pub(super) escaped: Option<char>,
}

/// How much a pattern with `*` shall take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    Shortest,
    Longest,
}

impl Pattern {
    /// Reads a pattern. `\}` and `\/` are `}` and `/`, because a substitution would end there without the backslash.
    pub(super) fn parse(text: &str) -> Result<Self, PatternError> {
        let mut tokens = Vec::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' => Token::Any,
                '?' => Token::One,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Token::Char(escaped),
                    escaped => return Err(PatternError { escaped }),
                },
                c => Token::Char(c),
            });
        }
        Ok(Self { tokens })
    }

    /// `value` without the prefix that matches.
    pub(super) fn strip_prefix<'v>(&self, value: &'v str, reach: Reach) -> &'v str {
        let taken = taken(&self.tokens, value.chars(), reach).unwrap_or(0);
        &value[taken..]
    }

    /// `value` without the suffix that matches.
    pub(super) fn strip_suffix<'v>(&self, value: &'v str, reach: Reach) -> &'v str {
        let reversed: Vec<Token> = self.tokens.iter().rev().copied().collect();
        let taken = taken(&reversed, value.chars().rev(), reach).unwrap_or(0);
        &value[..value.len() - taken]
    }

    /// `value` with the first match, or all of them, replaced. A match is the longest one at the earliest place.
    /// `None` if the replacements come to more than [`MAX_GROWTH`].
    pub(super) fn replace(&self, value: &str, replacement: &str, all: bool) -> Option<String> {
        let mut replaced = String::with_capacity(value.len());
        let mut rest = value;
        // An empty match right behind another match does not count: `*` matches `abc` once.
        let mut after_match = false;
        let mut grown = 0;
        loop {
            match taken(&self.tokens, rest.chars(), Reach::Longest) {
                Some(length) if length > 0 || !after_match => {
                    grown += replacement.len();
                    if grown > MAX_GROWTH {
                        return None;
                    }
                    replaced.push_str(replacement);
                    rest = &rest[length..];
                    if !all {
                        break;
                    }
                    after_match = length > 0;
                    if after_match {
                        continue;
                    }
                }
                // What `*…` does not match here, it matches nowhere behind.
                None if self.tokens.first() == Some(&Token::Any) => break,
                _ => {}
            }
            let Some(c) = rest.chars().next() else { break };
            replaced.push(c);
            rest = &rest[c.len_utf8()..];
            after_match = false;
        }
        replaced.push_str(rest);
        Some(replaced)
    }
}

/// Bytes at the start of `chars` that `tokens` match; `None` if they do not match.
///
/// Follows all ways through the pattern at once, so that no pattern takes more than its length times the value's.
fn taken(tokens: &[Token], chars: impl Iterator<Item = char>, reach: Reach) -> Option<usize> {
    let end = tokens.len();
    let mut at = vec![false; end + 1];
    at[0] = true;
    skip_stars(tokens, &mut at);
    let mut bytes = 0;
    let mut found = at[end].then_some(0);
    for c in chars {
        if found.is_some() && reach == Reach::Shortest {
            break;
        }
        // From the back, so that a place is left before it is reached again.
        for place in (0..=end).rev() {
            let stays = tokens.get(place) == Some(&Token::Any) && at[place];
            let comes = place > 0 && at[place - 1] && accepts(tokens[place - 1], c);
            at[place] = stays || comes;
        }
        skip_stars(tokens, &mut at);
        bytes += c.len_utf8();
        if at[end] {
            found = Some(bytes);
        } else if !at.contains(&true) {
            break;
        }
    }
    found
}

fn accepts(token: Token, c: char) -> bool {
    match token {
        Token::Any => false,
        Token::One => true,
        Token::Char(wanted) => wanted == c,
    }
}

/// A place before a star is also one behind it.
fn skip_stars(tokens: &[Token], at: &mut [bool]) {
    for (place, token) in tokens.iter().enumerate() {
        if at[place] && *token == Token::Any {
            at[place + 1] = true;
        }
    }
}
