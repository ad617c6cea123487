//! Measures strata against the limits of the machine that it runs on.
//!
//! Each workload runs the release binary beside the plain commands that no builder can beat (`cp -a`, `find`, `pigz`, `sleep`), in
//! turns and on the same volume, and prints medians and ratios: seconds from different runs or machines say nothing.
//! The library is not used: what is measured is what a user starts.

// This is a program that prints; the library's rule is not meant for it.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod generate;
mod measure;
mod subject;
mod table;
mod user;
mod volume;
mod workloads;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use subject::Bench;
use workloads::{ALL, Workload};

/// What goes wrong here ends the run; nothing reacts to its kind.
type Result<T> = std::result::Result<T, Box<dyn Error>>;

const USAGE: &str = "\
usage: make bench [BENCH='WORKLOAD... OPTION...']

Without a workload, all run. As root only.
  --dir DIR   where trees and stores are made (BENCH_DIR; /var/tmp)
  --volume    make an ext4 volume in a sparse file there for the time of the run: steadier for many small files
  --runs N    repetitions of each measurement, instead of each workload's own number
";

fn usage() -> String {
    let workloads = ALL.iter().map(|Workload { name, about, .. }| format!("\n  {name:<11} {about}"));
    format!("{USAGE}\nWorkloads:{}", workloads.collect::<String>())
}

struct Options {
    workloads: Vec<&'static Workload>,
    base: PathBuf,
    volume: bool,
    runs: Option<usize>,
}

fn main() -> ExitCode {
    match parse(std::env::args().skip(1)).and_then(|options| options.map_or(Ok(true), |o| run(&o))) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; `None` when only help was asked for.
fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Option<Options>> {
    let base = std::env::var_os("BENCH_DIR").map_or_else(|| PathBuf::from("/var/tmp"), PathBuf::from);
    let mut options = Options { workloads: Vec::new(), base, volume: false, runs: None };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo adds it.
            "--bench" => {}
            "--help" | "-h" => {
                println!("{}", usage());
                return Ok(None);
            }
            "--volume" => options.volume = true,
            "--dir" => options.base = arguments.next().ok_or("--dir needs a directory")?.into(),
            "--runs" => {
                let number = arguments.next().ok_or("--runs needs a number")?;
                options.runs =
                    Some(number.parse().ok().filter(|&n| n > 0).ok_or("--runs needs a number above 0")?);
            }
            name => {
                let found = ALL.iter().find(|workload| workload.name.eq_ignore_ascii_case(name));
                options
                    .workloads
                    .push(found.ok_or_else(|| format!("unknown argument `{name}`\n{}", usage()))?);
            }
        }
    }
    if options.workloads.is_empty() {
        options.workloads.extend(ALL);
    }
    Ok(Some(options))
}

/// Runs the workloads and prints the table; false if one could not be measured. A missed target is no failure: the table says it.
fn run(options: &Options) -> Result<bool> {
    if !rustix::process::geteuid().is_root() {
        return Err("only root can measure: overlays are mounted, page caches written back".into());
    }
    let scratch = if options.volume {
        volume::Scratch::on_volume(&options.base)?
    } else {
        volume::Scratch::within(&options.base)?
    };
    let bench = Bench::new(scratch.path(), options.runs)?;

    let mut rows = Vec::new();
    for workload in &options.workloads {
        eprintln!("{}: {}", workload.name, workload.about);
        // One workload that fails must not cost the figures of the others.
        match (workload.run)(&bench) {
            Ok(measured) => rows.extend(measured),
            Err(error) => rows.push(table::Row::failed(workload.name, error.to_string())),
        }
        bench.clear()?;
    }
    print!("{}", table::render(&rows));
    Ok(!rows.iter().any(table::Row::is_failure))
}
