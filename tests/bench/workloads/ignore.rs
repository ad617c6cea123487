//! What an ignore file costs: its lines, and what they hide.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::Result;
use crate::generate;
use crate::measure::in_turns;
use crate::subject::Bench;
use crate::table::{Row, Target};

const PACKAGES: usize = 500;
const FOLDERS: [&str; 4] = ["src/inner", "lib", "test/data", "docs/api"];
const ENDINGS: [&str; 5] = ["rs", "js", "o", "md", "log"];
/// Files in each folder, so that there are 100,000 in all.
const FILES: usize = 50;

/// 1,000 lines against 100,000 paths: lines that hide, and an allow-list.
pub(super) fn many_lines(bench: &Bench) -> Result<Vec<Row>> {
    let context = context(bench, "ignore")?;
    packages(&context.join("packages"))?;
    let store = bench.store("store")?;
    let mut rows = Vec::new();
    for (name, lines) in [("ignore, 1,000 lines", hiding()), ("ignore, 999 lines that show", showing())] {
        generate::file(&context.join(".dockerignore"), lines.as_bytes(), 0o644)?;
        let build = |_| store.build(&["-t", "ignore"], &context);
        build(0)?;
        let (ours, find) = in_turns(bench.runs(9), build, |_| bench.shell("find ignore"))?;
        rows.push(
            Row::new(name, ours)
                .limit(find.elapsed, "find")
                .target(Target::AtMost(Duration::from_millis(500))),
        );
    }
    Ok(rows)
}

/// 200,000 files in a directory that no line can show again, against the same context without them.
pub(super) fn hidden(bench: &Bench) -> Result<Vec<Row>> {
    let [full, bare] = [context(bench, "full")?, context(bench, "bare")?];
    for part in ["one", "two"] {
        packages(&full.join("node_modules").join(part))?;
    }
    generate::file(&bare.join("node_modules/one/file"), b"", 0o644)?;
    for context in [&full, &bare] {
        let lines = b"*.log\n**/node_modules\n!docs/**/*.md\n";
        generate::file(&context.join(".dockerignore"), lines, 0o644)?;
    }
    let store = bench.store("store")?;
    let build = |context: &Path| store.build(&["-t", "hidden"], context);
    build(&full)?;
    build(&bare)?;
    let (ours, bare) = in_turns(bench.runs(41), |_| build(&full), |_| build(&bare))?;
    Ok(vec![
        Row::new("hidden, 200,000 files in an ignored directory", ours)
            .limit(bare.elapsed, "one file there")
            // Looking at each of them once would cost twenty times as much; what is above 1 is noise.
            .target(Target::Times(1.25)),
    ])
}

/// A context whose build copies one file.
fn context(bench: &Bench, name: &str) -> Result<PathBuf> {
    let context = bench.fresh(name)?;
    generate::file(&context.join("keep"), b"kept", 0o644)?;
    generate::file(&context.join("Dockerfile"), b"FROM scratch\nCOPY keep /\n", 0o644)?;
    Ok(context)
}

/// 100,000 empty files in 2,000 folders.
fn packages(root: &Path) -> Result<()> {
    for package in 0..PACKAGES {
        for folder in FOLDERS {
            for number in 0..FILES {
                let name = format!("p{package:03}/{folder}/f{number}.{}", ENDINGS[number % 5]);
                generate::file(&root.join(name), b"", 0o644)?;
            }
        }
    }
    Ok(())
}

/// Lines of all shapes. Most fit nothing, as in a file that has grown for years; what they hide, they hide file by file.
fn hiding() -> String {
    let mut lines = String::from("**/*.log\n");
    for number in 0..111 {
        let _ = write!(
            lines,
            "**/*.log{number}\n**/cache{number}\npackages/p{number:03}/lib/*.o\npackages/*/tmp{number}/**\n\
             /build{number}\n**/f{number}.[jt]s\n!packages/p{number:03}/**/*.log\npackages/x*{number}/[a-m]?/*.bin\n\
             **/test/**/f{number}.md\n"
        );
    }
    lines
}

/// An allow-list: nothing is seen but what a line shows.
fn showing() -> String {
    let mut lines = String::from("*\n!keep\n!Dockerfile\n");
    for number in 0..250 {
        let _ = write!(
            lines,
            "!packages/p{number:03}/src/**/*.rs\n!packages/*/lib/f{number}.js\n!packages/p*{number}/docs\n\
             !packages/?{number:03}/[l-t]*/data/f{number}.md\n"
        );
    }
    lines.lines().take(1000).flat_map(|line| [line, "\n"]).collect()
}
