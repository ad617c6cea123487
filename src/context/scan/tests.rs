//! The scan and its stat cache on real files.

use std::fs;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::net::UnixListener;

use rustix::fs::{CWD, FileType, Mode, XattrFlags};
use tempfile::TempDir;

use super::*;
use crate::oci::Digest;
use crate::tree::{Device, Kind, Xattr, resolve, select};

mod pruning;

/// A context with these files, each with its own path as content; `name/` makes a directory.
fn context(paths: &[&str]) -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for path in paths {
        let full = dir.path().join(path);
        if path.ends_with('/') {
            fs::create_dir_all(full).unwrap();
        } else {
            fs::create_dir_all(full.parent().unwrap()).unwrap();
            fs::write(full, path).unwrap();
        }
    }
    dir
}

fn scan(dir: &Path, ignore: &str) -> Scan {
    let ignore = Dockerignore::parse(ignore.as_bytes(), Some(".dockerignore".into())).unwrap();
    Scan::new(dir, Arc::new(ignore), None).unwrap()
}

fn paths(scan: &Scan) -> Vec<String> {
    scan.entries.iter().map(|found| found.path.to_string()).collect()
}

fn everything(scan: &mut Scan) -> Index {
    scan.index(&[TreePath::root()]).unwrap()
}

#[test]
fn visible_entries_come_in_order_with_their_parents() {
    let files = ["a/b/c", "a/b.x", "a-b", "src/x.go", "src/d/e/y.go", "src/d/z.c", "lib/l.go", "empty/"];
    let dir = context(&files);
    let all = "/ /a /a/b /a/b/c /a/b.x /a-b /empty /lib /lib/l.go /src /src/d /src/d/e /src/d/e/y.go /src/d/z.c /src/x.go";
    for (ignore, expected) in [
        ("", all),
        ("*\n!src/**/*.go", "/ /src /src/d /src/d/e /src/d/e/y.go /src/x.go"),
        ("*\n!src/d/*.go", "/"),
        ("a\n!a/b\nlib\nsrc\nempty", "/ /a /a/b /a/b/c /a-b"),
        ("**/*.go\nempty\nlib", "/ /a /a/b /a/b/c /a/b.x /a-b /src /src/d /src/d/e /src/d/z.c"),
        ("*", "/"),
    ] {
        assert_eq!(paths(&scan(dir.path(), ignore)).join(" "), expected, "{ignore:?}");
    }
}

/// Whether a directory was listed shows in its access time.
#[test]
fn a_pruned_directory_is_not_opened() {
    let dir = context(&["a/x", "keep/y"]);
    let old = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    for name in ["a", "keep"] {
        let times = fs::FileTimes::new().set_accessed(old).set_modified(old);
        File::open(dir.path().join(name)).unwrap().set_times(times).unwrap();
    }
    assert_eq!(paths(&scan(dir.path(), "a\n!keep/**")), ["/", "/keep", "/keep/y"]);
    let accessed = |name: &str| fs::metadata(dir.path().join(name)).unwrap().accessed().unwrap();
    assert_eq!(accessed("a"), old);
    assert!(
        accessed("keep") > old,
        "the tests need a file system that keeps access times (mount without noatime)"
    );
}

#[test]
fn entries_say_all_that_the_index_needs() {
    let dir = context(&["f", "d/"]);
    let at = |name: &str| dir.path().join(name);
    fs::set_permissions(at("f"), fs::Permissions::from_mode(0o4711)).unwrap();
    let time = SystemTime::UNIX_EPOCH + std::time::Duration::new(1_234_567_890, 123_456_789);
    File::open(at("f")).unwrap().set_times(fs::FileTimes::new().set_modified(time)).unwrap();
    std::os::unix::fs::chown(at("f"), Some(1000), Some(1000)).unwrap();
    fs::set_permissions(at("f"), fs::Permissions::from_mode(0o4711)).unwrap();
    symlink("../out", at("l")).unwrap();
    let _socket = UnixListener::bind(at("s")).unwrap();
    rustix::fs::mknodat(CWD, at("p"), FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let null = rustix::fs::makedev(1, 3);
    rustix::fs::mknodat(CWD, at("n"), FileType::CharacterDevice, Mode::from_raw_mode(0o600), null).unwrap();
    for name in ["f", "d"] {
        rustix::fs::setxattr(at(name), "user.z", b"last", XattrFlags::empty()).unwrap();
        rustix::fs::setxattr(at(name), "user.a", &[7; 1000], XattrFlags::empty()).unwrap();
        rustix::fs::setxattr(at(name), "security.other", b"no", XattrFlags::empty()).unwrap();
    }
    let index = everything(&mut scan(dir.path(), ""));
    let entry = |name: &str| index.get(&name.into()).unwrap().clone();
    let file = entry("f");
    assert_eq!(file.kind, Kind::File { size: 1, digest: Digest::of(b"f") });
    assert_eq!((file.mode, file.uid, file.gid), (0o4711, 0, 0));
    assert_eq!(file.mtime, Time { seconds: 1_234_567_890, nanos: 123_456_789 });
    let xattr = |name: &[u8], value: &[u8]| Xattr { name: name.into(), value: value.into() };
    let xattrs = [xattr(b"user.a", &[7; 1000]), xattr(b"user.z", b"last")];
    assert_eq!(file.xattrs, xattrs);
    assert_eq!(entry("d").xattrs, xattrs);
    assert_eq!(entry("l").kind, Kind::Symlink { target: b"../out"[..].into() });
    assert_eq!(entry("s").kind, Kind::Socket);
    assert_eq!(entry("p").kind, Kind::Fifo);
    assert_eq!(entry("n").kind, Kind::CharDevice(Device { major: 1, minor: 3 }));
    assert!(index.get(&TreePath::root()).unwrap().is_directory());
}

#[test]
fn only_the_selection_is_read() {
    let dir = context(&["a/x", "a/y/z", "b/x", "c"]);
    let mut scan = scan(dir.path(), "");
    let index = scan.index(&["a/y".into(), "c".into(), "none".into()]).unwrap();
    let selected: Vec<_> = index.entries().iter().map(|entry| entry.path.to_string()).collect();
    assert_eq!(selected, ["/", "/a", "/a/y", "/a/y/z", "/c"]);
    let unread: Vec<_> =
        scan.entries.iter().filter(|found| !found.is_complete()).map(|f| f.path.to_string()).collect();
    assert_eq!(unread, ["/a/x", "/b", "/b/x"]);
}

#[test]
fn sources_are_looked_up_without_reading() {
    let dir = context(&["a/x.go", "a/y.go", "a/d/z"]);
    symlink("a/d", dir.path().join("link")).unwrap();
    let scan = scan(dir.path(), "a/y.go");
    let real = resolve(&scan, &"link/z".into(), crate::tree::LastLink::Follow).unwrap();
    assert_eq!(real, "a/d/z".into());
    let names: Vec<_> = select(&scan, b"a/*").unwrap().iter().map(|s| s.named.to_string()).collect();
    assert_eq!(names, ["/a/d", "/a/x.go"]);
}

#[test]
fn absences_are_explained() {
    let dir = context(&["x.log", "tmp/keep", "a"]);
    symlink("x.log", dir.path().join("link")).unwrap();
    let scan = scan(dir.path(), "# logs\n*.log\ntmp");
    fs::write(dir.path().join("new"), "").unwrap();
    for (path, why) in [
        ("x.log", "line 2 of `.dockerignore` hides it: `*.log`"),
        ("tmp/keep", "line 3 of `.dockerignore` hides it: `tmp`"),
        ("y.log", "it does not exist"),
        ("new", "it came into being during the build"),
    ] {
        assert_eq!(scan.absence(&path.into()).to_string(), why);
    }
}

#[test]
fn opening_never_leads_out_of_the_context() {
    let dir = context(&["d/f", "out/f", "file"]);
    let scan = scan(&dir.path().join("d"), "");
    let mut text = String::new();
    scan.open_file(&"f".into()).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "d/f");
    fs::remove_file(dir.path().join("d/f")).unwrap();
    symlink("../file", dir.path().join("d/f")).unwrap();
    symlink("../out", dir.path().join("d/l")).unwrap();
    fs::create_dir(dir.path().join("d/sub")).unwrap();
    for path in ["f", "l/f", "sub", "gone"] {
        assert!(matches!(scan.open_file(&path.into()), Err(ContextError::Changed { .. })), "{path}");
    }
}

#[test]
fn a_replaced_or_vanished_file_is_a_change() {
    let dir = context(&["gone", "now-a-dir", "stays"]);
    let mut scan = scan(dir.path(), "");
    fs::remove_file(dir.path().join("gone")).unwrap();
    fs::remove_file(dir.path().join("now-a-dir")).unwrap();
    fs::create_dir(dir.path().join("now-a-dir")).unwrap();
    // Another content of a file is no harm as long as it holds still while it is read.
    fs::write(dir.path().join("stays"), "longer than before").unwrap();
    for path in ["gone", "now-a-dir"] {
        assert!(matches!(scan.index(&[path.into()]), Err(ContextError::Changed { .. })), "{path}");
    }
    let index = scan.index(&["stays".into()]).unwrap();
    let digest = Digest::of(b"longer than before");
    assert_eq!(index.get(&"stays".into()).unwrap().kind, Kind::File { size: 18, digest });
}

#[test]
fn a_file_that_grows_while_it_is_read_is_an_error() {
    let dir = context(&[]);
    // Large enough to be read for longer than it takes to write a byte.
    let path = dir.path().join("log");
    fs::write(&path, vec![0; 64 << 20]).unwrap();
    let mut scan = scan(dir.path(), "");
    let stop = std::sync::atomic::AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            use std::io::Write as _;
            let mut log = fs::OpenOptions::new().append(true).open(&path).unwrap();
            while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                log.write_all(b"x").unwrap();
            }
        });
        let result = scan.index(&["log".into()]);
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(result.unwrap_err().to_string(), "`log` of the context changed during the build");
    });
}

#[test]
fn names_may_be_any_bytes() {
    let dir = context(&[]);
    let name = std::ffi::OsStr::from_bytes(b"\xFFnew\nline");
    fs::write(dir.path().join(name), "x").unwrap();
    let index = everything(&mut scan(dir.path(), "*.log"));
    assert_eq!(index.entries()[1].path.as_bytes(), name.as_bytes());
}

#[test]
fn a_missing_context_is_named() {
    let error = Scan::new(Path::new("/does/not/exist"), Arc::default(), None).unwrap_err();
    assert_eq!(error.to_string(), "cannot open the context `/does/not/exist`");
}

/// A scan as if it had begun `later` seconds after now, with a cache.
fn cached(dir: &Path, cache: &Path, later: i64) -> Scan {
    let started = Time { seconds: now().seconds + later, nanos: 0 };
    Scan::started_at(started, dir, Arc::default(), Some(cache.to_owned())).unwrap()
}

fn known(scan: &Scan) -> Vec<String> {
    scan.entries.iter().filter(|found| found.is_complete()).map(|found| found.path.to_string()).collect()
}

#[test]
fn a_second_scan_reads_nothing() {
    let dir = context(&["a/x", "b"]);
    symlink("a", dir.path().join("l")).unwrap();
    rustix::fs::setxattr(dir.path().join("b"), "user.k", b"v", XattrFlags::empty()).unwrap();
    let cache_dir = tempfile::tempdir().unwrap();
    let cache = cache_dir.path().join("cache");
    let mut first = cached(dir.path(), &cache, 100);
    let index = everything(&mut first);
    first.save_cache().unwrap();
    let mut second = cached(dir.path(), &cache, 100);
    assert_eq!(known(&second), ["/", "/a", "/a/x", "/b", "/l"]);
    assert_eq!(everything(&mut second), index);
    assert!(!second.learned);
    let left: Vec<_> =
        fs::read_dir(cache_dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["cache"]);
}

/// The racy case: what was changed so shortly before the scan that a later change could carry the same times is read
/// again by the next scan, however often it was read before.
#[test]
fn entries_as_young_as_the_scan_are_not_believed() {
    let dir = context(&["f"]);
    let cache_dir = tempfile::tempdir().unwrap();
    let cache = cache_dir.path().join("cache");
    for (later, expected) in [(0, 0), (2, 0), (100, 2), (0, 2)] {
        // The cache of a scan that began `later` seconds from now, seen by one that begins long after. Once believed,
        // the last scan has nothing to read and leaves the cache as it is.
        let mut scan = cached(dir.path(), &cache, later);
        everything(&mut scan);
        scan.save_cache().unwrap();
        assert_eq!(known(&cached(dir.path(), &cache, 200)).len(), expected, "{later}");
    }
}

#[test]
fn a_racy_entry_that_is_not_read_again_stays_unknown() {
    let dir = context(&["a", "b"]);
    let cache_dir = tempfile::tempdir().unwrap();
    let cache = cache_dir.path().join("cache");
    let mut scan = cached(dir.path(), &cache, 0);
    everything(&mut scan);
    scan.save_cache().unwrap();
    let mut later = cached(dir.path(), &cache, 100);
    later.index(&["a".into()]).unwrap();
    later.save_cache().unwrap();
    assert_eq!(known(&cached(dir.path(), &cache, 200)), ["/", "/a"]);
}

#[test]
fn any_change_of_the_status_is_seen() {
    let dir = context(&["same", "content", "mode", "replaced", "touched", "xattr", "renamed"]);
    let cache_dir = tempfile::tempdir().unwrap();
    let cache = cache_dir.path().join("cache");
    let at = |name: &str| dir.path().join(name);
    let mut scan = cached(dir.path(), &cache, 100);
    everything(&mut scan);
    scan.save_cache().unwrap();

    // The same size and, set back, the same mtime: only ctime tells.
    let mtime = fs::metadata(at("content")).unwrap().modified().unwrap();
    fs::write(at("content"), "CONTENT").unwrap();
    File::open(at("content")).unwrap().set_times(fs::FileTimes::new().set_modified(mtime)).unwrap();
    fs::set_permissions(at("mode"), fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(at("new"), "replaced").unwrap();
    fs::rename(at("new"), at("replaced")).unwrap();
    File::open(at("touched")).unwrap().set_times(fs::FileTimes::new().set_modified(mtime)).unwrap();
    rustix::fs::setxattr(at("xattr"), "user.k", b"v", XattrFlags::empty()).unwrap();
    fs::rename(at("renamed"), at("other")).unwrap();

    let mut scan = cached(dir.path(), &cache, 100);
    assert_eq!(known(&scan), ["/same"]);
    let index = everything(&mut scan);
    let content = Kind::File { size: 7, digest: Digest::of(b"CONTENT") };
    assert_eq!(index.get(&"content".into()).unwrap().kind, content);
}

#[test]
fn a_damaged_cache_is_ignored() {
    let dir = context(&["f", "g/h"]);
    let cache_dir = tempfile::tempdir().unwrap();
    let cache = cache_dir.path().join("cache");
    let mut scan = cached(dir.path(), &cache, 100);
    everything(&mut scan);
    scan.save_cache().unwrap();
    let good = fs::read(&cache).unwrap();
    assert_eq!(known(&cached(dir.path(), &cache, 100)).len(), 4);
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    let mut other_version = good.clone();
    other_version[18] ^= 1;
    for damaged in
        [&flipped, &other_version, &good[..good.len() - 1].to_vec(), &good[..40].to_vec(), &Vec::new()]
    {
        fs::write(&cache, damaged).unwrap();
        assert_eq!(known(&cached(dir.path(), &cache, 100)), [""; 0]);
    }
    let mut unwritable = cached(dir.path(), &cache_dir.path().join("no/such/dir"), 100);
    everything(&mut unwritable);
    assert!(matches!(unwritable.save_cache(), Err(ContextError::SaveCache { .. })));
}
