//! Sandboxes on the real kernel. Needs root, `busybox-static`, `cc`, and a temporary directory on a file system that
//! can be an overlay's upper.

use std::ffi::OsString;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use strata::exec::{
    CancelToken, ExecError, Executor, Io, MountApi, Network, Outcome, Output, Root, Signals, Spec,
    SpecProblem, Status, Upper, UserProblem, skeleton,
};
use strata::progress::Stream;
use tempfile::TempDir;

use crate::support::rootfs;

/// A root with busybox, and one sandbox's directories.
struct Bench {
    dir: TempDir,
}

/// What a command left behind.
#[derive(Debug)]
struct Ran {
    outcome: Outcome,
    stdout: String,
    stderr: String,
}

impl Ran {
    fn code(&self) -> i32 {
        self.outcome.status.code()
    }
}

impl Bench {
    fn new() -> Self {
        let bench = Self { dir: TempDir::new().unwrap() };
        rootfs::make(&bench.dir("base"));
        bench.dir("upper");
        bench.dir("work");
        skeleton(&bench.path("skeleton")).unwrap();
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A directory, made if it is missing.
    fn dir(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn spec<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Spec {
        Spec {
            root: Root {
                lowers: vec![self.path("base")],
                skeleton: self.path("skeleton"),
                upper: Some(Upper { dir: self.path("upper"), work: self.path("work") }),
                volatile: true,
                mount_api: MountApi::Best,
            },
            args: args.into_iter().map(Into::into).collect(),
            env: vec![("PATH".into(), "/bin".into())],
            cwd: "/".into(),
            user: String::new(),
            hostname: "buildkitsandbox".into(),
            network: Network::None,
            hosts: b"127.0.0.1 localhost\n".to_vec(),
            resolv_conf: Some(b"nameserver 192.0.2.1\n".to_vec()),
        }
    }

    fn sh(&self, script: &str) -> Spec {
        self.spec(["/bin/sh", "-c", script])
    }

    /// Everything in the upper, relative, sorted.
    fn changes(&self) -> Vec<String> {
        let root = self.path("upper");
        let mut found = Vec::new();
        let mut dirs = vec![root.clone()];
        while let Some(dir) = dirs.pop() {
            for entry in fs::read_dir(dir).unwrap() {
                let entry = entry.unwrap();
                if entry.file_type().unwrap().is_dir() {
                    dirs.push(entry.path());
                }
                found.push(entry.path().strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
            }
        }
        found.sort();
        found
    }
}

fn executor() -> Executor {
    Executor { stage: env!("CARGO_BIN_EXE_strata").into() }
}

fn try_run(spec: &Spec) -> Result<Ran, ExecError> {
    let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
    let mut sink = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => stdout.extend_from_slice(bytes),
        Stream::Stderr => stderr.extend_from_slice(bytes),
    };
    let io = Io { output: Output::Piped(&mut sink), ..Io::default() };
    let outcome = executor().run(spec, io, &[], &CancelToken::new().unwrap())?;
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ok(Ran { outcome, stdout: text(stdout), stderr: text(stderr) })
}

fn run(spec: &Spec) -> Ran {
    try_run(spec).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn the_end_of_the_command_is_reported() {
    let bench = Bench::new();
    let cases = [
        ("exit 0", Status::Exit(0)),
        ("exit 7", Status::Exit(7)),
        ("exit 255", Status::Exit(255)),
        ("kill -TERM $$", Status::Signal(libc::SIGTERM)),
        ("kill -KILL $$", Status::Signal(libc::SIGKILL)),
        ("kill -PIPE $$", Status::Signal(libc::SIGPIPE)),
    ];
    for (script, status) in cases {
        assert_eq!(run(&bench.sh(script)).outcome.status, status, "{script}");
        fs::remove_dir_all(bench.path("work")).unwrap();
        bench.dir("work");
    }
}
#[test]
#[ignore = "a measurement"]
fn how_long_true_takes() {
    let bench = Bench::new();
    let pause = std::env::var("PAUSE_MS").ok().map_or(0, |ms| ms.parse().unwrap());
    let mut times = Vec::new();
    for i in 0..40 {
        let upper = Upper { dir: bench.dir(&format!("u{i}")), work: bench.dir(&format!("w{i}")) };
        let mut spec = bench.spec(["/bin/true"]);
        spec.root.upper = Some(upper);
        if std::env::var_os("HOST").is_some() {
            spec.network = Network::Host;
        }
        std::thread::sleep(std::time::Duration::from_millis(pause));
        let start = std::time::Instant::now();
        assert_eq!(run(&spec).code(), 0);
        times.push(start.elapsed().as_secs_f64() * 1000.0);
    }
    println!("first {:.2}", times[0]);
    times.sort_by(f64::total_cmp);
    println!("min {:.2} median {:.2} p90 {:.2} max {:.2} ms", times[0], times[20], times[36], times[39]);
}
