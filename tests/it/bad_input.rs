//! What goes wrong: wrong Dockerfiles and contexts (`testdata/bad_input`), full disks, interrupted builds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;

use crate::support::case;
use crate::support::env::{BUSYBOX, Env};
use crate::support::leftovers::{assert_clean, in_progress, marker};

#[test]
fn mistakes_are_explained_with_their_places() {
    case::run_all("bad_input");
}

#[test]
fn missing_dockerfiles_and_contexts_are_named() {
    let env = Env::new();
    env.context("empty");
    fs::write(env.path("file"), "").unwrap();
    fs::create_dir(env.path("empty/dir")).unwrap();
    for (args, message) in [
        (
            &["empty"][..],
            "there is no Dockerfile at `[DIR]/empty/Dockerfile`\nhelp: name another file with `--file`",
        ),
        (
            &["-f", "other", "empty"],
            "there is no Dockerfile at `other`\nhelp: name another file with `--file`",
        ),
        (
            &["-f", "empty/dir", "empty"],
            "cannot read the Dockerfile `empty/dir`\ncaused by: Is a directory (os error 21)",
        ),
        (
            &["nowhere"],
            "the build context `nowhere` is not a directory\nhelp: the last argument is the context directory, such as `.`",
        ),
        (
            &["file"],
            "the build context `file` is not a directory\nhelp: the last argument is the context directory, such as `.`",
        ),
    ] {
        let output = env.strata(["build"].iter().chain(args)).code(1);
        assert_eq!(output.stderr, format!("error: {message}\n"), "{args:?}");
    }
}

/// A small disk, mounted for one test.
struct Disk(PathBuf);

impl Disk {
    fn mount(path: PathBuf, size: &str) -> Self {
        fs::create_dir_all(&path).unwrap();
        let options = format!("size={size}");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&path).status().unwrap();
        assert!(status.success(), "mount: {status}");
        Self(path)
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Builds in a store whose disk has no room for it, then something small in the same store.
fn fill_the_disk(dockerfile: &str) -> String {
    // The disk must be unmounted before its directory is removed.
    let env = Env::new();
    let _disk = Disk::mount(env.root(), "12m");
    env.add_busybox();
    let context = env.dockerfile("context", dockerfile);
    // Not zeros, which a copy could leave out.
    fs::write(context.join("big"), vec![1; 16 << 20]).unwrap();
    let output = env.strata([Path::new("build"), "-q".as_ref(), &context]).code(1);
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
    let small = env.dockerfile("small", "FROM busybox\nRUN echo small >/f\n");
    let _ =
        env.strata([Path::new("build"), "-q".as_ref(), "-t".as_ref(), "small".as_ref(), &small]).success();
    assert_eq!(env.sh("small", "cat /f"), "small\n");
    output.stderr
}

#[test]
fn a_full_disk_in_a_copy_is_said_and_leaves_room_for_the_next() {
    let stderr = fill_the_disk("FROM busybox\nCOPY big /\n");
    assert!(stderr.contains("No space left on device"), "{stderr}");
    assert!(stderr.contains("help: the disk of the store is full: make room"), "{stderr}");
    assert!(stderr.contains(" --> "), "{stderr}");
}

#[test]
fn a_full_disk_in_a_command_is_the_commands_error() {
    let stderr = fill_the_disk("FROM busybox\nRUN head -c 20000000 /dev/zero | tr '\\0' x >/big\n");
    assert!(stderr.contains("No space left on device"), "{stderr}");
    assert!(stderr.contains("did not complete successfully: exit code 1"), "{stderr}");
}

/// Interrupts a build whose command runs.
fn interrupt(name: &str, signal: Signal) -> (Option<i32>, String) {
    let (env, marker) = (Env::with_busybox(), marker(name));
    let dockerfile = format!(
        "FROM {BUSYBOX}\nRUN touch /before\n\
         RUN trap '' INT TERM; sleep {marker} & (trap '' HUP; sleep {marker}) & echo begun; sleep {marker}\nRUN true\n"
    );
    let context = env.dockerfile("context", &dockerfile);
    let mut build = env.spawn(["build", "--progress=plain", "-t", "image", context.to_str().unwrap()]);
    assert!(build.wait_for(|line| line.ends_with(" begun")));
    build.signal(signal);
    let (status, stdout, stderr) = build.end();
    assert_eq!(stdout, "");
    assert_clean(&env.root(), &marker);
    // No image, but the step that was done is kept.
    assert_eq!(env.strata(["images", "-q", "image"]).success().stdout, "");
    fs::write(context.join("Dockerfile"), "FROM busybox\nRUN touch /before\n").unwrap();
    let next = env.strata([Path::new("build"), "--progress=plain".as_ref(), &context]).success();
    assert!(next.stderr.contains("[2/2] RUN touch /before\n#2 CACHED\n"), "{}", next.stderr);
    (status.code(), stderr)
}

#[test]
fn an_interrupted_build_ends_its_commands_and_leaves_nothing() {
    for (name, signal, ends_with) in
        [("int", Signal::INT, 130), ("term", Signal::TERM, 143), ("hup", Signal::HUP, 129)]
    {
        let (code, stderr) = interrupt(name, signal);
        assert_eq!(code, Some(ends_with), "{name}");
        assert!(stderr.contains("\n#3 CANCELED\n"), "{stderr}");
        assert!(stderr.ends_with("\nerror: the build was interrupted\n"), "{stderr}");
        assert!(!stderr.contains("[4/4]"), "{stderr}");
    }
}

#[test]
fn a_failing_step_ends_the_others() {
    let (env, marker) = (Env::with_busybox(), marker("failing"));
    let gate = crate::support::gate::Gate::new();
    let dockerfile = format!(
        "FROM busybox AS a\nRUN {}; sleep {marker}\nFROM busybox AS b\nRUN {}; exit 3\nFROM busybox\n\
         COPY --from=a /etc/passwd /a\nCOPY --from=b /etc/passwd /b\n",
        gate.command(),
        gate.command()
    );
    let context = env.dockerfile("context", &dockerfile);
    let build = env.spawn(["build", "--progress=plain", context.to_str().unwrap()]);
    // Both run; now one of them fails.
    drop((gate.wait(), gate.wait()));
    let (status, _, stderr) = build.end();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("CANCELED\n"), "{stderr}");
    assert!(stderr.contains("did not complete successfully: exit code 3\n --> "), "{stderr}");
    assert_clean(&env.root(), &marker);
}
