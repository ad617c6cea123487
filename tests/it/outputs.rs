//! Images in the forms that flags choose, in and out again.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::env::Env;
use crate::support::server::Server;

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn tool(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A store with an image of two layers over that of busybox.
fn with_image() -> Env {
    let env = Env::with_busybox();
    let context =
        env.dockerfile("context", "FROM busybox\nRUN echo one >/one\nCOPY f /two\nCMD [\"cat\", \"/two\"]\n");
    fs::write(context.join("f"), "two\n").unwrap();
    let _ = env.strata(["build", "-q", "-t", "app:1", "context"]).success();
    env
}

fn media_types(env: &Env, place: &str) -> Vec<String> {
    let (kind, path) = place.split_once(':').unwrap();
    let raw = json(&tool("skopeo", &["inspect", "--raw", &format!("{kind}:{}", env.path(path).display())]));
    let layers = raw["layers"].as_array().unwrap().iter();
    layers.map(|layer| layer["mediaType"].as_str().unwrap().rsplit('.').next().unwrap().to_owned()).collect()
}

#[test]
fn images_are_saved_in_each_form_and_loaded_again() {
    let env = with_image();
    let _ = env.strata(["tag", "app:1", "example.com/app:2"]).success();
    for (flags, place, types) in [
        (&["--format=docker-archive"][..], "oci-archive:a.tar", "tar"),
        (&["--format=oci-archive", "--compression=gzip"], "oci-archive:b.tar", "tar+gzip"),
        (&["--compress"], "oci-archive:c.tar", "tar+gzip"),
        (&["--format=oci-dir", "--compression=zstd"], "oci:d", "tar+zstd"),
        (&["--format=oci-dir", "--compression=uncompressed"], "oci:e", "tar"),
    ] {
        let path = place.split_once(':').unwrap().1;
        let mut command = env.command(["save", "-o", path]);
        let saved = env.run({
            command.args(flags).args(["app:1", "busybox", "example.com/app:2"]);
            command
        });
        let _ = saved.success();
        let _ = tool(
            "tar",
            &["-C", env.path("").to_str().unwrap(), "-cf", env.path("dir.tar").to_str().unwrap(), path],
        );
        if let Some((_, dir)) = place.split_once("oci:") {
            let index = json(&fs::read_to_string(env.path(dir).join("index.json")).unwrap());
            assert_eq!(index["manifests"].as_array().unwrap().len(), 3);
        }
        let other = Env::new();
        let loaded = other.strata(["load", "-i", env.path(path).to_str().unwrap()]).success();
        let expected = "Loaded image: app:1\nLoaded image: example.com/app:2\nLoaded image: busybox:latest\n";
        let mut lines: Vec<&str> = loaded.stdout.lines().collect();
        lines.sort_unstable();
        let mut wanted: Vec<&str> = expected.lines().collect();
        wanted.sort_unstable();
        assert_eq!(lines, wanted, "{flags:?}");
        assert_eq!(other.image_id("app:1"), env.image_id("app:1"));
        assert_eq!(other.strata(["run", "--rm", "--network=none", "app:1"]).success().stdout, "two\n");
        // A single image, for skopeo to choose.
        let _ = fs::remove_dir_all(env.path(path));
        let _ = fs::remove_file(env.path(path));
        let mut command = env.command(["save", "-o", path]);
        command.args(flags).arg("app:1");
        let _ = env.run(command).success();
        assert_eq!(media_types(&env, place), vec![types; 5], "{flags:?}");
    }
}

#[test]
fn what_cannot_be_saved_is_said() {
    let env = with_image();
    for (args, message) in [
        (
            &["save", "--format=oci-dir", "app:1"][..],
            "error: a directory cannot be written to standard output\nhelp: use --output\n",
        ),
        (
            &["save", "--platform=linux/s390x", "-o", "x.tar", "app:1"],
            "error: the image `app:1` is for linux/amd64, not for linux/s390x\n",
        ),
    ] {
        assert_eq!(env.strata(args).code(1).stderr, message);
    }
    assert!(!env.path("x.tar").exists());
    let _ = env.strata(["save", "--platform=linux/amd64", "-o", "x.tar", "app:1"]).success();
}

#[test]
fn archives_are_loaded_in_whatever_they_are_packed() {
    let env = with_image();
    let _ = env.strata(["save", "-o", "image.tar", "app:1"]).success();
    for (program, flag) in [("gzip", "-c"), ("xz", "-1c"), ("bzip2", "-c"), ("zstd", "-qc")] {
        let packed = Command::new(program).arg(flag).arg(env.path("image.tar")).output().unwrap();
        assert!(packed.status.success(), "{program}");
        fs::write(env.path("packed"), packed.stdout).unwrap();
        let other = Env::new();
        let _ = other.strata(["load", "-i", env.path("packed").to_str().unwrap()]).success();
        let piped = Env::new();
        let mut command = piped.command(["load"]);
        command.stdin(fs::File::open(env.path("packed")).unwrap());
        assert_eq!(piped.run(command).success().stdout, "Loaded image: app:1\n", "{program}");
        assert_eq!(other.image_id("app:1"), env.image_id("app:1"));
    }
}

#[test]
fn a_root_file_system_is_imported_from_a_url() {
    let env = std::sync::Arc::new(with_image());
    let server = Server::start(&env);
    let _ = env.strata(["build", "-q", "-o", "type=tar,dest=files.tar", "context"]).success();
    fs::create_dir_all(env.path("http")).unwrap();
    fs::copy(env.path("files.tar"), env.path("http/files.tar")).unwrap();
    let url = server.address("{{http}}/files.tar", "");
    let _ =
        env.strata(["import", "-c", "CMD cat /two", "--platform=linux/arm64", &url, "imported"]).success();
    let config = env.image_config("imported");
    assert_eq!(config["architecture"], "arm64");
    assert_eq!(config["history"][0]["comment"], format!("Imported from {url}"));
    let missing = env.strata(["import", &server.address("{{http}}/missing.tar", ""), "x"]).code(1);
    assert!(missing.stderr.contains("404"), "{}", missing.stderr);
}

#[test]
fn estargz_layers_are_known_by_their_table_and_are_layers_to_everybody() {
    let env = with_image();
    let flags = ["-o", "type=oci,tar=false,compression=estargz,name=app:1,dest=layout"];
    let build = |flags: &[&str]| {
        let mut command = env.command(["build", "-q"]);
        command.args(flags).arg("context");
        let _ = env.run(command).success();
    };
    build(&flags);
    let layout = format!("oci:{}:1", env.path("layout").display());
    let raw = tool("skopeo", &["inspect", "--raw", &layout]);
    let config = json(&tool("skopeo", &["inspect", "--config", &layout]));
    let layers = json(&raw)["layers"].as_array().unwrap().clone();
    for (layer, diff_id) in layers.iter().zip(config["rootfs"]["diff_ids"].as_array().unwrap()) {
        assert_eq!(layer["mediaType"], "application/vnd.oci.image.layer.v1.tar+gzip");
        assert!(layer["annotations"]["containerd.io/snapshot/stargz/toc.digest"].is_string());
        let blob = env.path("layout/blobs").join(layer["digest"].as_str().unwrap().replace(':', "/"));
        let sum = tool("sh", &["-c", &format!("gzip -dc {} | sha256sum", blob.display())]);
        assert_eq!(*diff_id, format!("sha256:{}", sum.split_whitespace().next().unwrap()));
        let listed = tool("tar", &["-tzf", blob.to_str().unwrap()]);
        assert!(!listed.contains("stargz") && !listed.contains("landmark"), "{listed}");
    }
    // A second time it is remembered.
    fs::rename(env.path("layout"), env.path("first")).unwrap();
    build(&flags);
    assert_eq!(tool("skopeo", &["inspect", "--raw", &layout]), raw);

    let bundle = env.path("bundle");
    let image = format!("{}:1", env.path("layout").display());
    let _ = tool("umoci", &["unpack", "--image", &image, bundle.to_str().unwrap()]);
    assert_eq!(fs::read_to_string(bundle.join("rootfs/one")).unwrap(), "one\n");
    assert!(!bundle.join("rootfs/stargz.index.json").exists());

    let other = Env::new();
    let _ = other.strata(["load", "-i", env.path("layout").to_str().unwrap()]).success();
    assert_eq!(other.strata(["run", "--rm", "--network=none", "app:1"]).success().stdout, "two\n");
    let _ = other.strata(["save", "--format=oci-dir", "-o", "again", "app:1"]).success();
    let again = format!("oci:{}:1", other.path("again").display());
    assert_eq!(tool("skopeo", &["inspect", "--raw", &again]), raw);
}

#[test]
fn what_was_not_to_be_pushed_is_in_the_store_as_it_was_asked_for() {
    let env = with_image();
    let _ = env
        .strata(["build", "-q", "-o", "type=image,compression=zstd,name=app:2,annotation.a=b", "context"])
        .success();
    let _ = env.strata(["save", "--format=oci-dir", "-o", "layout", "app:2"]).success();
    assert_eq!(media_types(&env, "oci:layout"), vec!["tar+zstd"; 5]);
    let raw = tool("skopeo", &["inspect", "--raw", &format!("oci:{}", env.path("layout").display())]);
    assert_eq!(json(&raw)["annotations"]["a"], "b");
    assert_eq!(env.strata(["run", "--rm", "--network=none", "app:2"]).success().stdout, "two\n");
    // The blobs are the image's: removing other images leaves them.
    let _ = env.strata(["rmi", "app:1"]).success();
    let _ = env.strata(["save", "-o", "again.tar", "app:2"]).success();
    assert!(Path::new(&env.path("again.tar")).exists());
}
