//! The ignore file: tables of what is hidden, and a comparison with a naive matcher.

use std::fmt::Write as _;

use proptest::prelude::*;

use super::*;
// What the naive rules are made of; they find it here so that they need no path of this crate.
use crate::tree::glob::naive as glob;

mod laws;
pub(in crate::context) mod naive;

fn parse(text: &str) -> Dockerignore {
    Dockerignore::parse(text.as_bytes(), Some(".dockerignore".into())).unwrap()
}

fn hidden(text: &str, path: &str) -> bool {
    parse(text).verdict(&path.into()).is_hidden()
}

#[test]
fn the_conformance_cases() {
    for (text, hidden_paths, visible) in [
        // C222
        ("ba*\n!bay\nDockerfile\n.dockerignore", &["bar", "baz", "Dockerfile"][..], &["foo", "bay"][..]),
        // C225
        ("*\n!src/**/*.go", &["a", "src", "src/a.c", "src/d/a.c"], &["src/a.go", "src/d/e/a.go"]),
        // C226
        ("a\n!a/b", &["a", "a/c", "a/c/d"], &["a/b", "a/b/c"]),
        // C227
        ("**/node_modules", &["node_modules", "a/node_modules/x"], &["a/node_modules2"]),
        // C228
        ("/foo", &["foo", "foo/x"], &["a/foo"]),
        ("foo/", &["foo", "foo/x"], &["a/foo"]),
        ("./foo", &["foo", "foo/x"], &["a/foo"]),
        // C229
        (" # x", &["# x"], &["x"]),
        ("# x", &[], &["# x", "x"]),
    ] {
        for path in hidden_paths {
            assert!(hidden(text, path), "{text:?} {path}");
        }
        for path in visible {
            assert!(!hidden(text, path), "{text:?} {path}");
        }
    }
}

#[test]
fn lines_are_cleaned() {
    for (text, path, is_hidden) in [
        ("\u{FEFF}a", "a", true),
        ("\u{FEFF}# a", "# a", false),
        ("  a  \r\n", "a", true),
        ("a/../b", "b", true),
        ("a//./b/", "a/b", true),
        ("../a", "a", false),
        ("/../a", "a", true),
        (".", "a", false),
        ("/", "a", false),
        ("a\n! /a", "a", false),
        ("a\n!!a", "a", true),
        ("\u{A0}a", "a", true),
    ] {
        assert_eq!(hidden(text, path), is_hidden, "{text:?} {path}");
    }
}

#[test]
fn the_last_line_that_fits_decides_and_is_named() {
    let ignore = parse("# comment\n\n*.log\n!keep.log\nk*.log\n**/tmp\nd\n!d/e");
    for (path, number) in [
        ("x.log", Some(3)),
        ("keep.log", Some(5)),
        ("a/tmp/x", Some(6)),
        ("d/e/f", Some(8)),
        ("d/f", Some(7)),
        ("readme", None),
        ("", None),
    ] {
        let verdict = ignore.verdict(&path.into());
        assert_eq!(ignore.deciding(verdict).map(|line| line.number), number, "{path}");
    }
    let line = ignore.deciding(ignore.verdict(&"x.log".into())).unwrap();
    assert_eq!(&*line.text, "*.log");
}

/// A later line about a directory also counts below it, against an earlier and more special one.
#[test]
fn a_later_line_about_a_parent_wins() {
    assert!(!hidden("a/x\n!a", "a/x"));
    assert!(hidden("!a/x\na", "a/x"));
}

#[test]
fn faults_name_file_and_line() {
    let error = |text: &str| Dockerignore::parse(text.as_bytes(), Some("x.dockerignore".into())).unwrap_err();
    for text in ["!", "a\n ! \n", "!/"] {
        assert!(matches!(error(text), DockerignoreError::LoneExclamation { .. }), "{text:?}");
    }
    assert_eq!(error("a\n!").to_string(), "`x.dockerignore` line 2: `!` has no pattern behind it");
    let malformed = error("# c\n\na[");
    assert_eq!(malformed.to_string(), "`x.dockerignore` line 3");
    let cause = std::error::Error::source(&malformed).unwrap().to_string();
    assert_eq!(cause, "the pattern `a[` is malformed: `[` is never closed");
    assert!(Dockerignore::from_patterns([&b"*.log"[..], b"!"]).is_err());
}

#[test]
fn directories_are_pruned_exactly() {
    for (text, dir, prune) in [
        ("a", "a", true),
        ("a", "b", false),
        ("a\n!b", "a", true),
        ("a\n!a/b", "a", false),
        ("!a/b\na", "a", true),
        ("*\n!src/**/*.go", "lib", true),
        ("*\n!src/**/*.go", "src", false),
        ("*\n!src/**/*.go", "src/d", false),
        ("**/node_modules\n!app/*/keep", "app/node_modules", false),
        ("**/node_modules\n!app/*/keep", "lib/node_modules", true),
        ("**/node_modules\n!app/*/keep", "app/x/node_modules", true),
        ("a\n!**/keep", "a", false),
    ] {
        let ignore = parse(text);
        assert_eq!(ignore.can_prune(dir.as_bytes(), ignore.verdict(&dir.into())), prune, "{text:?} {dir}");
    }
}

#[test]
fn the_file_beside_the_dockerfile_wins() {
    let dir = tempfile::tempdir().unwrap();
    let dockerfile = dir.path().join("x.Dockerfile");
    let first_line = || {
        let ignore = Dockerignore::find(dir.path(), Some(&dockerfile)).unwrap();
        ignore.lines.first().map(|line| line.text.to_string())
    };
    assert_eq!(first_line(), None);
    fs::write(dir.path().join(".dockerignore"), "general").unwrap();
    assert_eq!(first_line().as_deref(), Some("general"));
    fs::write(dir.path().join("x.Dockerfile.dockerignore"), "special").unwrap();
    assert_eq!(first_line().as_deref(), Some("special"));
    fs::remove_file(dir.path().join(".dockerignore")).unwrap();
    fs::create_dir(dir.path().join(".dockerignore")).unwrap();
    assert!(matches!(Dockerignore::find(dir.path(), None), Err(DockerignoreError::Read { .. })));
}

fn line_text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => r"!?(\*\*/)?[ab*?]{1,3}(/(\*\*|[ab*]{1,2})){0,3}",
        1 => r"!?/?(a|b|ab)(/(a|b)){0,3}/?",
        1 => r"!?(\[ab\]|\[\^a\]|\[a-b\]|\\a|\\\*|a|\*\*|\./|\.\./|/){1,4}",
        1 => r"[ #!]{0,2}[ab*\[\]\\]{0,3}[ \r]?",
    ]
}

fn path_text() -> impl Strategy<Value = String> {
    "[ab]{1,2}(/[ab]{1,2}){0,4}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_made_up_lines(
        lines in prop::collection::vec(line_text(), 0..12),
        paths in prop::collection::vec(path_text(), 1..20),
    ) {
        laws::matching(&lines.join("\n"), paths.iter().map(String::as_str));
    }

    #[test]
    fn the_laws_hold_for_any_text(text in "\\PC{0,30}", path in "\\PC{1,10}") {
        laws::matching(&text, [path.as_str()]);
    }
}

/// The files of `testdata/dockerignore`: real-world shapes, each with paths behind a line `---`.
#[test]
fn the_laws_hold_for_the_corpus() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerignore");
    let mut count = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let text = fs::read_to_string(entry.unwrap().path()).unwrap();
        let (lines, paths) = text.split_once("\n---\n").unwrap();
        let ignore = parse(lines);
        let hidden = |path: &str| ignore.verdict(&path.into()).is_hidden();
        // A path with a `-` before it is hidden, one with a `+` visible.
        for path in paths.lines() {
            assert_eq!(hidden(&path[1..]), path.starts_with('-'), "{path}\n{lines}");
        }
        laws::file_with_paths(&text.replace("\n-", "\n").replace("\n+", "\n"));
        count += 1;
    }
    assert!(count >= 10, "only {count} files");
}

#[test]
fn many_lines_of_every_class_agree_with_the_rule() {
    let mut text = String::new();
    for i in 0..200 {
        let _ = writeln!(text, "d{i}/x\n**/n{i}\nd{}/*.l{i}\n!d{}/k?p.l{i}\n**/q/*.{i}", i % 7, i % 7);
    }
    let ignore = parse(&text);
    let rules = naive::Rules::parse(&text).unwrap();
    for i in 0..200 {
        for path in [
            format!("d{i}/x"),
            format!("a/b/n{i}/z"),
            format!("d{}/a.l{i}", i % 7),
            format!("d{}/kip.l{i}", i % 7),
            format!("x/q/y.{i}"),
            format!("x/r/y.{i}"),
        ] {
            assert_eq!(ignore.verdict(&path.as_str().into()).is_hidden(), rules.hides(&path), "{path}");
        }
    }
}
