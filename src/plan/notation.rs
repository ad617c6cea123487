//! Texts in Go's notation: a build's history has them, and they must be BuildKit's to the byte, because the image id
//! depends on them.

use std::fmt::Write as _;

use crate::oci::config::Healthcheck;

/// A list as Go's `%v` prints it: `[a b]`.
pub(super) fn list(items: &[String]) -> String {
    format!("[{}]", items.join(" "))
}

/// A list as Go's `%q` prints it: `["a" "b"]`.
pub(super) fn quoted_list(items: &[String]) -> String {
    let items: Vec<String> = items.iter().map(|item| quoted(item)).collect();
    list(&items)
}

/// A string literal as `strconv.Quote` writes it.
fn quoted(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            c if is_printable(c) => quoted.push(c),
            // Writing to a `String` cannot fail.
            c if u32::from(c) < 0x80 => _ = write!(quoted, "\\x{:02x}", u32::from(c)),
            c if u32::from(c) < 0x1_0000 => _ = write!(quoted, "\\u{:04x}", u32::from(c)),
            c => _ = write!(quoted, "\\U{:08x}", u32::from(c)),
        }
    }
    quoted.push('"');
    quoted
}

/// Go's `unicode.IsPrint`: letters, marks, numbers, punctuation, symbols and the ASCII space.
fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return !c.is_ascii_control();
    }
    // `str::escape_debug` escapes what is not printable, and a combining mark only at the start of a text.
    let mut bytes = [0; 5];
    bytes[0] = b'x';
    let length = 1 + c.encode_utf8(&mut bytes[1..]).len();
    let text = str::from_utf8(&bytes[..length]).unwrap_or_default();
    !c.is_whitespace() && text.escape_debug().nth(1) == Some(c)
}

/// A health check as Go's `%+v` prints the struct.
pub(super) fn healthcheck(check: &Healthcheck) -> String {
    format!(
        "{{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
        list(&check.test),
        duration(check.interval),
        duration(check.timeout),
        duration(check.start_period),
        duration(check.start_interval),
        check.retries
    )
}

/// Nanoseconds as Go's `time.Duration` prints them; they are not negative.
fn duration(nanoseconds: i64) -> String {
    let (unit, divisor) = match nanoseconds {
        0 => return "0s".to_owned(),
        1..1_000 => return format!("{nanoseconds}ns"),
        1_000..1_000_000 => ("µs", 1_000),
        1_000_000..1_000_000_000 => ("ms", 1_000_000),
        _ => ("s", 1_000_000_000),
    };
    if unit != "s" {
        return format!("{}{unit}", decimal(nanoseconds, divisor));
    }
    let (minutes, seconds) = (nanoseconds / (60 * divisor), nanoseconds % (60 * divisor));
    let (hours, minutes) = (minutes / 60, minutes % 60);
    let seconds = decimal(seconds, divisor);
    match (hours, minutes) {
        (0, 0) => format!("{seconds}s"),
        (0, _) => format!("{minutes}m{seconds}s"),
        _ => format!("{hours}h{minutes}m{seconds}s"),
    }
}

/// `number / divisor`, a power of ten, with no more digits than it needs.
fn decimal(number: i64, divisor: i64) -> String {
    let (whole, fraction) = (number / divisor, number % divisor);
    if fraction == 0 {
        return whole.to_string();
    }
    let digits = divisor.ilog10() as usize;
    format!("{whole}.{}", format!("{fraction:0digits$}").trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_like_go() {
        for (nanoseconds, text) in [
            (0, "0s"),
            (7, "7ns"),
            (1_500, "1.5µs"),
            (100_000_000, "100ms"),
            (1_000_000_000, "1s"),
            (1_050_000_000, "1.05s"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (5_400_500_000_000, "1h30m0.5s"),
        ] {
            assert_eq!(duration(nanoseconds), text);
        }
    }

    #[test]
    fn strings_are_quoted_like_go() {
        for (text, literal) in [
            ("", r#""""#),
            ("a b", r#""a b""#),
            ("say \"hi\" \\", r#""say \"hi\" \\""#),
            ("\x07\x08\x0c\n\r\t\x0b\0\x7f", r#""\a\b\f\n\r\t\v\x00\x7f""#),
            ("é漢🦀e\u{301}\u{301}", "\"é漢🦀e\u{301}\u{301}\""),
            ("\u{a0}\u{2028}\u{200b}\u{feff}", r#""\u00a0\u2028\u200b\ufeff""#),
            ("\u{e000}\u{10ffff}", r#""\ue000\U0010ffff""#),
            ("'", r#""'""#),
        ] {
            assert_eq!(quoted(text), literal);
        }
    }
}
