//! Documents that other programs wrote, read from JSON, and what is wrong with them in a user's words.
//!
//! Owns those words: which field it is about, what was found there, and what it should be. A parser's own message
//! speaks of types of this program, and gives a line and a column of what is mostly one long line. Must not know what
//! the documents are.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::error::Category;

/// How deep the fields are whose names a message gives. Parsers do not go deeper than that either.
const DEPTH_MAX: usize = 128;

/// Bytes are not the document that they should be. The message has all that there is to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct JsonError(Box<Problem>);

/// What is wrong with a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    /// They are not JSON.
    #[error("it is not JSON: {reason}, in line {line}, column {column}")]
    Syntax {
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// They end in the middle of it.
    #[error("{}", if *is_empty { "it is empty" } else { "it is cut off: it ends in the middle" })]
    CutOff {
        /// Whether there is nothing at all.
        is_empty: bool,
    },
    /// A field that has to be there is not.
    #[error("{place} has no `{field}`")]
    Missing {
        /// The object that should have it.
        place: Field,
        /// Its name.
        field: String,
    },
    /// A field is there twice, so that two readers could see two documents.
    #[error("{0} comes twice")]
    Twice(Field),
    /// A value is not of the kind that it should be of.
    #[error("{place} is {found}, and should be {expected}")]
    Kind {
        /// Where it is.
        place: Field,
        /// What it is.
        found: String,
        /// What would have been right.
        expected: String,
    },
    /// A value is of the right kind and still wrong.
    #[error("{place}: {reason}")]
    Value {
        /// Where it is.
        place: Field,
        /// What is wrong with it.
        reason: String,
    },
}

/// A value in a document: `config.size`, `manifests[1].platform`. The document itself is the empty one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Field(String);

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { f.write_str("it") } else { write!(f, "`{}`", self.0) }
    }
}

/// Reads a document that is an object.
pub fn object<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    read(bytes, "an object")
}

/// Reads a document that is a list.
pub fn list<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, JsonError> {
    read(bytes, "a list")
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], expected: &str) -> Result<T, JsonError> {
    // Derived readers take a list for an object whose fields have no names.
    match kind(bytes) {
        Some(found) if found != expected => {
            serde_json::from_slice::<IgnoredAny>(bytes).map_err(|error| explain(bytes, &error))?;
            let (place, found, expected) = (Field::default(), found.to_owned(), expected.to_owned());
            Err(Problem::Kind { place, found, expected }.into())
        }
        _ => serde_json::from_slice(bytes).map_err(|error| explain(bytes, &error)),
    }
}

impl From<Problem> for JsonError {
    fn from(problem: Problem) -> Self {
        Self(Box::new(problem))
    }
}

/// What a document is by its first byte, if it begins as JSON does.
fn kind(bytes: &[u8]) -> Option<&'static str> {
    Some(match bytes.trim_ascii_start().first()? {
        b'{' => "an object",
        b'[' => "a list",
        b'"' => "a string",
        b'-' | b'0'..=b'9' => "a number",
        b't' | b'f' => "a truth value",
        b'n' => "`null`",
        _ => return None,
    })
}

/// The words for a parser's error.
fn explain(bytes: &[u8], error: &serde_json::Error) -> JsonError {
    let (line, column) = (error.line(), error.column());
    let text = error.to_string();
    let message = text.strip_suffix(&format!(" at line {line} column {column}")).unwrap_or(&text);
    let problem = match error.classify() {
        Category::Eof => Problem::CutOff { is_empty: bytes.trim_ascii().is_empty() },
        Category::Syntax | Category::Io => Problem::Syntax { line, column, reason: message.to_owned() },
        Category::Data => wrong_data(message, bytes, offset(bytes, line, column)),
    };
    problem.into()
}

fn wrong_data(message: &str, bytes: &[u8], offset: usize) -> Problem {
    let place = field_at(bytes, offset);
    let quoted = |prefix: &str| message.strip_prefix(prefix)?.strip_suffix('`').map(str::to_owned);
    if let Some(field) = quoted("missing field `") {
        return Problem::Missing { place, field };
    }
    if quoted("duplicate field `").is_some() {
        return Problem::Twice(place);
    }
    let halves = ["invalid type: ", "invalid value: ", "invalid length "]
        .iter()
        .find_map(|prefix| message.strip_prefix(prefix)?.rsplit_once(", expected "));
    let Some((found, expected)) = halves else {
        // Of a value that is none of the parser's kinds, what encloses it may have been read to its end.
        let is_at_end = offset > 0 && matches!(bytes[offset - 1], b'}' | b']');
        let place = if is_at_end { field_at(bytes, offset - 1) } else { place };
        return Problem::Value { place, reason: message.to_owned() };
    };
    let (place, found) = match message.strip_prefix("invalid length ") {
        None => (place, found_words(found)),
        // Elements for fields, in the place of an object.
        Some(_) if expected.starts_with("struct ") => (place, "a list".to_owned()),
        // It was noticed at one of the elements.
        Some(_) => (place.without_index(), format!("a list of {found}")),
    };
    Problem::Kind { place, found, expected: expected_words(expected).to_owned() }
}

/// A parser's name for what it found.
fn found_words(found: &str) -> String {
    match found.split_once(' ') {
        None if found == "map" => "an object".to_owned(),
        None if found == "sequence" => "a list".to_owned(),
        None if found == "null" => "`null`".to_owned(),
        Some(("integer", number)) => format!("the number {number}"),
        Some(("floating", rest)) => format!("the number {}", rest.trim_start_matches("point ")),
        Some(("boolean", value)) => value.to_owned(),
        Some(("string", text)) => format!("the string {text}"),
        _ => found.to_owned(),
    }
}

/// A parser's name for what it wanted.
fn expected_words(expected: &str) -> &str {
    match expected {
        "a map" => "an object",
        "a sequence" => "a list",
        "a boolean" => "`true` or `false`",
        "a borrowed string" => "a string",
        "i8" | "i16" | "i32" | "i64" => "a whole number",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "f32" | "f64" => "a number",
        "unit" => "`null`",
        _ if expected.starts_with("struct ") => "an object",
        _ => expected,
    }
}

/// How many bytes the parser had taken: its columns are counted from 1 to the last one of them.
fn offset(bytes: &[u8], line: usize, column: usize) -> usize {
    let ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(i, _)| i + 1);
    let start = std::iter::once(0).chain(ends).nth(line.saturating_sub(1)).unwrap_or(0);
    (start + column).min(bytes.len())
}

/// What encloses a place in a text.
enum Frame {
    /// An object, the key that came last, and whether another one comes next.
    Object { key: String, awaits_key: bool },
    /// A list, and how many elements came before.
    List(usize),
}

/// What encloses the place that a look through a text has come to.
#[derive(Default)]
struct Scan {
    frames: Vec<Frame>,
    /// How many more there are that are not followed.
    deeper: usize,
}

impl Scan {
    fn open(&mut self, frame: Frame) {
        if self.frames.len() < DEPTH_MAX {
            self.frames.push(frame);
        } else {
            self.deeper += 1;
        }
    }

    fn close(&mut self) {
        if self.deeper > 0 {
            self.deeper -= 1;
        } else {
            self.frames.pop();
        }
    }

    /// The innermost frame, if it is followed.
    fn innermost(&mut self) -> Option<&mut Frame> {
        if self.deeper > 0 { None } else { self.frames.last_mut() }
    }
}

/// The value that was read last, or is about to be read, when so many bytes have been taken of valid JSON.
fn field_at(bytes: &[u8], end: usize) -> Field {
    let mut scan = Scan::default();
    let mut i = 0;
    while i < end {
        let start = i;
        i += 1;
        match bytes[start] {
            b'{' => scan.open(Frame::Object { key: String::new(), awaits_key: true }),
            b'[' => scan.open(Frame::List(0)),
            b'}' | b']' => scan.close(),
            b'"' => {
                i = end_of_string(bytes, start);
                if let Some(Frame::Object { key, awaits_key: true }) = scan.innermost() {
                    *key = serde_json::from_slice(&bytes[start..i]).unwrap_or_default();
                }
            }
            b':' => {
                if let Some(Frame::Object { awaits_key, .. }) = scan.innermost() {
                    *awaits_key = false;
                }
            }
            b',' => match scan.innermost() {
                Some(Frame::Object { key, awaits_key }) => {
                    key.clear();
                    *awaits_key = true;
                }
                Some(Frame::List(count)) => *count += 1,
                None => {}
            },
            _ => {}
        }
    }
    Field::of(&scan.frames)
}

/// Where the string ends that begins here with its quote.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut i = start + 1;
    while i < bytes.len() {
        match bytes[i] {
            b'"' => return i + 1,
            b'\\' => i += 2,
            _ => i += 1,
        }
    }
    bytes.len()
}

impl Field {
    fn of(frames: &[Frame]) -> Self {
        let mut text = String::new();
        for frame in frames {
            match frame {
                Frame::Object { key, .. } if key.is_empty() => {}
                Frame::Object { key, .. } => {
                    text.push_str(if text.is_empty() { "" } else { "." });
                    text.push_str(key);
                }
                Frame::List(count) => text.push_str(&format!("[{count}]")),
            }
        }
        Self(text)
    }

    /// The list, if this is an element of one.
    fn without_index(mut self) -> Self {
        if self.0.ends_with(']') {
            self.0.truncate(self.0.rfind('[').unwrap_or_default());
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Outer {
        #[expect(dead_code, reason = "it is only read")]
        inner: Option<Inner>,
        #[serde(default)]
        #[expect(dead_code, reason = "it is only read")]
        many_inner: Vec<Inner>,
        #[serde(default)]
        #[expect(dead_code, reason = "it is only read")]
        notes: BTreeMap<String, bool>,
    }

    #[derive(Debug, Deserialize)]
    struct Inner {
        #[expect(dead_code, reason = "it is only read")]
        size: u64,
        #[serde(default)]
        #[expect(dead_code, reason = "it is only read")]
        digest: Option<crate::oci::Digest>,
    }

    #[test]
    fn mistakes_are_told_with_their_field_and_without_types() {
        for (text, message) in [
            ("", "it is empty"),
            (" \n", "it is empty"),
            ("{\"inner\": {", "it is cut off: it ends in the middle"),
            ("<html>", "it is not JSON: expected value, in line 1, column 1"),
            ("{\n x}", "it is not JSON: key must be a string, in line 2, column 2"),
            ("[]", "it is a list, and should be an object"),
            ("[1", "it is cut off: it ends in the middle"),
            ("null", "it is `null`, and should be an object"),
            ("\"x\"", "it is a string, and should be an object"),
            (r#"{"inner": []}"#, "`inner` is a list, and should be an object"),
            (r#"{"inner": {}}"#, "`inner` has no `size`"),
            (r#"{"inner": 7, "x": 1}"#, "`inner` is the number `7`, and should be an object"),
            (
                r#"{"inner": {"size": -7}}"#,
                "`inner.size` is the number `-7`, and should be a whole number that is not negative",
            ),
            (
                r#"{"inner": {"size": "1"}}"#,
                "`inner.size` is the string \"1\", and should be a whole number that is not negative",
            ),
            (r#"{"manyInner": {}}"#, "`manyInner` is an object, and should be a list"),
            (r#"{"manyInner": [{"size": 1}, {"size": 2}, {}]}"#, "`manyInner[2]` has no `size`"),
            (
                r#"{"manyInner": [{"a": [1, {}], "size": 1}, []]}"#,
                "`manyInner[1]` is a list, and should be an object",
            ),
            (r#"{"manyInner": [{"size": 1, "size": 1}]}"#, "`manyInner[0].size` comes twice"),
            (
                "{\"a\": [\"}\\\"\", {}],\n\"notes\": {\"one\": true,\n \"\\u0074wo\": null}}",
                "`notes.two` is `null`, and should be `true` or `false`",
            ),
            (
                r#"{"inner": {"size": 1, "digest": "md5:x"}}"#,
                "`inner.digest`: `md5:x` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits",
            ),
        ] {
            let error = object::<Outer>(text.as_bytes()).unwrap_err();
            assert_eq!(error.to_string(), message, "{text}");
        }
        let error = list::<Vec<Inner>>(b"[{\"size\": 1}, 2]").unwrap_err();
        assert_eq!(error.to_string(), "`[1]` is the number `2`, and should be an object");
        assert_eq!(
            list::<Vec<Inner>>(b"{}").unwrap_err().to_string(),
            "it is an object, and should be a list"
        );
    }

    #[test]
    fn fields_below_a_thousand_brackets_are_not_followed() {
        let text = format!("{{\"x\":{}1{},\"inner\":1}}", "[".repeat(100_000), "]".repeat(100_000));
        let error = object::<Outer>(text.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), "`inner` is the number `1`, and should be an object");
    }
}
