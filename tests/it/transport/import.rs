//! Root file systems as images.

use std::fs;
use std::path::Path;

use strata::layer::Limits;
use strata::oci::{BlobDigest, Config, Digest, ImageConfig, Platform};
use strata::store::TarSource;
use strata::transport::{ImportOptions, Input, LoadError, Loaded, Packing, import};

use super::fixture::{Fixture, tool};

fn options() -> ImportOptions {
    ImportOptions {
        config: Config { cmd: Some(vec!["/bin/sh".to_owned()]), ..Config::default() },
        platform: Platform::host(),
        created: "2021-02-03T04:05:06Z".to_owned(),
        comment: "Imported from -".to_owned(),
        names: vec!["imported:1".parse().unwrap()],
        limits: Limits { bytes: 64 << 20, ratio: 1000 },
    }
}

fn run(fixture: &Fixture, path: &Path) -> Result<Loaded, LoadError> {
    import(fixture.session(), Input::Path(path), &options(), &fixture.reporter)
}

/// Tars of one root in several orders and forms.
fn tars(dir: &Path) -> Vec<String> {
    let root = dir.join("root");
    fs::create_dir_all(root.join("bin")).unwrap();
    fs::write(root.join("bin/sh"), "#!").unwrap();
    fs::write(root.join("a"), "a").unwrap();
    std::os::unix::fs::symlink("bin/sh", root.join("z")).unwrap();
    for path in ["bin/sh", "a", "bin"] {
        tool("touch", &["-d", "@1000000000", &root.join(path).display().to_string()]);
    }
    tool("touch", &["-h", "-d", "@1000000000", &root.join("z").display().to_string()]);
    let root = root.display().to_string();
    let name = |name: &str| dir.join(name).display().to_string();
    tool("tar", &["--format=gnu", "-cf", &name("one.tar"), "-C", &root, "."]);
    tool("tar", &["--format=pax", "-cf", &name("two.tar"), "-C", &root, "z", "bin", "a"]);
    tool("tar", &["-czf", &name("three.tar"), "-C", &root, "bin", "a", "z"]);
    tool("tar", &["--zstd", "-cf", &name("four.tar"), "-C", &root, "a", "bin", "z"]);
    tool("tar", &["-cJf", &name("five.tar"), "-C", &root, "a", "bin", "z"]);
    ["one.tar", "two.tar", "three.tar", "four.tar", "five.tar"].map(name).to_vec()
}

#[test]
fn the_form_of_the_tar_does_not_matter() {
    let mut results = Vec::new();
    let tars = tempfile::tempdir().unwrap();
    for tar in self::tars(tars.path()) {
        let mut fixture = Fixture::new();
        let loaded = run(&fixture, Path::new(&tar)).unwrap();
        let config = fixture.store.read_blob(&BlobDigest(loaded.id)).unwrap();
        let config = ImageConfig::from_json(&config).unwrap();
        assert_eq!(config.history.len(), 1);
        assert_eq!(config.history[0].comment.as_deref(), Some("Imported from -"));
        let layer = fixture.store.peek_layer(&config.rootfs.diff_ids[0]).unwrap().unwrap();
        assert_eq!(layer.source, TarSource::Writer);
        let row = fixture.store.find_ref("docker.io/library/imported:1").unwrap().unwrap();
        assert_eq!(row.manifest, loaded.manifest);
        // The tar can be made again.
        let source = fixture.stored(&loaded.manifest, Vec::new());
        fixture.oci(&[source], Packing::AsListed, "a.tar").unwrap();
        fixture.next_command();
        results.push(loaded.manifest);
    }
    assert!(results.windows(2).all(|pair| pair[0] == pair[1]), "{results:?}");
}

#[test]
fn what_is_no_root_file_system() {
    let mut fixture = Fixture::new();
    let no_tar = fixture.path("x");
    fs::write(&no_tar, [b'x'; 2000]).unwrap();
    assert!(matches!(run(&fixture, &no_tar), Err(LoadError::NotTar(looks)) if looks.what == "text"));
    fixture.next_command();
    let tars = tars(fixture.dir.path());
    let gzip = fs::read(&tars[2]).unwrap();
    fs::write(&no_tar, &gzip[..gzip.len() / 2]).unwrap();
    assert!(matches!(run(&fixture, &no_tar), Err(LoadError::Decompress { .. })));
    fixture.next_command();
    let limits = Limits { bytes: 1000, ratio: 1000 };
    let options = ImportOptions { limits, ..options() };
    let result = import(fixture.session(), Input::Path(Path::new(&tars[2])), &options, &fixture.reporter);
    assert!(matches!(result, Err(LoadError::Decompress { .. })));
    fixture.next_command();
    assert!(fixture.store.images().unwrap().is_empty());
    assert!(fixture.store.peek_layer(&strata::oci::DiffId(Digest::of(b""))).unwrap().is_none());
}
