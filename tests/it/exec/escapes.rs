//! Ways out of a sandbox, each of which must be closed: for commands of a build and of a container alike.

use std::fs;
use std::os::fd::AsFd as _;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::{SocketAddr, UnixListener};
use std::path::Path;
use std::process::Command;

use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
use strata::exec::{CancelToken, ExecError, Executor, Io, Output};

use super::{Bench, executor, run, try_run};
use crate::support::env::Env;

/// Compiles a C program of this directory.
fn compile(source: &str, options: &[&str], program: &Path) {
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/exec").join(source);
    let status = Command::new("cc").args(options).arg("-static").arg("-o").arg(program).arg(source).status();
    assert!(status.expect("cc; apt-get install gcc libc6-dev").success());
}

/// Calls that make, change or leave namespaces, mounts and roots, that see into other processes or speak to the
/// kernel's own parts; with the error that each must end with. An open call with these arguments would end otherwise.
fn calls() -> Vec<(String, i32)> {
    const PERM: i32 = libc::EPERM;
    let none = "0 0 0 0 0";
    let table: &[(&str, i64, &str, i32)] = &[
        ("mount", libc::SYS_mount, "\"none \"/tmp \"tmpfs 0 0", PERM),
        ("umount", libc::SYS_umount2, "\"/proc/sys 0", PERM),
        ("open_tree", libc::SYS_open_tree, "-100 \"/ 1", PERM),
        ("move_mount", libc::SYS_move_mount, "-100 \"/proc -100 \"/tmp 0", PERM),
        ("fsopen", libc::SYS_fsopen, "\"tmpfs 0", PERM),
        ("fsconfig", libc::SYS_fsconfig, "0 6 0 0 0", PERM),
        ("fsmount", libc::SYS_fsmount, "0 0 0", PERM),
        ("fspick", libc::SYS_fspick, "-100 \"/ 0", PERM),
        ("mount_setattr", libc::SYS_mount_setattr, "-100 \"/ 0 0 0", PERM),
        ("open_tree_attr", 467, "-100 \"/ 1 0 0", libc::ENOSYS),
        ("pivot_root", libc::SYS_pivot_root, "\"/ \"/tmp", PERM),
        ("setns", libc::SYS_setns, "0 0", PERM),
        ("unshare_user", libc::SYS_unshare, "0x10000000", PERM),
        ("unshare_mount", libc::SYS_unshare, "0x20000", PERM),
        ("unshare_pid", libc::SYS_unshare, "0x20000000", PERM),
        ("unshare_net", libc::SYS_unshare, "0x40000000", PERM),
        ("clone_user", libc::SYS_clone, "0x10000011", PERM),
        ("clone_mount", libc::SYS_clone, "0x20011", PERM),
        ("clone3", libc::SYS_clone3, "0 0", libc::ENOSYS),
        ("keyctl", libc::SYS_keyctl, "0 -3 0", PERM),
        ("add_key", libc::SYS_add_key, "\"user \"name \"text 4 -3", PERM),
        ("request_key", libc::SYS_request_key, "\"user \"name 0 0", PERM),
        ("io_uring_setup", libc::SYS_io_uring_setup, "1 0", PERM),
        ("io_uring_enter", libc::SYS_io_uring_enter, none, PERM),
        ("io_uring_register", libc::SYS_io_uring_register, none, PERM),
        ("bpf", libc::SYS_bpf, none, PERM),
        ("perf_event_open", libc::SYS_perf_event_open, "0 0 -1 -1 0", PERM),
        ("userfaultfd", libc::SYS_userfaultfd, "1", PERM),
        ("init_module", libc::SYS_init_module, "0 0 \"", PERM),
        ("finit_module", libc::SYS_finit_module, "0 \" 0", PERM),
        ("delete_module", libc::SYS_delete_module, "\"none 0", PERM),
        ("kexec_load", libc::SYS_kexec_load, none, PERM),
        ("kexec_file_load", libc::SYS_kexec_file_load, none, PERM),
        ("reboot", libc::SYS_reboot, none, PERM),
        ("swapon", libc::SYS_swapon, "\"/tmp 0", PERM),
        ("quotactl", libc::SYS_quotactl, none, PERM),
        ("acct", libc::SYS_acct, "\"/tmp/acct", PERM),
        ("syslog", libc::SYS_syslog, "3 0 0", PERM),
        ("settimeofday", libc::SYS_settimeofday, none, PERM),
        ("sethostname", libc::SYS_sethostname, "\"other 5", PERM),
        ("open_by_handle_at", libc::SYS_open_by_handle_at, "-100 0 0", PERM),
        ("fanotify_init", libc::SYS_fanotify_init, "0 0", PERM),
        ("kcmp", libc::SYS_kcmp, "1 1 0 0 0", PERM),
        ("pidfd_getfd", libc::SYS_pidfd_getfd, "0 0 0", PERM),
        ("move_pages", libc::SYS_move_pages, none, PERM),
        ("personality", libc::SYS_personality, "0x40000", PERM),
        ("socket_alg", libc::SYS_socket, "38 5 0", PERM),
        ("socket_vsock", libc::SYS_socket, "40 1 0", PERM),
        // Of a terminal that strata was started from.
        ("terminal_input", libc::SYS_ioctl, "0 0x5412 \"x", PERM),
        // The sandbox's own first process has all rights.
        ("ptrace_init", libc::SYS_ptrace, "16 1 0 0", PERM),
    ];
    let mut calls: Vec<(String, i32)> = table
        .iter()
        .map(|(name, number, arguments, errno)| (format!("{name} {number} {arguments}"), *errno))
        .collect();
    let host = std::process::id();
    for (name, number, rest) in [("signal", libc::SYS_kill, "0"), ("pidfd_open", libc::SYS_pidfd_open, "0")] {
        calls.push((format!("{name} {number} {host} {rest}"), libc::ESRCH));
    }
    calls.push((format!("ptrace_process {} 16 {host} 0 0", libc::SYS_ptrace), libc::ESRCH));
    calls
}

/// The calls as the program reads them, and what it is to print.
fn script(calls: &[(String, i32)]) -> (String, String) {
    let name = |line: &str| line.split(' ').next().unwrap().to_owned();
    let lines = calls.iter().map(|(line, _)| format!("{line}\n")).collect();
    (lines, calls.iter().map(|(line, errno)| format!("{} {errno}\n", name(line))).collect())
}

#[test]
fn calls_that_lead_out_are_refused() {
    let name = format!("strata-escape-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let _listener = UnixListener::bind_addr(&address).unwrap();
    let bench = Bench::new();
    let mut calls = calls();
    calls.push((format!("abstract_socket knock \"{name}"), libc::ECONNREFUSED));
    // Last, since it ends in another root.
    calls.push((format!("climb climb \"{}", bench.dir.path().display()), libc::ENOENT));
    let (lines, expected) = script(&calls);
    compile("escapes.c", &[], &bench.path("base/bin/calls"));
    fs::write(bench.path("base/lines"), lines).unwrap();
    assert_eq!(run(&bench.sh("calls </lines")).stdout, expected);
}

#[test]
fn a_container_is_refused_the_same_calls() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", "FROM busybox\nCOPY calls lines /\n");
    compile("escapes.c", &[], &context.join("calls"));
    let (lines, expected) = script(&calls());
    fs::write(context.join("lines"), lines).unwrap();
    let _ = env.strata(["build", "-q", "-t", "calls", context.to_str().unwrap()]).success();
    for network in ["none", "host", "default"] {
        let ran = env.strata(["run", "--rm", "--network", network, "calls", "sh", "-c", "/calls </lines"]);
        assert_eq!(ran.success().stdout, expected, "{network}");
    }
}

#[test]
fn settings_of_the_kernel_cannot_be_written() {
    let settings = [
        "/proc/irq/default_smp_affinity",
        "/proc/sys/fs/binfmt_misc/register",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/kernel/modprobe",
        "/proc/sys/kernel/hostname",
        "/proc/sys/net/ipv4/ip_forward",
        "/proc/sys/vm/drop_caches",
        "/proc/sysrq-trigger",
        "/sys/kernel/mm/transparent_hugepage/enabled",
        "/sys/kernel/uevent_helper",
        "/sys/module/printk/parameters/time",
        "/sys/power/state",
    ];
    let writable = |path: &&str| fs::OpenOptions::new().append(true).open(path).is_ok();
    let here: Vec<&str> = settings.into_iter().filter(writable).collect();
    assert!(here.contains(&"/proc/sys/kernel/core_pattern") && here.len() >= 4, "{here:?}");
    let bench = Bench::new();
    // The tables of control groups are looked for: `release_agent` is one.
    let script = "for f in \"$@\" $(find /sys/fs/cgroup -type f); do (: >>$f) 2>/dev/null && echo $f; done; \
                  (: >>/dev/null) && echo end";
    let args = ["/bin/sh", "-c", script, "sh"].into_iter().chain(here);
    assert_eq!(run(&bench.spec(args)).stdout, "end\n");
}

#[test]
fn neither_memory_nor_processes_of_the_machine_are_seen() {
    let pid = std::process::id();
    let bench = Bench::new();
    let ran = run(&bench.sh(&format!(
        "head -c 1 /proc/kcore | wc -c; ls /proc | grep -c '^[0-9]'; ls -d /proc/{pid}; cat /proc/1/environ; \
         for f in exe cwd root fd/0 ns/mnt; do readlink /proc/1/$f; done"
    )));
    // Init, the shell, and the two of the pipe.
    assert_eq!(ran.stdout, "0\n4\n", "{}", ran.stderr);
}

#[test]
fn devices_can_be_made_and_not_opened() {
    // Block and character devices that Docker's rules forbid: the first loop device, kernel memory, its messages,
    // the control of loop devices, `/dev/fuse`.
    let devices = [("b", 7, 0), ("c", 1, 1), ("c", 1, 11), ("c", 10, 237), ("c", 10, 229)];
    let bench = Bench::new();
    let open = |(kind, major, minor): &(&str, u32, u32)| {
        let path = bench.path(&format!("host-{kind}-{major}-{minor}"));
        let file_type = if *kind == "b" { FileType::BlockDevice } else { FileType::CharacterDevice };
        mknodat(CWD, &path, file_type, Mode::RUSR, makedev(*major, *minor)).unwrap();
        fs::File::open(&path).is_ok()
    };
    let open: Vec<_> = devices.iter().filter(|device| open(device)).collect();
    assert!(!open.is_empty(), "this machine can open none of {devices:?}");
    let mode = Mode::from_raw_mode(0o666);
    let (_, major, minor) = devices[3];
    let of_image = bench.path("base/of-image");
    mknodat(CWD, &of_image, FileType::CharacterDevice, mode, makedev(major, minor)).unwrap();
    let mut script =
        "try() { test -e $1 || echo no $1; (: <$1) 2>/dev/null && echo $1; }; try /of-image\n".to_owned();
    for (kind, major, minor) in open {
        for place in ["", "/dev", "/tmp"] {
            let path = format!("{place}/{kind}-{major}-{minor}");
            script += &format!("mknod {path} {kind} {major} {minor}; try {path}\n");
        }
    }
    let ran = run(&bench.sh(&(script + "try /dev/null; try /dev/ptmx")));
    assert_eq!((ran.stdout.as_str(), ran.stderr.as_str()), ("/dev/null\n/dev/ptmx\n", ""));
}

#[test]
fn the_program_that_runs_sandboxes_cannot_be_overwritten() {
    let bench = Bench::new();
    // It is executed as the command, with an interpreter of the image's, and so is an open file there.
    let interpreter = match std::env::consts::ARCH {
        "x86_64" => "lib64/ld-linux-x86-64.so.2",
        "aarch64" => "lib/ld-linux-aarch64.so.1",
        other => panic!("which interpreter do programs of {other} name?"),
    };
    let options = ["-nostdlib", "-ffreestanding", "-fno-stack-protector", "-no-pie", "-O1"];
    compile("interpreter.c", &options, &bench.path("base").join(interpreter));
    let attack =
        "stat -L -c %s /proc/self/fd/3\n(echo x >/proc/self/fd/3) 2>&1\n(echo x >>/proc/self/fd/3) 2>&1\n";
    fs::write(bench.path("base/attack"), attack).unwrap();
    let stage = bench.path("strata");
    fs::copy(executor().stage, &stage).unwrap();
    let before = fs::read(&stage).unwrap();

    let mut stdout = Vec::new();
    let mut sink = |_, bytes: &[u8]| stdout.extend_from_slice(bytes);
    let io = Io { output: Output::Piped(&mut sink), ..Io::default() };
    let executor = Executor { stage: stage.clone() };
    let spec = bench.spec(["/proc/self/exe"]);
    executor.run(&spec, io, &[], &CancelToken::new().unwrap()).unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    let lines: Vec<&str> = stdout.lines().collect();
    assert_eq!(lines[0], before.len().to_string(), "the open file should be the program");
    // Not because it runs just now.
    assert!(lines[1].ends_with("Read-only file system"), "{stdout}");
    assert!(fs::read(&stage).unwrap() == before, "{stdout}");
}

#[test]
fn what_strata_has_open_is_no_way_out() {
    let bench = Bench::new();
    let host = bench.dir("host");
    fs::copy("/bin/busybox", host.join("true")).unwrap();
    fs::write(host.join("passwd"), "outsider:x:7:7::/:\n").unwrap();
    let kept = fs::File::open(&host).unwrap();
    let try_with =
        |spec: &_| executor().run(spec, Io::default(), &[kept.as_fd()], &CancelToken::new().unwrap());
    for number in 0..24 {
        let way = format!("/proc/self/fd/{number}");
        let mut spec = bench.spec(["/bin/true"]);
        let _ = fs::remove_file(bench.path("base/way"));
        symlink(&way, bench.path("base/way")).unwrap();
        for (index, cwd) in [way.as_str(), "/way", "/way/made"].into_iter().enumerate() {
            spec.cwd = cwd.into();
            spec.root.upper = Some(bench.fresh_upper(number * 8 + index));
            let ended = try_with(&spec);
            assert!(matches!(ended, Err(ExecError::Setup { .. })), "WORKDIR {cwd} by {way}: {ended:?}");
        }
        let mut spec = bench.spec([format!("{way}/true")]);
        spec.root.upper = Some(bench.fresh_upper(number * 8 + 6));
        let ended = try_with(&spec);
        assert!(matches!(ended, Err(ExecError::Command { .. })), "RUN {way}/true: {ended:?}");

        let passwd = bench.path("base/etc/passwd");
        fs::remove_file(&passwd).unwrap();
        symlink(format!("{way}/passwd"), &passwd).unwrap();
        let mut spec = bench.spec(["/bin/true"]);
        spec.user = "outsider".to_owned();
        spec.root.upper = Some(bench.fresh_upper(number * 8 + 7));
        let ended = try_run(&spec);
        assert!(matches!(ended, Err(ExecError::User { .. })), "/etc/passwd at {way}: {ended:?}");
    }
    assert!(!host.join("made").exists());
}

#[test]
fn other_users_do_not_reach_the_programs_of_images() {
    let env = Env::with_busybox();
    assert_eq!(fs::metadata(env.root()).unwrap().mode() & 0o077, 0, "layers hold set-user-ID programs");
}

#[test]
fn files_of_the_machine_are_not_reached_by_links_of_images() {
    let env = Env::with_busybox();
    let victim = env.context("victim");
    let victim = victim.to_str().unwrap();
    fs::write(Path::new(victim).join("secret"), "secret").unwrap();
    let context = env.context("context");
    fs::write(context.join("file"), "file").unwrap();
    symlink(victim, context.join("absolute")).unwrap();
    let up = "../".repeat(32);
    symlink(format!("{up}{victim}"), context.join("relative")).unwrap();
    let out = env.path("out");
    let export = |name: &str, text: &str| {
        fs::write(context.join("Dockerfile"), text).unwrap();
        let output = format!("type=local,dest={}", out.display());
        println!("{name}");
        env.strata(["build", "-o", &output, context.to_str().unwrap()])
    };
    // Sources: what the links lead to is not in the context, whatever they say.
    for source in ["absolute/secret", "relative/secret", &format!("{up}{victim}/secret"), "absolute"] {
        for instruction in ["COPY", "ADD"] {
            let text = format!("FROM scratch\n{instruction} {source} /copied\n");
            let built = export(source, &text);
            assert_ne!(built.status.code(), Some(0), "{text}{}", built.stderr);
        }
    }
    // Destinations: the links are the image's, made in one layer and passed through in the next.
    let links =
        format!("ln -s {victim} /absolute; ln -s {up}{victim} /relative; ln -s /proc/1/root/{victim} /magic");
    for link in ["absolute", "relative", "magic"] {
        let text = format!("FROM busybox AS b\nRUN {links}; mkdir -p {victim}\nCOPY file /{link}/file\n");
        let _ = export(link, &text);
    }
    // Of two exports into one directory, the first leaves the link and the second has a directory there.
    let first =
        format!("FROM busybox AS b\nRUN mkdir /o; ln -s {victim} /o/way\nFROM scratch\nCOPY --from=b /o /\n");
    let _ = export("first", &first).success();
    let second = "FROM scratch\nCOPY file /way/file\n";
    let _ = export("second", second).success();
    assert_eq!(fs::read_to_string(out.join("way/file")).unwrap(), "file");
    let left: Vec<_> = fs::read_dir(victim).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["secret"]);
}
