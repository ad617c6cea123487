//! The rules of `docs/ARCHITECTURE.md` that a compiler does not hold: who may use whom, where `unsafe` stands, and
//! how files are cut. All source text counts, tests in it as well; comments and string literals do not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

mod source;

use source::Source;

/// The map: each module with its row. A module uses only modules of lower rows.
const MAP: [(&str, u32); 25] = [
    ("sys", 0),
    ("oci", 0),
    ("diagnostic", 0),
    ("progress", 0),
    ("cgroup", 1),
    ("dockerfile", 1),
    ("tree", 1),
    ("user", 1),
    ("web", 1),
    ("context", 2),
    ("exec", 2),
    ("layer", 2),
    ("network", 2),
    ("plan", 2),
    ("registry", 2),
    ("remote", 2),
    ("store", 2),
    ("attest", 3),
    ("cache", 3),
    ("image", 3),
    ("lint", 3),
    ("solve", 4),
    ("transport", 4),
    ("engine", 5),
    ("cli", 6),
];

/// The row of the binary's `main.rs`.
const MAIN: u32 = 7;

/// The most lines of a file.
const MAX_LINES: usize = 600;

#[test]
fn modules_use_only_modules_of_lower_rows() {
    let mut wrong = Vec::new();
    for path in rust_files("src") {
        let text = read(&path);
        for used in Source::new(&path, &text).uses() {
            if let Some(why) = refusal(&path, &used.module) {
                wrong.push(format!("{}:{}: {why}", path.display(), used.line));
            }
        }
    }
    none(&wrong, "uses that the map of docs/ARCHITECTURE.md does not allow");
}

#[test]
fn unsafe_stands_in_sys_only() {
    let mut wrong = Vec::new();
    for path in rust_files("src").into_iter().filter(|path| !path.starts_with("src/sys")) {
        let text = read(&path);
        for line in Source::new(&path, &text).lines_with(&["unsafe", "unsafe_code"]) {
            wrong.push(format!("{}:{line}: `unsafe` belongs under src/sys", path.display()));
        }
    }
    none(&wrong, "unsafe code in the wrong place");
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent = rust_files("src").into_iter().filter(|path| !read(path).starts_with("//!"));
    let wrong: Vec<String> =
        silent.map(|path| format!("{}:1: the file does not begin with `//!`", path.display())).collect();
    none(&wrong, "files that do not say what they are for");
}

#[test]
fn no_file_is_too_long() {
    let mut wrong = Vec::new();
    for path in rust_files("src").into_iter().chain(rust_files("tests")) {
        let lines = read(&path).lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{}:{MAX_LINES}: the file has {lines} lines", path.display()));
        }
    }
    none(&wrong, "files to be split");
}

#[test]
fn no_file_is_called_mod() {
    let files = rust_files("src").into_iter().chain(rust_files("tests"));
    let wrong: Vec<String> = files
        .filter(|path| path.ends_with("mod.rs"))
        .map(|path| format!("{}: name it after its module, beside its directory", path.display()))
        .collect();
    none(&wrong, "files named `mod.rs`");
}

#[test]
fn every_file_is_compiled() {
    let mut wrong = Vec::new();
    for (dir, roots) in [("src", &["lib.rs", "main.rs"][..]), ("tests/it", &["main.rs"])] {
        let roots: Vec<PathBuf> = roots.iter().map(|root| Path::new(dir).join(root)).collect();
        let mut declared: BTreeSet<PathBuf> = roots.iter().cloned().collect();
        for path in rust_files(dir) {
            let text = read(&path);
            let below = if roots.contains(&path) { PathBuf::from(dir) } else { path.with_extension("") };
            declared.extend(
                Source::new(&path, &text).files().iter().map(|name| below.join(name).with_extension("rs")),
            );
        }
        let lost = rust_files(dir).into_iter().filter(|path| !declared.contains(path));
        wrong.extend(lost.map(|path| format!("{}: no `mod` declares it", path.display())));
    }
    none(&wrong, "files that are not compiled");
}

#[test]
fn the_map_is_complete() {
    let map: BTreeSet<(String, u32)> = MAP.iter().map(|&(name, row)| (name.to_owned(), row)).collect();
    let names: Vec<&str> = MAP.iter().map(|&(name, _)| name).collect();
    let lib = read(Path::new("src/lib.rs"));
    let mut declared = Source::new(Path::new("src/lib.rs"), &lib).files();
    let row = |name: &str| row(name).unwrap_or(MAIN);
    assert!(
        declared.is_sorted_by_key(|name| row(name)),
        "src/lib.rs lists modules in the order of their rows"
    );
    declared.sort_unstable();
    let mut expected: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    expected.sort_unstable();
    assert_eq!(declared, expected, "src/lib.rs and the map of this test");

    let page = read(Path::new("docs/ARCHITECTURE.md"));
    let on_page: BTreeSet<(String, u32)> = page.lines().filter_map(row_of_page).collect();
    assert_eq!(on_page, map, "the table in docs/ARCHITECTURE.md and the map of this test");
}

/// A line of the page's table, such as ``| 1 | `tree` | …``.
fn row_of_page(line: &str) -> Option<(String, u32)> {
    let mut cells = line.strip_prefix("| ")?.split(" | ");
    let row = cells.next()?.parse().ok()?;
    Some((cells.next()?.strip_prefix('`')?.strip_suffix('`')?.to_owned(), row))
}

/// Why the file at `path` must not use `module`, if it must not.
fn refusal(path: &Path, module: &str) -> Option<String> {
    let own = path.components().nth(1)?.as_os_str().to_str()?;
    let own = own.strip_suffix(".rs").unwrap_or(own);
    let own_row = match own {
        "main" => MAIN,
        _ => match row(own) {
            Some(row) => row,
            None => return Some(format!("`{own}` is not in the map")),
        },
    };
    match row(module) {
        _ if own == module => None,
        None => Some(format!("`{own}` uses `{module}`, which is not in the map")),
        Some(row) if row < own_row => None,
        Some(row) if row == own_row => Some(format!(
            "`{own}` uses `{module}`, and both are in row {row}: such modules do not know each other"
        )),
        Some(row) => Some(format!("`{own}` (row {own_row}) uses `{module}`, which is above it (row {row})")),
    }
}

fn row(module: &str) -> Option<u32> {
    MAP.iter().find(|(name, _)| *name == module).map(|&(_, row)| row)
}

/// All Rust files below `dir`, a directory of the package, in order.
fn rust_files(dir: &str) -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut directories = vec![PathBuf::from(dir)];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(package().join(&directory)).unwrap() {
            let entry = entry.unwrap();
            let path = directory.join(entry.file_name());
            if entry.file_type().unwrap().is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert!(!files.is_empty(), "no Rust files in {dir}");
    files
}

fn read(path: &Path) -> String {
    fs::read_to_string(package().join(path)).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

#[track_caller]
fn none(wrong: &[String], what: &str) {
    assert!(wrong.is_empty(), "{what}:\n{}", wrong.join("\n"));
}

#[test]
fn refusals_name_the_reason() {
    let cases = [
        ("src/tree/view.rs", "oci", None),
        ("src/tree.rs", "tree", None),
        ("src/main.rs", "cli", None),
        (
            "src/store.rs",
            "layer",
            Some("`store` uses `layer`, and both are in row 2: such modules do not know each other"),
        ),
        ("src/oci/digest.rs", "store", Some("`oci` (row 0) uses `store`, which is above it (row 2)")),
        ("src/helpers.rs", "oci", Some("`helpers` is not in the map")),
        ("src/engine.rs", "*", Some("`engine` uses `*`, which is not in the map")),
    ];
    for (path, module, expected) in cases {
        assert_eq!(refusal(Path::new(path), module).as_deref(), expected, "{path} {module}");
    }
}
