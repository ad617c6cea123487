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

/// The text after `name:` in a `/proc/self/status`.
fn field<'a>(status: &'a str, name: &str) -> &'a str {
    let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("no `{name}` in\n{status}")).trim()
}

/// Processes of the machine whose arguments hold `marker`.
fn processes(marker: &str) -> Vec<i32> {
    let pids =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let args = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        args.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
    .collect()
}

/// A number of seconds that no other test sleeps, so that its processes can be told from others.
fn marker(test: &str) -> String {
    let distinct = test.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{}.{distinct}", 100_000 + std::process::id())
}

/// Something mounted for one test.
struct Mounted(PathBuf);

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
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
fn users_and_groups_are_those_of_the_root() {
    let bench = Bench::new();
    let cases = [
        ("", "0 0", "0", "/root"),
        ("u", "1000 1001", "1001 50", "/home/u"),
        ("u:extra", "1000 50", "50", "/home/u"),
        ("1042:1043", "1042 1043", "1043", "/"),
    ];
    let script = "echo $(id -u) $(id -g); grep ^Groups: /proc/self/status; echo $HOME";
    for (index, (user, ids, groups, home)) in cases.into_iter().enumerate() {
        let mut spec = bench.sh(script);
        spec.user = user.to_owned();
        spec.root.upper = Some(bench.fresh_upper(index));
        let stdout = run(&spec).stdout;
        let lines: Vec<&str> = stdout.lines().collect();
        let mut found: Vec<&str> = lines[1].split_whitespace().skip(1).collect();
        let mut wanted: Vec<&str> = groups.split_whitespace().collect();
        // The kernel sorts them.
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!((lines[0], found, lines[2]), (ids, wanted, home), "USER {user}");
    }
}

#[test]
fn home_of_the_environment_wins() {
    let bench = Bench::new();
    let mut spec = bench.sh("echo $HOME");
    spec.env.push(("HOME".into(), "/elsewhere".into()));
    assert_eq!(run(&spec).stdout, "/elsewhere\n");
}

#[test]
fn unknown_users_and_groups_are_errors() {
    let bench = Bench::new();
    for (user, problem) in [
        ("nobody-here", UserProblem::NoUser("nobody-here".into())),
        ("u:no-group", UserProblem::NoGroup("no-group".into())),
    ] {
        let mut spec = bench.sh("true");
        spec.user = user.to_owned();
        spec.root.upper = Some(bench.fresh_upper(user.len()));
        match try_run(&spec) {
            Err(ExecError::User { reason, .. }) => assert_eq!(reason, problem),
            other => panic!("{user}: {other:?}"),
        }
    }
}

#[test]
fn rights_are_dockers_default_ones() {
    const DEFAULT: &str = "00000000a80425fb";
    const NONE: &str = "0000000000000000";
    let bench = Bench::new();
    for (index, (user, held)) in [("", DEFAULT), ("u", NONE)].into_iter().enumerate() {
        let mut spec = bench.spec(["/bin/cat", "/proc/self/status"]);
        spec.user = user.to_owned();
        spec.root.upper = Some(bench.fresh_upper(index));
        let status = run(&spec).stdout;
        let names =
            ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb", "Seccomp", "Seccomp_filters", "NoNewPrivs"];
        let found = names.map(|name| field(&status, name));
        assert_eq!(found, [DEFAULT, held, held, NONE, NONE, "2", "1", "0"], "USER `{user}`");
    }
}

#[test]
fn a_process_finds_the_signals_and_descriptors_of_a_fresh_program() {
    let bench = Bench::new();
    // As a shell's redirection would leave it to the engine: open over exec.
    let leaked = fs::File::open(bench.dir.path()).unwrap();
    rustix::io::fcntl_setfd(&leaked, rustix::io::FdFlags::empty()).unwrap();
    let ran = run(&bench.sh("cat /proc/self/status; ls /proc/self/fd; umask"));
    for name in ["SigBlk", "SigIgn"] {
        assert_eq!(field(&ran.stdout, name), "0000000000000000", "{name}");
    }
    assert!(ran.stdout.ends_with("\n0\n1\n2\n3\n0022\n"), "3 is the directory that ls reads: {}", ran.stdout);
}

#[test]
fn what_needs_more_rights_is_refused() {
    let bench = Bench::new();
    let cases = [
        "mount -t tmpfs none /tmp",
        "unshare -m true",
        "unshare -U true",
        "umount /proc/sys",
        "echo 1 > /proc/sys/kernel/printk",
        "echo b > /proc/sysrq-trigger",
        "mkdir /sys/kernel/mine",
        "hostname other",
        "echo 1 > /sys/module/printk/parameters/time",
    ];
    for (index, script) in cases.into_iter().enumerate() {
        let mut spec = bench.sh(script);
        spec.root.upper = Some(bench.fresh_upper(index));
        assert_ne!(run(&spec).code(), 0, "{script}");
    }
}

#[test]
fn seccomp_answers_as_dockers_profile_does() {
    let bench = Bench::new();
    // Calls by number, also through the 32-bit gate, printed as `name errno`.
    let source = r#"
        #define _GNU_SOURCE
        #include <errno.h>
        #include <stdio.h>
        #include <sys/syscall.h>
        #include <unistd.h>
        static void by_number(const char *name, long number, long a) {
            errno = 0;
            long result = syscall(number, a, 0, 0, 0, 0);
            printf("%s %d\n", name, result == -1 ? errno : 0);
        }
        int main(void) {
            by_number("mount", SYS_mount, 0);
            by_number("clone3", 435, 0);
            by_number("clone_newuser", SYS_clone, 0x10000000);
            by_number("socket_alg", SYS_socket, 38);
            by_number("mseal", 462, 4096);
            by_number("open_tree_attr", 467, 0);
            by_number("beyond", 900, 0);
        #ifdef __x86_64__
            long result;
            __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory", "r8", "r9", "r10", "r11");
            printf("getpid32 %d\n", result > 0 ? 0 : 1);
            __asm__ volatile("int $0x80" : "=a"(result) : "a"(21L), "b"(0L), "c"(0L), "d"(0L), "S"(0L), "D"(0L)
                             : "memory", "r8", "r9", "r10", "r11");
            printf("mount32 %ld\n", -result);
        #endif
            return 0;
        }"#;
    let (file, program) = (bench.path("calls.c"), bench.path("base/bin/calls"));
    fs::write(&file, source).unwrap();
    let compiled = Command::new("cc").arg("-static").arg("-o").arg(&program).arg(&file).status();
    assert!(compiled.expect("cc; apt-get install gcc libc6-dev").success());
    let ran = run(&bench.spec(["/bin/calls"]));
    let (perm, nosys) = (libc::EPERM, libc::ENOSYS);
    let mut expected = format!(
        "mount {perm}\nclone3 {nosys}\nclone_newuser {perm}\nsocket_alg {perm}\nmseal 0\nopen_tree_attr {nosys}\n\
         beyond {nosys}\n"
    );
    if cfg!(target_arch = "x86_64") {
        expected.push_str("getpid32 0\n");
        expected.push_str(&["mount32 ", &perm.to_string(), "\n"].concat());
    }
    assert_eq!((ran.outcome.status, ran.stdout), (Status::Exit(0), expected));
}

#[test]
fn nothing_is_left_in_the_upper() {
    let bench = Bench::new();
    let ran = run(
        &bench.sh("echo more >> /etc/hosts; echo more >> /etc/resolv.conf; cat /etc/hosts; ls /dev /sys")
    );
    assert!(ran.stdout.starts_with("127.0.0.1 localhost\nmore\n"), "{}", ran.stdout);
    assert_eq!(ran.outcome.stubs, Vec::<PathBuf>::new());
    assert_eq!(bench.changes(), Vec::<String>::new());
}

#[test]
fn what_the_command_writes_is_in_the_upper() {
    let bench = Bench::new();
    let ran = run(&bench.sh("mkdir /made; echo text > /made/file; rm /etc/group"));
    assert_eq!(ran.code(), 0, "{}", ran.stderr);
    assert_eq!(bench.changes(), ["etc", "etc/group", "made", "made/file"]);
    let whiteout = fs::symlink_metadata(bench.path("upper/etc/group")).unwrap();
    assert_eq!(whiteout.rdev(), 0);
    assert_eq!(fs::metadata(bench.path("upper/made")).unwrap().permissions().mode() & 0o7777, 0o755);
}

#[test]
fn a_resolv_conf_that_is_a_link_is_covered_and_not_followed() {
    for target in ["../run/systemd/resolve/stub-resolv.conf", "/etc/passwd", "../../../../../../etc/hostname"]
    {
        let bench = Bench::new();
        symlink(target, bench.path("base/etc/resolv.conf")).unwrap();
        let ran = run(&bench.sh("cat /etc/resolv.conf; echo x > /etc/resolv.conf; cat /etc/passwd | wc -l"));
        assert_eq!(ran.stdout, "nameserver 192.0.2.1\n2\n", "{target}: {}", ran.stderr);
        assert_eq!(bench.changes(), Vec::<String>::new(), "{target}");
    }
}

#[test]
fn mount_points_that_are_missing_come_from_the_skeleton() {
    let bench = Bench::new();
    fs::remove_dir_all(bench.path("base/etc")).unwrap();
    let ran = run(&bench.sh("cat /etc/hosts /etc/resolv.conf; ls / | tr '\\n' ' '"));
    assert_eq!(ran.stdout, "127.0.0.1 localhost\nnameserver 192.0.2.1\nbin dev etc home proc root sys tmp ");
    assert_eq!((ran.outcome.stubs, bench.changes()), (vec![], vec![]));
}

#[test]
fn mount_points_that_were_removed_are_made_and_reported() {
    let bench = Bench::new();
    let whiteout = bench.dir("removed").join("etc");
    let mode = rustix::fs::Mode::empty();
    rustix::fs::mknodat(rustix::fs::CWD, &whiteout, rustix::fs::FileType::CharacterDevice, mode, 0).unwrap();
    let mut spec = bench.sh("cat /etc/hosts");
    spec.root.lowers.insert(0, bench.path("removed"));
    let ran = run(&spec);
    assert_eq!(ran.stdout, "127.0.0.1 localhost\n");
    assert_eq!(ran.outcome.stubs, ["/etc", "/etc/hosts", "/etc/resolv.conf"].map(PathBuf::from));
    assert_eq!(bench.changes(), ["etc", "etc/hosts", "etc/resolv.conf"]);
}

#[test]
fn a_linked_etc_is_resolved_inside_the_root() {
    let bench = Bench::new();
    fs::create_dir(bench.path("base/usr")).unwrap();
    fs::rename(bench.path("base/etc"), bench.path("base/usr/etc")).unwrap();
    symlink("/usr/etc", bench.path("base/etc")).unwrap();
    let ran = run(&bench.sh("cat /etc/hosts; id -un"));
    assert_eq!(ran.stdout, "127.0.0.1 localhost\nroot\n", "{}", ran.stderr);
    assert_eq!(ran.outcome.stubs, ["/usr/etc/hosts", "/usr/etc/resolv.conf"].map(PathBuf::from));
}

#[test]
fn every_namespace_is_its_own() {
    let bench = Bench::new();
    let names = ["mnt", "pid", "ipc", "uts", "cgroup", "net"];
    let script = "for n in mnt pid ipc uts cgroup net; do readlink /proc/self/ns/$n; done; hostname; echo $$";
    for (index, network) in [Network::None, Network::Host].into_iter().enumerate() {
        let mut spec = bench.sh(script);
        spec.network = network;
        spec.root.upper = Some(bench.fresh_upper(index));
        let stdout = run(&spec).stdout;
        let lines: Vec<&str> = stdout.lines().collect();
        for (name, inside) in names.iter().zip(&lines) {
            let outside = fs::read_link(format!("/proc/self/ns/{name}")).unwrap();
            let shared = *name == "net" && network == Network::Host;
            assert_eq!(Path::new(inside) == outside, shared, "{name}, {network:?}");
        }
        assert_eq!(lines[names.len()..], ["buildkitsandbox", "2"]);
    }
}

#[test]
fn without_a_network_there_is_only_a_loopback_that_is_up() {
    let ran =
        run(&Bench::new().sh("ls /sys/class/net; cat /sys/class/net/lo/flags; ping -c 1 -W 5 127.0.0.1"));
    assert!(ran.stdout.starts_with("lo\n0x9\n"), "{}", ran.stdout);
    assert_eq!(ran.code(), 0, "{}", ran.stdout);
}

#[test]
fn what_tells_of_the_machine_is_masked() {
    // Of Docker's list, what this kernel has; two that every kernel has must be among it.
    let masked = [
        "/proc/acpi",
        "/proc/asound",
        "/proc/interrupts",
        "/proc/kcore",
        "/proc/keys",
        "/proc/latency_stats",
        "/proc/sched_debug",
        "/proc/scsi",
        "/proc/timer_list",
        "/sys/devices/virtual/powercap",
        "/sys/firmware",
    ];
    let here: Vec<&str> = masked.into_iter().filter(|path| Path::new(path).exists()).collect();
    assert!(here.contains(&"/proc/interrupts") && here.contains(&"/sys/firmware"), "{here:?}");
    let script = "for p; do test -e $p && echo $p; if test -d $p; then ls -A $p; else cat $p; fi; done";
    let bench = Bench::new();
    let args = ["/bin/sh", "-c", script, "sh"].into_iter().chain(here.iter().copied());
    let ran = run(&bench.spec(args));
    assert_eq!(ran.stdout.lines().collect::<Vec<_>>(), here, "{}", ran.stderr);
}

#[test]
fn dev_holds_the_usual_nodes() {
    let bench = Bench::new();
    let ran = run(&bench.sh(
        "echo $(ls /dev); echo x > /dev/null; head -c 3 /dev/zero | wc -c; head -c 5 /dev/urandom | wc -c; \
         test -c /dev/ptmx; echo $?; touch /dev/shm/x && stat -c %a /dev/shm; cat <&0 /dev/fd/0 | wc -c",
    ));
    let names = "core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero";
    assert_eq!(ran.stdout, format!("{names}\n3\n5\n0\n1777\n0\n"), "{}", ran.stderr);
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
fn specs_that_no_kernel_can_run_are_refused() {
    let bench = Bench::new();
    let spec = || bench.spec(["/bin/true"]);
    let many = Root { lowers: vec![bench.path("base"); 500], ..spec().root };
    let cases = [
        (Spec { args: vec![], ..spec() }, SpecProblem::NoCommand),
        (Spec { args: vec!["a\0b".into()], ..spec() }, SpecProblem::Nul { place: "an argument" }),
        (Spec { cwd: "x".into(), ..spec() }, SpecProblem::RelativeCwd("x".into())),
        (Spec { root: many, ..spec() }, SpecProblem::TooManyLowers { count: 500 }),
    ];
    for (spec, problem) in cases {
        match try_run(&spec) {
            Err(ExecError::Spec(found)) => assert_eq!(found, problem),
            other => panic!("{problem:?}: {other:?}"),
        }
    }
}

#[test]
fn both_mount_interfaces_stack_as_many_layers_as_overlayfs_takes() {
    let bench = Bench::new();
    for count in [1, 130, 499] {
        let layers: Vec<PathBuf> = (1..count).map(|index| bench.dir(&format!("layer-{index}"))).collect();
        for (index, layer) in layers.iter().enumerate() {
            fs::write(layer.join(format!("own-{index}")), "").unwrap();
            fs::write(layer.join("common"), index.to_string()).unwrap();
        }
        for api in [MountApi::Best, MountApi::Classic] {
            let mut spec =
                bench.sh("ls / | grep -c own; cat /common 2>/dev/null; echo > /written; rm -r /home");
            spec.root.lowers = layers.iter().cloned().chain([bench.path("base")]).collect();
            spec.root.mount_api = api;
            let upper = bench.fresh_upper(count * 2 + usize::from(api == MountApi::Classic));
            spec.root.upper = Some(upper.clone());
            let top = if count > 1 { "0" } else { "" };
            assert_eq!(run(&spec).stdout, format!("{}\n{top}", count - 1), "{count} layers, {api:?}");
            assert!(upper.dir.join("written").is_file());
            assert_eq!(fs::symlink_metadata(upper.dir.join("home")).unwrap().rdev(), 0);
        }
    }
}

#[test]
fn without_an_upper_the_root_is_read_only() {
    let bench = Bench::new();
    for api in [MountApi::Best, MountApi::Classic] {
        let mut spec = bench.sh("touch /x 2>&1; cat /etc/hosts; touch /dev/shm/x && echo fine");
        spec.root.upper = None;
        spec.root.mount_api = api;
        assert_eq!(
            run(&spec).stdout,
            "touch: /x: Read-only file system\n127.0.0.1 localhost\nfine\n",
            "{api:?}"
        );
    }
    // The skeleton alone: overlayfs refuses a single lower, a bind mount takes its place.
    let mut spec = bench.spec(["/bin/true"]);
    spec.root = Root { upper: None, lowers: vec![], ..spec.root };
    assert!(matches!(try_run(&spec), Err(ExecError::Command { errno: libc::ENOENT, .. })));
}

#[test]
fn an_upper_that_overlayfs_refuses_is_an_error_with_a_remedy() {
    let bench = Bench::new();
    let merged = bench.dir("merged");
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        bench.path("base").display(),
        bench.path("upper").display(),
        bench.path("work").display()
    );
    let mounted =
        Command::new("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(&merged).status();
    assert!(mounted.unwrap().success());
    let _unmounted = Mounted(merged.clone());
    for (index, api) in [MountApi::Best, MountApi::Classic].into_iter().enumerate() {
        let mut spec = bench.sh("true");
        let (dir, work) = (merged.join(format!("u{index}")), merged.join(format!("w{index}")));
        fs::create_dir(&dir).unwrap();
        fs::create_dir(&work).unwrap();
        spec.root.upper = Some(Upper { dir: dir.clone(), work });
        spec.root.mount_api = api;
        match try_run(&spec) {
            Err(error @ ExecError::Upper { .. }) => {
                let text = error.to_string();
                assert!(
                    text.contains(dir.to_str().unwrap()) && text.contains("use a store on ext4"),
                    "{text}"
                );
            }
            other => panic!("{api:?}: {other:?}"),
        }
    }
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
    assert!(!(ran.outcome.usage.user + ran.outcome.usage.system).is_zero());
    assert!(ran.outcome.usage.max_rss > 100_000, "{:?}", ran.outcome.usage);
}

#[test]
fn a_killed_engine_leaves_neither_processes_nor_locks() {
    let bench = Bench::new();
    let marker = marker("engine");
    let mut engine = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "exec::the_engine_that_is_killed"])
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
    // Two sleeps and a shell, and above them init and the stage.
    let mut pids = processes(&marker);
    pids.retain(|&pid| pid != engine.id() as i32);
    let parent = |pid: &i32| -> i32 {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        field(&status, "PPid").parse().unwrap()
    };
    let mut above = pids.clone();
    while let Some(pid) = above.pop() {
        let parent = parent(&pid);
        if parent != engine.id() as i32 && parent > 1 && !pids.contains(&parent) {
            pids.push(parent);
            above.push(parent);
        }
    }
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
