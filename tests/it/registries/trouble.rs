//! Connections that break, registries that fail or lie, and commands that are ended.

use rustix::process::Signal;

use super::place::{Place, layers};
use crate::support::env::Env;
use crate::support::flaky::Fault;
use crate::support::http::{answer, serve};
use crate::support::leftovers::in_progress;

/// A layer of this size goes to the registry in parts.
const LARGE: usize = 40 << 20;

/// That nothing of a failed pull is in a store.
fn assert_nothing_in(env: &Env) {
    assert_eq!(env.strata(["images", "-q"]).success().stdout, "");
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
    for kind in ["blobs", "layers"] {
        let left = std::fs::read_dir(env.root().join(kind).join("sha256")).unwrap().count();
        assert_eq!(left, 0, "{kind}");
    }
}

#[test]
fn a_broken_connection_goes_on_where_it_broke() {
    let place = Place::new();
    let name = place.push_random("image:1", &[3_000_000]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    place.flaky.spoil(1, "GET", &layer, Fault::Cut(1_000_000));
    place.flaky.spoil(1, "GET", &layer, Fault::Cut(500_000));
    let env = Env::new();
    let _ = env.strata(["pull", &name]).success();
    assert_eq!(env.image_id(&name), place.env.image_id(&name));
    let seen = place.flaky.take_seen();
    let ranges: Vec<_> =
        seen.iter().filter(|seen| seen.target.contains(&layer)).map(|seen| &seen.range).collect();
    assert_eq!(ranges, ["", "bytes=1000000-", "bytes=1500000-"]);
}

#[test]
fn a_connection_that_never_gets_on_is_given_up() {
    let place = Place::new();
    let name = place.push_random("image:1", &[300_000]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    place.flaky.spoil(100, "GET", &layer, Fault::Cut(0));
    let env = Env::new();
    let failed = env.strata(["pull", &name]).code(1).stderr;
    assert!(failed.contains("the connection to"), "{failed}");
    assert_nothing_in(&env);
}

#[test]
fn wrong_bytes_are_refused() {
    let place = Place::new();
    let name = place.push_random("image:1", &[300_000]);
    let manifest = place.manifest("image:1");
    let layer = layers(&manifest).pop().unwrap();
    let config = manifest["config"]["digest"].as_str().unwrap();
    // In the file, in the compressed stream's own header, in the middle, in the documents.
    for (part, at) in [(layer.as_str(), 200_000), (&layer, 3), (config, 5), ("manifests/1", 12)] {
        let env = Env::new();
        place.flaky.spoil(1, "GET", part, Fault::Flip(at));
        let failed = env.strata(["pull", &name]).code(1).stderr;
        assert!(failed.contains("with digest sha256:"), "{part} {at}\n{failed}");
        assert_nothing_in(&env);
        place.flaky.heal();
    }
}

#[test]
fn what_passes_is_tried_again() {
    let place = Place::new();
    let name = place.push_random("image:1", &[300_000]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    place.flaky.spoil(1, "GET", "manifests/1", Fault::TooMany("1"));
    place.flaky.spoil(1, "GET", &layer, Fault::Status("500 Internal Server Error"));
    place.flaky.spoil(1, "GET", &layer, Fault::TooMany("0"));
    place.flaky.spoil(1, "GET", &layer, Fault::Lost);
    let env = Env::new();
    let pulled = env.strata(["pull", "--progress=plain", &name]).success();
    assert!(pulled.stderr.contains("; trying again in 1 s"), "{}", pulled.stderr);
    assert_eq!(place.flaky.count("GET", &layer), 4);

    place.flaky.spoil(1, "HEAD", "", Fault::Status("503 Service Unavailable"));
    place.flaky.spoil(1, "POST", "", Fault::Status("502 Bad Gateway"));
    place.flaky.spoil(1, "PUT", "manifests", Fault::Lost);
    let again = place.name("again:1");
    let _ = env.strata(["tag", &name, &again]).success();
    let _ = env.strata(["push", &again]).success();
    assert_eq!(place.raw_manifest("again:1"), place.raw_manifest("image:1"));
}

#[test]
fn what_will_not_pass_is_not_tried_again() {
    let place = Place::new();
    let env = Env::new();
    let name = place.name("nowhere:1");
    let failed = env.strata(["pull", "--progress=plain", &name]).code(1).stderr;
    assert!(
        failed.contains(&format!("`{name}` was not found in the registry: manifest unknown")),
        "{failed}"
    );
    assert_eq!(place.flaky.take_seen().len(), 1);
    place.flaky.spoil(1, "GET", "nowhere", Fault::TooMany("3600"));
    let failed = env.strata(["pull", &name]).code(1).stderr;
    assert!(failed.contains("answered 429"), "{failed}");
    assert_eq!(place.flaky.take_seen().len(), 1);
}

#[test]
fn a_broken_upload_goes_on() {
    let place = Place::new();
    // The second part breaks; the answer to the last request is lost.
    place.flaky.spoil(1, "PATCH", "", Fault::Status("500 Internal Server Error"));
    place.flaky.spoil(1, "PUT", "digest=", Fault::Lost);
    let name = place.push_random("image:1", &[LARGE]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    assert!(std::fs::metadata(place.registry.blob(&layer)).unwrap().len() > LARGE as u64);

    // In the middle of a part: the registry forgets the upload, which begins anew.
    place.flaky.spoil(1, "PATCH", "again", Fault::CutUpload(1_000_000));
    let again = place.push_random("again:1", &[LARGE]);
    assert_ne!(place.manifest("again:1"), place.manifest("image:1"));
    // In one request.
    place.flaky.spoil(1, "PUT", "small/blobs", Fault::CutUpload(1000));
    let small = place.push_random("small:1", &[100_000]);
    for name in [name, again, small] {
        let env = Env::new();
        let _ = env.strata(["pull", &name]).success();
        assert_eq!(env.image_id(&name), place.env.image_id(&name));
    }
}

#[test]
fn a_registry_that_takes_no_parts_gets_blobs_whole() {
    let place = Place::new();
    place.flaky.spoil(1, "PATCH", "", Fault::Status("405 Method Not Allowed"));
    place.push_random("image:1", &[LARGE]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    assert!(std::fs::metadata(place.registry.blob(&layer)).unwrap().len() > LARGE as u64);
}

#[test]
fn a_pull_that_is_ended_leaves_nothing() {
    let place = Place::new();
    let name = place.push_random("image:1", &[3_000_000]);
    let layer = layers(&place.manifest("image:1")).pop().unwrap();
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::KILL, None)] {
        let env = Env::new();
        place.flaky.spoil(1, "GET", &layer, Fault::Hold(1_500_000));
        let mut pull = env.spawn(["pull", "--progress=plain", &name]);
        assert!(pull.wait_for(|line| line.contains("transferred 1") || line.contains("pull layer")));
        pull.signal(signal);
        let (status, _, stderr) = pull.end();
        assert_eq!(status.code(), code, "{stderr}");
        assert_nothing_in(&env);
        place.flaky.heal();
    }
    place.flaky.release();
    let env = Env::new();
    let _ = env.strata(["pull", &name]).success();
}

#[test]
fn old_and_foreign_images_are_refused_in_words() {
    let address = serve(|request| {
        let schema_1 = r#"{"schemaVersion":1,"name":"old","tag":"1","fsLayers":[],"history":[]}"#;
        let config = r#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:0000000000000000000000000000000000000000000000000000000000000000"]}}"#;
        let digest = strata::oci::Digest::of(config.as_bytes());
        let foreign = format!(
            r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.docker.container.image.v1+json","size":{},"digest":"{digest}"}},"layers":[{{"mediaType":"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip","size":9,"digest":"{digest}"}}]}}"#,
            config.len()
        );
        let manifest = |media_type: &str, text: &str| {
            let media_type = format!("application/vnd.docker.distribution.manifest.{media_type}");
            answer("200 OK", &[("Content-Type", media_type.as_str())], text.as_bytes())
        };
        Ok(match request.path.as_str() {
            "/v2/old/manifests/1" => manifest("v1+prettyjws", schema_1),
            "/v2/foreign/manifests/1" => manifest("v2+json", &foreign),
            "/v2/endless/manifests/1" => manifest("v2+json", &" ".repeat(5 << 20)),
            path if path.ends_with(&digest.to_string()) => answer("200 OK", &[], config.as_bytes()),
            _ => answer("404 Not Found", &[], b"<html>"),
        })
    });
    let env = Env::new();
    for (name, words) in [
        ("old", "in Docker's schema 1"),
        ("foreign", "is a foreign one (`application/vnd.docker.image.rootfs.foreign.diff.tar.gzip`)"),
        ("endless", "sent a manifest of more than 4194304 bytes"),
        ("none", "was not found in the registry: not found"),
    ] {
        let failed = env.strata(["pull", &format!("{address}/{name}:1")]).code(1).stderr;
        assert!(failed.contains(words), "{name}\n{failed}");
        assert_nothing_in(&env);
    }
}
