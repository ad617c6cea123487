//! Image configs and manifests.
