//! What steps come to that run side by side or make many files: w6 and w8.

use std::fmt::Write as _;

use crate::Result;
use crate::generate;
use crate::measure::{Sample, in_turns};
use crate::subject::Bench;
use crate::table::{Row, Target};

/// The limits have the machine's network.
const NETWORK: &str = "--network=host";

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
