//! One endpoint of a registry: how requests reach it, and how they say who asks.
//!
//! Owns the scheme, the credentials and the tokens of the endpoint. A password or a token goes to the host that it is
//! for and, of other hosts, only to the one that the registry names for tokens; redirects and upload locations
//! elsewhere get neither. Everything here is asynchronous and is waited for by [`Registries`](super::Registries).

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use reqwest::header::{HeaderName, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use crate::web::innermost;

use super::DOCKER_HUB;
use super::challenge::Challenge;
use super::client::Access;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::settings::{DOCKER_HUB_HOST, Endpoint};
use super::tls::{self, Trust};
use super::token::{Authorization, Scope, Tokens};

/// After how many redirects it is taken for a loop.
pub(super) const MAX_REDIRECTS: usize = 10;

/// The most that is read of an answer that says what went wrong, in bytes.
const ERROR_MAX: u64 = 64 << 10;

/// An endpoint that was asked, or is about to be.
pub(super) struct Host {
    /// The host with its port, as people write it.
    pub(super) name: String,
    pub(super) is_mirror: bool,
    /// The host with its port, as it is reached.
    pub(super) address: String,
    endpoint: Endpoint,
    /// Trusts only the authorities that are named for the endpoint: reading all of the machine's takes longer than many
    /// a request, and who speaks plain HTTP needs none. It is there for an endpoint that may be such a one.
    bare: Option<Client>,
    /// Trusts the machine's authorities, too.
    trusting: OnceLock<Client>,
    access: Arc<Access>,
    /// Who asks, if that is not for the credential store to say.
    credentials: Option<Credentials>,
    /// Whether it may speak plain HTTP if it does not speak TLS.
    may_be_plain: bool,
    is_plain: AtomicBool,
    /// Whether it has answered over TLS: then it never falls back, which somebody on the way might wish.
    speaks_tls: AtomicBool,
    tokens: Mutex<Tokens>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Target<'a> {
    /// A path with its query below `/v2/`.
    Api(&'a str),
    /// A path with its query below `/`.
    Root(&'a str),
    /// Where the registry said.
    At(&'a Url),
}

/// What a request carries.
#[derive(Clone, Copy)]
pub(super) enum Payload<'a> {
    /// Nothing.
    Nothing,
    /// A few bytes.
    Bytes(&'a [u8]),
    /// A body that is made anew for each attempt, and how far it has been sent.
    Stream(&'a (dyn Fn() -> reqwest::Body + Sync), &'a AtomicU64),
}

/// A request.
#[derive(Clone)]
pub(super) struct Ask<'a> {
    pub(super) method: Method,
    pub(super) target: Target<'a>,
    pub(super) headers: Vec<(HeaderName, String)>,
    pub(super) payload: Payload<'a>,
    pub(super) scope: &'a Scope,
}

impl<'a> Ask<'a> {
    /// A request without headers and without a body.
    pub(super) fn new(method: Method, target: Target<'a>, scope: &'a Scope) -> Self {
        Self { method, target, headers: Vec::new(), payload: Payload::Nothing, scope }
    }
}

impl Host {
    pub(super) fn new(
        endpoint: &Endpoint,
        access: &Arc<Access>,
        credentials: Option<Credentials>,
    ) -> Result<Self, RegistryError> {
        let address = endpoint.host.as_str();
        let may_be_plain = endpoint.skip_verify || is_loopback(address);
        let name = if address == DOCKER_HUB_HOST { DOCKER_HUB } else { address };
        Ok(Self {
            name: name.to_owned(),
            is_mirror: endpoint.is_mirror,
            address: address.to_owned(),
            endpoint: endpoint.clone(),
            bare: (may_be_plain || endpoint.plain_http)
                .then(|| tls::client(endpoint, access, Trust::Named))
                .transpose()?,
            trusting: OnceLock::new(),
            access: Arc::clone(access),
            credentials,
            may_be_plain,
            is_plain: AtomicBool::new(endpoint.plain_http),
            speaks_tls: AtomicBool::new(false),
            tokens: Mutex::new(Tokens::default()),
        })
    }

    /// Sends a request, with what it takes to be let in. Any answer but success is an error.
    pub(super) async fn ask(&self, ask: &Ask<'_>) -> Result<Response, RegistryError> {
        let mut introduced = false;
        loop {
            // Once for both: another thread may find out in between that there is no TLS.
            let is_plain = self.is_plain.load(Ordering::Relaxed);
            let url = self.url(ask.target, is_plain)?;
            let is_own = self.is_own(&url, is_plain);
            let authorization = if is_own { self.authorization(ask.scope).await? } else { None };
            let is_secure = is_own && url.scheme() == "https";
            let (client, is_bare) = self.client()?;
            let response = match self.send(&client, ask, url, authorization.as_ref()).await {
                Err(error) if is_bare && is_untrusted(&error) => {
                    self.trusting()?;
                    continue;
                }
                Err(error) if is_secure && self.falls_back(&error) => {
                    self.is_plain.store(true, Ordering::Relaxed);
                    continue;
                }
                sent => sent?,
            };
            if is_secure {
                self.speaks_tls.store(true, Ordering::Relaxed);
            }
            if response.status() != StatusCode::UNAUTHORIZED || !is_own || introduced {
                return self.checked(ask, response).await;
            }
            let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
            let Some(challenge) = Challenge::choose(headers.filter_map(|value| value.to_str().ok())) else {
                return self.checked(ask, response).await;
            };
            self.tokens.lock().await.challenged(challenge, ask.scope, authorization.as_ref());
            introduced = true;
        }
    }

    /// The bytes of an answer, if they are not too many.
    pub(super) async fn body(
        &self,
        mut response: Response,
        what: &'static str,
        limit: u64,
    ) -> Result<Vec<u8>, RegistryError> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk(&mut response).await? {
            bytes.extend_from_slice(&chunk);
            if bytes.len() as u64 > limit {
                return Err(RegistryError::TooLarge { host: self.name.clone(), what, limit });
            }
        }
        Ok(bytes)
    }

    /// The next piece of an answer; `None` after the last one.
    pub(super) async fn chunk(&self, response: &mut Response) -> Result<Option<bytes::Bytes>, RegistryError> {
        self.unless_silent(None, response.chunk()).await?.map_err(|error| self.broken(&error))
    }

    /// Where an answer says that something goes on.
    pub(super) fn location(&self, response: &Response) -> Result<Url, RegistryError> {
        let header = response.headers().get(LOCATION).and_then(|value| value.to_str().ok());
        let header = header.ok_or_else(|| self.protocol("an answer has no `Location`"))?;
        response.url().join(header).map_err(|_| self.protocol("a `Location` is not a URL"))
    }

    /// It breaks the protocol.
    pub(super) fn protocol(&self, reason: impl Into<String>) -> RegistryError {
        RegistryError::Protocol { host: self.name.clone(), reason: reason.into() }
    }

    fn url(&self, target: Target<'_>, is_plain: bool) -> Result<Url, RegistryError> {
        match target {
            Target::At(url) => Ok(url.clone()),
            Target::Api(path) => self.url(Target::Root(&format!("v2/{path}")), is_plain),
            Target::Root(path) => {
                let scheme = if is_plain { "http" } else { "https" };
                let text = format!("{scheme}://{}/{path}", self.address);
                Url::parse(&text).map_err(|error| RegistryError::Client { reason: error.to_string() })
            }
        }
    }

    /// Whether a request to this URL reaches the endpoint itself.
    fn is_own(&self, url: &Url, is_plain: bool) -> bool {
        self.url(Target::Api(""), is_plain).is_ok_and(|own| own.origin() == url.origin())
    }

    /// Whether to go on with plain HTTP after TLS has failed in this way. A certificate that is not right is no reason for it.
    fn falls_back(&self, error: &RegistryError) -> bool {
        let speaks_no_tls = match error {
            RegistryError::Tls { .. } => !is_untrusted(error),
            RegistryError::Connect { .. } => true,
            _ => false,
        };
        speaks_no_tls && self.may_be_plain && !self.speaks_tls.load(Ordering::Relaxed)
    }

    /// The client to use, and whether it is the one that trusts few.
    fn client(&self) -> Result<(Client, bool), RegistryError> {
        match (self.trusting.get(), &self.bare) {
            (None, Some(bare)) => Ok((bare.clone(), true)),
            _ => Ok((self.trusting()?, false)),
        }
    }

    /// The client that trusts whom the machine trusts.
    fn trusting(&self) -> Result<Client, RegistryError> {
        if let Some(client) = self.trusting.get() {
            return Ok(client.clone());
        }
        let made = tls::client(&self.endpoint, &self.access, Trust::Machine)?;
        Ok(self.trusting.get_or_init(|| made).clone())
    }

    async fn send(
        &self,
        client: &Client,
        ask: &Ask<'_>,
        url: Url,
        authorization: Option<&Authorization>,
    ) -> Result<Response, RegistryError> {
        let mut request = client.request(ask.method.clone(), url);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        request = match authorization {
            Some(Authorization::Basic { username, secret }) => request.basic_auth(username, Some(secret)),
            Some(Authorization::Bearer(token)) => request.bearer_auth(token),
            None => request,
        };
        let mut sent = None;
        request = match ask.payload {
            Payload::Nothing if ask.method == Method::GET || ask.method == Method::HEAD => request,
            // Some registries want the length also of nothing.
            Payload::Nothing => request.body(Vec::new()).header("content-length", 0),
            Payload::Bytes(bytes) => request.body(bytes.to_vec()),
            Payload::Stream(make, count) => {
                sent = Some(count);
                request.body(make())
            }
        };
        self.unless_silent(sent, request.send()).await?.map_err(|error| self.broken(&error))
    }

    fn broken(&self, error: &reqwest::Error) -> RegistryError {
        RegistryError::of_client(error, &self.name)
    }

    /// Waits for something as long as the registry is heard of, or `moved` grows.
    async fn unless_silent<T>(
        &self,
        moved: Option<&AtomicU64>,
        work: impl Future<Output = T>,
    ) -> Result<T, RegistryError> {
        let after = self.access.stall_timeout;
        let mut work = std::pin::pin!(work);
        let count = || moved.map_or(0, |moved| moved.load(Ordering::Relaxed));
        let mut before = count();
        loop {
            if let Ok(done) = tokio::time::timeout(after, work.as_mut()).await {
                return Ok(done);
            }
            if std::mem::replace(&mut before, count()) == before {
                return Err(RegistryError::Timeout { host: self.name.clone(), after });
            }
        }
    }

    async fn checked(&self, ask: &Ask<'_>, response: Response) -> Result<Response, RegistryError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let status = response.status();
        let wait =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(seconds);
        let mut url = response.url().clone();
        url.set_query(None);
        let method = match ask.method {
            Method::GET => "GET",
            Method::HEAD => "HEAD",
            Method::POST => "POST",
            Method::PUT => "PUT",
            _ => "PATCH",
        };
        let words = self.body(response, "an error", ERROR_MAX).await.unwrap_or_default();
        let usual = || status.canonical_reason().unwrap_or_default().to_lowercase();
        Err(RegistryError::Status {
            method,
            url: url.to_string(),
            status: status.as_u16(),
            reason: words_of(&words).unwrap_or_else(usual),
            wait,
        })
    }

    /// What a request for this scope has to carry, as far as is known.
    async fn authorization(&self, scope: &Scope) -> Result<Option<Authorization>, RegistryError> {
        let mut tokens = self.tokens.lock().await;
        if let Some(known) = tokens.known(scope) {
            return Ok(Some(known));
        }
        let Some(challenge) = tokens.challenge().cloned() else { return Ok(None) };
        let credentials = self.credentials_for(scope)?;
        match challenge {
            Challenge::Basic => Ok(credentials.map(Authorization::basic)),
            Challenge::Bearer { realm, service, scope: named } => {
                let wanted = if scope.is_nothing() { named.into_iter().collect() } else { scope.texts() };
                let token = self.token(&realm, service.as_deref(), &wanted, credentials).await?;
                Ok(Some(tokens.keep(scope, token)))
            }
        }
    }

    /// Whether somebody is being let in for the first time.
    pub(super) fn is_login(&self) -> bool {
        self.credentials.is_some()
    }

    /// What the server of tokens gave to be used in the place of the password.
    pub(super) async fn identity_token(&self) -> Option<String> {
        self.tokens.lock().await.identity().map(str::to_owned)
    }

    /// Who asks for something in this scope.
    pub(super) fn credentials_for(&self, scope: &Scope) -> Result<Option<Credentials>, RegistryError> {
        match &self.credentials {
            Some(given) => Ok(Some(given.clone())),
            None => Ok(self.access.credentials.find(&self.name, scope.repository())?),
        }
    }

    /// Sends a request for a token.
    pub(super) async fn send_for_token(
        &self,
        make: impl FnOnce(&Client) -> RequestBuilder,
    ) -> Result<Response, RegistryError> {
        let sent = self.unless_silent(None, make(&self.trusting()?).send()).await?;
        sent.map_err(|error| self.broken(&error))
    }

    /// Whether what is sent to `realm` can be read on the way, though what is sent to the registry cannot.
    pub(super) fn is_exposed(&self, realm: &Url) -> bool {
        let stays_here = realm.host_str().is_some_and(is_loopback);
        realm.scheme() != "https" && !stays_here && !self.is_plain.load(Ordering::Relaxed)
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Whether a certificate is not believed.
fn is_untrusted(error: &RegistryError) -> bool {
    matches!(error, RegistryError::Tls { reason, .. } if reason.starts_with("invalid peer certificate"))
}

/// Whether a host with an optional port is this machine.
fn is_loopback(address: &str) -> bool {
    let host = match address.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or(rest),
        None => address.split(':').next().unwrap_or(address),
    };
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// `Retry-After` in seconds; the form with a date is not used by registries.
fn seconds(text: &str) -> Option<Duration> {
    text.trim().parse().ok().map(Duration::from_secs)
}

/// What the registry says of an error (distribution-spec, error codes).
pub(super) fn words_of(body: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Envelope {
        errors: Vec<Item>,
    }
    #[derive(Deserialize)]
    struct Item {
        #[serde(default)]
        code: String,
        #[serde(default)]
        message: String,
    }
    let envelope: Envelope = serde_json::from_slice(body).ok()?;
    let first = envelope.errors.into_iter().next()?;
    let code = first.code.to_lowercase().replace('_', " ");
    let clean = |text: &str| text.chars().filter(|c| !c.is_control()).take(300).collect::<String>();
    match (clean(&code), clean(&first.message)) {
        (code, message) if message.is_empty() || code == message => Some(code),
        (code, message) if code.is_empty() => Some(message),
        (code, message) => Some(format!("{code}: {message}")),
    }
    .filter(|words| !words.is_empty())
}

/// Why a client could not be made.
pub(super) fn no_client(error: &reqwest::Error) -> RegistryError {
    RegistryError::Client { reason: innermost(error) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_known_by_its_names() {
        for (address, expected) in [
            ("localhost", true),
            ("localhost:5000", true),
            ("127.0.0.1:5000", true),
            ("127.8.9.1", true),
            ("[::1]:5000", true),
            ("127.0.0.1.example.com", false),
            ("localhost.example.com:5000", false),
            ("example.com", false),
            ("10.0.0.1:5000", false),
        ] {
            assert_eq!(is_loopback(address), expected, "{address}");
        }
    }

    #[test]
    fn errors_are_told_in_the_registrys_words() {
        for (body, expected) in [
            (
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                Some("manifest unknown"),
            ),
            (
                r#"{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}"#,
                Some("denied: requested access to the resource is denied"),
            ),
            (r#"{"errors":[{"message":"a\nb"}]}"#, Some("ab")),
            (r#"{"errors":[]}"#, None),
            ("<html>", None),
        ] {
            assert_eq!(words_of(body.as_bytes()).as_deref(), expected, "{body}");
        }
    }
}
