//! What a reference stands for when its image has been pulled.

use crate::oci::{BlobDigest, ImageConfig, ManifestDigest, Platform, Reference};
use crate::store::{ImageRow, Store, StoreError};

use super::PullOptions;

/// Whether a pull changes what the reference stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Naming {
    /// It stands for what was pulled.
    Always,
    /// So it does if that is for this machine, or takes the place of an image for the same platform, or if the reference
    /// stood for nothing: one build may pull a base for several platforms, in any order.
    Base,
}

/// Lets the reference stand for what was pulled, if it has not been asked for by its digest; says whether it stood for
/// something else. `resolved` is what the registry has under it: the manifest, or an index that lists it.
pub(super) fn set(
    store: &Store,
    reference: &Reference,
    resolved: &ManifestDigest,
    manifest: &ManifestDigest,
    options: &PullOptions,
) -> Result<bool, StoreError> {
    if reference.digest().is_some() {
        return Ok(false);
    }
    let name = reference.to_string();
    let before = store.find_ref(&name)?;
    if let Some(index) = store.find_index_ref(&name)? {
        let there = store.find_repo_digest(&reference.name(), resolved)?;
        let is_there = |image: &ManifestDigest| there.iter().any(|row| row.manifest == *image);
        // When it was pushed it may have got another digest, because its layers were compressed.
        if index.digest == *resolved || !there.is_empty() && index.images.iter().all(is_there) {
            return Ok(false);
        }
    }
    let changes = match (options.naming, &before) {
        (Naming::Base, Some(before)) => {
            options.platform == Platform::host() || is_for(store, before, &options.platform)
        }
        (Naming::Base, None) => {
            // Another one may be pulled at the same time, which then is the first.
            if options.platform != Platform::host() {
                return store.set_free_ref(&name, manifest);
            }
            true
        }
        (Naming::Always, _) => true,
    };
    if !changes {
        return Ok(false);
    }
    if store.find_index(resolved)?.is_some_and(|index| index.images.contains(manifest)) {
        store.set_index_ref(&name, resolved, manifest)?;
        return Ok(true);
    }
    store.set_ref(&name, manifest)?;
    Ok(before.is_none_or(|before| before.manifest != *manifest))
}

fn is_for(store: &Store, row: &ImageRow, platform: &Platform) -> bool {
    let config = store.read_blob(&BlobDigest(row.id.0)).ok();
    let config = config.and_then(|json| ImageConfig::from_json(&json).ok());
    config.is_some_and(|config| config.platform() == *platform)
}
