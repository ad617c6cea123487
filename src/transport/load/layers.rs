//! Verifies the layers of an archive and unpacks those that the store lacks.
//!
//! Owns the checks of a layer: the blob's digest if a manifest says it, and the tar's. A compressed blob is kept,
//! so that the image goes out again as it came; a plain tar is kept only if our writer would make another.
//! Nothing is published here.

use std::collections::{HashMap, HashSet};
use std::io::{self, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use crate::layer::{Applied, Decompressor, Limits};
use crate::oci::digest::Digester;
use crate::oci::{self, BlobDigest, Descriptor, DiffId, Digest, MediaType};
use crate::progress::{Reporter, Step};
use crate::store::{Expected, TarSource, WrittenBlob};

use super::super::Session;
use super::super::archive::{Member, PLAIN};
use super::super::load_error::{LoadError, Part, end};
use super::super::meter::Meter;
use super::super::publish::{Keeping, NewParts, UnpackedLayer, unpack_into};
use super::{ForeignLayer, Image};

/// Layers that are unpacked at once. Each uses more than one core where it can.
const AT_ONCE: usize = 2;

/// All layers of an archive, verified.
#[derive(Debug)]
pub(super) struct Unpacked<'s> {
    layers: HashMap<DiffId, Descriptor>,
    new: NewParts<'s>,
}

impl<'s> Unpacked<'s> {
    /// A layer as a manifest of our own lists it.
    pub(super) fn descriptor(&self, diff_id: &DiffId) -> Descriptor {
        let plain = || Descriptor::new(MediaType::Layer, diff_id.0, 0);
        self.layers.get(diff_id).cloned().unwrap_or_else(plain)
    }

    /// What is to be published.
    pub(super) fn take_new(&mut self) -> NewParts<'s> {
        std::mem::take(&mut self.new)
    }
}

/// One layer, verified.
struct Done<'s> {
    descriptor: Descriptor,
    layer: Option<UnpackedLayer>,
    blob: Option<WrittenBlob<'s>>,
}

/// Verifies all layers of `images`, each once, and unpacks what the store lacks into the work directory.
pub(super) fn unpack<'s>(
    session: Session<'s>,
    images: &[Image],
    limits: Limits,
    reporter: &Reporter,
) -> Result<Unpacked<'s>, LoadError> {
    let (mut seen, mut tars) = (HashSet::new(), HashSet::new());
    // Whether a layer comes for the first time: a tar that is in the archive in two forms is unpacked once.
    let todo: Vec<(&ForeignLayer, bool)> = images
        .iter()
        .flat_map(|image| &image.layers)
        .filter(|layer| seen.insert((layer.diff_id, layer.blob)))
        .map(|layer| (layer, tars.insert(layer.diff_id)))
        .collect();
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(todo.len()) {
            scope.spawn(|| {
                loop {
                    let i = next.fetch_add(1, Ordering::Relaxed);
                    let Some(&(layer, unpack)) = todo.get(i) else { return };
                    let step = reporter.start(&format!("load layer {}", layer.diff_id.digest().short()));
                    let one = One { session, layer, limits, step: &step, unpack };
                    let mut done = one.run();
                    if done.as_ref().is_ok_and(|done| done.layer.is_none() && done.blob.is_none()) {
                        step.cached();
                    } else {
                        done = end(step, done);
                    }
                    if done.is_err() {
                        // The others need not be begun.
                        next.store(todo.len(), Ordering::Relaxed);
                    }
                    results.lock().unwrap_or_else(PoisonError::into_inner).push((i, done));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(i, _)| *i);
    let mut unpacked = Unpacked { layers: HashMap::new(), new: NewParts::default() };
    for (i, done) in results {
        let done = done?;
        unpacked.layers.entry(todo[i].0.diff_id).or_insert(done.descriptor);
        unpacked.new.layers.extend(done.layer);
        unpacked.new.blobs.extend(done.blob);
    }
    Ok(unpacked)
}

/// The work on one layer.
struct One<'a, 's> {
    session: Session<'s>,
    layer: &'a ForeignLayer,
    limits: Limits,
    step: &'a Step<'a>,
    /// Whether it is this one's business to have the layer in the store.
    unpack: bool,
}

impl<'s> One<'_, 's> {
    fn run(&self) -> Result<Done<'s>, LoadError> {
        let store = self.session.store;
        let diff_id = self.layer.diff_id;
        let format = self.layer.member.format()?;
        if !matches!(format, PLAIN | "gzip" | "zstd") {
            return Err(LoadError::Compression { name: self.layer.name.clone(), format });
        }
        let compressed = format != PLAIN;
        let present = store.layer(&diff_id, self.session.work)?;
        if !compressed {
            // The tar is the blob.
            if let Some(blob) = self.layer.blob.filter(|blob| *blob != diff_id.0) {
                return Err(self.other_tar(DiffId(blob)));
            }
            if let Some(layer) = &present {
                return Ok(Done {
                    descriptor: Descriptor::new(MediaType::Layer, diff_id.0, layer.tar_size),
                    layer: None,
                    blob: None,
                });
            }
        }
        if let (Some(layer), Some(blob)) = (&present, self.layer.blob)
            && layer.source == TarSource::Blob(BlobDigest(blob))
        {
            return Ok(Done { descriptor: self.compressed_descriptor(blob)?, layer: None, blob: None });
        }
        let done = match (compressed, present.is_none() && self.unpack) {
            (false, _) => self.plain(),
            (true, true) => self.compressed(),
            (true, false) => self.only_verify(),
        };
        done.map_err(|error| self.blame(error))
    }

    /// A plain tar that the store lacks.
    fn plain(&self) -> Result<Done<'s>, LoadError> {
        let meter = self.meter();
        let tar = meter.metered(self.layer.member.reader()?);
        let (applied, mut layer) = unpack_into(self.session, self.layer.diff_id, self.limits.bytes, tar)
            .map_err(|error| error.of_layer(&self.layer.name))?;
        self.check_tar(applied.diff_id)?;
        let mut blob = None;
        if !applied.regenerates {
            let digest = BlobDigest(applied.diff_id.0);
            let mut writer = self.session.store.blob_writer(self.session.work)?;
            io::copy(&mut self.layer.member.reader()?, &mut writer).map_err(LoadError::read)?;
            layer.source = TarSource::Blob(digest);
            blob = Some(writer.finish(Expected::Exactly(digest))?);
        }
        let descriptor = Descriptor::new(MediaType::Layer, applied.diff_id.0, applied.bytes);
        Ok(Done { descriptor, layer: Some(layer), blob })
    }

    /// A compressed tar that the store lacks.
    fn compressed(&self) -> Result<Done<'s>, LoadError> {
        let mut unpacked = None;
        let (blob, descriptor) = self.keep(|tar| {
            let result = unpack_into(self.session, self.layer.diff_id, self.limits.bytes, tar);
            let (applied, layer): (Applied, _) = result.map_err(|error| error.of_layer(&self.layer.name))?;
            unpacked = Some(layer);
            Ok(applied.diff_id)
        })?;
        let layer = unpacked.map(|layer| UnpackedLayer { source: TarSource::Blob(blob.digest()), ..layer });
        Ok(Done { descriptor, layer, blob: Some(blob) })
    }

    /// A compressed tar whose layer is there already, in another form.
    fn only_verify(&self) -> Result<Done<'s>, LoadError> {
        let (blob, descriptor) = self.keep(|mut tar| {
            let mut digester = Digester::new(io::sink());
            io::copy(&mut tar, &mut digester).map_err(|error| LoadError::layer(&self.layer.name, error))?;
            Ok(DiffId(digester.finish().1))
        })?;
        Ok(Done { descriptor, layer: None, blob: Some(blob) })
    }

    /// Copies the blob for the store while `take` reads the tar in it, and verifies both.
    fn keep(
        &self,
        take: impl FnOnce(&mut dyn Read) -> Result<DiffId, LoadError>,
    ) -> Result<(WrittenBlob<'s>, Descriptor), LoadError> {
        let meter = self.meter();
        let mut blob = Digester::new(Keeping {
            from: meter.metered(self.layer.member.reader()?),
            to: self.session.store.blob_writer(self.session.work)?,
        });
        let mut tar = Decompressor::new(&mut blob, self.limits)
            .map_err(|error| LoadError::layer(&self.layer.name, error))?;
        let found = take(&mut tar)?;
        drop(tar);
        // What follows the compressed stream belongs to the blob as well.
        io::copy(&mut blob, &mut io::sink()).map_err(LoadError::read)?;
        let (keeping, digest, _) = blob.finish();
        if let Some(expected) = self.layer.blob.filter(|expected| *expected != digest) {
            return Err(LoadError::Digest { part: Part::Layer, expected, found: digest });
        }
        self.check_tar(found)?;
        let descriptor = self.compressed_descriptor(digest)?;
        Ok((keeping.to.finish(Expected::Exactly(BlobDigest(digest)))?, descriptor))
    }

    fn compressed_descriptor(&self, blob: Digest) -> Result<Descriptor, LoadError> {
        let compression = match self.layer.member.format()? {
            "zstd" => oci::Compression::Zstd,
            _ => oci::Compression::Gzip,
        };
        Ok(Descriptor::new(MediaType::layer(compression), blob, self.layer.member.size))
    }

    fn check_tar(&self, found: DiffId) -> Result<(), LoadError> {
        if found == self.layer.diff_id { Ok(()) } else { Err(self.other_tar(found)) }
    }

    fn other_tar(&self, found: DiffId) -> LoadError {
        LoadError::DiffId { name: self.layer.name.clone(), expected: self.layer.diff_id, found }
    }

    /// If the blob is not even what its name says, that is the better explanation of what went wrong with it.
    fn blame(&self, error: LoadError) -> LoadError {
        let damaged =
            matches!(error, LoadError::Unpack { .. } | LoadError::Layer { .. } | LoadError::DiffId { .. });
        let Some(expected) = self.layer.blob.filter(|_| damaged) else { return error };
        match digest_of(&self.layer.member) {
            Ok(found) if found != expected => LoadError::Digest { part: Part::Layer, expected, found },
            _ => error,
        }
    }

    fn meter(&self) -> Meter<'_> {
        Meter::new(self.step, self.session.cancel, Some(self.layer.member.size))
    }
}

fn digest_of(member: &Member) -> Result<Digest, LoadError> {
    let mut digester = Digester::new(io::sink());
    io::copy(&mut member.reader()?, &mut digester).map_err(LoadError::read)?;
    Ok(digester.finish().1)
}
