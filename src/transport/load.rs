//! Loads the images of an archive into the store.
//!
//! Owns the order of things: find out what the archive is, read and verify the documents of all its images, unpack
//! and verify the layers that the store lacks, two at a time, and only then publish. After an error the store is as
//! it was. Must not know who wrote the archive: what it is, is told by its content.
//!
//! Names: an entry of an OCI index names its image by `io.containerd.image.name`, or by
//! `org.opencontainers.image.ref.name` if that is a reference with a repository and a tag or digest, as skopeo and
//! podman write it. A mere word there (`latest`, as umoci writes it) is a tag of no repository: it names nothing in
//! the store and is reported in [`Loaded::tags`].

mod docker;
mod layers;
mod oci_index;
mod whole;

use std::collections::HashSet;

use crate::layer::Limits;
use crate::oci::layout::{INDEX_FILE, LAYOUT_FILE, check_layout_json};
use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{
    Descriptor, Digest, ImageConfig, ImageId, Manifest, ManifestDigest, MediaType, Platform, Reference,
};
use crate::progress::Reporter;

use super::Session;
use super::archive::{Archive, Input, Member};
use super::docker_archive::MANIFEST_FILE;
use super::load_error::{LoadError, Part, end};
use super::publish::{NewImage, publish};

/// The limits of archives: 512 GiB, and a thousandfold growth after the first 64 MiB.
pub const DEFAULT_LIMITS: Limits = Limits::FOREIGN;

/// How an archive is loaded.
#[derive(Debug, Clone)]
pub struct LoadOptions {
    /// How much a compressed archive, and each of its layers, may grow to.
    pub limits: Limits,
    /// Which image of an index is taken; `None` takes all if all are there, and else the one for this machine.
    pub platform: Option<Platform>,
    /// The one image of an OCI layout that is loaded, without a name; `None` loads all with their names.
    pub only: Option<ImageChoice>,
}

/// One image of an OCI layout. Without a tag and a digest it is the one called `latest`, or the only one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageChoice {
    /// Its tag. Does not count if there is a digest.
    pub tag: Option<String>,
    /// The digest of its manifest, or of an index that lists it.
    pub digest: Option<Digest>,
}

impl Default for LoadOptions {
    fn default() -> Self {
        Self { limits: DEFAULT_LIMITS, platform: None, only: None }
    }
}

/// An image that was loaded, or an index of images.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// Its manifest, or the index.
    pub manifest: ManifestDigest,
    /// What it goes by if it has no name: its image id, or the digest of the index.
    pub id: Digest,
    /// The names that it has now, and had in the archive.
    pub names: Vec<Reference>,
    /// Tags without a repository that it had in the archive; they are no names.
    pub tags: Vec<String>,
}

/// Loads all images of an archive that are for this machine, and those of indexes that it has all of.
pub fn load(
    session: Session<'_>,
    input: Input<'_>,
    options: &LoadOptions,
    reporter: &Reporter,
) -> Result<Vec<Loaded>, LoadError> {
    let step = reporter.start("read the archive");
    let contents = Archive::open(session, input, options.limits, &step)
        .and_then(|archive| read_images(&archive, options));
    let Contents { images, indexes, alone } = end(step, contents)?;
    let mut layers = layers::unpack(session, &images, options.limits, reporter)?;
    let mut new = Vec::with_capacity(images.len());
    let mut loaded = Vec::with_capacity(images.len());
    for image in images {
        let manifest = image.manifest_json(&layers);
        let manifest_digest = ManifestDigest(manifest.1);
        if indexes.is_empty() || alone.contains(&manifest.1) {
            loaded.push(Loaded {
                manifest: manifest_digest,
                id: image.id.0,
                names: image.names.references.clone(),
                tags: image.names.tags,
            });
        }
        new.push(NewImage {
            manifest: manifest_digest,
            manifest_json: manifest.2,
            media_type: manifest.0,
            id: image.id,
            config_json: image.config_json,
            names: image.names.references,
        });
    }
    let mut parts = layers.take_new();
    let mut new_indexes = Vec::with_capacity(indexes.len());
    for index in indexes {
        for other in &index.others {
            parts.blobs.push(other.keep(session)?);
        }
        loaded.push(index.loaded());
        new_indexes.push(index.into_new());
    }
    publish(session, parts, &new, &new_indexes)?;
    Ok(loaded)
}

/// What of an archive is to be loaded.
#[derive(Debug, Default)]
struct Contents {
    /// All images, each once.
    images: Vec<Image>,
    indexes: Vec<whole::Whole>,
    /// The manifests of the images that are there not only by an index.
    alone: HashSet<Digest>,
}

impl Contents {
    /// Images that each stand for themselves.
    fn of_images(images: Vec<Image>) -> Self {
        Self { images, ..Self::default() }
    }

    fn add(&mut self, images: Vec<Image>) {
        for image in images {
            match self.images.iter_mut().find(|there| there.digest() == image.digest()) {
                Some(there) => there.names.merge(image.names),
                None => self.images.push(image),
            }
        }
    }

    /// Takes names from images that an index has: one name stands for one thing.
    fn leave_names_to_indexes(&mut self) {
        for image in &mut self.images {
            let of_index =
                |name: &Reference| self.indexes.iter().any(|index| index.names.references.contains(name));
            image.names.references.retain(|name| !of_index(name));
            if !image.names.references.is_empty() {
                self.alone.extend(image.digest());
            }
        }
    }
}

/// What an image is called in an archive.
#[derive(Debug, Clone, Default)]
struct Names {
    references: Vec<Reference>,
    tags: Vec<String>,
}

impl Names {
    fn add(&mut self, reference: Reference) {
        if !self.references.contains(&reference) {
            self.references.push(reference);
        }
    }

    fn add_tag(&mut self, tag: &str) {
        if !self.tags.iter().any(|there| there == tag) {
            self.tags.push(tag.to_owned());
        }
    }

    /// The tags of all names.
    fn into_tags(self) -> impl Iterator<Item = String> {
        let of_references = self.references.into_iter().filter_map(|it| it.tag().map(str::to_owned));
        self.tags.into_iter().chain(of_references)
    }

    fn merge(&mut self, other: Self) {
        other.references.into_iter().for_each(|reference| self.add(reference));
        other.tags.iter().for_each(|tag| self.add_tag(tag));
    }
}

/// An image in an archive whose documents have been verified.
#[derive(Debug)]
struct Image {
    id: ImageId,
    config_json: Vec<u8>,
    /// The manifest that came with it: type, digest and bytes. Docker's older form has none.
    manifest: Option<(MediaType, Digest, Vec<u8>)>,
    layers: Vec<ForeignLayer>,
    names: Names,
}

/// A layer in an archive, with what the image says of it. Nothing of it has been verified.
#[derive(Debug, Clone)]
struct ForeignLayer {
    name: String,
    member: Member,
    diff_id: crate::oci::DiffId,
    /// The blob's digest, if a manifest says it.
    blob: Option<Digest>,
}

impl Image {
    /// The digest of the manifest that it came with.
    fn digest(&self) -> Option<Digest> {
        self.manifest.as_ref().map(|(_, digest, _)| *digest)
    }

    /// The manifest: its own, or one that is made of what the layers turned out to be.
    fn manifest_json(&self, layers: &layers::Unpacked<'_>) -> (MediaType, Digest, Vec<u8>) {
        if let Some(manifest) = &self.manifest {
            return manifest.clone();
        }
        let manifest = Manifest {
            media_type: MediaType::Manifest,
            config: Descriptor::of(MediaType::Config, &self.config_json),
            layers: self.layers.iter().map(|layer| layers.descriptor(&layer.diff_id)).collect(),
            annotations: std::collections::BTreeMap::default(),
        };
        let json = manifest.to_json();
        (manifest.media_type, Digest::of(&json), json)
    }
}

/// Reads the documents of all images that are to be loaded.
fn read_images(archive: &Archive, options: &LoadOptions) -> Result<Contents, LoadError> {
    let platform = options.platform.as_ref();
    let layout = archive.read(LAYOUT_FILE, DOCUMENT_MAX)?;
    let docker = archive.read(MANIFEST_FILE, DOCUMENT_MAX)?;
    let mut contents = match (layout, archive.read(INDEX_FILE, DOCUMENT_MAX)?) {
        (Some(layout), Some(index)) => {
            check_layout_json(&layout)?;
            if let Some(choice) = &options.only {
                let host = Platform::host();
                let image = oci_index::read_one(archive, &index, platform.unwrap_or(&host), choice)?;
                return Ok(Contents::of_images(vec![image]));
            }
            let mut contents = oci_index::read(archive, &index, platform)?;
            // Some versions of Docker name an image in their older form only.
            if let Some(docker) = docker {
                docker::add_names(&docker, &mut contents.images)?;
            }
            contents
        }
        _ => match docker {
            Some(docker) if options.only.is_none() => Contents::of_images(docker::read(archive, &docker)?),
            _ => return Err(LoadError::Unknown),
        },
    };
    if contents.images.is_empty() {
        return Err(LoadError::NoImages);
    }
    contents.leave_names_to_indexes();
    let images = contents.images.iter_mut().map(|image| &mut image.names);
    for names in images.chain(contents.indexes.iter_mut().map(|index| &mut index.names)) {
        names.references.sort();
    }
    Ok(contents)
}

/// Reads a config, which `digest` names if it is known.
fn read_config(
    name: &str,
    bytes: &[u8],
    digest: Option<Digest>,
) -> Result<(ImageId, ImageConfig), LoadError> {
    let found = Digest::of(bytes);
    if let Some(expected) = digest.filter(|expected| *expected != found) {
        return Err(LoadError::Digest { part: Part::Config, expected, found });
    }
    let config =
        ImageConfig::from_json(bytes).map_err(|source| LoadError::Json { name: name.to_owned(), source })?;
    Ok((ImageId(found), config))
}
