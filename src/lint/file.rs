//! Rules about the text as it is written: every stage, needed or not, and no variable.

use crate::diagnostic::Span;
use crate::dockerfile::WarningKind;
use crate::dockerfile::ast::{Dockerfile, From, Instruction, InstructionKind, Statement};

use super::{Finding, Findings, Input, rule};

/// Names that mean something else in a FROM or a `--from`.
const RESERVED: [&str; 2] = ["context", "scratch"];

pub(super) fn check(input: &Input<'_>, findings: &mut Findings) {
    let dockerfile = &input.parsed.dockerfile;
    empty_continuations(input, findings);
    casing(dockerfile, findings);
    stage_names(input, findings);
    for stage in &dockerfile.stages {
        from_as_casing(&stage.from, findings);
        for instruction in &stage.instructions {
            old_forms(instruction, findings);
        }
    }
    descriptions(dockerfile, findings);
}

fn empty_continuations(input: &Input<'_>, findings: &mut Findings) {
    for warning in &input.parsed.warnings {
        let covers = |span: &Span| span.start <= warning.span.start && warning.span.start <= span.end;
        let statement = spans(&input.parsed.dockerfile).find(covers).unwrap_or(warning.span);
        let rule = match warning.kind {
            WarningKind::NoEmptyContinuation => &rule::NO_EMPTY_CONTINUATION,
        };
        findings.push(Finding { rule, diagnostic: warning.into(), statement: Some(statement) });
    }
}

/// The places of all instructions.
fn spans(dockerfile: &Dockerfile) -> impl Iterator<Item = Span> {
    let global = dockerfile.global_args.iter().map(|statement| statement.span);
    let stages = dockerfile.stages.iter().flat_map(|stage| {
        std::iter::once(stage.from.span).chain(stage.instructions.iter().map(|statement| statement.span))
    });
    global.chain(stages)
}

/// Keywords shall be written as most of the others are. Those before the first FROM do not count.
fn casing(dockerfile: &Dockerfile, findings: &mut Findings) {
    let keywords = || {
        dockerfile.stages.iter().flat_map(|stage| {
            let from = (&stage.from.keyword, stage.from.span);
            let below = stage.instructions.iter().map(|statement| (&statement.keyword, statement.span));
            std::iter::once(from).chain(below)
        })
    };
    let lower = keywords().filter(|(keyword, _)| is_lower(&keyword.value)).count();
    let upper = keywords().filter(|(keyword, _)| is_upper(&keyword.value)).count();
    let (majority, is_right): (_, fn(&str) -> bool) =
        if lower > upper { ("lowercase", is_lower) } else { ("uppercase", is_upper) };
    for (keyword, statement) in keywords().filter(|(keyword, _)| !is_right(&keyword.value)) {
        let word = &keyword.value;
        let message = format!("Command '{word}' should match the case of the command majority ({majority})");
        findings.add(&rule::CONSISTENT_INSTRUCTION_CASING, statement, keyword.span, message);
    }
}

fn is_lower(word: &str) -> bool {
    !word.bytes().any(|b| b.is_ascii_uppercase())
}

fn is_upper(word: &str) -> bool {
    !word.bytes().any(|b| b.is_ascii_lowercase())
}

fn stage_names(input: &Input<'_>, findings: &mut Findings) {
    let mut seen: Vec<&str> = Vec::new();
    for stage in &input.parsed.dockerfile.stages {
        let (from, Some(name)) = (stage.from.span, &stage.from.kind.name) else { continue };
        let written = input.source.slice(name.span);
        if !is_lower(written) {
            let message = format!("Stage name '{written}' should be lowercase");
            findings.add(&rule::STAGE_NAME_CASING, from, name.span, message);
        }
        let name_span = name.span;
        let name = name.value.as_str();
        if RESERVED.contains(&name) {
            let message = format!("Stage name should not use the same name as reserved stage \"{name}\"");
            findings.add(&rule::RESERVED_STAGE_NAME, from, name_span, message);
        }
        if seen.contains(&name) {
            let message = format!("Duplicate stage name \"{name}\", stage names should be unique");
            findings.add(&rule::DUPLICATE_STAGE_NAME, from, name_span, message);
        }
        seen.push(name);
    }
}

fn from_as_casing(from: &Statement<From>, findings: &mut Findings) {
    if from.kind.name.is_none() {
        return;
    }
    // The last three words are image, `as` and name.
    let Some(word) = from.text.split_whitespace().rev().nth(1) else { return };
    let keyword = from.keyword.value.as_str();
    // A keyword of mixed case is another rule's.
    let matches = match (is_lower(keyword), is_upper(keyword)) {
        (true, _) => is_lower(word),
        (_, true) => is_upper(word),
        _ => true,
    };
    if !matches {
        let message = format!("'{word}' and '{keyword}' keywords' casing do not match");
        findings.add(&rule::FROM_AS_CASING, from.span, from.span, message);
    }
}

fn old_forms(instruction: &Instruction, findings: &mut Findings) {
    let span = instruction.span;
    match &instruction.kind {
        InstructionKind::Maintainer(author) => {
            findings
                .add(
                    &rule::MAINTAINER_DEPRECATED,
                    span,
                    span,
                    "Maintainer instruction is deprecated in favor of using label",
                )
                .help(format!("write `LABEL org.opencontainers.image.authors={author:?}`"));
        }
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) if pairs.legacy => {
            let keyword = &instruction.keyword.value;
            let message = format!(
                "\"{keyword} key=value\" should be used instead of legacy \"{keyword} key value\" format"
            );
            let finding = findings.add(&rule::LEGACY_KEY_VALUE_FORMAT, span, span, message);
            if let [pair] = &pairs.pairs[..]
                && let Some(value) = as_one_word(&pair.value.text)
            {
                finding.help(format!("write `{keyword} {}={value}`", pair.key.text));
            }
        }
        _ => {}
    }
}

/// The rest of a line as one word that expands to the same; `None` if quotes in it would have to be taken apart.
fn as_one_word(rest: &str) -> Option<String> {
    if !rest.contains(char::is_whitespace) {
        return Some(rest.to_owned());
    }
    let quotes = rest.contains(['"', '\'', '\\', '`']);
    (!quotes).then(|| format!("\"{rest}\""))
}

/// A comment directly above a named stage or an ARG is its description, and begins with the name.
fn descriptions(dockerfile: &Dockerfile, findings: &mut Findings) {
    let directives = [
        dockerfile.directives.syntax.as_ref().map(|syntax| syntax.span),
        dockerfile.directives.check.as_ref().map(|check| check.span),
    ];
    let mut check =
        |keyword: &str, names: &[&str], comments: &[crate::diagnostic::Spanned<String>], span: Span| {
            let (Some(comment), Some(&first)) = (comments.last(), names.first()) else { return };
            let is_directive = directives
                .iter()
                .flatten()
                .any(|span| comment.span.start <= span.start && span.end <= comment.span.end);
            let word = comment.value.split(' ').next().unwrap_or_default();
            if is_directive || word.is_empty() || word.starts_with("check=") || names.contains(&word) {
                return;
            }
            let example = if names.len() > 1 { "<arg_key>" } else { first };
            let message =
                format!("Comment for {keyword} should follow the format: `# {example} <description>`");
            findings.add(&rule::INVALID_DEFINITION_DESCRIPTION, span, comment.span, message);
        };
    let in_stages = dockerfile.stages.iter().flat_map(|stage| &stage.instructions);
    let arguments = in_stages.filter_map(|statement| match &statement.kind {
        InstructionKind::Arg(arg) => Some((arg, &statement.comments, statement.span)),
        _ => None,
    });
    let global =
        dockerfile.global_args.iter().map(|statement| (&statement.kind, &statement.comments, statement.span));
    for (arg, comments, span) in global.chain(arguments) {
        let names: Vec<&str> = arg.items.iter().map(|item| item.name.text.as_str()).collect();
        check("ARG", &names, comments, span);
    }
    for stage in &dockerfile.stages {
        check("FROM", &stage.name().into_iter().collect::<Vec<_>>(), &stage.from.comments, stage.from.span);
    }
}
