//! A build's plans, one for each platform that it is for.
//!
//! Owns what is different for each (bases, warnings, the time, the plan) and that what goes wrong says for which. How
//! a platform's plan is made is [`plan`]'s; what of it is shared is found by [`plan::join()`].

use std::path::Path;

use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile::Parsed;
use crate::dockerfile::ast::Dockerfile;
use crate::oci::Platform;
use crate::plan::{self, Images, Plan, StepId, Stop};
use crate::solve::{Solved, StepResult};

use super::attest::Attested;
use super::bases::Resolving;
use super::build::{BuildRequest, computed, findings};
use super::check::{self, Checked};
use super::context::BuildInput;
use super::error::{BuildError, EngineError};
use super::export::{PlatformBuild, precious};
use super::output::{self, Circumstances};
use super::place::StepPlace;
use super::{Engine, epoch};

/// What is planned for one platform.
pub(super) struct Planned {
    pub(super) options: plan::Options,
    pub(super) plan: Plan,
    /// The time of the build, in seconds since 1970.
    pub(super) epoch: Option<i64>,
}

/// What a platform's plan is made with.
pub(super) struct Target {
    pub(super) options: plan::Options,
    pub(super) epoch: Option<i64>,
}

impl BuildRequest {
    /// The platforms that are built for, each once; nothing stands for the one of this machine.
    pub(super) fn chosen_platforms(&self) -> Vec<Option<&Platform>> {
        let mut chosen: Vec<Option<&Platform>> = Vec::new();
        for platform in &self.platforms {
            if !chosen.contains(&Some(platform)) {
                chosen.push(Some(platform));
            }
        }
        if chosen.is_empty() { vec![None] } else { chosen }
    }
}

/// What the plans are made with, once it is known what there is to build.
pub(super) fn targets(
    options: Vec<plan::Options>,
    request: &BuildRequest,
    dockerfile: &Dockerfile,
    input: &BuildInput,
) -> Result<Vec<Target>, EngineError> {
    let targets = options.into_iter().map(|mut options| {
        let epoch = epoch::of_build(request, dockerfile, input, &mut options)?;
        Ok(Target { options, epoch })
    });
    targets.collect()
}

/// Says what is to be said of the build of this number, given its steps in the joint plan and what they came to.
pub(super) type Attest<'a> = &'a dyn Fn(usize, &[StepId], &[StepResult]) -> Result<Attested, EngineError>;

/// What was built for each platform. `parts` says which steps of the joint plan each plan's are.
pub(super) fn builds<'a>(
    planned: &'a [Planned],
    parts: &[Vec<StepId>],
    bases: &'a Images,
    solved: &Solved,
    attest: Attest<'_>,
) -> Result<Vec<PlatformBuild<'a>>, EngineError> {
    let parts = planned.iter().zip(parts).enumerate();
    let builds = parts.map(|(number, (Planned { options, plan, epoch }, steps))| {
        let results: Vec<StepResult> = steps.iter().map(|id| solved.steps[id.0 as usize].clone()).collect();
        let attested = attest(number, steps, &results)?;
        Ok(PlatformBuild { platform: &options.platform, plan, bases, results, epoch: *epoch, attested })
    });
    builds.collect()
}

impl Engine {
    /// Refuses outputs that can be seen to be impossible for these targets.
    pub(super) fn refuse_outputs(
        &self,
        request: &BuildRequest,
        targets: &[Target],
        context: &Path,
    ) -> Result<(), EngineError> {
        let platforms: Vec<Platform> = targets.iter().map(|target| target.options.platform.clone()).collect();
        let circumstances = Circumstances {
            names: &request.tags,
            annotations: &request.annotations,
            platforms: &platforms,
            has_epoch: targets.iter().all(|target| target.epoch.is_some()),
            is_attested: !request.attestations.is_empty(),
            precious: &precious(self, context),
        };
        let refused = output::refuse_impossible(&request.outputs_or_store(), &circumstances);
        Ok(refused.map_err(|refusal| Box::new(BuildError::from(refusal)))?)
    }

    /// Finds the images and makes the plans for all targets. Warnings are left in `checked` before errors are told.
    pub(super) fn plans(
        &self,
        targets: Vec<Target>,
        parsed: &Parsed,
        resolving: &Resolving<'_>,
        input: &BuildInput,
        checked: &mut Option<Checked>,
    ) -> Result<(Vec<Planned>, Images), EngineError> {
        let several = targets.len() > 1;
        let mut bases = Images::new();
        for target in &targets {
            let label = |error| for_platform(error, several, &target.options.platform);
            let found = self.find_bases(&target.options, resolving, &mut bases);
            let about = (&target.options, resolving.bringing.cancel);
            // Warnings come before errors: they may well say why.
            let refusal =
                check::before_build(resolving.source, parsed, about, &bases, &input.files, checked)?;
            found.map_err(label)?;
            refusal?;
        }
        let mut planned = Vec::with_capacity(targets.len());
        for Target { options, epoch } in targets {
            let made =
                computed(resolving.bringing.cancel, || plan::lower(resolving.dockerfile, &options, &bases))?;
            let refused = |found| for_platform(findings(resolving.source, found), several, &options.platform);
            let plan = made.map_err(refused)?;
            planned.push(Planned { options, plan, epoch });
        }
        Ok((planned, bases))
    }
}

/// The plan up to a place, and where it stops.
pub(super) fn plan_until(
    place: &StepPlace,
    options: &plan::Options,
    bases: &Images,
    resolving: &Resolving<'_>,
) -> Result<(Plan, Stop), EngineError> {
    let (dockerfile, source): (_, &Source) = (resolving.dockerfile, resolving.source);
    let named = place.find(dockerfile, source).map_err(Box::new)?;
    let plan =
        computed(resolving.bringing.cancel, || plan::lower_until(dockerfile, options, bases, named.span))?;
    let (plan, stop) = plan.map_err(|found| findings(source, found))?;
    let stop = stop.ok_or_else(|| Box::new(place.blame(&named, dockerfile, source)))?;
    Ok((plan, stop))
}

/// The error with a word on the platform, if there are several.
fn for_platform(error: EngineError, several: bool, platform: &Platform) -> EngineError {
    match error {
        EngineError::Build(error) if several => match *error {
            BuildError::Findings { text, findings } => {
                let noted = |found: Diagnostic| found.note(format!("this is so for {platform}"));
                let findings = findings.into_iter().map(noted).collect();
                Box::new(BuildError::Findings { text, findings }).into()
            }
            other => Box::new(other).into(),
        },
        other => other,
    }
}
