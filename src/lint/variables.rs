//! Rules about variables, and about ports, which are read after expansion.

use std::collections::BTreeSet;

use crate::diagnostic::{Diagnostic, Source, Span, nearest};
use crate::dockerfile::ast::{Arg, ArgItem, Files, InstructionKind};
use crate::dockerfile::parse_trigger;
use crate::dockerfile::port::parse_ports;
use crate::dockerfile::word::Word;
use crate::plan::scope::{self, Declared};

use super::facts::Facts;
use super::stage::At;
use super::{Finding, Findings, rule};

pub(super) fn check(at: &At<'_, '_>, findings: &mut Findings) {
    match &at.instruction.kind {
        InstructionKind::Expose(words) => words.iter().for_each(|word| ports(at, word, findings)),
        kind => {
            for word in words(kind) {
                if let Ok(expanded) = at.state.scope.expand(word) {
                    undefined(at, &expanded.unmatched, word.span, findings);
                }
            }
        }
    }
    if let InstructionKind::Copy(ast) = &at.instruction.kind {
        bodies(at, &ast.files, findings);
    }
    if let InstructionKind::Add(ast) = &at.instruction.kind {
        bodies(at, &ast.files, findings);
    }
}

/// The words of an instruction that are expanded when it is carried out.
fn words(kind: &InstructionKind) -> Vec<&Word> {
    fn files(files: &Files) -> impl Iterator<Item = &Word> {
        let flags = files.chown.iter().chain(&files.chmod).chain(&files.exclude);
        flags.chain(&files.sources).chain([&files.destination])
    }
    match kind {
        InstructionKind::Copy(copy) => files(&copy.files).collect(),
        InstructionKind::Add(add) => files(&add.files).chain(&add.checksum).collect(),
        InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
            pairs.pairs.iter().flat_map(|pair| [&pair.key, &pair.value]).collect()
        }
        InstructionKind::User(word) | InstructionKind::Workdir(word) | InstructionKind::StopSignal(word) => {
            vec![word]
        }
        InstructionKind::Volume(words) => words.iter().collect(),
        InstructionKind::Run(run) => {
            let options = run.mounts.iter().flat_map(|mount| &mount.options);
            options.filter_map(|option| option.value.as_ref()).collect()
        }
        _ => Vec::new(),
    }
}

fn bodies(at: &At<'_, '_>, files: &Files, findings: &mut Findings) {
    for heredoc in &files.heredocs {
        let expanded = at.state.scope.with_lookup(|lookup| heredoc.expanded(lookup));
        if let Ok(expanded) = expanded {
            undefined(at, &expanded.unmatched, heredoc.body_span, findings);
        }
    }
}

/// Looks at an item of an ARG that has just been evaluated.
pub(super) fn declared(at: &At<'_, '_>, item: &ArgItem, declared: &Declared, findings: &mut Findings) {
    let place = item.default.as_ref().unwrap_or(&item.name).span;
    undefined(at, &declared.unmatched, place, findings);
    let name = &declared.name;
    if declared.value.is_some() && at.state.env.contains(name) {
        let message = format!(
            "from here on the build sees the value of this `ARG` and not that of `ENV {name}`, which the image keeps"
        );
        findings.add(&rule::ARG_OVERRIDES_ENV, at.span(), item.name.span, message).help(format!(
            "give the argument another name, or set the variable behind it: `ENV {name}=${{{name}}}`"
        ));
    }
}

/// Variables that are neither set nor declared. If the base image is not known, only those that it will hardly set.
fn undefined(at: &At<'_, '_>, names: &[String], place: Span, findings: &mut Findings) {
    let scope = &at.state.scope;
    for name in names.iter().filter(|name| !scope.is_declared(name)) {
        let similar = nearest(name, scope.variables().keys().map(String::as_str));
        let globals = &at.facts.globals;
        let is_global = globals.get(name).is_some() || globals.is_declared(name);
        if !at.state.knows_all_variables && similar.is_none() && !is_global {
            continue;
        }
        let mut message = format!("Usage of undefined variable '${name}'");
        if let Some(similar) = similar {
            message.push_str(&format!(" (did you mean ${similar}?)"));
        }
        let finding = findings.add(&rule::UNDEFINED_VAR, at.span(), place, message);
        if is_global {
            finding.help(format!("a stage sees it behind an `ARG {name}` of its own"));
        }
    }
}

fn ports(at: &At<'_, '_>, word: &Word, findings: &mut Findings) {
    let scope = &at.state.scope;
    let Ok(expanded) = scope.with_lookup(|lookup| word.expand_words(lookup, scope.escape())) else { return };
    undefined(at, &expanded.unmatched, word.span, findings);
    for text in expanded.words {
        let Ok(ports) = parse_ports(&text) else { continue };
        if ports.has_host {
            let message = format!(
                "EXPOSE instruction should not define an IP address or host-port mapping, found '{text}'"
            );
            let container = text.rsplit(':').next().unwrap_or_default().to_ascii_lowercase();
            findings
                .add(&rule::EXPOSE_INVALID_FORMAT, at.span(), word.span, message)
                .help(format!("only the container's port is used: write `{container}`"));
        }
        if ports.has_upper_case {
            let message = format!("Defined protocol '{text}' in EXPOSE instruction should be lowercase");
            findings.add(&rule::EXPOSE_PROTO_CASING, at.span(), word.span, message);
        }
    }
}

/// Build arguments that nothing in the file can see. `seen` are the names of the ARGs that were evaluated.
pub(super) fn not_consumed(facts: &Facts<'_>, mut seen: BTreeSet<String>, findings: &mut Findings) {
    let dockerfile = facts.dockerfile;
    let mut declare = |arg: &Arg| seen.extend(arg.items.iter().map(|item| item.name.text.clone()));
    dockerfile.global_args.iter().for_each(|statement| declare(&statement.kind));
    for instruction in dockerfile.stages.iter().flat_map(|stage| &stage.instructions) {
        match &instruction.kind {
            InstructionKind::Arg(arg) => declare(arg),
            InstructionKind::OnBuild(on_build) => {
                if let InstructionKind::Arg(arg) = &on_build.instruction.kind {
                    declare(arg);
                }
            }
            _ => {}
        }
    }
    for trigger in facts.input.bases.values().flat_map(|base| &base.config.config.on_build) {
        let source = Source::new("trigger", trigger.as_str());
        if let Ok(InstructionKind::Arg(arg)) = parse_trigger(&source).map(|instruction| instruction.kind) {
            declare(&arg);
        }
    }
    let unknown = scope::not_consumed(dockerfile, facts.input.options, &seen);
    let message = match unknown[..] {
        [] => return,
        [name] => format!("build argument `{name}` was not consumed: no `ARG` declares it"),
        _ => format!("build arguments `{}` were not consumed: no `ARG` declares them", unknown.join("`, `")),
    };
    let rule = &rule::BUILD_ARG_NOT_CONSUMED;
    let diagnostic = Diagnostic::warning(rule.name, message);
    let finding = findings.push(Finding { rule, diagnostic, statement: None });
    if let Some(similar) = unknown.iter().find_map(|name| nearest(name, seen.iter().map(String::as_str))) {
        finding.help(format!("did you mean `{similar}`?"));
    }
}
