//! Parser directives: `# syntax=`, `# escape=` and `# check=` at the top of a file.
//!
//! The zone ends with the first line that is anything else. A byte-order mark and a `#!` line may come before it.

use crate::diagnostic::{Source, Span, Spanned};

use super::ast::{Check, Directives, Escape, Rules};
use super::error::{ParseError, ParseErrorKind};

struct Line<'s> {
    name: &'static str,
    value: &'s str,
    /// Of the value.
    span: Span,
}

/// Reads the directives; what cannot be read goes to `errors` and counts as not written.
pub(super) fn read(source: &Source, errors: &mut Vec<ParseError>) -> Directives {
    let mut directives = Directives { syntax: detect_syntax(source), ..Directives::default() };
    let mut seen: Vec<&str> = Vec::new();
    for line in zone(source.text(), "#") {
        if seen.contains(&line.name) {
            errors.push(ParseError::new(ParseErrorKind::RepeatedDirective { name: line.name }, line.span));
            continue;
        }
        seen.push(line.name);
        match line.name {
            "escape" => match line.value {
                "\\" => directives.escape = Escape::Backslash,
                "`" => directives.escape = Escape::Backtick,
                value => {
                    let kind = ParseErrorKind::InvalidEscape { value: value.to_owned() };
                    errors.push(ParseError::new(kind, line.span));
                }
            },
            "check" => match parse_check(line.value) {
                Ok(check) => directives.check = Some(Spanned::new(check, line.span)),
                Err(kind) => errors.push(ParseError::new(kind, line.span)),
            },
            _ => {}
        }
    }
    directives
}

/// The frontend image that a text asks for. Other languages than the Dockerfile's can say so too: as `// syntax=`,
/// or as the key `syntax` of a text that is a JSON object.
pub fn detect_syntax(source: &Source) -> Option<Spanned<String>> {
    let text = source.text();
    for comment in ["#", "//"] {
        if let Some(line) = zone(text, comment).find(|line| line.name == "syntax") {
            let image = line.value.split(' ').next().unwrap_or_default();
            let span = Span::new(line.span.start, line.span.start + image.len() as u32);
            return Some(Spanned::new(image.to_owned(), span));
        }
    }
    let start = body_start(text);
    if !text[start..].trim_start().starts_with('{') {
        return None;
    }
    let object: serde_json::Map<String, serde_json::Value> = serde_json::from_str(&text[start..]).ok()?;
    let image = object.get("syntax")?.as_str()?.to_owned();
    Some(Spanned::new(image, Span::new(start as u32, text.len() as u32)))
}

/// What a `check` directive says: `skip=A,B;error=true;experimental=all`.
pub fn parse_check(value: &str) -> Result<Check, ParseErrorKind> {
    let mut check = Check::default();
    for part in value.split(';').map(str::trim).filter(|part| !part.is_empty()) {
        let invalid = || ParseErrorKind::InvalidCheck { part: part.to_owned() };
        let (key, value) = part.split_once('=').ok_or_else(invalid)?;
        match (key.trim(), value.trim()) {
            ("skip", rules) => check.skip = parse_rules(rules),
            ("experimental", rules) => check.experimental = parse_rules(rules),
            ("error", "true") => check.error = true,
            ("error", "false") => check.error = false,
            _ => return Err(invalid()),
        }
    }
    Ok(check)
}

fn parse_rules(value: &str) -> Rules {
    if value.eq_ignore_ascii_case("all") {
        return Rules::All;
    }
    let names: Vec<String> =
        value.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect();
    if names.is_empty() { Rules::None } else { Rules::Named(names) }
}

/// Offset of what follows a byte-order mark and a `#!` line.
fn body_start(text: &str) -> usize {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    if !text[mark..].starts_with("#!") {
        return mark;
    }
    text[mark..].find('\n').map_or(text.len(), |end| mark + end + 1)
}

/// The directive lines, written as comments of this kind.
fn zone<'s>(text: &'s str, comment: &'static str) -> impl Iterator<Item = Line<'s>> {
    let mut at = body_start(text);
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let line = &rest[..rest.find('\n').map_or(rest.len(), |end| end + 1)];
        let found = directive(line, comment, at as u32)?;
        at += line.len();
        Some(found)
    })
}

fn directive<'s>(line: &'s str, comment: &str, at: u32) -> Option<Line<'s>> {
    let (key, value) = line.trim_start().strip_prefix(comment)?.split_once('=')?;
    let key = key.trim();
    let name = ["syntax", "escape", "check"].into_iter().find(|name| key.eq_ignore_ascii_case(name))?;
    let start = at + (line.len() - value.trim_start().len()) as u32;
    let value = value.trim();
    if value.is_empty() {
        return None;
    }
    Some(Line { name, value, span: Span::new(start, start + value.len() as u32) })
}
