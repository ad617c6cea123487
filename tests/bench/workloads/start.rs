//! What it costs to get to the first step.

use std::time::Duration;

use crate::Result;
use crate::generate;
use crate::measure::in_turns;
use crate::subject::Bench;
use crate::table::{Row, Target};

/// A Dockerfile of two lines whose step is cached: a process that starts, opens the store, scans two files, plans, looks
/// the step up and writes the image down.
pub(super) fn cached(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("start")?;
    generate::file(&context.join("Dockerfile"), b"FROM busybox\nRUN echo hello > /hello\n", 0o644)?;
    let store = bench.store("store")?;
    store.base("busybox")?;
    let build = |_| store.build(&["-t", "start"], &context);
    build(0)?;
    let (ours, process) = in_turns(bench.runs(41), build, |_| bench.shell("exec true"))?;
    Ok(vec![
        Row::new("start, a cached step", ours)
            .limit(process.elapsed, "a shell")
            .target(Target::AtMost(Duration::from_millis(10))),
    ])
}
