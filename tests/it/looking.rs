//! Looking at images: lists, comparisons, layers and files. Most of it is `testdata/looking`.

mod browser;
mod copy;
mod shell;

use std::fs;

use crate::support::case;
use crate::support::env::Env;

#[test]
fn images_are_shown() {
    case::run_all("looking");
}

#[test]
fn images_are_compared_without_their_contents() {
    let env = Env::with_busybox();
    let context =
        env.dockerfile("context", "FROM busybox\nCOPY files /files\nRUN rm /files/a && echo x >/files/b\n");
    fs::create_dir(context.join("files")).unwrap();
    for (name, text) in [("a", "a\n"), ("b", "b\n")] {
        fs::write(context.join("files").join(name), text).unwrap();
    }
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let layers = env.image_config("image")["rootfs"]["diff_ids"].as_array().unwrap().clone();
    // With every file of every layer gone, the indexes are what is left to be read.
    for layer in &layers {
        let digest = layer.as_str().unwrap().strip_prefix("sha256:").unwrap();
        for part in fs::read_dir(env.root().join("layers/sha256").join(digest)).unwrap() {
            let part = part.unwrap().path();
            if part.is_dir() {
                fs::remove_dir_all(part).unwrap();
            }
        }
    }
    let output = env.strata(["diff", "busybox", "image"]).success().stdout;
    assert!(output.contains("\nA /files/\nA /files/b  +2B\n"), "{output}");
    let [.., copy, run] = layers.as_slice() else { panic!("{layers:?}") };
    let output = env.strata(["diff", copy.as_str().unwrap(), run.as_str().unwrap()]).success().stdout;
    assert!(output.contains("\nC /files/a  type file -> whiteout\nC /files/b  content +0B\n"), "{output}");
    let output = env.strata(["layers", "--format", "json", "image"]).success().stdout;
    let report: serde_json::Value = serde_json::from_str(&output).unwrap();
    let wasted = report["WastedPaths"].as_array().unwrap();
    let of = |path: &str| wasted.iter().find(|one| one["Path"] == path).unwrap();
    let number = |layer: &serde_json::Value| 1 + layers.iter().position(|one| one == layer).unwrap();
    for (path, deleted) in [("/files/a", true), ("/files/b", false)] {
        let expected = serde_json::json!({
            "Path": path, "Size": 2, "Layers": [number(copy)], "ByLayer": number(run), "Deleted": deleted,
        });
        assert_eq!(*of(path), expected);
    }
}

#[test]
fn manifests_are_printed_as_dockers_and_byte_for_byte() {
    let env = Env::with_busybox();
    let print = |flags: &[&str]| {
        env.strata(["manifest", "inspect"].iter().chain(flags).chain(&["busybox"])).success()
    };
    let parsed = |text: &str| -> serde_json::Value { serde_json::from_str(text).unwrap() };
    let raw = print(&["--raw"]).stdout;
    let digest = strata::oci::Digest::of(raw.as_bytes()).to_string();
    let inspected = env.strata(["inspect", "-f", "{{.Descriptor.Digest}}", "busybox"]).success().stdout;
    assert_eq!(inspected.trim(), digest);
    assert_eq!(parsed(&print(&[]).stdout), parsed(&raw));
    let verbose = parsed(&print(&["--verbose"]).stdout);
    let config = env.image_config("busybox");
    let expected = serde_json::json!({
        "Ref": "docker.io/library/busybox:latest",
        "Descriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": digest,
            "size": raw.len(),
            "platform": { "architecture": config["architecture"], "os": "linux" },
        },
        "OCIManifest": parsed(&raw),
    });
    assert_eq!(verbose, expected);
}

#[test]
fn layers_are_named_by_the_beginnings_of_their_digests() {
    let env = Env::with_busybox();
    let layers = env.image_config("busybox")["rootfs"]["diff_ids"].as_array().unwrap().clone();
    let short: Vec<&str> =
        layers.iter().map(|layer| &layer.as_str().unwrap()["sha256:".len()..][..12]).collect();
    let output = env.strata(["diff", "--exit-code", short[0], short[1]]).code(1).stdout;
    assert!(output.starts_with(&format!("layer {} -> layer {}\n", short[0], short[1])), "{output}");
    for (args, message) in [
        (&["diff", short[0], "busybox"][..], format!("`busybox` is an image and `{}` is a layer", short[0])),
        (&["diff", "busybox", short[0]], format!("`busybox` is an image and `{}` is a layer", short[0])),
        (&["diff", short[0]], format!("`{}` is a layer, which has no base", short[0])),
    ] {
        let stderr = env.strata(args).code(1).stderr;
        assert_eq!(stderr, format!("error: {message}\nhelp: give two images, or two layers\n"), "{args:?}");
    }
}

#[test]
fn a_damaged_file_is_not_taken_for_what_it_was() {
    let env = Env::new();
    let context = env.dockerfile("context", "FROM scratch\nCOPY f /f\n");
    fs::write(context.join("f"), "content\n").unwrap();
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let layer =
        env.image_config("image")["rootfs"]["diff_ids"][0].as_str().unwrap()["sha256:".len()..].to_owned();
    let parts = fs::read_dir(env.root().join("layers/sha256").join(layer)).unwrap();
    let part = parts.map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    fs::write(part.join("f"), "CONTENT\n").unwrap();
    let stderr = env.strata(["cat", "image", "/f"]).code(1).stderr;
    assert!(stderr.starts_with("error: the content of `/f` in a stored layer is damaged"), "{stderr}");
    let stderr = env.strata(["cp", "image:/f", "f"]).code(1).stderr;
    assert!(stderr.contains("the content of `/f` in a stored layer is damaged"), "{stderr}");
}
