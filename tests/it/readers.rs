//! What other programs make of the images that strata writes, and strata of theirs: skopeo, umoci, crun, podman and
//! buildah from Debian.

mod matrix;
mod podman;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::env::{BUSYBOX, Env};

/// Runs a program that must be there and must succeed.
fn tool(program: &str, args: &[&str]) -> Output {
    let output = Command::new(program).args(args).output();
    let output =
        output.unwrap_or_else(|error| panic!("{program} cannot be run ({error}): apt-get install {program}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {args:?}: {}\n{said}", output.status);
    output
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An image with an entrypoint, a file of another owner, and a layer that removes something.
fn image(env: &Env) -> std::path::PathBuf {
    let dockerfile = format!(
        "FROM {BUSYBOX}\nRUN mkdir /d && echo one >/d/a && echo two >/d/b && chown 7:8 /d/b\nRUN rm /d/a\n\
         ENV GREETING=hello\nWORKDIR /d\nCMD [\"sh\", \"-c\", \"echo $GREETING $(ls) $(stat -c %u:%g b)\"]\n"
    );
    env.dockerfile("app", &dockerfile)
}

const SAYS: &str = "hello b 7:8\n";

#[test]
fn crun_runs_what_umoci_unpacks_from_our_layout() {
    let env = Env::with_busybox();
    let context = image(&env);
    let layout = env.path("layout");
    let output = format!("type=oci,tar=false,dest={}", layout.display());
    let _ = env.strata(["build", "-q", "-t", "app", "-o", &output, context.to_str().unwrap()]).success();
    let bundle = env.path("bundle");
    let tag = reference_of(&layout);
    let unpacked = format!("{}:{tag}", layout.display());
    tool("umoci", &["unpack", "--image", &unpacked, bundle.to_str().unwrap()]);
    settle(&bundle.join("config.json"));
    // A hybrid cgroup tree whose second version has controllers is refused by crun; without it, it is content.
    let id = format!("strata-test-{}", std::process::id());
    let script = format!(
        "umount /sys/fs/cgroup/unified 2>/dev/null; exec crun run --bundle {} {id}",
        bundle.display()
    );
    let ran = tool("unshare", &["--mount", "--propagation", "private", "sh", "-c", &script]);
    assert_eq!(String::from_utf8_lossy(&ran.stdout), SAYS);
}

#[test]
fn skopeo_copies_what_we_save_and_we_load_what_skopeo_writes() {
    let env = Env::with_busybox();
    let context = image(&env);
    let _ = env.strata(["build", "-q", "-t", "app:1", context.to_str().unwrap()]).success();
    let saved = env.path("saved.tar");
    let _ = env.strata(["save", "-o", saved.to_str().unwrap(), "app:1"]).success();
    let id = env.image_id("app:1");
    for (form, name) in [("docker-archive", "app-docker"), ("oci-archive", "app-oci")] {
        let copy = env.path(&format!("{form}.tar"));
        let from = format!("docker-archive:{}", saved.display());
        let to = format!("{form}:{}:docker.io/library/{name}:1", copy.display());
        tool("skopeo", &["--insecure-policy", "copy", &from, &to]);
        let loaded = env.strata(["load", "-i", copy.to_str().unwrap()]).success();
        assert_eq!(loaded.stdout, format!("Loaded image: {name}:1\n"), "{form}");
        assert_eq!(
            env.image_config(&format!("{name}:1"))["rootfs"],
            env.image_config("app:1")["rootfs"],
            "{form}"
        );
        assert_eq!(
            env.strata(["run", "--rm", "--network", "none", &format!("{name}:1")]).success().stdout,
            SAYS
        );
    }
    let config =
        json_of(&tool("skopeo", &["inspect", "--config", &format!("oci-archive:{}", saved.display())]));
    assert_eq!(config["config"]["Env"], env.image_config("app:1")["config"]["Env"]);
    assert!(id.starts_with("sha256:"));
}

/// The name under which the only image of a layout can be asked for.
fn reference_of(layout: &Path) -> String {
    let index: Value = serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let name = &index["manifests"][0]["annotations"]["org.opencontainers.image.ref.name"];
    name.as_str().unwrap().to_owned()
}

/// Makes of umoci's runtime config one that needs no terminal, and a version that Debian's crun knows.
fn settle(path: &Path) {
    let mut config: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    config["ociVersion"] = json!("1.0.2");
    config["process"]["terminal"] = json!(false);
    config["process"].as_object_mut().unwrap().remove("rlimits");
    fs::write(path, config.to_string()).unwrap();
}
