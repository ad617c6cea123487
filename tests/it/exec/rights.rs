//! What a command is, may and sees.

use std::fs;
use std::path::Path;
use std::process::Command;

use strata::exec::{ExecError, Network, Status, UserProblem};

use super::{Bench, field, run, try_run};

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

/// What Docker's documentation says a container has by default, with the numbers of linux/capability.h.
const DEFAULT_CAPABILITIES: [(&str, u32); 14] = [
    ("AUDIT_WRITE", 29),
    ("CHOWN", 0),
    ("DAC_OVERRIDE", 1),
    ("FOWNER", 3),
    ("FSETID", 4),
    ("KILL", 5),
    ("MKNOD", 27),
    ("NET_BIND_SERVICE", 10),
    ("NET_RAW", 13),
    ("SETFCAP", 31),
    ("SETGID", 6),
    ("SETPCAP", 8),
    ("SETUID", 7),
    ("SYS_CHROOT", 18),
];

#[test]
fn rights_are_dockers_default_ones() {
    const NONE: &str = "0000000000000000";
    let held = DEFAULT_CAPABILITIES.iter().fold(0_u64, |held, (_, number)| held | 1 << number);
    let default = format!("{held:016x}");
    let default = default.as_str();
    let bench = Bench::new();
    for (index, (user, held)) in [("", default), ("u", NONE)].into_iter().enumerate() {
        let mut spec = bench.spec(["/bin/cat", "/proc/self/status"]);
        spec.user = user.to_owned();
        spec.root.upper = Some(bench.fresh_upper(index));
        let status = run(&spec).stdout;
        let names =
            ["CapBnd", "CapPrm", "CapEff", "CapInh", "CapAmb", "Seccomp", "Seccomp_filters", "NoNewPrivs"];
        let found = names.map(|name| field(&status, name));
        assert_eq!(found, [default, held, held, NONE, NONE, "2", "1", "0"], "USER `{user}`");
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
