//! The workloads by name. Each makes its trees, measures, and returns lines of the table.

mod context;
mod export;
mod ignore;
mod lint;
mod registry;
mod run;
mod start;
mod steps;

use crate::Result;
use crate::subject::Bench;
use crate::table::Row;

/// One workload of `docs/PERFORMANCE.md`.
pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
    pub(crate) run: fn(&Bench) -> Result<Vec<Row>>,
}

/// All of them, in the order in which they run.
pub(crate) const ALL: &[Workload] = &[
    Workload { name: "w2", about: "a cached rebuild of 20 instructions", run: context::cached },
    Workload { name: "w3", about: "50,000 files", run: context::many_files },
    Workload { name: "w4", about: "1 GiB, and its compression", run: export::large_files },
    Workload { name: "w4-text", about: "the compression of text", run: export::text },
    Workload { name: "w4-elf", about: "the compression of programs", run: export::programs },
    Workload { name: "w5", about: "what a RUN costs", run: run::overhead },
    Workload { name: "w6", about: "stages that do not need each other", run: steps::parallel },
    Workload { name: "w7", about: "six layers in and out", run: export::archives },
    Workload { name: "w8", about: "a RUN that makes 22,000 files", run: steps::many_files },
    Workload { name: "w9", about: "six layers to a registry and back", run: registry::transfers },
    Workload { name: "lint", about: "a check of 2,000 lines", run: lint::lint },
    Workload { name: "start", about: "a cached step, from start to end", run: start::cached },
    Workload {
        name: "ignore",
        about: "1,000 lines of an ignore file, 100,000 paths",
        run: ignore::many_lines,
    },
    Workload { name: "hidden", about: "200,000 files that an ignore file hides", run: ignore::hidden },
];
