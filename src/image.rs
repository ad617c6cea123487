//! Image configs and manifests of finished builds.
