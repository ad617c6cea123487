//! Drawing, in rustc's look.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Element, Group, Level, Renderer, Snippet};

use super::source::boundary;
use super::{Diagnostic, Severity, Source, Span};

/// Columns to which long lines are cut around the marked place. A fixed number keeps messages the same wherever
/// they are drawn.
const WIDTH: usize = 140;

pub(super) fn render(diagnostic: &Diagnostic, source: &Source, color: bool) -> String {
    let level = match diagnostic.severity {
        Severity::Note => Level::NOTE,
        Severity::Warning => Level::WARNING,
        Severity::Error => Level::ERROR,
    };
    let mut title = level.primary_title(&diagnostic.message);
    if let Some(code) = diagnostic.code {
        title = title.id(code);
    }
    let mut elements: Vec<Element<'_>> = Vec::new();
    if let Some(span) = diagnostic.span {
        elements.push(snippet(diagnostic, source, span).into());
    }
    elements.extend(diagnostic.notes.iter().map(|note| Level::NOTE.message(note).into()));
    elements.extend(diagnostic.help.iter().map(|help| Level::HELP.message(help).into()));
    let group = if elements.is_empty() { Group::with_title(title) } else { title.elements(elements) };
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let mut drawn = renderer.decor_style(DecorStyle::Ascii).term_width(WIDTH).render(&[group]);
    drawn.push('\n');
    drawn
}

fn snippet<'a>(
    diagnostic: &'a Diagnostic,
    source: &'a Source,
    span: Span,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let text = source.text();
    let start = boundary(text, span.start as usize);
    let end = boundary(text, span.end as usize).max(start);
    let mark = AnnotationKind::Primary.span(start..end).label(diagnostic.label.as_deref());
    Snippet::source(text).path(source.name()).annotation(mark)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn draws_like_rustc() {
        let source = Source::new("Dockerfile", "# one\n\nFORM scratch\n");
        let drawn = Diagnostic::error("unknown instruction: `FORM`")
            .at(Span::new(7, 11))
            .help("did you mean `FROM`?")
            .render(&source, false);
        let expected = "\
error: unknown instruction: `FORM`
 --> Dockerfile:3:1
  |
3 | FORM scratch
  | ^^^^
  |
  = help: did you mean `FROM`?
";
        assert_eq!(drawn, expected);
    }

    #[test]
    fn draws_without_a_place_and_with_a_code() {
        let source = Source::new("Dockerfile", "");
        assert_eq!(Diagnostic::error("no file").render(&source, false), "error: no file\n");
        let warning = Diagnostic::warning("NoEmptyContinuation", "empty line").render(&source, false);
        assert_eq!(warning, "warning[NoEmptyContinuation]: empty line\n");
    }

    #[test]
    fn colors_only_when_asked() {
        let source = Source::new("Dockerfile", "FORM a");
        let diagnostic = Diagnostic::error("e").at(Span::new(0, 4)).label("here").note("n");
        let plain = diagnostic.render(&source, false);
        assert!(
            plain.contains("^^^^ here") && plain.contains("= note: n") && !plain.contains('\x1b'),
            "{plain}"
        );
        assert!(diagnostic.render(&source, true).contains("\x1b["));
    }

    #[test]
    fn survives_spans_that_fit_no_text() {
        let source = Source::new("Dockerfile", "é");
        for span in [Span::new(0, 1), Span::new(1, 2), Span::new(1, 1), Span::new(5, 9), Span::new(2, 2)] {
            assert!(
                Diagnostic::error("e").at(span).render(&source, false).starts_with("error: e\n"),
                "{span:?}"
            );
        }
    }
}
