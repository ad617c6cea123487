//! Stages: what each starts from, what it copies from, and which of them the target needs.
//!
//! A FROM refers to the nearest earlier stage of that name, `COPY --from` to the last one of that name in the file,
//! which has to come before. So everything that a stage needs has a smaller number, and there are no cycles. Named
//! contexts stand in for stages and images of their names; a stage that is replaced is not looked at.

use crate::diagnostic::{Diagnostic, Spanned, nearest};
use crate::dockerfile::ast::{Dockerfile, Instruction, InstructionKind, Stage};
use crate::oci::Platform;

use super::contexts;
use super::error::{PlanError, PlanErrorKind};
use super::scope::Scope;
use super::{BaseRef, Options};

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by its reference.
    Image(String),
    /// The files of a named context.
    Files(String),
}

/// A stage that the target needs.
#[derive(Debug)]
pub(super) struct Needed<'d> {
    /// Its number in the file.
    pub(super) index: usize,
    /// What the file says.
    pub(super) stage: &'d Stage,
    /// What it starts from.
    pub(super) origin: Origin,
    /// The platform that its image is wanted for.
    pub(super) platform: Platform,
    /// Whether a named context stands for all of it: its instructions do not count.
    pub(super) replaced: bool,
}

impl<'d> Needed<'d> {
    /// What is done in the stage.
    pub(super) fn instructions(&self) -> &'d [Instruction] {
        if self.replaced { &[] } else { &self.stage.instructions }
    }
}

/// The stages that the target needs, and how names lead to them.
#[derive(Debug)]
pub(super) struct Stages<'d> {
    all: &'d [Stage],
    options: &'d Options,
    /// In the order of the file; the last one is the target.
    pub(super) needed: Vec<Needed<'d>>,
    /// The variables of FROM lines.
    pub(super) globals: Scope,
    /// About FROM lines.
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'d> Stages<'d> {
    /// Finds the target and what it needs. Fails with all that is wrong with the FROMs and `--from`s on the way.
    pub(super) fn find(dockerfile: &'d Dockerfile, options: &'d Options) -> Result<Self, Vec<PlanError>> {
        let globals = Scope::global(dockerfile, options)?;
        let all = &dockerfile.stages;
        let mut stages = Self { all, options, needed: Vec::new(), globals, warnings: Vec::new() };
        let target = stages.target(options).map_err(|error| vec![error])?;
        let mut wanted = vec![false; stages.all.len()];
        wanted[target] = true;
        let mut errors = Vec::new();
        // What a stage needs comes before it: one pass from the end meets every stage after all that need it.
        for index in (0..=target).rev() {
            if !wanted[index] {
                continue;
            }
            let mut instructions = &stages.all[index].instructions[..];
            match stages.needed(index) {
                Ok(needed) => {
                    if let Origin::Stage(parent) = needed.origin {
                        wanted[parent] = true;
                    }
                    instructions = needed.instructions();
                    stages.needed.push(needed);
                }
                Err(error) => errors.push(error),
            }
            for from in copies_from(instructions) {
                match stages.copy_origin(index, from) {
                    Ok(Origin::Stage(source)) => wanted[source] = true,
                    Ok(Origin::Image(_) | Origin::Files(_) | Origin::Scratch) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
        stages.needed.reverse();
        stages.warnings.reverse();
        if errors.is_empty() { Ok(stages) } else { Err(errors) }
    }

    /// The images that are needed, each once, in the order of the file.
    pub(super) fn images(&self) -> Vec<BaseRef> {
        let mut images: Vec<BaseRef> = Vec::new();
        let mut add = |reference: &str, platform: &Platform, span| {
            if !images.iter().any(|image| image.reference == reference) {
                let platform = platform.clone();
                images.push(BaseRef { reference: reference.to_owned(), platform, span });
            }
        };
        for needed in &self.needed {
            if let Origin::Image(reference) = &needed.origin {
                add(reference, &needed.platform, needed.stage.from.kind.image.span);
            }
            for from in copies_from(needed.instructions()) {
                if let Ok(Origin::Image(reference)) = self.copy_origin(needed.index, from) {
                    add(&reference, &self.options.platform, from.span);
                }
            }
        }
        images
    }

    /// Whether more than one thing has steps, so that progress must say which one a step belongs to. BuildKit counts
    /// images that are only copied from, too.
    pub(super) fn are_several(&self) -> bool {
        let copies_image = |stage: &Stage| {
            copies_from(&stage.instructions)
                .any(|from| from.value.parse::<usize>().is_err() && self.named(&from.value).is_none())
        };
        self.all.len() > 1 || self.all.iter().any(copies_image)
    }

    /// What `COPY --from` in the stage with this number means.
    pub(super) fn copy_origin(&self, current: usize, from: &Spanned<String>) -> Result<Origin, PlanError> {
        let name = &from.value;
        let index = match name.parse::<usize>() {
            Ok(index) if index >= self.all.len() => {
                let last = self.all.len() - 1;
                return Err(PlanErrorKind::StageIndex { name: name.clone(), last }.at(from.span));
            }
            Ok(index) => index,
            Err(_) => match self.named(name) {
                Some(index) => index,
                None => return Ok(self.image(name, &self.options.platform)),
            },
        };
        if index < current {
            return self.stage(index);
        }
        let name = name.clone();
        let kind = if index == current {
            PlanErrorKind::CopyFromSelf { name }
        } else {
            PlanErrorKind::CopyFromLater { name }
        };
        Err(kind.at(from.span))
    }

    fn target(&self, options: &Options) -> Result<usize, PlanError> {
        let Some(name) = &options.target else {
            return Ok(self.all.len() - 1);
        };
        self.named(name).ok_or_else(|| {
            let similar = nearest(name, self.all.iter().filter_map(Stage::name)).map(str::to_owned);
            PlanError { kind: PlanErrorKind::Target { name: name.clone(), similar }, span: None }
        })
    }

    /// The last stage of that name.
    fn named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.all.iter().rposition(|stage| stage.name() == Some(&name))
    }

    /// A stage with what it starts from.
    fn needed(&mut self, index: usize) -> Result<Needed<'d>, PlanError> {
        let stage = &self.all[index];
        let platform = self.platform(index)?;
        if let Some(origin) = self.replacement(index, &platform) {
            return Ok(Needed { index, stage, origin, platform, replaced: true });
        }
        let image = &stage.from.kind.image;
        let name = self.globals.expand(image)?;
        self.warnings.extend(self.globals.undefined("UndefinedArgInFrom", &name.unmatched, image.span));
        let parent = self.all[..index].iter().rposition(|stage| stage.name() == Some(&name.text));
        let origin = match (parent, name.text.as_str()) {
            (Some(parent), _) => self.stage(parent)?,
            (None, "") => {
                let (text, variable) = (image.text.clone(), name.unmatched.into_iter().next());
                return Err(PlanErrorKind::EmptyImage { text, variable }.at(image.span));
            }
            (None, name) => self.image(name, &platform),
        };
        Ok(Needed { index, stage, origin, platform, replaced: false })
    }

    /// What a stage is to those that refer to it: itself, or the named context that stands for it.
    fn stage(&self, index: usize) -> Result<Origin, PlanError> {
        if self.options.contexts.is_empty() {
            return Ok(Origin::Stage(index));
        }
        Ok(self.replacement(index, &self.platform(index)?).unwrap_or(Origin::Stage(index)))
    }

    fn replacement(&self, index: usize, platform: &Platform) -> Option<Origin> {
        contexts::replacement(self.options, self.all[index].name()?, platform)
    }

    /// What a name is that is no stage's.
    fn image(&self, name: &str, platform: &Platform) -> Origin {
        match contexts::replacement(self.options, name, platform) {
            _ if name == "scratch" => Origin::Scratch,
            Some(origin) => origin,
            None => Origin::Image(name.to_owned()),
        }
    }

    /// The platform of the image that a FROM names.
    fn platform(&self, index: usize) -> Result<Platform, PlanError> {
        let Some(word) = &self.all[index].from.kind.platform else {
            return Ok(self.options.platform.clone());
        };
        let expanded = self.globals.expand(word)?;
        if expanded.text.is_empty() {
            return Err(PlanErrorKind::EmptyPlatform { text: word.text.clone() }.at(word.span));
        }
        expanded.text.parse().map_err(|error| PlanErrorKind::Platform(error).at(word.span))
    }
}

/// The `--from`s of COPYs.
fn copies_from(instructions: &[Instruction]) -> impl Iterator<Item = &Spanned<String>> {
    instructions.iter().filter_map(|instruction| match &instruction.kind {
        InstructionKind::Copy(copy) => copy.from.as_ref(),
        _ => None,
    })
}
