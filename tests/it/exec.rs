//! Sandboxes on the real kernel. Needs root, `busybox-static`, `cc`, and a temporary directory on a file system that
//! can be an overlay's upper.

mod death;
mod escapes;
mod mounts;
mod rights;

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::PathBuf;
use std::time::Duration;

use strata::cgroup::{Cgroups, Limits};
use strata::exec::{
    CancelToken, Capabilities, ExecError, Executor, Io, MountApi, Network, Outcome, Output, Root, Spec,
    SpecProblem, Status, Upper, skeleton,
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

    /// The directories of one more sandbox.
    fn fresh_upper(&self, number: usize) -> Upper {
        let dir = |name| self.dir(&format!("sandbox-{number}/{name}"));
        Upper { dir: dir("upper"), work: dir("work") }
    }

    fn spec<S: Into<OsString>>(&self, args: impl IntoIterator<Item = S>) -> Spec {
        Spec {
            root: Root {
                lowers: vec![self.path("base")],
                skeleton: self.path("skeleton"),
                upper: Some(Upper { dir: self.path("upper"), work: self.path("work") }),
                plain: false,
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
            script: None,
            mounts: Vec::new(),
            filtered: true,
            groups: Vec::new(),
            capabilities: Capabilities::default(),
            insecure: false,
            resources: Vec::new(),
            shm_size: None,
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

/// The text after `name:` in a `/proc/self/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no `{name}` in\n{status}")).trim()
}

#[test]
fn the_end_of_the_command_is_reported() {
    let cases = [
        ("exit 0", Status::Exit(0)),
        ("exit 7", Status::Exit(7)),
        ("exit 255", Status::Exit(255)),
        ("kill -TERM $$", Status::Signal(libc::SIGTERM)),
        ("kill -KILL $$", Status::Signal(libc::SIGKILL)),
        ("kill -PIPE $$", Status::Signal(libc::SIGPIPE)),
    ];
    let bench = Bench::new();
    for (index, (script, status)) in cases.into_iter().enumerate() {
        let mut spec = bench.sh(script);
        spec.root.upper = Some(bench.fresh_upper(index));
        assert_eq!(run(&spec).outcome.status, status, "{script}");
    }
}

#[test]
fn both_outputs_arrive_and_stdin_is_empty() {
    let ran = run(&Bench::new().sh("echo out; echo err >&2; cat | wc -c"));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("out\n0\n", "err\n"));
}

#[test]
fn output_beyond_what_pipes_hold_arrives_whole() {
    let bench = Bench::new();
    let script = "head -c 20000000 /dev/zero & head -c 10000000 /dev/zero >&2 & wait";
    let (mut out, mut err) = (0, 0);
    let mut sink = |stream, bytes: &[u8]| match stream {
        Stream::Stdout => out += bytes.len(),
        Stream::Stderr => err += bytes.len(),
    };
    let io = Io { output: Output::Piped(&mut sink), ..Io::default() };
    executor().run(&bench.sh(script), io, &[], &CancelToken::new().unwrap()).unwrap();
    assert_eq!((out, err), (20_000_000, 10_000_000));
}

#[test]
fn programs_that_cannot_run_are_told_apart() {
    let bench = Bench::new();
    let write = |name: &str, mode, text: &str| {
        let path = bench.path("base").join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    write("bin/plain", 0o644, "no program\n");
    write("bin/garbage", 0o755, "no program\n");
    let cases = [
        ("nowhere", libc::ENOENT, 127),
        ("/bin/nowhere", libc::ENOENT, 127),
        ("", libc::ENOENT, 127),
        ("plain", libc::EACCES, 126),
        ("/bin/plain", libc::EACCES, 126),
        ("/bin", libc::EACCES, 126),
        ("/bin/garbage", libc::ENOEXEC, 126),
    ];
    for (index, (program, errno, code)) in cases.into_iter().enumerate() {
        let mut spec = bench.spec([program]);
        spec.root.upper = Some(bench.fresh_upper(index));
        match try_run(&spec) {
            Err(error @ ExecError::Command { errno: found, .. }) => {
                assert_eq!((found, error.exit_code()), (errno, Some(code)), "`{program}`");
            }
            other => panic!("`{program}`: {other:?}"),
        }
    }
}

#[test]
fn a_program_is_looked_for_in_the_path_of_its_environment() {
    let bench = Bench::new();
    let mut spec = bench.spec(["true"]);
    spec.env = vec![("PATH".into(), "/nowhere::/etc/passwd:/bin".into())];
    assert_eq!(run(&spec).code(), 0);
    spec.env = Vec::new();
    spec.root.upper = Some(bench.fresh_upper(0));
    assert_eq!(run(&spec).code(), 0, "Docker's default path holds /bin");
}

#[test]
fn the_working_directory_is_made_if_it_is_missing() {
    let bench = Bench::new();
    let mut spec = bench.spec(["/bin/pwd"]);
    spec.cwd = "/new/deep".into();
    spec.user = "u".to_owned();
    assert_eq!(run(&spec).stdout, "/new/deep\n");
    assert_eq!(bench.changes(), ["new", "new/deep"]);
    let made = fs::metadata(bench.path("upper/new/deep")).unwrap();
    assert_eq!((made.uid(), made.permissions().mode() & 0o7777), (0, 0o755));
}

#[test]
fn a_failed_step_is_named_with_its_error() {
    let bench = Bench::new();
    let mut spec = bench.spec(["/bin/true"]);
    spec.cwd = "/etc/passwd".into();
    let error = try_run(&spec).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot set up the sandbox: change to the working directory `/etc/passwd`: Not a directory (os error 20)"
    );
    spec.root.lowers.push("/no/such/layer".into());
    let error = try_run(&spec).unwrap_err().to_string();
    assert_eq!(
        error,
        "cannot set up the sandbox: open the layer `/no/such/layer`: No such file or directory (os error 2)"
    );
}

#[test]
fn a_stage_that_waits_runs_what_it_is_given_in_the_group_that_it_entered() {
    let group = Cgroups::new(strata::cgroup::DIRECTORY.into()).make(&Limits::default()).unwrap();
    let group = group.expect("a group that counts; the test needs root and control groups");
    let (bench, executor) = (Bench::new(), executor());
    let mut stage = executor.start_ahead().unwrap();
    stage.enter(&group).unwrap();
    let mut stdout = Vec::new();
    let mut sink = |_, bytes: &[u8]| stdout.extend_from_slice(bytes);
    let io = Io { output: Output::Piped(&mut sink), cgroup: Some(&group), ..Io::default() };
    let spec = bench.sh("echo here; i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done");
    let outcome = stage.run(&spec, io, &[], &CancelToken::new().unwrap()).unwrap();
    assert_eq!((outcome.status, String::from_utf8(stdout).unwrap().as_str()), (Status::Exit(0), "here\n"));
    let (used, _) = group.count();
    assert!(used.cpu.unwrap() >= outcome.usage.cpu && outcome.usage.cpu > Duration::ZERO, "{used:?}");
    assert!(used.memory.unwrap() > 0, "{used:?}");
}

#[test]
fn specs_that_no_kernel_can_run_are_refused() {
    let bench = Bench::new();
    let spec = || bench.spec(["/bin/true"]);
    let many = Root { lowers: vec![bench.path("base"); 999], ..spec().root };
    let cases = [
        (Spec { args: vec![], ..spec() }, SpecProblem::NoCommand),
        (Spec { args: vec!["a\0b".into()], ..spec() }, SpecProblem::Nul { place: "an argument" }),
        (Spec { cwd: "x".into(), ..spec() }, SpecProblem::RelativeCwd("x".into())),
        (Spec { root: many, ..spec() }, SpecProblem::TooManyLowers { count: 999 }),
    ];
    for (spec, problem) in cases {
        match try_run(&spec) {
            Err(ExecError::Spec(found)) => assert_eq!(found, problem),
            other => panic!("{problem:?}: {other:?}"),
        }
    }
}

#[test]
fn a_foreground_command_stays_in_the_callers_session() {
    let bench = Bench::new();
    for (index, (foreground, session)) in [(true, "0"), (false, "2")].into_iter().enumerate() {
        let mut stdout = Vec::new();
        let mut sink = |_, bytes: &[u8]| stdout.extend_from_slice(bytes);
        // The sixth field of stat(5); 0 is a session that is not of this pid namespace.
        let mut spec = bench.sh("read -r stat < /proc/self/stat; set -- $stat; echo $6");
        spec.root.upper = Some(bench.fresh_upper(index));
        let io = Io { output: Output::Piped(&mut sink), foreground, ..Io::default() };
        executor().run(&spec, io, &[], &CancelToken::new().unwrap()).unwrap();
        assert_eq!(String::from_utf8(stdout).unwrap().trim(), session);
    }
}

#[test]
fn what_the_command_used_is_counted() {
    let ran = run(&Bench::new().sh("i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done"));
    assert!(!ran.outcome.usage.cpu.is_zero());
    assert!(ran.outcome.usage.max_rss > 100_000, "{:?}", ran.outcome.usage);
}

/// `cargo test --release --test it -- --ignored --nocapture how_long`
#[test]
#[ignore = "a measurement"]
fn how_long_a_sandbox_takes() {
    const RUNS: usize = 60;
    let bench = Bench::new();
    for (name, network, pause) in [
        ("no network", Network::None, 0),
        ("host network", Network::Host, 0),
        ("after 1 s", Network::None, 1000),
    ] {
        let runs = if pause == 0 { RUNS } else { RUNS / 4 };
        let mut times = Vec::new();
        for index in 0..runs {
            let mut spec = bench.spec(["/bin/true"]);
            spec.root.upper = Some(bench.fresh_upper(index));
            spec.network = network;
            std::thread::sleep(std::time::Duration::from_millis(pause));
            let start = std::time::Instant::now();
            assert_eq!(run(&spec).code(), 0);
            times.push(start.elapsed().as_secs_f64() * 1000.0);
            fs::remove_dir_all(bench.path(&format!("sandbox-{index}"))).unwrap();
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let (low, median, high) = (times[0], times[runs / 2], times[runs * 9 / 10]);
        println!("{name}: first {first:.2}, least {low:.2}, median {median:.2}, p90 {high:.2} ms");
    }
}
