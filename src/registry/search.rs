//! Looking for repositories: Docker Hub's search, and the catalog of other registries.

use reqwest::Method;
use reqwest::header::LINK;
use serde::Deserialize;
use url::Url;
use url::form_urlencoded::byte_serialize;

use crate::oci::manifest::DOCUMENT_MAX;

use super::Watch;
use super::client::Registries;
use super::error::RegistryError;
use super::fetch::{PAGES_MAX, header, next_page};
use super::host::{Ask, Host, Target};
use super::retry::persist;
use super::token::Scope;

/// The host of Docker Hub's search.
const HUB_HOST: &str = "index.docker.io";
/// The search below it.
const HUB_PATH: &str = "v1/search";
/// How many repositories a page of a catalog has, as far as the registry listens.
const PAGE: usize = 1000;

/// A repository that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Found {
    /// What it is called in the registry.
    pub name: String,
    /// What its owner says of it.
    #[serde(default)]
    pub description: String,
    /// How many people like it.
    #[serde(default, rename = "star_count")]
    pub stars: u64,
    /// Whether it is one of Docker's own.
    #[serde(default)]
    pub is_official: bool,
    /// Whether it is built by Docker Hub; it no longer says so of any.
    #[serde(default)]
    pub is_automated: bool,
}

/// A page of a catalog.
#[derive(Deserialize)]
struct Catalog {
    #[serde(default)]
    repositories: Option<Vec<String>>,
}

impl Registries {
    /// Has Docker Hub search for a word; it gives at most `limit` repositories, the best first.
    pub fn search_hub(
        &self,
        term: &str,
        limit: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<Found>, RegistryError> {
        #[derive(Deserialize)]
        struct Answer {
            results: Vec<Found>,
        }
        let place = self.settings().place(HUB_HOST, HUB_PATH)?;
        let host = self.host(&place)?;
        let term: String = byte_serialize(term.as_bytes()).collect();
        let target = format!("{}?q={term}&n={limit}", place.repository);
        let (scope, target) = (Scope::nothing(), Target::Root(&target));
        let read = persist(self.retry(&host), watch, async || {
            let response = host.ask(&Ask::new(Method::GET, target, &scope)).await?;
            host.body(response, "a list of repositories", DOCUMENT_MAX).await
        });
        let answer = self.wait(watch, read)?;
        let answer: Answer = serde_json::from_slice(&answer)
            .map_err(|_| host.protocol("its answer to a search is not what Docker Hub's is"))?;
        Ok(answer.results.into_iter().take(limit).collect())
    }

    /// The names of a registry's repositories for which `wanted` holds, `limit` of them at most, in the registry's order.
    pub fn repositories(
        &self,
        host: &str,
        wanted: &(dyn Fn(&str) -> bool + Sync),
        limit: usize,
        watch: &Watch<'_>,
    ) -> Result<Vec<String>, RegistryError> {
        let host = self.host(&self.settings().host(host)?)?;
        self.wait(watch, async {
            let mut names = Vec::new();
            let mut next = None;
            for _ in 0..PAGES_MAX {
                let page = async || page(&host, next.as_ref()).await;
                let (found, following) = persist(self.retry(&host), watch, page).await?;
                names.extend(found.into_iter().filter(|name| wanted(name)));
                next = following;
                if names.len() >= limit || next.is_none() {
                    break;
                }
            }
            names.truncate(limit);
            Ok(names)
        })
    }
}

/// A page of a catalog, and where the next one is.
async fn page(host: &Host, place: Option<&Url>) -> Result<(Vec<String>, Option<Url>), RegistryError> {
    let first = format!("_catalog?n={PAGE}");
    let (scope, target) = (Scope::catalog(), place.map_or(Target::Api(&first), Target::At));
    let response = match host.ask(&Ask::new(Method::GET, target, &scope)).await {
        Err(RegistryError::Status { status: 404 | 405, .. }) => {
            return Err(RegistryError::NoCatalog { host: host.name.clone() });
        }
        Err(RegistryError::Status { status: 401 | 403, reason, .. }) => {
            return Err(RegistryError::Unauthorized { host: host.name.clone(), user: None, reason });
        }
        answer => answer?,
    };
    let next = header(&response, LINK.as_str()).as_deref().and_then(next_page);
    let next = next.and_then(|link| response.url().join(&link).ok());
    let body = host.body(response, "a list of repositories", DOCUMENT_MAX).await?;
    let catalog: Catalog =
        serde_json::from_slice(&body).map_err(|_| host.protocol("its catalog is not one"))?;
    Ok((catalog.repositories.unwrap_or_default(), next))
}
