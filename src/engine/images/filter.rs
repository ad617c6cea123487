//! `--filter` of lists of images, with Docker's names and meanings.

use jiff::{SignedDuration, Timestamp};

use crate::dockerfile::parse_duration;
use crate::oci::Reference;
use crate::tree::glob::{Pattern, PatternError, Stars};

use super::ImageSummary;

/// Which images are wanted. Conditions of different names must all hold; of several references one is enough, of
/// several labels all are needed.
#[derive(Debug, Clone, Default)]
pub struct ImageFilter {
    references: Vec<ReferencePattern>,
    labels: Vec<(String, Option<String>)>,
    dangling: Option<bool>,
    /// Only images that were made before this moment.
    until: Vec<Timestamp>,
    /// Images that are named: only what was made before the one and after the other.
    before: Option<String>,
    since: Option<String>,
}

/// A filter cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// It is no pair.
    #[error("the filter `{0}` is not of the form `name=value`")]
    NoPair(String),
    /// There is no such filter.
    #[error("there is no filter `{name}`; there are {}", NAMES.map(|name| format!("`{name}`")).join(", "))]
    Name {
        /// Its name.
        name: String,
    },
    /// There is no such filter of another list.
    #[error("there is no filter `{name}`; there are {}", known.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))]
    NoneOf {
        /// Its name.
        name: String,
        /// Those that there are.
        known: &'static [&'static str],
    },
    /// It has a value that it cannot have.
    #[error("the filter `{name}` cannot be `{value}`: expected {expected}")]
    Value {
        /// Its name.
        name: &'static str,
        /// The value.
        value: String,
        /// What would have been right.
        expected: &'static str,
    },
    /// It can stand once only.
    #[error("the filter `{0}` stands twice")]
    Twice(&'static str),
    /// A pattern of names is malformed.
    #[error(transparent)]
    Pattern(#[from] PatternError),
}

const NAMES: [&str; 6] = ["before", "dangling", "label", "reference", "since", "until"];

/// A pattern as `path.Match` of Go has them, over names as people write them.
#[derive(Debug, Clone)]
struct ReferencePattern {
    pattern: Pattern,
    /// What is no pattern may also be a complete name.
    name: Option<Reference>,
    tagged: bool,
}

impl ImageFilter {
    /// Adds a condition, `name=value`. `now` is what durations are counted from.
    pub fn add(&mut self, text: &str, now: Timestamp) -> Result<(), FilterError> {
        let (name, value) = text.split_once('=').ok_or_else(|| FilterError::NoPair(text.to_owned()))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        match name.as_str() {
            "dangling" => {
                let expected = "`true` or `false`";
                let wrong = || FilterError::Value { name: "dangling", value: value.to_owned(), expected };
                set(&mut self.dangling, "dangling", truth(value).ok_or_else(wrong)?)
            }
            "label" => {
                let (label, value) = match value.split_once('=') {
                    Some((label, value)) => (label, Some(value.to_owned())),
                    None => (value, None),
                };
                self.labels.push((label.to_owned(), value));
                Ok(())
            }
            "reference" => self.add_reference(value),
            "before" => set(&mut self.before, "before", value.to_owned()),
            "since" => set(&mut self.since, "since", value.to_owned()),
            "until" => {
                let expected =
                    "a time such as `2026-01-31` or `2026-01-31T12:00:00Z`, or how long ago, such as `24h`";
                let wrong = || FilterError::Value { name: "until", value: value.to_owned(), expected };
                self.until.push(moment(value, now).ok_or_else(wrong)?);
                Ok(())
            }
            _ => Err(FilterError::Name { name }),
        }
    }

    /// Wants images with names that fit a pattern, such as `node`, `node:12*` or `example.com/*/app`.
    pub fn add_reference(&mut self, text: &str) -> Result<(), FilterError> {
        self.references.push(ReferencePattern {
            pattern: Pattern::new(text.as_bytes(), Stars::Single)?,
            name: text.parse().ok(),
            tagged: text.rsplit('/').next().is_some_and(|last| last.contains(':')),
        });
        Ok(())
    }

    /// The images that are compared with by their time, as they were named.
    pub(super) fn bounds(&self) -> (Option<&str>, Option<&str>) {
        (self.before.as_deref(), self.since.as_deref())
    }

    /// Whether an image is wanted; of its names those stay that are. `bounds` are the times of the images that
    /// [`ImageFilter::bounds`] names.
    pub(super) fn accepts(
        &self,
        image: &mut ImageSummary,
        (before, since): (Option<Timestamp>, Option<Timestamp>),
    ) -> bool {
        if !self.references.is_empty() {
            image.names.retain(|name| self.references.iter().any(|wanted| wanted.matches(name)));
            if image.names.is_empty() {
                return false;
            }
        }
        let created =
            image.created.as_deref().and_then(|time| time.parse::<Timestamp>().ok()).unwrap_or_default();
        let has = |(name, value): &(String, Option<String>)| {
            image.labels.get(name).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        self.dangling.is_none_or(|dangling| dangling == image.names.is_empty())
            && self.labels.iter().all(has)
            && self.until.iter().all(|until| created < *until)
            && before.is_none_or(|before| created < before)
            && since.is_none_or(|since| created > since)
    }
}

impl ReferencePattern {
    fn matches(&self, name: &Reference) -> bool {
        let same =
            |wanted: &Reference| wanted.name() == name.name() && (!self.tagged || wanted.tag() == name.tag());
        self.pattern.matches(name.familiar().as_bytes())
            || self.pattern.matches(name.familiar_name().as_bytes())
            || self.name.as_ref().is_some_and(same)
    }
}

fn set<T>(place: &mut Option<T>, name: &'static str, value: T) -> Result<(), FilterError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(FilterError::Twice(name)),
    }
}

pub(in crate::engine) fn truth(text: &str) -> Option<bool> {
    match text {
        "true" | "1" => Some(true),
        "false" | "0" => Some(false),
        _ => None,
    }
}

/// A moment as Docker's filters take it: a date, with or without a time and a zone, seconds since 1970, or how long
/// before `now`. Without a zone it is UTC.
pub(in crate::engine) fn moment(text: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    if let Ok(time) = text.parse::<jiff::civil::DateTime>() {
        return time.to_zoned(jiff::tz::TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    }
    if let Some((seconds, fraction)) = text.split_once('.').or(Some((text, "0")))
        && let (Ok(seconds), Ok(_)) = (seconds.parse::<i64>(), fraction.parse::<u64>())
    {
        let nanos: String = fraction.chars().chain("000000000".chars()).take(9).collect();
        return Timestamp::new(seconds, nanos.parse().ok()?).ok();
    }
    let ago = parse_duration(text).filter(|nanos| *nanos >= 0)?;
    now.checked_sub(SignedDuration::from_nanos(ago)).ok()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::oci::{Digest, ManifestDigest};

    const NOW: &str = "2026-03-01T12:00:00Z";

    fn image(names: &[&str], created: &str, labels: &[(&str, &str)]) -> ImageSummary {
        ImageSummary {
            id: Digest::of(b""),
            platform: None,
            images: Vec::new(),
            manifest: ManifestDigest(Digest::of(b"")),
            names: names.iter().map(|name| name.parse().unwrap()).collect(),
            created: Some(created.to_owned()),
            size: 0,
            shared: 0,
            labels: labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect::<BTreeMap<_, _>>(),
            layers: Vec::new(),
        }
    }

    fn accepted(filters: &[&str]) -> Vec<String> {
        let mut filter = ImageFilter::default();
        for text in filters {
            filter.add(text, NOW.parse().unwrap()).unwrap();
        }
        let images = [
            image(&["node:12", "node:latest"], "2026-02-01T00:00:00Z", &[("a", "1"), ("b", "")]),
            image(&["example.com/team/app:1"], "2026-03-01T11:00:00Z", &[("a", "2")]),
            image(&[], "2026-03-01T11:59:00Z", &[]),
        ];
        let shown = |mut image: ImageSummary| {
            let names =
                |image: &ImageSummary| image.names.iter().map(Reference::familiar).collect::<Vec<_>>();
            filter.accepts(&mut image, (None, None)).then(|| names(&image).join("+"))
        };
        images.into_iter().filter_map(shown).collect()
    }

    #[test]
    fn filters_are_dockers() {
        for (filters, expected) in [
            (&[][..], &["node:12+node:latest", "example.com/team/app:1", ""][..]),
            (&["dangling=true"], &[""]),
            (&["dangling=0"], &["node:12+node:latest", "example.com/team/app:1"]),
            (&["label=a"], &["node:12+node:latest", "example.com/team/app:1"]),
            (&["label=a=2"], &["example.com/team/app:1"]),
            (&["label=a", "label=b="], &["node:12+node:latest"]),
            (&["reference=node"], &["node:12+node:latest"]),
            (&["reference=node:1*"], &["node:12"]),
            (&["reference=*"], &["node:12+node:latest"]),
            (&["reference=example.com/*/app"], &["example.com/team/app:1"]),
            (&["reference=docker.io/library/node:12"], &["node:12"]),
            (&["reference=nod?:latest", "reference=*/*/*"], &["node:latest", "example.com/team/app:1"]),
            (&["until=30m"], &["node:12+node:latest", "example.com/team/app:1"]),
            (&["until=2026-02-15"], &["node:12+node:latest"]),
            (&["until=2026-03-01T11:30:00"], &["node:12+node:latest", "example.com/team/app:1"]),
            (&["until=2026-03-01T12:30:00+01:00"], &["node:12+node:latest", "example.com/team/app:1"]),
            (&["until=1769904001.5"], &["node:12+node:latest"]),
            (&["until=0"], &[]),
        ] {
            assert_eq!(accepted(filters), expected, "{filters:?}");
        }
    }

    #[test]
    fn what_is_no_filter_is_refused() {
        for (texts, message) in [
            (&["dangling"][..], "the filter `dangling` is not of the form `name=value`"),
            (
                &["lable=x"],
                "there is no filter `lable`; there are `before`, `dangling`, `label`, `reference`, `since`, `until`",
            ),
            (&["dangling=maybe"], "the filter `dangling` cannot be `maybe`: expected `true` or `false`"),
            (
                &["until=soon"],
                "the filter `until` cannot be `soon`: expected a time such as `2026-01-31` or \
                 `2026-01-31T12:00:00Z`, or how long ago, such as `24h`",
            ),
            (&["since=a", "since=b"], "the filter `since` stands twice"),
            (&["reference=[a"], "the pattern `[a` is malformed: `[` is never closed"),
        ] {
            let mut filter = ImageFilter::default();
            let added: Result<(), FilterError> =
                texts.iter().try_for_each(|text| filter.add(text, NOW.parse().unwrap()));
            assert_eq!(added.unwrap_err().to_string(), message);
        }
    }
}
