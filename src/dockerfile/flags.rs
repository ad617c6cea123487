//! Instruction flags: `--name` and `--name=value` between the keyword and the arguments.
//!
//! Quotes and escapes in a flag are removed here; a value may then be expanded like any other word. `--` ends the
//! flags. Which instruction has which flags is the table [`known`].

use crate::diagnostic::{Span, Spanned, nearest};

use super::error::{ParseError, ParseErrorKind};
use super::lines::Fragment;
use super::word::Word;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// `true`, `false`, or no value for `true`.
    Boolean,
    Once,
    List,
}

/// The flags of an instruction, given by its keyword in capitals.
fn known(instruction: &str) -> &'static [(&'static str, Shape)] {
    use Shape::{Boolean, List, Once};
    match instruction {
        "FROM" => &[("platform", Once)],
        "RUN" => &[("mount", List), ("network", Once), ("security", Once), ("device", List)],
        "COPY" => &[
            ("from", Once),
            ("chown", Once),
            ("chmod", Once),
            ("link", Boolean),
            ("parents", Boolean),
            ("exclude", List),
        ],
        "ADD" => &[
            ("chown", Once),
            ("chmod", Once),
            ("link", Boolean),
            ("exclude", List),
            ("checksum", Once),
            ("keep-git-dir", Boolean),
            ("unpack", Boolean),
        ],
        "HEALTHCHECK" => &[
            ("interval", Once),
            ("timeout", Once),
            ("start-period", Once),
            ("start-interval", Once),
            ("retries", Once),
        ],
        _ => &[],
    }
}

/// The flags of an instruction as a user writes them, for messages.
pub(super) fn names(instruction: &str) -> Vec<String> {
    known(instruction).iter().map(|(name, _)| format!("`--{name}`")).collect()
}

/// The flags of one instruction, checked against the table.
#[derive(Debug, Default)]
pub(super) struct Flags {
    flags: Vec<Flag>,
}

#[derive(Debug)]
struct Flag {
    name: &'static str,
    /// `true` or `false` for a boolean one.
    value: Word,
}

impl Flags {
    /// Reads the flags at the start of `arguments`; gives the rest back.
    pub(super) fn parse<'l>(
        instruction: &'static str,
        arguments: Fragment<'l>,
        escape: char,
    ) -> Result<(Self, Fragment<'l>), ParseError> {
        let mut flags = Self::default();
        let mut rest = arguments;
        while rest.text().starts_with("--") {
            let (fragment, text) = cut(rest, escape);
            rest = rest.from(fragment.text().len()).trim();
            if text == "--" {
                break;
            }
            flags.add(instruction, fragment, &text)?;
        }
        Ok((flags, rest))
    }

    /// Adds the flag `text`, which is `fragment` without its quotes.
    fn add(
        &mut self,
        instruction: &'static str,
        fragment: Fragment<'_>,
        text: &str,
    ) -> Result<(), ParseError> {
        let body = &text[2..];
        let (name, value) = body.split_once('=').map_or((body, None), |(name, value)| (name, Some(value)));
        let table = known(instruction);
        let Some(&(name, shape)) = table.iter().find(|(known, _)| *known == name) else {
            let similar = nearest(name, table.iter().map(|(known, _)| *known));
            return Err(fragment.error(ParseErrorKind::UnknownFlag {
                flag: name.to_owned(),
                instruction,
                similar,
            }));
        };
        if shape != Shape::List && self.flags.iter().any(|flag| flag.name == name) {
            return Err(fragment.error(ParseErrorKind::DuplicateFlag { flag: name }));
        }
        let value = match (shape, value) {
            (Shape::Boolean, None) => "true".to_owned(),
            (_, None) => return Err(fragment.error(ParseErrorKind::FlagWithoutValue { flag: name })),
            (Shape::Boolean, Some("")) => {
                return Err(fragment.error(ParseErrorKind::FlagWithoutValue { flag: name }));
            }
            (Shape::Boolean, Some(value)) => match value.to_ascii_lowercase() {
                lower if lower == "true" || lower == "false" => lower,
                _ => {
                    let kind = ParseErrorKind::FlagNotBoolean { flag: name, value: value.to_owned() };
                    return Err(value_place(fragment, value).error(kind));
                }
            },
            (_, Some(value)) => value.to_owned(),
        };
        let span = value_place(fragment, &value).span();
        self.flags.push(Flag { name, value: Word { text: value, span } });
        Ok(())
    }

    /// The value of a flag that may be given once; an empty one counts as not given.
    pub(super) fn word(&self, name: &str) -> Option<Word> {
        self.find(name).filter(|value| !value.text.is_empty()).cloned()
    }

    /// The values of a flag that may be repeated.
    pub(super) fn list(&self, name: &str) -> impl Iterator<Item = &Word> {
        self.flags.iter().filter(move |flag| flag.name == name).map(|flag| &flag.value)
    }

    /// A boolean flag; `None` if it is not given.
    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        self.find(name).map(|value| value.text == "true")
    }

    /// The value of a flag that is one of a few words, in any case.
    pub(super) fn choice<T: Copy>(
        &self,
        name: &'static str,
        choices: &[(&str, T)],
        expected: &'static str,
    ) -> Result<Option<Spanned<T>>, ParseError> {
        let Some(word) = self.find(name) else { return Ok(None) };
        match choices.iter().find(|(choice, _)| word.text.eq_ignore_ascii_case(choice)) {
            Some(&(_, value)) => Ok(Some(Spanned::new(value, word.span))),
            None => Err(invalid(name, word, expected)),
        }
    }

    fn find(&self, name: &str) -> Option<&Word> {
        self.flags.iter().find(|flag| flag.name == name).map(|flag| &flag.value)
    }
}

/// The error that a flag's value is not what it should be.
pub(super) fn invalid(flag: &'static str, word: &Word, expected: &'static str) -> ParseError {
    let kind = ParseErrorKind::FlagValue { flag, value: word.text.clone(), expected };
    ParseError::new(kind, word.span)
}

/// Where in `fragment` the value stands: behind the `=` if no quote or escape was removed, else all of it.
fn value_place<'l>(fragment: Fragment<'l>, value: &str) -> Fragment<'l> {
    let text = fragment.text();
    if text.ends_with(value) && text.contains('=') && !value.is_empty() {
        return fragment.from(text.len() - value.len());
    }
    fragment
}

/// The place of the first flag in `rest`, and its text without quotes and escapes.
fn cut(rest: Fragment<'_>, escape: char) -> (Fragment<'_>, String) {
    let mut text = String::new();
    let mut quote = None;
    let mut chars = rest.text().char_indices();
    while let Some((at, c)) = chars.next() {
        match quote {
            None if c.is_whitespace() => return (rest.sub(0, at), text),
            None if c == '\'' || c == '"' => quote = Some(c),
            Some(open) if c == open => quote = None,
            // An escape character at the very end goes away.
            _ if c == escape => text.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => text.push(c),
        }
    }
    (rest, text)
}

/// The place of `part`, which is a part of `word`'s text, if the text stands in the source as it is.
pub(super) fn part_span(word: &Word, start: usize, end: usize) -> Span {
    if (word.span.end - word.span.start) as usize != word.text.len() {
        return word.span;
    }
    Span::new(word.span.start + start as u32, word.span.start + end as u32)
}
