//! `printf`, with the verbs and flags that make sense for JSON values. All others are refused, where Go would
//! print its `%!d(string=…)` into the output.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::error::TemplateErrorKind as Kind;
use super::value::{display, exponent, kind};

/// The widest field and the most digits.
const WIDTH_MAX: usize = 4096;

/// A verb with what stands before it.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one of C's five flags")]
struct Verb {
    /// `%-5.2f`, for messages.
    text: String,
    name: char,
    left: bool,
    plus: bool,
    space: bool,
    zero: bool,
    alternate: bool,
    width: usize,
    precision: Option<usize>,
}

/// The text that a format makes of its arguments.
pub(super) fn printf(format: &str, arguments: &[Cow<'_, Value>]) -> Result<String, Kind> {
    let mut out = String::new();
    let mut arguments = arguments.iter();
    let mut rest = format;
    while let Some((before, after)) = rest.split_once('%') {
        out.push_str(before);
        let (verb, after) = Verb::parse(after)?;
        rest = after;
        if verb.name == '%' {
            out.push('%');
            continue;
        }
        let missing = || Kind::Argument {
            function: "printf".to_owned(),
            found: "too few arguments".to_owned(),
            expected: "one for each verb",
        };
        let argument = arguments.next().ok_or_else(missing)?;
        out.push_str(&verb.pad(verb.convert(argument)?));
    }
    out.push_str(rest);
    if arguments.next().is_some() {
        return Err(Kind::Argument {
            function: "printf".to_owned(),
            found: "too many arguments".to_owned(),
            expected: "one for each verb",
        });
    }
    Ok(out)
}

impl Verb {
    /// Reads what follows a `%`. Returns also what is behind the verb.
    fn parse(text: &str) -> Result<(Self, &str), Kind> {
        let mut verb = Self::default();
        let flags = text.find(|c| !matches!(c, '-' | '+' | ' ' | '0' | '#')).unwrap_or(text.len());
        for flag in text[..flags].chars() {
            match flag {
                '-' => verb.left = true,
                '+' => verb.plus = true,
                ' ' => verb.space = true,
                '0' => verb.zero = true,
                _ => verb.alternate = true,
            }
        }
        let (width, rest) = digits(&text[flags..]);
        let (precision, rest) = match rest.strip_prefix('.') {
            Some(rest) => {
                let (precision, rest) = digits(rest);
                (Some(precision), rest)
            }
            None => (None, rest),
        };
        let length = text.len() - rest.len();
        let name = rest.chars().next();
        let end = length + name.map_or(0, char::len_utf8);
        verb.text = format!("%{}", &text[..end]);
        let number = |digits: &str| match digits {
            "" => Some(0),
            digits => digits.parse().ok().filter(|number| *number <= WIDTH_MAX),
        };
        let numbers = number(width).zip(number(precision.unwrap_or_default()));
        let (Some(name), Some((width, digits))) = (name, numbers) else {
            return Err(Kind::Verb { verb: verb.text, of: None });
        };
        verb.name = name;
        verb.width = width;
        verb.precision = precision.map(|_| digits);
        if !matches!(name, '%' | 'v' | 's' | 'q' | 't' | 'd' | 'b' | 'o' | 'x' | 'X' | 'e' | 'f') {
            return Err(Kind::Verb { verb: verb.text, of: None });
        }
        Ok((verb, &text[end..]))
    }

    fn convert(&self, value: &Value) -> Result<String, Kind> {
        let error = || Kind::Verb { verb: self.text.clone(), of: Some(kind(value)) };
        Ok(match (self.name, value) {
            // `%#v` is Go's syntax, `%+v` on maps and strings is nothing else.
            ('v' | 's', _) if self.alternate => return Err(error()),
            ('v', Value::Number(number)) if number.is_f64() => self.sign(display(value)),
            ('v' | 'd', Value::Number(number)) if !number.is_f64() => self.sign(number.to_string()),
            ('v' | 's', Value::String(text)) => self.cut(text).to_owned(),
            ('s', Value::Number(_) | Value::Bool(_) | Value::Null) => return Err(error()),
            ('t', Value::Bool(_)) | ('v' | 's', _) => display(value),
            ('q', Value::String(text)) => quote(self.cut(text)),
            ('b' | 'o' | 'x' | 'X', Value::Number(number)) => {
                let number = number.as_i128().ok_or_else(error)?;
                let digits = match self.name {
                    'b' => format!("{:b}", number.unsigned_abs()),
                    'o' => format!("{:o}", number.unsigned_abs()),
                    'x' => format!("{:x}", number.unsigned_abs()),
                    _ => format!("{:X}", number.unsigned_abs()),
                };
                let prefix = match (self.alternate, self.name) {
                    (false, _) => "",
                    (true, 'b') => "0b",
                    (true, 'o') => "0",
                    (true, 'x') => "0x",
                    (true, _) => "0X",
                };
                self.sign(format!("{}{prefix}{digits}", if number < 0 { "-" } else { "" }))
            }
            ('x', Value::String(text)) => hex(text),
            ('X', Value::String(text)) => hex(text).to_uppercase(),
            ('f' | 'e', Value::Number(number)) if number.is_f64() => {
                let float = number.as_f64().ok_or_else(error)?;
                let precision = self.precision.unwrap_or(6);
                self.sign(if self.name == 'f' {
                    format!("{float:.precision$}")
                } else {
                    exponent(&format!("{float:.precision$e}"))
                })
            }
            _ => return Err(error()),
        })
    }

    /// At most as many characters as the precision says.
    fn cut<'a>(&self, text: &'a str) -> &'a str {
        let end = self.precision.and_then(|precision| text.char_indices().nth(precision));
        &text[..end.map_or(text.len(), |(end, _)| end)]
    }

    fn sign(&self, number: String) -> String {
        match (number.starts_with('-'), self.plus, self.space) {
            (false, true, _) => format!("+{number}"),
            (false, false, true) => format!(" {number}"),
            _ => number,
        }
    }

    fn pad(&self, text: String) -> String {
        let missing = self.width.saturating_sub(text.chars().count());
        if missing == 0 {
            return text;
        }
        if self.left {
            return text + &" ".repeat(missing);
        }
        if !self.zero {
            return " ".repeat(missing) + &text;
        }
        // Zeros go behind the sign of a number.
        let numeric = matches!(self.name, 'd' | 'b' | 'o' | 'x' | 'X' | 'e' | 'f');
        let sign = usize::from(numeric && text.starts_with(['-', '+', ' ']));
        format!("{}{}{}", &text[..sign], "0".repeat(missing), &text[sign..])
    }
}

/// The digits that a text begins with, and what is behind them.
fn digits(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The bytes of a text in hexadecimal digits.
fn hex(text: &str) -> String {
    let mut out = String::with_capacity(2 * text.len());
    for byte in text.bytes() {
        let _ = write!(out, "{byte:02x}");
    }
    out
}

/// Go's `%q`.
fn quote(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\u{b}' => out.push_str("\\v"),
            c if c < ' ' || c == '\u{7f}' => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c if c.is_control() => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
