//! Pruning: what is kept for later builds goes, the least recently used first, as far as the user wants.

use std::collections::HashSet;

use jiff::Timestamp;

use super::super::Engine;
use super::super::containers::ContainerFilter;
use super::super::error::EngineError;
use super::super::images::{ImageFilter, Removed};
use super::{CacheRecord, Key, RecordFilter, RecordKind, Usage};
use crate::store::{Disk, KeptId, StoreError};

/// How much may be kept, in BuildKit's words. Without any of them nothing need be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Space {
    /// So much is always left.
    pub reserved: Option<u64>,
    /// So much may be left.
    pub max_used: Option<u64>,
    /// So much of the disk shall be free afterwards.
    pub min_free: Option<u64>,
}

/// What is pruned.
#[derive(Debug, Clone, Default)]
pub struct PruneRequest {
    /// Which records.
    pub filter: RecordFilter,
    /// Only what was not used since then.
    pub unused_since: Option<Timestamp>,
    /// How much may be kept.
    pub space: Space,
    /// Also records of what images and containers need, which frees nothing now.
    pub all: bool,
    /// Only find out what would go.
    pub dry_run: bool,
}

/// What went.
#[derive(Debug, Clone, Default)]
pub struct Pruned {
    /// The records, the least recently used first.
    pub records: Vec<CacheRecord>,
    /// What that freed on the disk.
    pub freed: Disk,
}

impl Space {
    /// How many bytes may stay of `total`; `None` if nothing has to go.
    fn keep(&self, total: u64, free: u64) -> Option<u64> {
        if *self == Self::default() {
            return Some(0);
        }
        let too_little = self.min_free.unwrap_or(0).saturating_sub(free);
        let limits = [self.max_used, (too_little > 0).then(|| total.saturating_sub(too_little))];
        // What is reserved alone is what may stay, too.
        let limit = limits.into_iter().flatten().min().or(match (self.max_used, self.min_free) {
            (None, None) => self.reserved,
            _ => None,
        });
        let keep = limit?.max(self.reserved.unwrap_or(0));
        (total > keep).then_some(keep)
    }
}

impl Engine {
    /// Removes what is kept for later builds. What a running command uses stays.
    pub fn prune(&self, request: &PruneRequest) -> Result<Pruned, EngineError> {
        let usage = self.usage()?;
        let chosen = choose(&usage, request, self.free_space()?);
        if request.dry_run {
            let freed = chosen.iter().map(|record| record.frees).sum();
            return Ok(Pruned { records: chosen, freed });
        }
        let work = self.store.work_dir()?;
        let layers: Vec<_> = chosen.iter().filter_map(CacheRecord::layer).collect();
        let used: HashSet<_> = self.store.forget_records(&layers)?.into_iter().collect();
        let mut pruned = Pruned::default();
        for record in chosen {
            let gone = match &record.key {
                Key::Layer(layer) => !used.contains(layer),
                Key::Encoding(row) => self.store.forget_encodings(std::slice::from_ref(row))? > 0,
                Key::Name(name) => match record.kind {
                    RecordKind::CacheMount => self.store.clear_cache_mount(name, &work)?,
                    RecordKind::File => self.store.remove_fetched(name, &work)?,
                    RecordKind::Mirror => self.store.remove_mirror(name, &work)?,
                    RecordKind::Failed => {
                        let kept = KeptId { created: record.created.into(), id: name.clone() };
                        self.store.drop_kept([kept], &work)?.is_empty()
                    }
                    _ => self.store.remove_stat_cache(name).map(|()| true)?,
                },
            };
            if gone {
                // Layers and blobs are counted when the sweep removes them.
                if matches!(record.key, Key::Name(_)) {
                    pruned.freed += record.disk;
                }
                pruned.records.push(record);
            }
        }
        pruned.freed += self.sweep(&work)?;
        Ok(pruned)
    }

    /// Removes images that have no name, with `all` also others, but none that a container is of, and whose age and
    /// labels `filter` wants. Gives what was freed, too.
    pub fn prune_images(&self, filter: &ImageFilter, all: bool) -> Result<(Vec<Removed>, Disk), EngineError> {
        let containers = self.containers(&ContainerFilter::default())?;
        let mut removed = Vec::new();
        for image in self.images(filter)? {
            let ids = image.images.iter().map(|one| one.id).chain([image.id]).collect::<Vec<_>>();
            let used = containers.iter().any(|container| ids.contains(&container.image_id.0));
            if used || !(all || image.names.is_empty()) {
                continue;
            }
            removed.extend(self.remove_line(&image)?);
        }
        let work = self.store.work_dir()?;
        Ok((removed, self.sweep(&work)?))
    }

    /// How much of the store's disk is free for whoever runs this.
    fn free_space(&self) -> Result<u64, EngineError> {
        let stat = rustix::fs::statvfs(self.root()).map_err(|errno| {
            let (operation, path) = ("look at", self.root().to_owned());
            StoreError::Io { operation, path, source: errno.into() }
        })?;
        Ok(stat.f_bavail * stat.f_frsize)
    }
}

impl CacheRecord {
    fn layer(&self) -> Option<crate::oci::DiffId> {
        match &self.key {
            Key::Layer(layer) => Some(*layer),
            _ => None,
        }
    }
}

/// What goes, the least recently used first.
fn choose(usage: &Usage, request: &PruneRequest, free: u64) -> Vec<CacheRecord> {
    let mut left = usage.cache().used;
    let Some(keep) = request.space.keep(left, free) else { return Vec::new() };
    let mut candidates: Vec<&CacheRecord> = usage
        .records
        .iter()
        .filter(|record| request.filter.accepts(record) && !record.in_use)
        .filter(|record| request.all || !record.shared)
        .filter(|record| request.unused_since.is_none_or(|moment| record.last_use < moment))
        .collect();
    candidates.sort_by(|a, b| (a.last_use, &a.id).cmp(&(b.last_use, &b.id)));
    let mut chosen = Vec::new();
    for record in candidates {
        if left <= keep && keep > 0 {
            break;
        }
        left = left.saturating_sub(record.frees.used);
        chosen.push(record.clone());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_stay_follows_from_all_limits() {
        let space = |reserved, max_used, min_free| Space { reserved, max_used, min_free };
        for (space, total, free, keep) in [
            (space(None, None, None), 100, 5, Some(0)),
            (space(None, Some(40), None), 100, 5, Some(40)),
            (space(None, Some(100), None), 100, 5, None),
            (space(Some(60), Some(40), None), 100, 5, Some(60)),
            (space(Some(60), None, None), 100, 5, Some(60)),
            (space(None, None, Some(30)), 100, 5, Some(75)),
            (space(None, None, Some(30)), 100, 30, None),
            (space(None, None, Some(300)), 100, 5, Some(0)),
            (space(Some(90), None, Some(30)), 100, 5, Some(90)),
            (space(None, Some(80), Some(30)), 100, 5, Some(75)),
            (space(None, Some(70), Some(30)), 100, 5, Some(70)),
            (space(None, Some(70), Some(30)), 60, 40, None),
        ] {
            assert_eq!(space.keep(total, free), keep, "{space:?} {total} {free}");
        }
    }
}
