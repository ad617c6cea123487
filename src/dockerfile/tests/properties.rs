//! What holds for every text.

use proptest::prelude::*;

use super::{laws, reference, trees};
use crate::diagnostic::Span;
use crate::dockerfile::ast::Escape;
use crate::dockerfile::word::{ExpandError, Word, expand_text};

/// Texts made of what Dockerfiles are made of, so that most of them reach deep into the parser.
fn dockerfile() -> impl Strategy<Value = String> {
    let piece = prop::sample::select(vec![
        "FROM a",
        "RUN",
        "COPY",
        "ADD",
        "ENV",
        "ARG",
        "LABEL",
        "ONBUILD",
        "HEALTHCHECK",
        "EXPOSE",
        "SHELL",
        "VOLUME",
        "CMD",
        "# syntax=",
        "# escape=`",
        "# check=",
        " ",
        "  ",
        "\n",
        "\r\n",
        "\\\n",
        "`\n",
        "\t",
        "\"",
        "'",
        "\\",
        "`",
        "$",
        "${",
        "}",
        ":-",
        "/",
        "#",
        "%",
        "<<EOF",
        "<<-",
        "<<",
        "EOF\n",
        "[\"a\"]",
        "[",
        ",",
        "=",
        "--",
        "--mount=type=cache,target=/x",
        "--from=",
        "--interval=1s",
        "a",
        "é",
        "x=1",
        "\u{feff}",
        "<",
        "((",
        "--link",
        "\u{a0}",
        "\0",
    ]);
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

/// Words made of what words are made of, mostly well formed.
fn word() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        "a", "b ", "*", "?", "/", ".", "$A", "$B", "${C}", "$D", "$E", "$XX", "${YY}", "$a_1", "$ü", "$1",
        "$@", "$", "\\", "`", "\\*", "\\}", "\\/", "\\$", "'a $A'", "' '", "\"\"", "'", "\"", "}", "foo",
        "o", "\t", "\\\"", "é",
    ]);
    let leaf = leaf.prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 4, |inner| {
        let inner = || prop::collection::vec(inner.clone(), 0..3).prop_map(|parts| parts.concat());
        let name = || prop::sample::select(vec!["A", "B", "C", "D", "E", "XX", "ü", "a_1", "1", "@"]);
        let operator = prop::sample::select(vec![
            ":-", "-", ":+", "+", ":?", "?", "#", "##", "%", "%%", "#", "##", "%", "%%", ":=", "@",
        ]);
        let slash = prop::sample::select(vec!["/", "//"]);
        prop_oneof![
            3 => (name(), operator, inner()).prop_map(|(name, sign, word)| format!("${{{name}{sign}{word}}}")),
            2 => (name(), slash, inner(), inner())
                .prop_map(|(name, sign, from, to)| format!("${{{name}{sign}{from}/{to}}}")),
            1 => inner().prop_map(|word| format!("\"{word}\"")),
            1 => inner(),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_laws_hold_for_any_text(text in prop_oneof![dockerfile(), any::<String>()]) {
        laws::parsing(&text);
    }

    #[test]
    fn a_printed_tree_is_read_as_itself(tree in trees::dockerfile()) {
        laws::printing(tree);
    }

    #[test]
    fn words_expand_as_the_rules_are_written(
        words in prop_oneof![
            4 => prop::collection::vec(word(), 1..4).prop_map(|words| words.concat()),
            1 => dockerfile(),
            1 => any::<String>(),
        ],
    ) {
        laws::expanding(&words);
    }

    #[test]
    fn a_text_without_special_characters_expands_to_itself(text in "[^$'\"\\\\`]*") {
        let word = Word { text: text.clone(), span: Span::default() };
        let expanded = word.expand(&|_| None, Escape::Backslash).map(|expanded| expanded.text);
        prop_assert_eq!(expanded, Ok(text));
    }
}

/// The comparison is worth something only if most of what it is given is no error.
#[test]
fn most_made_up_words_expand() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let good = (0..500).filter(|_| {
        let text = word().new_tree(&mut runner).expect("nothing is rejected").current();
        reference::expand(&text, '\\', reference::Quotes::Remove).is_some()
    });
    assert!(good.count() > 250);
}

/// Ten times `${C///…}`: each puts its replacement into eight places.
#[test]
fn substitutions_that_multiply_are_refused_before_they_are_compared() {
    let text = format!("{}x{}", "${C///".repeat(10), "}".repeat(10));
    let expanded = expand_text(&text, &reference::variable, Escape::Backslash);
    assert_eq!(expanded, Err(ExpandError::TooLong));
    laws::expanding(&text);
}
