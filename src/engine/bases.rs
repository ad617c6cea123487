//! The images that a build starts from or copies from: found, and their layers held.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Source, nearest};
use crate::dockerfile::ast::{Dockerfile as Ast, Stage};
use crate::oci::{DiffId, Platform, Reference, ReferenceError};
use crate::plan::{self, BaseImage, Plan};
use crate::progress::Reporter;
use crate::store::WorkDir;
use crate::transport::{self, ImageChoice, Input, LoadOptions, Session};

use super::Engine;
use super::build::{computed, findings};
use super::context::{self, Bringing, ContextSpec, Layout, NamedSource};
use super::error::{BuildError, EngineError};
use super::find::Image;

/// What finding images needs to know of the build.
pub(super) struct Resolving<'a> {
    pub(super) source: &'a Source,
    pub(super) dockerfile: &'a Ast,
    pub(super) contexts: &'a [ContextSpec],
    pub(super) bringing: Bringing<'a>,
}

impl Engine {
    /// Finds the images that the target needs, and those that their triggers need. What was found before an error is
    /// in `bases` all the same.
    pub(super) fn find_bases(
        &self,
        options: &plan::Options,
        resolving: &Resolving<'_>,
        bases: &mut BTreeMap<String, BaseImage>,
    ) -> Result<(), EngineError> {
        let refused = |found| findings(resolving.source, found);
        loop {
            let cancel = resolving.bringing.cancel;
            let wanted = computed(cancel, || plan::bases(resolving.dockerfile, options, bases))?;
            let wanted = wanted.map_err(refused)?;
            let new: Vec<_> =
                wanted.into_iter().filter(|base| !bases.contains_key(&base.reference)).collect();
            if new.is_empty() {
                return Ok(());
            }
            bases.extend(self.resolve_bases(&new, resolving)?);
        }
    }

    /// The images that the plan needs: from the store, or from a layout that a named context names.
    fn resolve_bases(
        &self,
        wanted: &[plan::BaseRef],
        resolving: &Resolving<'_>,
    ) -> Result<BTreeMap<String, BaseImage>, EngineError> {
        let mut bases = BTreeMap::new();
        let mut missing = Vec::new();
        for base in wanted {
            // A Dockerfile cannot name a layout: only what the user gave is looked for among the contexts.
            if let Some(layout) = layout(&base.reference, resolving.contexts) {
                let image = self.load_layout(layout, &base.platform, resolving.bringing)?;
                bases.insert(
                    base.reference.clone(),
                    BaseImage { name: base.reference.clone(), config: image.config },
                );
                continue;
            }
            match self.find(&base.reference) {
                Ok(row) => {
                    let name = base
                        .reference
                        .parse::<Reference>()
                        .map_or_else(|_| base.reference.clone(), |r| r.to_string());
                    let image = self.load_documents(row)?;
                    bases.insert(base.reference.clone(), BaseImage { name, config: image.config });
                }
                Err(EngineError::NoImage { similar, .. }) => missing.push(unknown(base, similar, resolving)),
                Err(EngineError::Name(error)) => missing.push(misnamed(base, &error, resolving)),
                Err(error) => return Err(error),
            }
        }
        if missing.is_empty() { Ok(bases) } else { Err(findings(resolving.source, missing)) }
    }

    /// Brings an image of a layout into the store, where it has no name.
    fn load_layout(
        &self,
        layout: &Layout,
        platform: &Platform,
        bringing: Bringing<'_>,
    ) -> Result<Image, EngineError> {
        let session = Session { store: &self.store, work: bringing.work, cancel: bringing.cancel };
        let choice = ImageChoice { tag: layout.tag.clone(), digest: layout.digest };
        let options =
            LoadOptions { platform: platform.clone(), only: Some(choice), ..LoadOptions::default() };
        let failed = |source| BuildError::Layout { text: layout.text.clone(), source };
        let loaded = transport::load(session, Input::Path(&layout.path), &options, bringing.reporter)
            .map_err(|source| Box::new(failed(source)))?;
        let row = match loaded.first() {
            Some(image) => self.store.find_image(&image.manifest)?,
            None => None,
        };
        let missing = || EngineError::NoImage { name: layout.text.clone(), similar: None };
        self.load_documents(row.ok_or_else(missing)?)
    }

    /// The layers of each base, with leases on them.
    pub(super) fn base_layers(
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
}

/// The layout that a reference stands for.
fn layout<'c>(reference: &str, contexts: &'c [ContextSpec]) -> Option<&'c Layout> {
    contexts.iter().find_map(|context| match &context.source {
        NamedSource::Layout(layout) if layout.text == reference => Some(layout),
        _ => None,
    })
}

fn unknown(base: &plan::BaseRef, similar: Option<String>, resolving: &Resolving<'_>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(format!("there is no image `{}` in the store", base.reference))
        .at(base.span)
        .help("pulling from a registry is not supported yet: bring the image with `strata load` or `strata import`");
    let named = |context: &&ContextSpec| context.source == NamedSource::Image(base.reference.clone());
    if let Some(context) = resolving.contexts.iter().find(named) {
        let name = &context.name;
        diagnostic = diagnostic.note(format!("`--build-context` says that `{name}` is this image"));
    }
    if let Some(similar) = similar {
        diagnostic = diagnostic.help(format!("the store has `{similar}`"));
    }
    with_origin(diagnostic, base, resolving)
}

fn misnamed(base: &plan::BaseRef, error: &ReferenceError, resolving: &Resolving<'_>) -> Diagnostic {
    let mut diagnostic = Diagnostic::error(error.to_string()).at(base.span);
    if base.reference.starts_with(context::LAYOUT) {
        let remedy =
            format!("give it a name with `--build-context NAME={}`, and write that here", base.reference);
        diagnostic = diagnostic.help(remedy);
    } else if let Some(remedy) = error.remedy() {
        diagnostic = diagnostic.help(remedy);
    }
    with_origin(diagnostic, base, resolving)
}

/// Says which trigger the reference comes from, and asks whether a stage was meant.
fn with_origin(mut diagnostic: Diagnostic, base: &plan::BaseRef, resolving: &Resolving<'_>) -> Diagnostic {
    if let Some(trigger) = &base.trigger {
        diagnostic = diagnostic.note(plan::trigger_note(trigger));
    }
    let stages = resolving.dockerfile.stages.iter().filter_map(Stage::name);
    if let Some(stage) = nearest(&base.reference, stages) {
        diagnostic = diagnostic.help(format!("did you mean the stage `{stage}`?"));
    }
    diagnostic
}
