//! The bytes of the tar writer, pinned and read back by other programs.

use std::process::Command;

use serde_json::{Value, json};

use super::*;
use crate::oci::Digest;
use crate::tree::{Time, Xattr};

fn entry(path: &str, kind: Kind) -> Entry {
    Entry { uid: 1000, gid: 100, ..Entry::new(path.into(), kind, 0o644, Time::from_seconds(1_600_000_000)) }
}

fn file(path: &str, size: u64) -> Entry {
    entry(path, Kind::File { size, digest: Digest::from_bytes([0; 32]) })
}

fn symlink(path: &str, target: &[u8]) -> Entry {
    entry(path, Kind::Symlink { target: target.into() })
}

fn device() -> Device {
    Device { major: 8, minor: 0xf_ffff }
}

/// A path of `len` bytes in components of nine.
fn deep(len: usize) -> String {
    let directories = "directory/".repeat((len - 1) / 10);
    format!("{directories}{}", "f".repeat(len - directories.len()))
}

/// One entry of every sort, with a name that says what it shows and the digest of its blocks: writer v1.
fn zoo() -> Vec<(Entry, &'static str)> {
    let directory = |opaque| Kind::Directory { opaque };
    let with = |mut entry: Entry, change: &dyn Fn(&mut Entry)| {
        change(&mut entry);
        entry
    };
    let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.into(), value: value.into() };
    let raw = |bytes: &[u8]| TreePath::from_normal(bytes).unwrap();
    vec![
        (file("file", 5), "1424ad94cb53"),
        (file("empty", 0), "e2336442cad1"),
        (with(entry("directory", directory(false)), &|e| e.mode = 0o1777), "cc3429566d5f"),
        (entry("opaque", directory(true)), "de08f46789cf"),
        (with(file("setuid", 1), &|e| e.mode = 0o6755), "3bc2e3e386ba"),
        (symlink("symlink", b"../a b"), "f57858fdc56c"),
        (symlink("symlink-long", "t".repeat(101).as_bytes()), "4249887098f0"),
        (entry("hardlink", Kind::Hardlink { target: "file".into() }), "8aaddd8a4650"),
        (entry("hardlink-long", Kind::Hardlink { target: deep(300).as_str().into() }), "6b5464d07c7b"),
        (entry("char", Kind::CharDevice(device())), "11d59b6531f4"),
        (entry("block", Kind::BlockDevice(device())), "0baa27d38d4b"),
        (entry("fifo", Kind::Fifo), "310d731228b1"),
        (Entry::whiteout("whiteout".into()), "c12a9263a4ce"),
        (Entry::whiteout(format!("in/{}", "w".repeat(250)).as_str().into()), "ca4c2f8f0b78"),
        (file(&"n".repeat(100), 1), "25759ecdb6d1"),
        (file(&"n".repeat(101), 1), "611da78e0fe0"),
        (entry(&"d".repeat(99), directory(false)), "735dc96823fa"),
        (entry(&"d".repeat(100), directory(false)), "630c32729b3f"),
        (file(&format!("{}/{}", "p".repeat(155), "n".repeat(100)), 1), "28c67abe74e8"),
        (file(&format!("{}/{}", "p".repeat(156), "n".repeat(100)), 1), "c64f4681d7c7"),
        (file(&deep(4095), 1), "9c293d6c5c20"),
        (file("größe", 1), "e4c75bf36d1e"),
        (with(file("", 1), &|e| e.path = raw(b"not-utf-8-\xff\xfe")), "8b8843ff8c59"),
        (with(file("", 1), &|e| e.path = raw(&[&b"\xff/".repeat(200)[..], b"x"].concat())), "6e9681b30547"),
        (with(file("owner-fits", 1), &|e| (e.uid, e.gid) = (0o777_7777, 0o777_7777)), "e5f58239a6f8"),
        (with(file("owner-large", 1), &|e| (e.uid, e.gid) = (0o1000_0000, u32::MAX - 1)), "ff409d22a339"),
        (with(file("before-1970", 1), &|e| e.mtime = Time { seconds: -5, nanos: 999 }), "691d21bc01cc"),
        (with(file("fraction", 1), &|e| e.mtime.nanos = 999_999_999), "8c1c0bdd5f25"),
        (with(file("far", 1), &|e| e.mtime.seconds = 1 << 33), "5a0b076f54c5"),
        (
            with(file("xattrs", 1), &|e| {
                e.xattrs = vec![xattr(b"security.capability", b"\0=\n\xff"), xattr(b"user.a", b"")];
            }),
            "c2590c37cb51",
        ),
    ]
}

fn blocks(entry: &Entry) -> Vec<u8> {
    let mut out = Vec::new();
    encode_header(entry, &mut out).unwrap();
    out
}

/// A tar of the zoo, every file's content being dots.
fn zoo_tar() -> Vec<u8> {
    let mut writer = TarWriter::new(Vec::new());
    for (entry, _) in zoo() {
        writer.append(&entry, io::repeat(b'.').take(entry.size())).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn writer_v1_never_changes() {
    let wrong: Vec<_> = zoo()
        .into_iter()
        .map(|(entry, expected)| (entry.path.to_string(), Digest::of(&blocks(&entry)).short(), expected))
        .filter(|(_, digest, expected)| digest != expected)
        .collect();
    assert!(wrong.is_empty(), "blocks differ: {wrong:#?}");
    assert_eq!(Digest::of(&zoo_tar()).short(), "a51eb1eac51b");
}

#[test]
fn an_empty_tar_is_two_blocks() {
    let tar = TarWriter::new(Vec::new()).finish().unwrap();
    let digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
    assert_eq!(Digest::of(&tar).to_string(), digest);
}

const LIST: &str = r#"
import json, sys, tarfile
text = lambda s: s.encode("utf-8", "surrogateescape").hex()
for m in tarfile.open(sys.argv[1], encoding="utf-8", errors="surrogateescape"):
    print(json.dumps([text(m.name), m.type.decode(), m.size, oct(m.mode), m.uid, m.gid, m.mtime, text(m.linkname),
        m.devmajor, m.devminor, m.uname + m.gname,
        {k: text(v) for k, v in m.pax_headers.items() if k.startswith("SCHILY")}]))
"#;

/// What Python's reader says of each member.
fn listed(tar: &[u8]) -> Vec<Value> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layer.tar");
    std::fs::write(&path, tar).unwrap();
    let output =
        Command::new("python3").arg("-c").arg(LIST).arg(&path).output().expect("this test needs python3");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|b| [b >> 4, b & 15])
        .map(|n| char::from(b"0123456789abcdef"[usize::from(n)]))
        .collect()
}

/// The same from the entry itself.
fn expected(entry: &Entry) -> Vec<Value> {
    let (kind, link, device) = match &entry.kind {
        Kind::File { .. } => ("0", &[][..], Device::default()),
        Kind::Hardlink { target } => ("1", target.as_bytes(), Device::default()),
        Kind::Symlink { target } => ("2", &target[..], Device::default()),
        Kind::CharDevice(device) => ("3", &[][..], *device),
        Kind::BlockDevice(device) => ("4", &[][..], *device),
        Kind::Directory { .. } => ("5", &[][..], Device::default()),
        Kind::Fifo => ("6", &[][..], Device::default()),
        Kind::Whiteout | Kind::Socket => ("0", &[][..], Device::default()),
    };
    let mark = |path: TreePath| json!([hex(path.as_bytes()), "0", 0, "0o0", 0, 0, 0, "", 0, 0, "", {}]);
    if entry.is_whiteout() {
        let name = [WHITEOUT_PREFIX, entry.path.name()].concat();
        return vec![mark(entry.path.parent().unwrap().child(&name))];
    }
    let mode = if kind == "2" { 0o777 } else { entry.mode };
    let xattrs: serde_json::Map<String, Value> = entry
        .xattrs
        .iter()
        .map(|x| (format!("SCHILY.xattr.{}", String::from_utf8_lossy(&x.name)), hex(&x.value).into()))
        .collect();
    let mut all = vec![json!([
        hex(entry.path.as_bytes()),
        kind,
        entry.size(),
        format!("0o{mode:o}"),
        entry.uid,
        entry.gid,
        entry.mtime.seconds,
        hex(link),
        device.major,
        device.minor,
        "",
        xattrs
    ])];
    if matches!(entry.kind, Kind::Directory { opaque: true }) {
        all.push(mark(entry.path.child(OPAQUE_MARK)));
    }
    all
}

/// Python gives PAX times as floating point numbers.
fn whole_times(mut member: Value) -> Value {
    if let Some(time) = member[6].as_f64() {
        member[6] = json!(time as i64);
    }
    member
}

#[test]
fn python_reads_every_field() {
    let listed: Vec<_> = listed(&zoo_tar()).into_iter().map(whole_times).collect();
    let expected: Vec<_> = zoo().iter().flat_map(|(entry, _)| expected(entry)).collect();
    for (got, wanted) in listed.iter().zip(&expected) {
        assert_eq!(got, wanted);
    }
    assert_eq!(listed.len(), expected.len());
}

#[test]
fn gnu_tar_reads_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("layer.tar");
    std::fs::write(&path, zoo_tar()).unwrap();
    let output = Command::new("tar")
        .args(["--list", "--verbose", "--numeric-owner", "--quoting-style=literal", "--utc", "--file"])
        .arg(&path)
        .output()
        .expect("this test needs GNU tar");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "");
    let text = String::from_utf8_lossy(&output.stdout);
    for line in [
        "-rw-r--r-- 1000/100         5 2020-09-13 12:26 file",
        "drwxrwxrwt 1000/100         0 2020-09-13 12:26 directory/",
        "-rwsr-sr-x 1000/100         1 2020-09-13 12:26 setuid",
        "lrwxrwxrwx 1000/100         0 2020-09-13 12:26 symlink -> ../a b",
        "hrw-r--r-- 1000/100         0 2020-09-13 12:26 hardlink link to file",
        "---------- 0/0               0 1970-01-01 00:00 opaque/.wh..wh..opq",
        "---------- 0/0               0 1970-01-01 00:00 .wh.whiteout",
        "-rw-r--r-- 1000/100         1 1969-12-31 23:59 before-1970",
        "-rw-r--r-- 2097152/4294967294 1 2020-09-13 12:26 owner-large",
    ] {
        assert!(text.lines().any(|l| squeeze(l) == squeeze(line)), "no line `{line}` in\n{text}");
    }
    assert_eq!(text.lines().count(), zoo().len() + 1);
}

fn squeeze(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

#[test]
fn records_stand_only_where_they_must() {
    // ustar name and prefix exactly full; one byte more; a directory's slash counts.
    for (path, blocks_expected) in [
        ("n".repeat(100), 1),
        ("n".repeat(101), 3),
        (format!("{}/{}", "p".repeat(155), "n".repeat(100)), 1),
        (format!("{}/{}", "p".repeat(156), "n".repeat(100)), 3),
    ] {
        assert_eq!(blocks(&file(&path, 1)).len(), blocks_expected * BLOCK, "{path}");
    }
    assert_eq!(blocks(&file("limit", MAX_LONG)).len(), BLOCK);
    let over = blocks(&file("over", MAX_LONG + 1));
    assert_eq!(over.len(), 3 * BLOCK);
    assert!(over[BLOCK..].starts_with(b"19 size=8589934592\n\0"));
}

#[test]
fn the_root_and_implied_directories_are_not_written() {
    let root = Entry::directory(TreePath::root(), 0o755, Time::default());
    assert!(blocks(&root).is_empty());
    let mut implied = Entry::directory("usr".into(), 0o755, Time::default());
    implied.implied = true;
    assert!(blocks(&implied).is_empty());
    implied.kind = Kind::Directory { opaque: true };
    assert_eq!(listed(&blocks(&implied)).len(), 1, "only the mark");
}

#[test]
fn what_has_no_form_is_refused() {
    let xattr = Xattr { name: b"user.a=b".as_slice().into(), value: [].into() };
    let named = |path: &[u8]| Entry { path: TreePath::clean(path), ..file("", 0) };
    let error = |entry: &Entry| {
        let mut out = b"before".to_vec();
        let error = encode_header(entry, &mut out).unwrap_err();
        assert_eq!(out, b"before");
        error
    };
    for entry in [file("a/.wh.b", 0), file(".wh.b/c", 0), Entry::whiteout(".wh..wh..opq".into())] {
        assert!(matches!(error(&entry), TarError::Reserved { path } if path == entry.path));
    }
    let mut odd = file("odd", 0);
    odd.xattrs = vec![xattr];
    for entry in [named(b"a\0b"), symlink("s", b"a\0b"), odd] {
        assert!(matches!(error(&entry), TarError::Byte { path, .. } if path == entry.path));
    }
    let longest = "d/".repeat(2047) + "ff";
    assert!(encode_header(&file(&longest, 0), &mut Vec::new()).is_ok());
    assert!(matches!(error(&file(&(longest + "f"), 0)), TarError::Long { .. }));
    assert!(matches!(error(&entry("socket", Kind::Socket)), TarError::Socket { .. }));
    let device = Device { major: 1, minor: MAX_SHORT + 1 };
    assert!(matches!(error(&entry("device", Kind::CharDevice(device))), TarError::Device { .. }));
}

#[test]
fn content_must_have_its_size() {
    for (size, actual) in [(5, 4), (5, 6), (0, 1), (512, 511)] {
        let result = TarWriter::new(io::sink()).append(&file("file", size), io::repeat(0).take(actual));
        assert!(
            matches!(result, Err(TarError::Size { expected, .. }) if expected == size),
            "{size} {actual}"
        );
    }
}

#[test]
fn padding_fills_the_block() {
    for (size, expected) in [(0, 0), (1, 511), (511, 1), (512, 0), (513, 511), (u64::MAX, 1)] {
        assert_eq!(padding(size), expected, "{size}");
    }
}
