//! Which edit makes which steps run again: `testdata/cache`, a table of contexts, edits and builds.

use std::fs;

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
