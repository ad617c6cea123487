//! Makes a layer of assembled entries: in full, or as a delta over a layer that is nearly the same.

use std::fs::File;
use std::io;
use std::path::PathBuf;

use crate::exec::CancelToken;
use crate::layer::{Content, Marks, PartsError, Placer, StreamError, StreamOptions, stream};
use crate::oci::digest::Digester;
use crate::oci::{DiffId, Digest};
use crate::store::Layer;
use crate::store::layers::MAX_PARTS;
use crate::tree::{Entry, Index, Kind};

use super::assemble::Placed;
use super::context::Context;
use super::error::StepError;
use super::source::Origin;
use super::state::new_part;

/// A layer directory that was filled, ready to be published.
#[derive(Debug)]
pub(super) struct Made {
    pub(super) index: Index,
    pub(super) diff_id: DiffId,
    pub(super) tar_size: u64,
    pub(super) directory: PathBuf,
    pub(super) below: Vec<PathBuf>,
}

/// Below this many bytes in common, a delta is not worth a directory more in every overlay.
const MIN_COMMON: u64 = 1 << 20;

/// Fills `directory` with `placed`. `near` is a layer that may have most of it already.
pub(super) fn make(
    placed: &Placed,
    near: Option<(&Layer, &Index)>,
    directory: PathBuf,
    context: Option<&Context>,
    cancel: &CancelToken,
) -> Result<Made, StepError> {
    let mut entries: Vec<Entry> = placed.values().map(|piece| piece.entry.clone()).collect();
    let below = match near {
        Some((layer, index)) if share(&mut entries, layer, index) => layer.parts.clone(),
        _ => Vec::new(),
    };
    let placer = new_part(&directory, Marks::here(true))?;
    for entry in entries.iter().filter(|entry| entry.part == 0) {
        if !matches!(entry.kind, Kind::File { .. } | Kind::Hardlink { .. }) {
            placer.place(entry)?;
        }
    }
    let content = Filling { placed, placer: &placer, below: &below, context, cancel };
    let mut tar = Digester::new(io::sink());
    stream(&entries, &content, &mut tar, StreamOptions::default()).map_err(stream_error)?;
    // A hard link can only be made when the file that it is another name of is there.
    for entry in entries.iter().filter(|entry| matches!(entry.kind, Kind::Hardlink { .. })) {
        placer.place(entry)?;
    }
    placer.close()?;
    let (_, digest, tar_size) = tar.finish();
    let index = Index::from_sorted(entries)
        .unwrap_or_else(|error| unreachable!("entries come from a sorted map: {error}"));
    Ok(Made { index, diff_id: DiffId(digest), tar_size, directory, below })
}

/// Marks which of `entries` the older layer's parts hold, and which directories the delta must repeat because it
/// has something in them. Says no, and changes nothing, if there is little in common, or if a delta would need a
/// whiteout: that would hide what layers below have at its path.
fn share(entries: &mut [Entry], layer: &Layer, old: &Index) -> bool {
    let entangled = |entry: &Entry| matches!(entry.kind, Kind::Hardlink { .. } | Kind::Whiteout);
    if layer.parts.len() >= MAX_PARTS || entries.iter().chain(old.entries()).any(entangled) {
        return false;
    }
    let mut parts = vec![0; entries.len()];
    let (mut common, mut own, mut matched) = (0, 0, 0);
    for (entry, part) in entries.iter().zip(&mut parts) {
        let before = old.get(&entry.path);
        matched += usize::from(before.is_some());
        match before {
            Some(before) if before.same_but_time(entry) && before.mtime == entry.mtime => {
                *part = before.part + 1;
                common += entry.size();
            }
            // Overlayfs does not look below something that is no directory for one of the same name.
            Some(before) if entry.is_directory() && !before.is_directory() => return false,
            _ => own += entry.size(),
        }
    }
    if matched < old.entries().len() || common < MIN_COMMON || own > common {
        return false;
    }
    let mut in_delta = crate::tree::TreePath::root();
    for i in (0..entries.len()).rev() {
        // Walking backwards, the last entry seen that the delta has lies below its parents, if below any.
        if parts[i] == 0
            || (entries[i].is_directory() && in_delta.is_below(&entries[i].path) && !in_delta.is_root())
        {
            parts[i] = 0;
            in_delta = entries[i].path.clone();
        }
    }
    for (entry, part) in entries.iter_mut().zip(parts) {
        entry.part = part;
    }
    true
}

/// Reads contents from where they are and writes those that the new part has.
struct Filling<'a> {
    placed: &'a Placed,
    placer: &'a Placer,
    below: &'a [PathBuf],
    context: Option<&'a Context>,
    cancel: &'a CancelToken,
}

impl Content for Filling<'_> {
    type Error = StepError;

    fn open(&self, entry: &Entry) -> Result<File, StepError> {
        if self.cancel.is_canceled() {
            return Err(StepError::Canceled);
        }
        if let Some(part) = usize::from(entry.part).checked_sub(1) {
            return Origin::File(self.below[part].join(entry.path.as_path())).open(None);
        }
        let origin = self.placed.get(&entry.path).and_then(|piece| piece.origin.as_ref());
        origin.unwrap_or(&Origin::Empty).open(self.context)
    }

    fn copy_to(&self, entry: &Entry) -> Result<Option<File>, StepError> {
        if entry.part > 0 {
            return Ok(None);
        }
        Ok(Some(self.placer.create(&entry.path)?))
    }

    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), StepError> {
        if let (Kind::File { digest: expected, .. }, Some(found)) = (&entry.kind, digest)
            && expected != found
        {
            let stored = PartsError::Damaged { path: entry.path.clone(), expected: *expected, found: *found };
            return Err(match self.placed.get(&entry.path).and_then(|piece| piece.origin.as_ref()) {
                Some(Origin::Context(path)) if entry.part == 0 => StepError::Changed(path.clone()),
                _ => stored.into(),
            });
        }
        if let Some(file) = copy {
            self.placer.finish(file, entry)?;
        }
        Ok(())
    }
}

fn stream_error(error: StreamError<StepError>) -> StepError {
    match error {
        StreamError::Content(error) => error,
        StreamError::Size { path, .. } => StepError::Changed(path),
        other => StepError::Stream(Box::new(other)),
    }
}
