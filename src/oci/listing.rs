//! Indexes with all that they say, for those that pass them on.
//!
//! Owns the fields that the specification gives a descriptor and an index, in the order of its Go structs, in which
//! every other tool writes them. A [`Descriptor`] has only what strata itself follows.

use std::collections::BTreeMap;

use oci_spec::image::SCHEMA_VERSION;
use serde::{Deserialize, Deserializer, Serialize};

use super::descriptor::Descriptor;
use super::digest::{Digest, ManifestDigest};
use super::json;
use super::manifest::{Document, ManifestError};
use super::media_type::MediaType;
use super::platform::Platform;

/// The annotations with the digest of what an attestation is about, the one that is written today first.
const SUBJECT_ANNOTATIONS: [&str; 2] = ["vnd.docker.reference.digest", "com.docker.reference.digest"];

/// A descriptor in full (image-spec, descriptor.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// What the content is.
    pub media_type: MediaType,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// Where else it is.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Remarks, by reverse domain names.
    #[serde(default, deserialize_with = "null_is_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The content itself, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<String>,
    /// What the image runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<EntryPlatform>,
    /// What an artifact is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
}

/// A platform in full. Its names are those that were written, not Go's for the same.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryPlatform {
    /// The architecture.
    #[serde(default)]
    pub architecture: String,
    /// The operating system.
    #[serde(default)]
    pub os: String,
    /// The version of the operating system.
    #[serde(rename = "os.version", default, skip_serializing_if = "Option::is_none")]
    pub os_version: Option<String>,
    /// What the operating system must have.
    #[serde(
        rename = "os.features",
        default,
        deserialize_with = "null_is_default",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub os_features: Vec<String>,
    /// The variant of the architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// An index in full (image-spec, image-index.md).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Listing {
    schema_version: u32,
    /// [`MediaType::Index`] or [`MediaType::DockerList`].
    pub media_type: MediaType,
    /// What an artifact is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    /// What it lists.
    pub manifests: Vec<Entry>,
    /// What it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Entry>,
    /// Remarks, by reverse domain names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// What is read of an index besides its type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    #[serde(default)]
    artifact_type: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    manifests: Vec<Entry>,
    #[serde(default)]
    subject: Option<Entry>,
    #[serde(default, deserialize_with = "null_is_default")]
    annotations: BTreeMap<String, String>,
}

impl Entry {
    /// Describes content of which nothing else is to be said.
    pub const fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self {
            media_type,
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            data: None,
            platform: None,
            artifact_type: None,
        }
    }

    /// What an attestation is about: BuildKit lists them beside the images, and says so in annotations.
    pub fn subject(&self) -> Option<Digest> {
        SUBJECT_ANNOTATIONS.iter().find_map(|key| self.annotations.get(*key)?.parse().ok())
    }

    /// What it runs on, by Go's names.
    pub fn platform(&self) -> Option<Platform> {
        self.platform.as_ref().map(EntryPlatform::normalized)
    }
}

impl EntryPlatform {
    /// The platform by Go's names.
    pub fn normalized(&self) -> Platform {
        Platform::normalized(&self.os, &self.architecture, self.variant.as_deref().unwrap_or_default())
    }
}

impl From<&Platform> for EntryPlatform {
    fn from(platform: &Platform) -> Self {
        let variant = Some(platform.variant.clone()).filter(|variant| !variant.is_empty());
        Self {
            architecture: platform.architecture.clone(),
            os: platform.os.clone(),
            variant,
            ..Self::default()
        }
    }
}

impl From<Entry> for Descriptor {
    fn from(entry: Entry) -> Self {
        Self {
            platform: entry.platform(),
            media_type: entry.media_type,
            digest: entry.digest,
            size: entry.size,
            annotations: entry.annotations,
        }
    }
}

impl Listing {
    /// An index that says nothing but what it lists.
    pub fn new(media_type: MediaType, manifests: Vec<Entry>) -> Self {
        Self {
            schema_version: SCHEMA_VERSION,
            media_type,
            artifact_type: None,
            manifests,
            subject: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Reads an index, as [`Document::from_json`] does; `None` if it is a manifest.
    pub fn from_json(bytes: &[u8], declared: Option<&MediaType>) -> Result<Option<Self>, ManifestError> {
        let Document::Index(index) = Document::from_json(bytes, declared)? else { return Ok(None) };
        let fields: Fields =
            json::object(bytes).map_err(|source| ManifestError::Json { what: "image index", source })?;
        Ok(Some(Self {
            schema_version: SCHEMA_VERSION,
            media_type: index.media_type,
            artifact_type: fields.artifact_type,
            manifests: fields.manifests,
            subject: fields.subject,
            annotations: fields.annotations,
        }))
    }

    /// The bytes whose digest names the index.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec_pretty(self)
            .unwrap_or_else(|error| unreachable!("strings, numbers and lists are always valid JSON: {error}"))
    }

    /// The digest of [`Listing::to_json`].
    pub fn digest(&self) -> ManifestDigest {
        ManifestDigest(Digest::of(&self.to_json()))
    }
}

/// Go writes `null` for a list or a map that was never filled.
fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that there can be, as Go writes it.
    const FULL: &str = r#"{
  "schemaVersion": 2,
  "mediaType": "application/vnd.oci.image.index.v1+json",
  "artifactType": "application/vnd.example",
  "manifests": [
    {
      "mediaType": "application/vnd.oci.image.manifest.v1+json",
      "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
      "size": 2,
      "urls": [
        "https://example.com"
      ],
      "annotations": {
        "a": "1"
      },
      "data": "e30=",
      "platform": {
        "architecture": "arm64",
        "os": "windows",
        "os.version": "10.0",
        "os.features": [
          "win32k"
        ],
        "variant": "v8"
      },
      "artifactType": "application/vnd.example"
    }
  ],
  "subject": {
    "mediaType": "text/plain",
    "digest": "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "size": 0
  },
  "annotations": {
    "b": "2"
  }
}"#;

    #[test]
    fn nothing_of_an_index_is_lost() {
        let listing = Listing::from_json(FULL.as_bytes(), None).unwrap().unwrap();
        assert_eq!(String::from_utf8(listing.to_json()).unwrap(), FULL);
        assert_eq!(listing.digest().0, Digest::of(FULL.as_bytes()));
        let platform = listing.manifests[0].platform().unwrap();
        assert_eq!(platform.to_string(), "windows/arm64");
    }

    #[test]
    fn a_manifest_is_no_index_and_null_is_an_empty_list() {
        let manifest = r#"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":null}"#;
        assert_eq!(Listing::from_json(manifest.as_bytes(), None).unwrap(), None);
        let empty = br#"{"schemaVersion":2,"manifests":null,"annotations":null}"#;
        let listing = Listing::from_json(empty, None).unwrap();
        assert_eq!(listing, Some(Listing::new(MediaType::Index, Vec::new())));
    }
}
