//! Registries that mean harm.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::archive::of;
use super::image::{Image, config, digest, gzip, index};
use super::place::{Place, assert_snapshot};
use crate::support::http::{answer, serve};

/// What a registry has: answers by path.
#[derive(Default)]
struct Site(HashMap<String, Vec<u8>>);

impl Site {
    /// Puts an image there, as `NAME:1`. What the manifest's digest leads to is always the manifest.
    fn add(&mut self, name: &str, image: &Image) {
        self.document(name, "1", &image.manifest);
        for blob in image.blobs() {
            self.blob(name, &digest(blob), blob);
        }
    }

    fn document(&mut self, name: &str, reference: &str, bytes: &[u8]) {
        let fields: Value = serde_json::from_slice(bytes).unwrap_or_default();
        let media_type = fields["mediaType"].as_str().unwrap_or("application/vnd.oci.image.manifest.v1+json");
        let answer = answer("200 OK", &[("Content-Type", media_type)], bytes);
        self.0.insert(format!("/v2/{name}/manifests/{reference}"), answer.clone());
        self.0.insert(format!("/v2/{name}/manifests/{}", digest(bytes)), answer);
    }

    fn blob(&mut self, name: &str, digest: &str, bytes: &[u8]) {
        self.0.insert(format!("/v2/{name}/blobs/{digest}"), answer("200 OK", &[], bytes));
    }
}

fn image(layer: &str) -> Image {
    Image::of_tars(&[&of(layer)])
}

/// An image of which one document or blob is another than its digest says.
fn add_wrong(site: &mut Site, name: &str, what: &str) {
    let good = image("f a 1");
    let outer = index(false, &[&good.manifest]).to_string().into_bytes();
    site.add(name, &good);
    site.document(name, "1", &outer);
    match what {
        "index" => {
            // By digest, so that it is known what should come.
            let path = format!("/v2/{name}/manifests/{}", digest(b"another"));
            site.0.insert(path, answer("200 OK", &[], &outer));
        }
        "manifest" => {
            let bytes = [&good.manifest[..], b" "].concat();
            let path = format!("/v2/{name}/manifests/{}", digest(&good.manifest));
            site.0.insert(path, answer("200 OK", &[], &bytes));
        }
        "config" => site.blob(name, &digest(&good.config), &vec![b' '; good.config.len()]),
        "layer" => site.blob(name, &digest(&good.layers[0]), &vec![0; good.layers[0].len()]),
        "diff id" => {
            let other = config(&[b"another"]).to_string();
            site.add(name, &Image::with_config(good.layers, other));
        }
        other => panic!("{other}"),
    }
}

/// Indexes that list each other ten thousand times, and lead nowhere.
fn add_indexes(site: &mut Site, name: &str) {
    let mut next = index(true, &[]).to_string().into_bytes();
    for _ in 0..3 {
        site.document(name, "below", &next);
        next = index(true, &vec![&next[..]; 10_000]).to_string().into_bytes();
    }
    site.document(name, "1", &next);
}

#[test]
fn registries_do_no_harm() {
    let mut site = Site::default();
    let layers = [
        ("climbs", "f ../../victim/file x"),
        ("links-out", "l out ../../../victim\nf out/file x"),
        ("hard-link", "h a /etc/passwd"),
        ("whiteout", "f .wh..."),
        ("lies", "z 8000000000 a\ncut"),
        ("names", "200* f #/(a/)*2040b 1"),
    ];
    for (name, text) in layers {
        site.add(name, &image(text));
    }
    let wrong = ["index", "manifest", "config", "layer", "diff id"];
    for what in wrong {
        add_wrong(&mut site, &format!("wrong-{}", what.replace(' ', "-")), what);
    }
    add_indexes(&mut site, "indexes");
    let bomb = gzip(&[of("z 200000000 zeros\ncut"), vec![0; 200_001_024]].concat());
    site.add("bomb", &Image::with_config(vec![bomb], config(&[b"whatever"]).to_string()));
    let mut negative: Value = serde_json::from_slice(&image("f a 1").manifest).unwrap();
    negative["layers"][0]["size"] = json!(-1);
    site.document("negative", "1", negative.to_string().as_bytes());
    site.document("huge", "1", " ".repeat(5 << 20).as_bytes());

    let site = site.0;
    let address = serve(move |request| {
        Ok(site.get(&request.path).cloned().unwrap_or_else(|| answer("404 Not Found", &[], b"")))
    });
    let names = layers.iter().map(|(name, _)| format!("{name}:1"));
    let wrong = wrong.iter().map(|what| match *what {
        "index" => format!("wrong-index@{}", digest(b"another")),
        what => format!("wrong-{}:1", what.replace(' ', "-")),
    });
    let others = ["indexes:1", "bomb:1", "negative:1", "huge:1"].map(str::to_owned);
    let mut found = String::new();
    for name in names.chain(wrong).chain(others) {
        let place = Place::new();
        let output = place.run(["pull", "-q", &format!("{address}/{name}")], None);
        let said = super::place::said(&output, "").replace(&address.to_string(), "REGISTRY");
        place.clear(&said);
        place.assert_takes_the_next();
        found += &format!("=== {name}\n{said}");
    }
    assert_snapshot("pull.txt", &found);
}
