//! Word expansion, by tables.

use crate::diagnostic::Span;
use crate::dockerfile::ast::Escape;
use crate::dockerfile::word::{ExpandError, Expanded, Word, expand_body, expand_text};

/// The variables of all tables; XXX and whatever is not here is unset.
const VARIABLES: [(&str, &str); 12] = [
    ("PWD", "/home"),
    ("SHELL", "bash"),
    ("NULL", ""),
    ("FOO", "foobarfoo"),
    ("P", "a/b/c"),
    ("STAR", "*a*b*"),
    ("SPACED", "a  b"),
    ("PORTS", "80 443/udp"),
    ("UMLAUT", "äöü"),
    ("BACK", r"c:\d\e"),
    ("BRACES", "x}y/z"),
    ("a_1", "under"),
];

fn lookup(name: &str) -> Option<String> {
    VARIABLES.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
}

fn expand(text: &str) -> Result<String, ExpandError> {
    expand_text(text, &lookup, Escape::Backslash).map(|expanded| expanded.text)
}

#[test]
fn words_expand() {
    let cases = [
        // C032 … C045
        ("he${XXX:-${YYY:-yyy}}xx", "heyyyxx"),
        ("${NULL?}", ""),
        ("${PWD:+${SHELL}}", "bash"),
        ("$999aaa", "aaa"),
        ("$@@@", "@@"),
        ("he$.x", "he$.x"),
        (r#""abc\tdef""#, r"abc\tdef"),
        (r"abc\tdef", "abctdef"),
        (r"'abc\tdef'", r"abc\tdef"),
        (r"hello\", "hello"),
        (r"hello\\", r"hello\"),
        (r"${XXX:-\${PWD}z}xx", "${PWDz}xx"),
        ("${FOO#foo}", "barfoo"),
        ("${FOO%foo}", "foobar"),
        ("${FOO/foo/x}", "xbarfoo"),
        ("${FOO//foo/x}", "xbarx"),
        ("${P##*/}", "c"),
        ("${P#*/}", "b/c"),
        ("${P%/*}", "a/b"),
        ("${P%%/*}", "a"),
        // names
        ("", ""),
        ("plain", "plain"),
        ("$PWD", "/home"),
        ("$PWD/x", "/home/x"),
        ("$PWDx", ""),
        ("${PWD}x", "/homex"),
        ("$a_1-$a_1.", "under-under."),
        ("$", "$"),
        ("a$", "a$"),
        ("$ x", "$ x"),
        ("$$PWD", "PWD"),
        ("$?$!$-$*$#$0", ""),
        ("${1}${@}", ""),
        ("$XXX", ""),
        ("%s", "%s"),
        // unset or empty
        ("${PWD:-x}${PWD-x}", "/home/home"),
        ("${NULL:-x}", "x"),
        ("${NULL-x}", ""),
        ("${XXX-x}", "x"),
        ("${XXX:-}", ""),
        ("${PWD+x}${NULL+x}${XXX+x}", "xx"),
        ("${PWD:+x}${NULL:+x}${XXX:+x}", "x"),
        ("${PWD?no}${PWD:?no}", "/home/home"),
        ("${XXX:-'a}b'}", "a}b"),
        (r#"${XXX:-"a}b"}"#, "a}b"),
        (r"${XXX:-a\}b}", "a}b"),
        ("${XXX:-$PWD/$SHELL}", "/home/bash"),
        ("${XXX:-:-}", ":-"),
        // quotes
        ("'$PWD'", "$PWD"),
        (r#""$PWD'x'""#, "/home'x'"),
        (r#""\"\$PWD\\""#, r#""$PWD\"#),
        (r#"a"b c"'d e'f"#, "ab cd ef"),
        (r#"'"'"'""#, r#""'"#),
        (r"\'\$PWD", "'$PWD"),
        (r#""""#, ""),
        // patterns
        ("${FOO#f*o}", "obarfoo"),
        ("${FOO##f*o}", ""),
        ("${FOO%f*o}", "foobar"),
        ("${FOO%%f*o}", ""),
        ("${FOO#bar}", "foobarfoo"),
        ("${FOO#?}", "oobarfoo"),
        ("${FOO%???}", "foobar"),
        ("${FOO#}", "foobarfoo"),
        ("${FOO##}", "foobarfoo"),
        ("${FOO/o*o/-}", "f-"),
        ("${FOO//o/}", "fbarf"),
        ("${FOO//?/x}", "xxxxxxxxx"),
        ("${FOO//*/x}", "x"),
        ("${FOO/x/y}", "foobarfoo"),
        ("${P//\\//-}", "a-b-c"),
        (r"${BRACES/\}/-}", "x-y/z"),
        (r"${BRACES#x\}}", "y/z"),
        // C046
        (r"${STAR#\*}", "a*b*"),
        (r"${STAR%%a\**}", "*"),
        (r"${STAR//\*/.}", ".a.b."),
        (r"${BACK##*\\}", "e"),
        (r"${BACK//\\//}", "c:/d/e"),
        ("${UMLAUT#?}", "öü"),
        ("${UMLAUT%ü}", "äö"),
        ("${UMLAUT//ö/oe}", "äoeü"),
        ("${PWD#$NULL}", "/home"),
        ("${PWD#${PWD%m*}}", "me"),
        ("${FOO/foo/$P}", "a/b/cbarfoo"),
        ("${XXX#x}${XXX//a/b}", ""),
        ("${FOO/foo/$1}", "barfoo"),
    ];
    for (text, expected) in cases {
        assert_eq!(expand(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn words_that_cannot_be_expanded_say_why() {
    let modifier =
        |name: &str, modifier: &str| ExpandError::Modifier { name: name.into(), modifier: modifier.into() };
    let required =
        |name: &str, message: &str| ExpandError::Required { name: name.into(), message: message.into() };
    let pattern = |pattern: &str, escaped: &str| ExpandError::Pattern {
        pattern: pattern.into(),
        escaped: escaped.into(),
    };
    let cases = [
        ("${NULL:?}", required("NULL", "is not allowed to be empty")),
        ("${XXX?}", required("XXX", "is not allowed to be unset")),
        ("${XXX:?}", required("XXX", "is not allowed to be unset")),
        ("${XXX:?no x}", required("XXX", "no x")),
        ("${XXX?$SHELL}", required("XXX", "bash")),
        ("${PWD:=a}", modifier("PWD", ":=")),
        ("${PWD=a}", modifier("PWD", "=")),
        ("${PWD:#a}", modifier("PWD", ":#")),
        ("${PWD@Q}", modifier("PWD", "@")),
        ("${.}", modifier("", ".")),
        ("${}", ExpandError::MissingName),
        ("${:}", ExpandError::MissingName),
        ("${:-x}", ExpandError::MissingName),
        ("${{PWD}}", ExpandError::MissingName),
        ("${PWD", ExpandError::MissingBrace),
        ("${", ExpandError::MissingBrace),
        ("${PWD:", ExpandError::MissingBrace),
        ("${PWD:-x", ExpandError::MissingBrace),
        ("${PWD#x", ExpandError::MissingBrace),
        ("${PWD/x/y", ExpandError::MissingBrace),
        ("${PWD/x}", ExpandError::MissingSlash { name: "PWD".into() }),
        (r#""hello"#, ExpandError::Quote { quote: '"' }),
        ("'x", ExpandError::Quote { quote: '\'' }),
        ("he'llo", ExpandError::Quote { quote: '\'' }),
        (r#"${XXX:-"a}"#, ExpandError::Quote { quote: '"' }),
        // C046
        (r"${FOO#\x}", pattern(r"\x", "x")),
        (r"${FOO/\o/x}", pattern(r"\o", "o")),
    ];
    for (text, expected) in cases {
        assert_eq!(expand(text), Err(expected), "{text}");
    }
}

#[test]
fn the_escape_character_is_the_files() {
    let cases = [("a`$PWD`b", "a$PWDb"), (r"c:\dir\", r"c:\dir\"), ("\"`\"\"", "\""), ("x`", "x")];
    for (text, expected) in cases {
        let expanded = expand_text(text, &lookup, Escape::Backtick).map(|expanded| expanded.text);
        assert_eq!(expanded.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn unset_variables_are_told_once_and_only_without_a_default() {
    let unmatched = |text| expand_text(text, &lookup, Escape::Backslash).map(|expanded| expanded.unmatched);
    let cases: [(&str, &[&str]); 7] = [
        ("$XXX ${YYY}$XXX", &["XXX", "YYY"]),
        ("$NULL$PWD", &[]),
        ("${XXX:-a}${XXX+b}", &[]),
        ("${XXX:-$YYY}", &["YYY"]),
        ("${XXX#a}${YYY//a/b}", &["XXX", "YYY"]),
        (r"'$XXX'\$XXX", &[]),
        ("\"$XXX\"", &["XXX"]),
    ];
    for (text, expected) in cases {
        assert_eq!(unmatched(text).as_deref(), Ok(expected.map_strings().as_slice()), "{text}");
    }
}

trait MapStrings {
    fn map_strings(&self) -> Vec<String>;
}

impl MapStrings for &[&str] {
    fn map_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

#[test]
fn exposed_words_are_split_after_expansion() {
    let cases: [(&str, &[&str]); 8] = [
        // C048
        ("$PORTS", &["80", "443/udp"]),
        ("x$PORTS", &["x80", "443/udp"]),
        ("\"$PORTS\"", &["80 443/udp"]),
        ("'a b'c d", &["a bc", "d"]),
        (r"a\ b", &["a b"]),
        ("$XXX", &[]),
        ("$SPACED$SPACED", &["a", "ba", "b"]),
        ("  ", &[]),
    ];
    for (text, expected) in cases {
        let word = Word { text: text.to_owned(), span: Span::default() };
        let words = word.expand_words(&lookup, Escape::Backslash).map(|expanded| expanded.words);
        assert_eq!(words.as_deref(), Ok(expected.map_strings().as_slice()), "{text}");
    }
}

#[test]
fn heredoc_bodies_keep_their_quotes() {
    let cases = [
        ("a $PWD\n", "a /home\n"),
        ("'$PWD' \"$PWD\"\n", "'/home' \"/home\"\n"),
        ("it's\n", "it's\n"),
        // C176
        ("\\\n", "\n"),
        ("\\\\\n", "\\\n"),
        ("\\$PWD\n", "$PWD\n"),
        ("`x`\n", "`x`\n"),
    ];
    for (body, expected) in cases {
        let expanded = expand_body(body, &lookup);
        let expected = Expanded { text: expected.to_owned(), unmatched: Vec::new() };
        assert_eq!(expanded, Ok(expected), "{body}");
    }
}

#[test]
fn deep_nesting_is_refused_instead_of_overflowing() {
    let text = "${a:-".repeat(100_000);
    assert_eq!(expand(&text), Err(ExpandError::TooDeep));
    let text = "${a:-".repeat(60) + "x" + &"}".repeat(60);
    assert_eq!(expand(&text).as_deref(), Ok("x"));
}

#[test]
fn growth_without_end_is_refused_instead_of_filling_memory() {
    let long = "x".repeat(1 << 19);
    let lookup = |name: &str| Some(if name == "LONG" { long.clone() } else { "v".to_owned() });
    let expand =
        |text: &str| expand_text(text, &lookup, Escape::Backslash).map(|expanded| expanded.text.len());
    assert_eq!(expand("$LONG$LONG"), Ok(1 << 20));
    for text in ["$LONG${LONG}$V", "\"$LONG$LONG$V\"", "${V:+$LONG$LONG$V}", "${LONG//x/abc}"] {
        assert_eq!(expand(text), Err(ExpandError::TooLong), "{text}");
    }
}
