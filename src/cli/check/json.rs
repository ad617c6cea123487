//! Answers for programs, with the names and shapes of BuildKit's.
//!
//! What is empty is left out where BuildKit leaves it out, and files are in base64. Ours beyond BuildKit's: `help` of a
//! warning, and the `cache` of an outline, which BuildKit knows but never fills.

use serde::Serialize;

use crate::diagnostic::{Source, Span};
use crate::engine::Checked;
use crate::lint::{Argument, Mount, Outline, Target};

use super::lines;

/// Lines of the only source that there is. BuildKit leaves a source's number out if it is 0.
#[derive(Serialize)]
struct Location {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ranges: Vec<Range>,
}

#[derive(Serialize)]
struct Range {
    start: Position,
    end: Position,
}

#[derive(Serialize)]
struct Position {
    line: u32,
}

impl Location {
    fn of_lines(lines: Option<(u32, u32)>) -> Self {
        let range = |(first, last)| Range { start: Position { line: first }, end: Position { line: last } };
        Self { ranges: lines.map(range).into_iter().collect() }
    }

    fn of(source: &Source, span: Span) -> Self {
        let lines = source.line_range(span);
        Self::of_lines(Some((*lines.start(), *lines.end())))
    }
}

#[derive(Serialize)]
struct Results<'a> {
    warnings: Vec<Warning<'a>>,
    sources: [SourceInfo<'a>; 1],
    #[serde(rename = "buildError", skip_serializing_if = "Option::is_none")]
    build_error: Option<BuildError<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Warning<'a> {
    rule_name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<&'a str>,
    detail: &'a str,
    location: Location,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    help: &'a [String],
}

#[derive(Serialize)]
struct SourceInfo<'a> {
    filename: &'a str,
    data: String,
    language: &'a str,
}

#[derive(Serialize)]
struct BuildError<'a> {
    message: &'a str,
    location: Location,
}

pub(super) fn check(checked: &Checked) -> String {
    let source = &checked.source;
    let warnings = checked.findings.iter().map(|finding| Warning {
        rule_name: finding.rule.name,
        description: finding.rule.description,
        url: finding.rule.url,
        detail: &finding.diagnostic.message,
        location: Location::of_lines(lines(source, finding)),
        help: &finding.diagnostic.help,
    });
    let error = checked.errors.first().map(|error| BuildError {
        message: &error.message,
        location: error.span.map_or(Location::of_lines(None), |span| Location::of(source, span)),
    });
    pretty(&Results {
        warnings: warnings.collect(),
        sources: [SourceInfo { filename: source.name(), data: data(source), language: "Dockerfile" }],
        build_error: error,
    })
}

#[derive(Serialize)]
struct OutlineJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<ArgumentJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<MountJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ssh: Vec<MountJson<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cache: Vec<CacheJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct ArgumentJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<&'a str>,
    location: Location,
}

#[derive(Serialize)]
struct MountJson<'a> {
    name: &'a str,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    required: bool,
    location: Location,
}

#[derive(Serialize)]
struct CacheJson<'a> {
    #[serde(rename = "ID")]
    id: &'a str,
    location: Location,
}

pub(super) fn outline(source: &Source, outline: &Outline) -> String {
    pretty(&OutlineJson {
        name: outline.name.as_deref(),
        description: outline.description.as_deref(),
        args: outline.arguments.iter().map(|argument| argument_json(source, argument)).collect(),
        secrets: outline.secrets.iter().map(|mount| mount_json(source, mount)).collect(),
        ssh: outline.ssh.iter().map(|mount| mount_json(source, mount)).collect(),
        cache: outline
            .caches
            .iter()
            .map(|cache| CacheJson { id: &cache.id, location: Location::of(source, cache.span) })
            .collect(),
        sources: [data(source)],
    })
}

fn argument_json<'a>(source: &Source, argument: &'a Argument) -> ArgumentJson<'a> {
    ArgumentJson {
        name: &argument.name,
        description: argument.description.as_deref(),
        value: argument.value.as_deref().filter(|value| !value.is_empty()),
        location: Location::of(source, argument.span),
    }
}

fn mount_json<'a>(source: &Source, mount: &'a Mount) -> MountJson<'a> {
    MountJson { name: &mount.id, required: mount.required, location: Location::of(source, mount.span) }
}

#[derive(Serialize)]
struct TargetsJson<'a> {
    targets: Vec<TargetJson<'a>>,
    sources: [String; 1],
}

#[derive(Serialize)]
struct TargetJson<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    base: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<&'a str>,
    location: Location,
}

pub(super) fn targets(source: &Source, targets: &[Target]) -> String {
    let targets = targets.iter().map(|target| TargetJson {
        name: target.name.as_deref(),
        default: target.is_default,
        description: target.description.as_deref(),
        base: &target.base,
        platform: target.platform.as_deref(),
        location: Location::of(source, target.span),
    });
    pretty(&TargetsJson { targets: targets.collect(), sources: [data(source)] })
}

/// The text of a value, indented by two blanks, with a final newline.
pub(super) fn pretty(value: &impl Serialize) -> String {
    // What has only strings as keys is always written.
    let mut text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.push('\n');
    text
}

fn data(source: &Source) -> String {
    base64(source.text().as_bytes())
}

/// Base64 with padding (RFC 4648, section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let byte = |at: usize| u32::from(chunk.get(at).copied().unwrap_or(0));
        let group = byte(0) << 16 | byte(1) << 8 | byte(2);
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 63;
            text.push(if place <= chunk.len() { char::from(ALPHABET[index as usize]) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::base64;

    #[test]
    fn encodes_the_examples_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }
}
