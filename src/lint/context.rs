//! Rules that look at the context: what its ignore file hides, and what it should.

use std::fs;
use std::path::Path;

use crate::dockerfile::ast::{Files, InstructionKind};
use crate::tree::TreePath;

use super::facts::Facts;
use super::stage::At;
use super::{Context, Findings, rule};

/// Entries that a walk looks at before it gives up counting.
const MOST_ENTRIES: usize = 200_000;

/// Directories that hardly an image needs, each with files beside it without which it may be something else.
const USELESS: [(&str, &[&str]); 4] = [
    (".git", &[]),
    ("node_modules", &["package.json"]),
    ("target", &["Cargo.toml", "pom.xml"]),
    (".venv", &[]),
];

/// The context, if it is known.
pub(super) struct Local<'f> {
    context: Option<Context<'f>>,
}

impl<'f> Local<'f> {
    pub(super) fn new(facts: &Facts<'f>) -> Self {
        Self { context: facts.input.context }
    }

    /// Its directory.
    pub(super) fn root(&self) -> Option<&'f Path> {
        self.context.map(|context| context.root)
    }

    /// Whether the ignore file hides a path.
    pub(super) fn hides(&self, path: &TreePath) -> bool {
        self.context.is_some_and(|context| context.ignore.verdict(path).is_hidden())
    }

    /// The names of the files in the directory itself, sorted.
    pub(super) fn top_level_files(&self) -> Vec<String> {
        let entries = self.root().and_then(|root| fs::read_dir(root).ok());
        let entries = entries.into_iter().flatten().filter_map(Result::ok);
        let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
        let mut names: Vec<String> = files.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort_unstable();
        names
    }
}

/// Whether a source is everything that there is.
pub(super) fn copied_whole(source: &str) -> bool {
    matches!(source, "." | "./" | "/" | "*" | "./*" | "/*" | "/.")
}

/// The files of a COPY or ADD that takes them from the context.
pub(super) fn from_context(kind: &InstructionKind) -> Option<&Files> {
    match kind {
        InstructionKind::Copy(copy) if copy.from.is_none() => Some(&copy.files),
        InstructionKind::Add(add) => Some(&add.files),
        _ => None,
    }
}

/// Sources that the ignore file hides. With an exception in it a hidden directory may well have something visible.
pub(super) fn check(at: &At<'_, '_>, findings: &mut Findings) {
    let (Some(files), Some(context)) = (from_context(&at.instruction.kind), at.facts.input.context) else {
        return;
    };
    if context.ignore.has_exceptions() {
        return;
    }
    let verb = if matches!(at.instruction.kind, InstructionKind::Add(_)) { "Add" } else { "Copy" };
    for word in &files.sources {
        let Ok(source) = at.state.scope.expand(word) else { continue };
        if source.text.contains("://") {
            continue;
        }
        let path = TreePath::clean(source.text.as_bytes());
        let verdict = context.ignore.verdict(&path);
        if verdict.is_hidden() {
            let shown = path.as_path().display();
            let message = format!("Attempting to {verb} file \"{shown}\" that is excluded by .dockerignore");
            let finding = findings.add(&rule::COPY_IGNORED_FILE, at.span(), word.span, message);
            if let Some(line) = context.ignore.deciding(verdict) {
                finding.note(format!("line {} of the ignore file hides it: `{}`", line.number, line.text));
            }
        }
    }
}

/// What the first COPY of the whole context takes along in vain.
pub(super) fn whole(facts: &Facts<'_>, findings: &mut Findings) {
    let local = Local::new(facts);
    let Some(root) = local.root() else { return };
    if facts.input.extent != super::Extent::Check {
        return;
    }
    let instructions = (0..facts.wanted.len())
        .filter(|&index| facts.wanted[index])
        .flat_map(|index| &facts.stage(index).instructions);
    let whole = instructions
        .filter_map(|instruction| Some((instruction, from_context(&instruction.kind)?)))
        .find_map(|(instruction, files)| {
            Some((instruction, files.sources.iter().find(|word| copied_whole(&word.text))?))
        });
    let Some((instruction, word)) = whole else { return };
    let is_useless = |(name, beside): &&(&str, &[&str])| {
        root.join(name).is_dir()
            && !local.hides(&TreePath::clean(name.as_bytes()))
            && (beside.is_empty() || beside.iter().any(|file| root.join(file).exists()))
    };
    let found: Vec<(&str, Weight)> =
        USELESS.iter().filter(is_useless).map(|(name, _)| (*name, Weight::of(&root.join(name)))).collect();
    if found.is_empty() {
        return;
    }
    let parts: Vec<String> =
        found.iter().map(|(name, weight)| format!("`{name}` ({})", weight.words())).collect();
    let lines: Vec<&str> = found.iter().map(|(name, _)| *name).collect();
    let message = format!("this takes {} along", parts.join(", "));
    findings
        .add(&rule::CONTEXT_NOT_IGNORED, instruction.span, word.span, message)
        .help(format!("add to `.dockerignore`:\n{}", lines.join("\n")));
}

/// How much is in a directory.
struct Weight {
    bytes: u64,
    files: usize,
    /// Whether nothing was left out.
    complete: bool,
}

impl Weight {
    fn of(directory: &Path) -> Self {
        let mut weight = Self { bytes: 0, files: 0, complete: true };
        let mut left = vec![directory.to_owned()];
        let mut seen = 0;
        while let Some(directory) = left.pop() {
            for entry in fs::read_dir(directory).into_iter().flatten().filter_map(Result::ok) {
                seen += 1;
                if seen > MOST_ENTRIES {
                    weight.complete = false;
                    return weight;
                }
                // Of the entry itself: a link is not followed.
                let Ok(metadata) = entry.metadata() else { continue };
                if metadata.is_dir() {
                    left.push(entry.path());
                } else {
                    weight.bytes += metadata.len();
                    weight.files += 1;
                }
            }
        }
        weight
    }

    fn words(&self) -> String {
        let files = if self.files == 1 { "file" } else { "files" };
        let least = if self.complete { "" } else { "at least " };
        format!("{least}{} in {} {files}", size(self.bytes), self.files)
    }
}

/// A number of bytes for people: `12.3 MB`.
fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    let mut amount = bytes as f64;
    let mut name = "bytes";
    for unit in UNITS {
        if amount < 1000.0 {
            break;
        }
        (amount, name) = (amount / 1000.0, unit);
    }
    if name == "bytes" { format!("{bytes} {name}") } else { format!("{amount:.1} {name}") }
}
