//! What a walk sees and which directories it opens, against the rules of the ignore file as they are written.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::context::dockerignore::tests::naive::Rules;

/// Below the root and below each of the directories `a`, `b` and `ab`, to this depth.
const DEPTH: usize = 2;

/// Directories of the tree without its root, and all its paths.
fn tree() -> (Vec<String>, Vec<String>) {
    let (mut dirs, mut paths) = (Vec::new(), Vec::new());
    let mut level = vec![String::new()];
    for depth in 0..=DEPTH {
        let mut next = Vec::new();
        for dir in &level {
            paths.extend(["aa", "bb", "x"].map(|name| format!("{dir}{name}")));
            if depth < DEPTH {
                next.extend(["a", "b", "ab"].map(|name| format!("{dir}{name}")));
            }
        }
        paths.extend(next.iter().cloned());
        dirs.extend(next.iter().cloned());
        level = next.iter().map(|dir| format!("{dir}/")).collect();
    }
    (dirs, paths)
}

/// Paths that could be below any directory, for lines of short names.
fn conceivable() -> Vec<String> {
    let names = ["a", "b", "aa", "ab", "ba", "bb", "x"];
    let mut paths = names.map(str::to_owned).to_vec();
    let longer = paths.iter().flat_map(|dir| names.map(|name| format!("{dir}/{name}")));
    paths.extend(longer.collect::<Vec<_>>());
    paths
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        "!?[ab*?]{1,2}(/[ab*?]{1,2}){0,2}",
        "!?\\*\\*(/[ab*]{1,2}){0,2}",
        "!?[ab]{1,2}/\\*\\*(/[ab]{1,2})?",
        "!?(\\[ab\\]|\\\\a|[*]|x)(/(\\[\\^b\\]|\\*x|bb)){0,2}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_walk_sees_what_the_rules_say_and_opens_no_directory_in_vain(
        lines in prop::collection::vec(line(), 0..6),
    ) {
        let context = &*CONTEXT;
        let (dirs, paths) = tree();
        let text = lines.join("\n");
        let Some(rules) = Rules::parse(&text) else { return Ok(()) };
        let scan = scan(context.path(), &text);

        let mut visible: BTreeSet<String> = BTreeSet::from(["/".to_owned()]);
        for path in paths.iter().filter(|path| !rules.hides(path)) {
            let ends = path.match_indices('/').map(|(end, _)| end).chain([path.len()]);
            visible.extend(ends.map(|end| format!("/{}", &path[..end])));
        }
        let seen: BTreeSet<String> = super::paths(&scan).into_iter().collect();
        prop_assert_eq!(seen, visible, "{:?}", text);

        let wanted = |dir: &str| {
            let below: Vec<String> = conceivable().iter().map(|path| format!("{dir}/{path}")).collect();
            rules.wants(dir, below.iter().map(String::as_str))
        };
        let listed = dirs.iter().filter(|dir| {
            let ends = dir.match_indices('/').map(|(end, _)| end).chain([dir.len()]);
            ends.into_iter().all(|end| wanted(&dir[..end]))
        });
        prop_assert_eq!(scan.listed(), 1 + listed.count(), "{:?}", text);
    }
}

/// The same for all cases; nothing writes to it.
static CONTEXT: std::sync::LazyLock<TempDir> = std::sync::LazyLock::new(|| {
    let (dirs, paths) = tree();
    let files = paths.iter().filter(|path| !dirs.contains(path)).map(String::as_str);
    context(&files.collect::<Vec<_>>())
});

/// What is below a pruned directory costs nothing: not even one look, whatever lines for other places say.
#[test]
fn ignored_files_cost_nothing_however_many_they_are() {
    let lines = "node_modules\n**/target\n!src/**/*.rs\n!*.md\n!docs/**\ndist/*\n!dist/keep/**";
    let cost = |count: usize| {
        let mut files = vec!["src/a.rs".to_owned(), "docs/x/y".to_owned(), "dist/keep/z".to_owned()];
        for number in 0..count {
            let (outer, inner) = (number % 37, number % 5);
            files.push(format!("node_modules/p{outer}/lib{inner}/{number}.js"));
            files.push(format!("tools/target/{outer}/{number}.o"));
            files.push(format!("dist/{outer}/{number}.js"));
        }
        let dir = context(&files.iter().map(String::as_str).collect::<Vec<_>>());
        let scan = scan(dir.path(), lines);
        (scan.listed(), scan.count())
    };
    // The root, src, docs, docs/x, dist, dist/keep and tools, and three files.
    assert_eq!(cost(40), (7, 10));
    assert_eq!(cost(400), (7, 10));
}

#[test]
fn only_the_directories_on_the_way_to_what_is_shown_are_opened() {
    let files = ["a/b/c/keep", "a/b/d/x", "a/x/y/z", "b/c/keep", "m/n/o.go", "m/n/o.c", "v/w/o.go"];
    let dir = context(&files);
    for (lines, listed) in [
        ("*\n!a/b/c", 4),
        ("*\n!a/b/c/keep\nb", 4),
        ("*\n!a/*/c", 5),
        ("*\n!*/c", 6),
        ("*\n!m/**/*.go", 3),
        ("**\n!**/*.go", 13),
        ("a\n!a/b\na/b/d", 10),
        ("!a/b\n*", 1),
        ("*\n!**/keep\nm\nv", 9),
        ("[ab]\n!?/c", 8),
    ] {
        assert_eq!(scan(dir.path(), lines).listed(), listed, "{lines:?}");
    }
}
