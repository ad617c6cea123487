//! The nouns of the OCI image specification and their byte-exact JSON.
//!
//! Owns digests (one type a meaning), references, platforms, descriptors, manifests and the image config. Only
//! this module names the `oci-spec` crate. It does no input or output.

pub mod config;
pub mod descriptor;
pub mod digest;
pub mod fingerprint;
pub mod json;
#[cfg(test)]
mod laws;
pub mod layout;
pub mod listing;
pub mod manifest;
pub mod media_type;
pub mod platform;
pub mod reference;

pub use config::{Config, DEFAULT_PATH, History, ImageConfig, RootFs};
pub use descriptor::Descriptor;
pub use digest::{BlobDigest, CacheKey, ChainId, ContentDigest, DiffId, Digest, ImageId, ManifestDigest};
pub use fingerprint::{Fingerprint, FingerprintHasher};
pub use json::JsonError;
pub use listing::{Entry, EntryPlatform, Listing};
pub use manifest::{Document, Index, Manifest, ManifestError};
pub use media_type::{Compression, MediaType};
pub use platform::Platform;
pub use reference::{Reference, ReferenceError, ReferenceErrorKind};
