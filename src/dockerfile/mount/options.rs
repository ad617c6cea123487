//! A mount as written: one line of comma-separated values, each `key=value` or `key`.

use crate::diagnostic::{Span, nearest};
use crate::dockerfile::ast::Escape;
use crate::dockerfile::error::ParseError;
use crate::dockerfile::flags::part_span;
use crate::dockerfile::word::Word;

use super::MountError;

/// A `--mount` as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// The options in order; a later one wins over an earlier one of the same key.
    pub options: Vec<MountOption>,
    /// The flag's value.
    pub span: Span,
}

/// One `key=value` of a mount, or `key` alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MountOption {
    /// The key; its aliases are one.
    pub key: MountKey,
    /// The value, unexpanded.
    pub value: Option<Word>,
    /// The whole option.
    pub span: Span,
}

/// Keys of mount options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MountKey {
    /// `type`.
    Type,
    /// `target`, `dst`, `destination`.
    Target,
    /// `source`, `src`.
    Source,
    /// `from`: never expanded.
    From,
    /// `rw`, `readwrite`.
    ReadWrite,
    /// `ro`, `readonly`.
    ReadOnly,
    /// `id`.
    Id,
    /// `sharing`.
    Sharing,
    /// `size`.
    Size,
    /// `mode`.
    Mode,
    /// `uid`.
    Uid,
    /// `gid`.
    Gid,
    /// `required`.
    Required,
    /// `env`.
    Env,
}

/// Spellings of the keys; the first one of each is its name in messages.
const KEYS: [(&str, MountKey); 19] = [
    ("type", MountKey::Type),
    ("target", MountKey::Target),
    ("dst", MountKey::Target),
    ("destination", MountKey::Target),
    ("source", MountKey::Source),
    ("src", MountKey::Source),
    ("from", MountKey::From),
    ("readwrite", MountKey::ReadWrite),
    ("rw", MountKey::ReadWrite),
    ("readonly", MountKey::ReadOnly),
    ("ro", MountKey::ReadOnly),
    ("id", MountKey::Id),
    ("sharing", MountKey::Sharing),
    ("size", MountKey::Size),
    ("mode", MountKey::Mode),
    ("uid", MountKey::Uid),
    ("gid", MountKey::Gid),
    ("required", MountKey::Required),
    ("env", MountKey::Env),
];

impl MountKey {
    /// The key's first spelling.
    pub fn name(self) -> &'static str {
        KEYS.iter().find(|(_, key)| *key == self).map_or("", |(name, _)| name)
    }

    /// May it stand without a value, as `true`?
    fn is_switch(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadWrite | Self::Required)
    }
}

impl Mount {
    /// What the mount takes files from, if it says so: a stage, a named context or an image.
    pub fn from(&self) -> Option<&Word> {
        self.option(MountKey::From)
            .and_then(|option| option.value.as_ref())
            .filter(|word| !word.text.is_empty())
    }

    /// The last option with this key.
    pub(super) fn option(&self, key: MountKey) -> Option<&MountOption> {
        self.options.iter().rfind(|option| option.key == key)
    }

    /// Takes a flag's value apart, and checks everything that can be checked without variables.
    pub(in crate::dockerfile) fn parse(value: &Word, escape: Escape) -> Result<Self, ParseError> {
        let fields = fields(&value.text).map_err(|error| ParseError::new(error, value.span))?;
        let options: Vec<MountOption> =
            fields.into_iter().map(|field| option(value, field)).collect::<Result<_, _>>()?;
        let mount = Self { options, span: value.span };
        if mount.from().is_some_and(Word::has_variable) {
            let span = mount.option(MountKey::From).map_or(mount.span, |option| option.span);
            return Err(ParseError::new(MountError::FromVariable, span));
        }
        let has_variable = |option: &MountOption| option.value.as_ref().is_some_and(Word::has_variable);
        if !mount.options.iter().any(has_variable) {
            mount.resolve(&mut |word| Ok(word.expand(&|_| None, escape)?.text))?;
        }
        Ok(mount)
    }
}

/// A field of the line: its text, and where in the line it stands.
struct Field {
    text: String,
    start: usize,
    end: usize,
}

/// Splits at commas. A field in double quotes may hold commas, and quotes if they are doubled (RFC 4180).
fn fields(line: &str) -> Result<Vec<Field>, MountError> {
    if line.is_empty() {
        return Err(MountError::Empty);
    }
    let mut fields = Vec::new();
    let mut start = 0;
    loop {
        let rest = &line[start..];
        let (text, length) = if let Some(quoted) = rest.strip_prefix('"') {
            let (text, length) = quoted_field(quoted).ok_or(MountError::Quote)?;
            (text, length + 1)
        } else {
            let length = rest.find(',').unwrap_or(rest.len());
            (rest[..length].to_owned(), length)
        };
        if !rest.starts_with('"') && text.contains('"') {
            return Err(MountError::Quote);
        }
        fields.push(Field { text, start, end: start + length });
        match line[start + length..].chars().next() {
            None => return Ok(fields),
            Some(',') => start += length + 1,
            Some(_) => return Err(MountError::Quote),
        }
    }
}

/// The field's text, and the length of what was read with the closing quote.
fn quoted_field(rest: &str) -> Option<(String, usize)> {
    let mut text = String::new();
    let mut chars = rest.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '"' {
            text.push(c);
        } else if chars.next_if(|&(_, next)| next == '"').is_some() {
            text.push('"');
        } else {
            return Some((text, at + 1));
        }
    }
    None
}

fn option(line: &Word, field: Field) -> Result<MountOption, ParseError> {
    let Field { text, start, end } = field;
    let span = part_span(line, start, end);
    let error = |error: MountError| Err(ParseError::new(error, span));
    let (name, value) =
        text.split_once('=').map_or((text.as_str(), None), |(name, value)| (name, Some(value)));
    let Some(&(_, key)) = KEYS.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)) else {
        let similar = nearest(name, KEYS.iter().map(|(known, _)| *known));
        return error(MountError::Key { key: name.to_owned(), similar });
    };
    if value.is_none() && !key.is_switch() {
        return error(MountError::WithoutValue { key: key.name() });
    }
    let value = value.map(|value| {
        let exact = end - start == text.len();
        let span = if exact { part_span(line, end - value.len(), end) } else { span };
        Word { text: value.to_owned(), span }
    });
    Ok(MountOption { key, value, span })
}
