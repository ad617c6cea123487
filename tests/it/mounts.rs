//! RUN --mount: `testdata/mounts`, and what takes several steps at once, secrets and agents.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::support::case;
use crate::support::env::Env;
use crate::support::gate::Gate;
use crate::support::leftovers::{in_progress, processes, wait_for_no_processes};
use crate::support::progress::Report;
use crate::support::running::Running;
use crate::support::user::User;

#[test]
fn mounts_do_what_they_say() {
    case::run_all("mounts");
}

#[test]
fn so_they_do_for_an_ordinary_user() {
    let user = User::with_ranges();
    // `ssh-add` has another opinion of key files that belong to somebody else.
    case::run_all_but(&["unusable-key.case"], "mounts", || Env::as_user(user));
}

#[test]
fn so_they_do_where_roots_are_copied() {
    case::run_all_in("mounts", Env::without_overlays);
}

/// Two stages that use the cache `c`, shared in this way, and a last one that needs both. Each says its name in the
/// cache, waits at the gate, and prints what the cache has then.
fn two_users(sharing: &str, gate: &Gate) -> String {
    let stage = |name: &str| {
        format!(
            "FROM busybox AS {name}\n\
             RUN --mount=type=cache,id=c,target=/c,sharing={sharing} touch /c/{name} && {} && echo found $(ls /c)\n",
            gate.command()
        )
    };
    format!("{}{}FROM a\nCOPY --from=b /etc/passwd /b\n", stage("a"), stage("b"))
}

fn build(env: &Env, dockerfile: &str) -> Running {
    let context = env.dockerfile("context", dockerfile);
    env.spawn(["build", "--progress=plain", "-t", "image", context.to_str().unwrap()])
}

/// What the commands of a build that ended well found, in alphabetical order.
fn found(build: Running) -> Vec<String> {
    let (status, _, stderr) = build.end();
    assert!(status.success(), "{stderr}");
    let log = Report::read(&stderr).log();
    let mut found: Vec<String> =
        log.lines().filter_map(|line| line.strip_prefix("found ")).map(str::to_owned).collect();
    found.sort();
    found
}

#[test]
fn a_shared_cache_has_several_users_at_once() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let build = build(&env, &two_users("shared", &gate));
    let users = [gate.wait(), gate.wait()];
    drop(users);
    assert_eq!(found(build), ["a b", "a b"]);
}

#[test]
fn private_caches_have_one_user_each_and_are_used_again() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let first = build(&env, &two_users("private", &gate));
    let users = [gate.wait(), gate.wait()];
    drop(users);
    assert_eq!(found(first), ["a", "b"]);
    let again =
        "FROM busybox\nRUN --mount=type=cache,id=c,target=/c,sharing=private echo found $(ls /c | wc -l)\n";
    assert_eq!(found(build(&env, again)), ["1"]);
}

#[test]
fn a_locked_cache_has_one_user_at_a_time() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let mut build = build(&env, &two_users("locked", &gate));
    let first = gate.wait();
    assert!(build.wait_for(|line| line.contains("waiting for another step that uses the same cache")));
    assert!(!gate.is_somebody_there());
    drop(first);
    drop(gate.wait());
    let found = found(build);
    assert!(found == ["a", "a b"] || found == ["a b", "b"], "{found:?}");
}

#[test]
fn a_locked_cache_has_one_user_in_several_builds() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let dockerfile = |name: &str| {
        format!(
            "FROM busybox\nRUN --mount=type=cache,id=c,target=/c,sharing=locked echo {name}; {}\n",
            gate.command()
        )
    };
    let first = build(&env, &dockerfile("first"));
    let user = gate.wait();
    let mut second = build(&env, &dockerfile("second"));
    assert!(second.wait_for(|line| line.contains("waiting for another step that uses the same cache")));
    assert!(!gate.is_somebody_there());
    // Whoever uses it may die: what is left of the lock goes with the sandbox.
    drop(first);
    drop(user);
    drop(gate.wait());
    let (status, _, stderr) = second.end();
    assert!(status.success(), "{stderr}");
}

/// The files below `dir` that hold `text`.
fn files_with(dir: &Path, text: &str) -> Vec<String> {
    let output = Command::new("grep").args(["-rlF", "--", text]).arg(dir).output().unwrap();
    assert!(output.status.code().is_some_and(|code| code < 2), "{output:?}");
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn secrets_are_written_down_nowhere() {
    const FILE: &str = "hidden-d8a1f0c3-in-a-file";
    const VARIABLE: &str = "hidden-77b9e2a4-in-a-variable";
    let (env, gate) = (Env::with_busybox(), Gate::new());
    let dockerfile = format!(
        "FROM busybox\n\
         RUN echo hidden-by-nobody >/told\n\
         RUN --mount=type=secret,id=file,env=F --mount=type=secret,id=file,required --mount=type=secret,id=var,env=V \\\n\
           echo ${{#F}} ${{#V}} >/lengths && wc -c </run/secrets/file >>/lengths && {gate}\n\
         RUN --mount=type=secret,id=file,env=F --mount=type=secret,id=var,env=V {gate} && exit 3\n",
        gate = gate.command()
    );
    let context = env.dockerfile("context", &dockerfile);
    fs::write(env.path("secret"), FILE).unwrap();
    let mut command = env.command(["build", "--progress=plain", "-t", "image"]);
    command.args(["--secret", "id=file,src=secret", "--secret", "id=var,env=VALUE"]).arg(&context);
    command.env("VALUE", VARIABLE);
    let running = Running::start(command, Stdio::null());
    for _ in 0..2 {
        let waiting = gate.wait();
        assert_eq!(processes(FILE), Vec::<i32>::new());
        assert_eq!(processes(VARIABLE), Vec::<i32>::new());
        assert_eq!(files_with(&env.root(), FILE), Vec::<String>::new());
        assert_eq!(files_with(&env.root(), VARIABLE), Vec::<String>::new());
        drop(waiting);
    }
    let (status, stdout, stderr) = running.end();
    assert_eq!(status.code(), Some(1), "{stderr}");
    assert!(!stderr.contains(FILE) && !stderr.contains(VARIABLE), "{stderr}");
    assert!(!stdout.contains(FILE) && !stdout.contains(VARIABLE), "{stdout}");
    for secret in [FILE, VARIABLE] {
        assert_eq!(files_with(&env.root(), secret), Vec::<String>::new());
    }
    // The step with both was done, and its layer and what others say is found.
    let lengths = format!("{} {}\n{}\n", FILE.len(), VARIABLE.len(), FILE.len());
    assert_eq!(files_with(&env.root(), "hidden-by-nobody").len(), 2, "the layer and the cache's database");
    assert!(!files_with(&env.root(), lengths.lines().next().unwrap()).is_empty());
}

/// OpenSSH's client programs with their libraries, as a part of a context.
fn ssh_add(env: &Env, context: &Path) {
    env.host(
        context,
        "mkdir fs && cp --parents -L /usr/bin/ssh-add $(ldd /usr/bin/ssh-add | grep -o '/[^ ]*') fs/",
    );
}

/// A key without a passphrase; gives the public half.
fn make_key(env: &Env, name: &str) -> String {
    env.host(&env.path(""), &format!("ssh-keygen -q -t ed25519 -N '' -C {name} -f {name}"));
    fs::read_to_string(env.path(&format!("{name}.pub"))).unwrap().trim().to_owned()
}

const SSH: &str = "FROM busybox\nCOPY fs /\n\
     RUN --mount=type=ssh ssh-add -L; ssh-add -q -D || echo refused; stat -c '%a %u:%g %F' $SSH_AUTH_SOCK; echo $SSH_AUTH_SOCK\n\
     RUN --mount=type=ssh,id=other,target=/a/s,mode=0620,uid=1,gid=2,required --mount=type=ssh ssh-add -L; \
       stat -c '%a %u:%g' /a/s; echo $SSH_AUTH_SOCK\n\
     RUN ls -d /a /run/buildkit || true\n";

#[test]
fn agents_with_keys_end_with_the_build() {
    let env = Env::with_busybox();
    let (one, two, other) = (make_key(&env, "one"), make_key(&env, "two"), make_key(&env, "other"));
    let context = env.dockerfile("context", SSH);
    ssh_add(&env, &context);
    let keys = ["one", "two"].map(|name| env.path(name).to_str().unwrap().to_owned());
    let flags = [format!("--ssh=default={}", keys.join(",")), "--ssh=other=other".to_owned()];
    let args = ["build", "--progress=plain"].map(str::to_owned).into_iter().chain(flags);
    let output = env.strata(args.chain([context.to_str().unwrap().to_owned()])).success();
    wait_for_no_processes(&keys[0]);
    let said = Report::read(&output.stderr).log();
    let expected = format!(
        "{one}\n{two}\nrefused\n600 0:0 socket\n/run/buildkit/ssh_agent.0\n\
         {other}\n620 1:2\n/a/s\n\
         ls: /a: No such file or directory\nls: /run/buildkit: No such file or directory\n"
    );
    assert_eq!(said.replace("Failed to remove all identities.\n", ""), expected);
    assert_eq!(in_progress(&env.root()), Vec::<String>::new());
}

#[test]
fn agents_with_keys_end_if_the_build_is_killed() {
    let (env, gate) = (Env::with_busybox(), Gate::new());
    make_key(&env, "key");
    let key = env.path("key").to_str().unwrap().to_owned();
    let context =
        env.dockerfile("context", &format!("FROM busybox\nRUN --mount=type=ssh {}\n", gate.command()));
    let build =
        env.spawn(["build".to_owned(), format!("--ssh=default={key}"), context.to_str().unwrap().to_owned()]);
    let _waiting = gate.wait();
    assert!(processes(&key).len() > 1);
    drop(build);
    wait_for_no_processes(&key);
}

#[test]
fn keys_that_cannot_be_used_are_said_so() {
    let env = Env::new();
    env.host(&env.path(""), "ssh-keygen -q -t ed25519 -N secret -f locked");
    let context = env.dockerfile("context", "FROM scratch\nCOPY Dockerfile /\n");
    let output = env.strata(["build", "--ssh=default=locked", context.to_str().unwrap()]).code(1);
    assert!(output.stderr.contains("cannot use the SSH keys of `default`"), "{}", output.stderr);
    assert!(
        output.stderr.contains("help: keys that need a passphrase can be in an agent"),
        "{}",
        output.stderr
    );
}

#[test]
fn the_agent_of_the_user_is_asked_and_not_changed() {
    let env = Env::with_busybox();
    let key = make_key(&env, "key");
    let context = env.dockerfile("context", SSH);
    ssh_add(&env, &context);
    env.host(
        &context,
        "unset SSH_AUTH_SOCK\n\
         ssh-agent -a ../agent sh -c 'ssh-add -q ../key && \
         \"$STRATA\" --root \"$STRATA_STORE\" build --network=host --progress=plain --ssh default --ssh other=$SSH_AUTH_SOCK . 2>../said && \
         ssh-add -L >../after; kill $SSH_AGENT_PID'",
    );
    assert_eq!(fs::read_to_string(env.path("after")).unwrap().trim(), key);
    let said = Report::read(&fs::read_to_string(env.path("said")).unwrap()).log();
    let said = said.replace("Failed to remove all identities.\n", "");
    assert!(said.starts_with(&format!("{key}\n")), "{said}");
    assert!(said.contains("refused\n600 0:0 socket\n/run/buildkit/ssh_agent.0\n"), "{said}");
}
