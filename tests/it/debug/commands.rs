//! `strata debug -- COMMAND`: what a command finds in what a step left, and what it is given.

use std::fs;
use std::path::Path;

use super::{assert_nothing_left, failing};
use crate::support::env::Env;
use crate::support::user::User;

/// What `sh -c script` prints in what the latest failed step left.
fn look(env: &Env, script: &str) -> String {
    env.strata(["debug", "--", "sh", "-c", script]).success().stdout
}

fn fails(env: &Env, flags: &[&str], context: &Path) -> String {
    let args = [&["build", "-q"], flags, &[context.to_str().unwrap()]].concat();
    env.strata(args).code(1).stderr
}

#[test]
fn a_command_needs_no_terminal_and_its_end_is_that_of_debug() {
    let env = Env::with_busybox();
    let _ = fails(&env, &[], &failing(&env));
    let run = |script: &str| env.strata(["debug", "--", "sh", "-c", script]);

    let said = run("cat; ls; echo aside >&2; exit 42").code(42);
    assert_eq!((said.stdout.as_str(), said.stderr.as_str()), ("left\n", "aside\n"));
    let signaled = run("kill -TERM $$").code(128 + 15);
    assert_eq!(signaled.stderr, "");

    let mut piped = env.command(["debug", "--", "sh", "-c", "cat left -"]);
    let input = env.path("input");
    fs::write(&input, "typed\n").unwrap();
    piped.stdin(fs::File::open(&input).unwrap());
    assert_eq!(env.run(piped).success().stdout, "half\ntyped\n");

    let missing = env.strata(["debug", "--", "nosuch"]).code(127).stderr;
    assert!(missing.starts_with("error: cannot run `nosuch`: "), "{missing}");
    let _ = env.strata(["debug", "--", "/etc/passwd"]).code(126);
    let _ = env.strata(["debug", "--nosuch"]).code(125);
    assert_nothing_left(&env);
}

/// A step that adds, changes, removes, replaces and links, over layers that do so, too.
const CHANGES: &str = "FROM busybox
RUN mkdir -p /d/deep && echo old > /d/deep/file && echo base > /d/base && echo gone > /d/gone
RUN echo second > /d/second && mkdir /e && echo hidden > /e/hidden
USER u
WORKDIR /home/u
USER root
RUN --mount=type=cache,target=/cache echo kept > /cache/kept
RUN --mount=type=cache,target=/cache \\
    echo new > /d/deep/file && rm /d/gone && rm -r /e && mkdir /e && echo mine > /e/mine && chown u:ug /e/mine \\
    && ln /d/base /d/same && ln -s base /d/link && chmod 4711 /d/second && mkfifo /d/pipe && echo x > /cache/x \\
    && exit 1
";

const SHOW: &str = "cd /d && cat deep/file base same link second && ls /d /e && stat -c '%U:%G %a %h' /e/mine base second \
                    && test -p pipe && cat /cache/kept && ls /cache";

const SHOWN: &str = "new\nbase\nbase\nbase\nsecond\n/d:\nbase\ndeep\nlink\npipe\nsame\nsecond\n\n/e:\nmine\n\
                     u:ug 644 1\nroot:root 644 2\nroot:root 4711 1\nkept\nkept\nx\n";

#[test]
fn a_command_sees_all_that_the_step_had_done_and_changes_nothing_of_it() {
    for env in [
        Env::new(),
        Env::without_overlays(),
        Env::as_user(User::with_ranges()),
        Env::as_user(User::with_ranges()).copying(),
    ] {
        env.add_busybox();
        let context = env.dockerfile("changes", CHANGES);
        env.hand_over(&context);
        let said = fails(&env, &[], &context);
        assert!(said.contains("help: `strata debug [ID]` opens a shell"), "{said}");
        let copied = !fs::read_to_string(env.root().join("driver")).unwrap().starts_with("overlay");

        assert_eq!(look(&env, SHOW), SHOWN);
        let spoil = "rm -r /d /e; echo spoilt > /spoilt; rm /cache/kept && echo removed";
        let said = env.strata(["debug", "--", "sh", "-c", spoil]);
        if copied {
            let said = said.code(1);
            let remark = "note: cache mounts are read-only: no overlay can be mounted where the store is\n";
            assert!(said.stderr.contains(remark), "{}", said.stderr);
        } else {
            assert_eq!(said.success().stdout, "removed\n");
        }
        assert_eq!(look(&env, &format!("{SHOW}; ls /spoilt 2>/dev/null; true")), SHOWN);

        // What is built afterwards has its cache and nothing of the failed step.
        let mended = CHANGES.replace("&& exit 1", "&& cat /cache/kept > /d/kept");
        let context = env.dockerfile("changes", &mended);
        let _ = env.strata(["build", "-q", "-t", "mended", context.to_str().unwrap()]).success();
        assert_eq!(env.sh("mended", "cat /d/kept; ls /spoilt; true").as_str(), "kept\n");
        assert_nothing_left(&env);
    }
}

#[test]
fn secrets_and_agents_are_there_when_they_are_given_again() {
    let env = Env::with_busybox();
    let text = "FROM busybox
RUN --mount=type=secret,id=word,required --mount=type=secret,id=other,env=OTHER --mount=type=ssh exit 1
";
    let context = env.dockerfile("secrets", text);
    let (word, socket) = (env.path("word"), env.path("agent"));
    fs::write(&word, "hidden").unwrap();
    let _agent = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let secret = format!("--secret=id=word,src={}", word.display());
    let ssh = format!("--ssh=default={}", socket.display());
    let _ = fails(&env, &[&secret, &ssh], &context);

    let script = "echo $(cat /run/secrets/word):$OTHER:$(test -S \"$SSH_AUTH_SOCK\" && echo agent)";
    let run = |flags: &[&str]| {
        let said = env.strata([&["debug"], flags, &["--", "sh", "-c", script]].concat()).success();
        (said.stdout, said.stderr)
    };
    let lacks = |id: &str| {
        format!("note: the secret `{id}` is missing: `--secret id={id},src=FILE` gives it to the command\n")
    };
    let no_agent = "note: the SSH agent `default` is missing: `--ssh default` gives it to the command\n";
    assert_eq!(run(&[]), ("::\n".to_owned(), lacks("other") + &lacks("word") + no_agent));
    assert_eq!(run(&[&secret]), ("hidden::\n".to_owned(), lacks("other") + no_agent));
    let other = format!("--secret=id=other,src={}", word.display());
    assert_eq!(run(&[&secret, &other, &ssh]), ("hidden:hidden:agent\n".to_owned(), String::new()));
}

#[test]
fn rights_are_those_of_other_commands_unless_somebody_agrees() {
    let env = Env::with_busybox();
    let context = env.dockerfile("rights", "FROM busybox\nRUN --security=insecure exit 1\n");
    let _ = fails(&env, &["--allow=security.insecure"], &context);
    let run = |flags: &[&str]| {
        let script = "grep CapEff /proc/self/status | cut -f2";
        let said = env.strata([&["debug"], flags, &["--", "sh", "-c", script]].concat()).success();
        (said.stdout, said.stderr)
    };
    let (usual, remark) = run(&[]);
    assert_eq!(usual, "00000000a80425fb\n");
    assert_eq!(
        remark,
        "note: the step had more rights: `--allow security.insecure` gives them to the command\n"
    );
    let (insecure, remark) = run(&["--allow=security.insecure"]);
    assert_ne!(insecure, usual);
    assert_eq!(remark, "");
    let _ = env.strata(["debug", "--allow=network.host", "--", "true"]).code(125);
}

#[test]
fn the_network_and_its_names_are_the_steps() {
    let env = Env::with_busybox();
    let context = env.dockerfile("names", "FROM busybox\nRUN exit 1\n");
    let flags = ["--network=none", "--add-host=db:10.0.0.7", "--build-arg=BUILDKIT_SANDBOX_HOSTNAME=sand"];
    let _ = fails(&env, &flags, &context);
    assert_eq!(look(&env, "ls /sys/class/net; head -n 1 /etc/hosts; hostname"), "lo\n10.0.0.7\tdb\nsand\n");
    let context = env.dockerfile("own", "FROM busybox\nRUN --network=default exit 1\n");
    let args = ["build", "-q", "--network=default", context.to_str().unwrap()];
    let _ = env.strata(args).code(1);
    let machines = fs::read_link("/proc/self/ns/net").unwrap();
    let own = look(&env, "readlink /proc/self/ns/net; ip -o addr | grep -v ' lo ' | grep -c 'inet '");
    assert!(!own.contains(machines.to_str().unwrap()) && own.ends_with("\n1\n"), "{own}");
    assert_nothing_left(&env);
}
