//! The ranges of ids that belong to a user besides the own one: subuid(5), subgid(5).

use std::fs;

use crate::sys::user_namespace::account;

/// Ids that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) start: u32,
    pub(super) count: u32,
}

/// A user's ranges.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ranges {
    pub(super) users: Vec<Range>,
    pub(super) groups: Vec<Range>,
}

/// Where useradd(8) begins with ranges, and how many ids it gives each user.
const FIRST: u32 = 100_000;
const COUNT: u32 = 65_536;

/// More lines than that the kernel takes in no map, and one is the user's own id.
const MAX_RANGES: usize = 339;

/// The ranges of a user; `None` if there are none of users or none of groups.
pub(super) fn of(uid: u32) -> Option<Ranges> {
    let name = account(uid).map(|account| account.name);
    let read = |path: &str| parse(&fs::read_to_string(path).unwrap_or_default(), name.as_deref(), uid);
    let (users, groups) = (read("/etc/subuid"), read("/etc/subgid"));
    (!users.is_empty() && !groups.is_empty()).then_some(Ranges { users, groups })
}

/// The first and the last id of a range that nobody has, of the usual size.
pub(super) fn free() -> (u32, u32) {
    let read = |path| fs::read_to_string(path).unwrap_or_default();
    free_beside(&[read("/etc/subuid"), read("/etc/subgid")])
}

fn free_beside(files: &[String]) -> (u32, u32) {
    let end = |line: &str| {
        let mut numbers = line.trim().split(':').skip(1).map(|field| field.parse().ok());
        let (start, count): (u32, u32) = (numbers.next()??, numbers.next()??);
        start.checked_add(count)
    };
    let first = files.iter().flat_map(|text| text.lines()).filter_map(end).fold(FIRST, u32::max);
    (first, first.saturating_add(COUNT - 1))
}

/// The lines of a user, who may stand there by name or by number.
fn parse(text: &str, name: Option<&str>, uid: u32) -> Vec<Range> {
    let number = uid.to_string();
    let range = |line: &str| {
        let mut fields = line.trim().split(':');
        let owner = fields.next()?;
        if Some(owner) != name && owner != number {
            return None;
        }
        let (start, count) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        (count > 0).then_some(Range { start, count })
    };
    text.lines().filter_map(range).take(MAX_RANGES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_name_and_by_number() {
        let text =
            "other:1:2\nme:100000:65536\n1000:200000:10\nme:broken\nme:300000:0\n me:400000:5 \nmex:1:1\n";
        let range = |start, count| Range { start, count };
        let expected = [range(100_000, 65_536), range(200_000, 10), range(400_000, 5)];
        assert_eq!(parse(text, Some("me"), 1000), expected);
        assert_eq!(parse(text, None, 1000), expected[1..2]);
        assert_eq!(parse(text, Some("nobody"), 7), []);
    }

    #[test]
    fn a_free_range_lies_behind_all_others() {
        assert_eq!(free_beside(&[]), (100_000, 165_535));
        let files = ["a:100000:65536\nb:5:1\n".to_owned(), "a:200000:10\nx".to_owned()];
        assert_eq!(free_beside(&files), (200_010, 265_545));
    }
}
