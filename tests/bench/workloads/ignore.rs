//! What an ignore file of many lines costs.

use std::fmt::Write as _;
use std::path::Path;
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
const LIMIT: Duration = Duration::from_millis(500);

/// 1,000 lines against 100,000 paths: lines that hide, an allow-list, and one line that hides everything.
pub(super) fn many_lines(bench: &Bench) -> Result<Vec<Row>> {
    let context = bench.fresh("ignore")?;
    tree(&context)?;
    let store = bench.store("store")?;
    let mut rows = Vec::new();
    for (name, lines) in [
        ("ignore, 1,000 lines", hiding()),
        ("ignore, 999 lines that show", showing()),
        ("ignore, all of it in a hidden directory", "packages\n".to_owned()),
    ] {
        generate::file(&context.join(".dockerignore"), lines.as_bytes(), 0o644)?;
        store.build(&["-t", "ignore"], &context)?;
        let build = |_| store.build(&["-t", "ignore"], &context);
        let (ours, find) = in_turns(bench.runs(9), build, |_| bench.shell("find ignore"))?;
        rows.push(Row::new(name, ours).limit(find.elapsed, "find").target(Target::AtMost(LIMIT)));
    }
    Ok(rows)
}

fn tree(context: &Path) -> Result<()> {
    for package in 0..PACKAGES {
        for folder in FOLDERS {
            for number in 0..FILES {
                let name = format!("packages/p{package:03}/{folder}/f{number}.{}", ENDINGS[number % 5]);
                generate::file(&context.join(name), b"", 0o644)?;
            }
        }
    }
    generate::file(&context.join("keep"), b"kept", 0o644)?;
    generate::file(&context.join("Dockerfile"), b"FROM scratch\nCOPY keep /\n", 0o644)
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
