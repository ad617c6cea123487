//! What is fetched: `testdata/remote`, a Dockerfile, files and repositories on a server and the expected image each.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::support::case;
use crate::support::env::Env;
use crate::support::leftovers::in_progress;
use crate::support::server::Server;

#[test]
fn what_is_fetched_is_put_and_fetched_again_only_if_it_changed() {
    case::run_all("remote");
}

#[test]
fn without_git_the_package_is_named() {
    let env = Env::new();
    env.dockerfile("context", "FROM scratch\nADD https://example.com/r.git /\n");
    let mut command = env.command(["build", "context"]);
    command.env("PATH", "/nonexistent");
    let stderr = env.run(command).code(1).stderr;
    let message = "error: Git repositories need the program `git`, and it is not installed\n --> context/Dockerfile:2:5";
    assert!(stderr.contains(message), "{stderr}");
    assert!(stderr.contains("help: install it: `apt-get install git`"), "{stderr}");
}

#[test]
fn what_is_kept_is_private_and_nothing_else_stays() {
    let env = Env::new();
    let server = Server::start(&env);
    let files = env.context("http");
    fs::write(files.join("f"), "x\n").unwrap();
    env.host(
        &files,
        "git init -q ../git/r.git; cd ../git/r.git; git -c user.name=n -c user.email=e commit -q --allow-empty -m 1",
    );
    let text = server.address("FROM scratch\nADD {{http}}/f /\nADD {{git}}/r.git /\n", "");
    env.dockerfile("context", &text);
    let _ = env.strata(["build", "context"]).success();
    let sources = env.root().join("sources");
    assert_eq!(fs::metadata(&sources).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(in_progress(&env.root()), [""; 0]);
}
