//! Limits of commands, and what they used: on the kernel's own control groups. Needs some that can be written to, of
//! version 1 or 2.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use rustix::process::Signal;

use crate::support::env::{Env, Output};
use crate::support::leftovers::{marker, wait_for_no_processes};
use crate::support::user::User;

/// Doubles a string until it has 128 MiB.
const HUNGRY: &str = "awk 'BEGIN { s = \"x\"; for (i = 0; i < 27; i++) s = s s; print length(s) }'";

fn sh(env: &Env, flags: &[&str], script: &str) -> Output {
    let mut args = vec!["run", "--rm"];
    args.extend(flags);
    args.extend(["busybox", "sh", "-c", script]);
    env.strata(args)
}

/// Shell commands that print a value of the group from inside, whichever version it has.
fn value(v2: &str, v1: &str) -> String {
    format!("cd /sys/fs/cgroup; if [ -e cgroup.procs ]; then cat {v2}; else cat {v1}; fi")
}

#[test]
fn limits_of_a_container_are_in_force_and_can_be_read_inside() {
    let env = Env::with_busybox();
    let flags = [
        "--memory=64m",
        "--memory-swap=64m",
        "--cpus=0.5",
        "--cpuset-cpus=0",
        "--pids-limit=9",
        "--ulimit=nofile=77:99",
        "--shm-size=3m",
    ];
    let script = [
        &value("memory.max", "memory/memory.limit_in_bytes"),
        &value("cpu.max", "cpu/cpu.cfs_quota_us cpu/cpu.cfs_period_us | xargs"),
        &value("cpuset.cpus", "cpuset/cpuset.cpus"),
        &value("pids.max", "pids/pids.max"),
        "ulimit -Sn; ulimit -Hn",
        "df -k /dev/shm | awk 'END { print $2 }'",
        "touch /sys/fs/cgroup/x 2>/dev/null || echo read-only",
    ];
    let shown = sh(&env, &flags, &script.join("\n")).success().stdout;
    let expected = "67108864\n50000 100000\n0\n9\n77\n99\n3072\nread-only\n";
    assert_eq!(shown, expected);
}

#[test]
fn what_has_no_limit_has_none_inside() {
    let env = Env::with_busybox();
    let shown = sh(
        &env,
        &[],
        "cat /proc/self/cgroup | grep -v ':/$' | wc -l; df -k /dev/shm | awk 'END { print $2 }'",
    );
    // A command sees its own group as the root.
    assert_eq!(shown.success().stdout, "0\n65536\n");
}

#[test]
fn a_container_that_wants_too_much_memory_is_killed_and_told_why() {
    let env = Env::with_busybox();
    let flags = ["--memory=32m", "--memory-swap=32m"];
    let killed = sh(&env, &flags, &format!("exec {HUNGRY}")).code(137);
    assert_eq!(killed.stderr, "warning: a process was killed at the memory limit of 32MiB (`--memory`)\n");
    assert_eq!(sh(&env, &[], HUNGRY).success().stdout, "134217728\n");
}

#[test]
fn a_step_that_wants_too_much_memory_fails_with_the_limit_it_met() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", &format!("FROM busybox\nRUN {HUNGRY}\n"));
    let context = context.to_str().unwrap();
    let failed = env.strata(["build", "--memory=32m", "--memory-swap=32m", context]).code(1);
    let says = "ran out of memory: a process was killed at the memory limit of 32MiB (`--memory`)";
    assert!(failed.stderr.contains(says), "{}", failed.stderr);
    assert!(failed.stderr.contains("help: give it more with `--memory`"), "{}", failed.stderr);
    let _ = env.strata(["build", "--memory=512m", context]).success();
}

#[test]
fn a_step_goes_on_without_a_process_that_was_killed_and_says_so() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", &format!("FROM busybox\nRUN {HUNGRY} || true\n"));
    let flags = ["build", "--progress=plain", "--memory=32m", "--memory-swap=32m", context.to_str().unwrap()];
    let built = env.strata(flags).success();
    assert!(built.stderr.contains(" a process was killed at the memory limit of 32MiB"), "{}", built.stderr);
}

#[test]
fn processes_beyond_the_limit_are_not_started() {
    let env = Env::with_busybox();
    let marker = marker("pids");
    let script = format!("for i in 1 2 3 4 5 6 7 8; do sleep {marker} & done");
    let ran = sh(&env, &["--pids-limit=6"], &script);
    assert!(ran.stderr.contains("can't fork"), "{}", ran.stderr);
    assert!(
        ran.stderr.ends_with("warning: processes could not be started at the limit of 6 (`--pids-limit`)\n")
    );
    let free = sh(&env, &[], &script).success();
    assert_eq!(free.stderr, "");
    wait_for_no_processes(&marker);
}

#[test]
fn what_a_step_used_is_told_and_written_down() {
    let env = Env::with_busybox();
    let context =
        env.dockerfile("context", &format!("FROM busybox\nRUN {HUNGRY} & {HUNGRY}; wait\nRUN true\n"));
    let (file, context) = (env.path("metadata.json"), context.to_str().unwrap());
    let metadata = format!("--metadata-file={}", file.display());
    let flags = ["build", "--progress=plain", &metadata, context];
    let built = env.strata(flags).success();
    let line = |text: &str| {
        let words: Vec<&str> = text.split_whitespace().collect();
        words.len() > 6 && words[1] == "used" && words[3..6] == ["of", "processor", "time,"]
    };
    assert_eq!(built.stderr.lines().filter(|text| line(text)).count(), 2, "{}", built.stderr);

    let metadata: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    let [hungry, other] = &metadata["strata.usage"].as_array().unwrap()[..] else { panic!("{metadata}") };
    assert!(hungry["step"].as_str().unwrap().starts_with("[2/3] RUN awk"), "{hungry}");
    assert!(hungry["cpuSeconds"].as_f64().unwrap() > other["cpuSeconds"].as_f64().unwrap(), "{metadata}");
    // Two processes of 128 MiB; each alone has at most what it needs to double its string.
    assert_eq!(hungry["peakMemoryOf"], "all processes");
    assert!(hungry["peakMemory"].as_u64().unwrap() > 128 << 20, "{hungry}");
    assert!(other["peakMemory"].as_u64().unwrap() < 64 << 20, "{other}");
    assert!(other["bytesWritten"].is_u64(), "{other}");

    // Nothing ran: nothing was used.
    let _ = env.strata(flags).success();
    let metadata: serde_json::Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    assert_eq!(metadata.get("strata.usage"), None);
}

/// Directories of this name in all mounted hierarchies.
fn groups(name: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut directories = vec![PathBuf::from("/sys/fs/cgroup")];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.file_name() == name {
                found.push(entry.path());
            }
            directories.push(entry.path());
        }
    }
    found
}

fn has_processes(group: &Path) -> bool {
    fs::read_dir(group)
        .unwrap()
        .flatten()
        .any(|entry| fs::read_to_string(entry.path().join("cgroup.procs")).is_ok_and(|pids| !pids.is_empty()))
}

#[test]
fn nothing_is_left_of_a_command_that_is_killed() {
    let env = Env::with_busybox();
    let (marker, parent) = (marker("killed"), format!("strata-killed-{}", std::process::id()));
    let flags = ["run", "--memory=64m", "--pids-limit=50"];
    let script = format!("echo ready >&2; sleep {marker}");
    let parent_flag = format!("--cgroup-parent=/{parent}");
    let args = flags.into_iter().chain([&*parent_flag, "busybox", "sh", "-c", &script]);
    let mut running = env.spawn(args);
    assert!(running.wait_for(|line| line == "ready"));
    let made = groups(&parent);
    assert!(!made.is_empty() && made.iter().all(|group| has_processes(group)), "{made:?}");
    running.signal(Signal::KILL);
    let _ = running.end();
    wait_for_no_processes(&marker);
    let _ = env.strata(["images"]).success();
    assert_eq!(groups(&parent), [] as [PathBuf; 0]);
}

#[test]
fn nothing_is_left_of_a_build() {
    let env = Env::with_busybox();
    let parent = format!("strata-built-{}", std::process::id());
    let text = "FROM busybox AS a\nRUN sleep 0.1; echo a >/a\nFROM busybox\nRUN sleep 0.1; echo b >/b\nCOPY --from=a /a /\n";
    let context = env.dockerfile("context", text);
    let parent_flag = format!("--cgroup-parent={parent}");
    let _ = env.strata(["build", &parent_flag, "--cpu-shares=512", context.to_str().unwrap()]).success();
    assert_eq!(groups(&parent), [] as [PathBuf; 0]);
}

#[test]
fn a_limit_that_the_machine_refuses_is_an_error() {
    let env = Env::with_busybox();
    let refused = sh(&env, &["--cpuset-cpus=0,8000"], "true").code(125);
    assert!(
        refused.stderr.starts_with("error: `--cpuset-cpus 0,8000` asks for 8000, and there are 0"),
        "{}",
        refused.stderr
    );
    let typo = sh(&env, &["--memory=12x"], "true").code(125);
    assert_eq!(typo.stderr, "error: `--memory 12x` is no size, as in `512m` or `1.5g`\n");
}

/// Groups of version 1, one in each hierarchy, that root made for a user.
struct Given(Vec<PathBuf>);

impl Given {
    fn make(name: &str, user: User) -> Self {
        let hierarchies = fs::read_dir("/sys/fs/cgroup").unwrap().map(|entry| entry.unwrap().path());
        let of_version_1 = |path: &PathBuf| path.join("tasks").exists();
        let made: Vec<PathBuf> = hierarchies.filter(of_version_1).map(|path| path.join(name)).collect();
        for group in &made {
            fs::create_dir(group).unwrap();
            let files = fs::read_dir(group).unwrap().map(|entry| entry.unwrap().path());
            for path in files.chain([group.clone()]) {
                chown(path, Some(user.uid), Some(user.gid)).unwrap();
            }
        }
        Self(made)
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        for group in &self.0 {
            let _ = fs::remove_dir(group);
        }
    }
}

#[test]
fn limits_of_a_user_need_groups_of_the_users() {
    let user = User::with_ranges();
    let env = Env::as_user(user);
    env.add_busybox();
    let refused = sh(&env, &["--network=none", "--memory=64m"], "true").code(125).stderr;
    assert!(refused.starts_with("error: cannot make a cgroup in `/sys/fs/cgroup"), "{refused}");
    assert!(refused.contains("which is not this user's\nhelp: "), "{refused}");

    let name = format!("strata-given-{}", std::process::id());
    let given = Given::make(&name, user);
    if given.0.is_empty() {
        // In version 2 only what already is in a user's group can be moved about by the user.
        return;
    }
    let parent = format!("--cgroup-parent=/{name}");
    let flags = ["--network=none", &parent, "--memory=64m", "--pids-limit=20"];
    let script = "cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/pids/pids.max";
    assert_eq!(sh(&env, &flags, script).success().stdout, "67108864\n20\n");
    let killed = sh(&env, &["--network=none", &parent, "--memory=64m"], HUNGRY).code(137).stderr;
    assert!(killed.contains("64MiB (`--memory`)"), "{killed}");
    for group in &given.0 {
        let left = fs::read_dir(group).unwrap().flatten().filter(|entry| entry.path().is_dir()).count();
        assert_eq!(left, 0, "{}", group.display());
    }
}

/// Where no groups can be made: `unshare` hides those that there are.
#[test]
fn without_groups_a_limit_is_an_error_and_accounting_is_silent() {
    let env = Env::with_busybox();
    let context = env.dockerfile("context", "FROM busybox\nRUN echo done\n");
    let hidden = |flags: &str| {
        let strata = format!("\"$STRATA\" --root \"$STRATA_STORE\" build --network=host {flags} .");
        format!(
            "unshare --mount --propagation private sh -c 'umount -R /sys/fs/cgroup && exec {strata}' >said 2>&1 || true"
        )
    };
    env.host(&context, &hidden("--progress=plain"));
    let said = || fs::read_to_string(context.join("said")).unwrap();
    assert!(said().contains(" of memory in the largest process, "), "{}", said());
    env.host(&context, &hidden("--no-cache --memory=64m"));
    assert!(
        said().contains("`--memory` needs the cgroup controller `memory`, which is not there"),
        "{}",
        said()
    );
    assert!(said().contains("help: "), "{}", said());
}
