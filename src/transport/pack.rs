//! Which documents and blobs make up an image when it leaves the store.
//!
//! Owns the choice between a layer's kept blob, its tar and a new compressed blob, and the manifest that follows
//! from that choice. Must not know the file that all this goes into.

use std::collections::{BTreeMap, BTreeSet};

use crate::layer::Compression;
use crate::oci::layout::ANNOTATION_STARGZ_TOC;
use crate::oci::{
    self, BlobDigest, Descriptor, DiffId, Digest, ImageConfig, ImageId, Manifest, ManifestDigest, MediaType,
    Platform,
};
use crate::progress::Step;
use crate::store::{Layer, Store, StoreError, TarSource};

use super::Session;
use super::error::ExportError;
use super::layer_source::{self, Encoded};
use super::meter::Meter;

/// An image whose layers are in the store.
#[derive(Debug, Clone)]
pub struct SourceImage {
    /// The bytes of its manifest. A layer is listed under the digest of a blob in the store or under its diff id.
    pub manifest_json: Vec<u8>,
    /// The bytes of its config.
    pub config_json: Vec<u8>,
    /// What an index says of the manifest besides.
    pub annotations: BTreeMap<String, String>,
}

impl SourceImage {
    /// Reads an image's documents in the store, verified.
    pub fn stored(store: &Store, manifest: &ManifestDigest) -> Result<Self, ExportError> {
        let manifest_json = store.read_blob(&BlobDigest(manifest.0))?;
        let config = parse_manifest(&manifest_json)?.config;
        let config_json = store.read_blob(&BlobDigest(config.digest))?;
        Ok(Self { manifest_json, config_json, annotations: BTreeMap::new() })
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
    /// This compression. Layers that came compressed stay as they are unless `force` is set.
    Compressed {
        /// How layers are compressed.
        compression: Compression,
        /// Whether that goes for layers that came compressed in another way, too.
        force: bool,
        /// What documents and layers are called.
        types: MediaTypes,
    },
}

/// Whose names documents and layers have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum MediaTypes {
    /// OCI's.
    #[default]
    Oci,
    /// Docker's. There is none for zstd that tools agree on, and its manifests have no annotations.
    Docker,
}

impl MediaTypes {
    fn manifest(self) -> MediaType {
        match self {
            Self::Oci => MediaType::Manifest,
            Self::Docker => MediaType::DockerManifest,
        }
    }

    fn config(self) -> MediaType {
        match self {
            Self::Oci => MediaType::Config,
            Self::Docker => MediaType::DockerConfig,
        }
    }

    fn layer(self, compression: oci::Compression) -> MediaType {
        match self {
            Self::Oci => MediaType::layer(compression),
            Self::Docker => MediaType::docker_layer(compression),
        }
    }

    /// The name of what `listed` names. A layer that may not be passed on stays one.
    fn of_layer(self, listed: &MediaType) -> MediaType {
        match (self, listed) {
            (Self::Oci, MediaType::DockerForeignGzip) => MediaType::ForeignGzip,
            (Self::Docker, MediaType::ForeignGzip) => MediaType::DockerForeignGzip,
            (_, MediaType::Foreign | MediaType::ForeignGzip | MediaType::ForeignZstd) => listed.clone(),
            (_, listed) => listed.compression().map_or_else(|| listed.clone(), |it| self.layer(it)),
        }
    }
}

impl Packing {
    /// This compression for all layers that have none, with OCI's names.
    pub const fn compressed(compression: Compression) -> Self {
        Self::Compressed { compression, force: false, types: MediaTypes::Oci }
    }
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

/// An image as it goes out. Its blobs are in the store, or can be written anew from what is there.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// What it is.
    pub exported: Exported,
    /// The bytes of its manifest.
    pub manifest_json: Vec<u8>,
    /// The bytes of its config.
    pub config_json: Vec<u8>,
    /// Its layers as they are in the store, lowest first.
    diff_ids: Vec<DiffId>,
    /// Blobs that were made for it just now: they were hashed when they were written, and need not be again.
    fresh: BTreeSet<Digest>,
}

impl Prepared {
    /// Where the bytes of its config and its layers come from.
    pub(super) fn contents(&self, session: Session<'_>) -> Result<Blobs, ExportError> {
        let config = (self.config_json.len() as u64, Content::Bytes(self.config_json.clone()));
        let mut blobs = Blobs::from([(self.exported.id.0, config)]);
        for (layer, diff_id) in self.exported.layers.iter().zip(&self.diff_ids) {
            let content = if layer.digest == diff_id.0 {
                Content::Tar(Box::new(stored_layer(session, diff_id)?))
            } else if self.fresh.contains(&layer.digest) {
                Content::Fresh(BlobDigest(layer.digest))
            } else {
                Content::Blob(BlobDigest(layer.digest))
            };
            blobs.insert(layer.digest, (layer.size, content));
        }
        Ok(blobs)
    }
}

fn stored_layer(session: Session<'_>, diff_id: &DiffId) -> Result<Layer, ExportError> {
    Ok(session.store.layer(diff_id, session.work)?.ok_or(StoreError::NoLayer(*diff_id))?)
}

/// An image as its manifest lists it.
pub fn listed(image: &SourceImage) -> Result<Prepared, ExportError> {
    let parsed = Parsed::new(image)?;
    let layers = parsed.manifest.layers.clone();
    Ok(parsed.finish(layers, Packing::AsListed, BTreeSet::new()))
}

/// Decides how images go out, and has the compressed blobs of their layers in the store then.
pub fn prepare(
    session: Session<'_>,
    images: &[SourceImage],
    packing: Packing,
    step: &Step<'_>,
) -> Result<Vec<Prepared>, ExportError> {
    let parsed: Vec<Parsed<'_>> = images.iter().map(Parsed::new).collect::<Result<_, _>>()?;
    let plans: Vec<Vec<Plan>> =
        parsed.iter().map(|image| image.plan(session, packing)).collect::<Result<_, _>>()?;
    let to_compress = plans.iter().flatten().map(|plan| match &plan.choice {
        Choice::Compress(layer, _) => layer.tar_size,
        Choice::Ready => 0,
    });
    let meter = Meter::new(step, session.cancel, Some(to_compress.sum()));
    let mut prepared = Vec::with_capacity(parsed.len());
    for (mut image, plans) in parsed.into_iter().zip(plans) {
        let mut layers = Vec::with_capacity(plans.len());
        let mut fresh = BTreeSet::new();
        for (plan, diff_id) in plans.into_iter().zip(&mut image.config.rootfs.diff_ids) {
            let Packed { descriptor, is_fresh, tar } = plan.carry_out(session, packing, &meter)?;
            fresh.extend(is_fresh.then_some(descriptor.digest));
            layers.push(descriptor);
            *diff_id = tar.unwrap_or(*diff_id);
        }
        prepared.push(image.finish(layers, packing, fresh));
    }
    Ok(prepared)
}

/// Where the bytes of a blob come from.
#[derive(Debug, Clone)]
pub(super) enum Content {
    /// They are these.
    Bytes(Vec<u8>),
    /// They are a blob in the store.
    Blob(BlobDigest),
    /// They are a blob that was made just now.
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
    /// Nothing: it is there.
    Ready,
    Compress(Layer, Compression),
}

/// A layer as it goes out.
struct Packed {
    descriptor: Descriptor,
    /// Whether its blob was made just now.
    is_fresh: bool,
    /// The digest of what it decompresses to, if that is more than the layer's own tar.
    tar: Option<DiffId>,
}

/// An image whose documents were read.
struct Parsed<'a> {
    source: &'a SourceImage,
    manifest: Manifest,
    /// With the layers as they go out.
    config: ImageConfig,
    /// The layers as they are in the store.
    diff_ids: Vec<DiffId>,
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
        Ok(Self { source, manifest, diff_ids: config.rootfs.diff_ids.clone(), config, id })
    }

    fn plan(&self, session: Session<'_>, packing: Packing) -> Result<Vec<Plan>, ExportError> {
        let layers = self.manifest.layers.iter().zip(&self.diff_ids);
        layers.map(|(listed, diff_id)| plan_layer(session, listed, diff_id, packing)).collect()
    }

    /// The image with these layers. The manifest keeps its bytes if it lists them as they are.
    fn finish(self, layers: Vec<Descriptor>, packing: Packing, fresh: BTreeSet<Digest>) -> Prepared {
        let mut manifest = Manifest { layers, ..self.manifest.clone() };
        if let Packing::Compressed { types, .. } = packing {
            manifest.media_type = types.manifest();
            manifest.config.media_type = types.config();
        }
        let (id, config_json) = self.config_json();
        if id != self.id {
            manifest.config = Descriptor::of(manifest.config.media_type, &config_json);
        }
        let same = manifest == self.manifest;
        let manifest_json = if same { self.source.manifest_json.clone() } else { manifest.to_json() };
        let platform = Platform::normalized(
            &self.config.os,
            &self.config.architecture,
            self.config.variant.as_deref().unwrap_or_default(),
        );
        let mut descriptor = Descriptor::of(manifest.media_type.clone(), &manifest_json);
        descriptor.platform = Some(platform);
        descriptor.annotations.clone_from(&self.source.annotations);
        let exported = Exported { manifest: descriptor, id, layers: manifest.layers };
        Prepared { exported, manifest_json, config_json, diff_ids: self.diff_ids, fresh }
    }

    /// The config that names the layers as they go out: its own bytes, unless some of them hold more than they did.
    fn config_json(&self) -> (ImageId, Vec<u8>) {
        if self.diff_ids == self.config.rootfs.diff_ids {
            return (self.id, self.source.config_json.clone());
        }
        (self.config.id(), self.config.to_json())
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
    let ready = |descriptor| Plan { descriptor, choice: Choice::Ready };
    let layer = || stored_layer(session, diff_id);
    match packing {
        Packing::AsListed if is_tar => {
            // It is held from now on.
            layer()?;
            Ok(ready(listed.clone()))
        }
        Packing::AsListed if kept => Ok(ready(listed.clone())),
        Packing::AsListed => plan_anew(session, listed, diff_id, &listed_blob),
        Packing::Compressed { force: false, types, .. } if kept => {
            let media_type = types.of_layer(&listed.media_type);
            Ok(ready(Descriptor { media_type, ..listed.clone() }))
        }
        Packing::Compressed { compression, force, types } => {
            let layer = layer()?;
            match layer.source {
                TarSource::Blob(blob) if !force && blob.0 != diff_id.0 => {
                    let size = store.blob_size(&blob)?.ok_or(StoreError::NoBlob(blob))?;
                    let media_type = types.layer(layer_source::compression_of(session, &blob)?);
                    Ok(ready(described(listed, media_type, blob.0, size)))
                }
                _ if compression == Compression::None => {
                    let size = layer.tar_size;
                    let media_type = types.layer(oci::Compression::None);
                    Ok(ready(described(listed, media_type, diff_id.0, size)))
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
        packing: Packing,
        meter: &Meter<'_>,
    ) -> Result<Packed, ExportError> {
        let (layer, compression) = match self.choice {
            Choice::Ready => {
                return Ok(Packed { descriptor: self.descriptor, is_fresh: false, tar: None });
            }
            Choice::Compress(layer, compression) => (layer, compression),
        };
        let types = match packing {
            Packing::Compressed { types, .. } => types,
            Packing::AsListed => MediaTypes::Oci,
        };
        let (Encoded { blob, size, seal }, is_fresh) = encoded(session, &layer, compression, meter)?;
        let media_type = types.layer(match compression {
            Compression::None => oci::Compression::None,
            Compression::Gzip(_) | Compression::Estargz(_) => oci::Compression::Gzip,
            Compression::Zstd(_) => oci::Compression::Zstd,
        });
        let mut descriptor = described(&self.descriptor, media_type, blob.0, size);
        if let Some(seal) = seal {
            descriptor.annotations.insert(ANNOTATION_STARGZ_TOC.to_owned(), seal.toc.to_string());
        }
        Ok(Packed { descriptor, is_fresh, tar: seal.map(|seal| DiffId(seal.tar)) })
    }
}

/// A layer's compressed blob: the one that was made before, or a new one, and which of the two it is.
fn encoded(
    session: Session<'_>,
    layer: &Layer,
    compression: Compression,
    meter: &Meter<'_>,
) -> Result<(Encoded, bool), ExportError> {
    if let Some(encoded) = layer_source::remembered(session, &layer.diff_id, compression)? {
        meter.add(layer.tar_size).map_err(|_| ExportError::Canceled)?;
        return Ok((encoded, false));
    }
    Ok((layer_source::compress(session, layer, compression, meter)?, true))
}

/// `listed`, pointing to other bytes of the same layer.
fn described(listed: &Descriptor, media_type: MediaType, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type, digest, size, ..listed.clone() }
}
