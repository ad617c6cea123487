//! The command line: what each command prints, its exit codes, what it makes of flags and the environment.

mod inspect;
mod interrupt;
mod usage;

use std::fs;
use std::path::Path;

use rustix::process::Signal;

use crate::support::env::Env;
use crate::support::leftovers::{assert_clean, marker};

/// A place with the image `busybox` and a context of one file.
fn with_context(dockerfile: &str) -> Env {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", dockerfile);
    fs::write(context.join("f"), "f\n").unwrap();
    env
}

#[test]
fn help_and_version_go_to_standard_output() {
    let env = Env::new();
    let help = env.strata(["--help"]).success();
    for command in ["build", "images", "run", "history", "inspect", "tag", "rmi"] {
        assert!(
            help.stdout.lines().any(|line| line.trim_start().starts_with(command)),
            "{command}\n{}",
            help.stdout
        );
    }
    assert_eq!(env.strata(["--version"]).success().stdout, format!("strata {}\n", env!("CARGO_PKG_VERSION")));
    assert!(!env.root().exists());
}

#[test]
fn a_quiet_build_prints_the_id_and_nothing_else() {
    let env = with_context("FROM busybox\nRUN echo loud; echo louder >&2\nCOPY f /\n");
    let output = env.strata(["build", "-q", "-t", "image", "context"]).success();
    assert_eq!((output.stdout, output.stderr.as_str()), (format!("{}\n", env.image_id("image")), ""));
}

#[test]
fn plain_progress_goes_to_standard_error_and_ends_with_the_image() {
    let env = with_context("FROM busybox\nCOPY f /\n");
    let output =
        env.strata(["build", "--progress=plain", "-t", "a", "-t", "example.com/b/c:1", "context"]).success();
    let end = format!("s\nbuilt a:latest, example.com/b/c:1\nimage {}\n", env.image_id("a"));
    assert!(output.stderr.contains("\n#3 DONE ") && output.stderr.ends_with(&end), "{}", output.stderr);
    assert_eq!(output.stdout, "");
    assert_eq!(env.image_id("a"), env.image_id("example.com/b/c:1"));
    // Standard error is no terminal here, so plain is what it is without the flag, too.
    let output = env.strata(["build", "context"]).success();
    assert!(
        output.stderr.starts_with("#1 [1/2] FROM docker.io/library/busybox:latest\n#1 CACHED\n"),
        "{}",
        output.stderr
    );
    assert!(output.stderr.contains("\nbuilt an image without a name\nimage sha256:"), "{}", output.stderr);
}

#[test]
fn the_files_of_a_build_are_written() {
    let env = with_context("FROM busybox\nCOPY f /\n");
    let _ = env
        .strata([
            "build",
            "-q",
            "-t",
            "image",
            "--iidfile",
            "id",
            "--metadata-file",
            "metadata.json",
            "context",
        ])
        .success();
    let id = env.image_id("image");
    assert_eq!(fs::read_to_string(env.path("id")).unwrap(), id);
    let metadata: serde_json::Value =
        serde_json::from_slice(&fs::read(env.path("metadata.json")).unwrap()).unwrap();
    assert_eq!(metadata["containerimage.config.digest"], id);
    assert_eq!(metadata["image.name"], "docker.io/library/image:latest");
}

#[test]
fn places_for_results_are_tried_before_a_build_and_empty_if_it_fails() {
    let env = with_context("FROM busybox\nRUN false\n");
    fs::create_dir(env.path("dir")).unwrap();
    for (flag, path, reason) in [
        ("--iidfile", "nowhere/id", "No such file or directory (os error 2)"),
        ("--metadata-file", "dir", "Is a directory (os error 21)"),
    ] {
        let output = env.strata(["build", "--progress=plain", flag, path, "context"]).code(1);
        assert_eq!(output.stderr, format!("error: cannot write `{path}`\ncaused by: {reason}\n"));
    }
    for (kind, path, reason) in [
        ("docker", "nowhere/image.tar", "No such file or directory (os error 2)"),
        ("tar", "dir", "Is a directory (os error 21)"),
        ("local", "context/Dockerfile", "Not a directory (os error 20)"),
    ] {
        let to = format!("type={kind},dest={path}");
        let output = env.strata(["build", "--progress=plain", "--output", &to, "context"]).code(1);
        assert_eq!(output.stderr, format!("error: cannot create `{path}`\ncaused by: {reason}\n"));
    }
    for file in ["id", "metadata"] {
        fs::write(env.path(file), "of an earlier build").unwrap();
    }
    let failing = ["build", "-q", "--iidfile", "id", "--metadata-file", "metadata", "context"];
    let _ = env.strata(failing).code(1);
    assert!(!env.path("id").exists() && !env.path("metadata").exists());
    // What is no file is only written to.
    fs::write(env.path("context/Dockerfile"), "FROM busybox\n").unwrap();
    let output = env.strata(["build", "-q", "--iidfile", "/dev/stderr", "context"]).success();
    assert_eq!(output.stderr, output.stdout.trim());
}

#[test]
fn a_build_says_where_it_wrote() {
    let env = with_context("FROM busybox\nCOPY f /\n");
    for (outputs, said) in [
        (&["type=local,dest=files"][..], "written to files\n"),
        (
            &["type=image", "type=oci,dest=a.tar", "type=tar,dest=b.tar"],
            "built an image without a name\nwritten to a.tar\nwritten to b.tar\n",
        ),
        (&["type=tar,dest=-"], "written to standard output\n"),
    ] {
        let mut command = env.command(["build", "--progress=plain", "context"]);
        for output in outputs {
            command.args(["--output", output]);
        }
        // A tar is no text.
        command.stdout(std::process::Stdio::null());
        let stderr = env.run(command).success().stderr;
        let (_, last) = stderr.rsplit_once(" DONE ").unwrap();
        let (_, end) = last.split_once('\n').unwrap();
        assert!(end.starts_with(&format!("{said}image sha256:")), "{stderr}");
    }
}

#[test]
fn inputs_that_are_no_tars_are_named() {
    let env = Env::with_busybox();
    let files: [(&str, &[u8], &str); 4] = [
        ("text", b"some text\n", "looks like text"),
        ("empty", b"", "is empty"),
        ("lz4", b"\x04\x22\x4d\x18rest", "looks like lz4 data\nhelp: unpack it first, with `lz4 -d`"),
        ("zip", b"PK\x03\x04zip", "looks like a zip archive\nhelp: unpack it first, with `unzip`"),
    ];
    for (name, bytes, looks) in files {
        fs::write(env.path(name), bytes).unwrap();
        let expected = format!("error: the archive is not a tar: it {looks}\n");
        assert_eq!(env.strata(["load", "-i", name]).code(1).stderr, expected);
        assert_eq!(env.strata(["import", name]).code(1).stderr, expected);
    }
    env.context("dir");
    assert_eq!(
        env.strata(["import", "dir"]).code(1).stderr,
        "error: `dir` is a directory, not a tar\nhelp: send it as a tar: `tar -C dir -c . | strata import -`\n"
    );
    let _ = env.strata(["build", "-q", "-o", "type=tar,dest=root.tar", "busybox-context"]).success();
    assert_eq!(
        env.strata(["load", "-i", "root.tar"]).code(1).stderr.lines().last(),
        Some("help: `strata import` makes an image of a root file system's tar")
    );
}

#[test]
fn names_in_upper_case_are_refused_with_the_right_ones() {
    let env = with_context("FROM Busybox\n");
    let error =
        "error: `Busybox` is not an image reference: the repository name `Busybox` must be lowercase\n";
    let help = "help: write `busybox`\n";
    for args in [&["run", "--rm", "Busybox"][..], &["tag", "Busybox", "x"], &["tag", "busybox", "Busybox"]] {
        let output = env.strata(args);
        assert_eq!(output.stderr, format!("{error}{help}"), "{args:?}");
    }
    let stderr = env.strata(["build", "context"]).code(1).stderr;
    assert!(stderr.starts_with(&format!("{error} --> context/Dockerfile:1:6\n")), "{stderr}");
    assert!(stderr.ends_with(&format!("  = {help}")), "{stderr}");
}

#[test]
fn the_environment_gives_defaults() {
    let env = with_context("FROM busybox\nARG WHO\nRUN echo \"$WHO\" >/who\n");
    let mut command =
        env.command(["build", "-t", "image", "--build-arg", "WHO", "--build-arg", "UNSET", "context"]);
    command.env("WHO", "environment").env("BUILDKIT_PROGRESS", "quiet");
    assert_eq!(env.run(command).success().stderr, "");
    assert_eq!(env.sh("image", "cat /who"), "environment\n");
    let mut images = std::process::Command::new(env!("CARGO_BIN_EXE_strata"));
    images.env_clear().env("STRATA_ROOT", env.root()).args(["images", "-q"]);
    assert_eq!(String::from_utf8(images.output().unwrap().stdout).unwrap().lines().count(), 2);
}

#[test]
fn images_are_listed_tagged_and_removed() {
    let env = with_context("FROM busybox\nCOPY f /\n");
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let id = env.image_id("image");
    let short = &id["sha256:".len()..][..12];
    let lines = |args: &[&str]| -> Vec<Vec<String>> {
        let stdout = env.strata(["images"].iter().chain(args)).success().stdout;
        stdout.lines().map(|line| line.split_whitespace().take(3).map(str::to_owned).collect()).collect()
    };
    let busybox = env.image_id("busybox")["sha256:".len()..][..12].to_owned();
    assert_eq!(lines(&[])[1..], [["image", "latest", short], ["busybox", "latest", &busybox]]);
    let _ = env.strata(["tag", "image", "other:2"]).success();
    let _ = env.strata(["tag", short, "example.com/x"]).success();
    assert_eq!(lines(&["other"])[1..], [["other", "2", short]]);
    assert_eq!(
        env.strata(["images", "-q", "--no-trunc", "example.com/x"]).success().stdout,
        format!("{id}\n")
    );

    assert_eq!(env.strata(["rmi", "other:2"]).success().stdout, "Untagged: other:2\n");
    let refused = env.strata(["rmi", short]).code(1).stderr;
    assert_eq!(
        refused,
        format!(
            "error: the image {short} has several names: image:latest, example.com/x:latest\n\
             help: remove it by one of its names, or all of them with `--force`\n"
        )
    );
    let removed = env.strata(["rmi", "--force", short]).success().stdout;
    assert_eq!(removed, format!("Untagged: image:latest\nUntagged: example.com/x:latest\nDeleted: {id}\n"));
    assert_eq!(lines(&[]).len(), 2);
}

#[test]
fn images_that_are_not_there_are_named_with_a_near_one() {
    let env = Env::with_busybox();
    // `inspect` prints a list of what it found, as Docker's does.
    for (args, code, stdout) in [
        (&["inspect", "busybix"][..], 1, "[]\n"),
        (&["history", "busybix"], 1, ""),
        (&["tag", "busybix", "x"], 1, ""),
        (&["rmi", "busybix"], 1, ""),
        (&["run", "--rm", "busybix"], 125, ""),
    ] {
        let output = env.strata(args).code(code);
        let expected = "error: there is no image `busybix` in the store\nhelp: did you mean `busybox`?\n";
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), (stdout, expected), "{args:?}");
    }
    let output = env.strata(["inspect", "something-else"]).code(1);
    let expected = "error: there is no image `something-else` in the store\nhelp: `strata images` lists what is there, `strata pull` brings what is not\n";
    assert_eq!(output.stderr, expected);
}

#[test]
fn run_has_the_commands_output_and_exit_code() {
    let env = with_context(
        "FROM busybox\nENV A=a\nWORKDIR /w\nUSER u\nENTRYPOINT [\"/bin/sh\", \"-c\"]\nCMD [\"echo $A; pwd; id -u\"]\n",
    );
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    assert_eq!(env.strata(["run", "--rm", "image"]).success().stdout, "a\n/w\n1000\n");
    assert_eq!(env.strata(["run", "--rm", "image", "exit 7"]).code(7).stderr, "");
    assert_eq!(env.strata(["run", "--rm", "image", "kill -TERM $$"]).code(143).stderr, "");
    let both = env.strata(["run", "--rm", "image", "echo out; echo err >&2"]).success();
    assert_eq!((both.stdout.as_str(), both.stderr.as_str()), ("out\n", "err\n"));
    // What it changes is gone with it.
    let _ = env.strata(["run", "--rm", "busybox", "touch", "/f"]).success();
    let _ = env.strata(["run", "--rm", "busybox", "test", "-e", "/f"]).code(1);
    assert_clean(&env.root(), "no command of this test is left");
}

#[test]
fn run_that_cannot_start_has_dockers_exit_codes() {
    let env = with_context("FROM scratch\nCOPY f /f\n");
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    for (args, code) in [
        (&["run", "image"][..], 125),
        (&["run", "--rm", "image"], 125),
        (&["run", "--nosuchflag", "image"], 125),
        (&["run", "--rm", "image", "/f"], 126),
        (&["run", "--rm", "image", "/nosuch"], 127),
        (&["run", "--rm", "busybox", "nosuch"], 127),
        (&["run", "--rm", "--network=none", "busybox", "true"], 0),
    ] {
        let output = env.strata(args).code(code);
        assert_eq!(output.stdout, "", "{args:?}");
        assert_eq!(output.stderr.starts_with("error: "), code != 0, "{args:?} {}", output.stderr);
    }
}

#[test]
fn run_passes_signals_to_the_command() {
    let (env, marker) = (Env::with_busybox(), marker("run"));
    let script = format!(
        "trap 'echo got it >&2; exit 9' TERM; echo ready >&2; while :; do sleep {marker} & wait; done"
    );
    let mut run = env.spawn(["run", "--rm", "busybox", "sh", "-c", &script]);
    assert!(run.wait_for(|line| line == "ready"));
    run.signal(Signal::TERM);
    let (status, _, stderr) = run.end();
    assert_eq!((status.code(), stderr.as_str()), (Some(9), "ready\ngot it\n"));
    assert_clean(&env.root(), &marker);
}

#[test]
fn history_shows_every_instruction() {
    let env = with_context("FROM busybox\nLABEL a=1\nCOPY f /\n");
    let _ = env.strata(["build", "-q", "-t", "image", "context"]).success();
    let history = env.strata(["history", "--no-trunc", "image"]).success().stdout;
    let by: Vec<&str> = history.lines().skip(1).collect();
    assert_eq!(by.len(), 6, "{history}");
    assert!(
        by[0].starts_with(&env.image_id("image")) && by[0].contains(" COPY f / # buildkit "),
        "{history}"
    );
    assert!(by[1].starts_with("<missing> ") && by[1].contains(" LABEL a=1 "), "{history}");
}

#[test]
fn a_store_of_another_format_is_refused() {
    let env = Env::with_busybox();
    let database = rusqlite::Connection::open(env.root().join("strata.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    drop(database);
    let stderr = env.strata(["images"]).code(1).stderr;
    assert!(
        stderr.starts_with("error: ") && stderr.contains("[DIR]/store") && stderr.contains("99"),
        "{stderr}"
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let env = Env::with_busybox();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = env.command([Path::new("inspect"), "busybox".as_ref()]);
    assert!(command.stdout(writer).status().unwrap().success());
}
