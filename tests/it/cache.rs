//! Which edit makes which steps run again: `testdata/cache`, a table of contexts, edits and builds.

use std::fs;

use crate::support::case;
use crate::support::env::Env;
use crate::support::progress::Report;

#[test]
fn an_edit_runs_what_depends_on_it_and_no_more() {
    case::run_all("cache");
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
