//! What goes out under one set of names: an image, or an index with all that it lists.
//!
//! Owns when there is an index, what stands in it, and in which order its parts are. Must not know the file or the
//! registry that it goes to.
//!
//! An index has its images first, then their companions: manifests that nobody runs, which say something of an image
//! and name it by the digest of its manifest. So they can be made only when the images have been prepared.

use std::collections::BTreeMap;

use crate::oci::{
    BlobDigest, Descriptor, Digest, Index, Manifest, ManifestDigest, MediaType, Platform, Reference,
};
use crate::store::{NewIndex, Store, StoreError, WorkDir};

use super::Session;
use super::error::ExportError;
use super::pack::{Blobs, Content, Exported, MediaTypes, Prepared};

/// What goes out under one set of names.
#[derive(Debug, Clone)]
pub struct Bundle {
    names: Vec<Reference>,
    images: Vec<Prepared>,
    companions: Vec<Companion>,
    index: Option<IndexDocument>,
}

/// An index as it goes out.
#[derive(Debug, Clone)]
struct IndexDocument {
    /// What a layout says of it.
    descriptor: Descriptor,
    json: Vec<u8>,
}

/// What an index that is made says besides.
#[derive(Debug, Clone, Default)]
pub struct IndexLook {
    /// Whose media type it has.
    pub types: MediaTypes,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What the index of a layout says of it.
    pub descriptor_annotations: BTreeMap<String, String>,
}

/// A manifest beside an image's, which nobody runs.
#[derive(Debug, Clone)]
pub struct Companion {
    /// What the index says of it. Its platform is one that no machine has.
    descriptor: Descriptor,
    manifest_json: Vec<u8>,
    /// Its config and its layers.
    blobs: Vec<(Digest, u64, Content)>,
}

impl Companion {
    /// A new one. `descriptor` is what the index is to say of the manifest; `blobs` are all that the manifest lists.
    pub fn new(descriptor: Descriptor, manifest_json: Vec<u8>, blobs: Vec<(Descriptor, Vec<u8>)>) -> Self {
        let blobs = blobs.into_iter().map(|(blob, bytes)| (blob.digest, blob.size, Content::Bytes(bytes)));
        Self { descriptor, manifest_json, blobs: blobs.collect() }
    }

    /// One that the store has, as an index lists it.
    fn stored(store: &Store, descriptor: Descriptor) -> Result<Self, ExportError> {
        let manifest_json = store.read_blob(&BlobDigest(descriptor.digest))?;
        let manifest = Manifest::from_json(&manifest_json).map_err(|source| ExportError::Manifest {
            manifest: ManifestDigest(descriptor.digest),
            source,
        })?;
        let blobs = manifest.layers.into_iter().chain([manifest.config]);
        let blobs = blobs.map(|blob| (blob.digest, blob.size, Content::Blob(BlobDigest(blob.digest))));
        Ok(Self { descriptor, manifest_json, blobs: blobs.collect() })
    }
}

impl Bundle {
    /// These images, at least one, with these companions. There is an index if that is more than one image.
    pub fn new(
        images: Vec<Prepared>,
        companions: Vec<Companion>,
        look: IndexLook,
        names: Vec<Reference>,
    ) -> Self {
        let index = (images.len() != 1 || !companions.is_empty()).then(|| {
            let images = images.iter().map(|image| image.exported.manifest.clone());
            let others = companions.iter().map(|companion| companion.descriptor.clone());
            let media_type = match look.types {
                MediaTypes::Oci => MediaType::Index,
                MediaTypes::Docker => MediaType::DockerList,
            };
            let (manifests, annotations) = (images.chain(others).collect(), look.annotations);
            let mut index = IndexDocument::new(&Index { media_type, manifests, annotations });
            index.descriptor.annotations = look.descriptor_annotations;
            index
        });
        Self { names, images, companions, index }
    }

    /// What an index in the store lists. Each of its images comes with the digest under which it is listed; the index
    /// keeps its bytes if these are still their digests.
    pub fn listed_by(
        store: &Store,
        json: Vec<u8>,
        images: Vec<(ManifestDigest, Prepared)>,
        names: Vec<Reference>,
    ) -> Result<Self, ExportError> {
        let digest = ManifestDigest(Digest::of(&json));
        let old =
            Index::from_json(&json).map_err(|source| ExportError::Manifest { manifest: digest, source })?;
        let mut index = old.clone();
        let mut companions = Vec::new();
        for entry in &mut index.manifests {
            match images.iter().find(|(listed, _)| listed.0 == entry.digest) {
                Some((_, image)) => {
                    let Descriptor { media_type, digest, size, .. } = image.exported.manifest.clone();
                    *entry = Descriptor { media_type, digest, size, ..entry.clone() };
                }
                None => companions.push(Companion::stored(store, entry.clone())?),
            }
        }
        let index = if index == old {
            IndexDocument { descriptor: Descriptor::of(index.media_type, &json), json }
        } else if companions.is_empty() {
            IndexDocument::new(&index)
        } else {
            return Err(ExportError::Attested { index: digest });
        };
        let images = images.into_iter().map(|(_, image)| image).collect();
        Ok(Self { names, images, companions, index: Some(index) })
    }

    /// What it is called.
    pub fn names(&self) -> &[Reference] {
        &self.names
    }

    /// Its images, in the order of the index.
    pub fn images(&self) -> &[Prepared] {
        &self.images
    }

    /// Whether it is an index.
    pub fn is_index(&self) -> bool {
        self.index.is_some()
    }

    /// What its names stand for: the index, or else the image's manifest.
    pub fn descriptor(&self) -> &Descriptor {
        match &self.index {
            Some(index) => &index.descriptor,
            None => &self.images[0].exported.manifest,
        }
    }

    /// The image that is taken where one is wanted: the one for a platform, or else the first.
    pub fn image_for(&self, platform: &Platform) -> &Prepared {
        let platforms = self.images.iter().map(|image| image.exported.manifest.platform.clone());
        &self.images[platform.choose(platforms).unwrap_or(0)]
    }

    /// All manifests, each after what it lists; the last one is what the names stand for.
    pub(super) fn manifests(&self) -> Vec<(&Descriptor, &[u8])> {
        let images = self.images.iter().map(|image| (&image.exported.manifest, &image.manifest_json[..]));
        let others =
            self.companions.iter().map(|companion| (&companion.descriptor, &companion.manifest_json[..]));
        let index = self.index.iter().map(|index| (&index.descriptor, &index.json[..]));
        images.chain(others).chain(index).collect()
    }

    /// All blobs that are no manifests, each once.
    pub(super) fn contents(&self, session: Session<'_>) -> Result<Blobs, ExportError> {
        let mut blobs = Blobs::new();
        for image in &self.images {
            for (digest, content) in image.contents(session)? {
                blobs.entry(digest).or_insert(content);
            }
        }
        for (digest, size, content) in self.companions.iter().flat_map(|companion| &companion.blobs) {
            blobs.entry(*digest).or_insert_with(|| (*size, content.clone()));
        }
        Ok(blobs)
    }

    /// All blobs, each once.
    pub(super) fn blobs(&self, session: Session<'_>) -> Result<Blobs, ExportError> {
        let mut blobs = self.contents(session)?;
        for (manifest, json) in self.manifests() {
            blobs.insert(manifest.digest, (manifest.size, Content::Bytes(json.to_vec())));
        }
        Ok(blobs)
    }

    /// Puts it into the store under its names; the layers of its images are there.
    pub fn store(&self, store: &Store, work: &WorkDir) -> Result<(), StoreError> {
        // Blobs belong to nobody until the rows are there.
        let _held = store.hold()?;
        let mut manifests = Vec::with_capacity(self.images.len());
        for image in &self.images {
            store.put_blob(work, &image.config_json)?;
            store.put_blob(work, &image.manifest_json)?;
            let Exported { manifest, id, .. } = &image.exported;
            let digest = ManifestDigest(manifest.digest);
            store.put_image(&digest, manifest.media_type.as_str(), manifest.size, id)?;
            manifests.push(digest);
        }
        let image = ManifestDigest(self.image_for(&Platform::host()).exported.manifest.digest);
        let Some(index) = &self.index else {
            return self.names.iter().try_for_each(|name| store.set_ref(&name.to_string(), &image));
        };
        store.put_blob(work, &index.json)?;
        let digest = ManifestDigest(index.descriptor.digest);
        store.put_index(NewIndex {
            digest: &digest,
            media_type: index.descriptor.media_type.as_str(),
            size: index.descriptor.size,
            images: &manifests,
            blobs: &self.store_companions(store, work)?,
        })?;
        self.names.iter().try_for_each(|name| store.set_index_ref(&name.to_string(), &digest, &image))
    }

    /// Gives what belongs to no image: the manifests of companions with their blobs.
    fn store_companions(&self, store: &Store, work: &WorkDir) -> Result<Vec<BlobDigest>, StoreError> {
        let mut blobs = Vec::new();
        for companion in &self.companions {
            store.put_blob(work, &companion.manifest_json)?;
            blobs.push(BlobDigest(companion.descriptor.digest));
            for (digest, _, content) in &companion.blobs {
                if let Content::Bytes(bytes) = content {
                    store.put_blob(work, bytes)?;
                }
                blobs.push(BlobDigest(*digest));
            }
        }
        Ok(blobs)
    }
}

impl IndexDocument {
    fn new(index: &Index) -> Self {
        let json = index.to_json();
        Self { descriptor: Descriptor::of(index.media_type.clone(), &json), json }
    }
}
