//! Indexes of which an archive has everything: these are taken as they are, with all their images and with what else
//! they list, so that they go out again under the same digest.
//!
//! An index of which something is missing is what most are: one image of it is chosen. So is one that lists other
//! indexes, or images for other operating systems, whose layers are made for other file systems.

use std::collections::HashSet;
use std::io;

use crate::oci::digest::Digester;
use crate::oci::layout::blob_path;
use crate::oci::{BlobDigest, Descriptor, Digest, Document, Index, Manifest, ManifestDigest, MediaType};
use crate::store::{Expected, WrittenBlob};

use super::super::Session;
use super::super::archive::{Archive, Member};
use super::super::load_error::{LoadError, Part};
use super::super::publish::{Keeping, NewList};
use super::oci_index::{read_document, read_image};
use super::{Image, Loaded, Names};

/// An index with all that it lists.
#[derive(Debug)]
pub(super) struct Whole {
    pub(super) digest: Digest,
    pub(super) media_type: MediaType,
    pub(super) json: Vec<u8>,
    /// The digests of its images' manifests, in its order.
    pub(super) images: Vec<Digest>,
    /// Its other manifests, with their configs and layers.
    pub(super) others: Vec<Other>,
    pub(super) names: Names,
}

/// A blob that belongs to no image. Nothing of it has been verified, unless it is a manifest.
#[derive(Debug)]
pub(super) struct Other {
    pub(super) digest: Digest,
    member: Member,
}

/// Reads an index with its images, which have no names by it. `None` if it is not to be taken whole.
pub(super) fn read(archive: &Archive, entry: &Descriptor) -> Result<Option<(Whole, Vec<Image>)>, LoadError> {
    if archive.find(&blob_path(&entry.digest))?.is_none() {
        return Ok(None);
    }
    let json = read_document(archive, entry, Part::Index)?;
    let Some(Document::Index(index)) = parsed(&json, entry) else { return Ok(None) };
    let Some(parts) = parts(archive, &index)? else { return Ok(None) };
    let mut whole = Whole {
        digest: entry.digest,
        media_type: index.media_type,
        json,
        images: Vec::new(),
        others: Vec::new(),
        names: Names::default(),
    };
    let mut images = Vec::new();
    for (entry, manifest) in parts {
        if is_image(&entry, &manifest) {
            whole.images.push(entry.digest);
            images.push(read_image(archive, &entry, Names::default())?);
            continue;
        }
        for digest in std::iter::once(entry.digest).chain(blobs(&manifest)) {
            if let Some(member) = archive.find(&blob_path(&digest))? {
                whole.others.push(Other { digest, member });
            }
        }
    }
    Ok((!images.is_empty()).then_some((whole, images)))
}

/// The manifests that an index lists, each once; `None` if it lists something else or something is missing.
fn parts(archive: &Archive, index: &Index) -> Result<Option<Vec<(Descriptor, Manifest)>>, LoadError> {
    let mut parts = Vec::new();
    let mut seen = HashSet::new();
    for entry in &index.manifests {
        if !seen.insert(entry.digest) {
            continue;
        }
        let is_foreign = entry.platform.as_ref().is_some_and(|own| own.os != "linux" && own.os != UNKNOWN);
        if is_foreign || archive.find(&blob_path(&entry.digest))?.is_none() {
            return Ok(None);
        }
        let json = read_document(archive, entry, Part::Manifest)?;
        let Some(Document::Manifest(manifest)) = parsed(&json, entry) else { return Ok(None) };
        for digest in blobs(&manifest) {
            if archive.find(&blob_path(&digest))?.is_none() {
                return Ok(None);
            }
        }
        parts.push((entry.clone(), manifest));
    }
    Ok(Some(parts))
}

fn parsed(json: &[u8], entry: &Descriptor) -> Option<Document> {
    Document::from_json(json, Some(&entry.media_type)).ok()
}

fn blobs(manifest: &Manifest) -> impl Iterator<Item = Digest> {
    std::iter::once(manifest.config.digest).chain(manifest.layers.iter().map(|layer| layer.digest))
}

/// The operating system and architecture of what runs nowhere.
const UNKNOWN: &str = "unknown";

/// Whether a manifest is one of an image, and not of something that is said of one.
fn is_image(entry: &Descriptor, manifest: &Manifest) -> bool {
    entry.platform.as_ref().is_none_or(|own| own.os != UNKNOWN)
        && manifest.config.media_type.is_config()
        && manifest.layers.iter().all(|layer| layer.media_type.is_layer())
}

impl Whole {
    /// What is told of it.
    pub(super) fn loaded(&self) -> Loaded {
        Loaded {
            manifest: ManifestDigest(self.digest),
            id: self.digest,
            names: self.names.references.clone(),
            tags: self.names.tags.clone(),
        }
    }

    /// What is published of it.
    pub(super) fn into_new(self) -> NewList {
        NewList {
            digest: ManifestDigest(self.digest),
            media_type: self.media_type,
            json: self.json,
            images: self.images.into_iter().map(ManifestDigest).collect(),
            blobs: self.others.iter().map(|other| BlobDigest(other.digest)).collect(),
            names: self.names.references,
        }
    }
}

impl Other {
    /// Copies the blob for the store, verified.
    pub(super) fn keep<'s>(&self, session: Session<'s>) -> Result<WrittenBlob<'s>, LoadError> {
        let to = session.store.blob_writer(session.work)?;
        let mut blob = Digester::new(Keeping { from: self.member.reader()?, to });
        io::copy(&mut blob, &mut io::sink()).map_err(LoadError::read)?;
        let (keeping, found, _) = blob.finish();
        if found != self.digest {
            return Err(LoadError::Digest { part: Part::Layer, expected: self.digest, found });
        }
        Ok(keeping.to.finish(Expected::Exactly(BlobDigest(found)))?)
    }
}
