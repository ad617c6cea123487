//! On real overlay mounts: a lower directory, a shell script that changes the merged tree, a commit.

use std::fs;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::mount::{MountFlags, UnmountFlags};

use super::*;
use crate::layer::apply::{ApplyOptions, apply};
use crate::layer::described::{Detail, describe};
use crate::sys::file::open_directory;

struct Mounted(PathBuf);

impl Mounted {
    fn new(at: &Path, options: &str) -> Self {
        let options = std::ffi::CString::new(options).unwrap();
        rustix::mount::mount("overlay", at, "overlay", MountFlags::empty(), Some(&*options)).expect(
            "tests of layers mount overlays: run them as root, not in a container without CAP_SYS_ADMIN",
        );
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        rustix::mount::unmount(&self.0, UnmountFlags::empty()).unwrap();
    }
}

/// A lower layer, and the layer that a script makes over it.
struct Case {
    dir: tempfile::TempDir,
    base: Index,
    committed: Committed,
    /// What the script left, as it saw it.
    seen: Vec<String>,
}

/// `attribute FILE NAME VALUE` sets an extended attribute; without a value it removes it.
const PRELUDE: &str = "umask 022
attribute() { python3 -c 'import os, sys
file, name, *value = sys.argv[1:]
os.setxattr(file, name, value[0].encode().decode(\"unicode_escape\").encode(\"latin1\")) if value else os.removexattr(file, name)' \"$@\"; }";

fn sh(dir: &Path, script: &str) {
    let mut shell = Command::new("sh").arg("-eu").current_dir(dir).stdin(Stdio::piped()).spawn().unwrap();
    shell.stdin.take().unwrap().write_all(format!("{PRELUDE}\n{script}\n").as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success(), "the script failed: {script}");
}

fn commit_at(dir: &Path, base: &Index, stubs: &[TreePath]) -> Result<Committed, CommitError> {
    commit(open_directory(dir).unwrap().as_fd(), base, stubs, Marks::Trusted)
}

fn overlay(dir: &Path) -> String {
    let at = |name| dir.join(name).display().to_string();
    let features = "index=off,metacopy=off,redirect_dir=nofollow";
    format!("lowerdir={},upperdir={},workdir={},{features}", at("lower"), at("upper"), at("work"))
}

/// Prepares `lower` by a script, changes it through an overlay by another.
fn change(lower: &str, script: &str) -> (tempfile::TempDir, Index, Vec<String>) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    sh(&dir.path().join("lower"), lower);
    let base = commit_at(&dir.path().join("lower"), &Index::default(), &[]).unwrap().index;
    let merged = dir.path().join("merged");
    let mounted = Mounted::new(&merged, &overlay(dir.path()));
    sh(&merged, script);
    let seen = describe(&merged, Detail::Merged);
    drop(mounted);
    (dir, base, seen)
}

fn case(lower: &str, script: &str) -> Case {
    let (dir, base, seen) = change(lower, script);
    let committed = commit_at(&dir.path().join("upper"), &base, &[]).unwrap();
    Case { dir, base, committed, seen }
}

impl Case {
    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// The layer's entries in short.
    fn lines(&self) -> Vec<String> {
        self.committed.index.entries().iter().map(short).collect()
    }

    /// The layer's tar, applied, gives the very directory and index that the commit left, and the same tar.
    fn assert_canonical(&self) {
        let mut tar = Vec::new();
        let placer = Placer::new(open_directory(&self.path("upper")).unwrap(), Marks::Trusted);
        stream(self.committed.index.entries(), &Upper(&placer), &mut tar, StreamOptions::default()).unwrap();
        assert_eq!(DiffId(Digest::of(&tar)), self.committed.diff_id);
        assert_eq!(tar.len() as u64, self.committed.tar_size);

        fs::create_dir(self.path("again")).unwrap();
        let options = ApplyOptions::new(Marks::Trusted);
        let applied = apply(&tar[..], open_directory(&self.path("again")).unwrap(), options).unwrap();
        assert_eq!(applied.index, self.committed.index);
        assert_eq!(applied.diff_id, self.committed.diff_id);
        assert!(applied.regenerates);
        assert_eq!(describe(&self.path("again"), Detail::All), describe(&self.path("upper"), Detail::All));
    }

    /// The layer over its base shows what the script saw.
    fn assert_shows_the_same(&self) {
        let (upper, lower) = (self.path("upper"), self.path("lower"));
        let options = format!("lowerdir={}:{}", upper.display(), lower.display());
        let mounted = Mounted::new(&self.path("merged"), &options);
        assert_eq!(describe(&mounted.0, Detail::Merged), self.seen);
    }
}

fn short(entry: &Entry) -> String {
    let path = &entry.path;
    match &entry.kind {
        Kind::File { .. } => format!("{path}"),
        Kind::Directory { opaque: false } => format!("{path}/"),
        Kind::Directory { opaque: true } => format!("{path}/ opaque"),
        Kind::Symlink { target } => format!("{path} -> {}", String::from_utf8_lossy(target)),
        Kind::Hardlink { target } => format!("{path} = {target}"),
        Kind::CharDevice(device) => format!("{path} c {}:{}", device.major, device.minor),
        Kind::BlockDevice(device) => format!("{path} b {}:{}", device.major, device.minor),
        Kind::Fifo => format!("{path} p"),
        Kind::Socket => format!("{path} s"),
        Kind::Whiteout => format!("{path} gone"),
    }
}

const BASE: &str = "
    mkdir -p d/sub foo/bar/deep keep; echo 1 > d/a; echo 2 > d/sub/b; echo 3 > foo/bar/deep/c; echo 4 > foo/x
    echo 5 > file; ln -s file link; ln -s d dlink; ln file hard; echo 6 > keep/k; mkfifo pipe
    touch -d '2020-01-01 00:00:00' file d/a foo/x
";

#[test]
fn what_changes_becomes_the_layer() {
    for (name, script, expected) in [
        ("C230 delete a directory", "rm -r d", &["/d gone"][..]),
        ("C231 delete in a directory", "rm -r foo/bar", &["/foo/", "/foo/bar gone"]),
        ("C232 create and delete", "echo x > new; mkdir -p nd/x; rm -r new nd", &[]),
        (
            "C233 directory made again",
            "rm -r foo; mkdir foo; echo n > foo/n; mkdir foo/bar; echo q > foo/bar/q",
            &["/foo/", "/foo/bar/", "/foo/bar/deep gone", "/foo/bar/q", "/foo/n", "/foo/x gone"],
        ),
        ("C233 made again empty", "rm -r d; mkdir d", &["/d/", "/d/a gone", "/d/sub gone"]),
        ("C234 directory to link", "rm -r d; ln -s keep d", &["/d -> keep"]),
        ("C234 link to directory", "rm dlink; mkdir dlink; echo 1 > dlink/a", &["/dlink/", "/dlink/a"]),
        ("C234 file to directory", "rm file; mkdir file; echo 1 > file/a", &["/file/", "/file/a"]),
        ("C234 directory to file", "rm -r d; echo x > d", &["/d"]),
        ("C234 file to link", "ln -sf keep/k file", &["/file -> keep/k"]),
        (
            "C235 rename a directory",
            "mv foo oof",
            &["/foo gone", "/oof/", "/oof/bar/", "/oof/bar/deep/", "/oof/bar/deep/c", "/oof/x"],
        ),
        ("C236 hard links", "echo x > l1; ln l1 l2; ln l1 a", &["/a", "/l1 = /a", "/l2 = /a"]),
        ("link to a file below", "ln foo/x foo/y", &["/foo/", "/foo/y"]),
        (
            "C238 special files",
            "mkfifo p; mknod c c 1 3; mknod b b 7 200",
            &["/b b 7:200", "/c c 1:3", "/p p"],
        ),
        ("C239 fractions", "echo x > f; touch -d '2021-01-01 00:00:00.5' f", &["/f"]),
        ("delete through a link", "rm dlink", &["/dlink gone"]),
        ("delete a whole tree by parts", "rm d/a; rm -r d/sub; rmdir d", &["/d gone"]),
        ("nothing at all", "true", &[]),
        ("same mode again", "chmod 644 file; chmod 755 d; chown 0:0 keep/k", &[]),
        ("same owner of a link", "chown -h 0:0 link", &[]),
        ("same text of a link", "rm link; ln -s file link", &[]),
        ("other owner", "chown 5:6 keep/k", &["/keep/", "/keep/k"]),
        ("other mode of a directory", "chmod 700 d", &["/d/"]),
        ("touch a directory", "touch d", &[]),
        ("touch a file", "touch -d '2022-02-02 00:00:00' keep/k", &["/keep/", "/keep/k"]),
        ("rewritten in the same second", "echo 9 > file; touch -d '2020-01-01 00:00:00' file", &["/file"]),
        ("rewritten with the same", "echo 5 > file; touch -d '2020-01-01 00:00:00' file", &[]),
        ("made again as it was", "rm -r keep; mkdir keep; cp -p ../lower/keep/k keep/k", &[]),
        ("pipe as it was", "rm pipe; mkfifo pipe", &[]),
        ("one name of two changes", "echo 8 >> hard", &["/hard"]),
        (
            "many names",
            "mkdir m; for i in $(seq 100 199); do echo $i > m/$i; done; rm -r m; rm d/a",
            &["/d/", "/d/a gone"],
        ),
    ] {
        let case = case(BASE, script);
        assert_eq!(case.lines(), expected, "{name}");
        case.assert_canonical();
        if !name.contains("same text") && !name.contains("pipe as it was") {
            case.assert_shows_the_same();
        }
    }
}

#[test]
fn capabilities_and_attributes_are_kept() {
    let script = "cp /bin/true t; attribute t user.note hello; chown 3:4 t; chmod 4755 t
        attribute t security.capability '\\x01\\x00\\x00\\x02\\x00\\x04\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x00'
        mkdir d; attribute d user.dir x; attribute d trusted.other no; chmod 1777 d";
    let case = case("true", script);
    let t = case.committed.index.get(&"t".into()).unwrap();
    let names: Vec<_> = t.xattrs.iter().map(|xattr| String::from_utf8_lossy(&xattr.name)).collect();
    assert_eq!(names, ["security.capability", "user.note"]);
    assert_eq!((t.mode, t.uid, t.gid), (0o4755, 3, 4));
    let d = case.committed.index.get(&"d".into()).unwrap();
    assert_eq!(d.xattrs.len(), 1);
    assert_eq!(d.mode, 0o1777);
    sh(&case.path("upper"), "attribute d trusted.other");
    case.assert_canonical();
}

#[test]
fn times_on_disk_are_whole_seconds() {
    let case = case(BASE, "mkdir n; echo x > n/x; ln -s q n/l; rm d/a; touch n");
    for line in describe(&case.path("upper"), Detail::All) {
        assert!(line.contains(".000000000") || line.ends_with("whiteout"), "{line}");
    }
}

#[test]
fn no_attribute_of_overlayfs_is_left() {
    let case = case(BASE, "chmod 600 file; rm -r foo; mkdir foo; echo 1 > d/sub/new; mv link d/");
    for line in describe(&case.path("upper"), Detail::All) {
        assert!(!line.contains("overlay"), "{line}");
    }
    case.assert_canonical();
}

#[test]
fn sockets_vanish_and_what_they_replaced_stays_removed() {
    let bind = "python3 -c 'import socket,sys
for path in sys.argv[1:]: socket.socket(socket.AF_UNIX).bind(path)'";
    let case = case(BASE, &format!("mkdir run; rm file; {bind} run/s d/s file; sleep 0"));
    assert_eq!(case.lines(), ["/file gone", "/run/"]);
    case.assert_canonical();
}

#[test]
fn unused_mount_points_leave_nothing() {
    let script = "mkdir -p run/secrets etc; : > etc/hosts; : > etc/used; echo x > etc/used; mkdir -p c/keep; : > c/keep/f";
    let (dir, base, _) = change("mkdir etc", script);
    let stubs: Vec<TreePath> =
        ["run", "run/secrets", "etc/hosts", "etc/used", "c", "c/keep"].map(TreePath::from).to_vec();
    let committed = commit_at(&dir.path().join("upper"), &base, &stubs).unwrap();
    let lines: Vec<_> = committed.index.entries().iter().map(short).collect();
    assert_eq!(lines, ["/c/", "/c/keep/", "/c/keep/f", "/etc/", "/etc/used"]);
    let left: Vec<_> = describe(&dir.path().join("upper"), Detail::All);
    assert_eq!(left.len(), lines.len(), "{left:?}");
}

#[test]
fn reserved_names_are_refused() {
    let (dir, base, _) = change("true", "mkdir d; echo > d/.wh.x");
    let error = commit_at(&dir.path().join("upper"), &base, &[]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/d/.wh.x` cannot be kept in a layer: names that start with `.wh.` mark removed files"
    );
}

#[test]
fn features_that_keep_data_below_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    sh(dir.path(), "mkdir d; attribute d trusted.overlay.redirect /other");
    let error = commit_at(dir.path(), &Index::default(), &[]).unwrap_err();
    let text =
        "`/d` has the attribute `trusted.overlay.redirect`: the overlay was not mounted for making layers";
    assert_eq!(error.to_string(), text);
}

#[test]
fn whiteouts_made_of_files_become_devices() {
    let dir = tempfile::tempdir().unwrap();
    sh(
        dir.path(),
        "mkdir d; : > d/a; : > d/b; attribute d trusted.overlay.opaque x
        attribute d/a trusted.overlay.whiteout y; attribute d/b trusted.overlay.whiteout y",
    );
    let base = Index::from_unsorted(vec![
        Entry::directory("d".into(), 0o755, crate::tree::Time::default()),
        Entry::directory("d/a".into(), 0o755, crate::tree::Time::default()),
        Entry::directory("d/z".into(), 0o755, crate::tree::Time::default()),
    ]);
    let committed = commit_at(dir.path(), &base, &[]).unwrap();
    assert_eq!(committed.index.entries().iter().map(short).collect::<Vec<_>>(), ["/d/", "/d/a gone"]);
    assert_eq!(describe(dir.path(), Detail::All).last().unwrap(), "/d/a whiteout");
}

#[test]
fn a_tree_deeper_than_a_stack() {
    let script = "p=$(for i in $(seq 400); do printf d/; done); mkdir -p $p; echo x > $p/f";
    let case = case("true", script);
    assert_eq!(case.committed.index.entries().len(), 401);
    case.assert_canonical();
    assert_eq!(case.base.entries().len(), 0);
}

#[test]
fn many_files_are_the_same_with_threads() {
    let script = "for d in $(seq 40); do mkdir d$d; for f in $(seq 20); do echo $d $f > d$d/$f; done; done
        head -c 700000 /dev/zero > big; ln big d1/link; rm -r keep; rm foo/x";
    let case = case(BASE, script);
    assert_eq!(case.committed.index.entries().len(), 40 * 21 + 5);
    case.assert_canonical();
    case.assert_shows_the_same();
}

#[test]
fn marks_of_user_namespaces_are_understood() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["lower", "upper", "work", "merged"] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    sh(&dir.path().join("lower"), BASE);
    let base = commit_at(&dir.path().join("lower"), &Index::default(), &[]).unwrap().index;
    let mounted = Mounted::new(&dir.path().join("merged"), &format!("{},userxattr", overlay(dir.path())));
    sh(&mounted.0, "rm -r d; mkdir d; echo n > d/n; chmod 600 file");
    drop(mounted);
    let upper = open_directory(&dir.path().join("upper")).unwrap();
    let committed = commit(upper.as_fd(), &base, &[], Marks::User).unwrap();
    let lines: Vec<_> = committed.index.entries().iter().map(short).collect();
    assert_eq!(lines, ["/d/", "/d/a gone", "/d/n", "/d/sub gone", "/file"]);
    for line in describe(&dir.path().join("upper"), Detail::All) {
        assert!(!line.contains("overlay"), "{line}");
    }
}
