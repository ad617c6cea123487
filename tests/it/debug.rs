//! Failed steps and shells in them: `strata debug`, `build --on-error=shell`, `build --shell-at`.

mod commands;
mod keeping;

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use crate::support::env::Env;
use crate::support::leftovers::{in_progress, mounts};
use crate::support::terminal::on_a_terminal;

/// Fails at line 6, as the user `u` in `/w`.
const FAILS: &str = "FROM busybox
ENV COLOUR=red
RUN mkdir -m 777 /w && echo base > /w/base
WORKDIR /w
USER u
RUN echo half > left && rm base; seq 101 130; exit 7
";

/// The prompt of busybox's shell for a user in `/w`.
const PROMPT: &str = "/w $ ";

fn failing(env: &Env) -> PathBuf {
    env.dockerfile("failing", FAILS)
}

/// The ids of the failed steps that are kept.
fn kept(env: &Env) -> Vec<String> {
    let entries = fs::read_dir(env.root().join("kept")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn assert_nothing_left(env: &Env) {
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
    assert_eq!(mounts(&env.root()), Vec::<String>::new());
}

/// Types at a shell and leaves it with exit code 4.
fn type_at(env: &Env, args: &[&str], input: &str) -> (Option<i32>, String) {
    on_a_terminal(env, args, (PROMPT, &format!("{input}; exit 4\n")))
}

#[test]
fn a_failed_step_is_described_and_can_be_looked_into() {
    let env = Env::with_busybox();
    let context = failing(&env);
    let error = env.strata(["build".as_ref(), "-q".as_ref(), context.as_os_str()]).code(1).stderr;
    let ids = kept(&env);
    assert_eq!(ids.len(), 1, "{error}");
    let command = "/bin/sh -c echo half > left && rm base; seq 101 130; exit 7";
    for part in [
        "------\n > [4/4] RUN echo half > left && rm base; seq 101 130; exit 7:\n111\n",
        "\n130\n------\n",
        &format!("error: the command `{command}` did not complete successfully: exit code 7\n"),
        " --> failing/Dockerfile:6:1\n",
        "6 | RUN echo half > left && rm base; seq 101 130; exit 7\n",
        "help: `strata debug [ID]` opens a shell in what the step left",
    ] {
        assert!(error.contains(part), "{part:?} is not in\n{error}");
    }

    let script = "echo :$(ls):$(cat left):$(pwd):$(id -un):$COLOUR:$TERM:; echo x > seen";
    let (code, shown) = type_at(&env, &["debug"], script);
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("\n:left:half:/w:u:red:xterm:\n"), "{shown}");
    assert_nothing_left(&env);

    // A second look sees what the first one saw.
    let (code, shown) = type_at(&env, &["debug", &ids[0][..4]], "echo :$(ls):");
    assert_eq!((code, shown.contains("\n:left:\n")), (Some(4), true), "{shown}");

    // Nothing of it gets into what is built afterwards.
    let mended = env.dockerfile("failing", &FAILS.replace("exit 7", "true"));
    let _ = env
        .strata(["build".as_ref(), "-q".as_ref(), "-t".as_ref(), "mended".as_ref(), mended.as_os_str()])
        .success();
    assert_eq!(env.sh("mended", "ls; cat left"), "left\nhalf\n");
    let (again, _) = type_at(&env, &["debug"], "true");
    assert_eq!(again, Some(4), "a good build leaves it alone");
    assert_nothing_left(&env);
}

#[test]
fn few_failed_steps_are_kept_and_none_after_a_collection() {
    let env = Env::with_busybox();
    let mut first = Vec::new();
    for number in 1..=4 {
        let text = format!("FROM busybox\nRUN echo {number} > /left; exit 1\n");
        let context = env.dockerfile("many", &text);
        let _ = env.strata(["build".as_ref(), "-q".as_ref(), context.as_os_str()]).code(1);
        if first.is_empty() {
            first = kept(&env);
        }
    }
    let ids = kept(&env);
    assert_eq!((ids.len(), ids.contains(&first[0])), (3, false), "{ids:?}");
    let (_, shown) = on_a_terminal(&env, &["debug"], ("# ", "echo :$(cat /left):; exit\n"));
    assert!(shown.contains("\n:4:\n"), "{shown}");

    let (code, shown) = on_a_terminal(&env, &["debug", &first[0]], ("# ", "exit\n"));
    assert_eq!(code, Some(125));
    let message = format!("error: no failed step is kept under the id `{}`\nhelp: there is ", first[0]);
    assert!(shown.contains(&message), "{shown}");

    let _ = env.strata(["tag", "busybox", "other"]).success();
    let spare = env.dockerfile("spare", "FROM busybox\nLABEL a=b\n");
    let _ = env
        .strata(["build".as_ref(), "-q".as_ref(), "-t".as_ref(), "spare".as_ref(), spare.as_os_str()])
        .success();
    let _ = env.strata(["rmi", "spare"]).success();
    assert_eq!(kept(&env), Vec::<String>::new());
    let (code, shown) = on_a_terminal(&env, &["debug"], ("# ", "exit\n"));
    assert_eq!(code, Some(125));
    assert!(shown.contains("error: no failed step is kept in this store\n"), "{shown}");
}

#[test]
fn a_build_opens_a_shell_where_it_fails() {
    let env = Env::with_busybox();
    let _ = failing(&env);
    for mode in ["plain", "tty"] {
        let args = ["build", "--progress", mode, "--on-error=shell", "failing"];
        let (code, shown) = type_at(&env, &args, "echo :$(ls):$(id -un):$COLOUR:");
        assert_eq!(code, Some(1), "{shown}");
        let error = shown.find("error: the command").expect("the error comes first");
        let answer = shown.find("\n:left:u:red:\n").unwrap_or_else(|| panic!("{shown}"));
        assert!(error < answer, "{shown}");
        assert_eq!(shown.matches("error: the command").count(), 1, "{shown}");
    }
    assert_nothing_left(&env);
}

#[test]
fn a_shell_has_the_mounts_of_its_step() {
    let env = Env::with_busybox();
    let text = "FROM busybox AS files
RUN echo from > /file
FROM busybox
RUN --mount=type=cache,target=/cache echo kept > /cache/kept
WORKDIR /w
RUN --mount=type=cache,target=/cache --mount=from=files,target=/files --mount=type=tmpfs,target=/memory \\
    --mount=type=secret,id=word,required --mount=type=secret,id=word,env=WORD exit 1
";
    let context = env.dockerfile("mounts", text);
    fs::write(env.path("word"), "hidden").unwrap();
    let secret = format!("--secret=id=word,src={}", env.path("word").display());
    let look = "echo :$(cat /cache/kept):$(cat /files/file):$(cat /run/secrets/word):$WORD:; echo x > /cache/mine \
                && rm /cache/kept && echo :$(ls /cache):; grep -c ' /memory tmpfs ' /proc/mounts";
    let at = |args: &[&str]| {
        let (code, shown) = on_a_terminal(&env, args, ("/w # ", &format!("{look}; exit 4\n")));
        assert!(shown.contains("\n:mine:\n1\n"), "{shown}");
        (code, shown)
    };
    let args = ["build", "--progress=plain", &secret, "--on-error=shell", context.to_str().unwrap()];
    let (code, shown) = at(&args);
    assert_eq!(code, Some(1));
    assert!(shown.contains("\n:kept:from:hidden:hidden:\n"), "{shown}");

    // The build that knew the secret is over, and the first shell has changed nothing.
    let (code, shown) = at(&["debug"]);
    assert_eq!(code, Some(4));
    assert!(shown.contains("\n:kept:from:::\n"), "{shown}");

    let (code, shown) =
        at(&["build", "--progress=plain", &secret, "--shell-at=6", context.to_str().unwrap()]);
    assert_eq!(code, Some(4));
    assert!(shown.contains("\n:kept:from:hidden:hidden:\n"), "{shown}");

    let about = fs::read_to_string(env.root().join("kept").join(&kept(&env)[0]).join("about")).unwrap();
    assert!(about.contains("word") && !about.contains("hidden"), "{about}");
    assert_nothing_left(&env);
}

#[test]
fn a_shell_before_a_step_sees_what_the_step_would_see() {
    let env = Env::with_busybox();
    let _ = failing(&env);
    let (code, shown) =
        type_at(&env, &["build", "--shell-at=6", "failing"], "echo :$(ls):$(id -un):$COLOUR:");
    assert_eq!(code, Some(4), "{shown}");
    assert!(shown.contains("\n:base:u:red:\n"), "{shown}");
    assert_eq!(kept(&env), Vec::<String>::new());

    // Before a COPY and in a stage; the COPY and what only the target needs are not done.
    let text = "FROM busybox AS one
RUN mkdir -m 777 /w
WORKDIR /w
USER u
COPY --chown=u Dockerfile copied
FROM busybox
RUN exit 9
COPY --from=one /w /w
";
    let _ = env.dockerfile("stages", text);
    for place in ["5", "one:5", "0:5"] {
        let args = ["build", "--progress=plain", "--shell-at", place, "stages"];
        let (code, shown) = type_at(&env, &args, "echo x > mine; echo :$(ls):$(id -un):");
        assert_eq!(code, Some(4), "{shown}");
        assert!(
            shown.contains("\n:mine:u:\n") && !shown.contains("COPY --chown=u Dockerfile copied\n#"),
            "{shown}"
        );
    }
    let one = env.strata(["build", "-q", "-t", "one", "--target=one", "stages"]).success();
    assert!(!one.stdout.is_empty());
    assert_eq!(env.sh("one", "ls"), "copied\n");
    assert_nothing_left(&env);
}

#[test]
fn a_wrong_place_names_the_nearest_steps() {
    let env = Env::with_busybox();
    let _ = failing(&env);
    let text = "FROM busybox AS spare\nRUN true\nFROM busybox AS last\nRUN false\n";
    let _ = env.dockerfile("stages", text);
    let _ = env.dockerfile("unnamed", "FROM busybox\nRUN true\nFROM busybox\nRUN false\n");
    for (context, place, message) in [
        (
            "failing",
            "5",
            "error: line 5 has no step\nhelp: the nearest steps are at line 4: `WORKDIR /w` and line 6: `RUN echo",
        ),
        ("failing", "99", "error: line 99 has no step\nhelp: the nearest step is at line 6: `RUN echo"),
        (
            "stages",
            "last:2",
            "error: line 2 of the stage `last` has no step\nhelp: the nearest step is at line 4: ",
        ),
        ("stages", "lats:2", "error: there is no stage `lats`\nhelp: did you mean `last`?\n"),
        ("stages", "7:2", "error: there is no stage `7`\n"),
        ("unnamed", "2", "error: the target does not need the step at line 2\nhelp: give its stage a name "),
        (
            "stages",
            "2",
            "error: the target does not need the step at line 2\nhelp: choose its stage with `--target spare`",
        ),
        ("stages", "x", "`x` is no place of a step"),
    ] {
        let args = ["build", "--progress=plain", "--shell-at", place, context];
        let (code, shown) = on_a_terminal(&env, &args, ("# ", "exit\n"));
        assert_eq!(code, Some(1), "{shown}");
        assert!(shown.contains(message), "{message:?} is not in\n{shown}");
    }
}

#[test]
fn a_shell_needs_a_terminal() {
    let env = Env::with_busybox();
    let context = env.dockerfile("marks", "FROM busybox\nRUN touch /mark\n");
    let context = context.to_str().unwrap();
    for (args, code) in [
        (&["debug"][..], 125),
        (&["build", "--on-error=shell", "-t", "made", context], 1),
        (&["build", "--shell-at=2", context], 1),
    ] {
        let mut command = env.command(args);
        command.stdin(Stdio::null());
        let refused = env.run(command).code(code).stderr;
        assert!(
            refused.starts_with("error: a shell needs a terminal, and standard input is none\nhelp: "),
            "{refused}"
        );
    }
    let _ = env.strata(["inspect", "made"]).code(1);
    let both = ["build", "--check", "--on-error=shell", context];
    let refused = env.strata(both).code(1).stderr;
    assert!(refused.contains("`--check` and `--call` make none"), "{refused}");
}

#[test]
fn what_needs_an_image_is_refused_where_a_shell_is_made_instead() {
    let env = Env::with_busybox();
    let context = env.dockerfile("marks", "FROM busybox\nRUN touch /mark\n");
    for flag in [
        "--tag=made",
        "--output=out",
        "--load",
        "--push",
        "--annotation=a=b",
        "--attest=type=sbom",
        "--provenance=true",
        "--sbom=true",
        "--label=a=b",
        "--iidfile=written",
        "--metadata-file=written",
    ] {
        let refused = env.strata(["build", "--shell-at=2", flag, context.to_str().unwrap()]).code(1).stderr;
        let name = flag.split('=').next().unwrap();
        let message = format!("error: `--shell-at` makes no image, so `{name}` cannot be given with it\n");
        assert!(refused.starts_with(&message), "{refused}");
    }
    assert!(!env.path("out").exists() && !env.path("written").exists());
}

#[test]
fn the_shell_is_the_image_s_own() {
    let env = Env::with_busybox();
    let context = env.context("bare");
    fs::copy("/bin/busybox", context.join("busybox")).unwrap();
    let fails = |dockerfile: &str| {
        fs::write(context.join("Dockerfile"), dockerfile).unwrap();
        let _ = env.strata(["build".as_ref(), "-q".as_ref(), context.as_os_str()]).code(1);
    };
    let answers = |input: &str| on_a_terminal(&env, &["debug"], ("# ", &format!("{input}; exit 4\n")));

    fails("FROM scratch\nCOPY busybox /bin/busybox\nRUN [\"/bin/busybox\", \"false\"]\n");
    let (code, shown) = answers("echo $0");
    assert_eq!(code, Some(4), "{shown}");

    fails("FROM busybox\nSHELL [\"/bin/ash\", \"-c\"]\nRUN exit 3\n");
    let (code, shown) = answers("echo :$0:");
    assert_eq!((code, shown.contains(":/bin/ash:")), (Some(4), true), "{shown}");

    // A command that is not there can be looked for.
    fails("FROM busybox\nRUN [\"/not/there\"]\n");
    assert_eq!(answers("true").0, Some(4));

    fails("FROM scratch\nCOPY busybox /busybox\nRUN [\"/busybox\", \"false\"]\n");
    let (code, shown) = answers("");
    assert_eq!(code, Some(125), "{shown}");
    let message =
        "error: there is no shell in the image: neither `/bin/sh` nor `/bin/busybox`\nhelp: put one into";
    assert!(shown.contains(message), "{shown}");
    assert_nothing_left(&env);
}
