//! What a check costs: a long Dockerfile is read and all rules are tried.

use std::fmt::Write as _;
use std::time::Duration;

use crate::Result;
use crate::generate;
use crate::measure::in_turns;
use crate::subject::Bench;
use crate::table::{Row, Target};

/// Lines of the long file, an instruction each.
const LINES: usize = 2000;

/// Lines of a stage.
const STAGE: usize = 50;

/// What all of them may cost.
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

/// A file without findings, so that nothing has to be printed, with all that rules look at: stages that each copy
/// from the one before, so that all are needed.
fn dockerfile() -> Result<String> {
    let mut text = String::new();
    let stages = LINES / STAGE;
    for stage in 0..stages {
        writeln!(text, "FROM scratch AS stage{stage}\nWORKDIR /app")?;
        for number in 0..STAGE / 10 {
            writeln!(text, "ARG NAME{number}=value{number}")?;
            writeln!(text, "ENV PLACE{number}=/srv/${{NAME{number}}}")?;
            writeln!(text, "COPY --chown=1000:1000 src/file{number}.txt $PLACE{number}/")?;
            for part in ["a", "b", "c"] {
                writeln!(
                    text,
                    "RUN set -eu && mkdir -p $PLACE{number}/{part} && echo \"${{NAME{number}}}\" > $PLACE{number}/{part}/f"
                )?;
            }
            writeln!(text, "LABEL name{number}=\"$NAME{number} at $PLACE{number}\"")?;
            writeln!(text, "EXPOSE {}/tcp", 1000 + number)?;
        }
        match stage.checked_sub(1) {
            Some(before) => writeln!(text, "COPY --from=stage{before} /srv /srv/{stage}")?,
            None => writeln!(text, "USER 1000")?,
        }
        for number in 0..STAGE - 3 - STAGE / 10 * 8 {
            writeln!(text, "RUN [\"/bin/program\", \"--number={number}\"]")?;
        }
    }
    assert_eq!(text.lines().count(), LINES);
    Ok(text)
}
