//! The table of contents of an eStargz layer.
//!
//! Owns its JSON. Offsets are numbers of pieces of gzip until the pieces are written.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::layer::apply::{Header, HeaderKind};
use crate::oci::Digest;

/// The version of the format.
const VERSION: u32 = 1;

/// The entries so far.
#[derive(Default)]
pub(super) struct Toc {
    entries: Vec<TocEntry>,
}

/// A file, or a chunk of one after its first.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct TocEntry {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    #[serde(rename = "modtime", skip_serializing_if = "Option::is_none")]
    modified: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    link_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gid: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_major: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dev_minor: Option<u32>,
    /// The values in Base64.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    xattrs: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    digest: Option<Digest>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_offset: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_size: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    chunk_digest: Option<Digest>,
    /// The piece of gzip that its content begins with.
    #[serde(skip)]
    piece: Option<usize>,
}

#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    entries: &'a [TocEntry],
}

impl Toc {
    /// Adds an entry of the tar; gives its place.
    pub(super) fn add(&mut self, header: &Header) -> usize {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (kind, device) = match header.kind {
            HeaderKind::File => ("reg", None),
            HeaderKind::Directory => ("dir", None),
            HeaderKind::Symlink => ("symlink", None),
            HeaderKind::Hardlink => ("hardlink", None),
            HeaderKind::CharDevice(device) => ("char", Some(device)),
            HeaderKind::BlockDevice(device) => ("block", Some(device)),
            HeaderKind::Fifo => ("fifo", None),
        };
        let is_link = matches!(header.kind, HeaderKind::Symlink | HeaderKind::Hardlink);
        let xattrs = header.xattrs.iter().map(|xattr| (text(&xattr.name), base64(&xattr.value)));
        self.entries.push(TocEntry {
            name: text(&header.name),
            kind,
            size: (header.size > 0).then_some(header.size),
            modified: modified(header.mtime.seconds),
            link_name: is_link.then(|| text(&header.link)),
            mode: Some(header.mode),
            uid: Some(header.uid),
            gid: Some(header.gid),
            dev_major: device.map(|device| device.major),
            dev_minor: device.map(|device| device.minor),
            xattrs: xattrs.collect(),
            ..TocEntry::default()
        });
        self.entries.len() - 1
    }

    /// The content of an entry begins with this piece. `chunk_size` is that of its first chunk, if there are several.
    pub(super) fn starts(&mut self, entry: usize, piece: usize, chunk_size: Option<u64>) {
        let entry = &mut self.entries[entry];
        (entry.piece, entry.chunk_size) = (Some(piece), chunk_size);
    }

    /// A further chunk of an entry begins; the last chunk has no size of its own.
    pub(super) fn chunk(&mut self, entry: usize, offset: u64, piece: usize, chunk_size: Option<u64>) {
        self.entries.push(TocEntry {
            name: self.entries[entry].name.clone(),
            kind: "chunk",
            piece: Some(piece),
            chunk_offset: Some(offset),
            chunk_size,
            ..TocEntry::default()
        });
    }

    /// The digest of the chunk that began last.
    pub(super) fn chunk_digest(&mut self, digest: Digest) {
        if let Some(entry) = self.entries.last_mut() {
            entry.chunk_digest = Some(digest);
        }
    }

    /// The digest of a whole content.
    pub(super) fn digest(&mut self, entry: usize, digest: Digest) {
        self.entries[entry].digest = Some(digest);
    }

    /// The document. `start_of` says where a piece starts in the blob.
    pub(super) fn write_json(&mut self, start_of: impl Fn(usize) -> u64) -> Vec<u8> {
        for entry in &mut self.entries {
            entry.offset = entry.piece.map(&start_of);
        }
        serde_json::to_vec(&Document { version: VERSION, entries: &self.entries })
            .unwrap_or_else(|error| unreachable!("strings and numbers are always valid JSON: {error}"))
    }
}

/// A time in the table; 1970 stands for none.
fn modified(seconds: i64) -> Option<String> {
    let time = Timestamp::from_second(seconds).ok().filter(|_| seconds != 0);
    time.map(|time| time.to_string())
}

/// RFC 4648, with padding: how Go writes bytes into JSON.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let bits =
            three.iter().fold(0_u32, |bits, &byte| bits << 8 | u32::from(byte)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = char::from(DIGITS[(bits >> (18 - 6 * i)) as usize & 63]);
            text.push(if i <= three.len() { digit } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_become_base64() {
        for (bytes, text) in [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{ff}", "w78="),
        ] {
            assert_eq!(base64(bytes.as_bytes()), text);
        }
    }

    #[test]
    fn times_are_those_of_go() {
        for (seconds, text) in [
            (0, None),
            (1, Some("1970-01-01T00:00:01Z")),
            (-1, Some("1969-12-31T23:59:59Z")),
            (i64::MAX, None),
        ] {
            assert_eq!(modified(seconds).as_deref(), text);
        }
    }
}
