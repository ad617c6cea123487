//! Stages: what each starts from, what it copies from, and which of them the target needs.
//!
//! A FROM refers to the nearest earlier stage of that name, `COPY --from` to the last one of that name in the file,
//! which has to come before. So everything that a stage needs has a smaller number, and there are no cycles. A
//! trigger counts as an instruction of the stage that runs it.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Spanned, nearest};
use crate::dockerfile::ast::{Dockerfile, Instruction, InstructionKind, Stage};
use crate::dockerfile::mount::Mount;
use crate::oci::Platform;

use super::error::{PlanError, PlanErrorKind};
use super::scope::Scope;
use super::triggers::Trigger;
use super::{BaseImage, BaseRef, Options};

/// What a stage starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// Nothing.
    Scratch,
    /// An earlier stage.
    Stage(usize),
    /// An image, by its reference.
    Image(String),
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

impl Needed<'_> {
    /// What the stage copies from or mounts.
    fn froms(&self) -> impl Iterator<Item = From<'_>> {
        let place = self.stage.from.kind.image.span;
        let of_triggers = self.triggers.iter().flat_map(move |trigger| {
            froms(&trigger.instruction).map(move |name| From {
                name: Spanned::new(name.value, place),
                trigger: Some(trigger.text.as_str()),
            })
        });
        let own = self.stage.instructions.iter().flat_map(froms);
        of_triggers.chain(own.map(|name| From { name, trigger: None }))
    }
}

/// The stages that the target needs, and how names lead to them.
#[derive(Debug)]
pub(super) struct Stages<'d> {
    all: &'d [Stage],
    /// In the order of the file; the last one is the target.
    pub(super) needed: Vec<Needed<'d>>,
    /// The variables of FROM lines.
    pub(super) globals: Scope,
    /// About FROM lines.
    pub(super) warnings: Vec<Diagnostic>,
}

impl<'d> Stages<'d> {
    /// Finds the target and what it needs. Fails with all that is wrong with the FROMs and `--from`s on the way.
    /// Triggers are those of images in `known`.
    pub(super) fn find(
        dockerfile: &'d Dockerfile,
        options: &Options,
        known: &BTreeMap<String, BaseImage>,
    ) -> Result<Self, Vec<PlanError>> {
        let globals = Scope::global(dockerfile, options)?;
        let mut stages = Self { all: &dockerfile.stages, needed: Vec::new(), globals, warnings: Vec::new() };
        let target = stages.target(options).map_err(|error| vec![error])?;
        let mut wanted = vec![false; stages.all.len()];
        wanted[target] = true;
        let mut errors = Vec::new();
        // What a stage needs comes before it: one pass from the end meets every stage after all that need it.
        for index in (0..=target).rev() {
            if !wanted[index] {
                continue;
            }
            let origin = stages.origin(index, options).unwrap_or_else(|error| {
                errors.push(error);
                Origin::Scratch
            });
            if let Origin::Stage(parent) = origin {
                wanted[parent] = true;
            }
            let triggers = stages.triggers(index, &origin, known).unwrap_or_else(|error| {
                errors.push(error);
                Vec::new()
            });
            let needed = Needed { index, stage: &stages.all[index], origin, triggers };
            for from in needed.froms() {
                let error = match stages.copy_origin(index, &from.name) {
                    Ok(Origin::Stage(source)) => {
                        wanted[source] = true;
                        None
                    }
                    Ok(Origin::Image(_)) => foreign(&options.platform, options, &from.name),
                    Ok(Origin::Scratch) => None,
                    Err(error) => Some(error),
                };
                errors.extend(error.map(|error| from.blame(error)));
            }
            stages.needed.push(needed);
        }
        stages.needed.reverse();
        stages.warnings.reverse();
        if errors.is_empty() { Ok(stages) } else { Err(errors) }
    }

    /// The images that are needed, each once, in the order of the file.
    pub(super) fn images(&self) -> Vec<BaseRef> {
        let mut images: Vec<BaseRef> = Vec::new();
        let mut add = |reference: &str, span, trigger: Option<&str>| {
            if !images.iter().any(|image| image.reference == reference) {
                let trigger = trigger.map(str::to_owned);
                images.push(BaseRef { reference: reference.to_owned(), span, trigger });
            }
        };
        for needed in &self.needed {
            if let Origin::Image(reference) = &needed.origin {
                add(reference, needed.stage.from.kind.image.span, None);
            }
            for from in needed.froms() {
                if let Ok(Origin::Image(reference)) = self.copy_origin(needed.index, &from.name) {
                    add(&reference, from.name.span, from.trigger);
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
        origin: &Origin,
        known: &BTreeMap<String, BaseImage>,
    ) -> Result<Vec<Trigger>, PlanError> {
        match origin {
            Origin::Stage(parent) => Ok(Trigger::of_stage(&self.all[*parent])),
            Origin::Image(reference) => known.get(reference).map_or(Ok(Vec::new()), |image| {
                Trigger::of_image(&image.config.config, self.all[index].from.kind.image.span)
            }),
            Origin::Scratch => Ok(Vec::new()),
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
                None if name == "scratch" => return Ok(Origin::Scratch),
                None => return Ok(Origin::Image(name.clone())),
            },
        };
        if index < current {
            return Ok(Origin::Stage(index));
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

    fn origin(&mut self, index: usize, options: &Options) -> Result<Origin, PlanError> {
        let from = &self.all[index].from.kind;
        let image = self.globals.expand(&from.image)?;
        self.warnings.extend(self.globals.undefined("UndefinedArgInFrom", &image.unmatched, from.image.span));
        let parent = self.all[..index].iter().rposition(|stage| stage.name() == Some(&image.text));
        match (parent, image.text.as_str()) {
            (Some(parent), _) => Ok(Origin::Stage(parent)),
            (None, "scratch") => Ok(Origin::Scratch),
            (None, "") => {
                let (text, variable) = (from.image.text.clone(), image.unmatched.into_iter().next());
                Err(PlanErrorKind::EmptyImage { text, variable }.at(from.image.span))
            }
            (None, _) => {
                let platform = self.platform(index, options)?;
                foreign(&platform, options, &Spanned::new(image.text.clone(), from.image.span))
                    .map_or(Ok(Origin::Image(image.text)), Err)
            }
        }
    }

    /// The platform of the image that a FROM names.
    fn platform(&self, index: usize, options: &Options) -> Result<Platform, PlanError> {
        let Some(word) = &self.all[index].from.kind.platform else {
            return Ok(options.platform.clone());
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

/// An error if an image's platform is not the one that we run on.
fn foreign(platform: &Platform, options: &Options, image: &Spanned<String>) -> Option<PlanError> {
    let build = &options.build_platform;
    (platform != build).then(|| {
        let what = format!("image `{}`", image.value);
        PlanErrorKind::Foreign { what, platform: platform.to_string(), build: build.to_string() }
            .at(image.span)
    })
}
