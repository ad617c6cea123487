//! Real groups of this machine. Needs root and cgroups of version 1 or 2 that can be written to.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};

use super::hierarchy::Hierarchy;
use super::*;

/// Records of a test's own.
struct Bench {
    records: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        Self { records: tempfile::tempdir().unwrap() }
    }

    fn cgroups(&self) -> Cgroups {
        Cgroups::new(self.records.path().to_owned())
    }

    fn make(&self, limits: &Limits) -> Group {
        self.cgroups().make(limits).unwrap().expect("a group can be made on this machine")
    }
}

/// A process that has entered the group.
fn sleeper(group: &Group) -> Child {
    let child = Command::new("sleep").arg("1000").spawn().unwrap();
    for path in group.paths() {
        fs::write(path.join("cgroup.procs"), child.id().to_string()).unwrap();
    }
    child
}

fn left(paths: &[PathBuf]) -> Vec<&PathBuf> {
    paths.iter().filter(|path| path.exists()).collect()
}

#[test]
fn a_group_goes_when_it_is_dropped_and_so_does_a_parent_that_was_made_for_it() {
    let bench = Bench::new();
    let name = format!("strata-test-{}", std::process::id());
    let limits = Limits { pids: Some(10), parent: Some(format!("/{name}/inner")), ..Limits::default() };
    let group = bench.make(&limits);
    let paths = group.paths();
    assert!(paths.iter().all(|path| path.exists()), "{paths:?}");
    let parents: Vec<PathBuf> = paths.iter().map(|path| path.parent().unwrap().to_owned()).collect();
    assert!(parents.iter().all(|parent| parent.ends_with(format!("{name}/inner"))), "{parents:?}");
    // Two groups of one parent: the second one to go takes it along.
    let second = bench.make(&limits);
    drop(group);
    assert!(parents.iter().all(|parent| parent.exists()));
    drop(second);
    assert_eq!(left(&paths), [] as [&PathBuf; 0]);
    assert_eq!(left(&parents), [] as [&PathBuf; 0]);
    let outer: Vec<PathBuf> = parents.iter().map(|parent| parent.parent().unwrap().to_owned()).collect();
    assert_eq!(left(&outer), [] as [&PathBuf; 0]);
}

#[test]
fn what_a_killed_process_left_is_removed_with_what_runs_in_it() {
    let bench = Bench::new();
    let group = bench.make(&Limits { pids: Some(10), ..Limits::default() });
    let paths = group.paths();
    let mut child = sleeper(&group);
    bench.cgroups().clean();
    assert!(paths.iter().all(|path| path.exists()), "a group whose lock is held is nobody else's");
    group.abandon();
    bench.cgroups().clean();
    assert_eq!(left(&paths), [] as [&PathBuf; 0]);
    assert!(!child.wait().unwrap().success(), "it was killed");
    let records = fs::read_dir(bench.records.path()).unwrap().map(|entry| entry.unwrap().file_name());
    let records: Vec<_> = records.filter(|name| !name.to_string_lossy().ends_with(".lock")).collect();
    assert_eq!(records, [] as [&str; 0]);
}

#[test]
fn a_slot_whose_name_is_taken_elsewhere_is_passed_over() {
    let (bench, other) = (Bench::new(), Bench::new());
    let limits = Limits { pids: Some(10), ..Limits::default() };
    let (one, two) = (bench.make(&limits), other.make(&limits));
    assert_ne!(one.paths(), two.paths());
}

#[test]
fn limits_that_cannot_be_are_refused() {
    let wrong = |limits: Limits| limits.check().unwrap_err().to_string();
    let memory = Some(64 << 20);
    assert_eq!(
        wrong(Limits { memory: Some(1 << 20), ..Limits::default() }),
        "`--memory` is 1MiB, and the least is `6m`"
    );
    let swap = Some(Swap::Total(1 << 20));
    assert_eq!(
        wrong(Limits { memory_swap: swap, ..Limits::default() }),
        "`--memory-swap` needs a `--memory`"
    );
    assert_eq!(
        wrong(Limits { memory, memory_swap: swap, ..Limits::default() }),
        "`--memory-swap` is memory and swap together, and 1MiB is less than the 64MiB of `--memory`"
    );
    assert_eq!(
        wrong(Limits { cpu_quota: Some(1), ..Limits::default() }),
        "`--cpu-quota` is 1, and it must be from 1000 to 18446744073709551"
    );
    assert_eq!(
        wrong(Limits { parent: Some("/a/../b".into()), ..Limits::default() }),
        "`--cgroup-parent /a/../b` is no path below the root, as in `/builds`"
    );
}

#[test]
fn a_limit_without_its_controller_is_an_error_that_says_so() {
    let bench = Bench::new();
    let mount = bench.records.path().to_owned();
    let kind = Kind::Legacy { controllers: vec!["cpu".into()] };
    let only_cpu = [Hierarchy { kind, own: mount.clone(), mount }];
    let limits = Limits { memory: Some(64 << 20), ..Limits::default() };
    let error = Group::make(bench.records.path(), &only_cpu, &limits).unwrap_err();
    assert_eq!(error.to_string(), "`--memory` needs the cgroup controller `memory`, which is not there");
    assert!(Group::make(bench.records.path(), &[], &Limits::default()).unwrap().is_none());
}

#[test]
fn processors_that_are_not_there_are_refused() {
    let bench = Bench::new();
    let limits = Limits { cpuset_cpus: Some("0,8000".parse().unwrap()), ..Limits::default() };
    let error = bench.cgroups().make(&limits).unwrap_err().to_string();
    assert!(error.starts_with("`--cpuset-cpus 0,8000` asks for 8000, and there are 0"), "{error}");
}
