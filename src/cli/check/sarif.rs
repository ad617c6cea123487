//! Findings in SARIF 2.1.0 (OASIS), for programs that show them beside the code.

use serde_json::{Value, json};

use crate::diagnostic::{Diagnostic, Source, Span};
use crate::engine::Checked;
use crate::lint::{RULES, Rule};

use super::json::pretty;

/// The rule of what a build would refuse.
const ERROR: &str = "BuildError";

pub(super) fn check(checked: &Checked) -> String {
    let source = &checked.source;
    let mut rules: Vec<Value> = RULES.iter().map(|rule| descriptor(rule)).collect();
    let mut results: Vec<Value> = Vec::new();
    for finding in &checked.findings {
        let index = RULES.iter().position(|rule| rule.name == finding.rule.name);
        results.push(result(source, finding.rule.name, index, "warning", &finding.diagnostic));
    }
    if !checked.errors.is_empty() {
        let index = rules.len();
        rules.push(json!({
            "id": ERROR,
            "shortDescription": { "text": "A Dockerfile should be one that can be built" },
            "defaultConfiguration": { "level": "error" },
        }));
        results.extend(checked.errors.iter().map(|error| result(source, ERROR, Some(index), "error", error)));
    }
    pretty(&json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "strata",
                "version": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            } },
            // Our columns count characters.
            "columnKind": "unicodeCodePoints",
            "artifacts": [{ "location": { "uri": uri(source.name()) }, "sourceLanguage": "dockerfile" }],
            "results": results,
        }],
    }))
}

fn descriptor(rule: &Rule) -> Value {
    let mut descriptor = json!({
        "id": rule.name,
        "shortDescription": { "text": rule.description },
        "help": { "text": format!("{}. To skip it, write `# check=skip={}` above the instruction.", rule.description.trim_end_matches('.'), rule.name) },
        "defaultConfiguration": { "level": "warning" },
    });
    if let Some(url) = rule.url {
        descriptor["helpUri"] = url.into();
    }
    descriptor
}

fn result(source: &Source, rule: &str, index: Option<usize>, level: &str, diagnostic: &Diagnostic) -> Value {
    let mut text = diagnostic.message.clone();
    for help in &diagnostic.help {
        text.push_str("\nhelp: ");
        text.push_str(help);
    }
    let mut location = json!({ "artifactLocation": { "uri": uri(source.name()), "index": 0 } });
    if let Some(span) = diagnostic.span {
        location["region"] = region(source, span);
    }
    let mut result = json!({
        "ruleId": rule,
        "level": level,
        "message": { "text": text },
        "locations": [{ "physicalLocation": location }],
    });
    if let Some(index) = index {
        result["ruleIndex"] = index.into();
    }
    result
}

/// A place; the end column is that behind the last character.
fn region(source: &Source, span: Span) -> Value {
    let (start, end) = (source.location(span.start), source.location(span.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// A path as a reference of RFC 3986.
fn uri(path: &str) -> String {
    let mut uri = if path.starts_with('/') { "file://".to_owned() } else { String::new() };
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'-' | b'.' | b'_' | b'~') {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri
}
