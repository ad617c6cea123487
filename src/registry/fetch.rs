//! Reading a repository's manifests and tags. What is asked for by its digest, or comes with one, is verified.

use reqwest::header::{ACCEPT, CONTENT_TYPE, LINK};
use reqwest::{Method, Response};
use serde::Deserialize;

use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{Digest, ManifestDigest, MediaType};

use super::Watch;
use super::client::Repository;
use super::error::RegistryError;
use super::host::{Ask, Host, Target};
use super::token::Scope;

/// What a manifest may be.
const ACCEPTED: &str = "application/vnd.oci.image.index.v1+json, \
    application/vnd.oci.image.manifest.v1+json, \
    application/vnd.docker.distribution.manifest.list.v2+json, \
    application/vnd.docker.distribution.manifest.v2+json";

/// The header with the digest of a manifest.
const DIGEST_HEADER: &str = "docker-content-digest";

/// How many pages of tags are read.
pub(super) const PAGES_MAX: usize = 1000;

/// Which manifest of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Which {
    /// What a tag stands for.
    Tag(String),
    /// The one with this digest.
    Digest(ManifestDigest),
}

impl Which {
    /// As it stands behind a repository's name.
    fn suffix(&self) -> String {
        match self {
            Self::Tag(tag) => format!(":{tag}"),
            Self::Digest(digest) => format!("@{digest}"),
        }
    }
}

impl std::fmt::Display for Which {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tag(tag) => f.write_str(tag),
            Self::Digest(digest) => write!(f, "{digest}"),
        }
    }
}

/// A manifest or an index as it came.
#[derive(Debug, Clone)]
pub struct RawManifest {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What the registry says that it is, if it says it.
    pub media_type: Option<MediaType>,
    /// The digest of its bytes.
    pub digest: ManifestDigest,
}

impl Repository<'_> {
    /// Reads a manifest or an index.
    pub fn manifest(&self, which: &Which, watch: &Watch<'_>) -> Result<RawManifest, RegistryError> {
        let read = self.registries.wait(
            watch,
            self.at_any(watch, async |host, path| {
                let (response, path) = (ask_manifest(Method::GET, host, path, which).await?, path);
                let announced = announced(&response);
                let media_type = header(&response, CONTENT_TYPE.as_str());
                let bytes = host.body(response, "a manifest", DOCUMENT_MAX).await?;
                let found = Digest::of(&bytes);
                let expected = match which {
                    Which::Digest(digest) => Some(digest.0),
                    Which::Tag(_) => announced,
                };
                match expected.filter(|expected| *expected != found) {
                    Some(expected) => {
                        let (host, what) = (format!("{}/{path}", host.name), "a manifest");
                        Err(RegistryError::Digest { host, what, expected, found })
                    }
                    None => Ok(RawManifest {
                        bytes,
                        media_type: media_type.as_deref().map(bare_type),
                        digest: ManifestDigest(found),
                    }),
                }
            }),
        );
        read.map_err(|error| self.cannot_read(&which.suffix(), error))
    }

    /// The digest of what a tag stands for, without reading it; `None` if the registry does not say it.
    pub fn digest_of(&self, tag: &str, watch: &Watch<'_>) -> Result<Option<ManifestDigest>, RegistryError> {
        let which = Which::Tag(tag.to_owned());
        let asked = self.registries.wait(
            watch,
            self.at_any(watch, async |host, path| {
                match ask_manifest(Method::HEAD, host, path, &which).await {
                    Ok(response) => Ok(announced(&response).map(ManifestDigest)),
                    Err(error) if error.is_status(405) => Ok(None),
                    Err(error) => Err(error),
                }
            }),
        );
        asked.map_err(|error| self.cannot_read(&which.suffix(), error))
    }

    /// All tags of the repository.
    pub fn tags(&self, watch: &Watch<'_>) -> Result<Vec<String>, RegistryError> {
        let read = self.registries.wait(watch, self.at_any(watch, async |host, path| tags(host, path).await));
        read.map_err(|error| self.cannot_read("", error))
    }
}

async fn ask_manifest(
    method: Method,
    host: &Host,
    path: &str,
    which: &Which,
) -> Result<Response, RegistryError> {
    let (scope, target) = (Scope::pull(path), format!("{path}/manifests/{which}"));
    let mut ask = Ask::new(method, Target::Api(&target), &scope);
    ask.headers.push((ACCEPT, ACCEPTED.to_owned()));
    host.ask(&ask).await
}

pub(super) fn header(response: &Response, name: &str) -> Option<String> {
    response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// The digest that the registry gives to what it sends, if it is of a kind that can be checked.
fn announced(response: &Response) -> Option<Digest> {
    header(response, DIGEST_HEADER)?.parse().ok()
}

/// A media type without parameters.
fn bare_type(text: &str) -> MediaType {
    MediaType::parse(text.split(';').next().unwrap_or(text).trim())
}

async fn tags(host: &Host, path: &str) -> Result<Vec<String>, RegistryError> {
    #[derive(Deserialize)]
    struct Page {
        #[serde(default)]
        tags: Option<Vec<String>>,
    }
    let scope = Scope::pull(path);
    let mut tags = Vec::new();
    let first = format!("{path}/tags/list");
    let mut next = None;
    for _ in 0..PAGES_MAX {
        let target = next.as_ref().map_or(Target::Api(&first), Target::At);
        let response = host.ask(&Ask::new(Method::GET, target, &scope)).await?;
        let following = header(&response, LINK.as_str()).as_deref().and_then(next_page);
        let following = following.and_then(|link| response.url().join(&link).ok());
        let body = host.body(response, "a list of tags", DOCUMENT_MAX).await?;
        let page: Page =
            serde_json::from_slice(&body).map_err(|_| host.protocol("the list of tags is no JSON"))?;
        tags.extend(page.tags.unwrap_or_default());
        next = following;
        if next.is_none() {
            break;
        }
    }
    Ok(tags)
}

/// The address of the next page: `</v2/x/tags/list?last=b&n=2>; rel="next"`.
pub(super) fn next_page(link: &str) -> Option<String> {
    let (address, rest) = link.trim().strip_prefix('<')?.split_once('>')?;
    rest.replace(['"', ' '], "").contains("rel=next").then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_to_the_next_page_are_read() {
        for (link, expected) in [
            (r#"</v2/a/tags/list?last=b&n=2>; rel="next""#, Some("/v2/a/tags/list?last=b&n=2")),
            ("<https://h/x>;rel=next", Some("https://h/x")),
            (r#"</v2/a>; rel="prev""#, None),
            ("/v2/a", None),
        ] {
            assert_eq!(next_page(link).as_deref(), expected, "{link}");
        }
    }

    #[test]
    fn media_types_lose_their_parameters() {
        let text = "application/vnd.oci.image.index.v1+json; charset=utf-8";
        assert_eq!(bare_type(text), MediaType::Index);
    }
}
