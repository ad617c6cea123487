//! Several builds in one store, and several steps in one build, at once.

use std::path::Path;
use std::process::Command;

use crate::support::env::{Env, Output};
use crate::support::gate::Gate;
use crate::support::leftovers::in_progress;
use crate::support::progress::Report;
use crate::support::rootfs;
use crate::support::running::Running;

fn build(env: &Env, name: &str, dockerfile: &str) -> Running {
    let context = env.dockerfile(name, dockerfile);
    env.spawn(["build", "--progress=plain", "-t", name, context.to_str().unwrap()])
}

/// What a build that ended well said.
fn report(build: Running) -> Report {
    let (status, _, stderr) = build.end();
    assert!(status.success(), "{status}\n{stderr}");
    Report::read(&stderr)
}

#[test]
fn two_builds_of_one_step_run_it_once() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let dockerfile = format!("FROM busybox\nRUN {} >/told\n", gate.command());
    let first = build(&env, "first", &dockerfile);
    let waiting = gate.wait();
    // The second one has begun the step when it says so; what it can do then is to wait.
    let mut second = build(&env, "second", &dockerfile);
    assert!(second.wait_for(|line| line.contains("[2/2] RUN")));
    waiting.tell("once");
    assert_eq!(report(first).steps()[1].state, "ran");
    assert_eq!(report(second).steps()[1].state, "cached");
    assert!(!gate.is_somebody_there());
    assert_eq!(env.image_id("first"), env.image_id("second"));
    assert_eq!(env.sh("first", "cat /told"), "once");
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
}

#[test]
fn a_build_that_waits_for_a_step_makes_it_when_the_other_one_dies() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let dockerfile = format!("FROM busybox\nRUN {} >/told\n", gate.command());
    let first = build(&env, "first", &dockerfile);
    let waiting = gate.wait();
    let mut second = build(&env, "second", &dockerfile);
    assert!(second.wait_for(|line| line.contains("[2/2] RUN")));
    // Kills it.
    drop(first);
    gate.wait().tell("by the second");
    drop(waiting);
    assert_eq!(report(second).steps()[1].state, "ran");
    assert_eq!(env.sh("second", "cat /told"), "by the second");
}

#[test]
fn equal_steps_of_one_build_run_once() {
    let env = Env::with_busybox();
    let dockerfile = "FROM busybox AS a\nRUN head -c 16 /dev/urandom | md5sum >/r\n\
                      FROM busybox AS b\nRUN head -c 16 /dev/urandom | md5sum >/r\n\
                      FROM busybox\nCOPY --from=a /r /a\nCOPY --from=b /r /b\n";
    let report = report(build(&env, "image", dockerfile));
    assert_eq!(report.steps().iter().filter(|step| step.name.contains("RUN")).count(), 1, "{report:#?}");
    assert_eq!(env.sh("image", "cmp /a /b && echo same"), "same\n");
}

#[test]
fn independent_stages_run_at_the_same_time() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let stages =
        ["a", "b", "c"].map(|name| format!("FROM busybox AS {name}\nRUN {} >/{name}\n", gate.command()));
    let dockerfile = format!(
        "{}FROM busybox\nCOPY --from=a /a /\nCOPY --from=b /b /\nCOPY --from=c /c /\n",
        stages.concat()
    );
    let running = build(&env, "image", &dockerfile);
    // All wait at once, or this waits for ever.
    let waiting = [gate.wait(), gate.wait(), gate.wait()];
    for one in waiting {
        one.tell("x");
    }
    report(running);
    assert_eq!(env.sh("image", "cat /a /b /c"), "xxx");
}

#[test]
fn a_new_store_can_be_made_by_several_at_once() {
    let env = Env::new();
    let names = ["a", "b", "c", "d"];
    let contexts = names.map(|name| {
        let context = env.dockerfile(name, &format!("FROM scratch\nCOPY f /{name}\nCOPY f /same\n"));
        std::fs::write(context.join("f"), "f").unwrap();
        context
    });
    let start = |(name, context): (&str, &std::path::PathBuf)| {
        env.spawn(["build", "--progress=plain", "-t", name, context.to_str().unwrap()])
    };
    let builds: Vec<Running> = names.into_iter().zip(&contexts).map(start).collect();
    for build in builds {
        report(build);
    }
    let Output { stdout, .. } = env.strata(["images"]).success();
    for name in names {
        assert!(stdout.lines().any(|line| line.starts_with(&format!("{name} "))), "{stdout}");
    }
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
}

#[test]
fn a_build_keeps_the_layers_of_an_image_that_is_removed_meanwhile() {
    let (env, gate) = (Env::new(), Gate::new());
    rootfs::make(&env.context("base"));
    let base = env.path("base.tar");
    let tar = Command::new("tar").arg("-cf").arg(&base).arg("-C").arg(env.path("base")).arg(".").status();
    assert!(tar.unwrap().success());
    // No cache record holds the layer of an imported image.
    let _ = env.strata([Path::new("import"), &base, "base".as_ref()]).success();
    let running =
        build(&env, "image", &format!("FROM base\nRUN {} >/told\nRUN cp /told /again\n", gate.command()));
    let waiting = gate.wait();
    let removed = env.strata(["rmi", "base"]).success();
    assert!(removed.stdout.starts_with("Untagged: base:latest\nDeleted: sha256:"), "{}", removed.stdout);
    waiting.tell("told");
    report(running);
    assert_eq!(env.sh("image", "cat /again"), "told");
    // Without an image it is gone; the steps' layers stay for the cache.
    let layers = || std::fs::read_dir(env.root().join("layers/sha256")).unwrap().count();
    assert_eq!(layers(), 3);
    let _ = env.strata(["rmi", "image"]).success();
    assert_eq!(layers(), 2);
}
