//! What a build must not leave: processes, mounts, work directories, networks.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

/// Processes of the machine whose arguments hold `marker`.
pub(crate) fn processes(marker: &str) -> Vec<i32> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid| {
        let args = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        args.windows(marker.len()).any(|window| window == marker.as_bytes())
    })
    .collect()
}

/// A number of seconds that no other test sleeps, so that its processes can be told from others.
pub(crate) fn marker(test: &str) -> String {
    let distinct = test.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    format!("{}.{distinct}", 100_000 + std::process::id())
}

/// Waits until the processes with `marker` are gone: the kernel kills a namespace's processes after its first one.
pub(crate) fn wait_for_no_processes(marker: &str) {
    let start = Instant::now();
    loop {
        let left = processes(marker);
        if left.is_empty() {
            return;
        }
        assert!(start.elapsed() < Duration::from_secs(10), "the processes {left:?} are left");
        thread::yield_now();
    }
}

/// Mount points of this process's namespace below `dir`.
pub(crate) fn mounts(dir: &Path) -> Vec<String> {
    let dir = dir.to_str().unwrap();
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    table.lines().filter(|line| line.contains(dir)).map(str::to_owned).collect()
}

/// The names in the store's `work` and `locks` directories, but for the lock of `work` itself.
pub(crate) fn in_progress(store: &Path) -> Vec<String> {
    let names = |folder: &str| {
        let entries = fs::read_dir(store.join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    let mut found = names("work");
    found.extend(names("locks"));
    found.retain(|name| name != ".lock");
    found
}

/// Sees that nothing of a build is left: no process with `marker`, no mount, nothing in progress.
pub(crate) fn assert_clean(store: &Path, marker: &str) {
    wait_for_no_processes(marker);
    assert_eq!(mounts(store), Vec::<String>::new());
    assert_eq!(in_progress(store), Vec::<String>::new());
}

/// Where the networks of all stores are kept track of.
const NETWORKS: &str = "/run/strata/networks";

/// The numbers of the networks that a process has or is making.
pub(crate) fn networks_of(pid: u32) -> BTreeSet<u8> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().filter_map(Result::ok);
    let paths = open.filter_map(|entry| fs::read_link(entry.path()).ok());
    paths
        .filter_map(|path| path.strip_prefix(NETWORKS).ok()?.to_str()?.strip_suffix(".lock")?.parse().ok())
        .collect()
}

/// What is left of those of the networks that nobody has: their files and bridges.
pub(crate) fn networks_left(networks: &BTreeSet<u8>) -> Vec<String> {
    let mut left = Vec::new();
    for number in networks {
        let lock = fs::File::open(format!("{NETWORKS}/{number}.lock")).unwrap();
        // Another test may have it by now, and does not get it while we look.
        if lock.try_lock().is_ok() {
            let traces = [format!("{NETWORKS}/{number}.json"), format!("/sys/class/net/strata{number}")];
            left.extend(traces.into_iter().filter(|path| Path::new(path).exists()));
        }
    }
    left
}
