//! An image for two platforms with attestations, as BuildKit makes them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use strata::oci::Digest;

use super::{OCI_INDEX, OCI_MANIFEST};
use crate::support::registry::run;

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// A layout with the image.
pub(super) struct Attested {
    layout: PathBuf,
}

impl Attested {
    /// Writes it into an empty directory.
    pub(super) fn make(layout: &Path) -> Self {
        fs::create_dir_all(layout.join("blobs/sha256")).unwrap();
        let image = Self { layout: layout.to_owned() };
        let images = ARCHITECTURES.map(|architecture| image.add_image(architecture));
        let attestations: Vec<Value> = ARCHITECTURES
            .iter()
            .zip(&images)
            .map(|(architecture, image_of)| image.add_attestation(architecture, image_of))
            .collect();
        let listed = [&images[..], &attestations].concat();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed});
        let index = image.add(OCI_INDEX, &index.to_string());
        let layout_index = json!({"schemaVersion": 2, "manifests": [index]});
        fs::write(layout.join("index.json"), layout_index.to_string()).unwrap();
        fs::write(layout.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        image
    }

    /// Brings it into a registry as it is.
    pub(super) fn push(&self, name: &str) {
        let mut command = Command::new("skopeo");
        command.args(["copy", "-q", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
        command.arg(format!("oci:{}", self.layout.display())).arg(format!("docker://{name}"));
        run(&mut command);
    }

    /// The digest of a platform's manifest.
    pub(super) fn manifest(&self, architecture: &str) -> String {
        let (config, layer) = Self::parts(architecture);
        digest(&self.image_manifest(&config, &layer))
    }

    fn add(&self, media_type: &str, text: &str) -> Value {
        let digest = digest(text);
        let path = self.layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap());
        fs::write(path, text).unwrap();
        json!({"mediaType": media_type, "digest": digest, "size": text.len()})
    }

    /// A config and a layer, which nobody unpacks.
    fn parts(architecture: &str) -> (String, String) {
        let layer = format!("the layer of {architecture}");
        let root = json!({"type": "layers", "diff_ids": [digest(&layer)]});
        (json!({"architecture": architecture, "os": "linux", "rootfs": root}).to_string(), layer)
    }

    fn image_manifest(&self, config: &str, layer: &str) -> String {
        let config = self.add("application/vnd.oci.image.config.v1+json", config);
        let layer = self.add("application/vnd.oci.image.layer.v1.tar", layer);
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]})
            .to_string()
    }

    fn add_image(&self, architecture: &str) -> Value {
        let (config, layer) = Self::parts(architecture);
        let mut image = self.add(OCI_MANIFEST, &self.image_manifest(&config, &layer));
        image["platform"] = json!({"architecture": architecture, "os": "linux"});
        image
    }

    fn add_attestation(&self, architecture: &str, of: &Value) -> Value {
        let statements = [
            (sbom(architecture), "https://spdx.dev/Document"),
            (provenance(architecture), "https://slsa.dev/provenance/v1"),
        ];
        let layers: Vec<Value> = statements
            .iter()
            .map(|(text, about)| {
                let mut layer = self.add("application/vnd.in-toto+json", text);
                layer["annotations"] = json!({"in-toto.io/predicate-type": about});
                layer
            })
            .collect();
        let diff_ids: Vec<&Value> = layers.iter().map(|layer| &layer["digest"]).collect();
        let root = json!({"type": "layers", "diff_ids": diff_ids});
        let config = json!({"architecture": "unknown", "os": "unknown", "config": {}, "rootfs": root});
        let config = self.add("application/vnd.oci.image.config.v1+json", &config.to_string());
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": layers});
        let mut attestation = self.add(OCI_MANIFEST, &manifest.to_string());
        attestation["annotations"] = json!({
            "vnd.docker.reference.digest": of["digest"],
            "vnd.docker.reference.type": "attestation-manifest",
        });
        attestation["platform"] = json!({"architecture": "unknown", "os": "unknown"});
        attestation
    }
}

/// The digest of a platform's layer.
pub(super) fn layer(architecture: &str) -> String {
    digest(&Attested::parts(architecture).1)
}

/// The digest of what is attested of a platform's content.
pub(super) fn statement(architecture: &str) -> String {
    digest(&sbom(architecture))
}

fn digest(text: &str) -> String {
    Digest::of(text.as_bytes()).to_string()
}

fn in_toto(about: &str, predicate: &Value) -> String {
    json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": about, "predicate": predicate})
        .to_string()
}

fn sbom(architecture: &str) -> String {
    in_toto("https://spdx.dev/Document", &json!({"name": format!("sbom of {architecture}")}))
}

fn provenance(architecture: &str) -> String {
    in_toto("https://slsa.dev/provenance/v1", &json!({"buildType": format!("build of {architecture}")}))
}
