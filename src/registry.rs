//! Registries: where images are kept for others.
//!
//! Owns who we are to a registry and how it is reached. It must not know stores, Dockerfiles or terminals, and reads no
//! environment: paths and variables are values.

pub mod credentials;
pub mod settings;

pub use credentials::{CredentialStore, Credentials, CredentialsError};
pub use settings::{Endpoint, Settings, SettingsError, SettingsFiles};

/// The registry of names that do not say which one they are of.
const DOCKER_HUB: &str = "docker.io";
