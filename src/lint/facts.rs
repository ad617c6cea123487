//! What stages start from, which of them count, and which of them the image is made of.

use crate::diagnostic::Span;
use crate::dockerfile::ast::{Dockerfile, InstructionKind, Stage};
use crate::plan::scope::Scope;

use super::{Extent, Input};

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by its reference; `None` if the name cannot be expanded.
    Image(Option<String>),
}

/// What the rules know of the file as a whole.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) input: Input<'a>,
    pub(super) dockerfile: &'a Dockerfile,
    /// The variables of FROM lines.
    pub(super) globals: Scope,
    pub(super) origins: Vec<Origin>,
    /// The stages that are looked at.
    pub(super) wanted: Vec<bool>,
    /// The stages whose layers are part of the image.
    pub(super) shipped: Vec<bool>,
}

impl<'a> Facts<'a> {
    /// `None` if the ARGs before the first FROM cannot be expanded.
    pub(super) fn new(input: &Input<'a>) -> Option<Self> {
        let dockerfile = &input.parsed.dockerfile;
        let globals = Scope::global(dockerfile, input.options).ok()?;
        let mut facts = Self {
            input: *input,
            dockerfile,
            globals,
            origins: Vec::new(),
            wanted: Vec::new(),
            shipped: Vec::new(),
        };
        facts.origins = (0..dockerfile.stages.len()).map(|index| facts.origin(index)).collect();
        let count = dockerfile.stages.len();
        let target = match &input.options.target {
            None => Some(count - 1),
            Some(name) => facts.stage_named(name),
        };
        (facts.wanted, facts.shipped) = (vec![false; count], vec![false; count]);
        if let Some(target) = target {
            facts.mark(target);
        }
        if input.extent == Extent::Check && input.options.target.is_none() {
            facts.wanted.fill(true);
        }
        Some(facts)
    }

    /// The stage with this number.
    pub(super) fn stage(&self, index: usize) -> &'a Stage {
        &self.dockerfile.stages[index]
    }

    /// The last stage of this name, or the one with this number.
    pub(super) fn stage_named(&self, name: &str) -> Option<usize> {
        let stages = &self.dockerfile.stages;
        let lower = name.to_lowercase();
        stages
            .iter()
            .rposition(|stage| stage.name() == Some(&lower))
            .or_else(|| name.parse().ok().filter(|&index: &usize| index < stages.len()))
    }

    /// The text at a place of the file.
    pub(super) fn text(&self, span: Span) -> &'a str {
        self.input.source.slice(span)
    }

    fn origin(&self, index: usize) -> Origin {
        let Ok(image) = self.globals.expand(&self.stage(index).from.kind.image) else {
            return Origin::Image(None);
        };
        let earlier = &self.dockerfile.stages[..index];
        match earlier.iter().rposition(|stage| stage.name() == Some(&image.text)) {
            Some(parent) => Origin::Stage(parent),
            None if image.text == "scratch" => Origin::Scratch,
            None => Origin::Image(image.unmatched.is_empty().then_some(image.text)),
        }
    }

    /// Marks the stages that `target` needs, and those that it consists of.
    fn mark(&mut self, target: usize) {
        (self.wanted[target], self.shipped[target]) = (true, true);
        // Whatever a stage needs comes before it.
        for index in (0..=target).rev() {
            if self.wanted[index] {
                self.mark_needs_of(index);
            }
        }
    }

    fn mark_needs_of(&mut self, index: usize) {
        if let Origin::Stage(parent) = self.origins[index] {
            self.wanted[parent] = true;
            self.shipped[parent] |= self.shipped[index];
        }
        for name in sources_of(self.stage(index)) {
            if let Some(source) = self.stage_named(name).filter(|&source| source < index) {
                self.wanted[source] = true;
            }
        }
    }
}

/// What a stage copies or mounts from, as written.
pub(super) fn sources_of(stage: &Stage) -> impl Iterator<Item = &str> {
    stage.instructions.iter().flat_map(|instruction| {
        let names: Vec<&str> = match &instruction.kind {
            InstructionKind::Copy(copy) => copy.from.iter().map(|from| from.value.as_str()).collect(),
            InstructionKind::Run(run) => {
                run.mounts.iter().filter_map(|mount| mount.from()).map(|word| word.text.as_str()).collect()
            }
            _ => Vec::new(),
        };
        names
    })
}
