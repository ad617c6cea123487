//! What can go wrong with a file over HTTP.

use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::oci::Digest;
use crate::sys::lock::LockError;
use crate::web::causes;

/// A file could not be fetched. URLs are without passwords and tokens.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum HttpError {
    #[error("`{url}` is not a URL: {reason}")]
    Url { url: String, reason: String },
    #[error("cannot fetch `{url}`: the server answered {status}{}{reason}", if reason.is_empty() { "" } else { " " })]
    Status { url: String, status: u16, reason: String },
    #[error("cannot fetch `{url}`: host `{host}` was not found")]
    HostNotFound { url: String, host: String },
    #[error("cannot fetch `{url}`: no connection to `{host}`: {reason}")]
    Connect { url: String, host: String, reason: String },
    #[error("cannot fetch `{url}`: no secure connection to `{host}`: {reason}")]
    Tls { url: String, host: String, reason: String },
    #[error("cannot fetch `{url}`: `{host}` was silent for {} s", after.as_secs())]
    Timeout { url: String, host: String, after: Duration },
    #[error("cannot fetch `{url}`: more than {most} redirects")]
    Redirects { url: String, most: usize },
    #[error("cannot fetch `{url}`: {reason}")]
    Broken { url: String, reason: String },
    #[error("cannot use the proxies for HTTP: {reason}")]
    Proxy { reason: String },
    #[error("cannot make an HTTP client: {reason}")]
    Client { reason: String },
    #[error("the digest of `{url}` is `{actual}`, but `{expected}` was asked for")]
    Checksum { url: String, expected: Digest, actual: Digest },
    #[error("fetching `{url}` was canceled")]
    Canceled { url: String },
    #[error("cannot {operation} `{}`", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl HttpError {
    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Status { status: 401 | 403 | 407, .. } => Some("the server wants other credentials"),
            Self::HostNotFound { .. } | Self::Connect { .. } | Self::Timeout { .. } => {
                Some("if this machine needs a proxy, name it in `HTTP_PROXY` and `HTTPS_PROXY`")
            }
            Self::Tls { reason, .. } if reason.starts_with("invalid peer certificate") => Some(
                "if the certificate is right, make its authority known: `apt-get install ca-certificates`, or name \
                 its file in `SSL_CERT_FILE`",
            ),
            _ => None,
        }
    }
}

/// Names for what an error is about.
#[derive(Debug, Clone)]
pub(super) struct About {
    pub(super) url: String,
    pub(super) host: String,
    pub(super) stall_timeout: Duration,
    pub(super) connect_timeout: Duration,
}

impl About {
    /// Translates the client's error of sending a request or of reading a response.
    pub(super) fn error(&self, error: &(dyn Error + 'static)) -> HttpError {
        let (url, host) = (self.url.clone(), self.host.clone());
        let causes = causes(error);
        let reason = causes.last().map(ToString::to_string).unwrap_or_default();
        let client = causes.iter().find_map(|cause| cause.downcast_ref::<reqwest::Error>());
        let is = |test: fn(&reqwest::Error) -> bool| client.is_some_and(test);
        if causes.iter().any(|cause| cause.is::<rustls::Error>()) {
            HttpError::Tls { url, host, reason }
        } else if is(reqwest::Error::is_dns) {
            HttpError::HostNotFound { url, host }
        } else if is(reqwest::Error::is_timeout) {
            let after =
                if is(reqwest::Error::is_connect) { self.connect_timeout } else { self.stall_timeout };
            HttpError::Timeout { url, host, after }
        } else if is(reqwest::Error::is_connect) {
            HttpError::Connect { url, host, reason }
        } else if is(reqwest::Error::is_redirect) {
            HttpError::Redirects { url, most: super::connection::MAX_REDIRECTS }
        } else {
            HttpError::Broken { url, reason }
        }
    }
}
