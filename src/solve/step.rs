//! What all kinds of steps have in common: look in the cache, reserve, make, publish, record.

use std::cell::Cell;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

use crate::cache::{self, Details, Input, Observed};
use crate::oci::{CacheKey, Fingerprint, FingerprintHasher};
use crate::plan::Step;
use crate::progress;
use crate::store::{NewLayer, NewRecord, Record, TarSource};
use crate::tree::content_digest;

use super::error::StepError;
use super::make::Made;
use super::state::State;
use super::{Solver, StepResult};

/// What is asked of the cache for one step.
pub(super) struct Request<'a> {
    pub(super) step: &'a Step,
    pub(super) from: &'a State,
    pub(super) action: CacheKey,
    pub(super) family: CacheKey,
    pub(super) inputs: Vec<Input>,
    /// Whether the step depends only on what it looks at below it.
    pub(super) observes: bool,
    /// Whether the cache may answer.
    pub(super) cache: bool,
}

/// What a step made.
pub(super) struct Product {
    pub(super) made: Made,
    pub(super) observed: Vec<Observed>,
}

impl Solver<'_> {
    /// The step's result: from the cache, or by `make`, which is given an empty directory of its own.
    pub(super) fn cached_or(
        &self,
        request: &Request<'_>,
        running: &progress::Step<'_>,
        make: impl FnOnce(&Path) -> Result<Product, StepError>,
    ) -> Result<StepResult, StepError> {
        if let Some(hit) = self.look(request)? {
            return Ok(hit);
        }
        let _reservation = if request.cache {
            let tries = Cell::new(0_u64);
            let waiting = || {
                tries.set(tries.get() + 1);
                // Another command that looks for what was left behind holds it for a moment only.
                if tries.get() == 2 {
                    running.note("waiting for another build that makes the same step".to_owned());
                }
                !self.cancel.is_canceled()
            };
            let reservation =
                self.store.reserve(&reservation_key(request), &waiting)?.ok_or(StepError::Canceled)?;
            // Whoever held it before may have made just this.
            if let Some(hit) = self.look(request)? {
                return Ok(hit);
            }
            Some(reservation)
        } else {
            None
        };
        self.expect_networks(request.step);
        self.explain(request, running)?;
        let scratch = self.scratch()?;
        let created = jiff::Timestamp::now().as_nanosecond() as i64;
        let product = make(&scratch)?;
        let result = self.keep(request, product, created)?;
        self.aside.remove(scratch);
        Ok(result)
    }

    fn look(&self, request: &Request<'_>) -> Result<Option<StepResult>, StepError> {
        if !request.cache {
            return Ok(None);
        }
        let chain = request.from.chain.key();
        if let Some(record) = self.store.find_record(&request.action, chain, self.work)? {
            self.used.lock().unwrap_or_else(PoisonError::into_inner).push(record.id);
            return Ok(Some(hit(request, &record, Details::from_json(&record.details).as_ref())));
        }
        if !request.observes {
            return Ok(None);
        }
        for record in self.store.records_of_action(&request.action, RECORDS)? {
            let Some(details) = Details::from_json(&record.details) else { continue };
            let opened = request.from.open(self.store, self.work)?;
            if !cache::still_seen(&details.observed, &opened.view)?
                || self.store.layer(&record.layer, self.work)?.is_none()
            {
                continue;
            }
            // The next look finds it at once, without opening a layer.
            self.store.put_record(&NewRecord {
                action: request.action,
                chain: *chain,
                family: request.family,
                layer: record.layer,
                content: record.content,
                details: record.details.clone(),
                created: record.created,
            })?;
            return Ok(Some(hit(request, &record, Some(&details))));
        }
        Ok(None)
    }

    /// Publishes what was made, or adopts an equal earlier result, and writes the record.
    fn keep(&self, request: &Request<'_>, product: Product, created: i64) -> Result<StepResult, StepError> {
        let Product { made, observed } = product;
        let content = content_digest(made.index.entries());
        let chain = request.from.chain.key();
        let equal = if request.cache { self.store.find_result(chain, &content, self.work)? } else { None };
        // An equal result on the same chain is adopted, so that all times come from one history.
        let (layer, created) = if let Some(earlier) = equal {
            (earlier.layer, created_of(&earlier).unwrap_or(created))
        } else {
            let layer = self.store.publish_layer(
                &NewLayer {
                    diff_id: made.diff_id,
                    index: &made.index,
                    tar_size: made.tar_size,
                    source: TarSource::Writer,
                    directory: &made.directory,
                    below: made.below,
                },
                self.work,
            )?;
            (layer.diff_id, created)
        };
        let details = Details {
            step: text(request.step).to_owned(),
            inputs: request.inputs.clone(),
            observed,
            created,
        };
        self.store.put_record(&NewRecord {
            action: request.action,
            chain: *chain,
            family: request.family,
            layer,
            content,
            details: details.to_json(),
            created: created / 1_000_000_000,
        })?;
        Ok(StepResult {
            layer,
            content,
            created,
            cached: false,
            usage: None,
            state: request.from.with(layer, &content),
        })
    }

    fn explain(&self, request: &Request<'_>, running: &progress::Step<'_>) -> Result<(), StepError> {
        if !request.cache {
            return Ok(());
        }
        // A record of this very build says nothing of what changed since the last one.
        let earlier = self.store.records_of_family(&request.family, EARLIER)?;
        let Some(nearest) = earlier.into_iter().find(|record| record.id <= self.last_record) else {
            return Ok(());
        };
        if let Some(before) = Details::from_json(&nearest.details) {
            let why = cache::explain(&before, &request.inputs, nearest.chain == *request.from.chain.key());
            if why == format!("{SOURCES} changed") {
                // The step itself names the files.
                return Ok(());
            }
            running.note(format!("not cached: {why}"));
        }
        Ok(())
    }

    /// A step is made, and so, most probably, will be what comes after it.
    fn expect_networks(&self, step: &Step) {
        if let Some(number) = self.plan.steps.iter().position(|other| std::ptr::eq(other, step)) {
            self.connections.missed(number);
        }
    }

    /// An empty directory of the step's own, on the store's file system.
    pub(super) fn scratch(&self) -> Result<PathBuf, StepError> {
        let path = self.work.path().join(format!("step-{}", self.scratch.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&path).map_err(|source| StepError::Io {
            operation: "make",
            path: path.clone(),
            source,
        })?;
        Ok(path)
    }

    /// Notes which records were used. That is only for choosing what to prune, so a failure is no failure.
    pub(super) fn note_use(&self) {
        let used = std::mem::take(&mut *self.used.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = self.store.touch_records(&used);
    }
}

/// What the content of a COPY's sources is called among its inputs.
pub(super) const SOURCES: &str = "the content of the sources";

/// How many records of a step are looked through for one that was made before this build.
const EARLIER: u32 = 16;

/// How many records of one action are compared with what lies below; more than a few bases are rare.
const RECORDS: u32 = 32;

fn hit(request: &Request<'_>, record: &Record, details: Option<&Details>) -> StepResult {
    StepResult {
        layer: record.layer,
        content: record.content,
        created: details.map_or(record.created * 1_000_000_000, |details| details.created),
        cached: true,
        usage: None,
        state: request.from.with(record.layer, &record.content),
    }
}

fn created_of(record: &Record) -> Option<i64> {
    Details::from_json(&record.details).map(|details| details.created)
}

fn reservation_key(request: &Request<'_>) -> CacheKey {
    let mut hasher = FingerprintHasher::new("reservation v1");
    request.action.digest().fingerprint(&mut hasher);
    request.from.chain.key().digest().fingerprint(&mut hasher);
    CacheKey(hasher.finish())
}

/// The instruction in a step's line: what follows `[build 2/4] `.
pub(super) fn text(step: &Step) -> &str {
    step.name.split_once("] ").map_or(step.name.as_str(), |(_, text)| text)
}
