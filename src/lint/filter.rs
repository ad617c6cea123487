//! Who wants to see which findings: the `check` directive, the build argument that overrides it, and comments above
//! instructions.

use crate::diagnostic::{Diagnostic, Severity, Span, Spanned, nearest};
use crate::dockerfile::ast::{Check, Dockerfile, Rules};
use crate::dockerfile::parse_check;

use super::rule::{RULES, Rule, Shown};
use super::{Extent, Finding, Input};

/// The build argument that stands for the whole directive.
const OVERRIDE: &str = "BUILDKIT_DOCKERFILE_CHECK";

/// Which findings pass.
pub(super) struct Filter {
    check: Check,
    extent: Extent,
    /// Instructions with rules that their comments switch off, by the offset at which they begin.
    skips: Vec<(u32, Rules)>,
    /// About rules that do not exist.
    pub(super) hints: Vec<Diagnostic>,
}

impl Filter {
    /// Reads what the user and the author say. Fails if the build argument makes no sense.
    pub(super) fn new(input: &Input<'_>) -> Result<Self, Box<Diagnostic>> {
        let dockerfile = &input.parsed.dockerfile;
        let directive = dockerfile.directives.check.as_ref();
        let (check, place) = match input.options.build_args.get(OVERRIDE) {
            Some(text) => (read(text)?, None),
            None => match directive {
                Some(directive) => (directive.value.clone(), Some(directive.span)),
                None => (Check::default(), None),
            },
        };
        let mut filter = Self { check, extent: input.extent, skips: Vec::new(), hints: Vec::new() };
        let Check { skip, experimental, .. } = filter.check.clone();
        filter.note_unknown(&skip, place);
        filter.note_unknown(&experimental, place);
        // At the top of the file the directive itself is a comment above the first instruction.
        let is_directive = |comment: Span| {
            directive.is_some_and(|directive| {
                comment.start <= directive.span.start && directive.span.end <= comment.end
            })
        };
        for (start, comments) in commented(dockerfile) {
            for comment in comments.iter().filter(|comment| !is_directive(comment.span)) {
                if let Some(skip) = skip_of(&comment.value) {
                    filter.note_unknown(&skip, Some(comment.span));
                    filter.skips.push((start, skip));
                }
            }
        }
        Ok(filter)
    }

    /// Is a finding an error?
    pub(super) fn makes_errors(&self) -> bool {
        self.check.error
    }

    /// Whether somebody wants to see the finding.
    pub(super) fn passes(&self, finding: &Finding) -> bool {
        let rule = finding.rule;
        if is_named(&self.check.skip, rule) || self.is_skipped_there(finding) {
            return false;
        }
        match rule.shown {
            // As in BuildKit, `skip=all` does not take back what was asked for.
            Shown::OnRequest => {
                self.check.experimental == Rules::All || is_named(&self.check.experimental, rule)
            }
            Shown::InChecks if self.extent == Extent::Build => false,
            Shown::Always | Shown::InChecks => self.check.skip != Rules::All,
        }
    }

    fn is_skipped_there(&self, finding: &Finding) -> bool {
        let Some(statement) = finding.statement else { return false };
        let first = self.skips.partition_point(|(start, _)| *start < statement.start);
        let here = self.skips[first..].iter().take_while(|(start, _)| *start == statement.start);
        here.into_iter().any(|(_, rules)| *rules == Rules::All || is_named(rules, finding.rule))
    }

    fn note_unknown(&mut self, rules: &Rules, place: Option<Span>) {
        let Rules::Named(names) = rules else { return };
        for name in names.iter().filter(|name| Rule::named(name).is_none()) {
            let known = || RULES.iter().map(|rule| rule.name);
            let similar =
                known().find(|known| known.eq_ignore_ascii_case(name)).or_else(|| nearest(name, known()));
            let mut hint = Diagnostic {
                severity: Severity::Note,
                ..Diagnostic::error(format!("there is no rule `{name}` to skip or to ask for"))
            };
            hint.span = place;
            self.hints.push(match similar {
                Some(similar) => hint.help(format!("did you mean `{similar}`?")),
                None => hint,
            });
        }
    }
}

fn read(text: &str) -> Result<Check, Box<Diagnostic>> {
    parse_check(text).map_err(|kind| {
        let error = Diagnostic::error(format!("invalid build argument `{OVERRIDE}`: {kind}"));
        Box::new(match kind.help() {
            Some(help) => error.help(help),
            None => error,
        })
    })
}

fn is_named(rules: &Rules, rule: &Rule) -> bool {
    matches!(rules, Rules::Named(names) if names.iter().any(|name| name == rule.name))
}

/// What a comment `check=skip=…` switches off.
fn skip_of(comment: &str) -> Option<Rules> {
    let (key, value) = comment.split_once('=')?;
    if !key.trim().eq_ignore_ascii_case("check") {
        return None;
    }
    parse_check(value).ok().map(|check| check.skip)
}

/// The comments above each instruction, with the offset at which it begins, in the order of the file.
fn commented(dockerfile: &Dockerfile) -> impl Iterator<Item = (u32, &[Spanned<String>])> {
    let global =
        dockerfile.global_args.iter().map(|statement| (statement.span.start, &statement.comments[..]));
    let stages = dockerfile.stages.iter().flat_map(|stage| {
        let from = (stage.from.span.start, &stage.from.comments[..]);
        let below =
            stage.instructions.iter().map(|statement| (statement.span.start, &statement.comments[..]));
        std::iter::once(from).chain(below)
    });
    global.chain(stages)
}
