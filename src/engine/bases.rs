//! The images that a build starts from or copies from: found, and their layers held.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Source, Span, nearest};
use crate::dockerfile::ast::{Dockerfile as Ast, Stage};
use crate::oci::{DiffId, Platform, Reference, ReferenceError};
use crate::plan::{self, BaseImage, Images, Plan};
use crate::progress::Reporter;
use crate::registry::Registries;
use crate::store::{ImageRow, WorkDir};
use crate::transport::{self, ImageChoice, Input, LoadOptions, Naming, PullError, Session};

use super::Engine;
use super::build::{computed, findings};
use super::context::{self, Bringing, ContextSpec, Layout, NamedSource};
use super::error::{BuildError, EngineError};
use super::find::{Image, Named};
use super::pull::{PullPolicy, Pulling, Wanted, cannot_pull};

/// What finding images needs to know of the build.
pub(super) struct Resolving<'a> {
    pub(super) source: &'a Source,
    pub(super) dockerfile: &'a Ast,
    pub(super) contexts: &'a [ContextSpec],
    pub(super) bringing: Bringing<'a>,
    pub(super) registries: &'a Registries,
    pub(super) pull: PullPolicy,
}

impl Engine {
    /// Finds the images that the target needs, and those that their triggers need. What was found before an error is
    /// in `bases` all the same.
    pub(super) fn find_bases(
        &self,
        options: &plan::Options,
        resolving: &Resolving<'_>,
        bases: &mut Images,
    ) -> Result<(), EngineError> {
        let refused = |found| findings(resolving.source, found);
        loop {
            let cancel = resolving.bringing.cancel;
            let wanted = computed(cancel, || plan::bases(resolving.dockerfile, options, bases))?;
            let wanted = wanted.map_err(refused)?;
            let new: Vec<_> = wanted.into_iter().filter(|base| !bases.contains_key(&base.key())).collect();
            if new.is_empty() {
                return Ok(());
            }
            bases.extend(self.resolve_bases(&new, resolving)?);
        }
    }

    /// The images that the plan needs: from the store, from a layout that a named context names, or from a registry.
    fn resolve_bases(
        &self,
        wanted: &[plan::BaseRef],
        resolving: &Resolving<'_>,
    ) -> Result<Images, EngineError> {
        let mut bases = BTreeMap::new();
        let mut wrong = Vec::new();
        let mut to_pull = Vec::new();
        for base in wanted {
            // A Dockerfile cannot name a layout: only what the user gave is looked for among the contexts.
            if let Some(layout) = layout(&base.reference, resolving.contexts) {
                let image = self.load_layout(layout, &base.platform, resolving.bringing)?;
                let name = base.reference.clone();
                let manifest = Some(image.row.manifest);
                let image = BaseImage { name, config: image.config, manifest, is_public: false };
                bases.insert(base.key(), image);
                continue;
            }
            match self.stored_base(base, resolving.pull) {
                Ok(Stored::Found(image)) => drop(bases.insert(base.key(), self.named(base, *image)?)),
                Ok(Stored::Lacking { similar }) => match base.reference.parse::<Reference>() {
                    Ok(reference) if resolving.pull != PullPolicy::Never => {
                        to_pull.push((base, reference, similar));
                    }
                    _ => wrong.push(unknown(base, similar, resolving)),
                },
                Err(EngineError::Name(error)) => wrong.push(misnamed(base, &error, resolving)),
                Err(error) => return Err(error),
            }
        }
        // What is wrong without a registry is told without one.
        if wrong.is_empty() {
            self.pull_bases(to_pull, resolving, &mut bases, &mut wrong)?;
        }
        if wrong.is_empty() { Ok(bases) } else { Err(findings(resolving.source, wrong)) }
    }

    /// An image for this machine that a build runs, but that is no part of what it makes.
    pub(super) fn helper_image(
        &self,
        reference: &Reference,
        resolving: &Resolving<'_>,
    ) -> Result<BaseImage, EngineError> {
        let base = plan::BaseRef {
            reference: reference.to_string(),
            platform: Platform::host(),
            span: Span::default(),
            trigger: None,
        };
        let similar = match self.stored_base(&base, resolving.pull)? {
            Stored::Found(image) => return self.named(&base, *image),
            Stored::Lacking { similar } => similar,
        };
        if resolving.pull == PullPolicy::Never {
            return Err(EngineError::NoImage { name: reference.familiar(), similar });
        }
        let Bringing { reporter, cancel, .. } = resolving.bringing;
        let wanted = Wanted {
            reference: reference.clone(),
            platform: base.platform.clone(),
            strict: false,
            naming: Naming::Base,
        };
        let pulling = Pulling { registries: resolving.registries, cancel };
        let pulled = self.pull_all(pulling, &[wanted], reporter).remove(0);
        let pulled = pulled.map_err(|source| match source {
            PullError::Canceled => Box::new(BuildError::Interrupted).into(),
            source => cannot_pull(reference, source),
        })?;
        self.named(&base, self.load_documents(self.pulled_row(&pulled)?)?)
    }

    /// What the store has of an image.
    fn stored_base(&self, base: &plan::BaseRef, pull: PullPolicy) -> Result<Stored, EngineError> {
        let named = match self.find_named(&base.reference) {
            Ok(named) => named,
            Err(EngineError::NoImage { similar, .. }) => return Ok(Stored::Lacking { similar }),
            Err(error) => return Err(error),
        };
        if pull == PullPolicy::Always && !is_id(&named, &base.reference) {
            return Ok(Stored::Lacking { similar: None });
        }
        let mut rows = self.choices(&named, &base.reference)?;
        let platforms: Vec<_> = rows.iter().map(|row| self.platform_of(row)).collect();
        let best = base.platform.choose(platforms.iter().cloned());
        let is_exact = best.is_some_and(|place| platforms[place].as_ref() == Some(&base.platform));
        // The registry that it is from may have one that is better.
        if !is_exact && pull != PullPolicy::Never && self.may_be_there(&named, &rows, best)? {
            return Ok(Stored::Lacking { similar: None });
        }
        let row = match best {
            Some(best) => rows.swap_remove(best),
            None => self.image_of(named)?,
        };
        Ok(Stored::Found(Box::new(self.load_documents(row)?)))
    }

    /// Whether the registry may have another image under a name: of one that has been found for the architecture
    /// another variant, which takes an index.
    fn may_be_there(
        &self,
        named: &Named,
        rows: &[ImageRow],
        best: Option<usize>,
    ) -> Result<bool, EngineError> {
        let known = if matches!(named, Named::Image(_)) { &rows[..1] } else { rows };
        for row in known {
            let mut digests = self.store.repo_digests(&row.manifest)?.into_iter();
            if digests.any(|(_, digest)| best.is_none() || digest != row.manifest) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// An image as the plan takes it. An id, as all that is no name, is nothing that a registry has.
    fn named(
        &self,
        base: &plan::BaseRef,
        Image { row, config, .. }: Image,
    ) -> Result<BaseImage, EngineError> {
        let manifest = row.manifest;
        let (name, is_public) = match base.reference.parse::<Reference>() {
            Ok(reference) => {
                let repository = reference.name();
                let known = self.store.repo_digests(&manifest)?;
                (reference.to_string(), known.iter().any(|(name, _)| *name == repository))
            }
            Err(_) => (base.reference.clone(), false),
        };
        Ok(BaseImage { name, config, manifest: Some(manifest), is_public })
    }

    /// Pulls images; what is wrong with some of them goes to `wrong`.
    fn pull_bases(
        &self,
        lacking: Vec<(&plan::BaseRef, Reference, Option<String>)>,
        resolving: &Resolving<'_>,
        bases: &mut Images,
        wrong: &mut Vec<Diagnostic>,
    ) -> Result<(), EngineError> {
        let wanted: Vec<Wanted> = lacking
            .iter()
            .map(|(base, reference, _)| Wanted {
                reference: reference.clone(),
                platform: base.platform.clone(),
                strict: false,
                naming: Naming::Base,
            })
            .collect();
        let Bringing { reporter, cancel, .. } = resolving.bringing;
        let pulling = Pulling { registries: resolving.registries, cancel };
        let results = self.pull_all(pulling, &wanted, reporter);
        for ((base, reference, similar), result) in lacking.into_iter().zip(results) {
            match result {
                Ok(pulled) => {
                    let image = self.load_documents(self.pulled_row(&pulled)?)?;
                    bases.insert(base.key(), self.named(base, image)?);
                }
                Err(PullError::Canceled) => return Err(Box::new(BuildError::Interrupted).into()),
                // The store's errors are no fault of the Dockerfile.
                Err(PullError::Store(error)) => return Err(error.into()),
                Err(error) => wrong.push(not_pulled(base, &reference, &error, similar, resolving)),
            }
        }
        Ok(())
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
            LoadOptions { platform: Some(platform.clone()), only: Some(choice), ..LoadOptions::default() };
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
        bases: &Images,
        work: &WorkDir,
        reporter: &Reporter,
    ) -> Result<Vec<Vec<DiffId>>, EngineError> {
        let mut all = Vec::new();
        for base in &plan.bases {
            let step = reporter.start(&base.name);
            let layers =
                bases.get(&base.key).map(|image| image.config.rootfs.diff_ids.clone()).unwrap_or_default();
            for &layer in &layers {
                if self.store.layer(&layer, work)?.is_none() {
                    return Err(EngineError::NoLayer { name: base.key.reference.clone(), layer });
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

/// Whether a text is an id, or the beginning of one, which no registry would know as a name.
fn is_id(named: &Named, text: &str) -> bool {
    let id = match named {
        Named::Image(row) => row.id.digest().hex(),
        Named::Index(index) => index.digest.digest().hex(),
    };
    let is_name = |name: Reference| named.names().contains(&name.to_string());
    text.parse::<Reference>().is_ok_and(|name| !is_name(name)) && id.starts_with(text)
}

/// What the store has of an image.
enum Stored {
    /// It is there.
    Found(Box<Image>),
    /// It is not, or it is to be asked for anew.
    Lacking {
        /// A name that is near it.
        similar: Option<String>,
    },
}

fn unknown(base: &plan::BaseRef, similar: Option<String>, resolving: &Resolving<'_>) -> Diagnostic {
    let diagnostic =
        Diagnostic::error(format!("there is no image `{}` in the store", base.reference)).at(base.span).help(
            "`--pull=never` keeps it from being pulled; `strata load` and `strata import` bring images, too",
        );
    with_hints(diagnostic, base, similar, resolving)
}

/// What is wrong with an image that a registry should have.
fn not_pulled(
    base: &plan::BaseRef,
    reference: &Reference,
    error: &PullError,
    similar: Option<String>,
    resolving: &Resolving<'_>,
) -> Diagnostic {
    let mut diagnostic =
        Diagnostic::error(format!("cannot pull `{}`: {error}", reference.familiar())).at(base.span);
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        diagnostic = diagnostic.note(inner.to_string());
        cause = inner.source();
    }
    if let Some(remedy) = error.remedy() {
        diagnostic = diagnostic.help(remedy);
    }
    with_hints(diagnostic, base, similar, resolving)
}

/// Says what else a name may have been meant for.
fn with_hints(
    mut diagnostic: Diagnostic,
    base: &plan::BaseRef,
    similar: Option<String>,
    resolving: &Resolving<'_>,
) -> Diagnostic {
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
