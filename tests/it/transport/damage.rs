//! Archives that are cut off, damaged or lie: each is refused for the reason it should be, and leaves nothing.

use std::fs;

use serde_json::{Value, json};
use strata::layer::Compression;
use strata::oci::{Digest, Reference};
use strata::transport::{LoadError, Packing, Part};

use super::fixture::{Fixture, tool};

const GZIP: Packing = Packing::compressed(Compression::GZIP);

/// Tries to load bytes, in place and as a stream, and sees that nothing is left.
fn refused(to: &mut Fixture, bytes: &[u8]) -> LoadError {
    let path = to.path("damaged.tar");
    fs::write(&path, bytes).unwrap();
    let in_place = to.load(&path).expect_err("a damaged archive");
    to.next_command();
    assert!(to.store.images().unwrap().is_empty());
    let streamed = to.load_stream(bytes).expect_err("a damaged archive");
    assert_eq!(in_place.to_string(), streamed.to_string());
    to.next_command();
    let mut files = to.files();
    files.retain(|file| {
        file.components().any(|part| part.as_os_str() == "blobs" || part.as_os_str() == "layers")
    });
    let directories = ["blobs/sha256", "layers/sha256"].map(|name| to.store.root().join(name));
    files.retain(|file| !directories.contains(file));
    assert!(files.is_empty(), "{files:?}");
    in_place
}

#[test]
fn archives_that_are_cut_off() {
    let from = Fixture::new();
    let made = from.usual();
    from.save(&[from.source(&made, &["a:1"])], "save.tar").unwrap();
    let whole = fs::read(from.path("save.tar")).unwrap();
    let mut to = Fixture::new();
    // All that the end mark may lack without harm is itself.
    let needed = whole.iter().rposition(|&b| b != 0).unwrap() + 1;
    let cuts = (0..needed).step_by(whole.len() / 60).chain([1, 511, 512, 513, 1024, needed - 1]);
    for cut in cuts {
        let error = refused(&mut to, &whole[..cut]);
        assert!(
            matches!(error, LoadError::Tar(_) | LoadError::Missing { .. } | LoadError::Unknown)
                || (cut < 512 && matches!(error, LoadError::NotTar(_))),
            "cut at {cut}: {error}"
        );
    }
    fs::write(to.path("whole.tar"), &whole[..needed]).unwrap();
    assert_eq!(to.load(&to.path("whole.tar")).unwrap()[0].manifest, made.manifest);
}

#[test]
fn compressed_archives_that_are_cut_off() {
    let from = Fixture::new();
    let made = from.usual();
    from.save(&[from.source(&made, &["a:1"])], "save.tar").unwrap();
    tool("gzip", &[&from.path("save.tar").display().to_string()]);
    let whole = fs::read(from.path("save.tar.gz")).unwrap();
    let mut to = Fixture::new();
    for cut in [3, 100, whole.len() / 2, whole.len() - 1] {
        let error = refused(&mut to, &whole[..cut]);
        assert!(matches!(error, LoadError::Decompress { .. } | LoadError::Tar(_)), "cut at {cut}: {error}");
    }
}

/// A layout in a directory that is damaged and packed.
struct Layout {
    from: Fixture,
    manifest: Digest,
    config: Digest,
    layers: Vec<Digest>,
}

impl Layout {
    fn new(packing: Packing) -> Self {
        let from = Fixture::new();
        let made = from.usual();
        let exported =
            from.oci_directory(&[from.source(&made, &["a:1"])], packing, "layout").unwrap().remove(0);
        let layers = exported.layers.iter().map(|layer| layer.digest).collect();
        Self { manifest: exported.manifest.digest, config: exported.id.0, layers, from }
    }

    fn blob(&self, digest: &Digest) -> std::path::PathBuf {
        self.from.path("layout/blobs/sha256").join(digest.hex())
    }

    fn pack(&self) -> Vec<u8> {
        let tar = self.from.path("packed.tar").display().to_string();
        tool("tar", &["-cf", &tar, "-C", &self.from.path("layout").display().to_string(), "."]);
        fs::read(tar).unwrap()
    }

    fn json(&self, digest: &Digest) -> Value {
        serde_json::from_slice(&fs::read(self.blob(digest)).unwrap()).unwrap()
    }

    /// Writes a new config and all that leads to it.
    fn set_config(&mut self, config: &str) {
        let digest = Digest::of(config.as_bytes());
        fs::write(self.blob(&digest), config).unwrap();
        let mut manifest = self.json(&self.manifest);
        manifest["config"]["digest"] = json!(digest.to_string());
        manifest["config"]["size"] = json!(config.len());
        self.config = digest;
        self.set_manifest(&manifest.to_string());
    }

    fn set_manifest(&mut self, manifest: &str) {
        self.manifest = Digest::of(manifest.as_bytes());
        fs::write(self.blob(&self.manifest), manifest).unwrap();
        let path = self.from.path("layout/index.json");
        let mut index: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        index["manifests"][0]["digest"] = json!(self.manifest.to_string());
        index["manifests"][0]["size"] = json!(manifest.len());
        fs::write(path, index.to_string()).unwrap();
    }
}

#[test]
fn a_flipped_bit_is_blamed_on_what_has_it() {
    for packing in [GZIP, Packing::AsListed] {
        for (which, part) in [(0, Part::Manifest), (1, Part::Config), (2, Part::Layer), (3, Part::Layer)] {
            let layout = Layout::new(packing);
            let mut digests = vec![layout.manifest, layout.config];
            digests.extend(&layout.layers);
            let digest = digests[which];
            let mut bytes = fs::read(layout.blob(&digest)).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(layout.blob(&digest), bytes).unwrap();
            let error = refused(&mut Fixture::new(), &layout.pack());
            match error {
                LoadError::Digest { part: found, expected, .. } => {
                    assert_eq!((found, expected), (part, digest));
                }
                // A plain layer is the tar that its diff id names.
                LoadError::DiffId { expected, .. } if packing == Packing::AsListed => {
                    assert_eq!((expected.0, part), (digest, Part::Layer));
                }
                other => panic!("{part}: {other}"),
            }
        }
    }
}

/// What is done to a layout, and whether an error is the right one.
type Case = (&'static str, fn(&mut Layout), fn(&LoadError) -> bool);

const LIES: &[Case] = &[
    (
        "no blob",
        |l| fs::remove_file(l.blob(&l.layers[1])).unwrap(),
        |e| matches!(e, LoadError::Missing { part: Part::Layer, .. }),
    ),
    (
        "no config",
        |l| fs::remove_file(l.blob(&l.config)).unwrap(),
        |e| matches!(e, LoadError::Missing { part: Part::Config, .. }),
    ),
    (
        "a longer layer",
        |l| {
            let path = l.blob(&l.layers[0]);
            let mut bytes = fs::read(&path).unwrap();
            bytes.push(0);
            fs::write(path, bytes).unwrap();
        },
        |e| matches!(e, LoadError::Size { part: Part::Layer, .. }),
    ),
    (
        "another layer's diff id",
        |l| {
            let mut config = l.json(&l.config);
            config["rootfs"]["diff_ids"][0] = json!(Digest::of(b"no").to_string());
            l.set_config(&config.to_string());
        },
        |e| matches!(e, LoadError::DiffId { expected, .. } if expected.0 == Digest::of(b"no")),
    ),
    (
        "one diff id too few",
        |l| {
            let mut config = l.json(&l.config);
            config["rootfs"]["diff_ids"].as_array_mut().unwrap().pop();
            l.set_config(&config.to_string());
        },
        |e| matches!(e, LoadError::LayerCount { diff_ids: 1, layers: 2, .. }),
    ),
    ("a config that is a list", |l| l.set_config("[]"), |e| matches!(e, LoadError::Json { .. })),
    ("a manifest that is a number", |l| l.set_manifest("7"), |e| matches!(e, LoadError::Manifest { .. })),
    (
        "an artifact",
        |l| {
            let mut manifest = l.json(&l.manifest);
            manifest["config"]["mediaType"] = json!("application/vnd.cncf.helm.config.v1+json");
            l.set_manifest(&manifest.to_string());
        },
        |e| matches!(e, LoadError::MediaType { part: Part::Config, .. }),
    ),
    (
        "a layer of an unknown type",
        |l| {
            let mut manifest = l.json(&l.manifest);
            manifest["layers"][0]["mediaType"] = json!("application/x-7z");
            l.set_manifest(&manifest.to_string());
        },
        |e| matches!(e, LoadError::MediaType { part: Part::Layer, .. }),
    ),
    (
        "a layer in a form that has no media type",
        |l| {
            let content = b"BZh9 and so on";
            let digest = Digest::of(content);
            fs::write(l.blob(&digest), content).unwrap();
            let mut manifest = l.json(&l.manifest);
            manifest["layers"][0]["digest"] = json!(digest.to_string());
            manifest["layers"][0]["size"] = json!(content.len());
            l.set_manifest(&manifest.to_string());
        },
        |e| matches!(e, LoadError::Compression { format: "bzip2", .. }),
    ),
    (
        "a digest of another algorithm",
        |l| {
            let mut manifest = l.json(&l.manifest);
            manifest["layers"][0]["digest"] = json!(format!("sha512:{}", "0".repeat(128)));
            l.set_manifest(&manifest.to_string());
        },
        |e| matches!(e, LoadError::Manifest { .. }),
    ),
    (
        "an index that is text",
        |l| {
            fs::write(l.from.path("layout/index.json"), "hello").unwrap();
        },
        |e| matches!(e, LoadError::Manifest { .. }),
    ),
    (
        "an empty index",
        |l| {
            fs::write(l.from.path("layout/index.json"), r#"{"schemaVersion":2,"manifests":[]}"#).unwrap();
        },
        |e| matches!(e, LoadError::NoImages),
    ),
    (
        "another version",
        |l| {
            fs::write(l.from.path("layout/oci-layout"), r#"{"imageLayoutVersion":"9"}"#).unwrap();
        },
        |e| matches!(e, LoadError::Layout(_)),
    ),
    (
        "no index",
        |l| fs::remove_file(l.from.path("layout/index.json")).unwrap(),
        |e| matches!(e, LoadError::Unknown),
    ),
];

#[test]
fn lies_and_foreign_things() {
    for (name, edit, expected) in LIES {
        let mut layout = Layout::new(GZIP);
        edit(&mut layout);
        let error = refused(&mut Fixture::new(), &layout.pack());
        assert!(expected(&error), "{name}: {error}");
    }
}

/// A tar of single files.
fn tar(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in files {
        let mut header = tar::Header::new_ustar();
        // `set_path` refuses what is to be tested.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_cksum();
        builder.append(&header, *content).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn older_archives_that_lie() {
    let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]}}"#;
    let named = format!("{}.json", Digest::of(config).hex());
    let other = format!("{}.json", Digest::of(b"other").hex());
    let manifest = |config: &str, rest: &str| format!(r#"[{{"Config":"{config}"{rest}}}]"#).into_bytes();
    let mut to = Fixture::new();
    let mut check = |files: &[(&str, &[u8])], expected: &str| {
        assert_eq!(refused(&mut to, &tar(files)).to_string(), expected);
    };
    check(&[("hello", b"x")], "the archive holds no images: it has neither `index.json` nor `manifest.json`");
    check(&[("../x", b"x")], "the archive has an entry `../x`, whose name leads out of it");
    check(&[("manifest.json", b"{}")], "`manifest.json` in the archive cannot be read");
    check(&[("manifest.json", b"[]")], "the archive lists no images");
    check(&[("manifest.json", br#"[{"Config":7}]"#)], "`manifest.json` in the archive cannot be read");
    check(
        &[("manifest.json", &manifest("c.json", ""))],
        "the archive has no `c.json`, which is the config of an image",
    );
    check(
        &[("manifest.json", &manifest("../../etc/passwd", ""))],
        "the archive has no `../../etc/passwd`, which is the config of an image",
    );
    check(
        &[("manifest.json", &manifest(&other, "")), (&other, config)],
        &format!(
            "the config {} in the archive is damaged: its content has digest {}",
            Digest::of(b"other"),
            Digest::of(config)
        ),
    );
    check(
        &[("manifest.json", &manifest(&named, r#","Layers":["l.tar"]"#)), (&named, config), ("l.tar", b"")],
        &format!("the image {} has 0 layers by its config and 1 by its manifest", Digest::of(config)),
    );
    check(
        &[("manifest.json", &manifest(&named, r#","RepoTags":["Upper/Case:1"]"#)), (&named, config)],
        "the archive gives an image an invalid name",
    );
    let mut whole = tar(&[("manifest.json", &manifest(&named, "")), (&named, config)]);
    let loaded = to.load_stream(&whole).unwrap();
    assert_eq!(loaded[0].id, Digest::of(config));
    assert_eq!(loaded[0].names, Vec::<Reference>::new());
    to = Fixture::new();
    whole[100] ^= 1;
    assert_eq!(refused(&mut to, &whole).to_string(), "the archive is not a tar");
    assert_eq!(refused(&mut to, b"").to_string(), "the archive is not a tar: it is empty");
    assert_eq!(refused(&mut to, &[b'x'; 4096]).to_string(), "the archive is not a tar: it looks like text");
}

#[test]
fn sizes_that_the_archive_does_not_have() {
    let mut to = Fixture::new();
    let files: [(&str, &[u8]); 2] = [("a", b"x"), ("b", b"y")];
    let good = tar(&files);
    for size in ["77777777777", "00000010000"] {
        let mut bytes = good.clone();
        bytes[1024 + 124..1024 + 135].copy_from_slice(size.as_bytes());
        bytes[1024 + 148..1024 + 156].fill(b' ');
        let sum: u32 = bytes[1024..1536].iter().map(|&b| u32::from(b)).sum();
        bytes[1024 + 148..1024 + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        assert_eq!(refused(&mut to, &bytes).to_string(), "the archive is cut off at `b`");
    }
}

#[test]
fn a_layer_that_climbs_out_is_refused() {
    let layer = tar(&[("../../evil", b"x")]);
    let diff_id = Digest::of(&layer);
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","rootfs":{{"type":"layers","diff_ids":["{diff_id}"]}}}}"#
    );
    let archive = tar(&[
        ("manifest.json", br#"[{"Config":"c.json","Layers":["l.tar"]}]"#),
        ("c.json", config.as_bytes()),
        ("l.tar", &layer),
    ]);
    let mut to = Fixture::new();
    let error = refused(&mut to, &archive);
    assert_eq!(error.to_string(), "cannot unpack the layer `l.tar`");
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the entry `../../evil` cannot be unpacked: it contains `..`");
    assert!(!to.store.root().join("evil").exists());
}
