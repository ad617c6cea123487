//! Signals that end commands which hold nothing but files; `bad_input` has those that end builds, `cli` those for
//! containers.

use std::fs;
use std::io::Write as _;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};

use rustix::process::Signal;

use crate::support::env::Env;
use crate::support::leftovers::assert_clean;
use crate::support::running::Running;

/// A tar's header that announces a file of almost 8 GiB.
fn endless_tar() -> Vec<u8> {
    let mut header = vec![0; 512];
    for (at, field) in [
        (0, &b"zeros"[..]),
        (100, b"0000644\0"),
        (108, b"0000000\0"),
        (116, b"0000000\0"),
        (124, b"77777777777\0"),
        (136, b"00000000000\0"),
        (148, b"        "),
        (156, b"0"),
        (257, b"ustar\x0000"),
    ] {
        header[at..at + field.len()].copy_from_slice(field);
    }
    let sum: u32 = header.iter().map(|&byte| u32::from(byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

#[test]
fn an_import_ends_with_the_signals_code_and_leaves_nothing() {
    let env = Env::new();
    let pipe = env.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143), (Signal::HUP, 129)] {
        let import = env.spawn(["import", pipe.to_str().unwrap(), "image"]);
        // The other end is opened when signals are already caught.
        let mut tar = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
        tar.write_all(&endless_tar()).unwrap();
        import.signal(signal);
        while tar.write_all(&[0; 4096]).is_ok() {}
        let (status, _, stderr) = import.end();
        assert_eq!((status.code(), stderr.as_str()), (Some(code), "error: interrupted\n"));
        assert_eq!(env.strata(["images", "-q"]).success().stdout, "");
        assert_clean(&env.root(), "no command of this test is left");
    }
}

#[test]
fn a_signal_that_was_ignored_at_the_start_stays_ignored() {
    let env = Env::new();
    let pipe = env.path("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let script = "trap '' HUP; exec \"$0\" \"$@\"";
    let mut import = Command::new("sh");
    import.args(["-c", script, env!("CARGO_BIN_EXE_strata"), "--root"]).arg(env.root());
    import.arg("import").arg(&pipe);
    let import = Running::start(import, Stdio::null());
    let mut tar = fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    tar.write_all(&endless_tar()).unwrap();
    import.signal(Signal::HUP);
    import.signal(Signal::TERM);
    while tar.write_all(&[0; 4096]).is_ok() {}
    assert_eq!(import.end().0.code(), Some(143));
}

/// A Dockerfile whose words take minutes to expand, so that nobody waits for it.
#[test]
fn a_plan_that_takes_its_time_ends_at_once() {
    let env = Env::new();
    let pipe = env.path("context/Dockerfile");
    fs::create_dir_all(pipe.parent().unwrap()).unwrap();
    let word = "a".repeat(60_000);
    let text =
        format!("FROM scratch\nARG A={word}\nENV B=$A$A$A$A$A$A$A$A$A$A$A$A\nENV C=${{B//a*a*a*a*a*a*b/}}\n");
    for arguments in [&["build"][..], &["build", "--check"], &["build", "--call=outline"]] {
        assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let build = env.spawn(arguments.iter().copied().chain([pipe.parent().unwrap().to_str().unwrap()]));
        // The other end is opened when signals are already caught.
        fs::write(&pipe, &text).unwrap();
        build.signal(Signal::INT);
        let (status, stdout, _) = build.end();
        let ended = status.signal() == Some(Signal::INT.as_raw()) || status.code() == Some(130);
        assert!(ended, "{arguments:?}: {status}");
        assert_eq!(stdout, "", "{arguments:?}");
        fs::remove_file(&pipe).unwrap();
    }
}
