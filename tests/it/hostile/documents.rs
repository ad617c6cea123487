//! Documents that lie or make no sense, in OCI layouts and docker-archives. What is said stands in
//! `testdata/hostile/documents.txt`.

use serde_json::{Value, json};

use super::archive::{of, of_files};
use super::image::{Image, config, descriptor, digest, gzip, index, manifest};
use super::place::{Place, assert_snapshot};

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// A layer with one file.
fn tar() -> Vec<u8> {
    of("f a 1")
}

/// An image whose config is what `edit` makes of a good one's text.
fn with_config(edit: impl Fn(&str) -> String) -> Image {
    let tar = tar();
    Image::with_config(vec![gzip(&tar)], edit(&config(&[&tar]).to_string()))
}

/// An image whose manifest is what `edit` makes of a good one.
fn with_manifest(edit: impl Fn(&mut Value)) -> Image {
    let good = Image::of_tars(&[&tar()]);
    let mut manifest: Value = serde_json::from_slice(&good.manifest).unwrap();
    edit(&mut manifest);
    Image::with_manifest(good.layers, good.config, manifest.to_string())
}

/// An image whose manifest's text is what `edit` makes of a good one's.
fn with_manifest_text(edit: impl Fn(&str) -> String) -> Image {
    let good = Image::of_tars(&[&tar()]);
    let manifest = edit(std::str::from_utf8(&good.manifest).unwrap());
    Image::with_manifest(good.layers, good.config, manifest)
}

/// An image whose `index.json` is what `edit` makes of a good one's text.
fn with_index(edit: impl Fn(&str) -> String) -> Image {
    let good = Image::of_tars(&[&tar()]);
    let index = edit(std::str::from_utf8(&good.index).unwrap());
    good.with_index(index)
}

/// `depth` indexes, each listing the next one `times` times; the last one lists `last`.
fn nested(depth: usize, times: usize, last: &Value) -> Image {
    let good = Image::of_tars(&[&tar()]);
    let mut next = json!({ "schemaVersion": 2, "manifests": [last] }).to_string().into_bytes();
    let mut more = Vec::new();
    for _ in 0..depth {
        more.push(next.clone());
        next = index(true, &vec![&next[..]; times]).to_string().into_bytes();
    }
    Image { more, ..good.with_index(next) }
}

/// The cases: what it is, and the image.
#[expect(clippy::too_many_lines, reason = "a table")]
fn layouts() -> Vec<(&'static str, Image)> {
    let replaced = |from: &'static str, to: &'static str| {
        move |text: &str| {
            assert!(text.contains(from), "{from}: {text}");
            text.replace(from, to)
        }
    };
    let deep = || format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let nobodys = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(b"x"), "size": 1,
        "platform": { "os": "unknown", "architecture": "unknown" },
    });
    let others = json!({
        "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest(b"x"), "size": 1,
        "platform": { "os": "plan9", "architecture": "mips" },
    });
    vec![
        ("a good image", Image::of_tars(&[&tar()])),
        ("one layer twice", Image::of_tars(&[&tar(), &tar()])),
        ("fields that nobody knows", with_config(replaced("{\"architecture", "{\"x\":[{}],\"architecture"))),
        ("nulls in the config", with_config(replaced("\"config\":{}", "\"config\":null,\"history\":null"))),
        ("a config of nulls", with_config(replaced("\"linux\"", "null"))),
        ("an environment that is a number", with_config(replaced("{}", r#"{"Env":7}"#))),
        ("a number beyond 64 bits", with_config(replaced("{}", r#"{"Healthcheck":{"Retries":1e400}}"#))),
        ("a key that comes twice in the config", with_config(replaced("\"os\"", "\"os\":\"plan9\",\"os\""))),
        ("a config of a hundred thousand levels", with_config(|_| deep())),
        ("an unknown field of a hundred thousand levels", {
            with_config(|text| text.replacen('{', &format!("{{\"x\":{},", deep()), 1))
        }),
        ("a diff id that is no digest", with_config(|text| text.replace("sha256:", "sha256:../"))),
        ("a config that is not UTF-8", {
            let tar = tar();
            let text = config(&[&tar]).to_string().replace("linux", "li?ux");
            let bytes = text.bytes().map(|b| if b == b'?' { 0xff } else { b }).collect::<Vec<_>>();
            Image::with_config(vec![gzip(&tar)], bytes)
        }),
        ("a manifest that is a list", with_manifest(|manifest| *manifest = json!([]))),
        ("a manifest that is empty", with_manifest_text(|_| String::new())),
        ("a manifest of a hundred thousand levels", with_manifest_text(|_| deep())),
        ("layers that are null", with_manifest(|manifest| manifest["layers"] = Value::Null)),
        ("layers that are an object", with_manifest(|manifest| manifest["layers"] = json!({}))),
        ("a negative size", with_manifest(|manifest| manifest["layers"][0]["size"] = json!(-1))),
        ("a size with a fraction", with_manifest(|manifest| manifest["layers"][0]["size"] = json!(1.5))),
        ("a size in words", with_manifest(|manifest| manifest["layers"][0]["size"] = json!("1"))),
        ("a size beyond all", with_manifest(|manifest| manifest["layers"][0]["size"] = json!(u64::MAX))),
        ("a size that is not the blob's", with_manifest(|manifest| manifest["layers"][0]["size"] = json!(7))),
        (
            "a digest that goes up",
            with_manifest(|manifest| {
                manifest["layers"][0]["digest"] = json!("sha256:../../../victim/file");
            }),
        ),
        (
            "a digest in capitals",
            with_manifest(|manifest| {
                let digest = manifest["layers"][0]["digest"].as_str().unwrap().to_uppercase();
                manifest["layers"][0]["digest"] = json!(digest.replace("SHA256", "sha256"));
            }),
        ),
        (
            "a type that writes to the terminal",
            with_manifest(|manifest| {
                manifest["layers"][0]["mediaType"] = json!("text/\u{1b}[2J");
            }),
        ),
        (
            "a config that comes twice in the manifest",
            with_manifest_text(|text| text.replacen("\"config\":", "\"config\":{},\"config\":", 1)),
        ),
        ("the config is also the layer", {
            let config = config(&[&tar()]).to_string().into_bytes();
            let manifest = manifest(&config, std::slice::from_ref(&config)).to_string();
            Image::with_manifest(Vec::new(), config, manifest)
        }),
        ("a manifest that names itself as its config", {
            let good = Image::of_tars(&[&tar()]);
            let manifest = manifest(&good.manifest, &good.layers).to_string();
            Image { more: vec![good.manifest], ..Image::with_manifest(good.layers, good.config, manifest) }
        }),
        (
            "an index that is a manifest",
            with_index(|_| String::from_utf8(Image::of_tars(&[&tar()]).manifest).unwrap()),
        ),
        (
            "an index that is a manifest, too",
            with_index(replaced("{\"manifests\"", "{\"layers\":[],\"manifests\"")),
        ),
        ("an index of null", with_index(|_| "null".to_owned())),
        (
            "an index with a list of null",
            with_index(|_| r#"{"schemaVersion":2,"manifests":null}"#.to_owned()),
        ),
        (
            "an index with a version of lists",
            with_index(replaced("\"schemaVersion\":2", "\"schemaVersion\":[[1]]")),
        ),
        ("four levels of indexes, each ten thousand times", nested(3, 10_000, &nobodys)),
        ("five levels of indexes", nested(5, 1, &others)),
        ("images for another machine", nested(2, 100, &others)),
        ("a thousand other machines", {
            let platform = |i: usize| {
                let mut entry = others.clone();
                entry["platform"]["architecture"] = json!(format!("machine{i}"));
                entry
            };
            let entries: Vec<_> = (0..1000).map(platform).collect();
            with_index(|_| json!({ "schemaVersion": 2, "manifests": entries }).to_string())
        }),
        ("an index in the index that is none", {
            let good = Image::of_tars(&[&tar()]);
            let index = json!({ "schemaVersion": 2, "manifests": [descriptor(OCI_INDEX, &good.config)] });
            good.with_index(index.to_string())
        }),
    ]
}

/// A docker-archive with this list, and a good config and layer.
fn docker(list: &Value) -> Vec<u8> {
    let tar = tar();
    let config = config(&[&tar]).to_string().into_bytes();
    of_files(&[("manifest.json", list.to_string().into_bytes()), ("c.json", config), ("l.tar", tar)])
}

/// Archives in Docker's older form whose list is odd.
fn docker_archives() -> Vec<(&'static str, Vec<u8>)> {
    let item = |config: &str, layer: &str| json!([{ "Config": config, "Layers": [layer] }]);
    let linked = |links: &str| {
        let tar = tar();
        let config = config(&[&tar]).to_string().into_bytes();
        let list = item("c.json", "l.tar").to_string().into_bytes();
        let mut archive = of_files(&[("manifest.json", list), ("c.json", config), ("real.tar", tar)]);
        // Without the end mark.
        archive.truncate(archive.len() - 1024);
        archive.extend(of(links));
        archive
    };
    vec![
        ("a good docker-archive", docker(&item("c.json", "l.tar"))),
        ("a layer behind a link", linked("l l.tar real.tar")),
        ("a layer behind a hard link", linked("h l.tar real.tar")),
        ("a layer behind a link that goes out", linked("l l.tar ../victim/file")),
        ("a layer behind an absolute link", linked("l l.tar /etc/passwd")),
        ("a layer behind links in circles", linked("l l.tar m.tar\nl m.tar l.tar")),
        ("a layer that is a directory", linked("d l.tar")),
        ("a layer that is a device", linked("b l.tar")),
        ("a config that goes up", docker(&item("../victim/file", "l.tar"))),
        ("a layer that goes up", docker(&item("c.json", "../victim/file"))),
        ("an absolute layer", docker(&item("c.json", "/etc/passwd"))),
        ("a layer without a name", docker(&item("c.json", ""))),
        ("a config that is a layer", docker(&item("l.tar", "l.tar"))),
        ("a list of nulls", docker(&json!([null]))),
        ("layers of null", docker(&json!([{ "Config": "c.json", "Layers": null }]))),
        (
            "names that are none",
            docker(&json!([{
                "Config": "c.json", "Layers": ["l.tar"], "RepoTags": [format!("\u{1b}{}", "x".repeat(9000))],
            }])),
        ),
        (
            "names that go up",
            docker(&json!([{ "Config": "c.json", "Layers": ["l.tar"], "RepoTags": ["../../x:1"] }])),
        ),
        (
            "one image ten thousand times",
            docker(&Value::Array(vec![item("c.json", "l.tar")[0].clone(); 10_000])),
        ),
        ("a hundred thousand names that are missing", {
            let layers = vec!["l.tar"; 100_000];
            docker(&json!([{ "Config": "c.json", "Layers": layers }]))
        }),
        ("names that memory does not hold", of("9000* f (a/)*2000# 1")),
    ]
}

#[test]
fn documents_do_no_harm() {
    let archives =
        layouts().into_iter().map(|(title, image)| (title, image.layout())).chain(docker_archives());
    let place = Place::new();
    let found: String =
        archives.map(|(title, archive)| format!("=== {title}\n{}", place.load(&archive))).collect();
    assert_snapshot("documents.txt", &found);
}

/// A changed byte at each level is found, and blamed on what has it.
#[test]
fn wrong_digests_are_found_at_each_level() {
    let good = Image::of_tars(&[&tar()]);
    let place = Place::new();
    let inner = index(false, &[&good.manifest]).to_string().into_bytes();
    let outer = index(true, &[&inner]).to_string();
    let good = Image { more: vec![inner], ..good.with_index(outer) };
    assert_eq!(place.load(&good.layout()), "accepted\n");
    for (what, blob) in [
        ("index", &good.more[0]),
        ("manifest", &good.manifest),
        ("config", &good.config),
        ("layer", &good.layers[0]),
    ] {
        let mut bytes = good.layout();
        let at = bytes.windows(blob.len()).position(|window| window == &blob[..]).unwrap();
        // The last byte of a document is a brace; of a layer, a part of its length.
        bytes[at + blob.len() - 1] ^= 1;
        let said = place.load(&bytes);
        let expected = format!("error: the {what} {} in the archive is damaged", digest(blob));
        assert!(said.starts_with(&expected), "{what}: {said}");
    }
    let other = config(&[b"another tar"]).to_string();
    let said = place.load(&Image::with_config(good.layers.clone(), other).layout());
    let expected =
        format!("holds the tar {}, and the config names {}\n", digest(&tar()), digest(b"another tar"));
    assert!(said.contains(&expected), "{said}");
}
