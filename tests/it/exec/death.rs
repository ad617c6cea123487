//! How sandboxes end, and that nothing outlives them.

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use strata::exec::{
    CancelToken, Capabilities, ExecError, Io, MountApi, Network, Output, Root, Signals, Spec, Status, Upper,
};

use super::{Bench, executor, field, run};
use crate::support::leftovers::{marker, processes};

/// The children of a process, their children and so on.
fn descendants(ancestor: i32) -> Vec<i32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    // A process that ends meanwhile is none of the sandbox's.
    let parent = |pid: i32| -> Option<(i32, i32)> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        Some((pid, field(&status, "PPid").parse().unwrap()))
    };
    let parents: Vec<(i32, i32)> = pids.filter_map(parent).collect();
    let mut found = vec![ancestor];
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        found.extend(parents.iter().filter(|(_, parent)| *parent == pid).map(|(child, _)| child));
        next += 1;
    }
    found.split_off(1)
}

#[test]
fn a_background_process_does_not_outlive_the_command() {
    let bench = Bench::new();
    let marker = marker("background");
    let ran = run(&bench.sh(&format!("setsid sleep {marker} & sleep {marker} & echo started")));
    assert_eq!((ran.code(), ran.stdout.as_str()), (0, "started\n"));
    assert_eq!(processes(&marker), Vec::<i32>::new());
}

#[test]
fn canceling_ends_the_sandbox_at_once() {
    let bench = Bench::new();
    let marker = marker("cancel");
    let cancel = CancelToken::new().unwrap();
    let mut sink = |_, _: &[u8]| {
        assert!(!processes(&marker).is_empty());
        cancel.cancel();
    };
    let spec = bench.sh(&format!("trap '' TERM INT; setsid sleep {marker} & echo ready; sleep {marker}"));
    let io = Io { output: Output::Piped(&mut sink), ..Io::default() };
    let result = executor().run(&spec, io, &[], &cancel);
    assert!(matches!(result, Err(ExecError::Canceled)), "{result:?}");
    assert_eq!(processes(&marker), Vec::<i32>::new());
    let result = executor().run(&spec, Io::default(), &[], &cancel);
    assert!(matches!(result, Err(ExecError::Canceled)), "a canceled token starts nothing: {result:?}");
}

#[test]
fn signals_reach_the_command() {
    let bench = Bench::new();
    let signals = Signals::new().unwrap();
    let mut sink = |_, _: &[u8]| signals.send(libc::SIGTERM).unwrap();
    let spec = bench.sh("trap 'exit 3' TERM; echo ready; while :; do sleep 0.01; done");
    let io = Io { output: Output::Piped(&mut sink), signals: Some(&signals), ..Io::default() };
    let outcome = executor().run(&spec, io, &[], &CancelToken::new().unwrap()).unwrap();
    assert_eq!(outcome.status, Status::Exit(3));
}

#[test]
fn a_killed_engine_leaves_neither_processes_nor_locks() {
    let bench = Bench::new();
    let marker = marker("engine");
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "exec::death::the_engine_that_is_killed"])
        .env("STRATA_TEST_DIR", bench.dir.path())
        .env("STRATA_TEST_MARKER", &marker)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdout = engine.stdout.take().unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"ready\n") {
        let mut piece = [0; 256];
        let count = stdout.read(&mut piece).unwrap();
        assert_ne!(count, 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&piece[..count]);
    }
    // Stage, init, a shell and two sleeps.
    let pids = descendants(engine.id() as i32);
    assert_eq!(pids.len(), 5, "{pids:?}");
    let lock = fs::File::open(bench.path("lock")).unwrap();
    assert!(lock.try_lock().is_err());

    engine.kill().unwrap();
    engine.wait().unwrap();
    let timeout = rustix::event::Timespec { tv_sec: 20, tv_nsec: 0 };
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        let Ok(fd) = rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()) else { continue };
        let mut fds = [rustix::event::PollFd::new(&fd, rustix::event::PollFlags::IN)];
        assert_eq!(rustix::event::poll(&mut fds, Some(&timeout)), Ok(1), "{pid:?} lives on");
    }
    lock.try_lock().unwrap();
}

/// The process that [`a_killed_engine_leaves_neither_processes_nor_locks`] kills.
#[test]
#[ignore = "run by another test"]
fn the_engine_that_is_killed() {
    let dir = PathBuf::from(std::env::var_os("STRATA_TEST_DIR").unwrap());
    let marker = std::env::var("STRATA_TEST_MARKER").unwrap();
    let root = Root {
        lowers: vec![dir.join("base")],
        skeleton: dir.join("skeleton"),
        upper: Some(Upper { dir: dir.join("upper"), work: dir.join("work") }),
        plain: false,
        volatile: true,
        mount_api: MountApi::Best,
    };
    let script = format!("setsid sleep {marker} & sleep {marker} & echo ready; wait");
    let spec = Spec {
        root,
        args: vec!["/bin/sh".into(), "-c".into(), script.into()],
        env: vec![],
        cwd: "/".into(),
        user: String::new(),
        hostname: "h".to_owned(),
        network: Network::None,
        hosts: vec![],
        resolv_conf: None,
        script: None,
        mounts: Vec::new(),
        filtered: true,
        groups: Vec::new(),
        capabilities: Capabilities::default(),
        insecure: false,
        resources: Vec::new(),
        shm_size: None,
    };
    let lock = fs::File::create(dir.join("lock")).unwrap();
    lock.lock().unwrap();
    let mut sink = |_, bytes: &[u8]| {
        std::io::stdout().write_all(bytes).unwrap();
        std::io::stdout().flush().unwrap();
    };
    let io = Io { output: Output::Piped(&mut sink), ..Io::default() };
    let _ = executor().run(&spec, io, &[lock.as_fd()], &CancelToken::new().unwrap());
}
