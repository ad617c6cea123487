//! The fields of tar headers and PAX records, as values.
//!
//! Owns the notations: octal, binary and decimal numbers, fractions of seconds, zero-terminated text. Pure; what a
//! value means for an entry is [`super::archive`]'s.

use ::tar::Header as Block;

use super::sparse;
use crate::layer::tar::BLOCK;
use crate::tree::{Time, Xattr};

/// What extended headers have said of the next entry.
#[derive(Debug, Default)]
pub(super) struct Extensions {
    pub(super) path: Option<Vec<u8>>,
    pub(super) link: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
    pub(super) uid: Option<u32>,
    pub(super) gid: Option<u32>,
    pub(super) mtime: Option<Time>,
    pub(super) xattrs: Vec<Xattr>,
    /// What is said of a file that is stored without its holes.
    pub(super) sparse: sparse::Records,
    /// A field that has no valid value: an error, when the entry's name is known.
    pub(super) invalid: Option<&'static str>,
}

impl Extensions {
    /// Takes in the records of a PAX header.
    pub(super) fn parse(&mut self, records: &[u8]) {
        let mut rest = records;
        while !rest.is_empty() {
            let Some(record) = split_record(rest) else {
                self.invalid = Some("extended header");
                return;
            };
            rest = &rest[record.len..];
            self.take(record.key, record.value);
        }
    }

    fn take(&mut self, key: &[u8], value: &[u8]) {
        let what = match key {
            b"path" => return self.path = Some(value.to_vec()),
            b"linkpath" => return self.link = Some(value.to_vec()),
            b"size" => set(&mut self.size, decimal(value), "size"),
            b"uid" => set(&mut self.uid, decimal(value), "uid"),
            b"gid" => set(&mut self.gid, decimal(value), "gid"),
            b"mtime" => set(&mut self.mtime, time(value), "mtime"),
            key => {
                if let Some(key) = key.strip_prefix(b"GNU.sparse.") {
                    self.sparse.take(key, value);
                } else if let Some(name) = key.strip_prefix(b"SCHILY.xattr.") {
                    self.xattrs.push(Xattr { name: name.into(), value: value.into() });
                }
                return;
            }
        };
        self.invalid = self.invalid.or(what);
    }
}

/// Old writers summed signed bytes.
pub(in crate::layer) fn checksum_is_right(block: &Block) -> bool {
    let bytes = block.as_bytes();
    let stored = number(&block.as_old().cksum);
    let counted = |i: usize| if (148..156).contains(&i) { b' ' } else { bytes[i] };
    let unsigned: i64 = (0..BLOCK).map(|i| i64::from(counted(i))).sum();
    let signed: i64 = (0..BLOCK).map(|i| i64::from(counted(i).cast_signed())).sum();
    stored == Some(unsigned) || stored == Some(signed)
}

/// The name in a block, prefix included where the format has one.
pub(super) fn block_name(block: &Block) -> Vec<u8> {
    let name = text(&block.as_old().name);
    match block.as_ustar().map(|fields| text(&fields.prefix)) {
        Some(prefix) if !prefix.is_empty() => [prefix, b"/", name].concat(),
        _ => name.to_vec(),
    }
}

/// A field's bytes up to the first zero.
pub(super) fn text(field: &[u8]) -> &[u8] {
    field.split(|&b| b == 0).next().unwrap_or_default()
}

/// A numeric field: octal digits, or with the highest bit set GNU's binary form. Empty means 0.
pub(super) fn number(field: &[u8]) -> Option<i64> {
    if field.first().is_some_and(|&b| b & 0x80 != 0) {
        // The second highest bit of the first byte is the sign.
        let negative = field[0] & 0x40 != 0;
        let mut value: i128 = if negative { -1 } else { 0 };
        for (i, &byte) in field.iter().enumerate() {
            let byte = if i == 0 && !negative { byte & 0x7f } else { byte };
            value = value.checked_mul(256)? + i128::from(byte);
        }
        return i64::try_from(value).ok();
    }
    let digits = text(field).trim_ascii();
    if digits.is_empty() {
        return Some(0);
    }
    if !digits.iter().all(|b| matches!(b, b'0'..=b'7')) {
        return None;
    }
    i64::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()
}

/// A PAX record and the bytes that it takes.
struct Record<'a> {
    len: usize,
    key: &'a [u8],
    value: &'a [u8],
}

/// The first record: its length in digits, a space, `key=value`, a line feed.
fn split_record(records: &[u8]) -> Option<Record<'_>> {
    let space = records.iter().position(|&b| b == b' ')?;
    let len: usize = decimal(&records[..space])?;
    let body = records.get(space + 1..len)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|&b| b == b'=')?;
    Some(Record { len, key: &body[..equals], value: &body[equals + 1..] })
}

/// Sets a field to a value that was parsed; returns the field's name if it could not be.
fn set<T>(field: &mut Option<T>, value: Option<T>, name: &'static str) -> Option<&'static str> {
    let invalid = value.is_none().then_some(name);
    *field = value;
    invalid
}

/// Decimal digits, and nothing else.
pub(super) fn decimal<T: std::str::FromStr>(digits: &[u8]) -> Option<T> {
    let digits = std::str::from_utf8(digits).ok()?;
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    digits.parse().ok()
}

/// Decimal seconds, with a sign and a fraction; cut to the second before.
fn time(value: &[u8]) -> Option<Time> {
    let text = std::str::from_utf8(value).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    fraction.bytes().all(|b| b.is_ascii_digit()).then_some(())?;
    let seconds: i64 = whole.parse().ok()?;
    let below = whole.starts_with('-') && fraction.bytes().any(|b| b != b'0');
    Some(Time::from_seconds(if below { seconds.checked_sub(1)? } else { seconds }))
}

/// Extended attributes by name; of several with one name the last.
pub(super) fn sorted(mut xattrs: Vec<Xattr>) -> Vec<Xattr> {
    xattrs.sort_by(|a, b| a.name.cmp(&b.name));
    // The last of several with one name stays.
    xattrs.reverse();
    xattrs.dedup_by(|a, b| a.name == b.name);
    xattrs.reverse();
    xattrs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_all_forms() {
        for (field, expected) in [
            (&b"0000644\0"[..], Some(0o644)),
            (b" 644 \0\0\0", Some(0o644)),
            (b"\0\0\0\0", Some(0)),
            (b"0000648\0", None),
            (b"-000001\0", None),
            (b"\x80\0\0\0\0\0\x01\0", Some(256)),
            (b"\xff\xff\xff\xff\xff\xff\xff\xfe", Some(-2)),
            (b"\x80\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff", None),
        ] {
            assert_eq!(number(field), expected, "{}", field.escape_ascii());
        }
    }

    #[test]
    fn times_are_cut_to_the_second_before() {
        for (text, expected) in [
            ("5", Some(5)),
            ("5.999", Some(5)),
            ("-1.5", Some(-2)),
            ("-1.0", Some(-1)),
            ("-0.5", Some(-1)),
            ("x", None),
            ("1.x", None),
        ] {
            assert_eq!(time(text.as_bytes()).map(|t| t.seconds), expected, "{text}");
        }
    }

    #[test]
    fn records_must_be_whole() {
        let record = split_record(b"12 path=a=b\nrest").unwrap();
        assert_eq!((record.len, record.key, record.value), (12, &b"path"[..], &b"a=b"[..]));
        for bad in ["", "x", "5", "99 a=b\n", "6 ab\n", "0 a=b\n", "2 a=b\n", "5 a=b\n", "-6 a=b\n"] {
            assert!(split_record(bad.as_bytes()).is_none(), "{bad:?}");
        }
    }
}
