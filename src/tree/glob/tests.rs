//! Patterns, by tables and against a naive matcher.

use proptest::prelude::*;

use super::naive::Naive;
use super::*;

fn single(pattern: &str) -> Result<Pattern, PatternFault> {
    Pattern::new(pattern.as_bytes(), Stars::Single).map_err(|error| error.fault)
}

fn double(pattern: &str) -> Pattern {
    Pattern::new(pattern.as_bytes(), Stars::Double).unwrap()
}

/// Cases of Go's own `path/filepath` tests and of the rules they stand for.
#[test]
fn single_stars_are_those_of_go() {
    for (pattern, path, matches) in [
        ("abc", "abc", true),
        ("*", "abc", true),
        ("*", ".hidden", true),
        ("*c", "abc", true),
        ("a*", "a", true),
        ("a*", "ab/c", false),
        ("a*/b", "abc/b", true),
        ("a*/b", "a/c/b", false),
        ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
        ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
        ("a*b?c*x", "abxbbxdbxebxczzx", true),
        ("a*b?c*x", "abxbbxdbxebxczzy", false),
        ("ab[c]", "abc", true),
        ("ab[b-d]", "abc", true),
        ("ab[e-g]", "abc", false),
        ("ab[^c]", "abc", false),
        ("ab[^b-d]", "abe", true),
        ("a\\*b", "a*b", true),
        ("a\\*b", "ab", false),
        ("a?b", "a☺b", true),
        ("a[^a]b", "a☺b", true),
        ("a???b", "a☺b", false),
        ("[a-ζ]*", "α", true),
        ("*[a-ζ]", "A", false),
        ("a?b", "a/b", false),
        ("a*b", "a/b", false),
        ("a[^x]b", "a/b", true),
        ("[\\]a]", "]", true),
        ("[\\-x]", "-", true),
        ("[x\\-]", "z", false),
        ("[z-a]", "m", false),
        ("*x", "xxx", true),
        ("a]b", "a]b", true),
        ("?é*é?", "xéyéz", true),
        ("?é*é?", "xééz", true),
        ("?é*é?", "xéz", false),
        ("**", "a", true),
        ("**", "a/b", false),
        ("**/a", "x/a", true),
        ("**/a", "x/y/a", false),
        ("*[^x]*b", "ab/b", true),
    ] {
        assert_eq!(single(pattern).unwrap().matches(path.as_bytes()), matches, "{pattern} {path}");
    }
}

#[test]
fn malformed_patterns_are_refused_wherever_the_fault_is() {
    for (pattern, fault) in [
        ("[]a]", PatternFault::Class),
        ("[-]", PatternFault::Class),
        ("[x-]", PatternFault::Class),
        ("[-x]", PatternFault::Class),
        ("[a-b-c]", PatternFault::Class),
        ("[", PatternFault::Unclosed),
        ("[^", PatternFault::Unclosed),
        ("[^]", PatternFault::Class),
        ("[^bc", PatternFault::Unclosed),
        ("a[", PatternFault::Unclosed),
        ("never/here/a[", PatternFault::Unclosed),
        ("a*b\\", PatternFault::Escape),
        ("[a\\", PatternFault::Unclosed),
    ] {
        assert_eq!(single(pattern), Err(fault), "{pattern}");
    }
    let bytes = Pattern::new(b"[\xFF]", Stars::Single).unwrap_err();
    assert_eq!(bytes.fault, PatternFault::Encoding);
    let range = Pattern::new(b"[z-a]", Stars::Double).unwrap_err();
    assert_eq!(range.to_string(), "the pattern `[z-a]` is malformed: a range in `[…]` ends before it begins");
}

#[test]
fn double_stars_are_those_of_patternmatcher() {
    for (pattern, path, matches) in [
        ("**", "a", true),
        ("**", "a/b", true),
        ("**/a", "a", true),
        ("**/a", "x/y/a", true),
        ("**/a", "x/ba", false),
        ("**a", "x/ba", true),
        ("**a*", "x/ba", false),
        ("**a*", "x/ab", true),
        ("a/**", "a", false),
        ("a/**", "a/b/c", true),
        ("a/**/b", "a/b", true),
        ("a/**/b", "a/x/y/b", true),
        ("a/**/b", "a/xb", false),
        ("a**b", "ab", true),
        ("a**b", "ax/b", true),
        ("a**b", "axb", false),
        ("a**", "ab/c", true),
        ("**/*.go", "m.go", true),
        ("**/*.go", "a/b/m.go", true),
        ("**/*.go", "a/b/m.goo", false),
        ("src/**/*_test.?o", "src/a/b_test.go", true),
        ("src/**/*_test.?o", "src/b_test.go", true),
        ("**/x/**", "x/y", true),
        ("**/x/**", "a/x", false),
        ("**/**/a", "a", true),
        ("a/**/**", "a/b", true),
        ("***", "a", true),
        ("**/[ab]/*", "c/a/x", true),
        ("*/**/a", "a", false),
        ("*/**/a", "x/a", true),
    ] {
        assert_eq!(double(pattern).matches(path.as_bytes()), matches, "{pattern} {path}");
    }
}

#[test]
fn bytes_that_are_not_utf8_are_single_units() {
    let pattern = |text: &[u8]| Pattern::new(text, Stars::Single).unwrap();
    assert!(pattern(b"a?b").matches(b"a\xFFb"));
    assert!(!pattern(b"a?b").matches(b"a\xFF\xFEb"));
    assert!(pattern(b"a\xFF*").matches(b"a\xFFx"));
    assert!(!pattern(b"?\xFF?").matches(b"a\xFEb"));
    assert!(pattern(b"?\xFF?").matches(b"a\xFFb"));
}

#[test]
fn long_patterns_use_more_than_one_word_of_states() {
    let pattern = "?".repeat(70) + "*x*";
    assert!(single(&pattern).unwrap().matches(("y".repeat(100) + "x").as_bytes()));
    assert!(!single(&pattern).unwrap().matches(("y".repeat(69) + "x").as_bytes()));
}

#[test]
fn could_match_below_is_exact_for_walking() {
    for (pattern, dir, could) in [
        ("src/**/*.go", "src", true),
        ("src/**/*.go", "src/a/b", true),
        ("src/**/*.go", "srcs", false),
        ("src/**/*.go", "lib", false),
        ("a/b", "a", true),
        ("a/b", "a/b", false),
        ("a/b", "a/c", false),
        ("*/b", "x", true),
        ("*/b", "x/y", false),
        ("*/b", "b", true),
        ("*.go", "x.go", false),
        ("a*/x?/[yz]/k", "ab", true),
        ("a*/x?/[yz]/k", "ab/xx", true),
        ("a*/x?/[yz]/k", "ab/xx/a", false),
        ("a*/x?/[yz]/k", "ab/xx/z", true),
        ("a*/x?/[yz]/k", "ab/xx/z/k", false),
        ("**/a", "deep/down", true),
        ("a/**", "a", true),
        ("a/**", "b", false),
        ("x", "", true),
    ] {
        assert_eq!(double(pattern).could_match_below(dir.as_bytes()), could, "{pattern} {dir}");
    }
}

#[test]
fn wildcards_are_recognised_unless_escaped() {
    for (component, wild) in [("a", false), ("a*", true), ("[a", true), ("\\*a", false), ("\\\\?", true)] {
        assert_eq!(is_wildcard(component.as_bytes()), wild, "{component}");
    }
}

#[test]
fn ends_never_deny_a_match() {
    for (pattern, path, allowed) in [
        ("**/*.py[co]", "a/b.pyc", true),
        ("**/*.py[co]", "a/b.pzc", false),
        ("**/*.py[co]", "x", false),
        ("*.é?", "x.éa", true),
        ("*é", "xé", true),
        ("*é", "xè", false),
        ("abcdefghij*", "abcdefghji", true),
        ("**/x9/**", "x/9", true),
        ("**/x9/**", "n/9", false),
        ("abcdefghij*", "abcdefgxxx", false),
        ("a*", "a", true),
        ("a/long/path/*.js", "a/long", false),
    ] {
        let ends = Ends::of(&double(pattern));
        assert_eq!(ends.allow(&PathEnds::of(path.as_bytes())), allowed, "{pattern} {path}");
    }
}

fn pattern_text() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "a",
        "b",
        "ab",
        "/",
        "/",
        "*",
        "**",
        "**/",
        "?",
        "[ab]",
        "[^a]",
        "[a-b]",
        "[^\\a-\\]]",
        "\\*",
        "\\a",
        "/**/",
        "é",
        "[é-ü]",
        "[",
        "]",
    ]);
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

fn path_text() -> impl Strategy<Value = String> {
    "[abé*]{1,3}(/[ab\\]]{1,2}){0,4}"
}

/// All paths of up to three short components.
fn short_paths() -> Vec<String> {
    let names = ["a", "b", "aa", "ab", "ba", "bb"];
    let mut paths: Vec<String> = names.map(str::to_owned).to_vec();
    for start in [0, names.len()] {
        let longer = paths[start..].iter().flat_map(|path| names.map(|name| format!("{path}/{name}")));
        paths.extend(longer.collect::<Vec<_>>());
    }
    paths
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_the_naive_matcher(pattern in pattern_text(), path in path_text()) {
        let expected = Naive::parse(&pattern).map(|it| it.fits(&path));
        let compiled = Pattern::new(pattern.as_bytes(), Stars::Double).ok();
        prop_assert_eq!(compiled.as_ref().map(|it| it.matches(path.as_bytes())), expected);
        if let (Some(compiled), Some(true)) = (compiled, expected) {
            prop_assert!(Ends::of(&compiled).allow(&PathEnds::of(path.as_bytes())));
        }
    }

    #[test]
    fn a_match_below_is_never_denied(pattern in pattern_text(), path in path_text()) {
        let Ok(compiled) = Pattern::new(pattern.as_bytes(), Stars::Double) else { return Ok(()) };
        if compiled.matches(path.as_bytes()) {
            for (i, _) in path.bytes().enumerate().filter(|&(_, b)| b == b'/') {
                prop_assert!(compiled.could_match_below(&path.as_bytes()[..i]));
            }
        }
    }

    /// Also the other way round: where a match below is possible, there is a path that fits.
    #[test]
    fn a_match_below_is_possible_only_where_there_is_one(
        pattern in r"(\*\*/)?([ab?]|\[ab\]|\*){1,2}(/(\*\*|([ab?]|\*){1,2})){0,2}",
        dir in "(a|b|ab)(/(a|bb)){0,1}",
    ) {
        let below = short_paths().into_iter().map(|path| format!("{dir}/{path}"));
        let naive = Naive::parse(&pattern).expect("the pattern is well formed");
        let exists = below.into_iter().any(|path| naive.fits(&path));
        prop_assert_eq!(double(&pattern).could_match_below(dir.as_bytes()), exists);
    }
}
