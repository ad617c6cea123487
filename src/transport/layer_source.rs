//! The bytes of stored layers, as tars or compressed.
//!
//! Owns how a layer's tar is obtained: made anew by the layer's own writer from its index and parts, or taken out of
//! the blob that it came as. Either way it is hashed on its way out and must be what the layer is named after; the
//! single files are not hashed as well. Must not know what the bytes are put into.

use std::io::{self, Read, Write};

use crate::layer::{
    Compression, Compressor, Decompressor, Limits, Parts, Seal, StreamError, StreamOptions, stream,
};
use crate::oci::digest::Digester;
use crate::oci::{BlobDigest, CacheKey, DiffId, FingerprintHasher};
use crate::store::{Expected, Layer, TarSource};

use super::Session;
use super::destination::Out;
use super::error::ExportError;
use super::meter::Meter;

/// How much is read at a time where there is no other reason for a size.
const BUFFER: usize = 256 << 10;

/// How much the kernel copies at a time; it can be interrupted in between.
const COPY: u64 = 16 << 20;

/// Writes the tar of `layer` to `out`, and counts it with `meter`. After an error, what was written is of no use.
pub(super) fn write_tar(
    session: Session<'_>,
    layer: &Layer,
    out: &mut dyn Write,
    meter: &Meter<'_>,
) -> Result<(), ExportError> {
    let mut out = Digester::new(meter.metered(out));
    match layer.source {
        TarSource::Writer => {
            let index = session.store.layer_index(&layer.diff_id)?;
            let index = index.read_all().map_err(crate::store::StoreError::from)?;
            let options = StreamOptions { digests: false, ..StreamOptions::default() };
            stream(index.entries(), &Parts(&layer.parts), &mut out, options)
                .map_err(|error| stream_error(&layer.diff_id, error))?;
        }
        TarSource::Blob(blob) => {
            let unreadable = |source| ExportError::Blob { blob: blob.0, source };
            let file = session.store.open_blob(&blob)?;
            let tar = Decompressor::new(file, Limits::NONE).map_err(unreadable)?;
            copy(tar, &mut out, unreadable)?;
        }
    }
    let (_, found, _) = out.finish();
    if found != layer.diff_id.0 {
        return Err(ExportError::LayerMismatch { layer: layer.diff_id, found });
    }
    Ok(())
}

fn stream_error(layer: &DiffId, error: StreamError<crate::layer::PartsError>) -> ExportError {
    match error {
        StreamError::Write { source } => ExportError::write(source),
        other => ExportError::Layer { layer: *layer, source: Box::new(other) },
    }
}

/// A compressed blob of a layer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Encoded {
    pub(super) blob: BlobDigest,
    /// In bytes.
    pub(super) size: u64,
    /// What an eStargz layer is known by.
    pub(super) seal: Option<Seal>,
}

/// Makes a layer's compressed blob in the store, and remembers it. `meter` counts the bytes of the tar.
pub(super) fn compress(
    session: Session<'_>,
    layer: &Layer,
    compression: Compression,
    meter: &Meter<'_>,
) -> Result<Encoded, ExportError> {
    let store = session.store;
    let unable = |source| ExportError::Compress { layer: layer.diff_id, source };
    let mut out = Compressor::new(store.blob_writer(session.work)?, compression, 0).map_err(unable)?;
    write_tar(session, layer, &mut out, meter)?;
    let (finished, seal) = out.finish_sealed().map_err(ExportError::write)?;
    // Until it is remembered as this layer's, nothing refers to the blob.
    let _hold = store.hold()?;
    let blob = finished.commit(Expected::Any)?;
    if let Some(Seal { toc, tar }) = &seal {
        let [of_toc, of_tar] = seal_keys(&blob);
        store.set_memo(&of_toc, toc)?;
        store.set_memo(&of_tar, tar)?;
    }
    store.set_encoding(&layer.diff_id, &encoding_name(compression), &blob)?;
    let size = store.blob_size(&blob)?.ok_or(crate::store::StoreError::NoBlob(blob))?;
    Ok(Encoded { blob, size, seal })
}

/// Where the two digests of an eStargz blob's seal are remembered.
fn seal_keys(blob: &BlobDigest) -> [CacheKey; 2] {
    ["the table of an estargz blob", "the tar of an estargz blob"].map(|domain| {
        let mut hasher = FingerprintHasher::new(domain);
        hasher.value(blob.digest());
        CacheKey(hasher.finish())
    })
}

/// The blob that was made of a layer before, if it is still there.
pub(super) fn remembered(
    session: Session<'_>,
    layer: &DiffId,
    compression: Compression,
) -> Result<Option<Encoded>, ExportError> {
    let store = session.store;
    let Some(blob) = store.encoding(layer, &encoding_name(compression))? else { return Ok(None) };
    let Some(size) = store.blob_size(&blob)? else { return Ok(None) };
    if !matches!(compression, Compression::Estargz(_)) {
        return Ok(Some(Encoded { blob, size, seal: None }));
    }
    let [of_toc, of_tar] = seal_keys(&blob);
    let seal = store.memo(&of_toc)?.zip(store.memo(&of_tar)?).map(|(toc, tar)| Seal { toc, tar });
    Ok(seal.map(|seal| Encoded { blob, size, seal: Some(seal) }))
}

/// What a compressed form is called in the store.
fn encoding_name(compression: Compression) -> String {
    match compression {
        Compression::None => "none".to_owned(),
        Compression::Gzip(level) => format!("gzip-{level}"),
        Compression::Zstd(level) => format!("zstd-{level}"),
        Compression::Estargz(level) => format!("estargz-{level}"),
    }
}

/// Writes a stored blob to `out`, verified.
pub(super) fn write_blob(
    session: Session<'_>,
    blob: &BlobDigest,
    out: &mut dyn Write,
    meter: &Meter<'_>,
) -> Result<(), ExportError> {
    let unreadable = |source| ExportError::Blob { blob: blob.0, source };
    let mut file = Digester::new(session.store.open_blob(blob)?);
    copy(&mut file, &mut meter.metered(out), unreadable)?;
    let (_, found, _) = file.finish();
    if found != blob.0 {
        return Err(ExportError::BlobMismatch { blob: blob.0, found });
    }
    Ok(())
}

/// Copies a stored blob to `out` as it is.
pub(super) fn copy_blob(
    session: Session<'_>,
    blob: &BlobDigest,
    out: &mut Out<'_>,
    meter: &Meter<'_>,
) -> Result<(), ExportError> {
    let file = session.store.open_blob(blob)?;
    loop {
        let n = out.copy_from(&file, COPY).map_err(ExportError::write)?;
        if n == 0 {
            return Ok(());
        }
        meter.add(n).map_err(|_| ExportError::Canceled)?;
    }
}

/// How a stored blob is compressed, by its first bytes.
pub(super) fn compression_of(
    session: Session<'_>,
    blob: &BlobDigest,
) -> Result<crate::oci::Compression, ExportError> {
    let unreadable = |source| ExportError::Blob { blob: blob.0, source };
    let file = session.store.open_blob(blob)?;
    Ok(match Decompressor::new(file, Limits::NONE).map_err(unreadable)?.format() {
        "gzip" => crate::oci::Compression::Gzip,
        "zstd" => crate::oci::Compression::Zstd,
        _ => crate::oci::Compression::None,
    })
}

/// Copies all of `from` to `to`; which of the two failed is told by the error.
fn copy(
    mut from: impl Read,
    to: &mut impl Write,
    unreadable: impl Fn(io::Error) -> ExportError,
) -> Result<(), ExportError> {
    let mut buffer = vec![0; BUFFER];
    loop {
        let n = match from.read(&mut buffer) {
            Ok(0) => return Ok(()),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(unreadable(error)),
        };
        to.write_all(&buffer[..n]).map_err(ExportError::write)?;
    }
}
