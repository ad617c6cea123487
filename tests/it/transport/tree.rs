//! The final file system, as a directory and as a tar.

use std::fs;
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use strata::oci::DiffId;
use strata::sys::xattr::Place;
use strata::transport::{Destination, ExportError, LocalOptions, Merged, write_local, write_plain_tar};
use strata::tree::{LayerView, TreePath, View};

use super::fixture::{Fixture, Made, capability, dir, file, tool};

fn merged(fixture: &Fixture, diff_ids: &[DiffId]) -> Merged {
    let work = fixture.session().work;
    let layers: Vec<_> =
        diff_ids.iter().rev().map(|id| fixture.store.layer(id, work).unwrap().unwrap()).collect();
    let views =
        layers.iter().map(|layer| LayerView::File(fixture.store.layer_index(&layer.diff_id).unwrap()));
    let found = View::new(views.collect()).walk(&TreePath::root()).unwrap();
    Merged { found, layers }
}

fn local(fixture: &Fixture, made: &Made, path: &Path) -> Result<(), ExportError> {
    let step = fixture.reporter.start("local");
    let result = write_local(
        fixture.session(),
        &merged(fixture, &made.diff_ids),
        LocalOptions::default(),
        path,
        &step,
    );
    step.done();
    result
}

#[test]
fn a_directory_gets_everything() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let out = fixture.path("new/out");
    local(&fixture, &made, &out).unwrap();
    assert_eq!(fs::read(out.join("srv/link")).unwrap(), b"localhost\n");
    assert!(!out.join("etc/gone").exists());
    let secret = fs::metadata(out.join("srv/secret")).unwrap();
    assert_eq!((secret.mode() & 0o7777, secret.uid(), secret.gid()), (0o4750, 1000, 1001));
    assert_eq!(secret.mtime(), 1_500_000_000);
    let srv = fs::metadata(out.join("srv")).unwrap();
    assert_eq!((srv.mode() & 0o7777, srv.mtime()), (0o1777, 1_500_000_000));
    assert!(fs::symlink_metadata(out.join("srv/pipe")).unwrap().file_type().is_fifo());
    let inode = |path: &str| fs::metadata(out.join(path)).unwrap().ino();
    assert_eq!(inode("usr/big"), inode("usr/big-too"));
    let srv = strata::sys::file::open_directory(&out.join("srv")).unwrap();
    let value = Place::new(srv.as_fd(), b"secret").get(b"security.capability").unwrap();
    assert_eq!(value, Some(capability().value));
}

#[test]
fn a_directory_that_is_there_is_merged_and_never_left() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let (out, outside) = (fixture.path("out"), fixture.path("outside"));
    for path in [&out, &outside, &out.join("usr"), &out.join("srv")] {
        fs::create_dir(path).unwrap();
    }
    fs::write(outside.join("hosts"), "untouched").unwrap();
    fs::write(outside.join("file"), "untouched").unwrap();
    symlink(&outside, out.join("etc")).unwrap();
    symlink(outside.join("file"), out.join("srv/secret")).unwrap();
    fs::write(out.join("usr/mine"), "mine").unwrap();
    fs::write(out.join("usr/big"), "old").unwrap();
    fs::create_dir(out.join("srv/pipe")).unwrap();
    local(&fixture, &made, &out).unwrap();
    assert_eq!(fs::read(outside.join("hosts")).unwrap(), b"untouched");
    assert_eq!(fs::read(outside.join("file")).unwrap(), b"untouched");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 2);
    assert_eq!(fs::read(out.join("etc/hosts")).unwrap(), b"localhost\n");
    assert_eq!(fs::read(out.join("srv/secret")).unwrap(), b"s");
    assert_eq!(fs::read(out.join("usr/mine")).unwrap(), b"mine");
    assert_eq!(fs::metadata(out.join("usr/big")).unwrap().len(), 700_000);
    // A second time changes nothing.
    local(&fixture, &made, &out).unwrap();
    assert_eq!(fs::read(out.join("etc/hosts")).unwrap(), b"localhost\n");

    fs::remove_file(out.join("etc/hosts")).unwrap();
    fs::create_dir_all(out.join("etc/hosts/full")).unwrap();
    let error = local(&fixture, &made, &out).unwrap_err();
    assert!(matches!(&error, ExportError::Occupied { path, .. } if *path == "etc/hosts".into()), "{error}");
}

#[test]
fn a_tar_of_the_result_has_no_marks() {
    let fixture = Fixture::new();
    let lower = fixture.layer(&[dir("d", 0o700), file("d/old", b"1"), file("d/stays", b"2")]);
    let mut replaced = dir("d", 0o755);
    replaced.0.kind = strata::tree::Kind::Directory { opaque: true };
    let upper = fixture.layer(&[replaced, file("d/new", b"3")]);
    let made = fixture.image(vec![lower, upper], "x");
    let path = fixture.path("result.tar");
    let step = fixture.reporter.start("tar");
    let merged = merged(&fixture, &made.diff_ids);
    write_plain_tar(fixture.session(), &merged, Some(7), Destination::File(&path), &step).unwrap();
    step.done();
    let listed = tool("tar", &["--utc", "--full-time", "-tvf", &path.display().to_string()]);
    let expected = "drwxr-xr-x 0/0               0 1970-01-01 00:00:07 d/\n\
                    -rw-r--r-- 0/0               1 1970-01-01 00:00:07 d/new\n";
    assert_eq!(listed, expected);
}

#[test]
fn a_damaged_file_is_named() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let layer = fixture.store.peek_layer(&made.diff_ids[0]).unwrap().unwrap();
    fs::write(layer.parts[0].join("etc/hosts"), "localh0st\n").unwrap();
    let out = fixture.path("out");
    let error = local(&fixture, &made, &out).unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert!(cause.starts_with("the content of `/etc/hosts` in a stored layer is damaged"), "{cause}");
    assert!(!out.exists());
}
