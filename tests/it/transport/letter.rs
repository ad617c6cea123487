//! Layers to the letter: what a tar can hardly say, written by us and read by others, and the other way round.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use strata::oci::{Config, DiffId, Platform};
use strata::transport::{DEFAULT_LIMITS, ImportOptions, Input, Packing, import};
use strata::tree::{Device, Entry, Kind, Time, TreePath, Xattr};

use super::fixture::{Fixture, Made, capability, dir, file, skopeo_copy, symlink, tool};

/// A name that is not UTF-8.
const NOT_TEXT: &[u8] = b"\xff\xfe name";

/// A path of 4,095 bytes, the most that Linux takes, and the directories in it.
fn deep() -> (TreePath, Vec<TreePath>) {
    let mut path = TreePath::root();
    let mut above = Vec::new();
    for _ in 0..16 {
        path = path.child(&[b'd'; 254]);
        above.push(path.clone());
    }
    let path = path.child(&[b'f'; 15]);
    assert_eq!(path.as_bytes().len(), 4095);
    (path, above)
}

/// An image of one layer with everything odd.
fn odd(fixture: &Fixture, with_deep: bool) -> Made {
    let at = |path: &str, kind: Kind| Entry::new(path.into(), kind, 0o640, Time::from_seconds(1_500_000_000));
    let mut owner = file("owner", b"o");
    (owner.0.uid, owner.0.gid) = (3_000_000_000, 2_097_152);
    let mut early = file("early", b"e");
    early.0.mtime = Time::from_seconds(-1_000_000_000);
    let mut late = file("late", b"l");
    late.0.mtime = Time::from_seconds(8_589_934_592);
    let mut capable = file("capable", b"c");
    capable.0.xattrs =
        vec![capability(), Xattr { name: b"user.comment"[..].into(), value: b"a=b\n\0c"[..].into() }];
    let mut setuid = file("setuid", b"s");
    setuid.0.mode = 0o6751;
    let mut unnamed = file("placeholder", b"n");
    unnamed.0.path = TreePath::root().child(NOT_TEXT);
    let target = "t".repeat(4095);
    let hard =
        Entry { path: "hard".into(), kind: Kind::Hardlink { target: "capable".into() }, ..capable.0.clone() };
    let holes = vec![0; 3 << 20];
    let mut entries = vec![
        owner,
        early,
        late,
        setuid,
        unnamed,
        (hard, &b""[..]),
        capable,
        file("holes", &holes),
        (symlink("soft", &target), b""),
        (at("char", Kind::CharDevice(Device { major: 7, minor: 300 })), b""),
        (at("block", Kind::BlockDevice(Device { major: 259, minor: 1 })), b""),
        (at("pipe", Kind::Fifo), b""),
        dir("sticky", 0o1777),
    ];
    if with_deep {
        let (path, above) = deep();
        entries.extend(above.into_iter().map(|path| {
            let (mut entry, content) = dir("d", 0o755);
            entry.path = path;
            (entry, content)
        }));
        let mut bottom = file("f", b"bottom");
        bottom.0.path = path;
        entries.push(bottom);
    }
    let layer = fixture.layer(&entries);
    fixture.image(vec![layer], "x")
}

/// What lies in a directory that somebody unpacked is what the layer says.
fn check(root: &Path, who: &str) {
    let of = |name: &str| {
        fs::symlink_metadata(root.join(name)).unwrap_or_else(|error| panic!("{who}: {name}: {error}"))
    };
    assert_eq!((of("owner").uid(), of("owner").gid()), (3_000_000_000, 2_097_152), "{who}");
    assert_eq!((of("early").mtime(), of("late").mtime()), (-1_000_000_000, 8_589_934_592), "{who}");
    assert_eq!((of("setuid").mode() & 0o7777, of("sticky").mode() & 0o7777), (0o6751, 0o1777), "{who}");
    assert_eq!((of("hard").ino(), of("hard").nlink()), (of("capable").ino(), 2), "{who}");
    assert_eq!(fs::read(root.join("holes")).unwrap(), vec![0; 3 << 20], "{who}");
    assert_eq!(fs::read_link(root.join("soft")).unwrap().as_os_str().len(), 4095, "{who}");
    assert_eq!(fs::read(root.join(OsStr::from_bytes(NOT_TEXT))).unwrap(), b"n", "{who}");
    assert!(of("char").file_type().is_char_device() && of("block").file_type().is_block_device(), "{who}");
    let numbers = |name: &str| (rustix::fs::major(of(name).rdev()), rustix::fs::minor(of(name).rdev()));
    assert_eq!((numbers("char"), numbers("block")), ((7, 300), (259, 1)), "{who}");
    assert!(of("pipe").file_type().is_fifo(), "{who}");
    for xattr in [capability(), Xattr { name: b"user.comment"[..].into(), value: b"a=b\n\0c"[..].into() }] {
        let mut value = vec![0; 100];
        let name = std::str::from_utf8(&xattr.name).unwrap();
        let len = rustix::fs::getxattr(root.join("capable"), name, &mut value).unwrap();
        assert_eq!(value[..len], xattr.value[..], "{who}: {name}");
    }
}

/// The layer's tar out of an archive that was saved.
fn layer_tar(fixture: &Fixture, made: &Made) -> PathBuf {
    fixture.oci_directory(&[fixture.source(made, &["odd"])], Packing::AsListed, "layout").unwrap();
    fixture.path("layout/blobs/sha256").join(made.diff_ids[0].digest().hex())
}

#[test]
fn gnu_tar_reads_what_we_write() {
    let fixture = Fixture::new();
    let made = odd(&fixture, true);
    let tar = layer_tar(&fixture, &made);
    let root = fixture.path("gnu");
    fs::create_dir(&root).unwrap();
    let (into, from) = (root.display().to_string(), tar.display().to_string());
    tool("tar", &["-C", &into, "--numeric-owner", "--xattrs", "--xattrs-include=*", "-xpf", &from]);
    check(&root, "GNU tar");
    let (deep, _) = deep();
    let bottom = strata::sys::file::open_at(&root.join(deep.as_path())).unwrap();
    assert_eq!(std::io::read_to_string(bottom).unwrap(), "bottom");
}

#[test]
fn skopeo_and_umoci_read_what_we_write_and_we_what_they_write() {
    let fixture = Fixture::new();
    let made = odd(&fixture, false);
    fixture.oci(&[fixture.source(&made, &["odd"])], Packing::AsListed, "odd.tar").unwrap();
    let copy = format!("{}:1", fixture.path("copy").display());
    skopeo_copy(&format!("oci-archive:{}", fixture.path("odd.tar").display()), &format!("oci:{copy}"), &[]);
    let bundle = fixture.path("bundle");
    tool("umoci", &["unpack", "--image", &copy, &bundle.display().to_string()]);
    check(&bundle.join("rootfs"), "umoci");

    fs::write(bundle.join("rootfs/added"), "added").unwrap();
    fs::remove_file(bundle.join("rootfs/early")).unwrap();
    let next = format!("{}:2", fixture.path("copy").display());
    tool("umoci", &["repack", "--image", &next, &bundle.display().to_string()]);
    let copied = fixture.path("copied");
    skopeo_copy(&format!("oci:{next}"), &format!("oci:{}:odd", copied.display()), &[]);
    let loaded = strata::transport::load(
        fixture.session(),
        Input::Path(&copied),
        &strata::transport::LoadOptions::default(),
        &fixture.reporter,
    );
    let image = loaded.unwrap().remove(0);
    let config = fixture.store.read_blob(&strata::oci::BlobDigest(image.id)).unwrap();
    let config = strata::oci::ImageConfig::from_json(&config).unwrap();
    assert_eq!(config.rootfs.diff_ids[0], made.diff_ids[0]);
    let top = fixture.index(&config.rootfs.diff_ids[1]);
    assert!(top.get(&"early".into()).unwrap().is_whiteout());
    assert_eq!(top.get(&"added".into()).unwrap().size(), 5);
}

#[test]
fn what_gnu_tar_writes_in_its_formats_is_read_as_it_was() {
    let mut fixture = Fixture::new();
    let made = odd(&fixture, true);
    let tar = layer_tar(&fixture, &made);
    let root = fixture.path("root");
    fs::create_dir(&root).unwrap();
    let into = root.display().to_string();
    tool("tar", &["-C", &into, "--xattrs", "--xattrs-include=*", "-xpf", &tar.display().to_string()]);
    let expected = fixture.index(&made.diff_ids[0]);
    for (format, flags) in [("pax", &["--xattrs", "--xattrs-include=*"][..]), ("gnu", &[])] {
        fixture.next_command();
        let path = fixture.path(format);
        let archive = path.display().to_string();
        let format = format!("--format={format}");
        let mut args = vec!["-C", &into, &format, "--sort=name", "--numeric-owner", "-cf", &archive];
        args.extend(flags);
        args.push(".");
        tool("tar", &args);
        let options = ImportOptions {
            config: Config::default(),
            platform: Platform::host(),
            created: "2020-01-02T03:04:05Z".to_owned(),
            comment: String::new(),
            names: Vec::new(),
            limits: DEFAULT_LIMITS,
        };
        let image = import(fixture.session(), Input::Path(&path), &options, &fixture.reporter).unwrap();
        let config = fixture.store.read_blob(&strata::oci::BlobDigest(image.id)).unwrap();
        let config = strata::oci::ImageConfig::from_json(&config).unwrap();
        let diff_id: DiffId = config.rootfs.diff_ids[0];
        let with_attributes = !flags.is_empty();
        if with_attributes {
            // The very same layer.
            assert_eq!(diff_id, made.diff_ids[0]);
        }
        let found = fixture.index(&diff_id);
        for (found, expected) in found.entries().iter().zip(expected.entries()) {
            let mut expected = expected.clone();
            if !with_attributes {
                expected.xattrs.clear();
            }
            assert_eq!(*found, expected, "{format}");
        }
    }
}
