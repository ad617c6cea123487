//! Builds: Dockerfile and context in, image or files out.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::context::Dockerignore;
use crate::diagnostic::{Diagnostic, Source, nearest};
use crate::dockerfile;
use crate::dockerfile::ast::{Dockerfile as Ast, Stage};
use crate::exec::{CancelToken, Secret};
use crate::image::{self, BuiltLayer};
use crate::oci::{Compression, Descriptor, DiffId, ImageId, ManifestDigest, MediaType, Platform, Reference};
use crate::plan::{self, BaseImage, NetworkMode, Plan, StepId};
use crate::progress::Reporter;
use crate::solve::{ContextOptions, Runner, SolveOptions, Solved, Solver, StepError};
use crate::store::{StoreError, WorkDir};
use crate::transport::Session;

use super::error::{BuildError, EngineError};
use super::export::{BuiltImage, OutputSpec};
use super::{Engine, HostFiles};

/// Where the Dockerfile is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dockerfile {
    /// `Dockerfile` in the context, or `dockerfile` if there is none of that name.
    InContext,
    /// This file.
    At(PathBuf),
}

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Here.
    Value(Secret),
    /// In this file, which is read when the build begins.
    File(PathBuf),
}

/// The largest secret, as in BuildKit.
const MAX_SECRET: u64 = 500 * 1024;

/// What to build, and what to do with it.
#[derive(Debug, Clone)]
pub struct BuildRequest {
    /// The context directory.
    pub context: PathBuf,
    /// The Dockerfile.
    pub dockerfile: Dockerfile,
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
    /// Whether the context's stat cache is used.
    pub stat_cache: bool,
    /// Secrets that RUNs may mount, by their names.
    pub secrets: BTreeMap<String, SecretSource>,
    /// Sockets of SSH agents that RUNs may mount, by their names.
    pub agents: BTreeMap<String, PathBuf>,
    /// The network of RUN; `None` if the user did not choose.
    pub network: Option<NetworkMode>,
    /// How many steps may run at once; `None` chooses.
    pub jobs: Option<usize>,
    /// What to write. Nothing means: an image in the store.
    pub outputs: Vec<OutputSpec>,
}

/// What a build came to.
#[derive(Debug, Clone)]
pub struct BuildReport {
    /// The image id.
    pub id: ImageId,
    /// The manifest.
    pub manifest: Descriptor,
    /// The names that it was given.
    pub names: Vec<Reference>,
    /// Whether it is in the store.
    pub stored: bool,
    /// What is probably not as the author meant it, each with the text that it is about.
    pub warnings: Vec<(Source, Diagnostic)>,
}

/// What `--metadata-file` holds.
pub type Metadata = serde_json::Value;

impl BuildReport {
    /// The report in the field names of `docker buildx build --metadata-file`.
    pub fn metadata(&self) -> Metadata {
        let names: Vec<String> = self.names.iter().map(ToString::to_string).collect();
        let mut metadata = serde_json::json!({
            "containerimage.config.digest": self.id.to_string(),
            "containerimage.descriptor": self.manifest,
            "containerimage.digest": self.manifest.digest.to_string(),
        });
        if !names.is_empty() {
            metadata["image.name"] = names.join(",").into();
        }
        metadata
    }
}

impl Engine {
    /// Builds. Progress goes to `reporter`; `cancel` ends it early.
    pub fn build(
        &self,
        request: &BuildRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<BuildReport, EngineError> {
        let context = context_root(&request.context)?;
        let (path, text) = read_dockerfile(&context, &request.dockerfile)?;
        let source = Source::new(shown_path(&path), text);
        let parsed = dockerfile::parse(&source)
            .map_err(|errors| findings(&source, errors.into_iter().map(Diagnostic::from).collect()))?;
        let options = plan_options(request);
        let work = self.store.work_dir()?;
        let refused = |found: Vec<Diagnostic>| findings(&source, found);
        let mut bases = BTreeMap::new();
        loop {
            let wanted = plan::bases(&parsed.dockerfile, &options, &bases).map_err(refused)?;
            let new: Vec<_> =
                wanted.into_iter().filter(|base| !bases.contains_key(&base.reference)).collect();
            if new.is_empty() {
                break;
            }
            bases.extend(self.resolve_bases(&source, &parsed.dockerfile, &new)?);
        }
        let plan = plan::lower(&parsed.dockerfile, &options, &bases).map_err(refused)?;
        let base_layers = self.base_layers(&plan, &bases, &work, reporter)?;
        self.prepare_sandboxes()?;
        let solve_options = self.solve_options(request, &plan, &context, &path)?;
        let solver = Solver::new(
            (&self.store, &work),
            (&plan, &base_layers),
            &solve_options,
            reporter,
            Runner { executor: &self.executor, networks: &self.networks, cancel },
        )?;
        let solved = solver.solve().map_err(|error| match *error.source {
            StepError::Canceled => EngineError::from(Box::new(BuildError::Interrupted)),
            _ => Box::new(BuildError::Step { text: source.clone(), error: Box::new(error) }).into(),
        })?;
        let image = self.documents(&plan, &bases, &solved)?;
        if cancel.is_canceled() {
            return Err(Box::new(BuildError::Interrupted).into());
        }
        let session = Session { store: &self.store, work: &work, cancel };
        let stored = self.write_outputs(request, &image, session, reporter)?;
        if stored {
            // What only went out as files leaves nothing here but cache, which a crash may cost.
            self.store.sync()?;
        }
        let warnings = parsed.warnings.iter().map(Diagnostic::from);
        Ok(BuildReport {
            id: image.id,
            manifest: image.descriptor.clone(),
            names: request.tags.clone(),
            stored,
            warnings: warnings.chain(plan.warnings).map(|warning| (source.clone(), warning)).collect(),
        })
    }

    /// The images that the plan needs, from the store.
    fn resolve_bases(
        &self,
        source: &Source,
        dockerfile: &Ast,
        wanted: &[plan::BaseRef],
    ) -> Result<BTreeMap<String, BaseImage>, EngineError> {
        let mut bases = BTreeMap::new();
        let mut missing = Vec::new();
        for base in wanted {
            match self.find(&base.reference) {
                Ok(row) => {
                    let name = base
                        .reference
                        .parse::<Reference>()
                        .map_or_else(|_| base.reference.clone(), |r| r.to_string());
                    let image = self.load_documents(row)?;
                    bases.insert(base.reference.clone(), BaseImage { name, config: image.config });
                }
                Err(EngineError::NoImage { similar, .. }) => {
                    missing.push(unknown_base(base, dockerfile, similar))
                }
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() { Ok(bases) } else { Err(findings(source, missing)) }
    }

    /// The layers of each base, with leases on them.
    fn base_layers(
        &self,
        plan: &Plan,
        bases: &BTreeMap<String, BaseImage>,
        work: &WorkDir,
        reporter: &Reporter,
    ) -> Result<Vec<Vec<DiffId>>, EngineError> {
        let mut all = Vec::new();
        for base in &plan.bases {
            let step = reporter.start(&base.name);
            let layers = bases
                .get(&base.reference)
                .map(|image| image.config.rootfs.diff_ids.clone())
                .unwrap_or_default();
            for &layer in &layers {
                if self.store.layer(&layer, work)?.is_none() {
                    return Err(EngineError::NoLayer { name: base.reference.clone(), layer });
                }
            }
            step.cached();
            all.push(layers);
        }
        Ok(all)
    }

    fn solve_options(
        &self,
        request: &BuildRequest,
        plan: &Plan,
        context: &Path,
        dockerfile: &Path,
    ) -> Result<SolveOptions, EngineError> {
        let ignore = Dockerignore::find(context, Some(dockerfile)).map_err(|error| Box::new(error.into()))?;
        let host = HostFiles::read();
        // Steps wait for commands and disks as often as for cores.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let main = ContextOptions {
            root: context.to_owned(),
            ignore: Arc::new(ignore),
            stat_cache: request.stat_cache.then(|| self.store.stat_cache(context)),
        };
        Ok(SolveOptions {
            contexts: plan.contexts.iter().map(|_| main.clone()).collect(),
            scope: context.to_string_lossy().into_owned(),
            no_cache: request.no_cache,
            jobs: request.jobs.unwrap_or((2 * cores).max(4)),
            hosts: host.hosts,
            resolv_conf: host.resolv_conf,
            secrets: secrets(request)?,
            agents: request.agents.clone(),
        })
    }

    /// The config and the manifest of what was built. The manifest lists the layers uncompressed.
    fn documents(
        &self,
        plan: &Plan,
        bases: &BTreeMap<String, BaseImage>,
        solved: &Solved,
    ) -> Result<BuiltImage, EngineError> {
        let base =
            plan.target.base.and_then(|id| bases.get(&plan.base(id).reference)).map(|base| &base.config);
        let created = |nanos| Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
        let built = plan.step_ids().zip(&solved.steps);
        let built: BTreeMap<StepId, BuiltLayer> = built
            .map(|(id, step)| (id, BuiltLayer { diff_id: step.layer, created: created(step.created) }))
            .collect();
        let config =
            image::assemble(&plan.target, base, &built).map_err(|error| Box::new(BuildError::from(error)))?;
        let mut layers = Vec::with_capacity(config.rootfs.diff_ids.len());
        for diff_id in &config.rootfs.diff_ids {
            let layer = self.store.peek_layer(diff_id)?.ok_or(StoreError::NoLayer(*diff_id))?;
            layers.push(Descriptor::new(MediaType::layer(Compression::None), diff_id.0, layer.tar_size));
        }
        Ok(BuiltImage::new(config, layers))
    }

    /// Puts a built image into the store under its names.
    pub(super) fn store_image(
        &self,
        image: &BuiltImage,
        names: &[Reference],
        work: &WorkDir,
    ) -> Result<(), EngineError> {
        let _hold = self.store.hold()?;
        self.store.put_blob(work, &image.config_json)?;
        self.store.put_blob(work, &image.manifest_json)?;
        let manifest = ManifestDigest(image.descriptor.digest);
        self.store.put_image(
            &manifest,
            image.descriptor.media_type.as_str(),
            image.descriptor.size,
            &image.id,
        )?;
        for name in names {
            self.store.set_ref(&name.to_string(), &manifest)?;
        }
        Ok(())
    }
}

/// Reads the secrets that are in files.
fn secrets(request: &BuildRequest) -> Result<BTreeMap<String, Secret>, EngineError> {
    let read = |(id, source): (&String, &SecretSource)| {
        let secret = match source {
            SecretSource::Value(secret) => secret.clone(),
            SecretSource::File(path) => {
                let failed =
                    |source| Box::new(BuildError::Secret { id: id.clone(), path: path.clone(), source });
                let mut bytes = Vec::new();
                let file = fs::File::open(path).map_err(failed)?;
                file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
                Secret(bytes)
            }
        };
        if secret.0.len() as u64 > MAX_SECRET {
            return Err(EngineError::from(Box::new(BuildError::LargeSecret {
                id: id.clone(),
                max: MAX_SECRET,
            })));
        }
        Ok((id.clone(), secret))
    };
    request.secrets.iter().map(read).collect()
}

fn plan_options(request: &BuildRequest) -> plan::Options {
    plan::Options {
        build_args: request.build_args.clone(),
        target: request.target.clone(),
        labels: request.labels.clone(),
        platform: Platform::host(),
        build_platform: Platform::host(),
        network: request.network.unwrap_or(NetworkMode::Private),
        host_network_allowed: request.network == Some(NetworkMode::Host),
    }
}

fn context_root(path: &Path) -> Result<PathBuf, EngineError> {
    match fs::canonicalize(path) {
        Ok(root) if root.is_dir() => Ok(root),
        _ => Err(Box::new(BuildError::NoContext { path: path.to_owned() }).into()),
    }
}

fn read_dockerfile(context: &Path, which: &Dockerfile) -> Result<(PathBuf, String), EngineError> {
    let candidates = match which {
        Dockerfile::InContext => vec![context.join("Dockerfile"), context.join("dockerfile")],
        Dockerfile::At(path) => vec![path.clone()],
    };
    for path in &candidates {
        match fs::read(path) {
            Ok(bytes) => return Ok((path.clone(), String::from_utf8_lossy(&bytes).into_owned())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Box::new(BuildError::Dockerfile { path: path.clone(), source }).into()),
        }
    }
    let path = candidates.into_iter().next().unwrap_or_default();
    Err(Box::new(BuildError::NoDockerfile { path }).into())
}

/// A path as messages show it: relative to where the user is, if it lies there.
fn shown_path(path: &Path) -> String {
    let here = std::env::current_dir().ok();
    let short = here.as_ref().and_then(|here| path.strip_prefix(here).ok());
    short.unwrap_or(path).display().to_string()
}

fn findings(source: &Source, findings: Vec<Diagnostic>) -> EngineError {
    Box::new(BuildError::Findings { text: source.clone(), findings }).into()
}

fn unknown_base(base: &plan::BaseRef, dockerfile: &Ast, similar: Option<String>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("there is no image `{}` in the store", base.reference))
        .at(base.span)
        .help("pulling from a registry is not supported yet: bring the image with `strata load` or `strata import`");
    if let Some(trigger) = &base.trigger {
        diagnostic = diagnostic.note(plan::trigger_note(trigger));
    }
    if let Some(similar) = similar {
        diagnostic = diagnostic.help(format!("the store has `{similar}`"));
    }
    if let Some(stage) = nearest(&base.reference, dockerfile.stages.iter().filter_map(Stage::name)) {
        diagnostic = diagnostic.help(format!("did you mean the stage `{stage}`?"));
    }
    diagnostic
}
