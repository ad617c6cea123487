//! Sizes and times as people read them, rounded as Docker's `go-units` does.

use std::time::Duration;

use jiff::Timestamp;

/// SI prefixes: a kilobyte has 1000 bytes.
const UNITS: [&str; 7] = ["B", "kB", "MB", "GB", "TB", "PB", "EB"];

const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24;
const WEEK: u64 = 7 * DAY;
const MONTH: u64 = 30 * DAY;
const YEAR: u64 = 365 * DAY;

/// A number of bytes with three significant digits: `72.8MB`.
pub fn size(bytes: u64) -> String {
    size_with_digits(bytes, 3)
}

/// A number of bytes with so many significant digits, at least three.
pub fn size_with_digits(bytes: u64, digits: usize) -> String {
    let digits = digits.max(3);
    let mut value = bytes as f64;
    let mut unit = 0;
    let mut text = round(value, digits);
    // The rounded number decides: 999,999 bytes are 1MB (where Docker writes `1e+03kB`).
    while text.parse::<f64>().is_ok_and(|rounded| rounded >= 1000.0) && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
        text = round(value, digits);
    }
    format!("{text}{}", UNITS[unit])
}

/// C's `%.{digits}g` without its exponents: significant digits, no zeros at the end.
fn round(value: f64, digits: usize) -> String {
    let before_point = format!("{value:.0}").len();
    let text = format!("{value:.*}", digits.saturating_sub(before_point));
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A duration in words: `2 minutes`, `About an hour`.
pub fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    // Hours are rounded, all else is cut off, as Docker does it.
    let hours = (seconds + HOUR / 2) / HOUR;
    match seconds {
        0 => "Less than a second".to_owned(),
        1 => "1 second".to_owned(),
        _ if seconds < MINUTE => format!("{seconds} seconds"),
        _ if seconds < 2 * MINUTE => "About a minute".to_owned(),
        _ if seconds < HOUR => format!("{} minutes", seconds / MINUTE),
        _ if hours == 1 => "About an hour".to_owned(),
        _ if hours < 2 * DAY => format!("{hours} hours"),
        _ if hours < 2 * WEEK => format!("{} days", hours / DAY),
        _ if hours < 2 * MONTH => format!("{} weeks", hours / WEEK),
        _ if hours < 2 * YEAR => format!("{} months", hours / MONTH),
        // Docker cuts the hours off again before it counts years; no difference can be seen.
        _ => format!("{} years", hours / YEAR),
    }
}

/// How long before `now` a time (RFC 3339) was: `2 minutes ago`. `N/A` for what is not a time, and for the times
/// before 1970 that stand for "not known" (Go's zero time is in the year 1).
pub fn ago(time: Option<&str>, now: Timestamp) -> String {
    match time.map(str::parse::<Timestamp>) {
        Some(Ok(then)) if then >= Timestamp::UNIX_EPOCH => {
            let elapsed = Duration::try_from(now.duration_since(then)).unwrap_or_default();
            format!("{} ago", duration(elapsed))
        }
        _ => "N/A".to_owned(),
    }
}

/// A text of at most `width` characters; the last one says that there was more.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// A file name or path for people: what could control a terminal, what is no UTF-8 and `\` are escaped.
pub fn path(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(&harmless(&chunk.valid().replace('\\', "\\\\")));
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// A text without what could control a terminal, which is escaped.
pub fn harmless(text: &str) -> String {
    let controls = |c: char| c.is_control() || is_bidirectional(c);
    if !text.contains(controls) {
        return text.to_owned();
    }
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if controls(c) { escaped.extend(c.escape_default()) } else { escaped.push(c) }
    }
    escaped
}

/// Marks that change the order in which characters are shown.
fn is_bidirectional(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_three_digits() {
        for (bytes, text) in [
            (0, "0B"),
            (1, "1B"),
            (999, "999B"),
            (1000, "1kB"),
            (1001, "1kB"),
            (1005, "1kB"),
            (1015, "1.01kB"),
            (1024, "1.02kB"),
            (9_999, "10kB"),
            (10_449, "10.4kB"),
            (72_800_000, "72.8MB"),
            (100_400, "100kB"),
            (999_499, "999kB"),
            (999_500, "1MB"),
            (999_999, "1MB"),
            (1_500_000_000, "1.5GB"),
            (u64::MAX, "18.4EB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        assert_eq!(size_with_digits(123_456_789, 4), "123.5MB");
        assert_eq!(size_with_digits(1_234_567, 4), "1.235MB");
    }

    #[test]
    fn durations_change_words_where_docker_does() {
        const H: u64 = HOUR;
        for (seconds, text) in [
            (0, "Less than a second"),
            (1, "1 second"),
            (59, "59 seconds"),
            (60, "About a minute"),
            (119, "About a minute"),
            (120, "2 minutes"),
            (3599, "59 minutes"),
            (3600, "About an hour"),
            (3600 + 1799, "About an hour"),
            (3600 + 1800, "2 hours"),
            (47 * H, "47 hours"),
            (48 * H, "2 days"),
            (14 * 24 * H - 1801, "13 days"),
            (14 * 24 * H, "2 weeks"),
            (60 * 24 * H - 1801, "8 weeks"),
            (60 * 24 * H, "2 months"),
            (2 * 365 * 24 * H - 1801, "24 months"),
            (2 * 365 * 24 * H, "2 years"),
        ] {
            assert_eq!(duration(Duration::from_secs(seconds)), text, "{seconds}");
        }
        assert_eq!(duration(Duration::from_millis(999)), "Less than a second");
        assert_eq!(duration(Duration::from_millis(1999)), "1 second");
    }

    #[test]
    fn times_are_relative_to_now() {
        let now: Timestamp = "2026-11-21T06:00:00Z".parse().unwrap();
        for (time, text) in [
            (Some("2026-11-21T05:58:00Z"), "2 minutes ago"),
            (Some("2026-11-21T07:58:00.123456789+02:00"), "About a minute ago"),
            (Some("2026-11-21T07:00:00Z"), "Less than a second ago"),
            (Some("2020-11-21T06:00:00Z"), "6 years ago"),
            (Some("1970-01-01T00:00:00Z"), "56 years ago"),
            (Some("0001-01-01T00:00:00Z"), "N/A"),
            (Some("yesterday"), "N/A"),
            (None, "N/A"),
        ] {
            assert_eq!(ago(time, now), text, "{time:?}");
        }
    }

    #[test]
    fn names_cannot_control_a_terminal() {
        for (bytes, text) in [
            (&b"usr/bin/env"[..], "usr/bin/env"),
            ("ä 日本".as_bytes(), "ä 日本"),
            (b"a\nb\x1b[31m\\", "a\\nb\\u{1b}[31m\\\\"),
            (b"\xff\xc3", "\\xff\\xc3"),
            ("a\u{202e}b".as_bytes(), "a\\u{202e}b"),
        ] {
            assert_eq!(path(bytes), text);
        }
    }

    #[test]
    fn long_texts_are_cut() {
        assert_eq!((cut("abcd", 4), cut("äbcde", 4)), ("abcd".to_owned(), "äbc…".to_owned()));
    }
}
