//! The expansion itself.
//!
//! It reads like POSIX "parameter expansion" with bash's `/` and `//`, but is a language of its own: `:=` is an
//! error, `*` and `?` are the only wildcards, special parameters are unset variables.

use std::str::Chars;

use super::pattern::{Pattern, PatternError, Reach};
use super::{Expanded, ExpandedWords, Lookup};
use crate::dockerfile::ast::Escape;

/// A word cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum ExpandError {
    #[error("unexpected end of statement while looking for matching {}", if *quote == '"' { "double-quote" } else { "single-quote" })]
    Quote { quote: char },
    #[error("bad substitution: missing `}}`")]
    MissingBrace,
    #[error("bad substitution: missing `/` in `${{{name}/…}}`")]
    MissingSlash { name: String },
    #[error("bad substitution: no name after `${{`")]
    MissingName,
    #[error("unsupported modifier `{modifier}` in substitution of `{name}`")]
    Modifier { name: String, modifier: String },
    #[error("invalid pattern `{pattern}` in substitution: invalid escape `\\{escaped}`")]
    Pattern { pattern: String, escaped: String },
    #[error("{name}: {message}")]
    Required { name: String, message: String },
    #[error("substitutions are nested too deeply")]
    TooDeep,
    #[error("the values of the variables make this longer than {} bytes", MAX_GROWTH)]
    TooLong,
}

/// What quotes mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Quotes {
    /// They quote, and go away.
    Remove,
    /// They are text.
    Keep,
}

/// What an escape character outside of quotes becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Escapes {
    Remove,
    /// It stays before the character that it protects, for [`Pattern`] to read.
    Keep,
}

/// Substitutions may be nested this deep. Nobody writes more than three; the limit keeps the stack bounded.
const MAX_DEPTH: u32 = 64;

/// Bytes that variables may bring into a text. Sixteen lines that each repeat the one before would fill any memory.
pub(super) const MAX_GROWTH: usize = 1 << 20;

pub(super) struct Expander<'t, 'e> {
    rest: Chars<'t>,
    lookup: Lookup<'e>,
    escape: char,
    quotes: Quotes,
    depth: u32,
    unmatched: Vec<String>,
}

impl<'t, 'e> Expander<'t, 'e> {
    pub(super) fn new(text: &'t str, lookup: Lookup<'e>, escape: Escape, quotes: Quotes) -> Self {
        let escape = escape.char();
        Self { rest: text.chars(), lookup, escape, quotes, depth: 0, unmatched: Vec::new() }
    }

    pub(super) fn text(mut self) -> Result<Expanded, ExpandError> {
        let output = self.until(None, Escapes::Remove, Output::default())?;
        Ok(Expanded { text: output.text, unmatched: self.unmatched })
    }

    pub(super) fn words(mut self) -> Result<ExpandedWords, ExpandError> {
        let output =
            self.until(None, Escapes::Remove, Output { words: Some(Vec::new()), ..Output::default() })?;
        Ok(ExpandedWords { words: output.finish(), unmatched: self.unmatched })
    }

    fn peek(&self) -> Option<char> {
        self.rest.clone().next()
    }

    fn eat(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.rest.next();
        }
        found
    }

    /// Reads up to and including `stop`, or up to the end.
    fn until(
        &mut self,
        stop: Option<char>,
        escapes: Escapes,
        mut out: Output,
    ) -> Result<Output, ExpandError> {
        let (escape, quotes) = (self.escape, self.quotes == Quotes::Remove);
        let ends = |c| c == '$' || c == escape || stop == Some(c) || quotes && matches!(c, '\'' | '"');
        loop {
            out.push(self.plain(ends));
            let Some(c) = self.rest.next() else { break };
            match c {
                _ if stop == Some(c) => return Ok(out),
                '$' => {
                    let value = self.dollar()?;
                    out.grow(value.len())?;
                    out.push(&value);
                }
                '\'' if self.quotes == Quotes::Remove => self.single_quoted(&mut out)?,
                '"' if self.quotes == Quotes::Remove => self.double_quoted(escapes, &mut out)?,
                _ if c == self.escape => {
                    if escapes == Escapes::Keep {
                        out.push_quoted(c);
                    }
                    // A lone escape character at the very end goes away.
                    if let Some(escaped) = self.rest.next() {
                        out.push_quoted(escaped);
                    }
                }
                _ => unreachable!("plain text ends only where something is to be done"),
            }
        }
        if stop.is_some() { Err(ExpandError::MissingBrace) } else { Ok(out) }
    }

    /// Takes the text up to the first character that `ends` it.
    fn plain(&mut self, ends: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest.as_str();
        let (plain, rest) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        self.rest = rest.chars();
        plain
    }

    fn single_quoted(&mut self, out: &mut Output) -> Result<(), ExpandError> {
        out.text.push_str(self.plain(|c| c == '\''));
        if self.eat('\'') { Ok(()) } else { Err(ExpandError::Quote { quote: '\'' }) }
    }

    fn double_quoted(&mut self, escapes: Escapes, out: &mut Output) -> Result<(), ExpandError> {
        let escape = self.escape;
        loop {
            out.text.push_str(self.plain(|c| c == '$' || c == '"' || c == escape));
            let Some(c) = self.rest.next() else { break };
            match c {
                '"' => return Ok(()),
                '$' => {
                    let value = self.dollar()?;
                    out.grow(value.len())?;
                    out.text.push_str(&value);
                }
                _ if c == self.escape => match self.peek() {
                    Some(escaped) if escaped == '"' || escaped == '$' || escaped == self.escape => {
                        if escapes == Escapes::Keep {
                            out.push_quoted(c);
                        }
                        self.rest.next();
                        out.push_quoted(escaped);
                    }
                    Some(_) => out.push_quoted(c),
                    None => {}
                },
                _ => out.push_quoted(c),
            }
        }
        Err(ExpandError::Quote { quote: '"' })
    }

    /// What follows a `$`.
    fn dollar(&mut self) -> Result<String, ExpandError> {
        if !self.eat('{') {
            let name = self.name();
            return Ok(if name.is_empty() { "$".to_owned() } else { self.value(name).unwrap_or_default() });
        }
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(ExpandError::TooDeep);
        }
        let value = self.braced();
        self.depth -= 1;
        value
    }

    /// What follows a `${`, with the closing brace.
    fn braced(&mut self) -> Result<String, ExpandError> {
        match self.peek() {
            None => return Err(ExpandError::MissingBrace),
            Some('{' | '}' | ':') => return Err(ExpandError::MissingName),
            Some(_) => {}
        }
        let name = self.name();
        match self.rest.next() {
            None => Err(ExpandError::MissingBrace),
            Some('}') => Ok(self.value(name).unwrap_or_default()),
            Some(':') => match self.rest.next() {
                None => Err(ExpandError::MissingBrace),
                Some(modifier @ ('-' | '+' | '?')) => self.conditional(name, modifier, true),
                Some(modifier) => {
                    Err(ExpandError::Modifier { name: name.to_owned(), modifier: format!(":{modifier}") })
                }
            },
            Some(modifier @ ('-' | '+' | '?')) => self.conditional(name, modifier, false),
            Some(modifier @ ('#' | '%')) => self.trimmed(name, modifier),
            Some('/') => self.replaced(name),
            Some(modifier) => {
                Err(ExpandError::Modifier { name: name.to_owned(), modifier: modifier.to_string() })
            }
        }
    }

    /// `-`, `+` and `?`. With `empty_is_unset` they stand behind a colon.
    fn conditional(
        &mut self,
        name: &str,
        modifier: char,
        empty_is_unset: bool,
    ) -> Result<String, ExpandError> {
        let word = self.until(Some('}'), Escapes::Remove, Output::default())?.text;
        let value = (self.lookup)(name);
        let is_unset = value.is_none();
        let value = value.filter(|value| !(empty_is_unset && value.is_empty()));
        match (modifier, value) {
            ('-', value) => Ok(value.unwrap_or(word)),
            ('+', value) => Ok(value.map(|_| word).unwrap_or_default()),
            (_, Some(value)) => Ok(value),
            (_, None) => {
                let default =
                    if is_unset { "is not allowed to be unset" } else { "is not allowed to be empty" };
                let message = if word.is_empty() { default.to_owned() } else { word };
                Err(ExpandError::Required { name: name.to_owned(), message })
            }
        }
    }

    /// `#`, `##`, `%` and `%%`.
    fn trimmed(&mut self, name: &str, modifier: char) -> Result<String, ExpandError> {
        let reach = if self.eat(modifier) { Reach::Longest } else { Reach::Shortest };
        let pattern = self.pattern('}')?;
        let value = self.value(name).unwrap_or_default();
        Ok(match modifier {
            '#' => pattern.strip_prefix(&value, reach).to_owned(),
            _ => pattern.strip_suffix(&value, reach).to_owned(),
        })
    }

    /// `/` and `//`.
    fn replaced(&mut self, name: &str) -> Result<String, ExpandError> {
        let all = self.eat('/');
        let pattern = match self.pattern('/') {
            Err(ExpandError::MissingBrace) => Err(ExpandError::MissingSlash { name: name.to_owned() }),
            other => other,
        }?;
        let replacement = self.until(Some('}'), Escapes::Keep, Output::default())?.text;
        let value = self.value(name).unwrap_or_default();
        pattern.replace(&value, &replacement, all).ok_or(ExpandError::TooLong)
    }

    fn pattern(&mut self, stop: char) -> Result<Pattern, ExpandError> {
        let text = self.until(Some(stop), Escapes::Keep, Output::default())?.text;
        Pattern::parse(&text).map_err(|PatternError { escaped }| ExpandError::Pattern {
            pattern: text,
            escaped: escaped.map(String::from).unwrap_or_default(),
        })
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        if value.is_none() && !self.unmatched.iter().any(|known| known == name) {
            self.unmatched.push(name.to_owned());
        }
        value
    }

    /// A name: letters, digits and `_`, or digits only, or one special parameter; empty if there is none.
    fn name(&mut self) -> &'t str {
        let rest = self.rest.as_str();
        let first = rest.chars().next().unwrap_or(' ');
        let end = if first.is_numeric() {
            rest.find(|c: char| !c.is_numeric()).unwrap_or(rest.len())
        } else if matches!(first, '@' | '*' | '#' | '?' | '-' | '$' | '!') {
            1
        } else {
            rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
        };
        let (name, rest) = rest.split_at(end);
        self.rest = rest.chars();
        name
    }
}

/// Where expanded text goes.
#[derive(Default)]
struct Output {
    text: String,
    /// Finished words, if words are wanted; `text` then is the unfinished one.
    words: Option<Vec<String>>,
    /// Bytes of it that values brought.
    grown: usize,
}

impl Output {
    /// Counts a value that comes next.
    fn grow(&mut self, bytes: usize) -> Result<(), ExpandError> {
        self.grown += bytes;
        if self.grown > MAX_GROWTH { Err(ExpandError::TooLong) } else { Ok(()) }
    }

    /// A text whose white space ends words.
    fn push(&mut self, text: &str) {
        let Some(words) = &mut self.words else { return self.text.push_str(text) };
        for (i, part) in text.split(char::is_whitespace).enumerate() {
            if i > 0 && !self.text.is_empty() {
                words.push(std::mem::take(&mut self.text));
            }
            self.text.push_str(part);
        }
    }

    /// A character that belongs to a word whatever it is.
    fn push_quoted(&mut self, c: char) {
        self.text.push(c);
    }

    fn finish(self) -> Vec<String> {
        let mut words = self.words.unwrap_or_default();
        if !self.text.is_empty() {
            words.push(self.text);
        }
        words
    }
}
