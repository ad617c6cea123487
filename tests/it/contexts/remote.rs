//! Contexts and Dockerfiles that are fetched, from a server of the test's own.

use std::fs::{self, File, FileTimes};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, SystemTime};

use crate::support::env::Env;
use crate::support::leftovers::in_progress;
use crate::support::server::Server;

use super::{tar, write};

/// A server for what is below the directory.
fn served(env: &Env) -> (Served, PathBuf) {
    (Served(Server::start(env)), env.context("served/http"))
}

struct Served(Server);

impl Served {
    /// The URL of a file.
    fn url(&self, path: &str) -> String {
        self.0.address(&format!("{{{{http}}}}/{path}"), "served")
    }

    /// The URL of a repository.
    fn repository(&self) -> String {
        self.0.address("{{git}}/r.git", "served")
    }
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

/// Makes a repository with the branches `main` and `other`.
fn repository(env: &Env) {
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
    write(
        &work,
        &[
            ("sub/Dockerfile", "FROM busybox\nCOPY b /c/\n"),
            ("sub/b", "other\n"),
            ("My.Dockerfile", "FROM busybox\nCOPY sub/b /got\n"),
        ],
    );
    git(&["add", "."]);
    git(&["commit", "-qm", "two"]);
    git(&["checkout", "-q", "main"]);
    let bare = env.context("served/git").join("r.git");
    git(&["clone", "-q", "--bare", ".", bare.to_str().unwrap()]);
}

#[test]
fn a_git_repository_is_a_context() {
    let env = Env::with_busybox();
    let (server, _) = served(&env);
    repository(&env);
    let url = server.repository();
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
    repository(&env);
    write(&root, &[("dir/file.txt", "file\n")]);
    let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    let times = FileTimes::new().set_modified(modified);
    File::open(root.join("dir/file.txt")).unwrap().set_times(times).unwrap();
    env.dockerfile(
        "context",
        "FROM busybox\nCOPY --from=repo a /\nCOPY --from=url file.txt /\nRUN stat -c '%a %u %Y' /file.txt >/stat\n",
    );
    let repo = format!("--build-context=repo={}", server.repository());
    let url = format!("--build-context=url={}", server.url("dir/file.txt"));
    let unused = "--build-context=unused=http://nobody.invalid/x";
    let _ = build(&env, &[&repo, &url, unused, "context"]).success();
    assert_eq!(env.sh("image", "cat /a /file.txt /stat"), "main\nfile\n600 0 1000000000\n");
    let again = build(&env, &[&repo, &url, "context"]).success().stderr;
    assert_eq!(again.matches("CACHED").count(), 4, "{again}");
    assert_eq!(in_progress(&env.root()), [""; 0]);
}
