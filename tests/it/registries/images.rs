//! Images to a registry and back: what they are called, what travels, what stays as it was.

use std::process::Command;

use serde_json::{Value, json};

use super::place::{Place, digest_in, layers};
use crate::support::env::Env;
use crate::support::registry::run;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// Modes, owners and content of some files of an image.
fn sums(env: &Env, image: &str, paths: &[&str]) -> String {
    let paths = paths.join(" ");
    env.sh(
        image,
        &format!("find {paths} -exec ls -ldn {{}} + && find {paths} -type f -exec sha256sum {{}} +"),
    )
}

#[test]
fn a_round_trip_changes_no_digest() {
    let place = Place::new();
    let name = place.push_random("a/image:1", &[100_000, 3]);
    let before = place.raw_manifest("a/image:1");
    let other = Env::new();
    let pulled = other.strata(["pull", &name]).success();
    assert_eq!(other.image_id(&name), place.env.image_id(&name));
    // Of `etc` a container has files of its own.
    let paths = ["etc/passwd", "etc/group", "bin/busybox", "file-1"];
    assert_eq!(sums(&other, &name, &paths), sums(&place.env, &name, &paths));

    let again = place.name("b:2");
    let _ = other.strata(["tag", &name, &again]).success();
    let pushed = other.strata(["push", &again]).success();
    assert_eq!(place.raw_manifest("b:2"), before);
    assert_eq!(digest_in(&pushed.stdout), digest_in(&pulled.stdout));
    let size = before.len();
    let expected = format!(
        "The push refers to repository [{}]\n2: digest: {} size: {size}\n",
        place.name("b"),
        digest_in(&pulled.stdout)
    );
    assert_eq!(pushed.stdout, expected);
}

#[test]
fn an_image_that_is_not_there_is_pulled_to_be_run() {
    let place = Place::new();
    let name = place.push_random("a/image:1", &[10]);
    let other = Env::new();
    let run = |flags: &[&str]| {
        let args = [&["run", "--rm", "--network=none"], flags, &[name.as_str(), "wc", "-c", "/file-0"]];
        other.strata(args.concat())
    };
    let refused = run(&["--pull=never"]).code(125).stderr;
    assert!(refused.starts_with(&format!("error: there is no image `{name}` in the store\n")), "{refused}");
    let ran = run(&["--pull=missing"]).success();
    assert_eq!(ran.stdout, "10 /file-0\n");
    assert!(ran.stderr.starts_with(&format!("Unable to find image '{name}' locally\n")), "{}", ran.stderr);
    // It is there now, and its registry is not needed.
    place.flaky.take_seen();
    assert_eq!(run(&["--pull=missing"]).success().stderr, "");
    assert!(place.flaky.take_seen().is_empty());
    assert_eq!(run(&["--pull=always", "-q"]).success().stderr, "");
    assert!(!place.flaky.take_seen().is_empty());
}

#[test]
fn what_is_built_is_pushed() {
    let place = Place::new();
    let context = place.env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let context = context.to_str().unwrap();
    let ways: [&[&str]; 4] = [
        &["--push"],
        &["-o", "type=registry"],
        &["-o", "type=image,push=true"],
        &["-o", "type=image,push=true,store=false"],
    ];
    for (number, way) in ways.iter().enumerate() {
        let name = place.name(&format!("built:{number}"));
        let _ = place.env.strata([&["build", "-q", "-t", &name], *way, &[context]].concat()).success();
        let there = place.manifest(&format!("built:{number}"));
        assert_eq!(there["layers"][0]["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip", "{way:?}");
    }
    // Under its digest alone.
    let name = place.name("nameless");
    let file = place.env.path("metadata.json");
    let file = file.to_str().unwrap();
    let output = format!("type=registry,name={name},push-by-digest=true");
    let _ = place.env.strata(["build", "-q", "--metadata-file", file, "-o", &output, context]).success();
    let metadata: Value = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let digest = metadata["containerimage.digest"].as_str().unwrap();
    assert_eq!(place.manifest(&format!("nameless@{digest}"))["schemaVersion"], 2);
}

#[test]
fn the_words_are_dockers() {
    let place = Place::new();
    let name = place.push_random("image:latest", &[10]);
    let name = name.strip_suffix(":latest").unwrap();
    let other = Env::new();
    let first = other.strata(["pull", name]).success().stdout;
    let digest = digest_in(&first);
    let tail =
        |status: &str| format!("Digest: {digest}\nStatus: {status} for {name}:latest\n{name}:latest\n");
    let head = "Using default tag: latest\nlatest: Pulling from image\n";
    assert_eq!(first, format!("{head}{}", tail("Downloaded newer image")));
    assert_eq!(
        other.strata(["pull", name]).success().stdout,
        format!("{head}{}", tail("Image is up to date"))
    );
    assert_eq!(other.strata(["pull", "-q", name]).success().stdout, format!("{name}:latest\n"));
    let json = other.strata(["pull", "--format", "json", name]).success().stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["digest"], json!(digest));
    assert_eq!(json["isNew"], json!(false));
}

#[test]
fn what_is_there_does_not_travel_again() {
    let place = Place::new();
    let first = place.push_random("first:1", &[50_000]);
    let second = place.push_random("second:1", &[60_000]);
    let other = Env::new();
    let _ = other.strata(["pull", &first]).success();
    place.flaky.take_seen();
    let _ = other.strata(["pull", &second]).success();
    let read = Place::blobs_read(&place.flaky.take_seen());
    let manifest = place.manifest("second:1");
    let own = layers(&manifest).pop().unwrap();
    assert_eq!(read, [manifest["config"]["digest"].as_str().unwrap().to_owned(), own]);

    // Asking anew is one question, without the documents.
    let _ = other.strata(["pull", &second]).success();
    let seen: Vec<_> = place.flaky.take_seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(seen, ["HEAD"]);
}

#[test]
fn what_the_registry_has_is_not_sent_again() {
    let place = Place::new();
    let name = place.push_random("image:1", &[50_000]);
    let sent = |seen: &[crate::support::flaky::Seen]| {
        let writes = seen.iter().filter(|seen| ["POST", "PATCH", "PUT"].contains(&seen.method.as_str()));
        writes.map(|seen| seen.target.split(['?', '&']).next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let _ = place.env.strata(["push", &name]).success();
    assert_eq!(sent(&place.flaky.take_seen()), ["/v2/image/manifests/1"]);

    // Another repository gets the blobs from the first one.
    let other = place.name("deep/er:2");
    let _ = place.env.strata(["tag", &name, &other]).success();
    let pushed = place.env.strata(["push", "--progress=plain", &other]).success();
    let seen = place.flaky.take_seen();
    let mounts = seen.iter().filter(|seen| seen.target.contains("mount=")).count();
    assert_eq!(mounts, 1 + layers(&place.manifest("image:1")).len(), "{seen:#?}");
    let mut all = sent(&seen);
    all.dedup();
    assert_eq!(all, ["/v2/deep/er/blobs/uploads/", "/v2/deep/er/manifests/2"]);
    assert!(pushed.stderr.contains(&format!("mounted from {}", place.name("image"))), "{}", pushed.stderr);
}

#[test]
fn zstd_layers_stay_zstd() {
    let place = Place::new();
    let source = place.push_random("gzip:1", &[40_000]);
    let dir = place.env.context("layout");
    let context = place.env.dockerfile("context", &format!("FROM {source}\nCOPY Dockerfile /\n"));
    let output = format!("type=oci,tar=false,dest={},compression=zstd,name=x", dir.display());
    let output = output.strip_suffix(",name=x").unwrap();
    let context = context.to_str().unwrap();
    let _ = place.env.strata(["build", "-q", "-t", "zstd:1", "-o", output, context]).success();
    let to = format!("docker://{}/zstd:1", place.registry.host());
    let from = format!("oci:{}:1", dir.display());
    let args =
        ["--insecure-policy", "copy", "-q", "--preserve-digests", "--dest-tls-verify=false", &from, &to];
    run(Command::new("skopeo").args(args));
    let manifest = place.manifest("zstd:1");
    let types: Vec<_> =
        manifest["layers"].as_array().unwrap().iter().map(|layer| layer["mediaType"].clone()).collect();
    assert!(types.contains(&json!("application/vnd.oci.image.layer.v1.tar+zstd")), "{types:?}");

    let (other, name) = (Env::new(), place.name("zstd:1"));
    let _ = other.strata(["pull", &name]).success();
    let again = place.name("again:1");
    let _ = other.strata(["tag", &name, &again]).success();
    let _ = other.strata(["push", &again]).success();
    assert_eq!(place.raw_manifest("again:1"), place.raw_manifest("zstd:1"));
}

/// Pushes the same files for two platforms, and an index of the two; gives the index's digest.
fn push_index(place: &Place) -> String {
    let mut manifests = Vec::new();
    for architecture in ["amd64", "arm64"] {
        let name = place.name(&format!("multi:{architecture}"));
        let text = format!("FROM scratch\nCOPY Dockerfile /{architecture}\n");
        let context = place.env.dockerfile(architecture, &text);
        let platform = format!("linux/{architecture}");
        let context = context.to_str().unwrap();
        let _ = place.env.strata(["build", "-q", "--platform", &platform, "-t", &name, context]).success();
        let pushed = place.env.strata(["push", &name]).success().stdout;
        manifests.push(json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest_in(&pushed),
            "size": pushed.trim().rsplit(' ').next().unwrap().parse::<u64>().unwrap(),
            "platform": { "os": "linux", "architecture": architecture },
        }));
    }
    let index = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests });
    place.put_manifest("multi:all", OCI_INDEX, &index);
    strata::oci::Digest::of(index.to_string().as_bytes()).to_string()
}

#[test]
fn an_index_gives_the_image_of_the_platform() {
    let place = Place::new();
    let digest = push_index(&place);
    let name = place.name("multi:all");
    let env = Env::new();
    let pulled = env.strata(["pull", "--platform", "linux/arm64", &name]).success().stdout;
    assert_eq!(digest_in(&pulled), digest);
    assert_eq!(env.image_config(&name)["architecture"], json!("arm64"));
    let _ = env.strata(["pull", "--platform", "linux/amd64", &name]).success();
    assert_eq!(env.image_config(&name)["architecture"], json!("amd64"));
    let refused = env.strata(["pull", "--platform", "linux/s390x", "--progress=plain", &name]).code(1).stderr;
    assert!(
        refused.contains("there is no image for linux/s390x: only for linux/amd64, linux/arm64"),
        "{refused}"
    );

    // Both are known by the digest of the index now: the builds need no registry.
    place.flaky.take_seen();
    let pinned = format!("{}@{digest}", place.name("multi"));
    let context = env.dockerfile("context", &format!("FROM {pinned}\nCOPY Dockerfile /x\n"));
    let context = context.to_str().unwrap();
    for platform in ["linux/arm64", "linux/amd64"] {
        let _ =
            env.strata(["build", "-q", "--pull=false", "--platform", platform, "-t", "x", context]).success();
        assert_eq!(format!("linux/{}", env.image_config("x")["architecture"].as_str().unwrap()), platform);
    }
    assert_eq!(place.flaky.take_seen(), []);
    let digests = env.strata(["inspect", "--format", "{{json .RepoDigests}}", &name]).success().stdout;
    assert!(digests.contains(&pinned), "{digests}");
}

#[test]
fn a_name_stands_for_its_index_after_a_pull_too() {
    let place = Place::new();
    let env = &place.env;
    let context = env.dockerfile("context", "FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n");
    // The first goes as it is; of the second the layers are compressed on the way, so that its digest changes.
    for (rest, with) in [("multi:1", &["--push"][..]), ("multi:2", &[])] {
        let name = place.name(rest);
        let build = [&["build", "-q", "--platform", "linux/amd64,linux/arm64", "-t", &name], with].concat();
        let _ = env.strata([&build[..], &[context.to_str().unwrap()]].concat()).success();
        let _ = env.strata(["push", "-q", &name]).success();
        let before = env.strata(["manifest", "inspect", &name]).success().stdout;
        assert!(before.contains("manifests"), "{before}");
        for platform in ["linux/amd64", "linux/arm64"] {
            let _ = env.strata(["pull", "-q", "--platform", platform, &name]).success();
            let after = env.strata(["manifest", "inspect", &name]).success().stdout;
            assert_eq!(after, before, "{rest} {platform}");
        }
    }
}

#[test]
fn a_build_for_another_platform_leaves_a_name_to_this_machines_image() {
    let place = Place::new();
    let _ = push_index(&place);
    let name = place.name("multi:all");
    let both = "linux/arm64,linux/amd64";
    for (platforms, named) in [
        // What stood for nothing stands for what came first; then for this machine's.
        (&["linux/arm64"][..], "arm64"),
        (&["linux/arm64", "linux/amd64"], "amd64"),
        (&["linux/amd64", "linux/arm64"], "amd64"),
        (&[both], "amd64"),
    ] {
        let env = Env::new();
        let context = env.dockerfile("context", &format!("FROM {name}\nLABEL child=yes\n"));
        for platform in platforms {
            let build = ["build", "-q", "--pull", "--platform", platform, context.to_str().unwrap()];
            let _ = env.strata(build).success();
        }
        assert_eq!(env.image_config(&name)["architecture"], json!(named), "{platforms:?}");
    }
}

#[test]
fn a_base_for_another_variant_is_asked_for() {
    let place = Place::new();
    let name = place.name("arm:1");
    let context = place.env.dockerfile("context", "FROM scratch\nARG TARGETVARIANT\nENV V=$TARGETVARIANT\n");
    let build = ["build", "-q", "--push", "--platform", "linux/arm/v6,linux/arm/v7", "-t", &name];
    let _ = place.env.strata([&build[..], &[context.to_str().unwrap()]].concat()).success();
    let env = Env::new();
    let _ = env.strata(["pull", "-q", "--platform", "linux/arm/v6", &name]).success();
    let context = env.dockerfile("context", &format!("FROM {name}\nLABEL child=yes\n"));
    for (pull, variant) in [("never", "v6"), ("missing", "v7"), ("never", "v7")] {
        let pull = format!("--pull={pull}");
        let build = ["build", "-q", &pull, "--platform", "linux/arm/v7", "-t", "child"];
        let _ = env.strata([&build[..], &[context.to_str().unwrap()]].concat()).success();
        let variables = env.image_config("child")["config"]["Env"].to_string();
        assert!(variables.contains(&format!("\"V={variant}\"")), "{pull}: {variables}");
    }
}

#[test]
fn all_tags_come_and_go() {
    let place = Place::new();
    let name = place.push_random("image:1", &[10]);
    for tag in ["2", "3"] {
        let _ = place.env.strata(["tag", &name, &place.name(&format!("image:{tag}"))]).success();
    }
    let repository = place.name("image");
    let pushed = place.env.strata(["push", "--all-tags", &repository]).success().stdout;
    assert_eq!(pushed.lines().count(), 4, "{pushed}");
    let other = Env::new();
    let pulled = other.strata(["pull", "-q", "-a", &repository]).success().stdout;
    let expected: String = (1..=3).map(|tag| format!("{repository}:{tag}\n")).collect();
    assert_eq!(pulled, expected);
    let refused = other.strata(["pull", "-a", &name]).code(1).stderr;
    assert!(refused.contains("--all-tags"), "{refused}");
}

#[test]
fn builds_start_from_images_of_registries() {
    let place = Place::new();
    let (one, two) = (place.push_random("one:1", &[1000]), place.push_random("two:1", &[2000]));
    let env = Env::new();
    let text = format!("FROM {one} AS one\nFROM {two}\nCOPY --from=one /file-0 /from-one\n");
    let context = env.dockerfile("context", &text);
    let context = context.to_str().unwrap();
    let never = env.strata(["build", "--pull=never", context]).code(1).stderr;
    assert!(never.contains(&format!("there is no image `{one}` in the store")), "{never}");
    let _ = env.strata(["build", "-q", "--pull=false", "-t", "x", context]).success();
    assert_eq!(env.sh("x", "cat /file-0 /from-one | wc -c"), "3000\n");

    // What the store has needs no registry, unless it is asked for.
    place.flaky.take_seen();
    let _ = env.strata(["build", "-q", "--pull=missing", context]).success();
    assert_eq!(place.flaky.take_seen(), []);
    let _ = env.strata(["build", "-q", "--pull", context]).success();
    let methods: Vec<_> = place.flaky.take_seen().into_iter().map(|seen| seen.method).collect();
    assert_eq!(methods, ["HEAD", "HEAD"]);

    // A tag that has moved is followed with `--pull` alone.
    let before = env.image_id(&one);
    place.push_random("one:1", &[999]);
    let _ = env.strata(["build", "-q", "--pull=missing", context]).success();
    assert_eq!(env.image_id(&one), before);
    let _ = env.strata(["build", "-q", "--pull", context]).success();
    assert_ne!(env.image_id(&one), before);
}
