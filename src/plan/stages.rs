//! Stages: what each starts from, what it copies from, and which of them the target needs.
//!
//! A FROM refers to the nearest earlier stage of that name, `COPY --from` to the last one of that name in the file,
//! which has to come before. So everything that a stage needs has a smaller number, and there are no cycles.

use crate::diagnostic::{Spanned, nearest};
use crate::dockerfile::ast::{Dockerfile, InstructionKind, Stage};
use crate::oci::Platform;

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
}

/// The stages that the target needs, and how names lead to them.
#[derive(Debug)]
pub(super) struct Stages<'d> {
    all: &'d [Stage],
    /// In the order of the file; the last one is the target.
    pub(super) needed: Vec<Needed<'d>>,
    /// The variables of FROM lines.
    pub(super) globals: Scope,
}

impl<'d> Stages<'d> {
    /// Finds the target and what it needs. Fails with all that is wrong with the FROMs and `--from`s on the way.
    pub(super) fn find(dockerfile: &'d Dockerfile, options: &Options) -> Result<Self, Vec<PlanError>> {
        let globals = Scope::global(dockerfile, options)?;
        let mut stages = Self { all: &dockerfile.stages, needed: Vec::new(), globals };
        let target = stages.target(options).map_err(|error| vec![error])?;
        let mut wanted = vec![false; stages.all.len()];
        wanted[target] = true;
        let mut errors = Vec::new();
        // What a stage needs comes before it: one pass from the end meets every stage after all that need it.
        for index in (0..=target).rev() {
            if !wanted[index] {
                continue;
            }
            match stages.origin(index, options) {
                Ok(origin) => {
                    if let Origin::Stage(parent) = origin {
                        wanted[parent] = true;
                    }
                    stages.needed.push(Needed { index, stage: &stages.all[index], origin });
                }
                Err(error) => errors.push(error),
            }
            for from in copies_from(&stages.all[index]) {
                match stages.copy_origin(index, from) {
                    Ok(Origin::Stage(source)) => wanted[source] = true,
                    Ok(Origin::Image(_)) => errors.extend(foreign(&options.platform, options, from)),
                    Ok(Origin::Scratch) => {}
                    Err(error) => errors.push(error),
                }
            }
        }
        stages.needed.reverse();
        if errors.is_empty() { Ok(stages) } else { Err(errors) }
    }

    /// The images that are needed, each once, in the order of the file.
    pub(super) fn images(&self) -> Vec<BaseRef> {
        let mut images: Vec<BaseRef> = Vec::new();
        let mut add = |reference: &str, span| {
            if !images.iter().any(|image| image.reference == reference) {
                images.push(BaseRef { reference: reference.to_owned(), span });
            }
        };
        for needed in &self.needed {
            if let Origin::Image(reference) = &needed.origin {
                add(reference, needed.stage.from.kind.image.span);
            }
            for from in copies_from(needed.stage) {
                if let Ok(Origin::Image(reference)) = self.copy_origin(needed.index, from) {
                    add(&reference, from.span);
                }
            }
        }
        images
    }

    /// Whether more than one thing has steps, so that progress must say which one a step belongs to. BuildKit counts
    /// images that are only copied from, too.
    pub(super) fn are_several(&self) -> bool {
        let copies_image = |stage: &Stage| {
            copies_from(stage)
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
            PlanError { kind: PlanErrorKind::Target { name: name.clone(), similar }, span: None }
        })
    }

    /// The last stage of that name.
    fn named(&self, name: &str) -> Option<usize> {
        let name = name.to_lowercase();
        self.all.iter().rposition(|stage| stage.name() == Some(&name))
    }

    fn origin(&self, index: usize, options: &Options) -> Result<Origin, PlanError> {
        let from = &self.all[index].from.kind;
        let image = self.globals.expand(&from.image)?;
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

/// The `--from`s of a stage's COPYs.
fn copies_from(stage: &Stage) -> impl Iterator<Item = &Spanned<String>> {
    stage.instructions.iter().filter_map(|instruction| match &instruction.kind {
        InstructionKind::Copy(copy) => copy.from.as_ref(),
        _ => None,
    })
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
