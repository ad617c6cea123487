//! A user with a single id: what works, and what is said where it cannot.

use std::fs;
use std::process::Command;

use crate::support::env::{BUSYBOX, Env};
use crate::support::user::User;

const REMEDY: &str = "`usermod --add-subuids ";

#[test]
fn what_belongs_to_root_is_built_and_run() {
    let env = Env::as_user(User::single());
    env.add_busybox();
    let text = "FROM busybox\nRUN mkdir -p /d/e && echo one >/f\n\
                RUN rm -r /d && mkdir -m 700 /d && chown 0:0 /f && id -u >/d/id\n";
    let context = env.dockerfile("context", text);
    let _ = env.strata(["build", "-q", "-t", "image", context.to_str().unwrap()]).success();
    let shown = env.sh("image", "cat /f /d/id; ls /d; stat -c '%u:%g %a' /f /d");
    assert_eq!(shown, "one\n0\nid\n0:0 644\n0:0 700\n");
}

#[test]
fn other_owners_are_refused_with_the_remedy() {
    let env = Env::as_user(User::single());
    env.add_busybox();
    let build = |text: &str| {
        let context = env.dockerfile("context", text);
        fs::write(context.join("f"), "").unwrap();
        env.strata(["build", context.to_str().unwrap()]).code(1).stderr
    };
    for (text, expected) in [
        ("FROM busybox\nRUN touch /f && chown 7 /f\n", "with the single id of this user, `chown` to others"),
        ("FROM busybox\nCOPY --chown=7:8 f /\n", "nothing can belong to 7:8"),
        ("FROM busybox\nUSER u\nRUN true\n", "cannot run as user `u`: the ids 1000:1001 are not among those"),
        ("FROM busybox\nUSER 7\nWORKDIR /w\n", "nothing can belong to 7:7"),
    ] {
        let said = build(text);
        assert!(said.contains(expected) && said.contains(REMEDY), "{text}{said}");
    }
    let said = env.strata(["run", "--rm", "--user", "7", BUSYBOX, "true"]).code(125).stderr;
    assert!(said.contains("cannot run as user `7`") && said.contains(REMEDY), "{said}");
}

#[test]
fn a_layer_with_other_owners_is_refused_by_its_name() {
    let (root, env) = (Env::with_busybox(), Env::as_user(User::single()));
    let context = root.dockerfile("context", "FROM scratch\nCOPY --chown=7:8 Dockerfile /f\n");
    let archive = env.path("image.tar");
    let output = format!("type=oci,dest={}", archive.display());
    let _ = root.strata(["build", "-t", "image", "-o", &output, context.to_str().unwrap()]).success();
    env.hand_over(&archive);
    let said = env.strata(["load", "-i", archive.to_str().unwrap()]).code(1).stderr;
    assert!(said.contains("error: cannot unpack the layer `blobs/sha256/"), "{said}");
    assert!(said.contains("nothing can belong to 7:8") && said.contains(REMEDY), "{said}");
}

#[test]
fn the_context_of_a_stream_may_have_any_owners() {
    let env = Env::as_user(User::single());
    let context = env.dockerfile("context", "FROM scratch\nCOPY f /\n");
    fs::write(context.join("f"), "").unwrap();
    let archive = env.path("context.tar");
    let mut pack = Command::new("tar");
    pack.args(["--owner=7", "--group=8", "-C"]).arg(&context).arg("-cf").arg(&archive).arg(".");
    assert!(pack.status().unwrap().success());
    let mut command = env.command(["build", "-q", "-"]);
    command.stdin(fs::File::open(&archive).unwrap());
    let _ = env.run(command).success();
}
