//! Times in configs.

use jiff::Timestamp;

/// A time as Go writes it into JSON: RFC 3339 in UTC, with as many digits of a second as it needs.
pub fn rfc3339(time: Timestamp) -> String {
    time.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_like_go() {
        for (seconds, nanoseconds, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (1_700_000_000, 0, "2023-11-14T22:13:20Z"),
            (1_700_000_000, 120_000_000, "2023-11-14T22:13:20.12Z"),
            (1_700_000_000, 1, "2023-11-14T22:13:20.000000001Z"),
            (1_700_000_000, 123_456_700, "2023-11-14T22:13:20.1234567Z"),
        ] {
            assert_eq!(rfc3339(Timestamp::new(seconds, nanoseconds).unwrap()), text);
        }
    }
}
