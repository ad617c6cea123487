//! What can go wrong between this machine and a registry.

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use crate::oci::Digest;
use crate::web::{causes, innermost};

use super::credentials::CredentialsError;
use super::settings::SettingsError;

/// Something could not be had from a registry, or not be brought there. URLs are without queries, which may hold tokens.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum RegistryError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// There is no such manifest.
    #[error("`{name}` was not found in the registry: {reason}")]
    NotFound { name: String, reason: String },
    /// The registry does not say whether the repository is there.
    #[error("pull access denied for `{repository}`: it does not exist, or may require a login: {reason}")]
    PullDenied { repository: String, host: String, reason: String },
    /// This user may not write there.
    #[error("push access denied for `{repository}`: {reason}")]
    PushDenied { repository: String, host: String, reason: String },
    /// The registry wants to know who asks, or does not like the answer.
    #[error("`{host}` refused {}: {reason}", user.as_ref().map_or_else(|| "a request without credentials".to_owned(), |user| if user.is_empty() { "the identity token".to_owned() } else { format!("the credentials of `{user}`") }))]
    Unauthorized { host: String, user: Option<String>, reason: String },
    #[error("the registry answered {status} to {method} `{url}`{}", if reason.is_empty() { String::new() } else { format!(": {reason}") })]
    Status {
        method: &'static str,
        url: String,
        status: u16,
        reason: String,
        /// How long it wants to be left alone.
        wait: Option<Duration>,
    },
    #[error("cannot reach the registry: host `{host}` was not found")]
    HostNotFound { host: String },
    #[error("cannot reach the registry: no connection to `{host}`: {reason}")]
    Connect { host: String, reason: String },
    #[error("cannot reach the registry: no secure connection to `{host}`: {reason}")]
    Tls { host: String, reason: String },
    #[error("`{host}` was silent for {} s", after.as_secs())]
    Timeout { host: String, after: Duration },
    #[error("the connection to `{host}` broke: {reason}")]
    Broken { host: String, reason: String },
    #[error("`{host}` has more than {most} redirects")]
    Redirects { host: String, most: usize },
    /// It is no registry, or one that breaks the protocol.
    #[error("`{host}` does not answer as a registry does: {reason}")]
    Protocol { host: String, reason: String },
    #[error("`{host}` sent {what} with digest {found}, and {expected} was asked for")]
    Digest { host: String, what: &'static str, expected: Digest, found: Digest },
    /// Many do not tell what they have.
    #[error("`{host}` does not list its repositories")]
    NoCatalog { host: String },
    #[error("`{host}` sent {what} of more than {limit} bytes")]
    TooLarge { host: String, what: &'static str, limit: u64 },
    /// Credentials would travel in clear text.
    #[error("`{host}` wants the credentials to be sent to `{realm}`, where they could be read on the way")]
    InsecureRealm { host: String, realm: String },
    #[error("cannot use the certificate `{}`: {reason}", path.display())]
    Certificate { path: PathBuf, reason: String },
    #[error("cannot use the proxies for HTTP: {reason}")]
    Proxy { reason: String },
    #[error("cannot make a client for registries: {reason}")]
    Client { reason: String },
    #[error("the file that is uploaded cannot be read")]
    Upload(#[source] std::io::Error),
    #[error("canceled")]
    Canceled,
}

impl RegistryError {
    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::PullDenied { host, .. } => {
                Some(format!("check the spelling, or log in: `strata login{}`", argument(host)))
            }
            Self::PushDenied { host, .. } => Some(format!(
                "log in as somebody who may write there: `strata login{}`",
                argument(host)
            )),
            Self::Unauthorized { host, user: None, .. } => {
                Some(format!("log in: `strata login{}`", argument(host)))
            }
            Self::Unauthorized { host, .. } => {
                Some(format!("log in again: `strata login{}`", argument(host)))
            }
            Self::NotFound { .. } => Some("check the name and the tag".to_owned()),
            Self::Settings(error) => error.remedy(),
            Self::Credentials(error) => error.remedy(),
            Self::HostNotFound { .. } | Self::Connect { .. } | Self::Timeout { .. } => Some(
                "if this machine needs a proxy, name it in `HTTP_PROXY` and `HTTPS_PROXY`".to_owned(),
            ),
            Self::Tls { reason, .. } if reason.starts_with("invalid peer certificate") => Some(
                "if the certificate is right, put its authority into `/etc/docker/certs.d/HOST/ca.crt`, or make it \
                 known to the machine"
                    .to_owned(),
            ),
            Self::Status { status: 429, .. } => {
                Some("the registry limits how much one may ask for: wait, or log in".to_owned())
            }
            _ => None,
        }
    }

    /// Whether the same may go well a little later.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::HostNotFound { .. } | Self::Connect { .. } | Self::Timeout { .. } | Self::Broken { .. } => {
                true
            }
            Self::Status { status, .. } => matches!(status, 408 | 429 | 500 | 502 | 503 | 504),
            _ => false,
        }
    }

    /// Whether another endpoint of the same registry may do better.
    pub(super) fn is_of_endpoint(&self) -> bool {
        !matches!(self, Self::Canceled | Self::Upload(_) | Self::Settings(_) | Self::Credentials(_))
    }

    /// How long the registry wants to be left alone.
    pub(super) fn wait(&self) -> Option<Duration> {
        match self {
            Self::Status { wait, .. } => *wait,
            _ => None,
        }
    }

    /// Whether the registry gave this answer.
    pub(super) fn is_status(&self, wanted: u16) -> bool {
        matches!(self, Self::Status { status, .. } if *status == wanted)
    }

    /// Translates the client's error of sending a request or of reading a response.
    pub(super) fn of_client(error: &(dyn Error + 'static), host: &str) -> Self {
        let causes = causes(error);
        let (host, reason) = (host.to_owned(), innermost(error));
        let client = causes.iter().find_map(|cause| cause.downcast_ref::<reqwest::Error>());
        let is = |test: fn(&reqwest::Error) -> bool| client.is_some_and(test);
        if causes.iter().any(|cause| cause.is::<rustls::Error>()) {
            Self::Tls { host, reason }
        } else if is(reqwest::Error::is_dns) {
            Self::HostNotFound { host }
        } else if is(reqwest::Error::is_timeout) {
            Self::Connect { host, reason: "it took too long".to_owned() }
        } else if is(reqwest::Error::is_connect) {
            Self::Connect { host, reason }
        } else if is(reqwest::Error::is_redirect) {
            Self::Redirects { host, most: super::host::MAX_REDIRECTS }
        } else {
            Self::Broken { host, reason }
        }
    }
}

/// A registry as `strata login` wants it: Docker's own need not be named.
fn argument(host: &str) -> String {
    if host == super::DOCKER_HUB { String::new() } else { format!(" {host}") }
}
