//! Our images in podman and buildah, and theirs with us.

use std::process::Command;

use super::{SAYS, image};
use crate::support::env::Env;
use crate::support::registry::run;

/// One of the two programs with a storage of its own in a test's place.
fn podman(env: &Env, program: &str, args: &[&str]) -> String {
    let mut command = Command::new(program);
    for (flag, place) in [("--root", "podman-root"), ("--runroot", "podman-run"), ("--tmpdir", "podman-tmp")]
    {
        if flag != "--tmpdir" || program == "podman" {
            command.arg(flag).arg(env.path(place));
        }
    }
    // What it mounts of itself would be left where the place is removed; this driver mounts nothing.
    command.args(["--storage-driver", "vfs"]).args(args).current_dir(env.path(""));
    String::from_utf8(run(&mut command)).unwrap()
}

/// Our image in an archive.
fn saved(env: &Env) -> String {
    let context = image(env);
    let _ = env.strata(["build", "-q", "-t", "app:1", context.to_str().unwrap()]).success();
    let saved = env.path("saved.tar").display().to_string();
    let _ = env.strata(["save", "-o", &saved, "app:1"]).success();
    saved
}

#[test]
fn podman_loads_what_we_save_and_we_load_what_podman_saves() {
    let env = Env::with_busybox();
    let archive = saved(&env);
    let loaded = podman(&env, "podman", &["load", "-q", "-i", &archive]);
    assert_eq!(loaded, "Loaded image: docker.io/library/app:1\n");
    let id = env.image_id("app:1");
    let seen =
        podman(&env, "podman", &["image", "inspect", "app:1", "--format", "{{.Id}} {{json .RootFS.Layers}}"]);
    let diff_ids = &env.image_config("app:1")["rootfs"]["diff_ids"];
    assert_eq!(seen, format!("{} {diff_ids}\n", id.strip_prefix("sha256:").unwrap()));
    for form in ["oci-archive", "docker-archive"] {
        let (other, path) = (Env::new(), env.path(form).display().to_string());
        podman(&env, "podman", &["save", "-q", "--format", form, "-o", &path, "app:1"]);
        assert_eq!(other.strata(["load", "-i", &path]).success().stdout, "Loaded image: app:1\n", "{form}");
        assert_eq!(other.image_id("app:1"), id, "{form}");
        assert_eq!(other.strata(["run", "--rm", "--network", "none", "app:1"]).success().stdout, SAYS);
    }
}

#[test]
fn buildah_builds_from_our_image_and_we_from_its() {
    let env = Env::with_busybox();
    podman(&env, "podman", &["load", "-q", "-i", &saved(&env)]);
    let context =
        env.dockerfile("theirs", "FROM app:1\nRUN echo more >/d/c && rm /d/b\nCOPY Dockerfile /x\n");
    let context = context.to_str().unwrap();
    // Without a network of its own, and with limits that a container may have.
    let mut build =
        vec!["bud", "-q", "--isolation", "chroot", "--ulimit", "nofile=1000:1000", "--network", "host"];
    build.extend(["--pull=never", "-t", "theirs:1", context]);
    podman(&env, "buildah", &build);
    let archive = env.path("theirs.tar").display().to_string();
    podman(&env, "buildah", &["push", "-q", "theirs:1", &format!("oci-archive:{archive}:theirs:1")]);
    let _ = env.strata(["load", "-q", "-i", &archive]).success();
    let ours = env.dockerfile("ours", "FROM theirs:1\nRUN echo again >>/d/c\n");
    let _ = env.strata(["build", "-q", "-t", "ours:1", ours.to_str().unwrap()]).success();
    assert_eq!(env.sh("ours:1", "cd /d; ls; cat c; stat -c %A /x"), "c\nmore\nagain\n-rw-r--r--\n");
}
