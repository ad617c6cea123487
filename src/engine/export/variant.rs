//! The image that a build made, at the times and with the remarks that an output wants.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;

use crate::image::{self, BuiltLayer};
use crate::oci::{Compression, Descriptor, DiffId, ImageConfig, MediaType};
use crate::plan::{Place, StepId, StepKind};
use crate::store::StoreError;
use crate::transport::{Clamp, SourceImage, clamp_times, times_since};

use super::super::error::{BuildError, EngineError};
use super::super::output::{Annotation, ImageLook, Level};
use super::{Exporting, PlatformBuild};

/// An image before it goes anywhere. Its manifest lists the layers uncompressed.
#[derive(Debug, Clone)]
pub(super) struct Variant {
    config: ImageConfig,
    config_json: Vec<u8>,
    manifest_json: Vec<u8>,
    /// What an index says of the manifest.
    annotations: BTreeMap<String, String>,
}

impl Variant {
    /// Its layers, lowest first.
    pub(super) fn layers(&self) -> &[DiffId] {
        &self.config.rootfs.diff_ids
    }

    /// The image for whoever writes it.
    pub(super) fn source(&self) -> SourceImage {
        SourceImage {
            manifest_json: self.manifest_json.clone(),
            config_json: self.config_json.clone(),
            annotations: self.annotations.clone(),
        }
    }
}

/// The images for one platform that the outputs of a build want.
pub(super) struct Variants<'a> {
    exporting: &'a Exporting<'a>,
    build: &'a PlatformBuild<'a>,
    /// Configs by the time of the build, and whether files have it too.
    configs: BTreeMap<(Option<i64>, bool), ImageConfig>,
}

impl<'a> Variants<'a> {
    pub(super) fn new(exporting: &'a Exporting<'a>, build: &'a PlatformBuild<'a>) -> Self {
        Self { exporting, build, configs: BTreeMap::new() }
    }

    /// What is built.
    pub(super) fn build(&self) -> &'a PlatformBuild<'a> {
        self.build
    }

    /// The image at `epoch` that looks like this.
    pub(super) fn of(&mut self, epoch: Option<i64>, look: &ImageLook) -> Result<Variant, EngineError> {
        let rewrite = epoch.is_some() && (look.rewrite || self.exporting.request.reproducible);
        let config = if let Some(config) = self.configs.get(&(epoch, rewrite)) {
            config.clone()
        } else {
            let config = self.config(epoch, rewrite)?;
            self.configs.insert((epoch, rewrite), config.clone());
            config
        };
        let mut manifest = image::manifest(&config, self.listed(&config)?);
        let given = self.exporting.request.annotations.iter().chain(&look.annotations);
        let platform = self.build.platform;
        let at = |level| {
            let here = given.clone().filter(move |annotation: &&Annotation| {
                annotation.level == level
                    && annotation.platform.as_ref().is_none_or(|wanted| wanted == platform)
            });
            here.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
        };
        manifest.annotations = at(Level::Manifest);
        let annotations = at(Level::ManifestDescriptor);
        let (config_json, manifest_json) = (config.to_json(), manifest.to_json());
        Ok(Variant { config, config_json, manifest_json, annotations })
    }

    fn config(&self, epoch: Option<i64>, rewrite: bool) -> Result<ImageConfig, EngineError> {
        let PlatformBuild { plan, bases, results, .. } = self.build;
        let base = plan.target.base.and_then(|id| bases.get(&plan.base(id).key)).map(|base| &base.config);
        let built = plan.step_ids().zip(results).map(|(id, step)| {
            let created = Timestamp::from_nanosecond(i128::from(step.created)).unwrap_or_default();
            (id, BuiltLayer { diff_id: step.layer, created })
        });
        let mut built: BTreeMap<StepId, BuiltLayer> = built.collect();
        if let Some(epoch) = epoch {
            let chance = if rewrite { self.chance_times(epoch)? } else { BTreeSet::new() };
            for id in plan.target.history.iter().filter_map(|item| item.step) {
                // A directory that WORKDIR makes is nobody's file: its time is the build's.
                if let Some(layer) = built.get_mut(&id)
                    && (rewrite || matches!(plan.step(id).kind, StepKind::Workdir(_)))
                {
                    layer.diff_id = self
                        .clamped(layer, Clamp { epoch, made: layer.created.as_second(), chance: &chance })?;
                }
            }
        }
        let epoch = epoch.and_then(|seconds| Timestamp::from_second(seconds).ok());
        let config = image::assemble(&plan.target, base, &built, epoch);
        Ok(config.map_err(|error| Box::new(BuildError::from(error)))?)
    }

    /// The times up to `epoch` that say nothing of the files that have them, in the layers of any stage, because files
    /// may have been copied to others: those that the clock gave, and for a reproducible build those of the context. A
    /// checkout gives its files whatever time it is, and the cache knows a file by its content.
    fn chance_times(&self, epoch: i64) -> Result<BTreeSet<i64>, EngineError> {
        let Exporting { request, session, .. } = self.exporting;
        let PlatformBuild { plan, results, .. } = self.build;
        let mut times = BTreeSet::new();
        for (step, result) in plan.steps.iter().zip(results) {
            let from_context =
                matches!(&step.kind, StepKind::Copy(copy) if matches!(copy.from, Place::Context(_)));
            let since = if from_context && request.reproducible {
                i64::MIN
            } else {
                result.created.div_euclid(1_000_000_000)
            };
            if since <= epoch {
                times.extend(times_since(*session, &result.layer, since)?);
            }
        }
        Ok(times)
    }

    /// The layer with other times.
    fn clamped(&self, layer: &BuiltLayer, clamp: Clamp<'_>) -> Result<DiffId, EngineError> {
        let Exporting { session, reporter, .. } = *self.exporting;
        let step = reporter.start(&format!("clamping the times of layer {}", layer.diff_id.digest().short()));
        let clamped = clamp_times(session, &layer.diff_id, clamp, &step)?;
        step.done();
        Ok(clamped)
    }

    fn listed(&self, config: &ImageConfig) -> Result<Vec<Descriptor>, EngineError> {
        let mut layers = Vec::with_capacity(config.rootfs.diff_ids.len());
        for diff_id in &config.rootfs.diff_ids {
            let layer =
                self.exporting.session.store.peek_layer(diff_id)?.ok_or(StoreError::NoLayer(*diff_id))?;
            layers.push(Descriptor::new(MediaType::layer(Compression::None), diff_id.0, layer.tar_size));
        }
        Ok(layers)
    }
}
