//! Layers of a build with other times, so that the same build gives the same layers whenever it is made.
//!
//! Owns which times change. Those do that lie after the epoch, and those that the clock gave while a step ran, which is
//! told by when that began: so that a step of today and one that the cache has from last year, both before the epoch,
//! give the same. All others say something of the files and stay. The result is a layer of its own in the store, and
//! remembered.

use std::collections::BTreeSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::layer::{
    Content, Marks, Parts, PartsError, PlaceError, Placer, StreamError, StreamOptions, stream,
};
use crate::oci::digest::Digester;
use crate::oci::{CacheKey, DiffId, Digest, FingerprintHasher};
use crate::progress::Step;
use crate::store::{Layer, NewLayer, StoreError, TarSource};
use crate::tree::{Entry, Index, Kind, Time};

use super::Session;
use super::error::ExportError;
use super::meter::Meter;

/// Which times of a layer change. All in seconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Clamp<'a> {
    /// What they become, and the latest of those that stay.
    pub epoch: i64,
    /// When the making of the layer began.
    pub made: i64,
    /// Further times that say nothing of the files: those that the clock gave files of other layers, which may have been
    /// copied into this one.
    pub chance: &'a BTreeSet<i64>,
}

impl Clamp<'_> {
    fn applied(self, time: Time) -> Time {
        let by_chance = time.seconds >= self.made || self.chance.contains(&time.seconds);
        if by_chance || time.seconds > self.epoch { Time::from_seconds(self.epoch) } else { time }
    }
}

/// The layer `diff_id` with its times clamped: itself, one that was made before, or a new one in the store.
pub fn clamp_times(
    session: Session<'_>,
    diff_id: &DiffId,
    clamp: Clamp<'_>,
    step: &Step<'_>,
) -> Result<DiffId, ExportError> {
    let store = session.store;
    let key = key(diff_id, clamp);
    if let Some(known) = store.memo(&key)?.map(DiffId)
        && store.layer(&known, session.work)?.is_some()
    {
        return Ok(known);
    }
    let layer = store.layer(diff_id, session.work)?.ok_or(StoreError::NoLayer(*diff_id))?;
    let index = store.layer_index(diff_id)?.read_all().map_err(StoreError::from)?;
    let mut entries = index.into_entries();
    let mut changed = false;
    for entry in entries.iter_mut().filter(|entry| !entry.is_whiteout()) {
        let time = clamp.applied(entry.mtime);
        changed |= time != entry.mtime;
        entry.mtime = time;
    }
    let rewritten = if changed { rewrite(session, &layer, entries, step)? } else { *diff_id };
    store.set_memo(&key, &rewritten.0)?;
    Ok(rewritten)
}

/// The times from `since` on of what is in a layer: if that is when the making of it began, those that the clock gave.
pub fn times_since(session: Session<'_>, diff_id: &DiffId, since: i64) -> Result<BTreeSet<i64>, ExportError> {
    let index = session.store.layer_index(diff_id)?.read_all().map_err(StoreError::from)?;
    let times = index.entries().iter().map(|entry| entry.mtime.seconds);
    Ok(times.filter(|seconds| *seconds >= since).collect())
}

fn key(diff_id: &DiffId, clamp: Clamp<'_>) -> CacheKey {
    let mut hasher = FingerprintHasher::new("a layer with clamped times v1");
    hasher.value(diff_id.digest());
    hasher.raw(&clamp.epoch.to_le_bytes());
    hasher.raw(&clamp.made.to_le_bytes());
    clamp.chance.iter().for_each(|seconds| hasher.raw(&seconds.to_le_bytes()));
    CacheKey(hasher.finish())
}

/// Makes a layer of these entries, whose contents lie in the parts of `old`.
fn rewrite(
    session: Session<'_>,
    old: &Layer,
    entries: Vec<Entry>,
    step: &Step<'_>,
) -> Result<DiffId, ExportError> {
    let directory = session.work.path().join(format!("times-{}", old.diff_id.digest().hex()));
    let placer = new_part(&directory, Marks::here(session.store.has_overlays()))?;
    let placed = |source| ExportError::Place { root: directory.clone(), source };
    let is_link = |entry: &Entry| matches!(entry.kind, Kind::Hardlink { .. });
    for entry in entries.iter().filter(|entry| !matches!(entry.kind, Kind::File { .. }) && !is_link(entry)) {
        placer.place(entry).map_err(placed)?;
    }
    let total = entries.iter().map(Entry::size).sum();
    let filling = Filling {
        old: Parts(&old.parts),
        placer: &placer,
        meter: Meter::new(step, session.cancel, Some(total)),
    };
    let mut tar = Digester::new(io::sink());
    stream(&entries, &filling, &mut tar, StreamOptions::default())
        .map_err(|error| failed(old, &directory, error))?;
    for entry in entries.iter().filter(|entry| is_link(entry)) {
        placer.place(entry).map_err(placed)?;
    }
    placer.close().map_err(placed)?;
    let (_, digest, tar_size) = tar.finish();
    let mut entries = entries;
    for entry in &mut entries {
        entry.part = 0;
    }
    let index = Index::from_sorted(entries)
        .unwrap_or_else(|error| unreachable!("the entries of an index are in order: {error}"));
    let new = NewLayer {
        diff_id: DiffId(digest),
        index: &index,
        tar_size,
        source: TarSource::Writer,
        directory: &directory,
        below: Vec::new(),
    };
    let published = session.store.publish_layer(&new, session.work)?;
    if directory.exists() {
        // The store had it already.
        fs::remove_dir_all(&directory).map_err(|source| ExportError::io("remove", &directory, source))?;
    }
    Ok(published.diff_id)
}

fn new_part(directory: &Path, marks: Marks) -> Result<Placer, ExportError> {
    let failed = |operation| move |source| ExportError::io(operation, directory, source);
    fs::create_dir(directory).map_err(failed("make"))?;
    // The root of every layer looks alike, because no tar says anything of it.
    fs::set_permissions(directory, Permissions::from_mode(0o755)).map_err(failed("set the mode of"))?;
    let root: OwnedFd = File::open(directory).map_err(failed("open"))?.into();
    Ok(Placer::new(root, marks))
}

/// Copies contents from the old layer to the new one.
struct Filling<'a> {
    old: Parts<'a>,
    placer: &'a Placer,
    meter: Meter<'a>,
}

/// Why a content cannot be copied.
enum CopyError {
    Parts(PartsError),
    Place(PlaceError),
    Canceled,
}

impl Content for Filling<'_> {
    type Error = CopyError;

    fn open(&self, entry: &Entry) -> Result<File, CopyError> {
        self.old.open(entry).map_err(CopyError::Parts)
    }

    fn copy_to(&self, entry: &Entry) -> Result<Option<File>, CopyError> {
        self.placer.create(&entry.path).map(Some).map_err(CopyError::Place)
    }

    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), CopyError> {
        self.old.finish(entry, copy, digest).map_err(CopyError::Parts)?;
        if let Some(file) = copy {
            self.placer.finish(file, entry).map_err(CopyError::Place)?;
        }
        self.meter.add(entry.size()).map_err(|_| CopyError::Canceled)
    }
}

fn failed(layer: &Layer, directory: &Path, error: StreamError<CopyError>) -> ExportError {
    let unreadable = |source| ExportError::Layer { layer: layer.diff_id, source: Box::new(source) };
    match error {
        StreamError::Content(CopyError::Canceled) => ExportError::Canceled,
        StreamError::Content(CopyError::Place(source)) => {
            ExportError::Place { root: directory.to_owned(), source }
        }
        StreamError::Content(CopyError::Parts(error)) => unreadable(StreamError::Content(error)),
        StreamError::Tar(error) => ExportError::Tar(error),
        StreamError::Read { path, source } => unreadable(StreamError::Read { path, source }),
        StreamError::Copy { path, source } => unreadable(StreamError::Copy { path, source }),
        StreamError::Size { path, expected } => unreadable(StreamError::Size { path, expected }),
        StreamError::Write { source } => ExportError::write(source),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_the_clock_and_after_the_epoch_change() {
        for (epoch, made, time, expected) in [
            // Before both: it says something of the file.
            (100, 200, 50, 50),
            (100, 200, 100, 100),
            // After the epoch, whoever set it.
            (100, 200, 101, 100),
            (100, 200, 250, 100),
            // The layer is older than the epoch, as one from the cache is: its clock's times are not its files'.
            (300, 200, 199, 199),
            (300, 200, 200, 300),
            (300, 200, 299, 300),
            (300, 200, 301, 300),
            (300, 200, -5, -5),
            // The clock gave it in another layer.
            (300, 200, 77, 300),
        ] {
            let clamp = Clamp { epoch, made, chance: &BTreeSet::from([77]) };
            assert_eq!(clamp.applied(Time::from_seconds(time)).seconds, expected, "{clamp:?} {time}");
        }
    }
}
