//! What a target can be given: build arguments, secrets, agents, caches.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::diagnostic::Span;
use crate::dockerfile::ast::{ArgItem, Dockerfile, InstructionKind, Run, Statement};
use crate::dockerfile::mount::MountSpec;
use crate::plan::Options;
use crate::plan::scope::Scope;

use super::facts::Facts;
use super::{Extent, Input};

/// What a target can be given.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outline {
    /// The target's name; `None` if it has none.
    pub name: Option<String>,
    /// What the comment above says of it.
    pub description: Option<String>,
    /// The build arguments, in the order of the file.
    pub arguments: Vec<Argument>,
    /// `RUN --mount=type=secret`.
    pub secrets: Vec<Mount>,
    /// `RUN --mount=type=ssh`.
    pub ssh: Vec<Mount>,
    /// `RUN --mount=type=cache`.
    pub caches: Vec<Mount>,
}

/// A build argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What the comment above says of it.
    pub description: Option<String>,
    /// Its value in this build: what the user gave, or the default.
    pub value: Option<String>,
    /// Its ARG.
    pub span: Span,
}

/// Something that a RUN wants mounted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// By which name.
    pub id: String,
    /// Whether a RUN fails without it.
    pub required: bool,
    /// The first RUN that wants it.
    pub span: Span,
}

/// The outline of the target. `None` if there is no such stage, or if an ARG before the first FROM is wrong.
pub fn outline(input: &Input<'_>) -> Option<Outline> {
    // Only what the target needs counts here, also if the user named none.
    let facts = Facts::new(&Input { extent: Extent::Build, ..*input })?;
    let target = facts.shipped.iter().rposition(|&shipped| shipped)?;
    let stage = facts.stage(target);
    let name = stage.name().map(str::to_owned);
    let description = name.as_deref().and_then(|name| stage.from.description(name)).map(str::to_owned);
    let mut outline = Outline { name, description, ..Outline::default() };
    let globals = Globals::new(facts.dockerfile, input.options);
    let mut used = BTreeSet::new();
    // What is nearest to the target tells of itself first.
    for index in (0..=target).rev().filter(|&index| facts.wanted[index]) {
        let from = &facts.stage(index).from.kind;
        for word in std::iter::once(&from.image).chain(&from.platform) {
            globals.mark(&word.text, &facts.globals, &mut used);
        }
        outline.stage(&facts, index, &globals);
    }
    outline.globals(&globals, &used);
    outline.arguments.sort_by_key(|argument| argument.span.start);
    for mounts in [&mut outline.secrets, &mut outline.ssh, &mut outline.caches] {
        mounts.sort_by_key(|mount| mount.span.start);
    }
    Some(outline)
}

impl Outline {
    fn stage(&mut self, facts: &Facts<'_>, index: usize, globals: &Globals<'_>) {
        let mut scope = Scope::new(facts.globals.escape());
        let stage = facts.stage(index);
        let triggers = facts.triggers[index].iter().map(|trigger| (&trigger.instruction, stage.from.span));
        let own = stage.instructions.iter().map(|instruction| (instruction, instruction.span));
        for (instruction, span) in triggers.chain(own) {
            match &instruction.kind {
                InstructionKind::Arg(arg) => {
                    for item in &arg.items {
                        let Ok(declared) = scope.declare(item, facts.input.options, Some(&facts.globals))
                        else {
                            continue;
                        };
                        let described = described(instruction, &declared.name).or_else(|| {
                            globals
                                .arguments
                                .get(declared.name.as_str())
                                .and_then(|argument| argument.description.clone())
                        });
                        self.argument(declared.name, described, declared.value, span);
                    }
                }
                InstructionKind::Env(pairs) => {
                    let expand = |word| scope.expand(word).map(|expanded| expanded.text).ok();
                    let pairs: Vec<_> = pairs
                        .pairs
                        .iter()
                        .filter_map(|pair| Some((expand(&pair.key)?, expand(&pair.value)?)))
                        .collect();
                    for (name, value) in pairs {
                        scope.set(name, value);
                    }
                }
                InstructionKind::Run(run) => self.mounts(run, &scope, span),
                _ => {}
            }
        }
    }

    fn argument(&mut self, name: String, description: Option<String>, value: Option<String>, span: Span) {
        if !self.arguments.iter().any(|argument| argument.name == name) {
            self.arguments.push(Argument { name, description, value, span });
        }
    }

    /// Adds the ARGs before the first FROM that a FROM uses.
    fn globals(&mut self, globals: &Globals<'_>, used: &BTreeSet<String>) {
        for name in used {
            if let Some(argument) = globals.arguments.get(name.as_str()) {
                let Argument { name, description, value, span } = argument.clone();
                self.argument(name, description, value, span);
            }
        }
    }

    fn mounts(&mut self, run: &Run, scope: &Scope, span: Span) {
        for mount in &run.mounts {
            let spec = scope.with_lookup(|lookup| {
                mount.resolve(&mut |word| Ok(word.expand(lookup, scope.escape())?.text))
            });
            // What is wrong with a mount is the plan's to tell.
            match spec {
                Ok(MountSpec::Secret(secret)) => add(&mut self.secrets, secret.id, secret.required, span),
                Ok(MountSpec::Ssh(ssh)) => add(&mut self.ssh, ssh.id, ssh.required, span),
                Ok(MountSpec::Cache(cache)) => {
                    add(&mut self.caches, cache.id.unwrap_or(cache.target), false, span);
                }
                _ => {}
            }
        }
    }
}

fn add(mounts: &mut Vec<Mount>, id: String, required: bool, span: Span) {
    match mounts.iter_mut().find(|mount| mount.id == id) {
        Some(mount) => {
            mount.required |= required;
            if span.start < mount.span.start {
                mount.span = span;
            }
        }
        None => mounts.push(Mount { id, required, span }),
    }
}

fn described<T>(statement: &Statement<T>, name: &str) -> Option<String> {
    statement.description(name).map(str::to_owned)
}

/// The ARGs before the first FROM, and which of them each one's default needs.
struct Globals<'a> {
    arguments: BTreeMap<&'a str, Argument>,
    defaults: BTreeMap<&'a str, &'a str>,
}

impl<'a> Globals<'a> {
    fn new(dockerfile: &'a Dockerfile, options: &Options) -> Self {
        let mut globals = Self { arguments: BTreeMap::new(), defaults: BTreeMap::new() };
        let scope = Scope::global(dockerfile, options).ok();
        for statement in &dockerfile.global_args {
            for ArgItem { name, default } in &statement.kind.items {
                let argument = Argument {
                    name: name.text.clone(),
                    description: described(statement, &name.text),
                    value: scope.as_ref().and_then(|scope| scope.get(&name.text)).map(str::to_owned),
                    span: statement.span,
                };
                globals.arguments.insert(&name.text, argument);
                if let Some(default) =
                    default.as_ref().filter(|_| !options.build_args.contains_key(&name.text))
                {
                    globals.defaults.insert(&name.text, &default.text);
                }
            }
        }
        globals
    }

    /// Adds the variables of a text to `used`, and those that their defaults are made of.
    fn mark(&self, text: &str, scope: &Scope, used: &mut BTreeSet<String>) {
        let found = RefCell::new(Vec::new());
        let lookup = |name: &str| {
            found.borrow_mut().push(name.to_owned());
            scope.get(name).map(str::to_owned)
        };
        let _ = crate::dockerfile::word::expand_text(text, &lookup, scope.escape());
        for name in found.into_inner() {
            if used.insert(name.clone())
                && let Some(default) = self.defaults.get(name.as_str())
            {
                self.mark(default, scope, used);
            }
        }
    }
}
