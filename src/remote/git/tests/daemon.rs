//! Repositories made with `git`, and a server for them: `git daemon`, one for each connection.

use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

/// When all commits are made.
pub(super) const TIME: i64 = 1_700_000_000;

/// A repository with files.
pub(super) struct Repository(PathBuf);

impl Repository {
    /// Makes an empty one with the branch `main`.
    pub(super) fn new(directory: PathBuf) -> Self {
        std::fs::create_dir_all(&directory).unwrap();
        let repository = Self(directory);
        repository.git(&["init", "--quiet", "--initial-branch=main"]);
        repository
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) fn git(&self, args: &[&str]) -> String {
        git(&self.0, args)
    }

    /// Writes files and makes a commit of them.
    pub(super) fn commit(&self, files: &[(&str, &str)]) -> String {
        for (path, content) in files {
            let path = self.0.join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--allow-empty", "--message=m"]);
        self.git(&["rev-parse", "HEAD"])
    }
}

/// Runs `git` as a user would who has no configuration.
pub(super) fn git(directory: &Path, args: &[&str]) -> String {
    let date = format!("@{TIME} +0000");
    let who = ["GIT_AUTHOR_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_NAME", "GIT_COMMITTER_EMAIL"];
    let output = Command::new("git")
        .current_dir(directory)
        .args(args)
        .envs(who.map(|name| (name, "a")))
        .envs([("GIT_AUTHOR_DATE", &date), ("GIT_COMMITTER_DATE", &date)])
        .envs([("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_NOSYSTEM", "1")])
        .output()
        .unwrap();
    assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Serves all repositories below a directory until it is dropped.
pub(super) struct Daemon {
    address: SocketAddr,
    shared: Arc<Shared>,
    thread: Option<thread::JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    is_over: AtomicBool,
    connections: AtomicUsize,
}

impl Daemon {
    pub(super) fn start(base: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let base = base.to_owned();
        let thread = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                for stream in listener.incoming() {
                    if shared.is_over.load(Ordering::SeqCst) {
                        return;
                    }
                    shared.connections.fetch_add(1, Ordering::SeqCst);
                    serve(stream.unwrap(), &base);
                }
            }
        });
        Self { address, shared, thread: Some(thread) }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("git://{}/{path}", self.address)
    }

    /// How many connections there have been.
    pub(super) fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.shared.is_over.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        let _ = self.thread.take().unwrap().join();
    }
}

fn serve(stream: TcpStream, base: &Path) {
    let output = OwnedFd::from(stream.try_clone().unwrap());
    let mut child = Command::new("git")
        .args(["daemon", "--inetd", "--export-all", "--log-destination=none"])
        .arg(format!("--base-path={}", base.display()))
        .stdin(Stdio::from(OwnedFd::from(stream)))
        .stdout(Stdio::from(output))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    thread::spawn(move || child.wait());
}
