//! Which edit makes which steps run again: `testdata/cache`, a table of contexts, edits and builds.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use crate::support::case;
use crate::support::env::Env;
use crate::support::progress::Report;
use crate::support::user::User;

#[test]
fn an_edit_runs_what_depends_on_it_and_no_more() {
    case::run_all("cache");
}

#[test]
fn nor_for_an_ordinary_user() {
    let user = User::with_ranges();
    case::run_all_in("cache", || Env::as_user(user));
}

#[test]
fn a_complete_hit_opens_no_layer() {
    let env = Env::with_busybox();
    let dockerfile = "FROM busybox AS a\nRUN echo 1 >/f\nFROM busybox\nWORKDIR /w\nCOPY g ./\nCOPY --from=a /f ./\nRUN cat f g\n";
    let context = env.dockerfile("context", dockerfile);
    fs::write(context.join("g"), "2\n").unwrap();
    let build = ["build", "--progress=plain", "-t", "image", "context"];
    let _ = env.strata(build).success();
    let id = env.image_id("image");
    // Whatever wanted to look into a layer now would fail.
    let layers = env.root().join("layers/sha256");
    fs::rename(&layers, env.path("elsewhere")).unwrap();
    fs::create_dir(&layers).unwrap();
    let report = Report::read(&env.strata(build).success().stderr);
    assert!(report.steps().iter().all(|step| step.state == "cached"), "{}", report.states());
    assert_eq!(env.image_id("image"), id);
}

/// C137: a file and a directory that has one file of the same name are different sources.
#[test]
fn a_file_that_becomes_a_directory_is_copied_anew() {
    let env = Env::with_busybox();
    let context = env.dockerfile("kinds", "FROM busybox\nCOPY a /d\n");
    let build = || {
        let _ = env.strata(["build", "-q", "-t", "kinds", context.to_str().unwrap()]).success();
        env.sh("kinds", "find /d")
    };
    fs::write(context.join("a"), "x").unwrap();
    assert_eq!(build(), "/d\n");
    fs::rename(context.join("a"), context.join("t")).unwrap();
    fs::create_dir(context.join("a")).unwrap();
    fs::rename(context.join("t"), context.join("a/a")).unwrap();
    assert_eq!(build(), "/d\n/d/a\n");
}

/// With a helper that writes down what it is called for, among networks of nobody else's.
#[test]
fn a_network_is_made_once_and_only_for_commands_that_run() {
    let env = Env::with_busybox();
    let context = env.dockerfile(
        "context",
        "FROM busybox\nCOPY f /\nRUN ip addr show dev eth0 >/a\nRUN ip addr show dev eth0 >/b\n",
    );
    let helper = "/usr/lib/podman/netavark";
    fs::copy(helper, env.path("real")).unwrap();
    let (real, log, fake) = (env.path("real"), env.path("log"), env.path("fake"));
    let text = format!("#!/bin/sh\necho $3 >>{}\nexec {} \"$@\"\n", log.display(), real.display());
    fs::write(&fake, text).unwrap();
    fs::set_permissions(&fake, Permissions::from_mode(0o755)).unwrap();
    let calls = |flags: &str| {
        fs::write(&log, "").unwrap();
        let script = format!(
            "mount --bind {} {helper} && mkdir -p /run/strata && mount -t tmpfs none /run/strata && \
             exec \"$STRATA\" --root \"$STRATA_STORE\" build -q --network=default {flags} .",
            fake.display()
        );
        env.host(
            &context,
            &format!("unshare --mount --net --propagation private sh -c '{script}' >/dev/null"),
        );
        fs::read_to_string(&log).unwrap()
    };
    let once = "setup\nteardown\n";
    fs::write(context.join("f"), "1").unwrap();
    assert_eq!(calls(""), once);
    assert_eq!(calls(""), "");
    assert_eq!(calls("--no-cache"), once);
    // Begun for the commands after a COPY that was a miss.
    fs::write(context.join("f"), "2").unwrap();
    assert_eq!(calls(""), once);
}
