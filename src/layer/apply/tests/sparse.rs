//! Sparse files as GNU tar writes them.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;
use std::process::Command;

use super::{Ground, assert_disk_is, message, short};

/// A file of `size` bytes with some text at each of `places`.
fn write(path: &Path, size: u64, places: &[u64]) {
    let file = File::create(path).unwrap();
    file.set_len(size).unwrap();
    for place in places {
        file.write_all_at(format!("text at {place}").as_bytes(), *place).unwrap();
    }
}

/// What GNU tar makes of the files in `from`.
fn tar(from: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("tar")
        .args(["--sparse", "-C"])
        .arg(from)
        .args(["-c"])
        .args(arguments)
        .arg(".")
        .output()
        .unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn all_forms_of_gnu_tar() {
    let from = tempfile::tempdir().unwrap();
    let blocks: Vec<u64> = (0..60).map(|n| n * 65536).collect();
    write(&from.path().join("hole"), 3_000_001, &[]);
    write(&from.path().join("begin"), 40_000, &[0]);
    write(&from.path().join("middle"), 9_000_000, &[4_000_000]);
    write(&from.path().join("end"), 1_000_000, &[999_980]);
    // More stretches than a header, and than a block of an old map, holds.
    write(&from.path().join("many"), 4_000_000, &blocks);
    fs::write(from.path().join("whole"), "no hole").unwrap();
    let name = "a name that is too long for a header, ".repeat(4);
    write(&from.path().join(&name), 70_000, &[65_536]);
    let forms: [&[&str]; 5] = [
        &["--format=gnu"],
        &["--format=pax", "--sparse-version=0.0"],
        &["--format=pax", "--sparse-version=0.1"],
        &["--format=pax", "--sparse-version=1.0"],
        &["--format=pax", "--sparse-version=1.0", "--hole-detection=raw"],
    ];
    for form in forms {
        let tar = tar(from.path(), form);
        assert!(tar.len() < 1_000_000, "{form:?}: {} bytes", tar.len());
        let ground = Ground::new();
        let applied = ground.apply(&tar).unwrap_or_else(|error| panic!("{form:?}: {}", message(&error)));
        assert!(!applied.regenerates, "{form:?}");
        assert_eq!(applied.bytes, tar.len() as u64, "{form:?}");
        assert_eq!(applied.index.entries().len(), 7, "{form:?}: {:?}", short(&applied.index));
        for entry in applied.index.entries() {
            let [ours, theirs] = [&ground.root(), from.path()].map(|dir| dir.join(entry.path.as_path()));
            assert!(
                fs::read(&ours).unwrap() == fs::read(&theirs).unwrap(),
                "{form:?}: {} differs",
                entry.path
            );
        }
        assert_disk_is(&ground, &applied.index, &form.join(" "));
        let hole = fs::metadata(ground.root().join("hole")).unwrap();
        assert_eq!((hole.size(), hole.blocks()), (3_000_001, 0), "{form:?}: no room is taken on disk");
    }
}

#[test]
fn maps_that_are_cut_off_or_lie() {
    let from = tempfile::tempdir().unwrap();
    let blocks: Vec<u64> = (0..60).map(|n| n * 65536).collect();
    write(&from.path().join("many"), 4_000_000, &blocks);
    for form in [&["--format=gnu"][..], &["--format=pax", "--sparse-version=1.0"]] {
        let tar = tar(from.path(), form);
        let whole = Ground::new().apply(&tar).unwrap();
        assert_eq!(short(&whole.index), ["/many 4000000"], "{form:?}");
        for blocks in (1..tar.len() / 512).step_by(7) {
            // Wherever it is cut, there is an error or the end of an entry.
            if let Err(error) = Ground::new().apply(&tar[..blocks * 512]) {
                let text = message(&error);
                assert!(text.starts_with("the tar is cut off"), "{form:?}: {text}");
            }
        }
        // The second stretch now begins within the first.
        let place = tar.windows(6).position(|text| text == b"65536\n" || text == b"200000").unwrap();
        let mut lie = tar.clone();
        lie[place..place + 5].copy_from_slice(b"00001");
        let text = message(&Ground::new().apply(&lie).unwrap_err());
        let checked = "the entry `./many` has an invalid map of a sparse file";
        assert!(text == checked || text.contains("wrong checksum"), "{form:?}: {text}");
    }
}
