//! Contexts and Dockerfiles that are fetched, from a server of the test's own.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::env::Env;
use crate::support::leftovers::in_progress;
use crate::support::server::Server;

use super::{tar, write};

fn served(env: &Env) -> (Server, std::path::PathBuf) {
    let root = env.context("served");
    (Server::start(root.clone()), root)
}

fn build(env: &Env, args: &[&str]) -> crate::support::env::Output {
    env.strata(["build", "--progress=plain", "-t", "image"].iter().chain(args))
}

#[test]
fn what_is_at_a_url_is_the_context_or_the_dockerfile() {
    let env = Env::with_busybox();
    let (server, root) = served(&env);
    let files = env.context("files");
    write(
        &files,
        &[
            ("Dockerfile", "FROM busybox\nCOPY . /c\n"),
            (".dockerignore", "hidden\n*ocker*\n"),
            ("a", "a\n"),
            ("hidden", "x\n"),
        ],
    );
    fs::rename(tar(&env, "c.tgz", &files, &["-z"]), root.join("c.tgz")).unwrap();
    write(&root, &[("text", "FROM busybox\nRUN echo text >/c\n")]);
    let _ = build(&env, &[&server.url("c.tgz")]).success();
    assert_eq!(env.sh("image", "ls /c"), "a\n");
    let _ = build(&env, &[&server.url("text?token=x")]).success();
    assert_eq!(env.sh("image", "cat /c"), "text\n");
    let again = build(&env, &[&server.url("text")]).success().stderr;
    assert!(again.contains("CACHED"), "{again}");
    let both = build(&env, &["-f", "files/Dockerfile", &server.url("text")]).code(1).stderr;
    assert!(both.contains("error: there are two Dockerfiles: "), "{both}");
    let none = build(&env, &[&server.url("none?token=secret")]).code(1).stderr;
    assert!(none.contains("none?…`: the server answered 404 Not Found"), "{none}");
    assert!(!none.contains("secret"), "{none}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn a_dockerfile_may_be_at_a_url() {
    let env = Env::with_busybox();
    let (server, root) = served(&env);
    write(&root, &[("My.Dockerfile", "FROM busybox\nCOPY a /\nRUN falsch\n")]);
    write(&env.context("context"), &[("a", "a\n"), ("Dockerfile", "FROM nothing\n")]);
    let url = server.url("My.Dockerfile");
    let failed = build(&env, &["-f", &url, "context"]).code(1).stderr;
    assert!(failed.contains(&format!(" --> {url}:3")), "{failed}");
    write(&root, &[("My.Dockerfile", "FROM busybox\nCOPY a /\n")]);
    let _ = build(&env, &["-f", &url, "context"]).success();
    assert_eq!(env.sh("image", "cat /a"), "a\n");
}

/// Makes a repository with the branches `main` and `other`, which a plain HTTP server can serve.
fn repository(env: &Env, root: &Path) {
    let work = env.context("repository");
    let git = |args: &[&str]| {
        let mut command = Command::new("git");
        command.current_dir(&work).args(["-c", "user.name=a", "-c", "user.email=a@b"]).args(args);
        command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
        let output = command.output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    git(&["init", "-q", "-b", "main"]);
    write(
        &work,
        &[("Dockerfile", "FROM busybox\nCOPY . /c\n"), (".dockerignore", "Dockerfile\n"), ("a", "main\n")],
    );
    git(&["add", "."]);
    git(&["commit", "-qm", "one"]);
    git(&["checkout", "-qb", "other"]);
    write(&work, &[("sub/Dockerfile", "FROM busybox\nCOPY b /c/\n"), ("sub/b", "other\n"), ("My.Dockerfile", "FROM busybox\nCOPY sub/b /got\n")]);
    git(&["add", "."]);
    git(&["commit", "-qm", "two"]);
    git(&["checkout", "-q", "main"]);
    let bare = root.join("r.git");
    git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
    git(&["--git-dir", bare.to_str().unwrap(), "update-server-info"]);
}

#[test]
fn a_git_repository_is_a_context() {
    let env = Env::with_busybox();
    let (server, root) = served(&env);
    repository(&env, &root);
    let url = server.url("r.git");
    let _ = build(&env, &[&url]).success();
    assert_eq!(env.sh("image", "cd /c; ls -A; cat a"), ".dockerignore\na\nmain\n");
    let keep = "BUILDKIT_CONTEXT_KEEP_GIT_DIR=1";
    let _ = build(&env, &["--build-arg", keep, &url]).success();
    assert_eq!(env.sh("image", "ls -dA /c/.git"), "/c/.git\n");
    let _ = build(&env, &[&format!("{url}#other:sub")]).success();
    assert_eq!(env.sh("image", "cat /c/b"), "other\n");
    let _ = build(&env, &["-f", "My.Dockerfile", &format!("{url}?branch=other")]).success();
    assert_eq!(env.sh("image", "cat /got"), "other\n");
    let none = build(&env, &[&format!("{url}#none")]).code(1).stderr;
    assert!(none.contains("r.git` has no branch or tag `none`"), "{none}");
    let nowhere = build(&env, &[&format!("{url}#main:sub")]).code(1).stderr;
    assert!(nowhere.contains("error: `sub` is no directory in commit `"), "{nowhere}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}

#[test]
fn named_contexts_may_be_elsewhere() {
    let env = Env::with_busybox();
    let (server, root) = served(&env);
    repository(&env, &root);
    write(&root, &[("dir/file.txt", "file\n")]);
    env.dockerfile(
        "context",
        "FROM busybox\nCOPY --from=repo a /\nCOPY --from=url file.txt /\nRUN stat -c '%a %u %Y' /file.txt >/stat\n",
    );
    let named = |name: &str, path: &str| format!("--build-context={name}={}", server.url(path));
    let (repo, url) = (named("repo", "r.git"), named("url", "dir/file.txt"));
    let unused = named("unused", "not-there");
    let _ = build(&env, &[&repo, &url, &unused, "context"]).success();
    assert_eq!(env.sh("image", "cat /a /file.txt /stat"), "main\nfile\n600 0 0\n");
    assert!(!server.asked().contains(&"not-there".to_owned()));
    let again = build(&env, &[&repo, &url, "context"]).success().stderr;
    assert_eq!(again.matches("CACHED").count(), 4, "{again}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}
