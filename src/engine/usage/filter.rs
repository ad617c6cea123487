//! `--filter` of what is kept for later builds, in BuildKit's words.

use jiff::Timestamp;

use super::super::FilterError;
use super::super::images::filter::{moment, truth};
use super::{CacheRecord, RecordKind};

/// Which records are wanted. All conditions must hold.
#[derive(Debug, Clone, Default)]
pub struct RecordFilter {
    conditions: Vec<Condition>,
}

#[derive(Debug, Clone)]
struct Condition {
    field: Field,
    /// Whether it must not hold.
    negated: bool,
}

#[derive(Debug, Clone)]
enum Field {
    Kind(RecordKind),
    Id(String),
    /// A part of the description.
    Description(String),
    Shared(bool),
    InUse(bool),
    /// Not used since this moment.
    UnusedSince(Timestamp),
}

const NAMES: [&str; 8] = ["description", "id", "inuse", "private", "shared", "type", "until", "unused-for"];

impl RecordFilter {
    /// Adds conditions, `name=value`, `name!=value` or `name~=value`, several with commas. `now` is what durations are
    /// counted from.
    pub fn add(&mut self, text: &str, now: Timestamp) -> Result<(), FilterError> {
        for text in text.split(',') {
            self.conditions.push(condition(text, now)?);
        }
        Ok(())
    }

    /// Whether a record is wanted.
    pub fn accepts(&self, record: &CacheRecord) -> bool {
        self.conditions.iter().all(|condition| condition.field.holds(record) != condition.negated)
    }
}

impl Field {
    fn holds(&self, record: &CacheRecord) -> bool {
        match self {
            Self::Kind(kind) => record.kind == *kind,
            Self::Id(id) => record.id.starts_with(id),
            Self::Description(part) => record.description.contains(part),
            Self::Shared(shared) => record.shared == *shared,
            Self::InUse(in_use) => record.in_use == *in_use,
            Self::UnusedSince(moment) => record.last_use < *moment,
        }
    }
}

fn condition(text: &str, now: Timestamp) -> Result<Condition, FilterError> {
    let (name, value) = text.split_once('=').ok_or_else(|| FilterError::NoPair(text.to_owned()))?;
    let (name, negated) = match name.strip_suffix(['!', '~']) {
        Some(rest) => (rest, name.ends_with('!')),
        None => (name, false),
    };
    let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
    let wrong = |name, expected| FilterError::Value { name, value: value.to_owned(), expected };
    let flag = |name| truth(value).ok_or_else(|| wrong(name, "`true` or `false`"));
    let field = match name.as_str() {
        "type" => {
            let known = RecordKind::ALL.into_iter().find(|kind| kind.word() == value);
            Field::Kind(known.ok_or_else(|| {
                wrong(
                    "type",
                    "`regular`, `exec.cachemount`, `source.http`, `source.git`, `source.local`, `failed` or `export`",
                )
            })?)
        }
        "id" => Field::Id(value.to_owned()),
        "description" => Field::Description(value.to_owned()),
        "shared" => Field::Shared(flag("shared")?),
        "private" => Field::Shared(!flag("private")?),
        "inuse" => Field::InUse(flag("inuse")?),
        "until" | "unused-for" => {
            let expected = "a time such as `2026-01-31`, or how long ago, such as `24h`";
            Field::UnusedSince(moment(value, now).ok_or_else(|| wrong("until", expected))?)
        }
        _ => return Err(FilterError::NoneOf { name, known: &NAMES }),
    };
    Ok(Condition { field, negated })
}
