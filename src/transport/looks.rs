//! What an input that is no tar looks like, for messages.

use std::fmt;
use std::str::Utf8Error;

/// What an input looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// In words: `a zip archive`. Empty for nothing at all.
    pub what: &'static str,
    /// The program that unpacks it.
    pub tool: Option<&'static str>,
}

impl fmt::Display for Looks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.what {
            "" => write!(f, "is empty"),
            what => write!(f, "looks like {what}"),
        }
    }
}

/// The beginnings of formats that people mistake for tars, with what they are.
const MAGICS: [(&[u8], &str, Option<&str>); 19] = [
    (b"\xfd7zXZ\0", "xz data", Some("xz -d")),
    (b"BZh", "bzip2 data", Some("bzip2 -d")),
    (b"\x1f\x8b", "gzip data", Some("gzip -d")),
    (b"\x28\xb5\x2f\xfd", "zstd data", Some("zstd -d")),
    (b"\x04\x22\x4d\x18", "lz4 data", Some("lz4 -d")),
    (b"LZIP", "lzip data", Some("lzip -d")),
    (b"\x5d\0\0", "lzma data", Some("xz -d")),
    (b"PK\x03\x04", "a zip archive", Some("unzip")),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive", None),
    (b"Rar!", "a rar archive", None),
    (b"070701", "a cpio archive", Some("cpio -i")),
    (b"!<arch>\n", "an ar archive, such as a Debian package", None),
    (b"\xed\xab\xee\xdb", "an RPM package", None),
    (b"hsqs", "a squashfs image", Some("unsquashfs")),
    (b"QFI\xfb", "a qcow2 disk image", None),
    (b"\x7fELF", "a program", None),
    (b"%PDF", "a PDF document", None),
    (b"<!DOCTYPE", "an HTML page", None),
    (b"<html", "an HTML page", None),
];

/// How many bytes are looked at: a tar's first header.
pub(super) const HEAD: usize = 512;

/// Nothing at all.
pub(super) const EMPTY: Looks = Looks { what: "", tool: None };

/// The place of the word `ustar` in a tar's first header.
const USTAR: std::ops::Range<usize> = 257..262;

/// What begins with `head`, the first [`HEAD`] bytes of an input; `None` for a tar with a broken header.
pub(super) fn looks(head: &[u8]) -> Option<Looks> {
    if head.get(USTAR) == Some(b"ustar") {
        return None;
    }
    if head.is_empty() {
        return Some(EMPTY);
    }
    let known = MAGICS.iter().find(|(magic, ..)| head.starts_with(magic));
    if let Some(&(_, what, tool)) = known {
        return Some(Looks { what, tool });
    }
    let what = match std::str::from_utf8(head) {
        Ok(text) if is_readable(text) => kind_of_text(text),
        // The block may end within a character.
        Err(error) if error.error_len().is_none() && is_readable(valid(head, &error)) => "text",
        _ => "data of an unknown kind",
    };
    Some(Looks { what, tool: None })
}

fn valid<'h>(head: &'h [u8], error: &Utf8Error) -> &'h str {
    std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
}

fn is_readable(text: &str) -> bool {
    !text.chars().any(|c| c.is_control() && !c.is_whitespace())
}

fn kind_of_text(text: &str) -> &'static str {
    if text.trim_start().starts_with(['{', '[']) { "JSON" } else { "text" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn common_mistakes_are_told_apart() {
        let mut tar = vec![0; 512];
        tar[USTAR].copy_from_slice(b"ustar");
        for (head, what) in [
            (&b""[..], Some("")),
            (b"hello\n\tworld\n", Some("text")),
            ("ü".repeat(300).as_bytes().split_at(511).0, Some("text")),
            (b"\n{\"a\": 1}", Some("JSON")),
            (b"\xfd7zXZ\0\0\x04", Some("xz data")),
            (b"PK\x03\x04rest", Some("a zip archive")),
            (b"\x7fELF\x02", Some("a program")),
            (&[0; 512], Some("data of an unknown kind")),
            (b"\xff\xfe\x00", Some("data of an unknown kind")),
            (&tar, None),
        ] {
            assert_eq!(looks(head).map(|looks| looks.what), what, "{}", head.escape_ascii());
        }
    }
}
