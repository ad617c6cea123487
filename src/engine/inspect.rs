//! An image as `docker inspect` shows it, and its documents as they are stored.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::oci::{BlobDigest, Document, Index, ManifestDigest, Platform, Reference};
use crate::store::{Driver, ImageRow};

use super::Engine;
use super::error::EngineError;
use super::find::familiar;

/// A manifest or an index in the store.
#[derive(Debug, Clone)]
pub struct StoredDocument {
    /// What it was asked for by.
    pub name: String,
    /// The media type.
    pub media_type: String,
    /// Its digest.
    pub digest: ManifestDigest,
    /// What the image runs on; not known of an index.
    pub platform: Option<Platform>,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
    /// For an index, the manifests that it lists and that are in the store.
    pub manifests: Vec<StoredDocument>,
}

impl Engine {
    /// The manifest of the image that `text` names, or the index if it names one.
    pub fn document(&self, text: &str) -> Result<StoredDocument, EngineError> {
        let named = self.find_named(text)?;
        let name = text.parse::<Reference>().map_or_else(|_| text.to_owned(), |name| name.to_string());
        self.stored_document(name, named.digest())
    }

    fn stored_document(&self, name: String, digest: ManifestDigest) -> Result<StoredDocument, EngineError> {
        let bytes = self.store.read_blob(&BlobDigest(digest.0))?;
        let (media_type, platform, manifests) = match Document::from_json(&bytes, None)? {
            Document::Manifest(manifest) => {
                let config = self.store.read_blob(&BlobDigest(manifest.config.digest));
                let config = config.ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
                (manifest.media_type, config, Vec::new())
            }
            Document::Index(index) => (index.media_type.clone(), None, self.stored_manifests(&name, &index)?),
        };
        Ok(StoredDocument {
            name,
            media_type: media_type.as_str().to_owned(),
            digest,
            platform,
            bytes,
            manifests,
        })
    }

    fn stored_manifests(&self, name: &str, index: &Index) -> Result<Vec<StoredDocument>, EngineError> {
        let mut manifests = Vec::new();
        for entry in &index.manifests {
            if self.store.blob_size(&BlobDigest(entry.digest))?.is_some() {
                let name = format!("{name}@{}", entry.digest);
                manifests.push(self.stored_document(name, ManifestDigest(entry.digest))?);
            }
        }
        Ok(manifests)
    }

    /// Under which digests an image is known: those that registries have it under, and where it has a name and has
    /// never been in a registry, that of its manifest here.
    fn digests(&self, row: &ImageRow) -> Result<Vec<String>, EngineError> {
        let known = self.store.repo_digests(&row.manifest)?;
        let mut digests: BTreeSet<String> =
            known.iter().map(|(name, digest)| familiar(&format!("{name}@{digest}"))).collect();
        for name in row.names.iter().filter_map(|name| name.parse::<Reference>().ok()) {
            if !known.iter().any(|(repository, _)| *repository == name.name()) {
                digests.insert(format!("{}@{}", name.familiar_name(), row.manifest));
            }
        }
        Ok(digests.into_iter().collect())
    }

    /// The image that `text` names, in the fields of Docker's JSON: of an index the one for `platform`, or else for this
    /// machine. With `sizes` also what it shares with other images.
    pub fn inspect(
        &self,
        text: &str,
        platform: Option<&Platform>,
        sizes: bool,
    ) -> Result<Value, EngineError> {
        let image = self.load_documents(self.find_for(text, platform)?)?;
        let size = self.image_size(&image)?;
        let config = &image.config;
        let names: Vec<String> = image.row.names.iter().map(|name| familiar(name)).collect();
        let digests = self.digests(&image.row)?;
        let comment = config.history.last().and_then(|entry| entry.comment.clone());
        let stored = jiff::Timestamp::from_second(image.row.stored).unwrap_or_default();
        let driver = match self.store.driver() {
            Driver::Overlay => "overlayfs",
            Driver::Native { .. } => "native",
        };
        let mut value = json!({
            "Id": image.row.id.to_string(),
            "RepoTags": names,
            "RepoDigests": digests,
            "Parent": "",
            "Comment": comment.unwrap_or_default(),
            "Created": config.created.clone().unwrap_or_default(),
            "DockerVersion": "",
            "Author": config.author.clone().unwrap_or_default(),
            "Config": config_value(&config.config),
            "Architecture": config.architecture,
            "Os": config.os,
            "Size": size,
            "VirtualSize": size,
            "GraphDriver": { "Data": null, "Name": driver },
            "RootFS": { "Type": config.rootfs.kind, "Layers": config.rootfs.diff_ids },
            "Metadata": { "LastTagTime": crate::image::rfc3339(stored) },
            "Descriptor": {
                "mediaType": image.manifest.media_type.as_str(),
                "digest": image.row.manifest.to_string(),
                "size": image.row.size,
            },
        });
        if let Some(variant) = &config.variant {
            value["Variant"] = json!(variant);
        }
        if let Some(version) = &config.os_version {
            value["OsVersion"] = json!(version);
        }
        if sizes {
            let shared = self.shared_size(&image)?;
            value["SharedSize"] = json!(shared);
            value["UniqueSize"] = json!(size - shared);
        }
        Ok(value)
    }
}

/// A config as Docker shows it: with the fields that scripts ask for even where they are empty.
pub(super) fn config_value(config: &crate::oci::Config) -> Value {
    let mut value = serde_json::to_value(config).unwrap_or_default();
    let defaults = [
        ("User", json!("")),
        ("Env", json!([])),
        ("Cmd", Value::Null),
        ("Entrypoint", Value::Null),
        ("Volumes", Value::Null),
        ("WorkingDir", json!("")),
        ("OnBuild", Value::Null),
        ("Labels", Value::Null),
    ];
    for (name, default) in defaults {
        if value.get(name).is_none() {
            value[name] = default;
        }
    }
    value
}
