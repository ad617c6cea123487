//! Tokens: what they are for, how they are asked for, how long they are good (distribution's token specification).

use std::collections::HashMap;
use std::time::{Duration, Instant};

use serde::Deserialize;
use url::Url;

use super::challenge::Challenge;
use super::credentials::Credentials;
use super::error::RegistryError;
use super::host::{Host, words_of};

/// How long a token is good if nothing is said of it.
const DEFAULT_LIFE: Duration = Duration::from_secs(60);
/// How long before its end a token is not used any more.
const MARGIN: Duration = Duration::from_secs(5);
/// The most that a token's answer may have, in bytes.
const ANSWER_MAX: u64 = 1 << 20;
/// Who asks for a token with another one, as OAuth wants to know.
const CLIENT_ID: &str = "strata";

/// What a request is going to do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub(super) struct Scope {
    repository: String,
    pushes: bool,
    mounts_from: Option<String>,
    catalog: bool,
}

impl Scope {
    /// To ask whether one is let in.
    pub(super) fn nothing() -> Self {
        Self::default()
    }

    /// To read a repository.
    pub(super) fn pull(repository: &str) -> Self {
        Self { repository: repository.to_owned(), ..Self::default() }
    }

    /// To write a repository.
    pub(super) fn push(repository: &str) -> Self {
        Self { pushes: true, ..Self::pull(repository) }
    }

    /// To write a repository with a blob of another one.
    pub(super) fn mount(repository: &str, from: &str) -> Self {
        Self { mounts_from: Some(from.to_owned()), ..Self::push(repository) }
    }

    /// To list repositories.
    pub(super) fn catalog() -> Self {
        Self { catalog: true, ..Self::default() }
    }

    pub(super) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The repository; empty if it is about none.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// As token servers want it.
    pub(super) fn texts(&self) -> Vec<String> {
        if self.catalog {
            return vec!["registry:catalog:*".to_owned()];
        }
        let actions = if self.pushes { "pull,push" } else { "pull" };
        let mut texts = vec![format!("repository:{}:{actions}", self.repository)];
        texts.extend(self.mounts_from.iter().map(|from| format!("repository:{from}:pull")));
        texts
    }
}

/// What a request carries to be let in. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Authorization {
    /// Name and password.
    Basic { username: String, secret: String },
    /// A token.
    Bearer(String),
}

impl Authorization {
    pub(super) fn basic(credentials: Credentials) -> Self {
        Self::Basic { username: credentials.username, secret: credentials.secret }
    }
}

/// A token and how long it is good.
pub(super) struct Token {
    text: String,
    until: Instant,
    /// What came with it to ask for others with, in the place of a password.
    identity: Option<String>,
}

/// What an endpoint is known to want, and the tokens for it.
#[derive(Default)]
pub(super) struct Tokens {
    challenge: Option<Challenge>,
    kept: HashMap<Scope, Token>,
    identity: Option<String>,
}

impl Tokens {
    /// What the endpoint wanted last.
    pub(super) fn challenge(&self) -> Option<&Challenge> {
        self.challenge.as_ref()
    }

    /// The token for this scope, if there is one that is good.
    pub(super) fn known(&self, scope: &Scope) -> Option<Authorization> {
        let token = self.kept.get(scope).filter(|token| token.until > Instant::now())?;
        Some(Authorization::Bearer(token.text.clone()))
    }

    /// The endpoint did not let a request in that carried `used`.
    pub(super) fn challenged(&mut self, challenge: Challenge, scope: &Scope, used: Option<&Authorization>) {
        self.challenge = Some(challenge);
        // Another thread may have got a new one in the meantime.
        if used.is_some() && self.known(scope).as_ref() == used {
            self.kept.remove(scope);
        }
    }

    /// The identity token that came last.
    pub(super) fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Keeps a token.
    pub(super) fn keep(&mut self, scope: &Scope, mut token: Token) -> Authorization {
        self.identity = token.identity.take().or(self.identity.take());
        let authorization = Authorization::Bearer(token.text.clone());
        self.kept.insert(scope.clone(), token);
        authorization
    }
}

/// What a token server answers.
#[derive(Deserialize)]
struct Answer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
    refresh_token: Option<String>,
}

impl Host {
    /// Asks for a token. At a login an identity token is asked for, too.
    pub(super) async fn token(
        &self,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
        credentials: Option<Credentials>,
    ) -> Result<Token, RegistryError> {
        let mut url = Url::parse(realm).map_err(|_| self.protocol("the address for tokens is not a URL"))?;
        if credentials.is_some() && self.is_exposed(&url) {
            let (host, realm) = (self.name.clone(), realm.to_owned());
            return Err(RegistryError::InsecureRealm { host, realm });
        }
        let asked = Instant::now();
        let response = match &credentials {
            Some(Credentials { secret, is_identity_token: true, .. }) => {
                let form = refresh_form(service, scopes, secret);
                let form_type = ("content-type", "application/x-www-form-urlencoded");
                self.send_for_token(|client| client.post(url).header(form_type.0, form_type.1).body(form))
                    .await?
            }
            other => {
                add_query(&mut url, service, scopes, other.as_ref());
                if self.is_login() {
                    url.query_pairs_mut()
                        .append_pair("offline_token", "true")
                        .append_pair("client_id", CLIENT_ID);
                }
                self.send_for_token(|client| match other {
                    Some(Credentials { username, secret, .. }) => {
                        client.get(url).basic_auth(username, Some(secret))
                    }
                    None => client.get(url),
                })
                .await?
            }
        };
        let status = response.status().as_u16();
        let body = self.body(response, "a token", ANSWER_MAX).await?;
        if !(200..300).contains(&status) {
            return Err(self.refused(realm, status, &body, credentials));
        }
        let answer: Answer = serde_json::from_slice(&body)
            .map_err(|_| self.protocol("the answer with the token is not JSON"))?;
        let text = answer.token.or(answer.access_token).filter(|token| !token.is_empty());
        let text = text.ok_or_else(|| self.protocol("the answer with the token has none"))?;
        let life = answer.expires_in.map_or(DEFAULT_LIFE, Duration::from_secs).max(DEFAULT_LIFE);
        let identity = answer.refresh_token.filter(|token| !token.is_empty());
        Ok(Token { text, until: asked + life.saturating_sub(MARGIN), identity })
    }

    fn refused(
        &self,
        realm: &str,
        status: u16,
        body: &[u8],
        credentials: Option<Credentials>,
    ) -> RegistryError {
        let reason = words_of(body).unwrap_or_default();
        if !matches!(status, 400 | 401 | 403) {
            let url = realm.to_owned();
            return RegistryError::Status { method: "GET", url, status, reason, wait: None };
        }
        let user = credentials.map(|credentials| credentials.username);
        let reason = if reason.is_empty() { format!("no token ({status})") } else { reason };
        RegistryError::Unauthorized { host: self.name.clone(), user, reason }
    }
}

fn add_query(url: &mut Url, service: Option<&str>, scopes: &[String], credentials: Option<&Credentials>) {
    let mut query = url.query_pairs_mut();
    if let Some(service) = service {
        query.append_pair("service", service);
    }
    for scope in scopes {
        query.append_pair("scope", scope);
    }
    if let Some(credentials) = credentials {
        query.append_pair("account", &credentials.username);
    }
}

/// The body that asks for a token in exchange for an identity token (OAuth 2, as Docker's token servers have it).
fn refresh_form(service: Option<&str>, scopes: &[String], secret: &str) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("grant_type", "refresh_token");
    form.append_pair("client_id", CLIENT_ID);
    if let Some(service) = service {
        form.append_pair("service", service);
    }
    if !scopes.is_empty() {
        form.append_pair("scope", &scopes.join(" "));
    }
    form.append_pair("refresh_token", secret);
    form.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_are_written_as_token_servers_read_them() {
        for (scope, expected) in [
            (Scope::pull("library/busybox"), &["repository:library/busybox:pull"][..]),
            (Scope::push("a/b"), &["repository:a/b:pull,push"]),
            (Scope::mount("a/b", "c/d"), &["repository:a/b:pull,push", "repository:c/d:pull"]),
            (Scope::catalog(), &["registry:catalog:*"]),
        ] {
            assert_eq!(scope.texts(), expected);
        }
    }

    #[test]
    fn a_token_that_was_refused_is_forgotten_unless_it_was_renewed() {
        let scope = Scope::pull("a");
        let token = |text: &str| Token {
            text: text.to_owned(),
            until: Instant::now() + Duration::from_secs(1000),
            identity: None,
        };
        let mut tokens = Tokens::default();
        let old = tokens.keep(&scope, token("old"));
        let new = tokens.keep(&scope, token("new"));
        tokens.challenged(Challenge::Basic, &scope, Some(&old));
        assert!(tokens.known(&scope) == Some(new.clone()));
        tokens.challenged(Challenge::Basic, &scope, Some(&new));
        assert!(tokens.known(&scope).is_none());
    }
}
