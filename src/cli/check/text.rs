//! Answers for people, in the form of BuildKit's and buildx's.

use std::fmt::Write as _;

use crate::engine::Checked;
use crate::lint::{Mount, Outline, Target};

use super::excerpt::excerpt;
use super::lines;

/// Findings: how many there are, then each with its lines.
pub(super) fn check(checked: &Checked) -> String {
    let mut text = match checked.findings.len() {
        // What cannot be read has not been checked.
        0 if !checked.errors.is_empty() => String::new(),
        0 => "Check complete, no warnings found.\n".to_owned(),
        1 => "Check complete, 1 warning has been found!\n".to_owned(),
        count => format!("Check complete, {count} warnings have been found!\n"),
    };
    for finding in &checked.findings {
        let _ = write!(text, "\nWARNING: {}", finding.rule.name);
        if let Some(url) = finding.rule.url {
            let _ = write!(text, " - {url}");
        }
        let _ = writeln!(text, "\n{}", finding.diagnostic.message);
        if let Some((first, last)) = lines(&checked.source, finding) {
            text.push_str(&excerpt(checked.source.name(), checked.source.text(), first, last));
        }
        for (label, said) in [("note", &finding.diagnostic.notes), ("help", &finding.diagnostic.help)] {
            for line in said {
                let _ = writeln!(text, "{label}: {}", line.replace('\n', "\n  "));
            }
        }
    }
    text
}

/// The target's name and description, then a table for each kind of thing that it can be given.
pub(super) fn outline(outline: &Outline) -> String {
    let mut text = String::new();
    if outline.name.is_some() || outline.description.is_some() {
        let mut rows = vec![["TARGET:", outline.name.as_deref().unwrap_or("(default)")]];
        rows.extend(outline.description.as_deref().map(|description| ["DESCRIPTION:", description]));
        columns(&mut text, 1, &rows);
    }
    if !outline.arguments.is_empty() {
        let mut rows = vec![["BUILD ARG", "VALUE", "DESCRIPTION"]];
        rows.extend(outline.arguments.iter().map(|argument| {
            [
                argument.name.as_str(),
                argument.value.as_deref().unwrap_or_default(),
                argument.description.as_deref().unwrap_or_default(),
            ]
        }));
        columns(&mut text, 3, &rows);
    }
    mounts(&mut text, "SECRET", &outline.secrets);
    mounts(&mut text, "SSH", &outline.ssh);
    if !outline.caches.is_empty() {
        let rows: Vec<[&str; 1]> = std::iter::once(["CACHE"])
            .chain(outline.caches.iter().map(|cache| [cache.id.as_str()]))
            .collect();
        columns(&mut text, 3, &rows);
    }
    text
}

fn mounts(text: &mut String, head: &str, mounts: &[Mount]) {
    if mounts.is_empty() {
        return;
    }
    let mut rows = vec![[head, "REQUIRED"]];
    rows.extend(mounts.iter().map(|mount| [mount.id.as_str(), if mount.required { "true" } else { "" }]));
    columns(text, 3, &rows);
}

/// The targets, the default one marked.
pub(super) fn targets(targets: &[Target]) -> String {
    let name = |target: &Target| match (&target.name, target.is_default) {
        (None, true) => "(default)".to_owned(),
        (Some(name), true) => format!("{name} (default)"),
        (name, false) => name.clone().unwrap_or_default(),
    };
    let names: Vec<String> = targets.iter().map(name).collect();
    let mut rows = vec![["TARGET", "DESCRIPTION"]];
    let described = targets.iter().map(|target| target.description.as_deref().unwrap_or_default());
    rows.extend(names.iter().zip(described).map(|(name, description)| [name.as_str(), description]));
    let mut text = String::new();
    columns(&mut text, 1, &rows);
    text.pop();
    text
}

/// Writes rows with aligned columns, so many blanks apart, and an empty line.
fn columns<const N: usize>(text: &mut String, apart: usize, rows: &[[&str; N]]) {
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0) + apart;
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let _ = write!(line, "{cell:width$}", width = if column + 1 < N { width(column) } else { 0 });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text.push('\n');
}
