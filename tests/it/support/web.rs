//! A web of a test's own: what is put into a directory is served as `http://web.test`, through a proxy, so that
//! addresses are the same in every run. Repositories are served as plain files.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use strata::oci::Digest;

use super::server::Server;

/// What the served directory is called.
const SITE: &str = "http://web.test/";

/// When all commits are made.
const COMMITTED: &str = "@1700000000 +0000";

/// A name that ends so is served without saying what to compare it by.
const BARE: &str = ".bare";

/// The served directory.
pub(crate) struct Web {
    root: PathBuf,
    server: Server,
    /// What was asked for, each with the answer's status.
    answers: Arc<Mutex<Vec<String>>>,
}

impl Web {
    /// Serves `root`, an existing directory.
    pub(crate) fn new(root: PathBuf) -> Self {
        let answers = Arc::new(Mutex::new(Vec::new()));
        let server = Server::start({
            let (root, answers) = (root.clone(), Arc::clone(&answers));
            move |head, stream| {
                let (status, line) = answer(&root, head, stream);
                answers.lock().unwrap().push(format!("{status} {line}\n"));
            }
        });
        Self { root, server, answers }
    }

    /// The address of the proxy.
    pub(crate) fn proxy(&self) -> String {
        self.server.url("")
    }

    /// What was asked for since the last time, in a fixed order.
    pub(crate) fn take_requests(&self) -> String {
        let mut answers = std::mem::take(&mut *self.answers.lock().unwrap());
        answers.sort();
        answers.concat()
    }

    /// Serves a file.
    pub(crate) fn put(&self, path: &str, content: &[u8], time: SystemTime) {
        let file = self.root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        fs::File::open(&file).unwrap().set_modified(time).unwrap();
    }

    /// Writes a file of the repository `name` and makes a commit of it. It is served as `NAME.git`.
    pub(crate) fn commit(&self, name: &str, path: &str, content: &str) {
        let files = self.repository(name);
        if !files.exists() {
            fs::create_dir_all(&files).unwrap();
            git(&files, &["init", "--quiet", "--initial-branch=main"]);
            symlink(files.join(".git"), self.root.join(format!("{name}.git"))).unwrap();
        }
        let file = files.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        git(&files, &["add", "--all"]);
        self.git(name, &["commit", "--quiet", "--message=m"]);
    }

    /// Runs `git` in the repository `name`.
    pub(crate) fn git(&self, name: &str, args: &[&str]) {
        let files = self.repository(name);
        git(&files, args);
        git(&files, &["update-server-info"]);
    }

    fn repository(&self, name: &str) -> PathBuf {
        self.root.with_extension("repositories").join(name)
    }
}

/// Answers one request; gives the status and what was asked for.
fn answer(root: &Path, head: &str, stream: &mut TcpStream) -> (u16, String) {
    let url = head.split(' ').nth(1).unwrap_or_default();
    let path = url.strip_prefix(SITE).map(|path| path.split('?').next().unwrap_or_default());
    let file = path.map(|path| root.join(path)).filter(|file| file.is_file());
    let (status, headers, body) = match file {
        None => (404, String::new(), Vec::new()),
        Some(file) => {
            let body = fs::read(&file).unwrap();
            let tag = format!("\"{}\"", Digest::of(&body).short());
            let modified = fs::metadata(&file).unwrap().modified().unwrap();
            let modified = jiff::Timestamp::try_from(modified).unwrap();
            let modified = modified.strftime("%a, %d %b %Y %H:%M:%S GMT");
            let headers = match url.ends_with(BARE) {
                true => String::new(),
                false => format!("ETag: {tag}\r\nLast-Modified: {modified}\r\n"),
            };
            let is_known = head.lines().any(|line| line == format!("if-none-match: {tag}"));
            if is_known { (304, headers, Vec::new()) } else { (200, headers, body) }
        }
    };
    let reason = [(200, "OK"), (304, "Not Modified"), (404, "Not Found")];
    let reason = reason.iter().find(|(number, _)| *number == status).unwrap().1;
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n"
    );
    // A client may have gone away.
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
    (status, url.to_owned())
}

/// Runs `git` as a user would who has no configuration.
fn git(directory: &Path, args: &[&str]) {
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let output = Command::new("git")
        .current_dir(directory)
        .args(args)
        .envs(who.map(|name| (name, "a")))
        .envs([("GIT_AUTHOR_DATE", COMMITTED), ("GIT_COMMITTER_DATE", COMMITTED)])
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}
