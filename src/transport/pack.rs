//! Which documents and blobs make up an image when it leaves the store.
//!
//! Owns the choice between a layer's kept blob, its tar and a new compressed blob, and the manifest that follows
//! from that choice. Must not know the file that all this goes into.

use std::collections::BTreeMap;

use crate::layer::Compression;
use crate::oci::{
    self, BlobDigest, Descriptor, DiffId, Digest, ImageConfig, ImageId, Manifest, ManifestDigest, MediaType,
    Platform, Reference,
};
use crate::progress::Step;
use crate::store::{Layer, Store, StoreError, TarSource};

use super::Session;
use super::error::ExportError;
use super::layer_source;
use super::meter::Meter;

/// An image whose layers are in the store, and the names that it has in what is written.
#[derive(Debug, Clone)]
pub struct SourceImage {
    /// The bytes of its manifest. A layer is listed under the digest of a blob in the store or under its diff id.
    pub manifest_json: Vec<u8>,
    /// The bytes of its config.
    pub config_json: Vec<u8>,
    /// Its names; there may be none.
    pub names: Vec<Reference>,
}

impl SourceImage {
    /// Reads an image's documents in the store, verified.
    pub fn stored(
        store: &Store,
        manifest: &ManifestDigest,
        names: Vec<Reference>,
    ) -> Result<Self, ExportError> {
        let manifest_json = store.read_blob(&BlobDigest(manifest.0))?;
        let config = parse_manifest(&manifest_json)?.config;
        let config_json = store.read_blob(&BlobDigest(config.digest))?;
        Ok(Self { manifest_json, config_json, names })
    }
}

fn parse_manifest(json: &[u8]) -> Result<Manifest, ExportError> {
    let manifest = ManifestDigest(Digest::of(json));
    Manifest::from_json(json).map_err(|source| ExportError::Manifest { manifest, source })
}

/// Which bytes stand for a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    /// Those that the manifest in the store lists, so that no digest changes: the blobs that an image came with,
    /// and the plain tars of what was built here.
    AsListed,
    /// This compression, with OCI's media types. Layers that came compressed stay as they are unless `force` is set.
    Compressed {
        /// How layers are compressed.
        compression: Compression,
        /// Whether that goes for layers that came compressed in another way, too.
        force: bool,
    },
}

/// What an image is in the file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Its manifest, with the platform.
    pub manifest: Descriptor,
    /// Its image id.
    pub id: ImageId,
    /// Its layers as the manifest lists them, lowest first.
    pub layers: Vec<Descriptor>,
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// They are these.
    Bytes(Vec<u8>),
    /// They are a blob in the store.
    Blob(BlobDigest),
    /// They are a blob that was made just now: it was hashed when it was written, and need not be again.
    Fresh(BlobDigest),
    /// They are the tar of a layer.
    Tar(Box<Layer>),
}

/// All blobs of some images, each once, in the order of their digests.
pub(super) type Blobs = BTreeMap<Digest, (u64, Content)>;

/// A layer and what is to become of it.
struct Plan {
    descriptor: Descriptor,
    choice: Choice,
}

enum Choice {
    Ready(Content),
    Compress(Layer, Compression),
}

/// Decides how the images go out, compresses what must be compressed, and lists the blobs.
pub(super) fn pack(
    session: Session<'_>,
    images: &[SourceImage],
    packing: Packing,
    step: &Step<'_>,
) -> Result<(Vec<Exported>, Blobs), ExportError> {
    let stored: Vec<Parsed<'_>> = images.iter().map(Parsed::new).collect::<Result<_, _>>()?;
    let plans: Vec<Vec<Plan>> =
        stored.iter().map(|image| image.plan(session, packing)).collect::<Result<_, _>>()?;
    let to_compress = plans.iter().flatten().map(|plan| match &plan.choice {
        Choice::Compress(layer, _) => layer.tar_size,
        Choice::Ready(_) => 0,
    });
    let meter = Meter::new(step, session.cancel, Some(to_compress.sum()));
    let mut blobs = Blobs::new();
    let mut exported = Vec::with_capacity(stored.len());
    for (image, plans) in stored.into_iter().zip(plans) {
        let mut layers = Vec::with_capacity(plans.len());
        for plan in plans {
            let (descriptor, content) = plan.carry_out(session, &meter)?;
            blobs.entry(descriptor.digest).or_insert((descriptor.size, content));
            layers.push(descriptor);
        }
        exported.push(image.finish(layers, packing, &mut blobs));
    }
    Ok((exported, blobs))
}

/// An image whose documents were read.
struct Parsed<'a> {
    source: &'a SourceImage,
    manifest: Manifest,
    config: ImageConfig,
    id: ImageId,
}

impl<'a> Parsed<'a> {
    fn new(source: &'a SourceImage) -> Result<Self, ExportError> {
        let manifest = parse_manifest(&source.manifest_json)?;
        let id = ImageId(Digest::of(&source.config_json));
        let config = ImageConfig::from_json(&source.config_json)
            .map_err(|source| ExportError::Config { id, source })?;
        let (diff_ids, layers) = (config.rootfs.diff_ids.len(), manifest.layers.len());
        if diff_ids != layers {
            return Err(ExportError::LayerCount { id, diff_ids, layers });
        }
        Ok(Self { source, manifest, config, id })
    }

    fn plan(&self, session: Session<'_>, packing: Packing) -> Result<Vec<Plan>, ExportError> {
        let layers = self.manifest.layers.iter().zip(&self.config.rootfs.diff_ids);
        layers.map(|(listed, diff_id)| plan_layer(session, listed, diff_id, packing)).collect()
    }

    /// Adds the documents to `blobs`. The manifest keeps its bytes if it lists the layers as they are.
    fn finish(self, layers: Vec<Descriptor>, packing: Packing, blobs: &mut Blobs) -> Exported {
        let mut manifest = Manifest { layers, ..self.manifest.clone() };
        if packing != Packing::AsListed {
            manifest.media_type = MediaType::Manifest;
            manifest.config.media_type = MediaType::Config;
        }
        let same = manifest == self.manifest;
        let json = if same { self.source.manifest_json.clone() } else { manifest.to_json() };
        let platform = Platform::normalized(
            &self.config.os,
            &self.config.architecture,
            self.config.variant.as_deref().unwrap_or_default(),
        );
        let mut descriptor = Descriptor::of(manifest.media_type.clone(), &json);
        descriptor.platform = Some(platform);
        let config_json = self.source.config_json.clone();
        blobs.insert(self.id.0, (config_json.len() as u64, Content::Bytes(config_json)));
        blobs.insert(descriptor.digest, (descriptor.size, Content::Bytes(json)));
        Exported { manifest: descriptor, id: self.id, layers: manifest.layers }
    }
}

fn plan_layer(
    session: Session<'_>,
    listed: &Descriptor,
    diff_id: &DiffId,
    packing: Packing,
) -> Result<Plan, ExportError> {
    let store = session.store;
    let is_tar = listed.digest == diff_id.0;
    let listed_blob = BlobDigest(listed.digest);
    let kept = !is_tar && store.blob_size(&listed_blob)?.is_some();
    let keep = |descriptor| Plan { descriptor, choice: Choice::Ready(Content::Blob(listed_blob)) };
    let layer = || -> Result<Layer, ExportError> {
        Ok(store.layer(diff_id, session.work)?.ok_or(StoreError::NoLayer(*diff_id))?)
    };
    let tar = |descriptor, layer| Plan { descriptor, choice: Choice::Ready(Content::Tar(Box::new(layer))) };
    match packing {
        Packing::AsListed if is_tar => Ok(tar(listed.clone(), layer()?)),
        Packing::AsListed if kept => Ok(keep(listed.clone())),
        Packing::AsListed => plan_anew(session, listed, diff_id, &listed_blob),
        Packing::Compressed { force: false, .. } if kept => Ok(keep(oci_layer(listed))),
        Packing::Compressed { compression, force } => {
            let layer = layer()?;
            match layer.source {
                TarSource::Blob(blob) if !force && blob.0 != diff_id.0 => {
                    let size = store.blob_size(&blob)?.ok_or(StoreError::NoBlob(blob))?;
                    let media_type = MediaType::layer(layer_source::compression_of(session, &blob)?);
                    let choice = Choice::Ready(Content::Blob(blob));
                    Ok(Plan { descriptor: described(listed, media_type, blob.0, size), choice })
                }
                _ if compression == Compression::None => {
                    let size = layer.tar_size;
                    Ok(tar(described(listed, MediaType::Layer, diff_id.0, size), layer))
                }
                // The digest follows when it is known.
                _ => Ok(Plan { descriptor: listed.clone(), choice: Choice::Compress(layer, compression) }),
            }
        }
    }
}

/// A listed blob that the store does not have, because the layer was there in another form when the image came: the layer
/// is compressed in the same way, and gets another digest if that was another program's.
fn plan_anew(
    session: Session<'_>,
    listed: &Descriptor,
    diff_id: &DiffId,
    blob: &BlobDigest,
) -> Result<Plan, ExportError> {
    let compression = match listed.media_type.compression() {
        Some(oci::Compression::Gzip) => Compression::GZIP,
        Some(oci::Compression::Zstd) => Compression::ZSTD,
        Some(oci::Compression::None) | None => return Err(StoreError::NoBlob(*blob).into()),
    };
    let layer = session.store.layer(diff_id, session.work)?.ok_or(StoreError::NoBlob(*blob))?;
    Ok(Plan { descriptor: listed.clone(), choice: Choice::Compress(layer, compression) })
}

impl Plan {
    fn carry_out(
        self,
        session: Session<'_>,
        meter: &Meter<'_>,
    ) -> Result<(Descriptor, Content), ExportError> {
        match self.choice {
            Choice::Ready(content) => Ok((self.descriptor, content)),
            Choice::Compress(layer, compression) => {
                let (blob, size, content) = compressed(session, &layer, compression, meter)?;
                let media_type = MediaType::layer(match compression {
                    Compression::None => oci::Compression::None,
                    Compression::Gzip(_) => oci::Compression::Gzip,
                    Compression::Zstd(_) => oci::Compression::Zstd,
                });
                Ok((described(&self.descriptor, media_type, blob.0, size), content))
            }
        }
    }
}

/// A layer's compressed blob: the one that was made before, or a new one.
fn compressed(
    session: Session<'_>,
    layer: &Layer,
    compression: Compression,
    meter: &Meter<'_>,
) -> Result<(BlobDigest, u64, Content), ExportError> {
    if let Some((blob, size)) = layer_source::remembered(session, &layer.diff_id, compression)? {
        meter.add(layer.tar_size).map_err(|_| ExportError::Canceled)?;
        return Ok((blob, size, Content::Blob(blob)));
    }
    let (blob, size) = layer_source::compress(session, layer, compression, meter)?;
    Ok((blob, size, Content::Fresh(blob)))
}

/// `listed`, pointing to other bytes of the same layer.
fn described(listed: &Descriptor, media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type, digest, size, ..listed.clone() }
}

/// `listed` with OCI's name for what Docker calls otherwise.
fn oci_layer(listed: &Descriptor) -> Descriptor {
    let media_type = match &listed.media_type {
        MediaType::DockerLayer => MediaType::Layer,
        MediaType::DockerLayerGzip => MediaType::LayerGzip,
        MediaType::DockerLayerZstd => MediaType::LayerZstd,
        MediaType::DockerForeignGzip => MediaType::ForeignGzip,
        other => other.clone(),
    };
    Descriptor { media_type, ..listed.clone() }
}
