//! Image configs and manifests of finished builds.
//!
//! Owns how what a build planned and what it made become the documents of an image. All bytes follow from the
//! arguments: no clock is read, so that a build whose steps all come from the cache gives the same image id. Must not
//! know how layers arose or where anything is stored.

mod assemble;
mod time;

pub use assemble::{AssembleError, BuiltLayer, assemble};
pub use time::rfc3339;

use crate::oci::{Descriptor, ImageConfig, Manifest, MediaType};

/// The OCI manifest of an image: its config, described by the config's own bytes, and its layers, lowest first.
pub fn manifest(config: &ImageConfig, layers: Vec<Descriptor>) -> Manifest {
    Manifest {
        media_type: MediaType::Manifest,
        config: Descriptor::of(MediaType::Config, &config.to_json()),
        layers,
        annotations: std::collections::BTreeMap::new(),
    }
}

#[cfg(test)]
mod tests;
