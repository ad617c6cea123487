//! Reads back what was written, as a reader of the format does it.

use std::io::{Cursor, Read};

use flate2::read::{GzDecoder, MultiGzDecoder};
use serde_json::Value;

use super::super::{Compression, Compressor};
use super::*;
use crate::layer::TarWriter;
use crate::tree::{Device, Xattr};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry::new(path.into(), kind, 0o640, Time::from_seconds(1_000_000_000))
}

fn file(path: &str, content: &[u8]) -> Entry {
    entry(path, Kind::File { size: content.len() as u64, digest: Digest::of(content) })
}

fn content(len: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 28) as u8
    };
    (0..len).map(|_| next()).collect()
}

/// A tar with one of each kind, files of no, one and several chunks, and a name beyond the header's field.
fn tar() -> Vec<u8> {
    let large = content(2 * CHUNK as usize + 777, 1);
    let exact = content(CHUNK as usize, 2);
    let long = format!("d/{}/{}", "n".repeat(120), "m".repeat(120));
    let mut capable = file("d/capable", b"x");
    capable.xattrs = vec![Xattr { name: (*b"security.capability").into(), value: (*b"\x01\0\0\x02").into() }];
    capable.uid = 3_000_000;
    let entries: Vec<(Entry, &[u8])> = vec![
        (Entry::directory("d".into(), 0o755, Time::default()), b""),
        (capable, b"x"),
        (file("d/empty", b""), b""),
        (file("d/exact", &exact), &exact),
        (entry("d/hard", Kind::Hardlink { target: "d/capable".into() }), b""),
        (file("d/large", &large), &large),
        (file(&long, b"long"), b"long"),
        (entry("d/null", Kind::CharDevice(Device { major: 1, minor: 3 })), b""),
        (entry("d/pipe", Kind::Fifo), b""),
        (entry("d/soft", Kind::Symlink { target: (*b"large").into() }), b""),
        (Entry::whiteout("gone".into()), b""),
    ];
    let mut tar = TarWriter::new(Vec::new());
    for (entry, content) in &entries {
        tar.append(entry, *content).unwrap();
    }
    tar.finish().unwrap()
}

fn estargz(tar: &[u8], level: u8, threads: usize, step: usize) -> (Vec<u8>, Seal) {
    let mut writer = Compressor::new(Vec::new(), Compression::Estargz(level), threads).unwrap();
    for part in tar.chunks(step) {
        writer.write_all(part).unwrap();
    }
    let (blob, seal) = writer.finish_sealed().unwrap();
    (blob, seal.unwrap())
}

fn decompressed(blob: &[u8]) -> Vec<u8> {
    let mut tar = Vec::new();
    MultiGzDecoder::new(blob).read_to_end(&mut tar).unwrap();
    tar
}

/// The table, found by the footer, and where it is.
fn table(blob: &[u8]) -> (Vec<u8>, usize) {
    let footer = &blob[blob.len() - 51..];
    let mut reader = GzDecoder::new(footer);
    assert_eq!(reader.read_to_end(&mut Vec::new()).unwrap(), 0);
    let extra = reader.header().unwrap().extra().unwrap().to_vec();
    assert_eq!((&extra[..4], &extra[20..]), (&b"SG\x16\0"[..], &b"STARGZ"[..]));
    let offset = usize::from_str_radix(std::str::from_utf8(&extra[4..20]).unwrap(), 16).unwrap();
    let tar = decompressed(&blob[offset..blob.len() - 51]);
    let mut archive = ::tar::Archive::new(Cursor::new(tar));
    let mut entries = archive.entries().unwrap();
    let mut entry = entries.next().unwrap().unwrap();
    assert_eq!(entry.path().unwrap().to_str(), Some(TOC_FILE));
    let mut json = Vec::new();
    entry.read_to_end(&mut json).unwrap();
    assert!(entries.next().is_none());
    (json, offset)
}

#[test]
fn every_content_is_found_by_the_table() {
    let tar = tar();
    let (blob, seal) = estargz(&tar, 5, 2, 70_000);
    let (json, _) = table(&blob);
    assert_eq!(Digest::of(&json), seal.toc);
    let table: Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(table["version"], 1);
    let mut contents: Vec<(String, Vec<u8>, Option<String>)> = Vec::new();
    for entry in table["entries"].as_array().unwrap() {
        let name = entry["name"].as_str().unwrap().to_owned();
        let kind = entry["type"].as_str().unwrap();
        let Some(offset) = entry["offset"].as_u64() else { continue };
        let before = if kind == "chunk" {
            contents.pop().unwrap()
        } else {
            let digest = entry["digest"].as_str().map(str::to_owned);
            (name.clone(), Vec::new(), digest.or_else(|| Some(entry["size"].to_string())))
        };
        assert_eq!(before.0, name);
        assert_eq!(entry["chunkOffset"].as_u64().unwrap_or(0), before.1.len() as u64);
        let first = table["entries"].as_array().unwrap().iter();
        let mut first = first.filter(|other| other["name"] == entry["name"] && other["type"] == "reg");
        let size = first.next().unwrap()["size"].as_u64().unwrap();
        let chunk = entry["chunkSize"].as_u64().unwrap_or(size - before.1.len() as u64);
        let mut bytes = Vec::new();
        MultiGzDecoder::new(&blob[offset as usize..]).take(chunk).read_to_end(&mut bytes).unwrap();
        assert_eq!(entry["chunkDigest"], Digest::of(&bytes).to_string(), "{name}");
        let (name, mut all, digest) = before;
        all.extend(bytes);
        contents.push((name, all, digest));
    }
    let lens: Vec<(&str, usize)> = contents.iter().map(|(name, all, _)| (name.as_str(), all.len())).collect();
    let long = format!("d/{}/{}", "n".repeat(120), "m".repeat(120));
    assert_eq!(
        lens,
        [
            ("d/capable", 1),
            ("d/exact", CHUNK as usize),
            ("d/large", 2 * CHUNK as usize + 777),
            (long.as_str(), 4),
            (LANDMARK.0, 1)
        ]
    );
    for (name, all, digest) in &contents {
        assert_eq!(*digest, Some(Digest::of(all).to_string()), "{name}");
    }
}

#[test]
fn the_table_says_what_the_tar_says() {
    let (json, _) = table(&estargz(&tar(), 1, 1, 512).0);
    let table: Value = serde_json::from_slice(&json).unwrap();
    let entries = table["entries"].as_array().unwrap();
    let of = |name: &str| entries.iter().find(|entry| entry["name"] == name).unwrap().clone();
    let capable = of("d/capable");
    assert_eq!(capable["xattrs"]["security.capability"], "AQAAAg==");
    assert_eq!((&capable["uid"], &capable["mode"]), (&3_000_000.into(), &0o640.into()));
    assert_eq!(capable["modtime"], "2001-09-09T01:46:40Z");
    assert_eq!((&of("d/")["type"], &of("d/")["modtime"]), (&"dir".into(), &Value::Null));
    assert_eq!((&of("d/hard")["type"], &of("d/hard")["linkName"]), (&"hardlink".into(), &"d/capable".into()));
    assert_eq!((&of("d/soft")["type"], &of("d/soft")["linkName"]), (&"symlink".into(), &"large".into()));
    assert_eq!((&of("d/null")["devMajor"], &of("d/null")["devMinor"]), (&1.into(), &3.into()));
    assert_eq!(of("d/pipe")["type"], "fifo");
    assert_eq!(of("d/empty")["offset"], Value::Null);
    assert_eq!(of(".wh.gone")["type"], "reg");
}

#[test]
fn the_tar_passes_unchanged_before_what_is_added() {
    let tar = tar();
    let (blob, seal) = estargz(&tar, 5, 2, 1 << 20);
    let whole = decompressed(&blob);
    assert_eq!(Digest::of(&whole), seal.tar);
    assert!(whole.starts_with(&tar));
    // Readers of tars stop at the end mark.
    let mut archive = ::tar::Archive::new(Cursor::new(&whole));
    let last = archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().into_owned()).last();
    assert_eq!(last.unwrap().to_str(), Some(".wh.gone"));
}

#[test]
fn bytes_do_not_depend_on_threads_or_on_how_they_come() {
    let tar = tar();
    let (blob, seal) = estargz(&tar, 3, 1, 1 << 20);
    for (threads, step) in [(2, 511), (4, 100_003)] {
        assert!(estargz(&tar, 3, threads, step) == (blob.clone(), seal));
    }
}

#[test]
fn a_tar_that_is_cut_off_is_refused() {
    let tar = tar();
    for len in [100, 512 + 700, 3 << 20] {
        let mut writer = Compressor::new(Vec::new(), Compression::Estargz(1), 1).unwrap();
        writer.write_all(&tar[..len]).unwrap();
        let error = writer.finish().unwrap_err();
        assert_eq!(error.to_string(), "the tar of a layer ends within an entry", "{len}");
    }
    let (blob, _) = estargz(&[], 1, 1, 1);
    assert!(String::from_utf8(table(&blob).0).unwrap().contains(LANDMARK.0));
}
