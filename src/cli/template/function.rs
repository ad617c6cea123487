//! The functions of templates: Go's own and those that Docker adds.

use std::borrow::Cow;
use std::cmp::Ordering;

use serde_json::Value;

use super::compare::{equal, order};
use super::error::TemplateErrorKind as Kind;
use super::format::printf;
use super::held::Held;
use super::value::{display, kind, truth};

/// The most spaces that `pad` puts on one side.
const PAD_MAX: i64 = 4096;

/// A function.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    And,
    Eq,
    Ge,
    Gt,
    Index,
    Join,
    Json,
    Le,
    Len,
    Lower,
    Lt,
    Ne,
    Not,
    Or,
    Pad,
    Print,
    Printf,
    Println,
    Slice,
    Split,
    Title,
    Truncate,
    Upper,
}

/// How `json` writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Json {
    /// On one line.
    Compact,
    /// Indented by two spaces.
    Indented,
}

/// Each function with its name, the least and the most arguments, and these in words.
const FUNCTIONS: [(Function, &str, usize, usize, &str); 23] = [
    (Function::And, "and", 1, usize::MAX, "one argument or more"),
    (Function::Eq, "eq", 2, usize::MAX, "two arguments or more"),
    (Function::Ge, "ge", 2, 2, "two arguments"),
    (Function::Gt, "gt", 2, 2, "two arguments"),
    (Function::Index, "index", 1, usize::MAX, "a list or map and its indexes"),
    (Function::Join, "join", 2, 2, "a list and a separator"),
    (Function::Json, "json", 1, 1, "one argument"),
    (Function::Le, "le", 2, 2, "two arguments"),
    (Function::Len, "len", 1, 1, "one argument"),
    (Function::Lower, "lower", 1, 1, "one argument"),
    (Function::Lt, "lt", 2, 2, "two arguments"),
    (Function::Ne, "ne", 2, 2, "two arguments"),
    (Function::Not, "not", 1, 1, "one argument"),
    (Function::Or, "or", 1, usize::MAX, "one argument or more"),
    (Function::Pad, "pad", 3, 3, "a string and two numbers of spaces"),
    (Function::Print, "print", 0, usize::MAX, "any arguments"),
    (Function::Printf, "printf", 1, usize::MAX, "a format and its arguments"),
    (Function::Println, "println", 0, usize::MAX, "any arguments"),
    (Function::Slice, "slice", 1, 3, "a list or string and up to two indexes"),
    (Function::Split, "split", 2, 2, "a string and a separator"),
    (Function::Title, "title", 1, 1, "one argument"),
    (Function::Truncate, "truncate", 2, 2, "a string and a length"),
    (Function::Upper, "upper", 1, 1, "one argument"),
];

impl Function {
    /// The function of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        FUNCTIONS.iter().find(|(_, known, ..)| *known == name).map(|(function, ..)| *function)
    }

    /// The function's name.
    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    fn row(self) -> &'static (Self, &'static str, usize, usize, &'static str) {
        // The table is in the order of the enum; a test holds it to that.
        &FUNCTIONS[self as usize]
    }

    /// For `and` and `or`: the truth that makes an argument the result.
    pub(super) fn decided_by(self) -> Option<bool> {
        match self {
            Self::And => Some(false),
            Self::Or => Some(true),
            _ => None,
        }
    }

    /// Whether a header stays as it is where its column's texts go through this function, as with Docker.
    pub(super) fn keeps_headers(self) -> bool {
        matches!(self, Self::Json | Self::Lower | Self::Title | Self::Truncate | Self::Upper)
    }

    /// Calls the function.
    pub(super) fn call(self, mut arguments: Vec<Held<'_>>, json: Json) -> Result<Held<'_>, Kind> {
        let (_, name, least, most, expected) = *self.row();
        if !(least..=most).contains(&arguments.len()) {
            return Err(Kind::Arguments { function: name.to_owned(), expected, found: arguments.len() });
        }
        let values: Vec<Cow<'_, Value>> = match self {
            Self::And | Self::Or => {
                let deciding = self == Self::Or;
                let decides = arguments.iter().position(|held| truth(&held.value) == deciding);
                let last = arguments.len() - 1;
                return Ok(arguments.swap_remove(decides.unwrap_or(last)));
            }
            Self::Index => {
                let indexes = arguments.split_off(1);
                let mismatch = |found: &Value, expected| self.mismatch(found, expected);
                return indexes
                    .iter()
                    .try_fold(arguments.swap_remove(0), |held, index| held.index(&index.value, mismatch));
            }
            // These tell a nil list from an empty one.
            Self::Json | Self::Eq | Self::Ne => arguments.into_iter().map(|held| held.value).collect(),
            _ => arguments.into_iter().map(Held::without_nil).collect(),
        };
        self.owned(&values, json).map(Held::any)
    }

    /// The functions whose result is a new value.
    fn owned(self, arguments: &[Cow<'_, Value>], json: Json) -> Result<Value, Kind> {
        let argument = |i: usize| arguments[i].as_ref();
        let text = |i| self.text(argument(i));
        let integer = |i| self.integer(argument(i));
        Ok(match self {
            Self::Eq => {
                let mut any = false;
                for other in &arguments[1..] {
                    any |= equal(argument(0), other)?;
                }
                any.into()
            }
            Self::Ne => (!equal(argument(0), argument(1))?).into(),
            Self::Lt => (order(argument(0), argument(1))? == Ordering::Less).into(),
            Self::Le => (order(argument(0), argument(1))? != Ordering::Greater).into(),
            Self::Gt => (order(argument(0), argument(1))? == Ordering::Greater).into(),
            Self::Ge => (order(argument(0), argument(1))? != Ordering::Less).into(),
            Self::Not => (!truth(argument(0))).into(),
            Self::Json if json == Json::Indented => format!("{:#}", argument(0)).into(),
            Self::Json => argument(0).to_string().into(),
            Self::Len => self.length(argument(0))?.into(),
            Self::Lower => text(0)?.to_lowercase().into(),
            Self::Upper => text(0)?.to_uppercase().into(),
            Self::Title => title(text(0)?).into(),
            Self::Split => split(text(0)?, text(1)?).into(),
            Self::Join => self.join(argument(0), text(1)?)?.into(),
            Self::Pad => pad(text(0)?, integer(1)?, integer(2)?).into(),
            Self::Truncate => truncate(text(0)?, integer(1)?).into(),
            Self::Slice => self.slice(arguments)?,
            Self::Print => print(arguments).into(),
            Self::Println => {
                let words: Vec<String> = arguments.iter().map(|value| display(value)).collect();
                (words.join(" ") + "\n").into()
            }
            Self::Printf => printf(text(0)?, &arguments[1..])?.into(),
            Self::And | Self::Or | Self::Index => unreachable!("`call` deals with these"),
        })
    }

    fn mismatch(self, found: &Value, expected: &'static str) -> Kind {
        Kind::Argument { function: self.name().to_owned(), found: kind(found).to_owned(), expected }
    }

    fn text(self, value: &Value) -> Result<&str, Kind> {
        value.as_str().ok_or_else(|| self.mismatch(value, "a string"))
    }

    fn integer(self, value: &Value) -> Result<i64, Kind> {
        value.as_i64().ok_or_else(|| self.mismatch(value, "a whole number"))
    }

    /// In bytes for a string, as in Go. Nil stands for the empty lists and maps that Docker's JSON writes so.
    fn length(self, value: &Value) -> Result<usize, Kind> {
        match value {
            Value::Null => Ok(0),
            Value::String(text) => Ok(text.len()),
            Value::Array(list) => Ok(list.len()),
            Value::Object(map) => Ok(map.len()),
            other => Err(self.mismatch(other, "a string, a list or a map")),
        }
    }

    fn join(self, list: &Value, separator: &str) -> Result<String, Kind> {
        match list {
            Value::Null => Ok(String::new()),
            Value::Array(list) => Ok(list.iter().map(display).collect::<Vec<_>>().join(separator)),
            other => Err(self.mismatch(other, "a list")),
        }
    }

    fn slice(self, arguments: &[Cow<'_, Value>]) -> Result<Value, Kind> {
        let value = arguments[0].as_ref();
        let length = match value {
            Value::String(_) | Value::Array(_) => self.length(value)?,
            other => return Err(self.mismatch(other, "a list or a string")),
        };
        let bound = |i: usize, default: usize| match arguments.get(i) {
            None => Ok(default),
            Some(index) => {
                let index = self.integer(index)?;
                let valid = usize::try_from(index).ok().filter(|index| *index <= length);
                valid.ok_or(Kind::Range { index: index.to_string(), length })
            }
        };
        let (start, end) = (bound(1, 0)?, bound(2, length)?);
        let error = || Kind::Range { index: format!("{start}:{end}"), length };
        match value {
            Value::Array(list) => Ok(Value::Array(list.get(start..end).ok_or_else(error)?.to_vec())),
            // Go cuts a character in two; we do not.
            other => Ok(self.text(other)?.get(start..end).ok_or_else(error)?.into()),
        }
    }
}

/// `strings.Title`: every letter that begins a word in upper case.
fn title(text: &str) -> String {
    let mut last = ' ';
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        let in_word = last.is_alphanumeric() || last == '_' || (!last.is_ascii() && !last.is_whitespace());
        if in_word {
            out.push(c);
        } else {
            out.extend(c.to_uppercase());
        }
        last = c;
    }
    out
}

/// `strings.Split`: an empty separator cuts between all characters.
fn split(text: &str, separator: &str) -> Vec<String> {
    if separator.is_empty() {
        return text.chars().map(String::from).collect();
    }
    text.split(separator).map(str::to_owned).collect()
}

fn pad(text: &str, before: i64, after: i64) -> String {
    if text.is_empty() {
        return String::new();
    }
    let spaces = |count: i64| " ".repeat(count.clamp(0, PAD_MAX) as usize);
    format!("{}{text}{}", spaces(before), spaces(after))
}

fn truncate(text: &str, length: i64) -> &str {
    let length = usize::try_from(length).unwrap_or(0).min(text.len());
    let end = (0..=length).rev().find(|end| text.is_char_boundary(*end));
    &text[..end.unwrap_or(0)]
}

/// `fmt.Sprint`: a space between two values neither of which is a string.
fn print(values: &[Cow<'_, Value>]) -> String {
    let mut out = String::new();
    for (i, value) in values.iter().enumerate() {
        if i > 0 && !value.is_string() && !values[i - 1].is_string() {
            out.push(' ');
        }
        out.push_str(&display(value));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_functions() {
        for (i, (function, name, ..)) in FUNCTIONS.iter().enumerate() {
            assert_eq!(*function as usize, i, "{name}");
        }
    }
}
