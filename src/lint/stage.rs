//! Goes through the stages that count, instruction by instruction, with what is known at each place.

use std::collections::BTreeSet;

use crate::diagnostic::Span;
use crate::dockerfile::ast::{ArgItem, Command, Instruction, InstructionKind, Pair, Stage};
use crate::oci::DEFAULT_PATH;
use crate::plan::scope::{Declared, Scope};

use super::facts::{Facts, Origin};
use super::{Findings, context, packages, rule, secrets, traps, variables};

/// What is known at a place of a stage.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// The variables.
    pub(super) scope: Scope,
    /// Whether these are all; there may be more if the base image is not known.
    pub(super) knows_all_variables: bool,
    /// The names that an ENV set, here or in a stage that this one starts from.
    pub(super) env: BTreeSet<String>,
    /// Whether a WORKDIR of this file came before.
    workdir_is_set: bool,
    shell: Shell,
}

/// What runs the commands in shell form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shell {
    /// `/bin/sh`, because nobody said anything else.
    Default,
    /// A shell that somebody chose and whose language we understand.
    Posix,
    /// Something else.
    Foreign,
}

/// A stage at one of its instructions.
pub(super) struct At<'s, 'a> {
    pub(super) facts: &'s Facts<'a>,
    pub(super) state: &'s State,
    pub(super) instruction: &'a Instruction,
}

impl At<'_, '_> {
    /// The instruction's place.
    pub(super) fn span(&self) -> Span {
        self.instruction.span
    }

    /// The first of `needles` in the instruction's text, or its keyword.
    pub(super) fn place_of(&self, needles: &[&str]) -> Span {
        let span = self.span();
        let text = self.facts.text(span);
        let found =
            needles.iter().find_map(|needle| text.find(needle).map(|at| (at as u32, needle.len() as u32)));
        found.map_or(self.instruction.keyword.span, |(at, length)| {
            Span::new(span.start + at, span.start + at + length)
        })
    }
}

pub(super) fn check(facts: &Facts<'_>, findings: &mut Findings) {
    let mut ends: Vec<Option<State>> = Vec::new();
    let mut arguments = BTreeSet::new();
    for index in 0..facts.origins.len() {
        let end = facts.wanted[index].then(|| {
            let mut state = begin(facts, index, &ends);
            for trigger in &facts.triggers[index] {
                // What is odd about a trigger is said where it is written.
                state.apply(facts, &trigger.instruction.kind, |_, _, declared| {
                    arguments.insert(declared.name);
                });
            }
            let stage = facts.stage(index);
            for instruction in &stage.instructions {
                step(facts, &mut state, instruction, &mut arguments, findings);
            }
            repeated(stage, findings);
            traps::entrypoint(stage, findings);
            packages::check(facts, index, &state, findings);
            state
        });
        ends.push(end);
    }
    variables::not_consumed(facts, arguments, findings);
    context::whole(facts, findings);
}

/// What is known where a stage begins.
fn begin(facts: &Facts<'_>, index: usize, ends: &[Option<State>]) -> State {
    let mut state = State {
        scope: Scope::new(facts.globals.escape()),
        knows_all_variables: true,
        env: BTreeSet::new(),
        workdir_is_set: false,
        shell: Shell::Default,
    };
    // Every image has it.
    state.scope.set("PATH", DEFAULT_PATH);
    match &facts.origins[index] {
        Origin::Scratch => {}
        // A stage that is needed has had its parent looked at.
        Origin::Stage(parent) => return ends.get(*parent).cloned().flatten().unwrap_or(state),
        Origin::StandIn(None) => {}
        origin @ (Origin::Image(_) | Origin::StandIn(_)) => {
            let base = facts.base(origin);
            state.knows_all_variables = base.is_some();
            if let Some(config) = base.map(|base| &base.config.config) {
                for variable in &config.env {
                    let (name, value) = variable.split_once('=').unwrap_or((variable, ""));
                    state.scope.set(name, value);
                    state.env.insert(name.to_owned());
                }
                if let Some(shell) = config.shell.as_ref().filter(|shell| !shell.is_empty()) {
                    state.set_shell(shell);
                }
            }
        }
    }
    state
}

impl State {
    /// Whether the commands in shell form are read by a shell that we understand.
    pub(super) fn shell_is_posix(&self) -> bool {
        self.shell != Shell::Foreign
    }

    /// Does what the instruction does to the state. Each item of an ARG is shown to `declared`.
    fn apply(
        &mut self,
        facts: &Facts<'_>,
        instruction: &InstructionKind,
        mut declared: impl FnMut(&Self, &ArgItem, Declared),
    ) {
        match instruction {
            InstructionKind::Arg(arg) => {
                for item in &arg.items {
                    // What cannot be expanded is the plan's to tell.
                    if let Ok(it) = self.scope.declare(item, facts.input.options, Some(&facts.globals)) {
                        declared(self, item, it);
                    }
                }
            }
            InstructionKind::Env(pairs) => {
                // All of them see the variables from before the instruction.
                let expand = |pair: &Pair| {
                    Some((self.scope.expand(&pair.key).ok()?, self.scope.expand(&pair.value).ok()?))
                };
                let pairs: Vec<_> = pairs.pairs.iter().filter_map(expand).collect();
                for (name, value) in pairs {
                    self.env.insert(name.text.clone());
                    self.scope.set(name.text, value.text);
                }
            }
            InstructionKind::Workdir(_) => self.workdir_is_set = true,
            InstructionKind::Shell(shell) => self.set_shell(shell),
            _ => {}
        }
    }

    fn set_shell(&mut self, shell: &[String]) {
        let program = shell.first().map_or("", |program| program.rsplit('/').next().unwrap_or_default());
        let is_posix = matches!(program, "sh" | "ash" | "bash" | "dash" | "ksh" | "zsh");
        self.shell = if is_posix { Shell::Posix } else { Shell::Foreign };
    }
}

fn step<'a>(
    facts: &Facts<'a>,
    state: &mut State,
    instruction: &'a Instruction,
    arguments: &mut BTreeSet<String>,
    findings: &mut Findings,
) {
    let at = At { facts, state, instruction };
    variables::check(&at, findings);
    secrets::check(&at, findings);
    traps::check(&at, findings);
    context::check(&at, findings);
    let span = instruction.span;
    match &instruction.kind {
        InstructionKind::Workdir(word) => {
            let path = state.scope.expand(word).map(|expanded| expanded.text).unwrap_or_default();
            if !state.workdir_is_set && !path.starts_with('/') && !path.is_empty() {
                let message = format!(
                    "Relative workdir \"{path}\" can have unexpected results if the base image changes"
                );
                findings
                    .add(&rule::WORKDIR_RELATIVE_PATH, span, word.span, message)
                    .help("write an absolute path");
            }
        }
        InstructionKind::Cmd(Command::Shell(text)) | InstructionKind::Entrypoint(Command::Shell(text))
            if state.shell == Shell::Default =>
        {
            let keyword = &instruction.keyword.value;
            let message = format!(
                "JSON arguments recommended for {keyword} to prevent unintended behavior related to OS signals"
            );
            let finding = findings.add(&rule::JSON_ARGS_RECOMMENDED, span, span, message);
            if let Some(words) = traps::json_form(text) {
                finding.help(format!("write `{keyword} {words}`"));
            }
        }
        _ => {}
    }
    state.apply(facts, &instruction.kind, |state, item, declared| {
        variables::declared(&At { facts, state, instruction }, item, &declared, findings);
        arguments.insert(declared.name);
    });
}

/// Instructions of which only the last one counts.
fn repeated(stage: &Stage, findings: &mut Findings) {
    for keyword in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
        let all: Vec<&Instruction> =
            stage.instructions.iter().filter(|instruction| instruction.kind.keyword() == keyword).collect();
        for pair in all.windows(2) {
            let [ignored, later] = pair else { continue };
            let message = format!(
                "Multiple {} instructions should not be used in the same stage because only the last one will be used",
                later.keyword.value
            );
            findings.add(&rule::MULTIPLE_INSTRUCTIONS_DISALLOWED, ignored.span, ignored.span, message);
        }
    }
}
