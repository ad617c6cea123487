//! Builds: Dockerfile and context in, image or files out.

use std::borrow::Cow;
use std::collections::BTreeMap;

use crate::attest::Mode as ProvenanceMode;
use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile;
use crate::dockerfile::remote::RemoteSource;
use crate::exec::CancelToken;
use crate::network::ExtraHost;
use crate::oci::{Descriptor, Digest, ImageId, Platform, Reference};
use crate::plan::{self, Joint, NetworkMode, StepId};
use crate::progress::{Memory, Reporter, Usage};
use crate::registry::Registries;
use crate::remote::Clients;
use crate::solve::{Limits, Runner, SolveError, Solver, StepError, StepResult};
use crate::transport::Session;

use super::attest::{AttestRequest, Attesting, Begun};
use super::bases::Resolving;
use super::check::Checked;
use super::context::{self, Bringing, ContextSource, ContextSpec, Dockerfile};
use super::error::{BuildError, EngineError};
use super::export::Exporting;
use super::given::{self, AgentSource, Given, SecretSource};
use super::output::{self, Annotation, OutputSpec};
use super::place::StepPlace;
use super::platforms::{self, plan_until};
use super::pull::PullPolicy;
use super::shell::Shell;
use super::{Engine, options};

/// What to build, and what to do with it.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// Where the files are.
    pub context: ContextSource,
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
    /// How what is elsewhere is fetched.
    pub clients: Clients,
    /// Where images come from that the store does not have.
    pub registries: Registries,
    /// When registries are asked for the images that the build starts from.
    pub pull: PullPolicy,
    /// What stands for stages, images and files of a name; of two of one name the last counts.
    pub contexts: Vec<ContextSpec>,
    /// Names for the image.
    pub tags: Vec<Reference>,
    /// Build arguments.
    pub build_args: BTreeMap<String, String>,
    /// The stage to build; `None` is the last one.
    pub target: Option<String>,
    /// Labels, which win over the Dockerfile's.
    pub labels: BTreeMap<String, String>,
    /// Whether every RUN, COPY and ADD is done anew.
    pub no_cache: bool,
    /// Stages whose RUN, COPY and ADD are done anew.
    pub no_cache_stages: Vec<String>,
    /// The platforms to build for; nothing is this machine's.
    pub platforms: Vec<Platform>,
    /// Whether the context's stat cache is used.
    pub stat_cache: bool,
    /// Secrets that RUNs may mount, by their names.
    pub secrets: BTreeMap<String, SecretSource>,
    /// SSH agents that RUNs may mount, by their names.
    pub agents: BTreeMap<String, AgentSource>,
    /// The network of RUN; `None` if the user did not choose.
    pub network: Option<NetworkMode>,
    /// What a RUN may choose for itself.
    pub allow: Allow,
    /// Further names in `/etc/hosts` of RUN.
    pub extra_hosts: Vec<ExtraHost>,
    /// What RUN may use.
    pub limits: Limits,
    /// How many steps may run at once; `None` chooses.
    pub jobs: Option<usize>,
    /// What to write. Nothing means: an image in the store.
    pub outputs: Vec<OutputSpec>,
    /// Remarks for all images that are written.
    pub annotations: Vec<Annotation>,
    /// What is said of what is built.
    pub attestations: AttestRequest,
    /// How much of the provenance the report has; `None` leaves it out.
    pub reported_provenance: Option<ProvenanceMode>,
    /// Whether images depend on nothing but the context and the bases: the time of the build is that of the context
    /// unless a build argument says it, and no file is younger.
    pub reproducible: bool,
    /// The step before which the build ends, for a shell there.
    pub shell_at: Option<StepPlace>,
}

impl BuildRequest {
    /// What to write, where nothing means an image in the store.
    pub(super) fn outputs_or_store(&self) -> Cow<'_, [OutputSpec]> {
        if self.outputs.is_empty() {
            vec![OutputSpec::store()].into()
        } else {
            self.outputs.as_slice().into()
        }
    }
}

/// What the user has agreed to: BuildKit's entitlements.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Allow {
    /// `RUN --network=host`.
    pub host_network: bool,
    /// `RUN --security=insecure`.
    pub insecure: bool,
}

/// What a build came to.
#[derive(Debug, Clone)]
pub struct BuildReport {
    /// What it goes by: the image id, or the digest of the index of several images.
    pub id: Digest,
    /// The image id, if it is one image.
    pub image: Option<ImageId>,
    /// The manifest, or the index.
    pub target: Descriptor,
    /// The names that it was given.
    pub names: Vec<Reference>,
    /// Whether it is in the store.
    pub stored: bool,
    /// How it was made, if that was wanted for `--metadata-file`, by the platforms if there are several.
    pub provenance: Vec<(Option<Platform>, Metadata)>,
    /// The steps whose commands ran, and what these used.
    pub usage: Vec<(String, Usage)>,
}

/// A build that has ended, well or not.
#[derive(Debug)]
pub struct Built {
    /// What is probably not as the author meant it; `None` if the Dockerfile could not be read.
    pub checked: Option<Checked>,
    /// What it came to.
    pub result: Result<Made, EngineError>,
}

/// What a build made.
#[derive(Debug)]
pub enum Made {
    /// An image.
    Image(Box<BuildReport>),
    /// What [`BuildRequest::shell_at`] asks for: all that the step needs.
    Shell(Box<Shell>),
}

/// What `--metadata-file` holds.
pub type Metadata = serde_json::Value;

impl BuildReport {
    /// The report in the field names of `docker buildx build --metadata-file`.
    pub fn metadata(&self) -> Metadata {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut metadata = serde_json::json!({
            "containerimage.descriptor": self.target,
            "containerimage.digest": self.target.digest.to_string(),
        });
        if let Some(image) = &self.image {
            metadata["containerimage.config.digest"] = image.to_string().into();
        }
        if !names.is_empty() {
            metadata["image.name"] = names.join(",").into();
        }
        for (platform, provenance) in &self.provenance {
            let platform = platform.as_ref().map(|platform| format!("/{platform}")).unwrap_or_default();
            metadata[format!("buildx.build.provenance{platform}")] = provenance.clone();
        }
        if !self.usage.is_empty() {
            metadata["strata.usage"] =
                self.usage.iter().map(|(step, usage)| shown_usage(step, usage)).collect();
        }
        metadata
    }
}

/// A step in the metadata: seconds and bytes.
fn shown_usage(step: &str, usage: &Usage) -> Metadata {
    let Usage { cpu, memory, read, written } = *usage;
    let (memory_of, memory) = match memory {
        Memory::Together(bytes) => ("all processes", bytes),
        Memory::LargestProcess(bytes) => ("the largest process", bytes),
    };
    serde_json::json!({
        "step": step,
        "cpuSeconds": cpu.as_secs_f64(),
        "peakMemory": memory,
        "peakMemoryOf": memory_of,
        "bytesRead": read,
        "bytesWritten": written,
    })
}

impl Engine {
    /// Builds. Progress goes to `reporter`; `cancel` ends it early.
    pub fn build(&self, request: &BuildRequest, reporter: &Reporter, cancel: &CancelToken) -> Built {
        let mut checked = None;
        let result = self.build_checked(request, reporter, cancel, &mut checked);
        Built { checked, result }
    }

    /// Builds, and leaves the warnings in `checked` as soon as they are known.
    fn build_checked(
        &self,
        request: &BuildRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
        checked: &mut Option<Checked>,
    ) -> Result<Made, EngineError> {
        let options = options::for_plans(request)?;
        if request.shell_at.is_some() && options.len() > 1 {
            return Err(Box::new(BuildError::ShellForSeveral).into());
        }
        output::refuse_places(&request.outputs)?;
        let work = self.store.work_dir()?;
        let begun = Begun::now(work.path());
        let (store, clients) = (&*self.store, &given::clients(request)?);
        let bringing = Bringing { host: &self.host, store, work: &work, clients, reporter, cancel };
        let context = keeping_git_dir(request);
        let input = context::prepare(&context, &request.dockerfile, bringing)?;
        let source = input.dockerfile.clone();
        let parsed = computed(cancel, || dockerfile::parse(&source))?
            .map_err(|errors| findings(&source, errors.into_iter().map(Diagnostic::from).collect()))?;
        let (dockerfile, contexts) = (&parsed.dockerfile, &request.contexts);
        let mut attesting = Attesting::new(request, &input, begun);
        let targets = platforms::targets(options, request, dockerfile, &input)?;
        self.refuse_outputs(request, &targets, &input.files.root)?;
        let (registries, pull) = (&request.registries, request.pull);
        let resolving = Resolving { source: &source, dockerfile, contexts, bringing, registries, pull };
        let until = request.shell_at.as_ref().map(|place| (place, targets[0].options.clone()));
        let (planned, mut bases) = self.plans(targets, &parsed, &resolving, &input, checked)?;
        let (plan, stop, parts) = if let Some((place, options)) = &until {
            let (plan, stop) = plan_until(place, options, &bases, &resolving)?;
            (plan, Some(stop), Vec::new())
        } else {
            let plans = attesting.plans(self, &planned, &mut bases, &resolving)?;
            let Joint { plan, steps } = plan::join(&plans.iter().map(AsRef::as_ref).collect::<Vec<_>>());
            (plan, None, steps)
        };
        let base_layers = self.base_layers(&plan, &bases, &work, reporter)?;
        self.prepare_sandboxes()?;
        let search_path = clients.git.search_path.as_deref();
        let given = Given::take(&request.secrets, &request.agents, search_path, &work)?;
        let solve_options = self.solve_options(request, &plan, input.files, bringing, &given)?;
        let solver = Solver::new(
            (&self.store, &work),
            (&plan, &base_layers),
            &solve_options,
            reporter,
            Runner { executor: &self.executor, networks: &self.networks, cgroups: &self.cgroups, cancel },
        )?;
        let failed = |error: SolveError| match *error.source {
            StepError::Canceled => EngineError::from(Box::new(BuildError::Interrupted)),
            _ => Box::new(BuildError::Step { text: source.clone(), error: Box::new(error) }).into(),
        };
        if let Some(stop) = stop {
            let scene = solver.solve_until(&stop).map_err(failed)?;
            return Ok(Made::Shell(Box::new(Shell::before(scene))));
        }
        let solved = solver.solve().map_err(failed)?;
        if cancel.is_canceled() {
            return Err(Box::new(BuildError::Interrupted).into());
        }
        let session = Session { store: &self.store, work: &work, cancel };
        let attest = |number: usize, steps: &[StepId], results: &[StepResult]| {
            let planned = (number, &planned[number]);
            attesting.attested(planned, &bases, (steps, results), (&solver, session))
        };
        let builds = platforms::builds(&planned, &parts, &bases, &solved, &attest)?;
        let exporting = Exporting { request, builds: &builds, session, reporter };
        let written = exporting.write()?;
        if written.stored {
            // What only went out as files leaves nothing here but cache, which a crash may cost.
            self.store.sync()?;
        }
        let used = plan.steps.iter().zip(&solved.steps);
        Ok(Made::Image(Box::new(BuildReport {
            id: written.id(),
            image: written.image,
            target: written.target,
            names: written.names,
            stored: written.stored,
            provenance: exporting.reported_provenance(),
            usage: used.filter_map(|(step, result)| Some((step.name.clone(), result.usage?))).collect(),
        })))
    }
}

/// The context, which keeps its `.git` if a build argument says so.
pub(super) fn keeping_git_dir(request: &BuildRequest) -> ContextSource {
    let mut context = request.context.clone();
    if let ContextSource::Remote(RemoteSource::Git(source)) = &mut context
        && let Some(keep) = request.build_args.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR")
    {
        source
            .keep_git_dir
            .get_or_insert(matches!(keep.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"));
    }
    context
}

/// Does something with a Dockerfile that may take any time, if its author is not kind. It reads and writes no file, so
/// that a process that is to end may end in the middle of it.
pub(super) fn computed<T>(cancel: &CancelToken, act: impl FnOnce() -> T) -> Result<T, EngineError> {
    cancel.computing(act).ok_or_else(|| Box::new(BuildError::Interrupted).into())
}

/// The error for what is wrong with a Dockerfile.
pub(super) fn findings(source: &Source, findings: Vec<Diagnostic>) -> EngineError {
    Box::new(BuildError::Findings { text: source.clone(), findings }).into()
}
