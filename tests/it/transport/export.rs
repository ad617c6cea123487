//! What we write, and what skopeo and umoci make of it.

use std::fs;

use serde_json::Value;
use strata::layer::Compression;
use strata::oci::MediaType;
use strata::store::TarSource;
use strata::transport::{ExportError, Packing};

use super::fixture::{Fixture, skopeo_copy, tool};

const GZIP: Packing = Packing::compressed(Compression::GZIP);
const ZSTD: Packing = Packing::compressed(Compression::ZSTD);

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn skopeo_reads_a_saved_archive_in_both_forms() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let exported = fixture.save(&[fixture.source(&made, &["app:1"])], "save.tar").unwrap();
    let tar = fixture.path("save.tar").display().to_string();
    let layers: Vec<String> = made.diff_ids.iter().map(ToString::to_string).collect();

    let oci = json(&tool("skopeo", &["inspect", &format!("oci-archive:{tar}")]));
    assert_eq!(oci["Digest"], made.manifest.to_string());
    assert_eq!(oci["Layers"], serde_json::json!(layers));
    assert_eq!(exported[0].manifest.digest, made.manifest.0);

    let docker = json(&tool("skopeo", &["inspect", &format!("docker-archive:{tar}:app:1")]));
    assert_eq!(docker["Layers"], serde_json::json!(layers));
    let config = tool("skopeo", &["inspect", "--config", "--raw", &format!("docker-archive:{tar}:app:1")]);
    assert_eq!(strata::oci::Digest::of(config.as_bytes()), *exported[0].id.digest());

    let copy = fixture.path("copy");
    skopeo_copy(&format!("docker-archive:{tar}"), &format!("oci:{}:x", copy.display()), &[]);
    let copied = json(&tool("skopeo", &["inspect", "--config", &format!("oci:{}:x", copy.display())]));
    assert_eq!(copied["rootfs"]["diff_ids"], serde_json::json!(layers));
}

#[test]
fn umoci_unpacks_a_layout_of_each_compression() {
    for (name, packing) in
        [("plain", Packing::AsListed), ("gzip", GZIP), ("none", Packing::compressed(Compression::None))]
    {
        let fixture = Fixture::new();
        let made = fixture.usual();
        fixture.oci_directory(&[fixture.source(&made, &["app:1"])], packing, "layout").unwrap();
        let bundle = fixture.path("bundle");
        let image = format!("{}:1", fixture.path("layout").display());
        tool("umoci", &["unpack", "--image", &image, &bundle.display().to_string()]);
        let root = bundle.join("rootfs");
        assert_eq!(fs::read(root.join("srv/link")).unwrap(), b"localhost\n", "{name}");
        assert!(!root.join("etc/gone").exists(), "{name}");
        assert_eq!(fs::metadata(root.join("usr/big-too")).unwrap().len(), 700_000, "{name}");
    }
}

#[test]
fn compressed_layouts_are_read_by_skopeo_and_have_the_right_types() {
    for (packing, media_type) in [(GZIP, MediaType::LayerGzip), (ZSTD, MediaType::LayerZstd)] {
        let fixture = Fixture::new();
        let made = fixture.usual();
        let exported = fixture.oci(&[fixture.source(&made, &["app"])], packing, "a.tar").unwrap();
        assert!(exported[0].layers.iter().all(|layer| layer.media_type == media_type));
        let archive = format!("oci-archive:{}", fixture.path("a.tar").display());
        let raw = json(&tool("skopeo", &["inspect", "--raw", &archive]));
        assert_eq!(raw["layers"][0]["mediaType"], media_type.as_str());
        // A copy to plain layers verifies that the tars are those of the config.
        let plain = format!("dir:{}", fixture.path("plain").display());
        skopeo_copy(&archive, &plain, &["--dest-decompress"]);
        let plain = json(&tool("skopeo", &["inspect", "--raw", &plain]));
        for (layer, diff_id) in plain["layers"].as_array().unwrap().iter().zip(&made.diff_ids) {
            assert_eq!(layer["digest"], diff_id.to_string());
        }
    }
}

#[test]
fn the_same_image_makes_the_same_bytes_and_compresses_once() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let images = [fixture.source(&made, &["app:1", "other/app:2"])];
    for packing in [Packing::AsListed, GZIP, ZSTD] {
        fixture.oci(&images, packing, "a.tar").unwrap();
        let before = fixture.files();
        fixture.oci(&images, packing, "b.tar").unwrap();
        assert_eq!(fixture.files(), before);
        assert_eq!(fs::read(fixture.path("a.tar")).unwrap(), fs::read(fixture.path("b.tar")).unwrap());
    }
}

#[test]
fn each_name_is_an_entry_of_the_index() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let images = [fixture.source(&made, &["app:1", "localhost:5000/app:2"])];
    fixture.oci_directory(&images, GZIP, "layout").unwrap();
    let index = json(&fs::read_to_string(fixture.path("layout/index.json")).unwrap());
    let entries = index["manifests"].as_array().unwrap();
    let annotation = |i: usize, name: &str| entries[i]["annotations"][name].as_str().unwrap().to_owned();
    assert_eq!(entries.len(), 2);
    assert_eq!(entries[0]["digest"], entries[1]["digest"]);
    assert_eq!(annotation(0, "io.containerd.image.name"), "docker.io/library/app:1");
    assert_eq!(annotation(0, "org.opencontainers.image.ref.name"), "1");
    assert_eq!(annotation(1, "io.containerd.image.name"), "localhost:5000/app:2");
    assert_eq!(tool("umoci", &["ls", "--layout", &fixture.path("layout").display().to_string()]), "1\n2\n");
}

#[test]
fn a_layout_that_is_there_keeps_its_other_images() {
    let fixture = Fixture::new();
    let first = fixture.usual();
    let second = fixture.image(Vec::new(), "another");
    let names = || {
        let index = json(&fs::read_to_string(fixture.path("layout/index.json")).unwrap());
        let entries = index["manifests"].as_array().unwrap().clone();
        entries
            .iter()
            .map(|entry| {
                let name = entry["annotations"]["io.containerd.image.name"].as_str().unwrap();
                format!("{name} {}", entry["digest"].as_str().unwrap())
            })
            .collect::<Vec<_>>()
    };
    fixture.oci_directory(&[fixture.source(&first, &["a", "b"])], Packing::AsListed, "layout").unwrap();
    fixture.oci_directory(&[fixture.source(&second, &["b"])], Packing::AsListed, "layout").unwrap();
    let (a, b) = (first.manifest, second.manifest);
    assert_eq!(
        names(),
        [format!("docker.io/library/a:latest {a}"), format!("docker.io/library/b:latest {b}")]
    );
    fs::write(fixture.path("layout/index.json"), "[]").unwrap();
    let error = fixture.oci_directory(&[fixture.source(&second, &["b"])], Packing::AsListed, "layout");
    assert!(matches!(error, Err(ExportError::ForeignIndex { .. })));
}

#[test]
fn a_damaged_layer_is_named_and_nothing_is_written() {
    let fixture = Fixture::new();
    let made = fixture.usual();
    let layer = fixture.store.peek_layer(&made.diff_ids[0]).unwrap().unwrap();
    assert_eq!(layer.source, TarSource::Writer);
    fs::write(layer.parts[0].join("etc/hosts"), "localh0st\n").unwrap();
    fs::write(fixture.path("old.tar"), "old").unwrap();
    for packing in [Packing::AsListed, GZIP] {
        let error = fixture.oci(&[fixture.source(&made, &[])], packing, "old.tar").unwrap_err();
        let ExportError::LayerMismatch { layer, .. } = error else { panic!("{error}") };
        assert_eq!(layer, made.diff_ids[0]);
        let error = fixture.oci_directory(&[fixture.source(&made, &[])], packing, "dir").unwrap_err();
        assert!(matches!(error, ExportError::LayerMismatch { .. }), "{error}");
    }
    assert_eq!(fs::read(fixture.path("old.tar")).unwrap(), b"old");
    let mut left: Vec<_> =
        fs::read_dir(fixture.dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    left.sort();
    assert_eq!(left, ["old.tar", "store"]);
}

#[test]
fn a_canceled_export_stops() {
    let fixture = Fixture::new();
    let layers = vec![fixture.layer(&[super::fixture::file("big", &super::fixture::noise(20 << 20))])];
    let made = fixture.image(layers, "x");
    fixture.cancel.cancel();
    for packing in [Packing::AsListed, GZIP] {
        let error = fixture.oci(&[fixture.source(&made, &[])], packing, "a.tar").unwrap_err();
        assert!(matches!(error, ExportError::Canceled), "{error}");
    }
    assert!(!fixture.path("a.tar").exists());
}
