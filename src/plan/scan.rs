//! Scans: the step that lists, for an SBOM, what is in the image and in other states of a build.
//!
//! Owns BuildKit's `sbom-protocol.md` as far as it is a command with mounts: where a generator finds the file systems,
//! where it writes, and which variables tell it so. What it writes is the layer of the step, so that it is cached like
//! any other. Which states are scanned besides the target is said by ARGs of the Dockerfile.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Span;
use crate::oci::Config;
use crate::tree::TreePath;

use super::lower::everything;
use super::mount::{Bind, Mount, MountKind};
use super::scope::Scope;
use super::{
    Base, BaseId, BaseImage, ContextId, ContextName, ImageKey, NetworkMode, Plan, Root, Run, Step, StepId,
    StepKind, Workdir,
};

/// The ARG that says whether the context is scanned.
pub(super) const SCAN_CONTEXT: &str = "BUILDKIT_SBOM_SCAN_CONTEXT";
/// The ARG that says which stages are scanned besides the target.
pub(super) const SCAN_STAGE: &str = "BUILDKIT_SBOM_SCAN_STAGE";

/// Where a generator finds the image.
const CORE: &str = "/run/src/core/sbom";
/// Where it finds what else it shall scan, each in a directory `sbom-NAME`.
const EXTRAS: &str = "/run/src/extras/";
/// What the build's context is called there.
const CONTEXT: &str = "context";
/// Where it writes.
const DESTINATION: &str = "/run/out/";

/// What is scanned besides the target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scans {
    /// Whether the build's context is.
    pub context: bool,
    /// Stages that the target needs, by their names.
    pub stages: BTreeMap<String, Root>,
}

/// An image whose command scans.
#[derive(Debug, Clone, Copy)]
pub struct Generator<'a> {
    /// The key under which the image's layers are found, one that no base of the plan has.
    pub key: &'a ImageKey,
    /// The image.
    pub image: &'a BaseImage,
    /// Variables for it, which get BuildKit's prefix.
    pub parameters: &'a BTreeMap<String, String>,
    /// The network that it sees.
    pub network: NetworkMode,
    /// The time of the build, in seconds since 1970, if it has one of its own.
    pub epoch: Option<i64>,
}

/// A scan cannot be planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScanPlanError {
    /// The generator is an image without a command.
    #[error("the SBOM generator `{name}` has neither an entrypoint nor a command")]
    NoCommand {
        /// The image.
        name: String,
    },
    /// Both would be scanned under one name.
    #[error(
        "the SBOMs of the stage `{CONTEXT}` and of the build's context would have one name: rename the stage"
    )]
    StageLikeContext,
}

/// The directory in the layer of a scan in which its results are.
pub fn scan_results() -> TreePath {
    TreePath::clean(DESTINATION.as_bytes())
}

/// Adds a scan to a plan. It depends on the target and on nothing that the target does not need but the context.
pub fn add_scan(plan: &mut Plan, generator: Generator<'_>) -> Result<StepId, ScanPlanError> {
    let Generator { key, image, parameters, network, epoch } = generator;
    let config = &image.config.config;
    let words = [&config.entrypoint, &config.cmd];
    let args: Vec<String> = words.into_iter().flatten().flatten().cloned().collect();
    if args.is_empty() {
        return Err(ScanPlanError::NoCommand { name: image.name.clone() });
    }
    let platform = plan.target.platform.to_string();
    let mut mounts = vec![Mount { target: "tmp".into(), kind: MountKind::Tmpfs { size: None } }];
    mounts.push(read_only(CORE, plan.target.root));
    let mut extras: BTreeMap<String, Root> = plan.scans.stages.clone();
    if plan.scans.context {
        if extras.contains_key(CONTEXT) {
            return Err(ScanPlanError::StageLikeContext);
        }
        extras.insert(CONTEXT.to_owned(), Root::Step(add_context(plan, &platform)));
    }
    mounts.extend(extras.iter().map(|(name, root)| read_only(&format!("{EXTRAS}sbom-{name}"), *root)));
    let name = format!("[{platform}] FROM {}", image.name);
    plan.bases.push(Base { key: key.clone(), name, span: Span::default() });
    let base = Root::Base(BaseId(plan.bases.len() as u32 - 1));
    let destination = Workdir { path: scan_results(), user: String::new() };
    let name = format!("[{platform}] make {DESTINATION} for the sbom");
    let from = Root::Step(add(plan, name, base, StepKind::Workdir(destination)));
    let run = Run {
        args,
        env: Arc::new(environment(config, (parameters, epoch), !extras.is_empty())),
        ignored_env: Vec::new(),
        cwd: if config.working_dir.is_empty() { "/".to_owned() } else { config.working_dir.clone() },
        user: String::new(),
        network,
        script: None,
        mounts,
        secret_variables: Vec::new(),
        insecure: false,
        circumstances: Vec::new(),
    };
    let name = format!("[{platform}] generating sbom using {}", image.name);
    Ok(add(plan, name, from, StepKind::Run(run)))
}

/// The build's context as a state.
fn add_context(plan: &mut Plan, platform: &str) -> StepId {
    let known = plan.contexts.iter().position(|context| *context == ContextName::Main);
    let id = known.unwrap_or_else(|| {
        plan.contexts.push(ContextName::Main);
        plan.contexts.len() - 1
    });
    let name = format!("[{platform}] copy the context for the sbom");
    add(plan, name, Root::Scratch, StepKind::Copy(everything(ContextId(id as u32))))
}

fn add(plan: &mut Plan, name: String, from: Root, kind: StepKind) -> StepId {
    plan.steps.push(Step {
        name,
        span: Span::default(),
        sources: Vec::new(),
        trigger: None,
        no_cache: false,
        shell: "/bin/sh".to_owned(),
        from,
        kind,
    });
    StepId(plan.steps.len() as u32 - 1)
}

fn read_only(target: &str, from: Root) -> Mount {
    let bind = Bind { from, source: TreePath::root(), read_write: false };
    Mount { target: TreePath::clean(target.as_bytes()), kind: MountKind::Bind(bind) }
}

fn environment(
    config: &Config,
    (parameters, epoch): (&BTreeMap<String, String>, Option<i64>),
    has_extras: bool,
) -> BTreeMap<String, String> {
    let own = config.env.iter().filter_map(|variable| variable.split_once('='));
    let mut env: BTreeMap<String, String> = [("PATH", crate::oci::DEFAULT_PATH)]
        .into_iter()
        .chain(own)
        .chain([("BUILDKIT_SCAN_DESTINATION", DESTINATION), ("BUILDKIT_SCAN_SOURCE", CORE)])
        .chain(has_extras.then_some(("BUILDKIT_SCAN_SOURCE_EXTRAS", EXTRAS)))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    env.extend(epoch.map(|epoch| ("SOURCE_DATE_EPOCH".to_owned(), epoch.to_string())));
    env.extend(parameters.iter().map(|(name, value)| (format!("BUILDKIT_SCAN_{name}"), value.clone())));
    env
}

/// Whether the ARG `name` asks for a scan of the stage. What a stage says itself goes before what is said for all.
pub(super) fn is_asked_for(name: &str, stage: &str, own: &Scope, for_all: Option<&str>) -> bool {
    match own.argument(name).or(for_all).unwrap_or_default() {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => true,
        "" | "0" | "f" | "F" | "false" | "FALSE" | "False" => false,
        list => list.split(',').any(|listed| listed == stage),
    }
}
