//! Where a build's files come from: standard input, named contexts, layouts, and which platform it is for.

mod remote;

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::support::case;
use crate::support::env::{BUSYBOX, Env, Output};
use crate::support::leftovers::in_progress;

#[test]
fn contexts_and_platforms_are_what_they_say() {
    case::run_all("contexts");
}

/// Runs a build whose standard input is a file.
fn build_from(env: &Env, stdin: &Path, args: &[&str]) -> Output {
    let mut command = env.command(["build", "--progress=plain", "-t", "image"]);
    command.args(args).stdin(File::open(stdin).unwrap());
    env.run(command)
}

/// A tar of a directory, as tar(1) makes it.
fn tar(env: &Env, name: &str, dir: &Path, options: &[&str]) -> PathBuf {
    let path = env.path(name);
    let status =
        Command::new("tar").args(options).arg("-cf").arg(&path).arg("-C").arg(dir).arg(".").status().unwrap();
    assert!(status.success(), "tar {options:?}");
    path
}

fn write(dir: &Path, files: &[(&str, &str)]) {
    for (name, text) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

#[test]
fn an_archive_on_standard_input_is_the_context() {
    let env = Env::with_busybox();
    let dir = env.context("files");
    write(
        &dir,
        &[
            ("Dockerfile", "FROM busybox\nCOPY . /c\n"),
            ("other/My.Dockerfile", "FROM busybox\nCOPY a /other\n"),
            ("other/My.Dockerfile.dockerignore", "sub\n"),
            (".dockerignore", "hidden\nDockerfile\nother\n"),
            ("a", "a\n"),
            ("hidden", "x\n"),
            ("sub/b", "b\n"),
        ],
    );
    for (name, options) in [
        ("plain.tar", &[][..]),
        ("v7.tar", &["--format=v7"]),
        ("a.tgz", &["-z"]),
        ("a.tar.zst", &["--zstd"]),
        ("a.tar.bz2", &["-j"]),
        ("a.tar.xz", &["-J"]),
    ] {
        let archive = tar(&env, name, &dir, options);
        let _ = build_from(&env, &archive, &["-"]).success();
        assert_eq!(
            env.sh("image", "cd /c && find . | sort"),
            ".\n./.dockerignore\n./a\n./sub\n./sub/b\n",
            "{name}"
        );
        let _ = build_from(&env, &archive, &["-f", "other/My.Dockerfile", "-"]).success();
        assert_eq!(env.sh("image", "cat /other"), "a\n", "{name}");
        let again = build_from(&env, &archive, &["-"]).success();
        assert!(again.stderr.contains("CACHED"), "{name}: {}", again.stderr);
    }
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn a_dockerfile_may_be_outside_the_archive() {
    let env = Env::with_busybox();
    let dir = env.context("files");
    write(&dir, &[("a", "a\n"), ("b", "b\n")]);
    let archive = tar(&env, "files.tar", &dir, &[]);
    let outside = env.context("outside");
    write(&outside, &[("Mine", "FROM busybox\nCOPY . /c\n"), ("Mine.dockerignore", "b\n")]);
    let _ = build_from(&env, &archive, &["-f", "outside/Mine", "-"]).success();
    assert_eq!(env.sh("image", "ls /c"), "a\n");
    for args in [&["-"][..], &["-f", "outside/Yours", "-"]] {
        let missing = build_from(&env, &archive, args).code(1).stderr;
        assert!(missing.contains("error: there is no Dockerfile at `"), "{missing}");
    }
}

#[test]
fn a_text_on_standard_input_is_the_dockerfile() {
    let env = Env::with_busybox();
    let text = env.path("text");
    fs::write(&text, "FROM busybox\nCOPY <<X /x\nhello\nX\nRUN cat /x\n").unwrap();
    let _ = build_from(&env, &text, &["-"]).success();
    assert_eq!(env.sh("image", "cat /x"), "hello\n");
    let both = build_from(&env, &text, &["-f", "text", "-"]).code(1).stderr;
    assert!(both.contains("error: there are two Dockerfiles: "), "{both}");

    fs::write(&text, "FROM busybox\nCOPY a /\n").unwrap();
    let empty = build_from(&env, &text, &["-"]).code(1).stderr;
    assert!(
        empty.contains("`a` is not found in the build context: it does not exist\n --> <stdin>:2:6"),
        "{empty}"
    );

    let context = env.context("context");
    write(&context, &[("a", "a\n"), ("Dockerfile", "FROM nothing\n"), (".dockerignore", "Dockerfile\n")]);
    let _ = build_from(&env, &text, &["-f", "-", "context"]).success();
    assert_eq!(env.sh("image", "cat /a"), "a\n");

    fs::write(&text, "").unwrap();
    let nothing = build_from(&env, &text, &["-"]).code(1).stderr;
    assert!(nothing.contains("error: "), "{nothing}");
    fs::write(&text, vec![b'x'; 16 << 20]).unwrap();
    let large = build_from(&env, &text, &["-"]).code(1).stderr;
    assert!(large.contains("error: the stream is no archive, and is too large for a Dockerfile"), "{large}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

/// What is sent must not decide what is read on this machine.
#[test]
fn an_archive_cannot_reach_out_of_its_directory() {
    let env = Env::with_busybox();
    let secret = env.path("secret");
    fs::write(&secret, "FROM busybox\n").unwrap();
    let dir = env.context("files");
    symlink(&secret, dir.join("Dockerfile")).unwrap();
    let stderr = build_from(&env, &tar(&env, "1.tar", &dir, &[]), &["-"]).code(1).stderr;
    assert!(stderr.contains("error: there is no Dockerfile at `Dockerfile`"), "{stderr}");

    fs::remove_file(dir.join("Dockerfile")).unwrap();
    write(&dir, &[("real", "FROM busybox\nCOPY link /got\n")]);
    symlink("/real", dir.join("Dockerfile")).unwrap();
    symlink(&secret, dir.join("link")).unwrap();
    symlink(&secret, dir.join(".dockerignore")).unwrap();
    let stderr = build_from(&env, &tar(&env, "2.tar", &dir, &[]), &["-"]).code(1).stderr;
    assert!(stderr.contains("`link` is not found in the build context"), "{stderr}");

    let mut outside = ::tar::Builder::new(File::create(env.path("3.tar")).unwrap());
    let mut header = ::tar::Header::new_gnu();
    header.as_gnu_mut().unwrap().name[..9].copy_from_slice(b"../../bad");
    header.set_size(0);
    header.set_cksum();
    outside.append(&header, &b""[..]).unwrap();
    outside.into_inner().unwrap();
    let stderr = build_from(&env, &env.path("3.tar"), &["-"]).code(1).stderr;
    assert!(stderr.contains("error: cannot unpack the build context\n"), "{stderr}");
    assert!(stderr.contains("it contains `..`"), "{stderr}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

/// What marks a removed file in a layer is no file of a context.
#[test]
fn an_archive_with_marks_is_no_context() {
    let env = Env::with_busybox();
    let dir = env.context("files");
    write(&dir, &[("Dockerfile", "FROM busybox\n"), (".wh.a", "")]);
    let stderr = build_from(&env, &tar(&env, "a.tar", &dir, &[]), &["-"]).code(1).stderr;
    assert!(stderr.contains("`./.wh.a` cannot be unpacked: a name that starts with `.wh.`"), "{stderr}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn an_archive_that_is_cut_off_is_no_context() {
    let env = Env::with_busybox();
    let dir = env.context("files");
    write(&dir, &[("Dockerfile", "FROM busybox\n"), ("a", &"a".repeat(100_000))]);
    for (name, options) in [("plain.tar", &[][..]), ("a.tgz", &["-z"])] {
        let archive = tar(&env, name, &dir, options);
        let bytes = fs::read(&archive).unwrap();
        fs::write(&archive, &bytes[..bytes.len() / 2]).unwrap();
        let stderr = build_from(&env, &archive, &["-"]).code(1).stderr;
        assert!(stderr.contains("cut off"), "{name}: {stderr}");
    }
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn waiting_for_standard_input_can_be_given_up() {
    let env = Env::with_busybox();
    let pipe = env.path("pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RWXU).unwrap();
    // Whoever has both ends open never sees the end.
    let both = File::options().read(true).write(true).open(&pipe).unwrap();
    let mut running = env.spawn_reading(["build", "--progress=plain", "-"], both);
    assert!(running.wait_for(|line| line.contains("load remote build context")));
    running.signal(Signal::INT);
    let (status, _, stderr) = running.end();
    assert_eq!(status.code(), Some(130), "{stderr}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

/// An OCI layout with busybox, and a store that has nothing.
fn with_layout(layout: &str) -> (Env, PathBuf) {
    let env = Env::with_busybox();
    let context = env.dockerfile("base", "FROM busybox\nRUN echo layout >/where\n");
    let path = env.path(layout);
    let output = format!("type=oci,tar=false,dest={}", path.display());
    let _ = env.strata(["build", "-q", "-t", "base:1", "-o", &output, context.to_str().unwrap()]).success();
    fs::remove_dir_all(env.root()).unwrap();
    (env, path)
}

#[test]
fn a_layout_is_a_base() {
    let (env, layout) = with_layout("layout");
    env.dockerfile("context", "FROM app\nRUN cat /where >/copy\n");
    let index: serde_json::Value =
        serde_json::from_slice(&fs::read(layout.join("index.json")).unwrap()).unwrap();
    let digest = index["manifests"][0]["digest"].as_str().unwrap();
    for suffix in [String::new(), ":1".to_owned(), format!("@{digest}"), format!(":1@{digest}")] {
        let context = format!("app=oci-layout://layout{suffix}");
        let _ = env.strata(["build", "-t", "image", "--build-context", &context, "context"]).success();
        assert_eq!(env.sh("image", "cat /copy"), "layout\n", "{suffix}");
    }
    let images = env.strata(["images"]).success().stdout;
    assert!(!images.contains("base"), "the layout's image gets no name: {images}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn a_layout_that_has_not_what_is_wanted_is_refused() {
    let (env, _) = with_layout("layout");
    env.dockerfile("context", "FROM app\n");
    env.dockerfile("unused", "FROM app AS unused\nFROM scratch\n");
    let none = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (value, words) in [
        ("layout:2".to_owned(), "no image of the layout has the tag `2`: there are 1"),
        (format!("layout@{none}"), "the archive has no `blobs/sha256/e3b0c"),
        ("nothing".to_owned(), "No such file or directory"),
        ("context".to_owned(), "the archive holds no images"),
    ] {
        let context = format!("app=oci-layout://{value}");
        let stderr = env.strata(["build", "--build-context", &context, "context"]).code(1).stderr;
        assert!(stderr.contains(&format!("error: cannot load `oci-layout://{value}`\n")), "{stderr}");
        assert!(stderr.contains(words), "{value}: {stderr}");
        let _ = env.strata(["build", "--build-context", &context, "unused"]).success();
    }
    // Only the user can name a layout.
    env.dockerfile("context", "FROM oci-layout://layout\n");
    let stderr = env.strata(["build", "context"]).code(1).stderr;
    let error =
        "error: `oci-layout://layout` is not an image reference: `oci-layout://` is not part of a name\n";
    let help = "give it a name with `--build-context NAME=oci-layout://layout`, and write that here\n";
    assert!(stderr.starts_with(error) && stderr.ends_with(&format!("= help: {help}")), "{stderr}");
}

#[test]
fn the_environment_may_choose_the_platform() {
    let env = Env::new();
    env.dockerfile("context", "FROM scratch\nLABEL a=b\n");
    for (variable, args, architecture, variant) in [
        ("linux/s390x", &[][..], "s390x", None),
        ("linux/s390x", &["--platform=linux/arm64/v8"], "arm64", None),
        ("", &["--platform=linux/arm"], "arm", Some("v7")),
    ] {
        let mut command = env.command(["build", "-t", "image", "context"]);
        command.args(args).env("DOCKER_DEFAULT_PLATFORM", variable);
        let _ = env.run(command).success();
        let config = env.image_config("image");
        assert_eq!(config["architecture"], architecture, "{variable} {args:?}");
        assert_eq!(config["variant"].as_str(), variant, "{variable} {args:?}");
    }
}

#[test]
fn an_image_can_go_to_a_file_and_into_the_store() {
    let env = Env::with_busybox();
    env.dockerfile("context", &format!("FROM {BUSYBOX}\nLABEL a=b\n"));
    let args = ["build", "-t", "image", "-o", "type=oci,dest=image.tar", "context"];
    let _ = env.strata(args).success();
    let _ = env.strata(["inspect", "image"]).code(1);
    let _ = env.strata(args.iter().copied().chain(["--load"])).success();
    let _ = env.strata(["inspect", "image"]).success();
    assert!(env.path("image.tar").exists());
}

#[test]
fn a_dockerfile_is_found_under_its_usual_names() {
    let env = Env::new();
    let context = env.context("context");
    let label = |text: &str| format!("FROM scratch\nLABEL is={text}\n");
    let built = |args: &[&str]| {
        let _ = env.strata(["build", "-t", "image"].iter().chain(args)).success();
        env.image_config("image")["config"]["Labels"]["is"].as_str().unwrap().to_owned()
    };
    fs::write(context.join("dockerfile"), label("lower")).unwrap();
    assert_eq!(built(&["context"]), "lower");
    fs::write(env.path("elsewhere"), label("link")).unwrap();
    symlink("../elsewhere", context.join("Dockerfile")).unwrap();
    assert_eq!(built(&["context"]), "link");
    assert_eq!(built(&["-f", "context/dockerfile", "context"]), "lower");
    for (args, words) in [
        (&["build", "nothing"][..], "error: the build context `nothing` is not a directory\n"),
        (&["build", "elsewhere"], "error: the build context `elsewhere` is not a directory\n"),
        (&["build", "-f", "dockerfile", "context"], "error: there is no Dockerfile at `dockerfile`\n"),
        (&["build", "-f", "context", "context"], "error: cannot read the Dockerfile `context`\n"),
    ] {
        let stderr = env.strata(args).code(1).stderr;
        assert!(stderr.starts_with(words), "{stderr}");
    }
}
