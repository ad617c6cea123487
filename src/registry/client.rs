//! The registries that a command talks to, for callers that wait.
//!
//! Owns the runtime on which connections live, and the endpoints that have been talked to: their connections and
//! tokens are used by all threads. The calling thread drives its own request, so that it can give up at any moment;
//! one thread of the runtime's own keeps the other ends of the connections going.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use reqwest::Method;
use tokio::runtime::{Builder, Runtime};

use crate::oci::{Digest, Reference};
use crate::web::Proxies;

use super::credentials::{CredentialStore, Credentials};
use super::error::RegistryError;
use super::host::{Ask, Host, Target};
use super::retry::{Retry, persist};
use super::settings::{Endpoint, Settings};
use super::token::Scope;

/// How often a caller that waits looks whether it was canceled.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// How often a mirror is asked before the next endpoint is: it is there for speed.
const MIRROR_ATTEMPTS: u32 = 2;

/// With what registries are talked to.
#[derive(Debug, Clone)]
pub struct Access {
    /// Where registries are.
    pub settings: Settings,
    /// Who asks.
    pub credentials: CredentialStore,
    /// Which proxies to go through.
    pub proxies: Proxies,
    /// How often something is tried.
    pub retry: Retry,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a registry may be silent.
    pub stall_timeout: Duration,
}

impl Access {
    /// The usual patience.
    pub fn new(settings: Settings, credentials: CredentialStore, proxies: Proxies) -> Self {
        Self {
            settings,
            credentials,
            proxies,
            retry: Retry::default(),
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// What a caller that waits asks and tells.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Whether to give up. Asked several times a second.
    pub is_canceled: &'a (dyn Fn() -> bool + Sync),
    /// Takes a remark, such as that something is tried again.
    pub note: &'a (dyn Fn(String) + Sync),
}

impl Watch<'static> {
    /// Never cancels and drops what it is told.
    pub fn nothing() -> Self {
        Self { is_canceled: &|| false, note: &drop }
    }
}

impl fmt::Debug for Watch<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch").finish_non_exhaustive()
    }
}

/// The registries. Clones are the same ones.
#[derive(Debug, Clone)]
pub struct Registries(Arc<Inner>);

struct Inner {
    access: Arc<Access>,
    runtime: OnceLock<Runtime>,
    hosts: Mutex<HashMap<Endpoint, Arc<Host>>>,
}

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inner").field("access", &self.access).finish_non_exhaustive()
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // A name that is being looked up must not keep the command alive.
            runtime.shutdown_background();
        }
    }
}

impl Registries {
    /// Registries that nothing has been asked of yet.
    pub fn new(access: Access) -> Self {
        Self(Arc::new(Inner {
            access: Arc::new(access),
            runtime: OnceLock::new(),
            hosts: Mutex::new(HashMap::new()),
        }))
    }

    /// The repository that a reference names, at all endpoints that have it for reading.
    pub fn repository(&self, reference: &Reference) -> Result<Repository<'_>, RegistryError> {
        self.endpoints(reference, |endpoint| Some(endpoint.clone()))
    }

    /// The same for writing: mirrors are not written to. `insecure` asks for no more than settings with that word do.
    pub fn own_repository(
        &self,
        reference: &Reference,
        insecure: bool,
    ) -> Result<Repository<'_>, RegistryError> {
        self.endpoints(reference, |endpoint| {
            let skip_verify = endpoint.skip_verify || insecure;
            (!endpoint.is_mirror).then(|| Endpoint { skip_verify, ..endpoint.clone() })
        })
    }

    /// Where registries are.
    pub(super) fn settings(&self) -> &Settings {
        &self.0.access.settings
    }

    /// Asks an endpoint whether it lets these credentials in; returns those to be kept. A server of tokens may give an
    /// identity token, which then stands for the password.
    pub fn log_in(
        &self,
        endpoint: &Endpoint,
        credentials: &Credentials,
        watch: &Watch<'_>,
    ) -> Result<Credentials, RegistryError> {
        let host = Host::new(endpoint, &self.0.access, Some(credentials.clone()))?;
        let scope = Scope::nothing();
        self.wait(watch, async {
            let ask = Ask::new(Method::GET, Target::Api(""), &scope);
            match persist(self.retry(&host), watch, async || host.ask(&ask).await).await {
                Ok(_) => Ok(match host.identity_token().await {
                    Some(secret) => Credentials { secret, is_identity_token: true, ..credentials.clone() },
                    None => credentials.clone(),
                }),
                Err(RegistryError::Status { status: 401 | 403, reason, .. }) => {
                    let user = Some(credentials.username.clone());
                    Err(RegistryError::Unauthorized { host: host.name.clone(), user, reason })
                }
                Err(error) => Err(error),
            }
        })
    }

    fn endpoints(
        &self,
        reference: &Reference,
        wanted: impl Fn(&Endpoint) -> Option<Endpoint>,
    ) -> Result<Repository<'_>, RegistryError> {
        let all = self.0.access.settings.endpoints(reference)?;
        let mut endpoints = Vec::new();
        for endpoint in all.iter().filter_map(wanted) {
            endpoints.push((self.host(&endpoint)?, endpoint.repository));
        }
        let (name, wrong) = (reference.familiar_name(), Mutex::new(HashSet::new()));
        Ok(Repository { registries: self, name, endpoints, wrong })
    }

    /// What a repository, which is named in full, is called at this endpoint, if it is there.
    pub(super) fn path_at(&self, host: &Host, name: &str) -> Option<String> {
        let (domain, path) = name.split_once('/')?;
        let place = self.0.access.settings.place(domain, path).ok()?;
        (place.host == host.address).then_some(place.repository)
    }

    pub(super) fn host(&self, endpoint: &Endpoint) -> Result<Arc<Host>, RegistryError> {
        let mut hosts = self.0.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = Endpoint { repository: String::new(), ..endpoint.clone() };
        if let Some(host) = hosts.get(&key) {
            return Ok(Arc::clone(host));
        }
        let host = Arc::new(Host::new(endpoint, &self.0.access, None)?);
        hosts.insert(key, Arc::clone(&host));
        Ok(host)
    }

    /// How stubborn to be with an endpoint.
    pub(super) fn retry(&self, host: &Host) -> Retry {
        let retry = self.0.access.retry;
        let attempts = if host.is_mirror { retry.attempts.min(MIRROR_ATTEMPTS) } else { retry.attempts };
        Retry { attempts, ..retry }
    }

    /// Waits for something in this thread, and gives it up soon after it was canceled.
    pub(super) fn wait<T>(
        &self,
        watch: &Watch<'_>,
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        self.wait_ticking(watch, || (), work)
    }

    /// The same; `tick` is called several times a second.
    pub(super) fn wait_ticking<T>(
        &self,
        watch: &Watch<'_>,
        tick: impl Fn(),
        work: impl Future<Output = Result<T, RegistryError>>,
    ) -> Result<T, RegistryError> {
        self.runtime()?.block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                if (watch.is_canceled)() {
                    return Err(RegistryError::Canceled);
                }
                if let Ok(result) = tokio::time::timeout(BETWEEN_LOOKS, work.as_mut()).await {
                    return result;
                }
                tick();
            }
        })
    }

    fn runtime(&self) -> Result<&Runtime, RegistryError> {
        if let Some(runtime) = self.0.runtime.get() {
            return Ok(runtime);
        }
        let made = Builder::new_multi_thread().worker_threads(1).thread_name("registry").enable_all().build();
        let made = made.map_err(|error| RegistryError::Client { reason: error.to_string() })?;
        // Of two threads that make one, the second one's goes.
        if let Err(second) = self.0.runtime.set(made) {
            second.shutdown_background();
        }
        Ok(self.0.runtime.get_or_init(|| unreachable!("it has just been set")))
    }
}

/// A repository at the endpoints of its registry, mirrors first.
#[derive(Debug)]
pub struct Repository<'r> {
    pub(super) registries: &'r Registries,
    /// As people write it.
    pub(super) name: String,
    /// Each with what the repository is called there.
    pub(super) endpoints: Vec<(Arc<Host>, String)>,
    /// Which endpoints sent other bytes for which digest than those.
    pub(super) wrong: Mutex<HashSet<(usize, Digest)>>,
}

impl Repository<'_> {
    /// Does something at the first endpoint where it goes well.
    pub(super) async fn at_any<T>(
        &self,
        watch: &Watch<'_>,
        mut act: impl AsyncFnMut(&Host, &str) -> Result<T, RegistryError>,
    ) -> Result<T, RegistryError> {
        let mut result = Err(self.no_endpoint());
        for (host, path) in &self.endpoints {
            result = persist(self.registries.retry(host), watch, async || act(host, path).await).await;
            match &result {
                Err(error) if error.is_of_endpoint() => {}
                _ => break,
            }
        }
        result
    }

    pub(super) fn no_endpoint(&self) -> RegistryError {
        RegistryError::Client { reason: format!("`{}` has no registry", self.name) }
    }

    /// The registry's own endpoint: the last one.
    pub(super) fn own(&self) -> Result<&(Arc<Host>, String), RegistryError> {
        self.endpoints.last().ok_or_else(|| self.no_endpoint())
    }

    /// Says in a reader's words that there is nothing, or nothing for this user.
    pub(super) fn cannot_read(&self, what: &str, error: RegistryError) -> RegistryError {
        let host = self.endpoints.last().map_or_else(String::new, |(host, _)| host.name.clone());
        match error {
            RegistryError::Status { status: 404, reason, .. } => {
                RegistryError::NotFound { name: format!("{}{what}", self.name), reason }
            }
            RegistryError::Status { status: 401 | 403, reason, .. } => {
                RegistryError::PullDenied { repository: self.name.clone(), host, reason }
            }
            other => other,
        }
    }

    /// Says in a writer's words that this user may not.
    pub(super) fn cannot_write(&self, error: RegistryError) -> RegistryError {
        let host = self.endpoints.last().map_or_else(String::new, |(host, _)| host.name.clone());
        match error {
            RegistryError::Status { status: 401 | 403, reason, .. } => {
                RegistryError::PushDenied { repository: self.name.clone(), host, reason }
            }
            other => other,
        }
    }
}
