//! Stages: what each starts from, what it copies from, and which of them the target needs.
//!
//! A FROM refers to the nearest earlier stage of that name, `COPY --from` to the last one of that name in the file,
//! which has to come before. So everything that a stage needs has a smaller number, and there are no cycles. A
//! trigger counts as an instruction of the stage that runs it. Named contexts stand in for stages and images of their
//! names; a stage that is replaced is not looked at.

use crate::diagnostic::{Spanned, nearest};
use crate::dockerfile::ast::{Dockerfile, Instruction, InstructionKind, Stage};
use crate::dockerfile::mount::Mount;
use crate::oci::Platform;

use super::contexts;
use super::error::{PlanError, PlanErrorKind};
use super::scope::Scope;
use super::triggers::Trigger;
use super::{BaseRef, ImageKey, Images, Options};

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
    /// Whether a named context stands for all of it: nothing is done in it then.
    pub(super) replaced: bool,
    /// What that asks to be done first.
    pub(super) triggers: Vec<Trigger>,
}

/// A `--from` of a needed stage.
struct From<'n> {
    /// The name, at its place in the file.
    name: Spanned<String>,
    /// The text of the trigger that it is in.
    trigger: Option<&'n str>,
}

impl<'d> Needed<'d> {
    /// What is done in the stage by itself.
    pub(super) fn instructions(&self) -> &'d [Instruction] {
        if self.replaced { &[] } else { &self.stage.instructions }
    }

    /// What the stage copies from or mounts.
    fn froms(&self) -> impl Iterator<Item = From<'_>> {
        let place = self.stage.from.kind.image.span;
        let of_triggers = self.triggers.iter().flat_map(move |trigger| {
            froms(&trigger.instruction).map(move |name| From {
                name: Spanned::new(name.value, place),
                trigger: Some(trigger.text.as_str()),
            })
        });
        let own = self.instructions().iter().flat_map(froms);
        of_triggers.chain(own.map(|name| From { name, trigger: None }))
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
}

impl<'d> Stages<'d> {
    /// Finds the target and what it needs. Fails with all that is wrong with the FROMs and `--from`s on the way.
    /// Triggers are those of images in `known`.
    pub(super) fn find(
        dockerfile: &'d Dockerfile,
        options: &'d Options,
        known: &Images,
    ) -> Result<Self, Vec<PlanError>> {
        let globals = Scope::global(dockerfile, options)?;
        let all = &dockerfile.stages;
        let mut stages = Self { all, options, needed: Vec::new(), globals };
        let target = stages.target(options).map_err(|error| vec![error])?;
        let mut wanted = vec![false; stages.all.len()];
        wanted[target] = true;
        let mut errors = Vec::new();
        // What a stage needs comes before it: one pass from the end meets every stage after all that need it.
        for index in (0..=target).rev() {
            if !wanted[index] {
                continue;
            }
            let needed = stages.needed(index, known, &mut errors);
            if let Origin::Stage(parent) = needed.origin {
                wanted[parent] = true;
            }
            for from in needed.froms() {
                match stages.copy_origin(index, &from.name) {
                    Ok(Origin::Stage(source)) => wanted[source] = true,
                    Ok(Origin::Image(_) | Origin::Files(_) | Origin::Scratch) => {}
                    Err(error) => errors.push(from.blame(error)),
                }
            }
            stages.needed.push(needed);
        }
        stages.needed.reverse();
        if errors.is_empty() { Ok(stages) } else { Err(errors) }
    }

    /// The images that are needed, each once, in the order of the file.
    pub(super) fn images(&self) -> Vec<BaseRef> {
        let mut images: Vec<BaseRef> = Vec::new();
        let mut add = |reference: &str, platform: &Platform, span, trigger: Option<&str>| {
            if !images.iter().any(|image| image.reference == reference && image.platform == *platform) {
                let (reference, platform) = (reference.to_owned(), platform.clone());
                let trigger = trigger.map(str::to_owned);
                images.push(BaseRef { reference, platform, span, trigger });
            }
        };
        for needed in &self.needed {
            if let Origin::Image(reference) = &needed.origin {
                add(reference, &needed.platform, needed.stage.from.kind.image.span, None);
            }
            for from in needed.froms() {
                if let Ok(Origin::Image(reference)) = self.copy_origin(needed.index, &from.name) {
                    add(&reference, &self.options.platform, from.name.span, from.trigger);
                }
            }
        }
        images
    }

    /// Whether more than one thing has steps, so that progress must say which one a step belongs to. BuildKit counts
    /// images that are only copied from, too.
    pub(super) fn are_several(&self) -> bool {
        let copies_image = |stage: &Stage| {
            let mut froms = stage.instructions.iter().flat_map(froms);
            froms.any(|from| from.value.parse::<usize>().is_err() && self.named(&from.value).is_none())
        };
        self.all.len() > 1 || self.all.iter().any(copies_image)
    }

    /// What the origin of the stage with this number asks to be done first. What is asked of a stage that is not
    /// known yet is nothing.
    fn triggers(
        &self,
        index: usize,
        (origin, platform): (&Origin, &Platform),
        known: &Images,
    ) -> Result<Vec<Trigger>, PlanError> {
        match origin {
            Origin::Stage(parent) => Ok(Trigger::of_stage(&self.all[*parent])),
            Origin::Image(reference) => {
                let key = ImageKey { reference: reference.clone(), platform: platform.clone() };
                known.get(&key).map_or(Ok(Vec::new()), |image| {
                    Trigger::of_image(&image.config.config, self.all[index].from.kind.image.span)
                })
            }
            Origin::Scratch | Origin::Files(_) => Ok(Vec::new()),
        }
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
            let kind = PlanErrorKind::Target { name: name.clone(), similar };
            PlanError { kind, span: None, trigger: None }
        })
    }

    /// The last stage of that name.
    fn named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.all.iter().rposition(|stage| stage.name() == Some(&name))
    }

    /// A stage with what it starts from and what that asks for. What is wrong with it goes to `errors`.
    fn needed(&mut self, index: usize, known: &Images, errors: &mut Vec<PlanError>) -> Needed<'d> {
        let stage = &self.all[index];
        let platform = self.platform(index).unwrap_or_else(|error| {
            errors.push(error);
            self.options.platform.clone()
        });
        if let Some(origin) = self.replacement(index, &platform) {
            return Needed { index, stage, origin, platform, replaced: true, triggers: Vec::new() };
        }
        let origin = self.origin(index, &platform).unwrap_or_else(|error| {
            errors.push(error);
            Origin::Scratch
        });
        let triggers = self.triggers(index, (&origin, &platform), known).unwrap_or_else(|error| {
            errors.push(error);
            Vec::new()
        });
        Needed { index, stage, origin, platform, replaced: false, triggers }
    }

    /// What the FROM of a stage names.
    fn origin(&mut self, index: usize, platform: &Platform) -> Result<Origin, PlanError> {
        let image = &self.all[index].from.kind.image;
        let name = self.globals.expand(image)?;
        let parent = self.all[..index].iter().rposition(|stage| stage.name() == Some(&name.text));
        match (parent, name.text.as_str()) {
            (Some(parent), _) => self.stage(parent),
            (None, "") => {
                let (text, variable) = (image.text.clone(), name.unmatched.into_iter().next());
                Err(PlanErrorKind::EmptyImage { text, variable }.at(image.span))
            }
            (None, name) => Ok(self.image(name, platform)),
        }
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

impl From<'_> {
    /// The error as one of the trigger, if it is in one.
    fn blame(&self, error: PlanError) -> PlanError {
        match self.trigger {
            Some(trigger) => error.of_trigger(trigger, self.name.span),
            None => error,
        }
    }
}

/// What an instruction names to copy from or to mount.
fn froms(instruction: &Instruction) -> impl Iterator<Item = Spanned<String>> {
    let (copied, mounts) = match &instruction.kind {
        InstructionKind::Copy(copy) => (copy.from.clone(), &[][..]),
        InstructionKind::Run(run) => (None, &run.mounts[..]),
        _ => (None, &[][..]),
    };
    let mounted = mounts.iter().filter_map(Mount::from);
    copied.into_iter().chain(mounted.map(|word| Spanned::new(word.text.clone(), word.span)))
}
