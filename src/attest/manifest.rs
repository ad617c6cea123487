//! The manifest that carries statements beside an image, in the index that has both (BuildKit's
//! `attestation-storage.md`).

use std::collections::BTreeMap;

use serde::Serialize;

use crate::oci::{Descriptor, DiffId, ImageConfig, MediaType, Platform};

use super::statement::Statement;

/// The media type of a statement.
const STATEMENT: &str = "application/vnd.in-toto+json";
/// What says of a statement's descriptor which predicate is in it.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
/// What says of a manifest's descriptor what it is for.
const REFERENCE_TYPE: &str = "vnd.docker.reference.type";
const ATTESTATION_MANIFEST: &str = "attestation-manifest";
/// What says of a manifest's descriptor which image it is about.
const REFERENCE_DIGEST: &str = "vnd.docker.reference.digest";
/// What an attestation manifest that is no image says it is.
const ARTIFACT: &str = "application/vnd.docker.attestation.manifest.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// How an attestation manifest looks to those who do not know what it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Shape {
    /// Like an image for no platform, whose layers are the statements.
    #[default]
    Image,
    /// Like an artifact of the specification, with the image as its subject.
    Artifact,
}

/// A manifest with statements, and the blobs that belong to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttestationManifest {
    /// What an index says of it.
    pub descriptor: Descriptor,
    /// The manifest.
    pub json: Vec<u8>,
    /// All that it lists.
    pub blobs: Vec<(Descriptor, Vec<u8>)>,
}

/// The order of the fields is that of the specification's Go structs.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    schema_version: u32,
    media_type: MediaType,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<&'static str>,
    config: &'a Descriptor,
    layers: Vec<&'a Descriptor>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<Descriptor>,
}

impl AttestationManifest {
    /// The manifest of statements about the image whose manifest `image` describes.
    pub fn new(image: &Descriptor, statements: &[Statement], shape: Shape) -> Self {
        let layers: Vec<(Descriptor, Vec<u8>)> = statements.iter().map(layer).collect();
        let config = match shape {
            Shape::Image => {
                let json = config(&layers).to_json();
                (Descriptor::of(MediaType::Config, &json), json)
            }
            Shape::Artifact => {
                let json = b"{}".to_vec();
                (Descriptor::of(MediaType::Other(EMPTY.to_owned()), &json), json)
            }
        };
        let is_artifact = shape == Shape::Artifact;
        let document = Document {
            schema_version: 2,
            media_type: MediaType::Manifest,
            artifact_type: is_artifact.then_some(ARTIFACT),
            config: &config.0,
            layers: layers.iter().map(|(descriptor, _)| descriptor).collect(),
            subject: is_artifact.then(|| Descriptor::new(image.media_type.clone(), image.digest, image.size)),
        };
        let json = serde_json::to_vec_pretty(&document)
            .unwrap_or_else(|error| unreachable!("text and numbers are JSON: {error}"));
        let mut descriptor = Descriptor::of(MediaType::Manifest, &json);
        descriptor.platform = Some(nowhere());
        descriptor.annotations = BTreeMap::from([
            (REFERENCE_TYPE.to_owned(), ATTESTATION_MANIFEST.to_owned()),
            (REFERENCE_DIGEST.to_owned(), image.digest.to_string()),
        ]);
        let mut blobs = layers;
        blobs.push(config);
        Self { descriptor, json, blobs }
    }
}

/// The platform of what no machine shall run.
fn nowhere() -> Platform {
    Platform { os: "unknown".to_owned(), architecture: "unknown".to_owned(), variant: String::new() }
}

fn layer(statement: &Statement) -> (Descriptor, Vec<u8>) {
    let json = statement.to_json();
    let mut descriptor = Descriptor::of(MediaType::Other(STATEMENT.to_owned()), &json);
    descriptor.annotations.insert(PREDICATE_TYPE.to_owned(), statement.predicate_type.clone());
    (descriptor, json)
}

/// A config that is there because a manifest has one.
fn config(layers: &[(Descriptor, Vec<u8>)]) -> ImageConfig {
    let Platform { os, architecture, .. } = nowhere();
    let mut config = ImageConfig { architecture, os, ..ImageConfig::default() };
    config.rootfs.diff_ids = layers.iter().map(|(descriptor, _)| DiffId(descriptor.digest)).collect();
    config
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::attest::{Attestation, SPDX, Subject};
    use crate::oci::Digest;

    fn made(shape: Shape) -> (Descriptor, AttestationManifest, Value) {
        let image = Descriptor::of(MediaType::Manifest, b"{}");
        let attestation = Attestation {
            file_name: "sbom.spdx.json".to_owned(),
            inline_only: false,
            predicate_type: SPDX.to_owned(),
            predicate: json!({}),
            subjects: Vec::new(),
        };
        let statement = attestation.about(&[Subject::new(None, &image.digest)]);
        let made = AttestationManifest::new(&image, &[statement], shape);
        let manifest = serde_json::from_slice(&made.json).unwrap();
        (image, made, manifest)
    }

    #[test]
    fn the_index_is_told_what_it_is_about() {
        let (image, made, _) = made(Shape::Image);
        assert_eq!(
            serde_json::to_value(&made.descriptor).unwrap(),
            json!({
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": Digest::of(&made.json).to_string(),
                "size": made.json.len(),
                "annotations": {
                    "vnd.docker.reference.digest": image.digest.to_string(),
                    "vnd.docker.reference.type": "attestation-manifest",
                },
                "platform": {"architecture": "unknown", "os": "unknown"},
            })
        );
        for (descriptor, bytes) in &made.blobs {
            assert_eq!((descriptor.digest, descriptor.size), (Digest::of(bytes), bytes.len() as u64));
        }
    }

    #[test]
    fn it_looks_like_an_image_for_no_platform() {
        let (_, made, manifest) = made(Shape::Image);
        assert_eq!(
            manifest["layers"],
            json!([{
                "mediaType": "application/vnd.in-toto+json",
                "digest": made.blobs[0].0.digest.to_string(),
                "size": made.blobs[0].0.size,
                "annotations": {"in-toto.io/predicate-type": SPDX},
            }])
        );
        assert_eq!(manifest["config"]["mediaType"], "application/vnd.oci.image.config.v1+json");
        assert_eq!(manifest.get("subject"), None);
        let config: Value = serde_json::from_slice(&made.blobs[1].1).unwrap();
        assert_eq!(config["os"], "unknown");
        assert_eq!(config["rootfs"]["diff_ids"], json!([made.blobs[0].0.digest.to_string()]));
    }

    #[test]
    fn or_like_an_artifact() {
        let (image, _, manifest) = made(Shape::Artifact);
        assert_eq!(manifest["artifactType"], "application/vnd.docker.attestation.manifest.v1+json");
        assert_eq!(manifest["subject"]["digest"], image.digest.to_string());
        assert_eq!(
            manifest["config"],
            json!({
                "mediaType": "application/vnd.oci.empty.v1+json",
                "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
                "size": 2,
            })
        );
    }
}
