//! Dates in headers.

use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// The forms that RFC 9110 tells a reader to take, the preferred one first.
const FORMS: [&str; 3] = ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %e %H:%M:%S %Y"];

/// A date of a header in seconds since 1970; `None` for what is no date.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let parsed = FORMS.iter().find_map(|form| strtime::parse(form, text.trim()).ok())?;
    let date: DateTime = parsed.to_datetime().ok()?;
    Some(date.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second())
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn reads_the_three_forms() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
        for text in ["", "yesterday", "Sun, 32 Nov 1994 08:49:37 GMT"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
