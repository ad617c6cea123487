//! The examples under `fixtures/`, built on the bases that `fixtures/bases` makes. They reach the Debian and npm
//! registries through the machine's ordinary settings.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::client::{ask, free_port};
use crate::support::env::Env;
use crate::support::user::{User, open_tun};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name)
}

/// A store with one of the bases.
fn with_base(name: &str) -> Env {
    let env = Env::new();
    let made = Command::new(fixture("bases/make"))
        .arg(name)
        .env("STRATA", env!("CARGO_BIN_EXE_strata"))
        .env("STRATA_ROOT", env.root())
        .output()
        .unwrap();
    assert!(made.status.success(), "fixtures/bases/make {name}: {}", String::from_utf8_lossy(&made.stderr));
    env
}

/// The same of an ordinary user.
fn users_with_base(name: &str) -> Env {
    open_tun();
    let env = Env::as_user(User::with_ranges());
    let made = Command::new(fixture("bases/make")).args(["--tar", name]).output().unwrap();
    assert!(made.status.success(), "fixtures/bases/make: {}", String::from_utf8_lossy(&made.stderr));
    let tar = File::open(String::from_utf8(made.stdout).unwrap().trim_end()).unwrap();
    let mut import = env.command(["import", "-", name]);
    import.stdin(tar);
    let _ = env.run(import).success();
    env
}

fn build(env: &Env, name: &str, network: &str) {
    let context = fixture(name);
    let args = ["build", "-q", "--network", network, "-t", name, context.to_str().unwrap()];
    let _ = env.strata(args).success();
}

#[test]
fn a_program_is_compiled_in_one_stage_and_runs_alone_in_another() {
    let env = with_base("debian:12-slim");
    build(&env, "multi-stage", "host");
    let config = env.image_config("multi-stage");
    assert_eq!(
        config["rootfs"]["diff_ids"].as_array().unwrap().len(),
        1,
        "only the program should be in the image"
    );
    let said = env.strata(["run", "--rm", "--network", "none", "multi-stage"]).success().stdout;
    assert_eq!(said, "primes 1.0: 25 up to 100, the largest is 97\n");
}

#[test]
fn of_many_stages_only_those_that_the_target_needs_are_built() {
    let env = with_base("busybox");
    let context = fixture("many-stages");
    let built =
        env.strata(["build", "--progress", "plain", "-t", "many", context.to_str().unwrap()]).success();
    let stages: Vec<&str> =
        built.stderr.lines().filter_map(|line| line.split_once(" [")?.1.split(' ').next()).collect();
    for stage in &stages {
        let stage = stage.trim_end_matches(']');
        assert!(["internal", "base", "words", "numbers", "release"].contains(&stage), "{stage} was built");
    }
    assert!(stages.contains(&"release"), "{}", built.stderr);
    let said = env.strata(["run", "--rm", "--network", "none", "many"]).success().stdout;
    assert!(said.ends_with("1\n2\n3\n4\n5\n"), "{said}");
}

#[test]
fn the_koa_server_is_built_and_answers() {
    let env = with_base("node:12.20.1");
    build(&env, "koa-server", "host");
    let port = free_port();
    let published = format!("127.0.0.1:{port}:3000");
    let mut server =
        env.command(["run", "--rm", "--network=default", "-p", &published, "koa-server", "node", "app.js"]);
    let mut server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let answer = ask(Ipv4Addr::LOCALHOST.into(), port);
    let pid = rustix::process::Pid::from_child(&server);
    rustix::process::kill_process(pid, Signal::TERM).unwrap();
    let _ = server.wait().unwrap();
    assert!(answer.trim_end().ends_with("hello koa"), "{answer}");
}

#[test]
fn the_koa_server_of_an_ordinary_user_has_networks_of_its_own_and_answers() {
    let env = users_with_base("node:12.20.1");
    build(&env, "koa-server", "default");
    let port = free_port();
    let publish = format!("127.0.0.1:{port}:3000");
    let run = ["run", "--rm", "--network", "default", "-p", &publish, "koa-server", "node", "app.js"];
    let server = env.spawn(run);
    let answer = ask(Ipv4Addr::LOCALHOST.into(), port);
    server.signal(Signal::TERM);
    let _ = server.end();
    assert!(answer.trim_end().ends_with("hello koa"), "{answer}");
}

#[test]
fn packages_are_installed_by_root_and_by_a_user() {
    for env in [with_base("debian:12-slim"), users_with_base("debian:12-slim")] {
        let dockerfile =
            "FROM debian:12-slim\nRUN apt-get update && apt-get install -y curl\nRUN curl --version\n";
        let context = env.dockerfile("context", dockerfile);
        let args =
            ["build", "--progress=plain", "--network=default", "-t", "curl", context.to_str().unwrap()];
        let said = env.strata(args).success().stderr;
        assert!(said.contains("Setting up curl"), "{said}");
        assert!(said.contains("Protocols: "), "{said}");
        assert!(!said.contains("the machine's network"), "{said}");
    }
}
