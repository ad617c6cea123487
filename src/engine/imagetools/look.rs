//! A look at an image in a registry: its document, its configs, and what is attested of it.
//!
//! Nothing of it is kept, and no store is needed.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use crate::exec::CancelToken;
use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{
    Descriptor, Digest, Document, Entry, JsonError, Listing, Manifest, ManifestDigest, MediaType, Platform,
    Reference, json,
};
use crate::registry::{Registries, Repository, Watch, Which};
use crate::transport::{PullError, RemoteDocument, read_blob};

use super::super::error::EngineError;
use super::error::ImagetoolsError;

/// How deep indexes may be nested.
const DEPTH_MAX: usize = 4;
/// The most that is read of one attestation, in bytes: as JSON values it takes a multiple in memory.
const ATTESTATION_MAX: u64 = 32 << 20;
/// What a statement is about, in an annotation of its blob.
const PREDICATE_TYPE: &str = "in-toto.io/predicate-type";
const SPDX: &str = "https://spdx.dev/Document";
const SLSA: &str = "https://slsa.dev/provenance/";

/// What a name stands for in a registry.
#[derive(Debug)]
pub struct RemoteLook {
    /// The name.
    pub name: Reference,
    /// The type of its document.
    pub media_type: MediaType,
    /// The document's digest.
    pub digest: ManifestDigest,
    /// The document, byte for byte.
    pub bytes: Vec<u8>,
    /// What it lists, if it is an index.
    pub listing: Option<Listing>,
    document: Document,
}

/// What images an index has, by platform. A manifest is one image.
#[derive(Debug, Default)]
pub struct RemoteImages {
    /// Each image's config, as it is.
    pub configs: BTreeMap<String, Value>,
    /// The images' manifests.
    manifests: BTreeMap<String, Digest>,
    /// The manifests with what is attested of each.
    attesting: BTreeMap<Digest, Vec<Digest>>,
}

/// What is attested of images, by platform.
#[derive(Debug, Default)]
pub struct Attestations {
    /// How they were built: the predicate of SLSA.
    pub provenance: BTreeMap<String, Value>,
    /// What they hold: the predicates of SPDX.
    pub sboms: BTreeMap<String, Vec<Value>>,
}

/// Looks at what a name stands for.
pub fn look(
    registries: &Registries,
    name: &Reference,
    cancel: &CancelToken,
) -> Result<RemoteLook, EngineError> {
    at(registries, name, cancel, |looking| {
        let read = looking.document(&super::which(name))?;
        let media_type = read.media_type().clone();
        let listing = Listing::from_json(&read.bytes, Some(&media_type))
            .map_err(|source| looking.failed(PullError::Manifest { manifest: read.digest, source }))?;
        let RemoteDocument { bytes, digest, document } = read;
        Ok(RemoteLook { name: name.clone(), media_type, digest, bytes, listing, document })
    })
}

impl RemoteLook {
    /// The document's size in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Reads the configs of all images.
    pub fn images(&self, registries: &Registries, cancel: &CancelToken) -> Result<RemoteImages, EngineError> {
        at(registries, &self.name, cancel, |looking| {
            let mut images = RemoteImages::default();
            match (&self.document, &self.listing) {
                (Document::Manifest(manifest), _) => {
                    looking.add_image(&mut images, manifest, self.digest.0, None)?;
                }
                (_, Some(listing)) => looking.add_all(&mut images, listing, 0)?,
                _ => {}
            }
            Ok(images)
        })
    }

    /// Reads what is attested of these images.
    pub fn attestations(
        &self,
        images: &RemoteImages,
        registries: &Registries,
        cancel: &CancelToken,
    ) -> Result<Attestations, EngineError> {
        at(registries, &self.name, cancel, |looking| {
            let mut all = Attestations::default();
            for (platform, image) in &images.manifests {
                for manifest in images.attesting.get(image).into_iter().flatten() {
                    looking.add_statements(&mut all, platform, manifest)?;
                }
            }
            Ok(all)
        })
    }
}

/// An image's config, whose size makes sense.
pub(super) fn config_json(
    repository: &Repository<'_>,
    manifest: &Manifest,
    watch: Watch<'_>,
) -> Result<Vec<u8>, PullError> {
    let Descriptor { digest, size, .. } = manifest.config;
    if size > DOCUMENT_MAX {
        return Err(PullError::TooBig { digest, size });
    }
    read_blob(repository, &manifest.config, watch)
}

/// Does something with the repository of a name.
fn at<T>(
    registries: &Registries,
    name: &Reference,
    cancel: &CancelToken,
    act: impl FnOnce(&Looking<'_>) -> Result<T, ImagetoolsError>,
) -> Result<T, EngineError> {
    let is_canceled = || cancel.is_canceled();
    let watch = Watch { is_canceled: &is_canceled, note: &drop };
    let repository = registries.repository(name);
    let repository = repository.map_err(|error| ImagetoolsError::source(name, error.into()));
    let done = repository.and_then(|repository| act(&Looking { repository, name, watch }));
    done.map_err(|error| EngineError::Imagetools(Box::new(error)))
}

/// What it takes to look.
struct Looking<'a> {
    repository: Repository<'a>,
    name: &'a Reference,
    watch: Watch<'a>,
}

impl Looking<'_> {
    fn failed(&self, source: PullError) -> ImagetoolsError {
        ImagetoolsError::source(self.name, source)
    }

    fn document(&self, which: &Which) -> Result<RemoteDocument, ImagetoolsError> {
        RemoteDocument::read(&self.repository, which, &self.watch).map_err(|error| self.failed(error))
    }

    fn at_digest(&self, digest: Digest) -> Result<RemoteDocument, ImagetoolsError> {
        self.document(&Which::Digest(ManifestDigest(digest)))
    }

    fn add_all(
        &self,
        images: &mut RemoteImages,
        listing: &Listing,
        depth: usize,
    ) -> Result<(), ImagetoolsError> {
        for entry in &listing.manifests {
            if let Some(subject) = entry.subject() {
                images.attesting.entry(subject).or_default().push(entry.digest);
            } else if entry.media_type.is_manifest() {
                if let Document::Manifest(manifest) = self.at_digest(entry.digest)?.document {
                    self.add_image(images, &manifest, entry.digest, Some(entry))?;
                }
            } else if entry.media_type.is_index() {
                let nested = ManifestDigest(entry.digest);
                if depth + 1 == DEPTH_MAX {
                    return Err(self.failed(PullError::Nested { index: nested }));
                }
                let read = self.at_digest(entry.digest)?;
                let listing = Listing::from_json(&read.bytes, Some(&entry.media_type));
                let wrong = |source| self.failed(PullError::Manifest { manifest: nested, source });
                if let Some(listing) = listing.map_err(wrong)? {
                    self.add_all(images, &listing, depth + 1)?;
                }
            }
        }
        Ok(())
    }

    /// Adds the image of a manifest. What is no image, by its config, has a platform only if an index says one.
    fn add_image(
        &self,
        images: &mut RemoteImages,
        manifest: &Manifest,
        digest: Digest,
        entry: Option<&Entry>,
    ) -> Result<(), ImagetoolsError> {
        let json = config_json(&self.repository, manifest, self.watch).map_err(|error| self.failed(error))?;
        let config: Value = if manifest.config.media_type.is_config() {
            json::object(&json).map_err(|error| self.failed(PullError::Config(error)))?
        } else {
            serde_json::from_slice(&json).unwrap_or_default()
        };
        let platform = entry.and_then(Entry::platform).unwrap_or_else(|| platform_of(&config)).to_string();
        images.manifests.insert(platform.clone(), digest);
        images.configs.insert(platform, config);
        Ok(())
    }

    /// Adds the statements of a manifest that are understood.
    fn add_statements(
        &self,
        all: &mut Attestations,
        platform: &str,
        manifest: &Digest,
    ) -> Result<(), ImagetoolsError> {
        let Document::Manifest(manifest) = self.at_digest(*manifest)?.document else { return Ok(()) };
        for layer in manifest.layers.iter().filter(|layer| Form::of(&layer.media_type).is_some()) {
            let about = layer.annotations.get(PREDICATE_TYPE).map(String::as_str).unwrap_or_default();
            if about == SPDX {
                let sbom = self.predicate(layer)?;
                all.sboms.entry(platform.to_owned()).or_default().push(sbom);
            } else if about.starts_with(SLSA) && !all.provenance.contains_key(platform) {
                let provenance = self.predicate(layer)?;
                all.provenance.insert(platform.to_owned(), provenance);
            }
        }
        Ok(())
    }

    /// What a statement says.
    fn predicate(&self, layer: &Descriptor) -> Result<Value, ImagetoolsError> {
        let (digest, size) = (layer.digest, layer.size);
        if size > ATTESTATION_MAX {
            return Err(ImagetoolsError::LargeAttestation { digest, size, limit: ATTESTATION_MAX });
        }
        let bytes = read_blob(&self.repository, layer, self.watch).map_err(|error| self.failed(error))?;
        let wrong = |reason: String| ImagetoolsError::Attestation { digest, reason };
        let statement = match Form::of(&layer.media_type) {
            Some(Form::Signed) => signed(&bytes).map_err(wrong)?,
            _ => bytes,
        };
        let mut statement: Value =
            json::object(&statement).map_err(|error: JsonError| wrong(error.to_string()))?;
        Ok(statement["predicate"].take())
    }
}

/// How a statement is kept (in-toto attestation framework).
enum Form {
    /// As it is.
    Plain,
    /// In an envelope with signatures, which nobody asks for here (DSSE).
    Signed,
}

impl Form {
    fn of(media_type: &MediaType) -> Option<Self> {
        match media_type.as_str().strip_prefix("application/vnd.in-toto")? {
            "+json" => Some(Self::Plain),
            rest if rest.starts_with('.') && rest.ends_with("+dsse") => Some(Self::Signed),
            _ => None,
        }
    }
}

/// What an envelope holds.
fn signed(bytes: &[u8]) -> Result<Vec<u8>, String> {
    let envelope: Value = json::object(bytes).map_err(|error: JsonError| error.to_string())?;
    let payload = envelope["payload"].as_str().ok_or("it has no `payload`")?;
    BASE64_STANDARD.decode(payload).map_err(|error| format!("its `payload` is no base64: {error}"))
}

/// What an image runs on by its config; an artifact runs on nothing that is known.
fn platform_of(config: &Value) -> Platform {
    let text = |name: &str| config[name].as_str().unwrap_or_default();
    match (text("os"), text("architecture")) {
        ("", _) | (_, "") => Platform::normalized("unknown", "unknown", ""),
        (os, architecture) => Platform::normalized(os, architecture, text("variant")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_known_by_their_types() {
        let form = |text: &str| Form::of(&MediaType::parse(text));
        assert!(matches!(form("application/vnd.in-toto+json"), Some(Form::Plain)));
        assert!(matches!(form("application/vnd.in-toto.provenance+dsse"), Some(Form::Signed)));
        assert!(form("application/vnd.in-totox+dsse").is_none());
        assert!(form("application/vnd.oci.image.layer.v1.tar+gzip").is_none());
    }

    #[test]
    fn envelopes_are_opened() {
        let payload = BASE64_STANDARD.encode("{}");
        assert_eq!(signed(format!("{{\"payload\":\"{payload}\"}}").as_bytes()).unwrap(), b"{}");
        assert_eq!(signed(b"{}").unwrap_err(), "it has no `payload`");
        assert!(signed(b"{\"payload\":\"?\"}").unwrap_err().starts_with("its `payload` is no base64"));
    }
}
