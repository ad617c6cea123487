//! How long what failed steps left is kept, and who removes it.

use std::fs::{self, File};
use std::time::{Duration, SystemTime};

use rustix::process::Signal;

use super::{assert_nothing_left, failing, kept};
use crate::support::env::Env;
use crate::support::leftovers::{marker, wait_for_no_processes};

/// A place where a step has failed, and the id that it is kept under.
fn place() -> (Env, String) {
    let env = Env::with_busybox();
    let context = failing(&env);
    let _ = env.strata(["build", "-q", context.to_str().unwrap()]).code(1);
    let id = kept(&env).remove(0);
    (env, id)
}

#[test]
fn what_is_kept_is_listed_and_removed() {
    let (env, first) = place();
    let second = env.dockerfile("second", "FROM busybox\nRUN exit 3\n");
    let _ = env.strata(["build", "-q", second.to_str().unwrap()]).code(1);
    let listed = env.strata(["debug", "--list"]).success().stdout;
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    assert!(lines[0].starts_with("ID ") && lines[1].ends_with("[2/2] RUN exit 3"), "{listed}");
    assert!(lines[2].starts_with(&first) && lines[2].contains("[4/4] RUN echo half > left"), "{listed}");

    let removed = env.strata(["debug", "--remove", &first[..5]]).success().stdout;
    assert_eq!(removed, format!("{first}\n"));
    let gone = env.strata(["debug", &first, "--", "true"]).code(125).stderr;
    assert!(gone.starts_with(&format!("error: no failed step is kept under the id `{first}`\n")), "{gone}");
    let _ = env.strata(["debug", "--", "true"]).success();
    let _ = env.strata(["debug", "--remove"]).success();
    assert_eq!(kept(&env), Vec::<String>::new());
    let gone = env.strata(["debug", "--", "true"]).code(125).stderr;
    assert!(gone.starts_with("error: no failed step is kept in this store\nhelp: "), "{gone}");
    for args in [["debug", "--list", "--remove"], ["debug", "--remove", "--secret=id=a,src=b"]] {
        let refused = env.strata(args).code(125).stderr;
        assert!(refused.contains("cannot be used with"), "{refused}");
    }
    assert_nothing_left(&env);
}

#[test]
fn what_is_looked_at_stays_and_survives_a_kill() {
    let (env, id) = place();
    let marker = marker("debug");
    let script = format!("rm left; echo looking >&2; sleep {marker}");
    let mut looking = env.spawn(["debug", "--", "sh", "-c", &script]);
    assert!(looking.wait_for(|line| line == "looking"));

    let refused = env.strata(["debug", "--remove", &id]).code(125).stderr;
    assert!(
        refused
            .starts_with(&format!("error: somebody is looking at what the failed step `{id}` left\nhelp: "))
    );
    let many = env.dockerfile("many", "FROM busybox\nRUN exit 1\n");
    for _ in 0..4 {
        let _ = env.strata(["build", "-q", many.to_str().unwrap()]).code(1);
    }
    assert!(kept(&env).contains(&id));

    looking.signal(Signal::KILL);
    wait_for_no_processes(&marker);
    let seen = env.strata(["debug", &id, "--", "cat", "left"]).success().stdout;
    assert_eq!(seen, "half\n");
    assert_nothing_left(&env);
    let _ = env.strata(["build", "-q", many.to_str().unwrap()]).code(1);
    let ids = kept(&env);
    assert_eq!((ids.len(), ids.contains(&id)), (3, false), "{ids:?}");
}

#[test]
fn what_is_old_or_from_before_a_boot_goes_with_the_next_command() {
    let day = Duration::from_secs(24 * 60 * 60);
    for (age, boot, stays) in [(6, None, true), (8, None, false), (0, Some("another"), false)] {
        let (env, id) = place();
        let directory = env.root().join("kept").join(&id);
        let about = File::options().write(true).open(directory.join("about")).unwrap();
        about.set_modified(SystemTime::now() - day * age).unwrap();
        if let Some(boot) = boot {
            fs::write(directory.join("boot"), boot).unwrap();
        }
        let _ = env.strata(["images"]).success();
        assert_eq!(!kept(&env).is_empty(), stays, "{age} {boot:?}");
        assert_nothing_left(&env);
    }
}

#[test]
fn a_look_at_a_cache_that_has_one_user_at_a_time_stops_nobody() {
    let env = Env::with_busybox();
    let text = |command: &str| {
        format!("FROM busybox\nRUN --mount=type=cache,target=/cache,sharing=locked {command}\n")
    };
    let context = env.dockerfile("locked", &text("echo one > /cache/one; exit 1"));
    let _ = env.strata(["build", "-q", context.to_str().unwrap()]).code(1);
    let marker = marker("locked");
    let script = format!("cat /cache/one >&2; sleep {marker}");
    let mut looking = env.spawn(["debug", "--", "sh", "-c", &script]);
    assert!(looking.wait_for(|line| line == "one"));
    let context = env.dockerfile("locked", &text("cp /cache/one /copy"));
    let building = env.spawn(["build", "--progress=plain", "-t", "image", context.to_str().unwrap()]);
    let (status, _, said) = building.end();
    assert!(status.success() && !said.contains("waiting"), "{said}");
    assert_eq!(env.sh("image", "cat /copy"), "one\n");
    looking.signal(Signal::KILL);
    wait_for_no_processes(&marker);

    // Nor does one who uses it stop a look.
    let text = text(&format!("echo using; sleep {marker}"));
    let context = env.dockerfile("using", &text);
    let mut using = env.spawn(["build", "--progress=plain", context.to_str().unwrap()]);
    assert!(using.wait_for(|line| line.ends_with(" using")));
    assert_eq!(env.spawn(["debug", "--", "cat", "/cache/one"]).end().1, "one\n");
    using.signal(Signal::KILL);
    wait_for_no_processes(&marker);
}
