//! What we read: our own archives and those of others.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use strata::layer::{ApplyError, Compression};
use strata::oci::{Digest, MediaType, Platform};
use strata::store::TarSource;
use strata::transport::{Input, LoadError, LoadOptions, Packing, load};

use super::fixture::{Fixture, skopeo_copy, tool};

const GZIP: Packing = Packing::compressed(Compression::GZIP);

fn names(names: &[strata::oci::Reference]) -> Vec<String> {
    names.iter().map(strata::oci::Reference::familiar).collect()
}

#[test]
fn a_saved_image_comes_back_the_same_in_another_store() {
    let (from, to) = (Fixture::new(), Fixture::new());
    let made = from.usual();
    from.save(&[from.source(&made, &["b:2", "a:1"])], "save.tar").unwrap();
    let loaded = to.load(&from.path("save.tar")).unwrap();
    assert_eq!(loaded.len(), 1);
    assert_eq!(loaded[0].manifest, made.manifest);
    assert_eq!(names(&loaded[0].names), ["a:1", "b:2"]);
    assert_eq!(to.store.find_ref("docker.io/library/a:1").unwrap().unwrap().manifest, made.manifest);
    for diff_id in &made.diff_ids {
        assert_eq!(to.index(diff_id), from.index(diff_id));
        // Our own writer makes the tar again: no second copy is kept.
        assert_eq!(to.store.peek_layer(diff_id).unwrap().unwrap().source, TarSource::Writer);
    }
    let again = to.source(&made, &["b:2", "a:1"]);
    to.save(&[again], "again.tar").unwrap();
    let sorted = from.source(&made, &["b:2", "a:1"]);
    from.save(&[sorted], "save.tar").unwrap();
    assert_eq!(fs::read(to.path("again.tar")).unwrap(), fs::read(from.path("save.tar")).unwrap());
}

#[test]
fn streams_and_compressed_archives_are_the_same() {
    let from = Fixture::new();
    let made = from.usual();
    from.save(&[from.source(&made, &["a"])], "save.tar").unwrap();
    let tar = from.path("save.tar").display().to_string();
    tool("gzip", &["-k", &tar]);
    tool("zstd", &["-q", "-k", &tar]);
    tool("bzip2", &["-k", &tar]);
    tool("xz", &["-k", &tar]);
    for name in ["save.tar", "save.tar.gz", "save.tar.zst", "save.tar.bz2", "save.tar.xz"] {
        let to = Fixture::new();
        assert_eq!(to.load(&from.path(name)).unwrap()[0].manifest, made.manifest, "{name}");
        let to = Fixture::new();
        let bytes = fs::read(from.path(name)).unwrap();
        assert_eq!(to.load_stream(&bytes).unwrap()[0].manifest, made.manifest, "{name} as a stream");
    }
}

#[test]
fn several_images_share_layers() {
    let (from, to) = (Fixture::new(), Fixture::new());
    let first = from.usual();
    let base = strata::oci::Descriptor::new(
        MediaType::Layer,
        first.diff_ids[0].0,
        from.store.peek_layer(&first.diff_ids[0]).unwrap().unwrap().tar_size,
    );
    let second = from.image(vec![base.clone(), base], "twice the same layer");
    from.save(&[from.source(&first, &["a"]), from.source(&second, &["b", "c"])], "two.tar").unwrap();
    let loaded = to.load(&from.path("two.tar")).unwrap();
    assert_eq!(loaded.iter().map(|l| l.manifest).collect::<Vec<_>>(), [first.manifest, second.manifest]);
    assert_eq!(names(&loaded[1].names), ["b:latest", "c:latest"]);
    assert_eq!(to.store.images().unwrap().len(), 2);
}

#[test]
fn an_image_from_skopeo_keeps_its_digests() {
    for (format, transport) in [("oci", "oci"), ("zstd", "oci")] {
        let (from, to) = (Fixture::new(), Fixture::new());
        let made = from.usual();
        from.save(&[from.source(&made, &["a"])], "save.tar").unwrap();
        let layout = from.path("layout");
        let name = format!("{transport}:{}:example.com/b:1", layout.display());
        let options: &[&str] = if format == "zstd" { &["--dest-compress-format", "zstd"] } else { &[] };
        skopeo_copy(&format!("docker-archive:{}", from.path("save.tar").display()), &name, options);
        let loaded = to.load(&layout).unwrap();
        assert_eq!(names(&loaded[0].names), ["example.com/b:1"]);
        let raw = tool("skopeo", &["inspect", "--raw", &name]);
        assert_eq!(loaded[0].manifest.0, Digest::of(raw.as_bytes()), "{format}");
        let layer = to.store.peek_layer(&made.diff_ids[0]).unwrap().unwrap();
        assert!(matches!(layer.source, TarSource::Blob(blob) if blob.0 != made.diff_ids[0].0));

        // Out again as it came, and from there into a third store.
        let source = to.stored(&loaded[0].manifest, loaded[0].names.clone());
        to.save(&[source], "again.tar").unwrap();
        let third = Fixture::new();
        assert_eq!(third.load(&to.path("again.tar")).unwrap(), loaded);
        let archive = format!("docker-archive:{}", to.path("again.tar").display());
        skopeo_copy(&archive, &format!("oci:{}", from.path("third").display()), &[]);
    }
}

#[test]
fn dockers_older_form_is_read() {
    let (from, to) = (Fixture::new(), Fixture::new());
    let made = from.usual();
    from.save(&[from.source(&made, &["a:1"])], "save.tar").unwrap();
    let old = from.path("old.tar");
    skopeo_copy(
        &format!("docker-archive:{}", from.path("save.tar").display()),
        &format!("docker-archive:{}:b:2", old.display()),
        &[],
    );
    let listed = tool("tar", &["-tf", &old.display().to_string()]);
    // skopeo writes `<id>/layer.tar` as links, as Docker did.
    assert!(listed.contains("layer.tar") && !listed.contains("index.json"), "{listed}");
    let loaded = to.load(&old).unwrap();
    assert_eq!(names(&loaded[0].names), ["b:2"]);
    assert_eq!(to.index(&made.diff_ids[1]), from.index(&made.diff_ids[1]));
    // The layers are plain, so that the manifest is the one that our own build makes.
    assert_eq!(loaded[0].manifest, made.manifest);
}

#[test]
fn links_between_layers_are_followed_inside_the_archive() {
    let (from, to) = (Fixture::new(), Fixture::new());
    let made = from.usual();
    from.save(&[from.source(&made, &["a:1"])], "save.tar").unwrap();
    let dir = from.path("old");
    fs::create_dir(&dir).unwrap();
    tool("tar", &["-xf", &from.path("save.tar").display().to_string(), "-C", &dir.display().to_string()]);
    let manifest: Value = serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap();
    let mut item = manifest[0].clone();
    for (i, id) in ["one", "two"].into_iter().enumerate() {
        fs::create_dir(dir.join(id)).unwrap();
        let blob = item["Layers"][i].as_str().unwrap().to_owned();
        fs::rename(dir.join(&blob), dir.join(format!("x{i}.tar"))).unwrap();
        std::os::unix::fs::symlink(format!("../x{i}.tar"), dir.join(id).join("layer.tar")).unwrap();
        item["Layers"][i] = json!(format!("{id}/layer.tar"));
    }
    fs::write(dir.join("manifest.json"), json!([item]).to_string()).unwrap();
    fs::remove_file(dir.join("index.json")).unwrap();
    let old = from.path("old.tar").display().to_string();
    tool("tar", &["-cf", &old, "-C", &dir.display().to_string(), "."]);
    assert_eq!(to.load(Path::new(&old)).unwrap()[0].manifest, made.manifest);
}

/// A layout directory with one image, and its index to be edited.
fn layout(fixture: &Fixture) -> Value {
    let made = fixture.usual();
    fixture.oci_directory(&[fixture.source(&made, &["a:1"])], GZIP, "layout").unwrap();
    serde_json::from_slice(&fs::read(fixture.path("layout/index.json")).unwrap()).unwrap()
}

fn set_index(fixture: &Fixture, index: &Value) {
    fs::write(fixture.path("layout/index.json"), index.to_string()).unwrap();
}

fn put(fixture: &Fixture, document: &Value, media_type: &str) -> Value {
    let bytes = document.to_string();
    let digest = Digest::of(bytes.as_bytes());
    fs::write(fixture.path("layout/blobs/sha256").join(digest.hex()), &bytes).unwrap();
    json!({"mediaType": media_type, "digest": digest.to_string(), "size": bytes.len()})
}

const INDEX: &str = "application/vnd.oci.image.index.v1+json";

#[test]
fn the_hosts_image_of_an_index_is_taken() {
    let from = Fixture::new();
    let index = layout(&from);
    let own = index["manifests"][0].clone();
    let foreign = |architecture: &str| {
        // Nothing of it is there: it must not be looked at.
        json!({"mediaType": own["mediaType"], "digest": Digest::of(architecture.as_bytes()).to_string(),
               "size": 2, "platform": {"os": if architecture == "unknown" { "unknown" } else { "linux" },
               "architecture": architecture}})
    };
    let mut nested = own.clone();
    nested.as_object_mut().unwrap().remove("annotations");
    let list = json!({"schemaVersion": 2, "mediaType": INDEX,
                      "manifests": [foreign("riscv64"), nested, foreign("unknown")]});
    let mut entry = put(&from, &list, INDEX);
    entry["annotations"] = own["annotations"].clone();
    set_index(&from, &json!({"schemaVersion": 2, "manifests": [entry.clone()]}));
    let to = Fixture::new();
    let loaded = to.load(&from.path("layout")).unwrap();
    assert_eq!(loaded[0].manifest.to_string(), own["digest"].as_str().unwrap());
    assert_eq!(names(&loaded[0].names), ["a:1"]);

    let list = json!({"schemaVersion": 2, "mediaType": INDEX,
                      "manifests": [foreign("riscv64"), foreign("s390x"), foreign("unknown")]});
    set_index(&from, &json!({"schemaVersion": 2, "manifests": [put(&from, &list, INDEX)]}));
    let error = Fixture::new().load(&from.path("layout")).unwrap_err();
    let host = Platform::host();
    assert_eq!(
        error.to_string(),
        format!("the archive has no image for {host}: it has linux/riscv64, linux/s390x")
    );
}

#[test]
fn what_names_mean() {
    let from = Fixture::new();
    let index = layout(&from);
    for (annotations, expected, tags) in [
        (json!({"org.opencontainers.image.ref.name": "latest"}), vec![], vec!["latest"]),
        (json!({"org.opencontainers.image.ref.name": "quay.io/x/y:3"}), vec!["quay.io/x/y:3"], vec![]),
        (json!({"org.opencontainers.image.ref.name": "koa:3"}), vec!["koa:3"], vec![]),
        (
            json!({"io.containerd.image.name": "docker.io/library/z:1", "org.opencontainers.image.ref.name": "1"}),
            vec!["z:1"],
            vec![],
        ),
        (json!({"org.opencontainers.image.ref.name": "No Reference"}), vec![], vec!["No Reference"]),
        (json!({}), vec![], vec![]),
    ] {
        let mut index = index.clone();
        index["manifests"][0]["annotations"] = annotations.clone();
        set_index(&from, &index);
        let loaded = Fixture::new().load(&from.path("layout")).unwrap();
        assert_eq!(names(&loaded[0].names), expected, "{annotations}");
        assert_eq!(loaded[0].tags, tags, "{annotations}");
    }
}

#[test]
fn bombs_are_limited() {
    let from = Fixture::new();
    let zeros = vec![0; 80 << 20];
    let made = from.image(vec![from.layer(&[super::fixture::file("zeros", &zeros)])], "x");
    from.oci(&[from.source(&made, &["a"])], GZIP, "layers.tar").unwrap();
    from.save(&[from.source(&made, &["a"])], "save.tar").unwrap();
    tool("zstd", &["-q", &from.path("save.tar").display().to_string()]);
    let mut to = Fixture::new();
    let unpack = |e: &LoadError| matches!(e, LoadError::Unpack { source: ApplyError::Bytes { .. }, .. });
    let layer = |e: &LoadError| matches!(e, LoadError::Layer { .. });
    let outer = |e: &LoadError| matches!(e, LoadError::Decompress { .. });
    let cases = [
        ("layers.tar", 1 << 20, u64::MAX, unpack as fn(&LoadError) -> bool),
        ("layers.tar", u64::MAX, 500, layer),
        ("save.tar.zst", 1 << 20, u64::MAX, outer),
        ("save.tar.zst", u64::MAX, 500, outer),
    ];
    for (name, bytes, ratio, expected) in cases {
        let limits = strata::layer::Limits { bytes, ratio };
        let options = LoadOptions { limits, ..LoadOptions::default() };
        let result = load(to.session(), Input::Path(&from.path(name)), &options, &to.reporter);
        let error = result.unwrap_err();
        assert!(expected(&error), "{name} {bytes} {ratio}: {error}");
        to.next_command();
    }
}
