//! Rules about what FROM lines name: every stage, needed or not.

use std::cell::RefCell;
use std::collections::BTreeSet;

use crate::diagnostic::{Span, Spanned, nearest};
use crate::dockerfile::ast::{Instruction, InstructionKind, Stage};
use crate::dockerfile::word::Word;
use crate::oci::{Platform, Reference};
use crate::plan::Options;
use crate::plan::scope::Scope;

use super::facts::{Facts, Origin};
use super::{Findings, rule};

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings) {
    for stage in &facts.dockerfile.stages {
        undefined(facts, stage, &stage.from.kind.image, findings);
        if let Some(platform) = &stage.from.kind.platform {
            undefined(facts, stage, platform, findings);
            platforms(facts, stage, platform, findings);
        }
    }
    defaults(facts, findings);
    for index in (0..facts.origins.len()).filter(|&index| facts.wanted[index]) {
        base_platform(facts, index, findings);
        unpinned(facts, index, findings);
    }
}

fn undefined(facts: &Facts<'_>, stage: &Stage, word: &Word, findings: &mut Findings) {
    let Ok(expanded) = facts.globals.expand(word) else { return };
    for name in expanded.unmatched.iter().filter(|name| !facts.globals.is_declared(name)) {
        let known = facts.globals.variables().keys().map(String::as_str);
        let mut message = format!("FROM argument '{name}' is not declared");
        if let Some(similar) = nearest(name, known) {
            message.push_str(&format!(" (did you mean {similar}?)"));
        }
        findings
            .add(&rule::UNDEFINED_ARG_IN_FROM, stage.from.span, word.span, message)
            .help(format!("declare it before the first `FROM`: `ARG {name}=…`"));
    }
}

/// What a word says, and the variables that it says it with.
fn matched(scope: &Scope, word: &Word) -> Option<(String, BTreeSet<String>, bool)> {
    let used = RefCell::new(BTreeSet::new());
    let lookup = |name: &str| {
        let value = scope.get(name).map(str::to_owned);
        if value.is_some() {
            used.borrow_mut().insert(name.to_owned());
        }
        value
    };
    let expanded = word.expand(&lookup, scope.escape()).ok()?;
    Some((expanded.text, used.into_inner(), expanded.unmatched.is_empty()))
}

fn platforms(facts: &Facts<'_>, stage: &Stage, word: &Word, findings: &mut Findings) {
    const TARGET: &str = "TARGETPLATFORM";
    let Some((value, used, complete)) = matched(&facts.globals, word) else { return };
    let from = stage.from.span;
    if complete && used.len() == 1 && used.contains(TARGET) && facts.globals.get(TARGET) == Some(&value) {
        let message = format!(
            "Setting platform to predefined {} in FROM is redundant as this is the default behavior",
            word.text
        );
        findings
            .add(&rule::REDUNDANT_TARGET_PLATFORM, from, word.span, message)
            .help("leave `--platform` out");
    }
    if !complete || !used.is_empty() {
        return;
    }
    // One that is not valid is the plan's to refuse.
    let Ok(platform) = value.parse::<Platform>() else { return };
    let name = stage.name().unwrap_or_default();
    if !name.contains(&platform.os) && !name.contains(&platform.architecture) {
        let message = format!("FROM --platform flag should not use constant value \"{value}\"");
        findings.add(&rule::FROM_PLATFORM_FLAG_CONST_DISALLOWED, from, word.span, message).help(
            "leave `--platform` out and choose the platform on the command line, or name the stage after it",
        );
    }
}

/// Each FROM shall name something also when the user gives no build arguments.
fn defaults(facts: &Facts<'_>, findings: &mut Findings) {
    let options = Options { build_args: std::collections::BTreeMap::new(), ..facts.input.options.clone() };
    let Ok(scope) = Scope::global(facts.dockerfile, &options) else { return };
    for stage in &facts.dockerfile.stages {
        let image = &stage.from.kind.image;
        let Ok(expanded) = scope.expand(image) else { return };
        // What no ARG is part of is wrong in any build, and its error says why.
        let is_variable = expanded.text != image.text || !expanded.unmatched.is_empty();
        if is_variable && expanded.text.parse::<Reference>().is_err() {
            let message =
                format!("Default value for ARG {} results in empty or invalid base image name", image.text);
            findings
                .add(&rule::INVALID_DEFAULT_ARG_IN_FROM, stage.from.span, image.span, message)
                .help("give the `ARG` before the first `FROM` a default with which the name is complete");
        }
    }
}

/// Images that are for another platform than the wanted one.
fn base_platform(facts: &Facts<'_>, index: usize, findings: &mut Findings) {
    let Some(wanted) = facts.platform(index) else { return };
    let from = &facts.stage(index).from;
    platform_of(facts, &facts.origins[index], &wanted, (from.span, from.kind.image.span), findings);
    for (instruction, name) in copied_images(facts, index) {
        let origin =
            facts.stand_in(&name.value, index).unwrap_or_else(|| Origin::Image(Some(name.value.clone())));
        let wanted = &facts.input.options.platform;
        platform_of(facts, &origin, wanted, (instruction.span, name.span), findings);
    }
}

fn platform_of(
    facts: &Facts<'_>,
    origin: &Origin,
    expected: &Platform,
    (statement, place): (Span, Span),
    findings: &mut Findings,
) {
    let (Some(reference), Some(base)) = (origin.reference(), facts.base(origin)) else { return };
    let config = &base.config;
    let variant = config.variant.as_deref().unwrap_or_default();
    let actual = Platform::normalized(&config.os, &config.architecture, variant);
    // An image that does not say what it is for is for every platform.
    if config.os.is_empty() || (expected.os == actual.os && expected.architecture == actual.architecture) {
        return;
    }
    let message = format!(
        "Base image {reference} was pulled with platform \"{actual}\", expected \"{expected}\" for current build"
    );
    findings.add(&rule::INVALID_BASE_IMAGE_PLATFORM, statement, place, message);
}

/// Images that mean something else tomorrow.
fn unpinned(facts: &Facts<'_>, index: usize, findings: &mut Findings) {
    let stage = facts.stage(index);
    if let Origin::Image(Some(reference)) = &facts.origins[index] {
        unpinned_reference(reference, stage.from.span, stage.from.kind.image.span, findings);
    }
    for (instruction, name) in copied_images(facts, index) {
        if facts.stand_in(&name.value, index).is_none() {
            unpinned_reference(&name.value, instruction.span, name.span, findings);
        }
    }
}

/// The COPYs of a stage from what is no stage.
fn copied_images<'a>(
    facts: &Facts<'a>,
    index: usize,
) -> impl Iterator<Item = (&'a Instruction, &'a Spanned<String>)> {
    facts.stage(index).instructions.iter().filter_map(|instruction| {
        let InstructionKind::Copy(copy) = &instruction.kind else { return None };
        let from = copy.from.as_ref()?;
        let is_image = from.value != "scratch" && facts.stage_named(&from.value).is_none();
        is_image.then_some((instruction, from))
    })
}

fn unpinned_reference(text: &str, statement: Span, place: Span, findings: &mut Findings) {
    let Ok(reference) = text.parse::<Reference>() else { return };
    // Whether a tag was written is not asked: the default one is `latest`, too.
    if reference.digest().is_none() && reference.tag().is_none_or(|tag| tag == "latest") {
        let name = reference.familiar_name();
        findings
            .add(
                &rule::UNPINNED_BASE_IMAGE,
                statement,
                place,
                format!("`{text}` is whatever the tag `latest` names at the time of the build"),
            )
            .help(format!("name a version, such as `{name}:1.2`, or a digest, `{name}@sha256:…`"));
    }
}
