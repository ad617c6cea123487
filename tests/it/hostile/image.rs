//! Images whose documents say what a test wants.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use strata::oci::Digest;

use super::archive::of_files;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// An image in the making: each document can be changed before the next one is made of it.
pub(super) struct Image {
    /// The layers' blobs.
    pub(super) layers: Vec<Vec<u8>>,
    pub(super) config: Vec<u8>,
    pub(super) manifest: Vec<u8>,
    pub(super) index: Vec<u8>,
    /// More blobs of the layout.
    pub(super) more: Vec<Vec<u8>>,
}

pub(super) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

pub(super) fn digest(bytes: &[u8]) -> String {
    Digest::of(bytes).to_string()
}

/// A descriptor of these bytes.
pub(super) fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": digest(bytes), "size": bytes.len() })
}

/// A config that lists these tars.
pub(super) fn config(tars: &[&[u8]]) -> Value {
    let diff_ids: Vec<_> = tars.iter().map(|tar| digest(tar)).collect();
    json!({
        "architecture": strata::oci::Platform::host().architecture, "os": "linux", "config": {},
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

/// A manifest of a config and layers.
pub(super) fn manifest(config: &[u8], layers: &[Vec<u8>]) -> Value {
    let layer = |blob: &Vec<u8>| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", blob);
    json!({
        "schemaVersion": 2, "mediaType": MANIFEST,
        "config": descriptor("application/vnd.oci.image.config.v1+json", config),
        "layers": layers.iter().map(layer).collect::<Vec<_>>(),
    })
}

/// An index that lists documents of this kind.
pub(super) fn index(is_index: bool, documents: &[&[u8]]) -> Value {
    let media_type = if is_index { INDEX } else { MANIFEST };
    let entries: Vec<_> = documents.iter().map(|bytes| descriptor(media_type, bytes)).collect();
    json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": entries })
}

impl Image {
    /// An image of these tars, with nothing wrong but what is in them.
    pub(super) fn of_tars(tars: &[&[u8]]) -> Self {
        Self::with_config(tars.iter().map(|tar| gzip(tar)).collect(), config(tars).to_string())
    }

    /// An image with this config.
    pub(super) fn with_config(layers: Vec<Vec<u8>>, config: impl Into<Vec<u8>>) -> Self {
        let config = config.into();
        let text = manifest(&config, &layers).to_string();
        Self::with_manifest(layers, config, text)
    }

    /// An image with this manifest.
    pub(super) fn with_manifest(layers: Vec<Vec<u8>>, config: Vec<u8>, manifest: impl Into<Vec<u8>>) -> Self {
        let manifest = manifest.into();
        let index = index(false, &[&manifest]).to_string().into();
        Self { layers, config, manifest, index, more: Vec::new() }
    }

    /// The same image with another `index.json`.
    pub(super) fn with_index(self, index: impl Into<Vec<u8>>) -> Self {
        Self { index: index.into(), ..self }
    }

    /// All blobs.
    pub(super) fn blobs(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.layers.iter().chain([&self.config, &self.manifest]).chain(&self.more)
    }

    /// The tar of an OCI layout.
    pub(super) fn layout(&self) -> Vec<u8> {
        let blob = |bytes: &Vec<u8>| (format!("blobs/sha256/{}", Digest::of(bytes).hex()), bytes.clone());
        let mut files = vec![
            ("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec()),
            ("index.json".to_owned(), self.index.clone()),
        ];
        files.extend(self.blobs().map(blob));
        of_files(&files)
    }
}

/// A docker-archive of one image with these tars.
pub(super) fn docker_archive(tars: &[&[u8]]) -> Vec<u8> {
    let names: Vec<_> = (0..tars.len()).map(|i| format!("{i}/layer.tar")).collect();
    let list = json!([{ "Config": "config.json", "Layers": names, "RepoTags": ["hostile:1"] }]);
    let mut files = vec![
        ("manifest.json".to_owned(), list.to_string().into_bytes()),
        ("config.json".to_owned(), config(tars).to_string().into_bytes()),
    ];
    files.extend(names.into_iter().zip(tars.iter().map(|tar| tar.to_vec())));
    of_files(&files)
}
