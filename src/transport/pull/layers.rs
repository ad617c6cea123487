//! The layers of an image, from a registry into the work directory.
//!
//! A layer is unpacked while it comes; its blob is kept beside, so that the image goes out again as it came. Bytes that
//! turn out wrong are asked for elsewhere if there is an elsewhere. Nothing is published here.

use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::layer::{Decompressor, Limits};
use crate::oci::{BlobDigest, Descriptor, DiffId, ImageConfig, Manifest, MediaType};
use crate::progress::{Reporter, Step};
use crate::registry::{Repository, Watch};
use crate::store::{Expected, TarSource, WrittenBlob};

use super::super::Session;
use super::super::archive::PLAIN;
use super::super::load_error::Part;
use super::super::meter::Meter;
use super::super::publish::{Keeping, NewParts, UnpackedLayer, clear_unpacked, unpack_into};
use super::error::end;
use super::{PullError, with_watch};

/// Layers that come at once: as many as with Docker. Each uses more than one core where it can.
const AT_ONCE: usize = 3;

/// What a layer is, and its blob.
#[derive(Debug, Clone)]
pub(super) struct RemoteLayer {
    blob: Descriptor,
    diff_id: DiffId,
}

impl RemoteLayer {
    /// Whether the specification says that its bytes are to be had elsewhere.
    fn is_foreign(&self) -> bool {
        matches!(
            self.blob.media_type,
            MediaType::Foreign
                | MediaType::ForeignGzip
                | MediaType::ForeignZstd
                | MediaType::DockerForeignGzip
        )
    }
}

/// The layers of an image, lowest first.
pub(super) fn listed(manifest: &Manifest, config: &ImageConfig) -> Result<Vec<RemoteLayer>, PullError> {
    let diff_ids = &config.rootfs.diff_ids;
    if manifest.layers.len() != diff_ids.len() {
        let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
        return Err(PullError::LayerCount { config: manifest.config.digest, diff_ids, layers });
    }
    let layers = manifest.layers.iter().zip(diff_ids).map(|(blob, diff_id)| {
        if !blob.media_type.is_layer() {
            let (digest, found) = (blob.digest, blob.media_type.clone());
            return Err(PullError::MediaType { part: Part::Layer, digest, found });
        }
        Ok(RemoteLayer { blob: blob.clone(), diff_id: *diff_id })
    });
    layers.collect()
}

/// Fetches the layers that the store lacks, and unpacks them into the work directory.
pub(super) fn fetch<'s>(
    session: Session<'s>,
    repository: &Repository<'_>,
    layers: &[RemoteLayer],
    limits: Limits,
    reporter: &Reporter,
) -> Result<NewParts<'s>, PullError> {
    let todo = lacking(session, layers, reporter)?;
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    let work = || {
        while let Some(&layer) = todo.get(next.fetch_add(1, Ordering::Relaxed)) {
            let step = reporter.start(&title(layer));
            let one = One { session, repository, layer, limits, step: &step };
            let done = one.fetch();
            let done = end(step, done);
            if done.is_err() {
                // The others need not be begun.
                next.store(todo.len(), Ordering::Relaxed);
            }
            results.lock().unwrap_or_else(PoisonError::into_inner).push(done);
        }
    };
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(todo.len()) {
            scope.spawn(work);
        }
    });
    let mut parts = NewParts::default();
    for done in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let (layer, blob) = done?;
        parts.layers.push(layer);
        parts.blobs.extend(blob);
    }
    Ok(parts)
}

fn title(layer: &RemoteLayer) -> String {
    format!("pull layer {}", layer.blob.digest.short())
}

/// The layers that the store lacks, each once.
fn lacking<'l>(
    session: Session<'_>,
    layers: &'l [RemoteLayer],
    reporter: &Reporter,
) -> Result<Vec<&'l RemoteLayer>, PullError> {
    let mut todo: Vec<&RemoteLayer> = Vec::new();
    for layer in layers {
        if todo.iter().any(|other| other.diff_id == layer.diff_id) {
            continue;
        }
        // The lease keeps it until the image is published.
        if session.store.layer(&layer.diff_id, session.work)?.is_some() {
            reporter.start(&title(layer)).cached();
        } else if layer.is_foreign() {
            let (digest, found) = (layer.blob.digest, layer.blob.media_type.clone());
            return Err(PullError::Foreign { digest, found });
        } else {
            todo.push(layer);
        }
    }
    Ok(todo)
}

/// All of a small blob.
pub(in super::super) fn small_blob(
    repository: &Repository<'_>,
    named: &Descriptor,
    watch: Watch<'_>,
) -> Result<Vec<u8>, PullError> {
    loop {
        let mut bytes = Vec::new();
        match repository.blob(named, watch).read_to_end(&mut bytes) {
            Ok(_) => return Ok(bytes),
            Err(error) => {
                let error = PullError::reading(named.digest, error);
                if !error.is_wrong_source() || !repository.has_other_source(&named.digest) {
                    return Err(error);
                }
            }
        }
    }
}

/// A layer that was unpacked, and the blob that it came as, if that is kept.
type Done<'s> = (UnpackedLayer, Option<WrittenBlob<'s>>);

/// The work on one layer.
struct One<'a, 's> {
    session: Session<'s>,
    repository: &'a Repository<'a>,
    layer: &'a RemoteLayer,
    limits: Limits,
    step: &'a Step<'a>,
}

impl<'s> One<'_, 's> {
    /// Fetches it from whichever endpoint sends the right bytes.
    fn fetch(&self) -> Result<Done<'s>, PullError> {
        loop {
            let error = match self.attempt() {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            let blob = &self.layer.blob.digest;
            if !error.is_wrong_source() || !self.repository.has_other_source(blob) {
                return Err(error);
            }
            self.step.note(format!("{error}; trying another endpoint"));
            clear_unpacked(self.session, self.layer.diff_id).map_err(PullError::Files)?;
        }
    }

    fn attempt(&self) -> Result<Done<'s>, PullError> {
        let Session { store, work, cancel } = self.session;
        let blob = &self.layer.blob;
        with_watch(self.session, self.step, |watch| {
            let meter = Meter::new(self.step, cancel, Some(blob.size));
            let from = meter.metered(self.repository.blob(blob, watch));
            let mut keeping = Keeping { from, to: store.blob_writer(work)? };
            let (mut layer, is_kept) =
                self.unpack(&mut keeping).map_err(|error| self.blame(error, &mut keeping))?;
            let digest = BlobDigest(blob.digest);
            if !is_kept {
                return Ok((layer, None));
            }
            layer.source = TarSource::Blob(digest);
            Ok((layer, Some(keeping.to.finish(Expected::Exactly(digest))?)))
        })
    }

    /// Unpacks it and reads it to its end, where it turns out whether it was the right one; says whether its blob is
    /// needed to make it again.
    fn unpack(&self, blob: &mut impl Read) -> Result<(UnpackedLayer, bool), PullError> {
        let (digest, expected) = (self.layer.blob.digest, self.layer.diff_id);
        let reading = |error| PullError::reading(digest, error);
        let mut tar = Decompressor::new(&mut *blob, self.limits).map_err(reading)?;
        let format = tar.format();
        if !matches!(format, PLAIN | "gzip" | "zstd") {
            return Err(PullError::Compression { blob: digest, format });
        }
        let (applied, layer) = unpack_into(self.session, expected, self.limits.bytes, &mut tar)
            .map_err(|error| PullError::unpacking(digest, error))?;
        drop(tar);
        // What follows the compressed stream belongs to the blob as well.
        io::copy(blob, &mut io::sink()).map_err(reading)?;
        if applied.diff_id != expected {
            return Err(PullError::DiffId { blob: digest, expected, found: applied.diff_id });
        }
        Ok((layer, format != PLAIN || !applied.regenerates))
    }

    /// If the bytes are not even those that were asked for, that is the better explanation of what went wrong.
    fn blame(&self, error: PullError, rest: &mut impl Read) -> PullError {
        if !error.is_damage() {
            return error;
        }
        match io::copy(rest, &mut io::sink()) {
            Ok(_) => error,
            Err(source) => match PullError::reading(self.layer.blob.digest, source) {
                wrong if wrong.is_wrong_source() => wrong,
                PullError::Canceled => PullError::Canceled,
                _ => error,
            },
        }
    }
}
