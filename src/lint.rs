//! What a Dockerfile says that its author probably does not mean.
//!
//! Owns the [rules](Rule), BuildKit's and our own, what each finds, and who wants to see it: every warning about a
//! Dockerfile, the parser's included, goes through [`check()`] once. Also [`Outline`] and [`Target`]: what can be said of
//! a file without building it.
//!
//! Looks at the text as far as it was parsed, and at images and the context as far as the caller knows them; what is
//! not known makes no finding. A finding is not an error: a file full of findings can be built. Must not know how
//! findings are shown, or a store.

mod context;
mod facts;
mod file;
mod filter;
mod flags;
mod from;
mod outline;
mod packages;
mod rule;
mod secrets;
mod shell;
mod stage;
mod targets;
mod traps;
mod variables;

use std::collections::BTreeSet;
use std::path::Path;

use crate::context::Dockerignore;
use crate::diagnostic::{Diagnostic, Source, Span};
use crate::dockerfile::Parsed;
use crate::plan::{Images, Options};

use facts::Facts;
use filter::Filter;

pub use outline::{Argument, Mount, Outline, outline};
pub use rule::{RULES, Rule, Shown};
pub use targets::{Target, targets};

/// What is checked, and what is known besides.
#[derive(Debug, Clone, Copy)]
pub struct Input<'a> {
    /// The text.
    pub source: &'a Source,
    /// What the parser made of it.
    pub parsed: &'a Parsed,
    /// The build's options.
    pub options: &'a Options,
    /// The images that are known, by the reference as written, variables expanded.
    pub bases: &'a Images,
    /// The context, if there is one.
    pub context: Option<Context<'a>>,
    /// How much is looked at.
    pub extent: Extent,
}

/// A context directory.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Where it is.
    pub root: &'a Path,
    /// What of it a build sees.
    pub ignore: &'a Dockerignore,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The stages that the target needs, by the rules whose findings are almost certainly mistakes.
    Build,
    /// All stages if the user named no target, by all rules.
    Check,
}

/// A place that breaks a rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: &'static Rule,
    /// What is odd, exactly where.
    pub diagnostic: Diagnostic,
    /// The instruction that it is about.
    pub statement: Option<Span>,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// In the order of the file.
    pub findings: Vec<Finding>,
    /// About options that do nothing.
    pub hints: Vec<Diagnostic>,
    /// Whether the author or the user wants findings to be errors.
    pub findings_are_errors: bool,
}

impl Report {
    /// BuildKit's message for a build that its findings forbid; `None` if they do not.
    pub fn refusal(&self) -> Option<String> {
        let names: BTreeSet<&str> = self.findings.iter().map(|finding| finding.rule.name).collect();
        (self.findings_are_errors && !names.is_empty()).then(|| {
            format!("lint violation found for rules: {}", names.into_iter().collect::<Vec<_>>().join(", "))
        })
    }
}

/// Checks a Dockerfile by all rules. Fails if the build argument with the check's options makes no sense.
pub fn check(input: &Input<'_>) -> Result<Report, Box<Diagnostic>> {
    let filter = Filter::new(input)?;
    let mut findings = Findings::default();
    file::check(input, &mut findings);
    // If an ARG before the first FROM cannot be read, no variable is known; the plan tells the error.
    if let Some(facts) = Facts::new(input) {
        from::check(&facts, &mut findings);
        stage::check(&facts, &mut findings);
    }
    let mut findings = findings.list;
    findings.retain(|finding| filter.passes(finding));
    findings.sort_by_key(|finding| {
        let place = |span: Option<Span>| span.map(|span| span.start);
        (place(finding.statement), place(finding.diagnostic.span), finding.rule.name)
    });
    findings.dedup();
    let findings_are_errors = filter.makes_errors();
    let mut hints = filter.hints;
    hints.extend(flags::unknown_stages(input));
    Ok(Report { findings, hints, findings_are_errors })
}

/// Findings while they are collected.
#[derive(Debug, Default)]
struct Findings {
    list: Vec<Finding>,
}

impl Findings {
    /// A finding in the instruction at `statement`, marked at `place`.
    fn add(
        &mut self,
        rule: &'static Rule,
        statement: Span,
        place: Span,
        message: impl Into<String>,
    ) -> &mut Finding {
        let diagnostic = Diagnostic::warning(rule.name, message).at(place);
        self.push(Finding { rule, diagnostic, statement: Some(statement) })
    }

    fn push(&mut self, finding: Finding) -> &mut Finding {
        let place = self.list.len();
        self.list.push(finding);
        &mut self.list[place]
    }
}

impl Finding {
    /// Adds a remedy.
    fn help(&mut self, help: impl Into<String>) -> &mut Self {
        self.diagnostic.help.push(help.into());
        self
    }

    /// Adds what is worth knowing besides.
    fn note(&mut self, note: impl Into<String>) -> &mut Self {
        self.diagnostic.notes.push(note.into());
        self
    }
}

#[cfg(test)]
mod tests;
