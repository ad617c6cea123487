//! Archives by hand, hostile ones among them, unpacked on the real file system.

use std::fmt::Write as _;
use std::fs;

use ::tar::Header;

use super::*;
use crate::layer::described::{Detail, describe};
use crate::layer::tar::{BLOCK, END, TarWriter, padding};
use crate::oci::Digest;
use crate::sys::file::open_directory;
use crate::tree::{Entry, Kind, Time, Xattr};

mod sparse;

/// A tar in the making that does not mind what stands in it.
#[derive(Default)]
struct Tar(Vec<u8>);

impl Tar {
    /// A tar of what `text` names, with ` | ` between: files (`f NAME CONTENT`), directories (`d NAME`), symbolic and
    /// hard links (`l NAME TARGET`, `h NAME TARGET`), a PAX record for what follows (`x KEY VALUE`), other extended
    /// headers (`r`, `g` or `L` and their content), and anything else by the byte of its type.
    fn of(text: &str) -> Self {
        let mut tar = Self::default();
        for part in text.split(" | ") {
            let mut words = part.splitn(3, ' ');
            let mut word = || words.next().unwrap_or_default();
            match (word(), word(), word()) {
                ("f", name, content) => tar.file(name, content),
                ("d", name, _) => tar.dir(name),
                ("l", name, target) => tar.symlink(name, target),
                ("h", name, target) => tar.hardlink(name, target),
                ("x", key, value) => tar.pax(key, value.as_bytes()),
                ("r", ..) => tar.data("x", b'x', &part.as_bytes()[2..]),
                ("g" | "L", ..) => tar.data("x", part.as_bytes()[0], &part.as_bytes()[2..]),
                (kind, name, _) => tar.block(name, kind.as_bytes()[0], "", 0),
            };
        }
        tar
    }

    fn block(&mut self, name: &str, kind: u8, link: &str, size: u64) -> &mut Self {
        let mut header = Header::new_ustar();
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name.as_bytes());
        fields.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.as_old_mut().linkflag = [kind];
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(1_000_000);
        header.set_size(size);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self
    }

    fn file(&mut self, name: &str, content: &str) -> &mut Self {
        self.data(name, b'0', content.as_bytes())
    }

    fn data(&mut self, name: &str, kind: u8, content: &[u8]) -> &mut Self {
        self.block(name, kind, "", content.len() as u64);
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len() + padding(content.len() as u64), 0);
        self
    }

    fn dir(&mut self, name: &str) -> &mut Self {
        self.block(name, b'5', "", 0)
    }

    fn symlink(&mut self, name: &str, target: &str) -> &mut Self {
        self.block(name, b'2', target, 0)
    }

    fn hardlink(&mut self, name: &str, target: &str) -> &mut Self {
        self.block(name, b'1', target, 0)
    }

    fn pax(&mut self, key: &str, value: &[u8]) -> &mut Self {
        let rest = key.len() + value.len() + 3;
        let len = (rest + 1..rest + 10).find(|len| rest + len.to_string().len() == *len).unwrap();
        let record = [format!("{len} {key}=").as_bytes(), value, b"\n"].concat();
        self.data("pax", b'x', &record)
    }

    fn end(&self) -> Vec<u8> {
        [&self.0[..], &END].concat()
    }
}

/// A place to unpack in, and things beside it that must not be touched.
struct Ground(tempfile::TempDir);

impl Ground {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("root")).unwrap();
        fs::create_dir(dir.path().join("victim")).unwrap();
        fs::write(dir.path().join("victim/file"), "safe").unwrap();
        Self(dir)
    }

    fn root(&self) -> std::path::PathBuf {
        self.0.path().join("root")
    }

    fn apply(&self, tar: &[u8]) -> Result<Applied, ApplyError> {
        let before = self.outside();
        let result = apply(tar, open_directory(&self.root()).unwrap(), ApplyOptions::new(Marks::Trusted));
        assert_eq!(self.outside(), before, "something outside was touched");
        result
    }

    /// All that lies beside the root, by name, and what is in it.
    fn outside(&self) -> Vec<String> {
        let mut beside: Vec<_> = fs::read_dir(self.0.path())
            .unwrap()
            .map(|entry| format!("{:?}", entry.unwrap().file_name()))
            .collect();
        beside.sort();
        beside.extend(describe(&self.0.path().join("victim"), Detail::All));
        beside
    }
}

fn message(error: &ApplyError) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}

fn short(index: &Index) -> Vec<String> {
    let line = |entry: &Entry| {
        let implied = if entry.implied { " implied" } else { "" };
        let what = match &entry.kind {
            Kind::File { size, .. } => format!(" {size}"),
            Kind::Directory { opaque } => format!("/{}", if *opaque { " opaque" } else { "" }),
            Kind::Symlink { target } => format!(" -> {}", String::from_utf8_lossy(target)),
            Kind::Hardlink { target } => format!(" = {target}"),
            Kind::Whiteout => " gone".to_owned(),
            kind => format!(" {kind:?}"),
        };
        format!("{}{what}{implied}", entry.path)
    };
    index.entries().iter().map(line).collect()
}

/// What hostile and broken archives hold (see [`Tar::of`]), and the error that they give.
const REFUSED: &[(&str, &str)] = &[
    ("f ../victim/file x", "the entry `../victim/file` cannot be unpacked: it contains `..`"),
    ("d a | f a/../../victim/x x", "the entry `a/../../victim/x` cannot be unpacked: it contains `..`"),
    ("f ../.wh.victim", "the entry `../.wh.victim` cannot be unpacked: it contains `..`"),
    (
        "f .wh.",
        "the entry `.wh.` cannot be unpacked: a name that starts with `.wh.` can only mark a removed file",
    ),
    (
        "f a/.wh..",
        "the entry `a/.wh..` cannot be unpacked: a name that starts with `.wh.` can only mark a removed file",
    ),
    (
        "f a/.wh...",
        "the entry `a/.wh...` cannot be unpacked: a name that starts with `.wh.` can only mark a removed file",
    ),
    (
        "f .wh.a/b",
        "the entry `.wh.a/b` cannot be unpacked: a name that starts with `.wh.` can only mark a removed file",
    ),
    ("f .wh..wh..opq", "the entry `.wh..wh..opq` cannot be unpacked: the root of a layer cannot be opaque"),
    ("f a x | f a/b y", "the entry `a/b` cannot be unpacked: `/a` is not a directory"),
    ("l a b | l b a | f a/x y", "the entry `a/x` cannot be unpacked: too many symbolic links on the way"),
    (
        "h a ../victim/file",
        "the link `a` cannot be unpacked: its target `../victim/file` is not usable, it contains `..`",
    ),
    ("h a /etc/passwd", "the hard link `a` cannot be unpacked: there is no file `/etc/passwd` before it"),
    ("h a b | f b", "the hard link `a` cannot be unpacked: there is no file `/b` before it"),
    ("d d | h a d", "the hard link `a` cannot be unpacked: there is no file `/d` before it"),
    ("f a | h a a", "the hard link `a` cannot be unpacked: there is no file `/a` before it"),
    (
        "l l ../victim | h a l/file",
        "the hard link `a` cannot be unpacked: there is no file `/victim/file` before it",
    ),
    ("f d/a | h d d/a", "the hard link `d` cannot be unpacked: there is no file `/d/a` before it"),
    ("l a ", "the link `a` cannot be unpacked: its target `` is not usable, it is empty"),
    ("x path a\0b | f x", "the entry `a\0b` cannot be unpacked: it contains a zero byte"),
    ("Z a", "the entry `a` has the type `Z`, which cannot be unpacked"),
    ("x GNU.sparse.major 1 | f a", "the entry `a` has an invalid map of a sparse file"),
    ("x GNU.sparse.map 0,9 | f a 123", "the entry `a` has an invalid map of a sparse file"),
    (
        "r 21 GNU.sparse.size=9\n26 GNU.sparse.map=0,3,2,1\n | f a 1234",
        "the entry `a` has an invalid map of a sparse file",
    ),
    ("r 21 GNU.sparse.size=9\n | d a", "the entry `a` has an invalid map of a sparse file"),
    (
        "r 23 GNU.sparse.offset=1\n23 GNU.sparse.offset=1\n | f a",
        "the entry `a` has an invalid map of a sparse file",
    ),
    ("x uid 4294967295 | f a", "the entry `a` has an invalid uid"),
    ("x size -1 | f a", "the entry `a` has an invalid size"),
    ("r 99 path=a\n | f a", "the entry `a` has an invalid extended header"),
];

#[test]
fn archives_that_are_refused() {
    for (content, expected) in REFUSED {
        match Ground::new().apply(&Tar::of(content).end()) {
            Ok(applied) => panic!("{content}: was unpacked: {:?}", short(&applied.index)),
            Err(error) => assert_eq!(message(&error), *expected, "{content}"),
        }
    }
}

/// What a tar that is no layer cannot have, because a layer could not hold it.
#[test]
fn files_have_no_marks() {
    let reserved = "a name that starts with `.wh.` can only mark a removed file";
    for (content, name, problem) in [
        ("f d/.wh.x", "d/.wh.x", reserved),
        ("d d | f d/.wh..wh..opq", "d/.wh..wh..opq", reserved),
        ("d .wh..wh.plnk", ".wh..wh.plnk", reserved),
        ("f .wh.d/x 1", ".wh.d/x", reserved),
        ("3 x", "x", "a character device 0:0 can only mark a removed file"),
    ] {
        let ground = Ground::new();
        let options = ApplyOptions { contents: Contents::Files, ..ApplyOptions::new(Marks::Trusted) };
        let result = apply(&Tar::of(content).end()[..], open_directory(&ground.root()).unwrap(), options);
        let expected = format!("the entry `{name}` cannot be unpacked: {problem}");
        assert_eq!(message(&result.unwrap_err()), expected, "{content}");
    }
}

#[test]
fn what_begins_as_a_tar() {
    for (content, expected) in [
        ("f a 1", true),
        ("S a", true),
        ("r 21 GNU.sparse.size=x\n | f a", false),
        ("Z a", true),
        ("x uid 4294967295 | f a", false),
    ] {
        assert_eq!(begins_tar(&Tar::of(content).end()[..]), expected, "{content}");
    }
    for (bytes, expected) in
        [(&b""[..], false), (b"text", false), (&[0; 2048], false), (&[b'x'; 2048], false)]
    {
        assert_eq!(begins_tar(bytes), expected, "{} bytes", bytes.len());
    }
    // Where the content ends is not looked at.
    assert!(begins_tar(&Tar::default().file("a", &"1".repeat(5000)).0[..600]));
}

#[test]
fn names_that_are_too_long() {
    let long_link = format!("x linkpath {} | l a q | x path a/{} | f x", "b/".repeat(2040), "c/".repeat(100));
    let of_length = |length: usize| "a/".repeat(2046) + &"b".repeat(length - 2 * 2046);
    for content in [
        format!("x path {} | f x", "a".repeat(256)),
        format!("x path {} | f x", of_length(4097)),
        format!("x path {}/ | d x", of_length(4097)),
        format!("x linkpath {} | l a q", "a/".repeat(2100)),
        long_link,
    ] {
        let text = message(&Ground::new().apply(&Tar::of(&content).end()).unwrap_err());
        assert!(text.ends_with("it is too long"), "{text}");
    }
    for longest in
        [format!("x path {} | f x 1", of_length(4096)), format!("x path {}/ | d x", of_length(4096))]
    {
        assert_eq!(Ground::new().apply(&Tar::of(&longest).end()).unwrap().index.entries().len(), 2047);
    }
}

#[test]
fn sizes_that_lie() {
    for size in [1, 5000, 1_u64 << 40, u64::MAX] {
        let mut tar = Tar::default();
        tar.pax("size", size.to_string().as_bytes()).block("a", b'0', "", 0);
        assert_eq!(
            message(&Ground::new().apply(&tar.0).unwrap_err()),
            "the tar is cut off after `a`",
            "{size}"
        );
    }
    let mut tar = Tar::default();
    tar.block("x", b'x', "", 1 << 30);
    assert_eq!(
        message(&Ground::new().apply(&tar.0).unwrap_err()),
        "the tar has a header of over 1048576 bytes"
    );
}

#[test]
fn what_is_no_tar_is_refused() {
    for (bytes, expected) in [
        (vec![b'x'; 4096], "the tar is damaged, or it is none: a header has a wrong checksum"),
        (vec![b'x'; 100], "the tar is cut off"),
        (Tar::default().file("a", &"1".repeat(300)).0[..700].to_vec(), "the tar is cut off after `a`"),
        (Tar::default().pax("path", b"a").0.clone(), "the tar is cut off"),
    ] {
        assert_eq!(message(&Ground::new().apply(&bytes).unwrap_err()), expected);
    }
    assert!(Ground::new().apply(b"").unwrap().index.entries().is_empty());
    // As umoci's `insert` writes it: neither padding nor end mark.
    let applied = Ground::new().apply(&Tar::default().file("a", "1").0[..513]).unwrap();
    assert_eq!((applied.index.entries().len(), applied.regenerates), (1, false));
}

#[test]
fn limits_hold() {
    let ground = Ground::new();
    let tar = Tar::default().file("a", "12345").file("b", "67890").end();
    let limited =
        |max_bytes, max_entries| ApplyOptions { max_bytes, max_entries, ..ApplyOptions::new(Marks::Trusted) };
    let run =
        |options| apply(&tar[..], open_directory(&ground.root()).unwrap(), options).unwrap_err().to_string();
    assert_eq!(run(limited(9, 10)), "there are over 9 bytes of content, which is the limit");
    assert_eq!(run(limited(99, 1)), "there are over 1 entries, which is the limit");
}

/// What odd archives hold (see [`Tar::of`]), and what becomes of it.
const ODD: &[(&str, &[&str])] = &[
    ("f /a 1 | f ./b//./c 22 | d ./", &["/a 1", "/b/ implied", "/b/c 2"]),
    ("f a 1 | f a 22 | f a 333", &["/a 3"]),
    ("f a 1 | d a | f a/b 1", &["/a/", "/a/b 1"]),
    ("d a | f a/b/c 1 | f a 22", &["/a 2"]),
    ("f a/b 1 | d a", &["/a/", "/a/b 1"]),
    // Parents that are links.
    (
        "d usr/lib | l lib usr/lib | f lib/x 1",
        &["/lib -> usr/lib", "/usr/ implied", "/usr/lib/", "/usr/lib/x 1"],
    ),
    (
        "l lib /usr/lib | f lib/a/x 1",
        &["/lib -> /usr/lib", "/usr/ implied", "/usr/lib/ implied", "/usr/lib/a/ implied", "/usr/lib/a/x 1"],
    ),
    ("l l ../../victim | f l/file evil", &["/l -> ../../victim", "/victim/ implied", "/victim/file 4"]),
    ("l a b | l b c/../d | f a/x 1", &["/a -> b", "/b -> c/../d", "/c/ implied", "/d/ implied", "/d/x 1"]),
    ("l l /victim | f l/a 1 | d l | f l/b 1", &["/l/", "/l/b 1", "/victim/ implied", "/victim/a 1"]),
    ("d d | f d/x | l d ../victim | d d/file | f d/file/x y | f victim z", &["/d -> ../victim", "/victim 1"]),
    // Hard links.
    ("f z 1 | h a z | h m a", &["/a 1", "/m = /a", "/z = /a"]),
    ("f a 1 | h b a | f a 22", &["/a 2", "/b 1"]),
    ("f a 1 | h b a | h c b | f a 22", &["/a 2", "/b 1", "/c = /b"]),
    ("l a q | h b a", &["/a -> q", "/b = /a"]),
    // Marks.
    ("f d/.wh.x", &["/d/ implied", "/d/x gone"]),
    ("f x 1 | f .wh.x", &["/x 1"]),
    ("f .wh.x | f x 1", &["/x 1"]),
    ("f .wh.d | d d | f d/a 1", &["/d/ opaque", "/d/a 1"]),
    ("d d | f d/a 1 | f .wh.d", &["/d/ opaque", "/d/a 1"]),
    ("f .wh.d | f d/e/a 1", &["/d/ opaque", "/d/e/ implied", "/d/e/a 1"]),
    ("d d | f d/a 1 | f d/.wh..wh..opq", &["/d/ opaque", "/d/a 1"]),
    ("f d/.wh..wh..opq | d d", &["/d/ opaque"]),
    ("3 x", &["/x gone"]),
    ("d .wh..wh.plnk | f .wh..wh.plnk/1.2 x | f .wh..wh.aufs", &[]),
    // Forms of the format.
    ("L long/name\0 | f short 1", &["/long/ implied", "/long/name 1"]),
    ("\0 d/", &["/d/"]),
    ("g 13 comment=x\n | f a 1", &["/a 1"]),
    ("S a", &["/a 0"]),
    ("r 21 GNU.sparse.size=9\n26 GNU.sparse.map=2,3,8,1\n21 GNU.sparse.name=b\n | f a 1234", &["/b 9"]),
];

#[test]
fn odd_archives_and_what_they_give() {
    for (content, expected) in ODD {
        let ground = Ground::new();
        let tar = Tar::of(content).end();
        let applied = ground.apply(&tar).unwrap_or_else(|error| panic!("{content}: {}", message(&error)));
        assert_eq!(short(&applied.index), *expected, "{content}");
        assert_eq!(applied.diff_id, DiffId(Digest::of(&tar)), "{content}");
        assert_eq!(applied.bytes, tar.len() as u64, "{content}");
        assert!(!applied.regenerates, "{content}");
        assert_disk_is(&ground, &applied.index, content);
    }
}

#[test]
fn links_that_claim_a_size_have_no_content() {
    let mut tar = Tar::default();
    tar.file("a", "1").block("b", b'1', "a", 77).block("c", b'2', "a", 9);
    let applied = Ground::new().apply(&tar.end()).unwrap();
    assert_eq!(short(&applied.index), ["/a 1", "/b = /a", "/c -> a"]);
}

/// What is on disk is what the index says: our own tar of it, unpacked elsewhere, gives the same.
fn assert_disk_is(ground: &Ground, index: &Index, name: &str) {
    let mut entries = index.clone().into_entries();
    for entry in &mut entries {
        // Implied directories would have to be in the tar to be on disk with the same time.
        entry.implied = false;
    }
    let mut writer = TarWriter::new(Vec::new());
    for entry in &entries {
        let content = match entry.kind {
            Kind::File { .. } => fs::read(ground.root().join(entry.path.as_path())).unwrap(),
            _ => Vec::new(),
        };
        if let Kind::File { digest, .. } = &entry.kind {
            assert_eq!(*digest, Digest::of(&content), "{name}");
        }
        writer.append(entry, &content[..]).unwrap();
    }
    let tar = writer.finish().unwrap();
    let again = Ground::new();
    let applied = again.apply(&tar).unwrap();
    assert_eq!(applied.index.entries(), entries, "{name}");
    assert!(applied.regenerates, "{name}");
    assert_eq!(describe(&again.root(), Detail::All), describe(&ground.root(), Detail::All), "{name}");
}

#[test]
fn metadata_lands_exactly() {
    let mut tar = Tar::default();
    tar.pax("SCHILY.xattr.user.note", b"a=\0\n").pax("mtime", b"1600000000.75").file("ignored", "");
    let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut records = Vec::new();
    for (key, value) in [
        ("SCHILY.xattr.security.capability", &capability[..]),
        ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.overlay.opaque", b"y"),
        ("SCHILY.xattr.user.b", b"2"),
        ("SCHILY.xattr.user.a", b"1"),
        ("mtime", b"1600000000.75"),
        ("uid", b"3000000"),
    ] {
        let mut record = Tar::default();
        record.pax(key, value);
        let text = &record.0[BLOCK..];
        let len: usize =
            String::from_utf8_lossy(&text[..text.iter().position(|&b| b == b' ').unwrap()]).parse().unwrap();
        records.extend_from_slice(&text[..len]);
    }
    tar.data("x", b'x', &records).file("f", "content").dir("d");
    let ground = Ground::new();
    let applied = ground.apply(&tar.end()).unwrap();
    let capability: String = capability.iter().flat_map(|b| b.escape_ascii()).map(char::from).collect();
    let content = Digest::of(b"content").short();
    assert_eq!(
        describe(&ground.root(), Detail::All),
        [
            "/d dir 644 0:0 1000000.000000000".to_owned(),
            format!(
                "/f file 7 {content} 644 3000000:0 1600000000.000000000 security.capability={capability} user.a=1 user.b=2"
            ),
            format!(
                "/ignored file 0 {} 644 0:0 1600000000.000000000 user.note=a=\\x00\\n",
                Digest::of(b"").short()
            ),
        ]
    );
    let f = applied.index.get(&"f".into()).unwrap();
    assert_eq!(f.xattrs.len(), 3);
    assert_eq!(f.mtime, Time::from_seconds(1_600_000_000));
}

#[test]
fn our_own_archives_regenerate_and_others_do_not() {
    let file = |path: &str, content: &str| {
        let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content.as_bytes()) };
        Entry::new(path.into(), kind, 0o644, Time::from_seconds(5))
    };
    let dir = |path: &str| Entry::directory(path.into(), 0o755, Time::from_seconds(5));
    let mut opaque = dir("o");
    opaque.kind = Kind::Directory { opaque: true };
    let mut noted = file("noted", "n");
    noted.xattrs.push(Xattr { name: (*b"user.x").into(), value: (*b"y").into() });
    let long = "l".repeat(200);
    let link = Entry::new("z".into(), Kind::Hardlink { target: "d/a".into() }, 0o644, Time::from_seconds(5));
    let entries = vec![
        dir("d"),
        file("d/a", "1"),
        Entry::whiteout("d/gone".into()),
        file(&long, "22"),
        noted,
        opaque,
        file("o/x", "333"),
        link,
    ];
    let write = |entries: &[Entry]| {
        let mut writer = TarWriter::new(Vec::new());
        for entry in entries {
            writer
                .append(
                    entry,
                    &b"122333n"[if entry.path == "noted".into() {
                        6..7
                    } else {
                        match entry.size() {
                            1 => 0..1,
                            2 => 1..3,
                            _ => 3..6,
                        }
                    }],
                )
                .unwrap();
        }
        writer.finish().unwrap()
    };
    let tar = write(&entries);
    let ground = Ground::new();
    let applied = ground.apply(&tar).unwrap();
    assert_eq!(applied.index.entries(), entries);
    assert!(applied.regenerates);

    // Each of these differs in a single thing.
    let mut padded = tar.clone();
    padded.resize(tar.len() + BLOCK, 0);
    let mut swapped = entries.clone();
    swapped.swap(3, 4);
    let mut trailing = tar.clone();
    trailing.extend_from_slice(b"more");
    let mut unclean = tar.clone();
    unclean[3 * BLOCK - 1] = 1;
    let mut idle = Tar(tar[..tar.len() - END.len()].to_vec());
    idle.data("x", b'L', b"name");
    idle.0.extend_from_slice(&END);
    for (name, tar) in [
        ("another end", padded),
        ("another order", write(&swapped)),
        ("something after the end", trailing),
        ("padding that is not zero", unclean),
        ("an extended header without an entry", idle.0),
        ("no end", tar[..tar.len() - 2 * BLOCK].to_vec()),
    ] {
        assert!(!Ground::new().apply(&tar).unwrap().regenerates, "{name}");
    }
}

#[test]
fn large_and_many_files_are_written_whole() {
    let mut tar = Tar::default();
    let large: Vec<u8> = (0..3_000_000_u32).map(|i| (i / 7) as u8).collect();
    for i in 0..500 {
        tar.file(&format!("d{}/f{i}", i % 7), &"x".repeat(i * 3));
        if i % 200 == 0 {
            tar.data(&format!("large{i}"), b'0', &large).hardlink(&format!("link{i}"), &format!("large{i}"));
            tar.file("d0/f0", "again and again");
        }
    }
    let ground = Ground::new();
    let applied = ground.apply(&tar.end()).unwrap();
    assert_eq!(applied.index.entries().len(), 500 + 7 + 6);
    assert_eq!(fs::read(ground.root().join("link400")).unwrap(), large);
    assert_eq!(fs::read(ground.root().join("d0/f0")).unwrap(), b"again and again");
    assert_disk_is(&ground, &applied.index, "large");
}

#[test]
fn a_full_disk_is_an_error_with_the_file() {
    let ground = Ground::new();
    let options = c"size=1m";
    rustix::mount::mount("tmpfs", ground.root(), "tmpfs", rustix::mount::MountFlags::empty(), Some(options))
        .unwrap();
    let mut tar = Tar::default();
    tar.data("big", b'0', &vec![1; 3_000_000]);
    let result =
        apply(&tar.end()[..], open_directory(&ground.root()).unwrap(), ApplyOptions::new(Marks::Trusted));
    rustix::mount::unmount(ground.root(), rustix::mount::UnmountFlags::DETACH).unwrap();
    let text = message(&result.unwrap_err());
    assert!(text.starts_with("cannot write `/big`: No space left on device"), "{text}");
}

/// Archives that the laws in [`laws`] are held to here; fuzzing makes up many more.
#[test]
fn laws_hold_for_odd_and_refused_archives() {
    let odd = ODD.iter().map(|(content, _)| content);
    for content in odd.chain(REFUSED.iter().map(|(content, _)| content)) {
        laws::unpacking(&Tar::of(content).end(), tempfile::tempdir().unwrap().path());
    }
}
