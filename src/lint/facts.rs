//! What stages start from, which of them count, and which of them the image is made of.

use crate::diagnostic::Span;
use crate::dockerfile::ast::{Dockerfile, Instruction, InstructionKind, Stage};
use crate::dockerfile::mount::Mount;
use crate::oci::Platform;
use crate::plan::contexts;
use crate::plan::scope::Scope;
use crate::plan::triggers::Trigger;
use crate::plan::{BaseImage, NamedContext};

use super::{Extent, Input};

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by its reference; `None` if the name cannot be expanded.
    Image(Option<String>),
    /// What the user put in the place of what is written: an image, or files if it is `None`.
    StandIn(Option<String>),
}

impl Origin {
    /// The reference of an image.
    pub(super) fn reference(&self) -> Option<&str> {
        match self {
            Self::Image(reference) | Self::StandIn(reference) => reference.as_deref(),
            Self::Scratch | Self::Stage(_) => None,
        }
    }

    fn of_context(context: &NamedContext) -> Self {
        match context {
            NamedContext::Files => Self::StandIn(None),
            NamedContext::Image(reference) if reference == "scratch" => Self::Scratch,
            NamedContext::Image(reference) => Self::StandIn(Some(reference.clone())),
        }
    }
}

/// What the rules know of the file as a whole.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) input: Input<'a>,
    pub(super) dockerfile: &'a Dockerfile,
    /// The variables of FROM lines.
    pub(super) globals: Scope,
    pub(super) origins: Vec<Origin>,
    /// The stages in whose place the user put something else: what they say does not count.
    replaced: Vec<bool>,
    /// What each stage does before its own instructions, as far as that is known.
    pub(super) triggers: Vec<Vec<Trigger>>,
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
            replaced: Vec::new(),
            triggers: Vec::new(),
            wanted: Vec::new(),
            shipped: Vec::new(),
        };
        let count = dockerfile.stages.len();
        for index in 0..count {
            let own = dockerfile.stages[index].name().and_then(|name| facts.stand_in(name, index));
            facts.replaced.push(own.is_some());
            let origin = own.unwrap_or_else(|| facts.origin(index));
            facts.origins.push(origin);
        }
        facts.triggers = (0..count).map(|index| facts.triggers_of(index)).collect();
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
        for (wanted, replaced) in facts.wanted.iter_mut().zip(&facts.replaced) {
            *wanted &= !replaced;
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

    /// The image that something starts from, if it is known for some platform.
    pub(super) fn base(&self, origin: &Origin) -> Option<&'a BaseImage> {
        let reference = origin.reference()?;
        let found = self.input.bases.iter().find(|(key, _)| key.reference == reference);
        found.map(|(_, image)| image)
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
            Some(parent) if self.replaced[parent] => self.origins[parent].clone(),
            Some(parent) => Origin::Stage(parent),
            None if image.text == "scratch" => Origin::Scratch,
            None => self
                .stand_in(&image.text, index)
                .unwrap_or_else(|| Origin::Image(image.unmatched.is_empty().then_some(image.text))),
        }
    }

    /// What the user put in the place of a name that a stage uses.
    pub(super) fn stand_in(&self, name: &str, index: usize) -> Option<Origin> {
        let platform = self.platform(index)?;
        let (_, context) = contexts::stand_in(self.input.options, name, &platform)?;
        Some(Origin::of_context(context))
    }

    /// The platform that a stage's base is wanted for; `None` if what it says cannot be read.
    pub(super) fn platform(&self, index: usize) -> Option<Platform> {
        let Some(word) = &self.stage(index).from.kind.platform else {
            return Some(self.input.options.platform.clone());
        };
        self.globals.expand(word).ok()?.text.parse().ok()
    }

    /// Triggers that cannot be read are the plan's to tell.
    fn triggers_of(&self, index: usize) -> Vec<Trigger> {
        if let Origin::Stage(parent) = self.origins[index] {
            return Trigger::of_stage(self.stage(parent));
        }
        self.base(&self.origins[index]).map_or(Vec::new(), |base| {
            let from = self.stage(index).from.kind.image.span;
            Trigger::of_image(&base.config.config, from).unwrap_or_default()
        })
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
        let triggers = self.triggers[index].iter().map(|trigger| &trigger.instruction);
        let instructions = triggers.chain(&self.stage(index).instructions);
        let named = instructions.flat_map(sources_of).filter_map(|name| self.stage_named(name));
        let sources: Vec<usize> = named.filter(|&source| source < index).collect();
        for source in sources {
            self.wanted[source] = true;
        }
    }
}

/// What an instruction copies or mounts from, as written.
fn sources_of(instruction: &Instruction) -> impl Iterator<Item = &str> {
    let (copied, mounts) = match &instruction.kind {
        InstructionKind::Copy(copy) => (copy.from.as_ref(), &[][..]),
        InstructionKind::Run(run) => (None, &run.mounts[..]),
        _ => (None, &[][..]),
    };
    let mounted = mounts.iter().filter_map(Mount::from).map(|word| word.text.as_str());
    copied.map(|from| from.value.as_str()).into_iter().chain(mounted)
}
