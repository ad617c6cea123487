//! Manifests and indexes, OCI's and Docker's, as strata reads and writes them.
//!
//! What comes in is read once, here, into types of our own, not `oci-spec`'s: with checked digests, without optional
//! fields that strata has no use for, and with sorted annotations (`oci-spec` keeps them in hash maps, so that its own
//! JSON has another order, and another digest, at every run). What goes out is written from the same types:
//! pretty-printed with two spaces in the order of the specification's Go structs, as BuildKit does.
//!
//! A document that came from outside keeps its own bytes in the store; these types are only what it says.

mod outline;

use std::collections::BTreeMap;

use oci_spec::image as spec;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::descriptor::Descriptor;
use super::digest::{Digest, ManifestDigest};
use super::json::{self, JsonError};
use super::media_type::MediaType;
use outline::{IndexFields, ManifestFields, Outline};

/// How big a manifest or an index may be, in bytes: the limit of Docker's registry and of containerd.
pub const DOCUMENT_MAX: u64 = 4 << 20;

/// The manifest of one image (image-spec, manifest.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// [`MediaType::Manifest`] or [`MediaType::DockerManifest`].
    pub media_type: MediaType,
    /// The image config.
    pub config: Descriptor,
    /// The layers, lowest first.
    pub layers: Vec<Descriptor>,
    /// Remarks, by reverse domain names; Docker's format has none.
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// [`MediaType::Index`] or [`MediaType::DockerList`].
    pub media_type: MediaType,
    /// The manifests, in order of preference. Some may be indexes.
    pub manifests: Vec<Descriptor>,
    /// Remarks, by reverse domain names; Docker's format has none.
    pub annotations: BTreeMap<String, String>,
}

/// What a reference can point to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Document {
    /// One image.
    Manifest(Manifest),
    /// A list of images.
    Index(Index),
}

/// Bytes are not a manifest or an index that strata can use.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// The document is bigger than any that makes sense.
    #[error("the manifest has {size} bytes, more than {DOCUMENT_MAX}")]
    TooBig {
        /// Its size in bytes.
        size: u64,
    },
    /// It is not JSON, or has fields of wrong types, or lacks some.
    #[error("not a valid {what}")]
    Json {
        /// What it should have been.
        what: &'static str,
        /// What is wrong with it.
        source: JsonError,
    },
    /// It is of a generation that strata does not read. Version 1 is Docker's format from before 2016.
    #[error("{}", if found.is_null() { "it has no `schemaVersion`, which should be 2".to_owned() } else { format!("schema version {found} is not supported: only version 2 is") })]
    SchemaVersion {
        /// The version; `null` if there is none.
        found: Value,
    },
    /// Its type is neither a manifest nor an index, or not what the caller was told to expect.
    #[error("the media type is `{found}`, expected {expected}")]
    MediaType {
        /// Its type.
        found: MediaType,
        /// What would have been right.
        expected: &'static str,
    },
    /// It has the fields of both a manifest and an index, so that two readers could see two images (CVE-2021-41190).
    #[error("the document is a manifest and an index at once")]
    Ambiguous,
    /// It has the fields of neither.
    #[error("the document is neither a manifest nor an index: it has no `config`, `layers` or `manifests`")]
    Unknown,
}

impl Document {
    /// Reads a manifest or an index. What it is, is told by its `mediaType` or, where that is missing, its fields;
    /// `declared` is the type by which a descriptor or a registry announced it, and must agree.
    pub fn from_json(bytes: &[u8], declared: Option<&MediaType>) -> Result<Self, ManifestError> {
        let document = Checked::parse(bytes)?;
        let media_type = match (&document.media_type, declared) {
            (Some(own), Some(declared)) if own != declared => {
                let expected = if declared.is_index() { "an image index" } else { "an image manifest" };
                return Err(ManifestError::MediaType { found: own.clone(), expected });
            }
            (Some(media_type), _) | (None, Some(media_type)) => media_type.clone(),
            (None, None) if document.has_manifests => MediaType::Index,
            (None, None) => MediaType::Manifest,
        };
        if media_type.is_index() {
            document.index(media_type).map(Self::Index)
        } else if media_type.is_manifest() {
            document.manifest(media_type).map(Self::Manifest)
        } else {
            Err(ManifestError::MediaType {
                found: media_type,
                expected: "an image manifest or an image index",
            })
        }
    }
}

impl Manifest {
    /// Reads the manifest of one image.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        match Document::from_json(bytes, None)? {
            Document::Manifest(manifest) => Ok(manifest),
            Document::Index(index) => {
                Err(ManifestError::MediaType { found: index.media_type, expected: "an image manifest" })
            }
        }
    }

    /// The bytes whose digest names the manifest.
    pub fn to_json(&self) -> Vec<u8> {
        pretty(&ManifestJson {
            schema_version: spec::SCHEMA_VERSION,
            media_type: &self.media_type,
            config: &self.config,
            layers: &self.layers,
            annotations: &self.annotations,
        })
    }

    /// The digest of [`Manifest::to_json`].
    pub fn digest(&self) -> ManifestDigest {
        ManifestDigest(Digest::of(&self.to_json()))
    }
}

impl Index {
    /// Reads an index. The `index.json` of a layout that holds nothing has `null` for its list; that is an empty
    /// list.
    pub fn from_json(bytes: &[u8]) -> Result<Self, ManifestError> {
        match Document::from_json(bytes, None)? {
            Document::Index(index) => Ok(index),
            Document::Manifest(manifest) => {
                Err(ManifestError::MediaType { found: manifest.media_type, expected: "an image index" })
            }
        }
    }

    /// The bytes whose digest names the index.
    pub fn to_json(&self) -> Vec<u8> {
        pretty(&IndexJson {
            schema_version: spec::SCHEMA_VERSION,
            media_type: &self.media_type,
            manifests: &self.manifests,
            annotations: &self.annotations,
        })
    }

    /// The digest of [`Index::to_json`].
    pub fn digest(&self) -> ManifestDigest {
        ManifestDigest(Digest::of(&self.to_json()))
    }
}

/// A manifest's fields in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestJson<'a> {
    schema_version: u32,
    media_type: &'a MediaType,
    config: &'a Descriptor,
    layers: &'a [Descriptor],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

/// An index's fields in the order in which they are written.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct IndexJson<'a> {
    schema_version: u32,
    media_type: &'a MediaType,
    manifests: &'a [Descriptor],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

fn pretty(document: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(document)
        .unwrap_or_else(|error| unreachable!("strings, numbers and lists are always valid JSON: {error}"))
}

/// A document of a known generation that is not two things at once.
struct Checked<'a> {
    bytes: &'a [u8],
    media_type: Option<MediaType>,
    has_manifests: bool,
}

impl<'a> Checked<'a> {
    fn parse(bytes: &'a [u8]) -> Result<Self, ManifestError> {
        let size = bytes.len() as u64;
        if size > DOCUMENT_MAX {
            return Err(ManifestError::TooBig { size });
        }
        let outline: Outline = read(bytes, "image manifest or image index")?;
        if outline.schema_version.0 != spec::SCHEMA_VERSION {
            return Err(ManifestError::SchemaVersion { found: outline.schema_version.0 });
        }
        let has_manifests = outline.manifests.is_some();
        match (has_manifests, outline.config.is_some() || outline.layers.is_some()) {
            (true, true) => return Err(ManifestError::Ambiguous),
            (false, false) => return Err(ManifestError::Unknown),
            _ => {}
        }
        Ok(Self { bytes, media_type: outline.media_type, has_manifests })
    }

    fn manifest(self, media_type: MediaType) -> Result<Manifest, ManifestError> {
        const WHAT: &str = "image manifest";
        let fields: ManifestFields = read(self.bytes, WHAT)?;
        Ok(Manifest {
            media_type,
            config: fields.config,
            layers: fields.layers.unwrap_or_default(),
            annotations: fields.annotations.unwrap_or_default(),
        })
    }

    fn index(self, media_type: MediaType) -> Result<Index, ManifestError> {
        const WHAT: &str = "image index";
        let fields: IndexFields = read(self.bytes, WHAT)?;
        Ok(Index {
            media_type,
            manifests: fields.manifests.unwrap_or_default(),
            annotations: fields.annotations.unwrap_or_default(),
        })
    }
}

fn read<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &'static str) -> Result<T, ManifestError> {
    json::object(bytes).map_err(|source| ManifestError::Json { what, source })
}

#[cfg(test)]
mod tests;
