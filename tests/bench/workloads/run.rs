//! What a RUN costs: w5.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::Result;
use crate::generate;
use crate::measure::{Sample, all_in_turns, alone, in_turns};
use crate::subject::{Bench, Store};
use crate::table::{Row, Target};
use crate::user::User;

/// What a step may take beside its command.
const STEP_LIMIT: Duration = Duration::from_millis(8);
/// What it may take more in a network of its own, once there is one.
const NETWORK_LIMIT: Duration = Duration::from_millis(5);

const HOST: &str = "--network=host";
const NONE: &str = "--network=none";
const OWN: &str = "--network=default";

/// How many steps a build has when they follow each other at once.
const STEPS: u32 = 30;
/// How many when each takes a second, in which the kernel forgets us.
const PAUSED_STEPS: u32 = 8;
const PAUSE: Duration = Duration::from_secs(1);

/// A step that does next to nothing: with what it writes, on a small and on a larger base; then without, for root and for an ordinary user.
pub(super) fn overhead(bench: &Bench) -> Result<Vec<Row>> {
    let store = prepare(bench, None)?;
    let mut rows = writing(bench, &store)?;
    rows.push(first_network(bench, &store)?);
    rows.extend(among_others(bench, &store, "RUN true")?);
    store.remove()?;

    let user = User::with_ranges()?;
    let store = prepare(bench, Some(user))?;
    rows.extend(among_others(bench, &store, "RUN true by a user")?);
    Ok(rows)
}

/// A store with images of ten files and of 10,000, in one layer and in five.
fn prepare(bench: &Bench, user: Option<User>) -> Result<Store<'_>> {
    let store = bench.store_of("store", user)?;
    for name in ["small", "large"] {
        let root = minimal_root(bench, name)?;
        if name == "large" {
            generate::small_files(&root)?;
        }
        bench.shell_now(&format!("tar -C '{}' --numeric-owner -cf import.tar .", root.display()))?;
        store.strata(&["import", "import.tar", &format!("base:{name}")])?;
        let context = bench.fresh("layers")?;
        let mut dockerfile = format!("FROM base:{name}\n");
        for layer in 1..5 {
            writeln!(dockerfile, "COPY Dockerfile /layer{layer}")?;
        }
        generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
        store.build(&["-t", &format!("layers:{name}")], &context)?;
    }
    Ok(store)
}

/// Steps that write a small file each.
fn writing(bench: &Bench, store: &Store<'_>) -> Result<Vec<Row>> {
    const COUNT: u32 = 50;
    let context = bench.fresh("w5")?;
    let mut rows = Vec::new();
    for (name, base) in [("w5, a RUN on 10 files", "base:small"), ("w5, a RUN on 10,000 files", "base:large")]
    {
        let mut ours = alone(bench.runs(3), |run| {
            // No two runs have a step in common: all must really run.
            let mut dockerfile = format!("FROM {base}\n");
            for step in 0..COUNT {
                writeln!(dockerfile, "RUN echo {run} {step} > /f{step}")?;
            }
            generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
            store.build(&[HOST, "-t", "w5"], &context)
        })?;
        ours.elapsed /= COUNT;
        rows.push(Row::new(name, ours).target(Target::AtMost(STEP_LIMIT)));
    }
    Ok(rows)
}

/// What the first RUN of a build costs more for a network of its own. Those after it use it again.
fn first_network(bench: &Bench, store: &Store<'_>) -> Result<Row> {
    let (mut own, none) = in_turns(
        bench.runs(9),
        |_| repeated(bench, store, "true", 1, OWN),
        |_| repeated(bench, store, "true", 1, NONE),
    )?;
    own.elapsed = own.elapsed.saturating_sub(none.elapsed);
    Ok(Row::new("w5, a network of its own, once a build", own))
}

/// A step after others, with no network and with one of its own, with and without a pause before it.
fn among_others(bench: &Bench, store: &Store<'_>, name: &str) -> Result<Vec<Row>> {
    let build = |base: &str, command: &str, steps, network| {
        let image = format!("layers:{base}");
        repeated_on(bench, store, (&image, command), steps, network)
    };
    let (last, paused) = (STEPS - 1, PAUSED_STEPS - 1);
    let [none, first_none, own, first_own, large, first_large] = all_in_turns(
        bench.runs(5),
        [
            &mut |_| build("small", "true", STEPS, NONE),
            &mut |_| build("small", "true", 1, NONE),
            &mut |_| build("small", "true", STEPS, OWN),
            &mut |_| build("small", "true", 1, OWN),
            &mut |_| build("large", "true", STEPS, NONE),
            &mut |_| build("large", "true", 1, NONE),
        ],
    )?;
    let [none_paused, first_none_paused, own_paused, first_own_paused] = all_in_turns(
        bench.runs(3),
        [
            &mut |_| build("small", "sleep 1", PAUSED_STEPS, NONE),
            &mut |_| build("small", "sleep 1", 1, NONE),
            &mut |_| build("small", "sleep 1", PAUSED_STEPS, OWN),
            &mut |_| build("small", "sleep 1", 1, OWN),
        ],
    )?;
    let none = each(none, first_none, last, Duration::ZERO);
    let own = more(each(own, first_own, last, Duration::ZERO), none);
    let large = each(large, first_large, last, Duration::ZERO);
    let none_paused = each(none_paused, first_none_paused, paused, PAUSE);
    let own_paused = more(each(own_paused, first_own_paused, paused, PAUSE), none_paused);
    let row =
        |what: &str, ours, limit| Row::new(format!("w5, {name}, {what}"), ours).target(Target::AtMost(limit));
    Ok(vec![
        row("no network", none, STEP_LIMIT),
        row("no network, 10,000 files", large, STEP_LIMIT),
        row("no network, after a second's pause", none_paused, STEP_LIMIT),
        row("own network, more than none", own, NETWORK_LIMIT),
        row("own network, more than none, after a second's pause", own_paused, NETWORK_LIMIT),
    ])
}

/// What each of the steps after the first takes, besides its `idle` time.
fn each(all: Sample, first: Sample, count: u32, idle: Duration) -> Sample {
    let elapsed = all.elapsed.saturating_sub(first.elapsed).saturating_sub(idle * count) / count;
    Sample { elapsed, ..all }
}

fn more(this: Sample, than: Sample) -> Sample {
    Sample { elapsed: this.elapsed.saturating_sub(than.elapsed), ..this }
}

/// A build of the same command again and again.
fn repeated(bench: &Bench, store: &Store<'_>, command: &str, steps: u32, network: &str) -> Result<Sample> {
    repeated_on(bench, store, ("layers:small", command), steps, network)
}

fn repeated_on(
    bench: &Bench,
    store: &Store<'_>,
    (base, command): (&str, &str),
    steps: u32,
    network: &str,
) -> Result<Sample> {
    let context = bench.fresh("w5")?;
    let mut dockerfile = format!("FROM {base}\n");
    for _ in 0..steps {
        writeln!(dockerfile, "RUN {command}")?;
    }
    generate::file(&context.join("Dockerfile"), dockerfile.as_bytes(), 0o644)?;
    store.build(&["--no-cache", network, "-t", "w5"], &context)
}

/// Unpacks a root file system of ten files: a shell and what it calls.
fn minimal_root(bench: &Bench, name: &str) -> Result<PathBuf> {
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
