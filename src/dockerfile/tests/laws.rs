//! What holds for every text. Property tests and the fuzz targets both call these; a law that is broken panics.

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::dockerfile::ast::{Dockerfile, Escape, InstructionKind};
use crate::dockerfile::word::{ExpandError, Word, expand_body};
use crate::dockerfile::{
    ParseError, ParseErrorKind, Parsed, detect_syntax, parse, parse_trigger, port, signal,
};

use super::{places, print, reference};

/// Parses `text`, and the tree's own text once more.
pub(super) fn parsing(text: &str) {
    let source = Source::new("Dockerfile", text);
    let _ = detect_syntax(&source);
    let _ = parse_trigger(&source);
    match parse(&source) {
        Ok(Parsed { mut dockerfile, warnings }) => {
            assert!(!dockerfile.stages.is_empty(), "no stages");
            for warning in &warnings {
                assert_fits(&source, warning.span);
                let _ = Diagnostic::from(warning).render(&source, false);
            }
            places::visit(&mut dockerfile, &mut |span| assert_fits(&source, *span));
            statements_follow_each_other(&source, &dockerfile);
            triggers_come_back(&dockerfile);
            printing(dockerfile);
        }
        Err(errors) => {
            assert!(!errors.is_empty(), "refused without a reason");
            for error in &errors {
                assert_fits(&source, error.span);
                let drawn = Diagnostic::from(error).render(&source, false);
                assert!(drawn.starts_with("error: "), "{drawn}");
            }
        }
    }
}

/// A tree that is printed and parsed is the same tree.
pub(super) fn printing(mut dockerfile: Dockerfile) {
    places::forget(&mut dockerfile);
    let printed = print::print(&dockerfile);
    let again = parse(&Source::new("printed", printed.as_str()));
    let mut again = again.unwrap_or_else(|errors| panic!("refused: {errors:?}\n{printed}")).dockerfile;
    places::forget(&mut again);
    assert_eq!(again, dockerfile, "\n{printed}");
}

/// Expands `text` in every way, and compares with the rules as they are written.
pub(super) fn expanding(text: &str) {
    let word = Word { text: text.to_owned(), span: Span::default() };
    let lookup = reference::variable;
    for escape in [Escape::Backslash, Escape::Backtick] {
        let found = word.expand(&lookup, escape);
        if grows_too_much(&found) {
            continue;
        }
        let found = found.ok();
        let expected = reference::expand(text, escape.char(), reference::Quotes::Remove);
        assert_eq!(found.as_ref().map(|it| &it.text), expected.as_ref().map(|it| &it.text), "{text:?}");
        assert_eq!(found.map(|it| sorted(it.unmatched)), expected.clone().map(|it| it.unset), "{text:?}");
        let found = word.expand_words(&lookup, escape);
        assert_eq!(found.ok().map(|it| it.words), expected.map(|it| it.words), "{text:?}");
    }
    let found = expand_body(text, &lookup).map_err(|error| ParseError::new(error, word.span));
    if !grows_too_much(&found) {
        let expected = reference::expand(text, '\\', reference::Quotes::Keep);
        assert_eq!(found.ok().map(|it| it.text), expected.map(|it| it.text), "{text:?}");
    }
    let _ = port::parse_ports(text);
    let _ = signal::number(text);
}

/// Whether an expansion came to its limit, which the rules as they are written do not know: substitutions within
/// substitutions multiply.
fn grows_too_much<T>(expanded: &Result<T, ParseError>) -> bool {
    matches!(expanded, Err(ParseError { kind: ParseErrorKind::Expand(ExpandError::TooLong), .. }))
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

fn assert_fits(source: &Source, span: Span) {
    let (text, start, end) = (source.text(), span.start as usize, span.end as usize);
    assert!(start <= end && end <= text.len(), "{span:?} of {}", text.len());
    assert!(text.is_char_boundary(start) && text.is_char_boundary(end), "{span:?}");
}

fn statements_follow_each_other(source: &Source, dockerfile: &Dockerfile) {
    let mut end = 0;
    let mut next = |span: Span, keyword: &crate::diagnostic::Spanned<String>| {
        assert!(end <= span.start && span.start == keyword.span.start, "{span:?} behind {end}");
        assert!(keyword.span.end <= span.end, "{span:?} {keyword:?}");
        // A continuation may stand within a keyword.
        if keyword.span.end - keyword.span.start == keyword.value.len() as u32 {
            assert_eq!(source.slice(keyword.span), keyword.value);
        }
        end = span.end;
    };
    for arg in &dockerfile.global_args {
        next(arg.span, &arg.keyword);
    }
    for stage in &dockerfile.stages {
        next(stage.from.span, &stage.from.keyword);
        for instruction in &stage.instructions {
            next(instruction.span, &instruction.keyword);
        }
    }
}

/// What an image config stores of an ONBUILD is read as the same instruction.
fn triggers_come_back(dockerfile: &Dockerfile) {
    for instruction in dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        let InstructionKind::OnBuild(on_build) = &instruction.kind else { continue };
        let line = on_build.instruction.text.as_str();
        // Its reader knows one escape character only, and no line that ends with it.
        if dockerfile.directives.escape != Escape::Backslash || line.ends_with('\\') {
            continue;
        }
        let again = parse_trigger(&Source::new("trigger", on_build.trigger.as_str()));
        let again = again.unwrap_or_else(|error| panic!("refused: {error:?}\n{}", on_build.trigger));
        assert_eq!(again.text, line);
        assert_eq!(again.kind.keyword(), on_build.instruction.kind.keyword());
    }
}
