//! What a check costs: a long Dockerfile is read and all rules are tried.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Result;
use crate::generate;
use crate::measure::in_turns;
use crate::subject::Bench;
use crate::table::{Row, Target};

/// Instructions of the long file, one a line.
const LINES: usize = 2000;

/// What these may cost.
const LIMIT: Duration = Duration::from_millis(5);

/// A check of 2,000 lines beside one of a single line, which is the cost of the command itself.
pub(super) fn lint(bench: &Bench) -> Result<Vec<Row>> {
    let store = bench.store("store")?;
    let (long, short) = (bench.fresh("long")?, bench.fresh("short")?);
    generate::file(&long.join("Dockerfile"), dockerfile()?.as_bytes(), 0o644)?;
    generate::file(&short.join("Dockerfile"), b"FROM alpine:3\n", 0o644)?;
    let (mut ours, alone) = in_turns(
        bench.runs(21),
        |_| store.build(&["--check"], &long),
        |_| store.build(&["--check"], &short),
    )?;
    ours.elapsed = ours.elapsed.saturating_sub(alone.elapsed);
    Ok(vec![
        Row::new("lint, a check of 2,000 lines beyond one of a line", ours)
            .limit(alone.elapsed, "a check of one line")
            .target(Target::AtMost(LIMIT)),
    ])
}

/// A file without findings, so that nothing has to be printed, with all that rules look at.
fn dockerfile() -> Result<String> {
    let mut text = "FROM scratch\nWORKDIR /app\n".to_owned();
    for number in 0..(LINES - 2) / 6 {
        writeln!(text, "ARG NAME{number}=value{number}")?;
        writeln!(text, "ENV PLACE{number}=/srv/${{NAME{number}}}")?;
        writeln!(text, "COPY --chown=1000:1000 src/file{number}.txt $PLACE{number}/")?;
        writeln!(
            text,
            "RUN set -eu && mkdir -p $PLACE{number}/x && echo \"${{NAME{number}}}\" > $PLACE{number}/x/f"
        )?;
        writeln!(text, "LABEL name{number}=\"$NAME{number} at $PLACE{number}\"")?;
        writeln!(text, "EXPOSE {}/tcp", 1000 + number)?;
    }
    Ok(text)
}
