//! Registries: the distribution protocol, for callers that wait.
//!
//! Owns where an image's registry is, who asks, and how manifests and blobs travel: tokens, retries, connections that
//! break, mirrors. It takes references and values and gives verified bytes. Must not know stores, Dockerfiles,
//! terminals or the environment.
//!
//! Invariants
//! - What is asked for by its digest is that, or the reader fails; memory is bounded whatever a registry sends.
//! - A password or a token goes to the host that it is for and nowhere else, and is in no message.
//! - Whoever waits gives up soon after [`Watch::is_canceled`] says so; no request outlives its caller.
//!
//! Above HTTP everything is our own: `docs/DEPENDENCIES.md` says why `oci-client` is not used. The way through the
//! files: `client` is what callers see, `host` sends the requests of one endpoint, with the client of `tls`, the
//! `challenge` that a registry answers with and the `token` that meets it; `retry` says how often. `fetch`, `blob` and
//! `upload` are the requests themselves, `search` is for people who look for a name. `settings` and `credentials` say where registries are and who asks.

mod blob;
mod challenge;
mod client;
pub mod credentials;
mod error;
mod fetch;
mod host;
mod retry;
mod search;
pub mod settings;
mod tls;
mod token;
mod upload;

pub use blob::BlobReader;
pub use client::{Access, Registries, Repository, Watch};
pub use credentials::{CredentialStore, Credentials, CredentialsError};
pub use error::RegistryError;
pub use fetch::{RawManifest, Which};
pub use retry::Retry;
pub use search::Found;
pub use settings::{Endpoint, Settings, SettingsError, SettingsFiles};
pub use upload::{Sent, Upload};

/// The registry of names that do not say which one they are of.
const DOCKER_HUB: &str = "docker.io";
