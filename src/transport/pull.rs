//! Brings an image of a registry into the store.
//!
//! Owns the order of things: what the reference stands for, which manifest of an index is for the platform, its config,
//! then the layers that the store lacks, several at a time, and only then publishing. After an error, or a kill at any
//! moment, the store is as it was. Must not know how registries are talked to.

mod choose;
mod error;
mod layers;
mod naming;

use crate::layer::Limits;
use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{
    BlobDigest, Digest, Document, ImageConfig, ImageId, Manifest, ManifestDigest, Platform, Reference,
};
use crate::progress::{Reporter, Step};
use crate::registry::{RawManifest, Repository, Watch, Which};
use crate::store::ImageRow;

use super::Session;
use super::load_error::Part;
use super::publish::{NewImage, publish};
pub use error::PullError;
pub(super) use layers::small_blob;
pub use naming::Naming;

/// What is pulled, and how.
#[derive(Debug, Clone)]
pub struct PullOptions {
    /// Which image of an index is taken.
    pub platform: Platform,
    /// Whether an image for another platform, which is the only one, is an error.
    pub strict: bool,
    /// What the reference stands for afterwards.
    pub naming: Naming,
    /// How much each layer may grow to.
    pub limits: Limits,
}

/// An image that is in the store now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pulled {
    /// What the reference stands for: the manifest, or an index that lists it.
    pub digest: ManifestDigest,
    /// Its manifest.
    pub manifest: ManifestDigest,
    /// Its image id.
    pub id: ImageId,
    /// Whether anything of it was new to the store, or its name stood for something else.
    pub is_new: bool,
}

/// An image of the registry whose documents have been verified.
#[derive(Debug)]
struct Found {
    /// What the reference stands for.
    digest: ManifestDigest,
    manifest_json: Vec<u8>,
    manifest: Manifest,
}

/// Pulls the image that `reference` names in `repository`. A tag of the reference names it in the store afterwards,
/// unless there is a digest, too.
pub fn pull(
    session: Session<'_>,
    repository: &Repository<'_>,
    reference: &Reference,
    options: &PullOptions,
    reporter: &Reporter,
) -> Result<Pulled, PullError> {
    let step = reporter.start(&format!("resolve {reference}"));
    let known =
        with_watch(session, &step, |watch| unchanged(session, repository, reference, options, &watch));
    if let Some(known) = known? {
        step.cached();
        return Ok(known);
    }
    let resolved = with_watch(session, &step, |watch| resolve(repository, reference, options, &watch));
    let found = error::end(step, resolved)?;
    let manifest = ManifestDigest(Digest::of(&found.manifest_json));
    let row = session.store.find_image(&manifest)?;
    if let Some(row) = row.filter(|row| is_complete(session, row, |_| true)) {
        let is_new = name(session, reference, &found, &manifest, options)?;
        return Ok(Pulled { digest: found.digest, manifest, id: row.id, is_new });
    }
    let (id, config_json, config) = config(session, repository, &found.manifest, reporter)?;
    check_platform(&config, options)?;
    let listed = layers::listed(&found.manifest, &config)?;
    let parts = layers::fetch(session, repository, &listed, options.limits, reporter)?;
    let image = NewImage {
        manifest,
        manifest_json: found.manifest_json.clone(),
        media_type: found.manifest.media_type.clone(),
        id,
        config_json,
        names: Vec::new(),
    };
    publish(session, parts, &[image], &[])?;
    name(session, reference, &found, &manifest, options)?;
    Ok(Pulled { digest: found.digest, manifest, id, is_new: true })
}

/// The image in the store that the repository has under this name now. A digest needs no asking; for a tag it is one
/// request, which does not count where registries limit how much one may pull.
fn unchanged(
    session: Session<'_>,
    repository: &Repository<'_>,
    reference: &Reference,
    options: &PullOptions,
    watch: &Watch<'_>,
) -> Result<Option<Pulled>, PullError> {
    let store = session.store;
    let digest = match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Some(digest),
        (None, Some(tag)) if store.find_ref(&reference.to_string())?.is_some() => {
            repository.digest_of(tag, watch)?
        }
        _ => None,
    };
    let Some(digest) = digest else { return Ok(None) };
    let rows = store.find_repo_digest(&reference.name(), &digest)?;
    // An index may have a better one than that for another variant.
    let wanted = &options.platform;
    let fits =
        |row: &ImageRow, own: &Platform| own == wanted || (row.manifest == digest && own.is_akin(wanted));
    let Some(row) = rows.into_iter().find(|row| is_complete(session, row, |own| fits(row, own))) else {
        return Ok(None);
    };
    let is_new = naming::set(session.store, reference, &digest, &row.manifest, options)?;
    Ok(Some(Pulled { digest, manifest: row.manifest, id: row.id, is_new }))
}

/// Whether the store has all of an image, whose platform has to fit. Its layers have leases then.
fn is_complete(session: Session<'_>, row: &ImageRow, fits: impl Fn(&Platform) -> bool) -> bool {
    let Ok(json) = session.store.read_blob(&BlobDigest(row.id.0)) else { return false };
    let Ok(config) = ImageConfig::from_json(&json) else { return false };
    let has = |layer| session.store.layer(layer, session.work).is_ok_and(|layer| layer.is_some());
    fits(&config.platform()) && config.rootfs.diff_ids.iter().all(has)
}

/// Remembers what the image is called and where it came from; says whether its name stood for something else.
fn name(
    session: Session<'_>,
    reference: &Reference,
    found: &Found,
    manifest: &ManifestDigest,
    options: &PullOptions,
) -> Result<bool, PullError> {
    let (store, repository) = (session.store, reference.name());
    store.set_repo_digest(&repository, &found.digest, manifest)?;
    if found.digest != *manifest {
        store.set_repo_digest(&repository, manifest, manifest)?;
    }
    let layers = found.manifest.layers.iter().map(|layer| BlobDigest(layer.digest));
    store.set_distributed(&repository, layers.chain([BlobDigest(found.manifest.config.digest)]))?;
    Ok(naming::set(store, reference, &found.digest, manifest, options)?)
}

/// Does something that tells `step` what happens, and is given up when the session is canceled.
pub(super) fn with_watch<T>(session: Session<'_>, step: &Step<'_>, act: impl FnOnce(Watch<'_>) -> T) -> T {
    let is_canceled = || session.cancel.is_canceled();
    let note = |text| step.note(text);
    act(Watch { is_canceled: &is_canceled, note: &note })
}

/// Which manifest of a repository a reference names; a digest goes before a tag.
pub(super) fn which(reference: &Reference) -> Which {
    match (reference.digest(), reference.tag()) {
        (Some(digest), _) => Which::Digest(digest),
        (None, tag) => Which::Tag(tag.unwrap_or_default().to_owned()),
    }
}

fn resolve(
    repository: &Repository<'_>,
    reference: &Reference,
    options: &PullOptions,
    watch: &Watch<'_>,
) -> Result<Found, PullError> {
    let first = repository.manifest(&which(reference), watch)?;
    let digest = first.digest;
    let (manifest_json, manifest) = match parse(&first)? {
        Document::Manifest(manifest) => (first.bytes, manifest),
        Document::Index(index) => choose::manifest(repository, index, digest, &options.platform, watch)?,
    };
    if !manifest.config.media_type.is_config() {
        let (digest, found) = (manifest.config.digest, manifest.config.media_type);
        return Err(PullError::MediaType { part: Part::Config, digest, found });
    }
    Ok(Found { digest, manifest_json, manifest })
}

/// Reads a document that came from a registry.
pub(super) fn parse(raw: &RawManifest) -> Result<Document, PullError> {
    let is_old = raw.media_type.as_ref().is_some_and(|found| is_schema_1(found.as_str()));
    if is_old {
        return Err(PullError::Schema1 { manifest: raw.digest });
    }
    // A type that is none of a manifest's says nothing: some registries call everything JSON.
    let declared = raw.media_type.as_ref().filter(|found| found.is_manifest() || found.is_index());
    Document::from_json(&raw.bytes, declared).map_err(|source| match source {
        crate::oci::ManifestError::SchemaVersion { ref found } if found.as_u64() == Some(1) => {
            PullError::Schema1 { manifest: raw.digest }
        }
        source => PullError::Manifest { manifest: raw.digest, source },
    })
}

fn is_schema_1(media_type: &str) -> bool {
    media_type.starts_with("application/vnd.docker.distribution.manifest.v1+")
}

/// The image's config, verified.
fn config(
    session: Session<'_>,
    repository: &Repository<'_>,
    manifest: &Manifest,
    reporter: &Reporter,
) -> Result<(ImageId, Vec<u8>, ImageConfig), PullError> {
    let named = &manifest.config;
    if named.size > DOCUMENT_MAX {
        return Err(PullError::TooBig { digest: named.digest, size: named.size });
    }
    let step = reporter.start(&format!("pull config {}", named.digest.short()));
    let read = with_watch(session, &step, |watch| layers::small_blob(repository, named, watch));
    let json = error::end(step, read)?;
    let config = ImageConfig::from_json(&json).map_err(PullError::Config)?;
    Ok((ImageId(named.digest), json, config))
}

/// Whoever asked for a platform does not want an image for another one.
fn check_platform(config: &ImageConfig, options: &PullOptions) -> Result<(), PullError> {
    let own = config.platform();
    if !options.strict || own.is_akin(&options.platform) {
        return Ok(());
    }
    Err(PullError::NoPlatform { wanted: options.platform.clone(), found: vec![own.to_string()] })
}
