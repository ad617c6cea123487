//! Syntax tree to a graph of build steps.
//!
//! Planning is pure: it reads no disk and no network. What it must know about images comes in strokes: [`bases()`]
//! names the images that the target needs, the caller finds them and asks again, because an image's triggers may need
//! others, and at last [`lower()`] makes the [`Plan`] with their configs. Only what the target needs is looked at; a
//! stage that it does not need may be wrong without harm.
//!
//! Invariants of a plan: every id in it is the index of something in it; a step comes after all that it reads, so
//! that cycles cannot be expressed; equal work (the same kind of step on the same root) is one step.
//! Must not know how steps are run, cached or stored.

mod chmod;
pub(crate) mod contexts;
mod dump;
mod error;
mod graph;
mod join;
mod lower;
mod mount;
mod notation;
mod scan;
pub(crate) mod scope;
mod stages;
mod step;
pub(crate) mod triggers;

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::ast::Dockerfile;
use crate::oci::{Config, ImageConfig, ManifestDigest, Platform};

use stages::Stages;

pub use chmod::{Chmod, ChmodError};
pub use contexts::{NamedContext, context_name};
pub use join::{Joint, join};
pub use mount::{Bind, Cache, Mount, MountKind, Secret, SecretVariable, Seed};
pub use scan::{Generator, ScanPlanError, Scans, add_scan, scan_results};
pub use step::{
    Copy, Destination, InlineFile, NetworkMode, Place, Run, Script, Source, Step, StepKind, Unpack, Workdir,
};
pub use triggers::note as trigger_note;

/// What the user wants of a build, apart from what the Dockerfile says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// `--build-arg`s.
    pub build_args: BTreeMap<String, String>,
    /// `--target`: the stage to build; `None` is the last one.
    pub target: Option<String>,
    /// `--label`s, which win over LABEL instructions.
    pub labels: BTreeMap<String, String>,
    /// The platform to build for.
    pub platform: Platform,
    /// Whether the user chose that platform. The image is for it then, whatever its base is for.
    pub chosen: Chosen,
    /// The platform to build on: the one whose programs can run.
    pub build_platform: Platform,
    /// Other architectures whose programs can run there, by their names in platforms.
    pub emulated: Vec<String>,
    /// `--build-context`s, by [`context_name()`].
    pub contexts: BTreeMap<String, NamedContext>,
    /// `--no-cache-filter`: names of stages that are built anew.
    pub no_cache_stages: Vec<String>,
    /// The network of each RUN that does not choose one.
    pub network: NetworkMode,
    /// Has the user agreed that a RUN may choose the host's network?
    pub host_network_allowed: bool,
    /// Has the user agreed that a RUN may choose the rights of the machine's root?
    pub insecure_allowed: bool,
    /// What the user said about all commands that may show in what they make, in words.
    pub circumstances: Vec<String>,
}

/// Whether the user chose the platform of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chosen {
    /// No: it is the one of this machine.
    No,
    /// Yes.
    Alone,
    /// Yes, and others besides, so that progress must say which something is for.
    AmongOthers,
}

/// An image that the target needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseRef {
    /// The reference as written, variables expanded, otherwise untouched; or that of the named context which stands
    /// for what was written.
    pub reference: String,
    /// The platform that it is needed for.
    pub platform: Platform,
    /// Where it is first needed: the image in its FROM, the value of `--from`, or the FROM that runs a trigger.
    pub span: Span,
    /// The ONBUILD trigger that needs it.
    pub trigger: Option<String>,
}

/// An image that a [`BaseRef`] was found to name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BaseImage {
    /// Its full name, for progress.
    pub name: String,
    /// Its config.
    pub config: ImageConfig,
    /// The digest of its manifest, if there is one: what the plan does not depend on, but whoever says what was used.
    pub manifest: Option<ManifestDigest>,
    /// Whether a registry is known to have it under that name, so that others can get it. Nor does the plan depend on this.
    pub is_public: bool,
}

/// What tells the images that a plan needs from each other: one reference may be needed for several platforms.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImageKey {
    /// As [`BaseRef::reference`].
    pub reference: String,
    /// The platform that it is needed for.
    pub platform: Platform,
}

/// What images were found to be.
pub type Images = BTreeMap<ImageKey, BaseImage>;

impl BaseRef {
    /// Under which [`lower()`] is given the image.
    pub fn key(&self) -> ImageKey {
        ImageKey { reference: self.reference.clone(), platform: self.platform.clone() }
    }
}

/// Number of a base in [`Plan::bases`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct BaseId(pub u32);

/// Number of a context in [`Plan::contexts`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContextId(pub u32);

/// A directory of the user's that the plan copies from.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ContextName {
    /// The build's own context.
    Main,
    /// A named context, by its key in [`Options::contexts`].
    Named(String),
}

/// Number of a step in [`Plan::steps`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct StepId(pub u32);

/// A state of a file system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub enum Root {
    /// Nothing.
    Scratch,
    /// An image.
    Base(BaseId),
    /// What a step leaves.
    Step(StepId),
}

/// An image that the plan starts from or copies from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Base {
    /// The key under which [`lower()`] was given the image.
    pub key: ImageKey,
    /// What progress shows: `[build 1/4] FROM docker.io/library/alpine:3`.
    pub name: String,
    /// Where it is first needed.
    pub span: Span,
}

/// What is to be done, and what comes of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The images that are needed, each once.
    pub bases: Vec<Base>,
    /// The contexts that are needed, each once.
    pub contexts: Vec<ContextName>,
    /// The steps, each after those that it reads.
    pub steps: Vec<Step>,
    /// The image to make.
    pub target: Target,
    /// What an SBOM lists besides what is in the image.
    pub scans: Scans,
}

impl Plan {
    /// The base with this id.
    pub fn base(&self, id: BaseId) -> &Base {
        &self.bases[id.0 as usize]
    }

    /// The step with this id.
    pub fn step(&self, id: StepId) -> &Step {
        &self.steps[id.0 as usize]
    }

    /// The ids of the steps, in their order.
    pub fn step_ids(&self) -> impl ExactSizeIterator<Item = StepId> + use<> {
        (0..self.steps.len() as u32).map(StepId)
    }
}

/// A step before which a build ends, so that somebody can look at what it would start from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stop {
    /// The step.
    pub step: StepId,
    /// What a command in its place sees. Of a RUN, the RUN itself.
    pub run: Run,
}

/// The image that a plan makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The stage's name in the file, lower-cased; `None` if it has none.
    pub stage: Option<String>,
    /// Its file system.
    pub root: Root,
    /// The image whose layers and history come first; `None` for `scratch`.
    pub base: Option<BaseId>,
    /// What a container of the image runs, and how; complete, with all that is inherited and with the user's labels.
    pub config: Config,
    /// Who maintains the image.
    pub author: Option<String>,
    /// The platform of the image.
    pub platform: Platform,
    /// What was done since the base, in order.
    pub history: Vec<HistoryItem>,
}

/// One entry of the history that the build adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// The instruction, in BuildKit's words; `None` for a layer that no instruction made: the files of a context that a
    /// stage starts from.
    pub created_by: Option<String>,
    /// The step that made the layer; `None` if the instruction made none.
    pub step: Option<StepId>,
}

/// The images that the target needs as far as the `known` ones tell, each once for a platform, in the order of the file.
/// The list is complete when every image in it is known.
///
/// Fails with all that is wrong with the ARGs before the first FROM, the target's name, and the FROMs and `--from`s
/// of the stages that the target needs.
pub fn bases(
    dockerfile: &Dockerfile,
    options: &Options,
    known: &Images,
) -> Result<Vec<BaseRef>, Vec<Diagnostic>> {
    Ok(Stages::find(dockerfile, options, known).map_err(error::diagnostics)?.images())
}

/// The value of an ARG before the first FROM, given or by default; `None` if it has none, or if what is there is wrong.
pub fn global_argument(dockerfile: &Dockerfile, options: &Options, name: &str) -> Option<String> {
    let scope = scope::Scope::global(dockerfile, options).ok()?;
    if scope.is_declared(name) { scope.get(name).map(str::to_owned) } else { None }
}

/// Makes the plan. `images` has what each of [`bases()`] was found to be, by [`BaseRef::key()`].
///
/// Fails with all that is wrong with the stages that the target needs.
pub fn lower(dockerfile: &Dockerfile, options: &Options, images: &Images) -> Result<Plan, Vec<Diagnostic>> {
    let lowered = lower::lower(dockerfile, options, images, None);
    lowered.map(|(plan, _)| plan).map_err(error::diagnostics)
}

/// As [`lower()`], with the first step of the instruction at `place`; `None` if that makes none in the stages that the
/// target needs.
pub fn lower_until(
    dockerfile: &Dockerfile,
    options: &Options,
    images: &Images,
    place: Span,
) -> Result<(Plan, Option<Stop>), Vec<Diagnostic>> {
    lower::lower(dockerfile, options, images, Some(place)).map_err(error::diagnostics)
}

#[cfg(test)]
pub(crate) mod tests;
