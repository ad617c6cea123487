//! What holds for every text.

use proptest::prelude::*;

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::dockerfile::ast::Escape;
use crate::dockerfile::word::{Word, expand_body};
use crate::dockerfile::{parse, parse_trigger, port, signal};

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

fn fits(source: &Source, span: Span) -> bool {
    let text = source.text();
    span.start <= span.end
        && text.is_char_boundary(span.start as usize)
        && (span.end as usize) <= text.len()
        && text.is_char_boundary(span.end as usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn parsing_never_panics_and_places_are_in_the_text(text in prop_oneof![dockerfile(), any::<String>()]) {
        let source = Source::new("Dockerfile", text);
        match parse(&source) {
            Ok(parsed) => {
                prop_assert!(!parsed.dockerfile.stages.is_empty());
                for stage in &parsed.dockerfile.stages {
                    prop_assert!(fits(&source, stage.from.span));
                    for instruction in &stage.instructions {
                        prop_assert!(fits(&source, instruction.span), "{:?}", instruction);
                        prop_assert_eq!(source.slice(instruction.keyword.span), &instruction.keyword.value);
                    }
                }
            }
            Err(errors) => {
                prop_assert!(!errors.is_empty());
                for error in &errors {
                    prop_assert!(fits(&source, error.span), "{:?}", error);
                    let drawn = Diagnostic::from(error).render(&source, false);
                    prop_assert!(drawn.starts_with("error: "), "{}", drawn);
                }
            }
        }
        let _ = parse_trigger(&source);
    }

    #[test]
    fn expanding_never_panics(text in prop_oneof![dockerfile(), any::<String>()]) {
        let word = Word { text, span: Span::default() };
        let lookup = |name: &str| (name.len() % 2 == 1).then(|| name.to_owned());
        for escape in [Escape::Backslash, Escape::Backtick] {
            let _ = word.expand(&lookup, escape);
            let _ = word.expand_words(&lookup, escape);
        }
        let _ = expand_body(&word.text, &lookup);
        let _ = port::parse_ports(&word.text);
        let _ = signal::number(&word.text);
    }

    #[test]
    fn a_text_without_special_characters_expands_to_itself(text in "[^$'\"\\\\`]*") {
        let word = Word { text: text.clone(), span: Span::default() };
        let expanded = word.expand(&|_| None, Escape::Backslash).map(|expanded| expanded.text);
        prop_assert_eq!(expanded, Ok(text));
    }
}
