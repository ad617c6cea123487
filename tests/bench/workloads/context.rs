//! What it costs to see a context and to take it in: w2 and w3.

use std::time::Duration;

use crate::Result;
use crate::generate::{self, Random};
use crate::measure::{alone, in_turns, median};
use crate::subject::Bench;
use crate::table::{Row, Target};

/// w2: everything is cached, the whole process counts.
pub(super) fn cached(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("w2")?;
    generate::application(&context)?;
    let store = bench.store("store")?;
    store.base("debian:12-slim")?;
    let build = || store.build(&["-t", "w2"], &context);
    Bench::lie_still();
    build()?;
    let (ours, process) = in_turns(bench.runs(21), |_| build(), |_| bench.shell("exec true"))?;
    Ok(vec![
        Row::new("w2, cached rebuild", ours)
            .limit(process.elapsed, "a shell")
            .target(Target::AtMost(Duration::from_millis(10))),
    ])
}

/// w3: cold, unchanged, one file changed.
pub(super) fn many_files(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("w3")?;
    let changing = generate::packages(&context)?;

    let mut last = None;
    let (cold, copy) = in_turns(
        bench.runs(3),
        |_| {
            let store = bench.store("store")?;
            let sample = store.build(&["-t", "w3"], &context)?;
            last = Some(store);
            Ok(sample)
        },
        |_| {
            let sample = bench.shell("cp -a w3 copy; sync --file-system copy")?;
            bench.shell_now("rm -rf copy")?;
            Ok(sample)
        },
    )?;
    let store = last.ok_or("no run")?;

    store.build(&["-t", "w3"], &context)?;
    let find = "find w3 -printf '%s %T@\\n'";
    let (unchanged, scan) =
        in_turns(bench.runs(9), |_| store.build(&["-t", "w3"], &context), |_| bench.shell(find))?;

    let mut random = Random::new(0);
    let mut strictly = Vec::new();
    let (changed, hashed) = in_turns(
        bench.runs(5),
        |_| {
            generate::file(&changing, &random.text(5000), 0o644)?;
            store.build(&["-t", "w3"], &context)
        },
        |_| {
            strictly.push(bench.shell("tar c w3 | openssl dgst -sha256")?);
            bench.shell("tar c w3 | sha256sum")
        },
    )?;
    let strictly = median(strictly).elapsed;
    Ok(vec![
        Row::new("w3, 50,000 files, cold", cold)
            .limit(copy.elapsed, "cp -a, sync -f")
            .target(Target::Times(1.5)),
        Row::new("w3, nothing changed", unchanged)
            .limit(scan.elapsed, "find -printf")
            .target(Target::Times(2.0)),
        Row::new("w3, one file changed", changed)
            .limit(scan.elapsed + hashed.elapsed, "find, tar, sha256sum")
            .target(Target::Times(2.0)),
        Row::new("w3, one file changed", changed).limit(scan.elapsed + strictly, "find, tar, openssl sha256"),
    ])
}

/// The time of a shell command alone, in the workload's own number of runs.
pub(super) fn time(bench: &Bench, runs: usize, script: &str) -> Result<Duration> {
    Ok(alone(bench.runs(runs), |_| bench.shell(script))?.elapsed)
}
