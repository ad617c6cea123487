//! What it costs to run steps: w5, w6 and w8.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::context::time;
use crate::Result;
use crate::generate;
use crate::measure::{Sample, alone, in_turns};
use crate::subject::{Bench, Store};
use crate::table::{Row, Target};

const STEP_LIMIT: Duration = Duration::from_millis(8);

/// The limits have the machine's network. What one of its own costs is a figure of its own.
const NETWORK: &str = "--network=host";

/// w5: a step that does next to nothing, on a small and on a larger base, and after a pause, in which the kernel has forgotten us.
pub(super) fn overhead(bench: &Bench) -> Result<Vec<Row>> {
    let store = bench.store("store")?;
    let small = minimal_root(bench, "small")?;
    import(bench, &store, &small, "base:small")?;
    let large = minimal_root(bench, "large")?;
    generate::small_files(&large)?;
    import(bench, &store, &large, "base:large")?;

    let pause = time(bench, 1, "sleep 1")?;
    let mut rows = Vec::new();
    for (name, base, count, command, idle) in [
        ("w5, a RUN on 10 files", "base:small", 50, "", Duration::ZERO),
        ("w5, a RUN on 10,000 files", "base:large", 50, "", Duration::ZERO),
        ("w5, a RUN after a second's pause", "base:small", 10, "sleep 1; ", pause),
    ] {
        let context = bench.fresh("w5")?;
        let mut ours = alone(bench.runs(3), |run| {
            // No two runs have a step in common: all must really run.
            let mut dockerfile = format!("FROM {base}\n");
            for step in 0..count {
                writeln!(dockerfile, "RUN {command}echo {run} {step} > /f{step}")?;
            }
            generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
            store.build(&[NETWORK, "-t", "w5"], &context)
        })?;
        ours.elapsed = ours.elapsed.saturating_sub(idle * count) / count;
        rows.push(Row::new(name, ours).target(Target::AtMost(STEP_LIMIT)));
    }
    rows.push(network(bench, &store)?);
    Ok(rows)
}

/// What the first RUN of a build costs more for a network of its own. Those after it use it again.
fn network(bench: &Bench, store: &Store<'_>) -> Result<Row> {
    let context = bench.fresh("w5")?;
    generate::file(&context.join("Dockerfile"), b"FROM base:small\nRUN true\n", 0o644)?;
    let build = |options: &[&str]| store.build(&[options, &["--no-cache", "-t", "w5"]].concat(), &context);
    let (mut own, hosts) = in_turns(bench.runs(9), |_| build(&[]), |_| build(&[NETWORK]))?;
    own.elapsed = own.elapsed.saturating_sub(hosts.elapsed);
    Ok(Row::new("w5, a network of its own, once a build", own))
}

/// Unpacks a root file system of ten files: a shell and what it calls.
fn minimal_root(bench: &Bench, name: &str) -> Result<std::path::PathBuf> {
    let root = bench.fresh(name)?;
    let tar = Bench::base_tar("busybox")?;
    let unpacked = bench.fresh("busybox")?;
    bench.shell_now(&format!("tar -xf '{}' -C busybox", tar.display()))?;
    for folder in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
        fs::create_dir(root.join(folder))?;
    }
    fs::copy(unpacked.join("bin/busybox"), root.join("bin/busybox"))?;
    for applet in ["sh", "sleep", "cat", "ls", "cp", "mkdir", "true"] {
        fs::hard_link(root.join("bin/busybox"), root.join("bin").join(applet))?;
    }
    for table in ["passwd", "group"] {
        fs::copy(unpacked.join("etc").join(table), root.join("etc").join(table))?;
    }
    Ok(root)
}

fn import(bench: &Bench, store: &Store<'_>, root: &Path, name: &str) -> Result<()> {
    bench.shell_now(&format!("tar -C '{}' --numeric-owner -cf import.tar .", root.display()))?;
    store.strata(&["import", "import.tar", name]).map(drop)
}

/// w6: four stages that each take a second, and one that takes what they made.
pub(super) fn parallel(bench: &Bench) -> Result<Vec<Row>> {
    let store = bench.store("store")?;
    store.base("busybox")?;
    let context = bench.fresh("w6")?;
    let build = |run: usize| -> Result<Sample> {
        let mut dockerfile = String::new();
        for stage in 0..4 {
            writeln!(
                dockerfile,
                "FROM busybox AS s{stage}\nRUN sleep 1 && echo {run} {stage} > /out{stage}"
            )?;
        }
        dockerfile.push_str("FROM scratch\n");
        for stage in 0..4 {
            writeln!(dockerfile, "COPY --from=s{stage} /out{stage} /out{stage}")?;
        }
        generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
        store.build(&[NETWORK, "-t", "w6"], &context)
    };
    let (ours, stage) = in_turns(bench.runs(5), build, |_| bench.shell("sleep 1"))?;
    Ok(vec![
        Row::new("w6, four stages at once", ours).limit(stage.elapsed, "sleep 1").target(Target::Times(1.1)),
    ])
}

/// w8: copies of /usr within a step, against the same in a bare overlay.
pub(super) fn many_files(bench: &Bench) -> Result<Vec<Row>> {
    // No two runs may make the same: that would be found out, and the second removed again.
    let commands = |run| {
        format!("for i in 1 2 3 4; do cp -a /usr /copy$i; done; echo {run} > /number; find /copy* | wc -l")
    };
    let store = bench.store("store")?;
    store.base("debian:12-slim")?;
    let context = bench.fresh("w8")?;
    let tar = Bench::base_tar("debian:12-slim")?;
    bench.fresh("lower")?;
    bench.shell_now(&format!("tar -xf '{}' -C lower", tar.display()))?;

    // The mount goes with its namespace, and on its way writes back what is dirty, as a build does at its end.
    let overlay = |run| {
        format!(
            "unshare --mount --propagation private bash -euc '\
         mount -t overlay overlay -o lowerdir=lower,upperdir=upper-{run},workdir=scratch-{run} merged; exec chroot merged sh -c \"$0\"' '{}'",
            commands(run)
        )
    };
    bench.fresh("merged")?;
    let (ours, bare) = in_turns(
        bench.runs(5),
        |run| {
            let dockerfile = format!("FROM debian:12-slim\nRUN {}\n", commands(run));
            generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
            store.build(&[NETWORK, "-t", "w8"], &context)
        },
        |run| {
            // Neither removes what it made before: on a volume in a sparse file, space that was used once is cheaper.
            bench.fresh(&format!("upper-{run}"))?;
            bench.fresh(&format!("scratch-{run}"))?;
            bench.shell(&overlay(run))
        },
    )?;
    Ok(vec![
        Row::new("w8, a RUN that makes 22,000 files", ours)
            .limit(bare.elapsed, "a bare overlay")
            .target(Target::Times(1.3)),
    ])
}
