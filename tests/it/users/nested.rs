//! strata inside of strata's own sandbox, which gives it no privileges: root with Docker's capabilities, no seccomp rules.

use std::fs;

use super::program_tree;
use crate::support::env::{BUSYBOX, Env};
use crate::support::user::User;

/// What is built inside: two steps of which each sees what the other did.
const INNER: &str = "FROM busybox\n\
    COPY Dockerfile /d/\n\
    RUN rm /etc/group && echo one >/d/one && chown 5:6 /d/one && ln /d/one /d/two\n\
    RUN cat /d/two >/three && rm /d/one && ls -l /proc/self/fd >/dev/null\n";

/// What the image of it shows.
const SHOWN: &str = "5:6\none\nDockerfile\ntwo\npasswd\n";

/// A place with an image in which there are strata, a busybox image and something to build.
fn place(env: Env) -> Env {
    env.add_busybox();
    let context = env.dockerfile("outer", "FROM busybox\nCOPY tree /\nCOPY busybox.tar inner /\n");
    program_tree(&context.join("tree"));
    fs::write(context.join("inner"), INNER).unwrap();
    let archive = context.join("busybox.tar");
    env.hand_over(&context);
    let _ = env.strata(["save", "-o", archive.to_str().unwrap(), BUSYBOX]).success();
    let _ = env.strata(["build", "-q", "-t", "outer", context.to_str().unwrap()]).success();
    env
}

/// Builds and runs inside, with the store in `store`, and gives what both said.
fn inside(env: &Env, store: &str) -> (String, String) {
    let script = format!(
        "set -e; export STRATA_ROOT={store}; mkdir /c; cp /inner /c/Dockerfile; \
         strata load -q -i /busybox.tar; strata build -t image --network none --progress plain /c; \
         strata run --rm --network none image sh -c \
         'stat -c %u:%g /d/two; cat /three; ls /d /etc | grep -v -e : -e host -e resolv -e ^$'"
    );
    let run = [
        "run",
        "--rm",
        "--network=none",
        "--security-opt",
        "seccomp=unconfined",
        "outer",
        "sh",
        "-c",
        &script,
    ];
    let output = env.strata(run).success();
    let shown = output.stdout.find(SHOWN).map_or(output.stdout.clone(), |at| output.stdout[at..].to_owned());
    (shown, output.stderr)
}

#[test]
fn on_the_overlay_of_a_container_roots_are_copied_and_one_line_says_so() {
    for env in [Env::new(), Env::as_user(User::with_ranges())] {
        let env = place(env);
        let (shown, said) = inside(&env, "/store");
        assert_eq!(shown, SHOWN);
        let line = "commands get copies of their files: no overlay can be mounted where the store is";
        // Once by the build, and once by the run.
        assert_eq!(said.matches(line).count(), 2, "{said}");
    }
}

#[test]
fn on_another_file_system_there_are_overlays() {
    let env = place(Env::as_user(User::with_ranges()));
    let (shown, said) = inside(&env, "/dev/shm/store");
    assert_eq!(shown, SHOWN);
    assert!(!said.contains("copies"), "{said}");
}
