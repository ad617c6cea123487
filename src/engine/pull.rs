//! Images out of registries.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::exec::CancelToken;
use crate::oci::{Platform, Reference};
use crate::progress::Reporter;
use crate::registry::{Registries, Watch};
use crate::store::ImageRow;
use crate::transport::{self, DEFAULT_LIMITS, Naming, PullError, PullOptions, Pulled, Session};

use super::Engine;
use super::error::EngineError;

/// Images that are pulled at once for one build.
const AT_ONCE: usize = 4;

/// When the registry is asked for an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum PullPolicy {
    /// Always: what its name stands for may have changed.
    Always,
    /// If the store does not have it.
    #[default]
    Missing,
    /// Never.
    Never,
}

/// What to pull.
#[derive(Debug, Clone)]
pub struct PullRequest {
    /// The image, or the repository.
    pub reference: Reference,
    /// The platform; `None` is this machine's, or whatever there is if there is only one.
    pub platform: Option<Platform>,
    /// Whether all tags of the repository are wanted.
    pub all_tags: bool,
}

/// An image that was pulled.
#[derive(Debug, Clone)]
pub struct PullReport {
    /// What it was asked for by.
    pub reference: Reference,
    /// What it is.
    pub pulled: Pulled,
}

/// One image to pull, for a platform.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) reference: Reference,
    pub(super) platform: Platform,
    /// Whether another platform will not do.
    pub(super) strict: bool,
    /// Whether its name stands for it afterwards.
    pub(super) naming: Naming,
}

/// What pulling takes besides the store.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pulling<'a> {
    pub(super) registries: &'a Registries,
    pub(super) cancel: &'a CancelToken,
}

impl Engine {
    /// Brings images of a registry into the store.
    pub fn pull(
        &self,
        registries: &Registries,
        request: &PullRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Vec<PullReport>, EngineError> {
        let pulling = Pulling { registries, cancel };
        let references = if request.all_tags {
            all_tags(pulling, &request.reference)?
        } else {
            vec![request.reference.clone()]
        };
        let mut reports = Vec::new();
        for reference in references {
            let wanted = Wanted {
                reference: reference.clone(),
                platform: request.platform.clone().unwrap_or_else(Platform::host),
                strict: request.platform.is_some(),
                naming: Naming::Always,
            };
            let pulled = self.pull_one(pulling, &wanted, reporter);
            let pulled = pulled.map_err(|source| cannot_pull(&reference, source))?;
            reports.push(PullReport { reference, pulled });
        }
        self.store.sync()?;
        Ok(reports)
    }

    fn pull_one(
        &self,
        pulling: Pulling<'_>,
        wanted: &Wanted,
        reporter: &Reporter,
    ) -> Result<Pulled, PullError> {
        let repository = pulling.registries.repository(&wanted.reference)?;
        let options = PullOptions {
            platform: wanted.platform.clone(),
            strict: wanted.strict,
            naming: wanted.naming,
            limits: DEFAULT_LIMITS,
        };
        // A directory for each: two images that come at once may have a layer in common.
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel: pulling.cancel };
        transport::pull(session, &repository, &wanted.reference, &options, reporter)
    }

    /// Pulls several images at once; each one's result is in its place.
    pub(super) fn pull_all(
        &self,
        pulling: Pulling<'_>,
        wanted: &[Wanted],
        reporter: &Reporter,
    ) -> Vec<Result<Pulled, PullError>> {
        let next = AtomicUsize::new(0);
        let results = Mutex::new(Vec::new());
        let work = || {
            loop {
                let i = next.fetch_add(1, Ordering::Relaxed);
                let Some(one) = wanted.get(i) else { return };
                let result = self.pull_one(pulling, one, reporter);
                results.lock().unwrap_or_else(PoisonError::into_inner).push((i, result));
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(wanted.len()) {
                scope.spawn(work);
            }
        });
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.sort_by_key(|(i, _)| *i);
        results.into_iter().map(|(_, result)| result).collect()
    }

    /// The image of this manifest that was just pulled.
    pub(super) fn pulled_row(&self, pulled: &Pulled) -> Result<ImageRow, EngineError> {
        let missing = || EngineError::NoImage { name: pulled.manifest.to_string(), similar: None };
        self.store.find_image(&pulled.manifest)?.ok_or_else(missing)
    }
}

/// A reference for each tag of a repository.
fn all_tags(pulling: Pulling<'_>, reference: &Reference) -> Result<Vec<Reference>, EngineError> {
    let failed = |error| cannot_pull(reference, PullError::from(error));
    let repository = pulling.registries.repository(reference).map_err(failed)?;
    let is_canceled = || pulling.cancel.is_canceled();
    let watch = Watch { is_canceled: &is_canceled, note: &drop };
    let mut tags = repository.tags(&watch).map_err(failed)?;
    tags.sort();
    let mut references = Vec::new();
    for tag in tags {
        references.push(format!("{}:{tag}", reference.name()).parse()?);
    }
    Ok(references)
}

/// The error for an image that cannot be pulled.
pub(super) fn cannot_pull(reference: &Reference, source: PullError) -> EngineError {
    EngineError::Pull { name: reference.familiar(), source: Box::new(source) }
}
