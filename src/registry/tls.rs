//! The HTTP client of one endpoint: whom it trusts, what it shows of itself, which way it goes.

use std::fs;
use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, ClientBuilder, Identity, Proxy};

use crate::web::{USER_AGENT, innermost, install_ciphers};

use super::client::Access;
use super::error::RegistryError;
use super::host::{MAX_REDIRECTS, no_client};
use super::settings::Endpoint;

/// How long a connection stays open that nobody uses.
const IDLE: Duration = Duration::from_secs(60);

/// Whose word counts for whom an endpoint is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    /// That of the authorities which are named for the endpoint.
    Named,
    /// Also that of the machine's.
    Machine,
}

/// A client for an endpoint. It takes nothing from the environment.
pub(super) fn client(endpoint: &Endpoint, access: &Access, trust: Trust) -> Result<Client, RegistryError> {
    install_ciphers();
    let proxies =
        access.proxies.list().map_err(|error| RegistryError::Proxy { reason: innermost(&error) })?;
    let roots = roots(endpoint)?;
    let identity = identity(endpoint)?;
    let builder = || {
        let builder = base(endpoint, access, &proxies).tls_certs_merge(roots.iter().cloned());
        match &identity {
            Some(identity) => builder.identity(identity.clone()),
            None => builder,
        }
    };
    if trust == Trust::Named {
        return builder().tls_certs_only([]).build().map_err(|error| no_client(&error));
    }
    match builder().build() {
        // A machine without authorities can still speak to registries that need none, or have their own.
        Err(_) => builder().tls_certs_only([]).build().map_err(|error| no_client(&error)),
        built => built.map_err(|error| no_client(&error)),
    }
}

fn base(endpoint: &Endpoint, access: &Access, proxies: &[Proxy]) -> ClientBuilder {
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::limited(MAX_REDIRECTS))
        .connect_timeout(access.connect_timeout)
        .pool_idle_timeout(IDLE)
        .tls_danger_accept_invalid_certs(endpoint.skip_verify)
        .no_proxy();
    proxies.iter().cloned().fold(builder, ClientBuilder::proxy)
}

fn roots(endpoint: &Endpoint) -> Result<Vec<Certificate>, RegistryError> {
    let mut roots = Vec::new();
    for path in &endpoint.ca {
        let found = Certificate::from_pem_bundle(&read(path)?).map_err(|error| unusable(path, &error))?;
        roots.extend(found);
    }
    Ok(roots)
}

fn identity(endpoint: &Endpoint) -> Result<Option<Identity>, RegistryError> {
    let Some((certificate, key)) = &endpoint.client_cert else { return Ok(None) };
    let mut pem = read(certificate)?;
    pem.push(b'\n');
    pem.extend(read(key)?);
    Identity::from_pem(&pem).map(Some).map_err(|error| unusable(certificate, &error))
}

fn read(path: &Path) -> Result<Vec<u8>, RegistryError> {
    fs::read(path).map_err(|error| unusable(path, &error))
}

fn unusable(path: &Path, error: &(dyn std::error::Error + 'static)) -> RegistryError {
    RegistryError::Certificate { path: path.to_owned(), reason: innermost(error) }
}
