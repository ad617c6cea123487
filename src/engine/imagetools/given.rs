//! Sources as users write them: a name, a digest, or the JSON of a descriptor.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr;

use serde::Deserialize;

use crate::oci::{
    Digest, Entry, EntryPlatform, JsonError, ManifestDigest, MediaType, Reference, ReferenceError, json,
};

use super::error::ImagetoolsError;

/// What a new image is to be made of.
#[derive(Debug, Clone)]
pub enum GivenSource {
    /// What this name stands for.
    Named(Reference),
    /// A manifest or an index, in the repository that all others are in.
    Described(Box<Said>),
}

/// What a user says of a manifest or an index. What is left out is found in the registry.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Said {
    digest: Digest,
    #[serde(default)]
    media_type: Option<MediaType>,
    #[serde(default)]
    size: Option<u64>,
    #[serde(default)]
    urls: Option<Vec<String>>,
    #[serde(default)]
    annotations: Option<BTreeMap<String, String>>,
    #[serde(default)]
    data: Option<String>,
    #[serde(default)]
    platform: Option<EntryPlatform>,
    #[serde(default)]
    artifact_type: Option<String>,
}

/// A text is no source.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GivenSourceError {
    /// It is no name, and not the beginning of anything else.
    #[error(transparent)]
    Name(#[from] ReferenceError),
    /// It begins as a digest, and is none.
    #[error("`{0}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
    Digest(String),
    /// It begins as JSON, and is not a descriptor.
    #[error("the descriptor is not a valid one")]
    Descriptor(#[source] JsonError),
}

impl GivenSourceError {
    /// What the user can write instead, if that can be told.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Name(error) => error.remedy(),
            _ => None,
        }
    }
}

impl FromStr for GivenSource {
    type Err = GivenSourceError;

    fn from_str(text: &str) -> Result<Self, GivenSourceError> {
        let text = text.trim();
        if text.starts_with('{') {
            let said = json::object(text.as_bytes()).map_err(GivenSourceError::Descriptor)?;
            return Ok(Self::Described(Box::new(said)));
        }
        // No registry has a repository of this name, and the short form of a digest is nothing else.
        if text.starts_with("sha256:") {
            let digest = text.parse().map_err(|_| GivenSourceError::Digest(text.to_owned()))?;
            return Ok(Self::Described(Box::new(Said::nothing_of(digest))));
        }
        Ok(Self::Named(text.parse()?))
    }
}

impl GivenSource {
    /// Where it is; `repository` is where all are whose names are known, if that is a single one.
    pub(super) fn reference(&self, repository: Option<&Reference>) -> Result<Reference, ImagetoolsError> {
        match (self, repository) {
            (Self::Named(name), _) => Ok(name.clone()),
            (Self::Described(said), Some(repository)) => {
                Ok(repository.at_digest(ManifestDigest(said.digest)))
            }
            (Self::Described(said), None) => Err(ImagetoolsError::NoRepository { digest: said.digest }),
        }
    }

    /// What the user says of it besides its name.
    pub(super) fn said(&self) -> Option<&Said> {
        match self {
            Self::Named(_) => None,
            Self::Described(said) => Some(said),
        }
    }
}

/// The repository that all names of a request are in; nothing if there are several, or none.
pub(super) fn only_repository(tags: &[Reference], sources: &[GivenSource]) -> Option<Reference> {
    let named = sources.iter().filter_map(|source| match source {
        GivenSource::Named(name) => Some(name),
        GivenSource::Described(_) => None,
    });
    let all: Vec<&Reference> = tags.iter().chain(named).collect();
    let names: BTreeSet<String> = all.iter().map(|name| name.name()).collect();
    if names.len() == 1 { all.first().map(|name| (*name).clone()) } else { None }
}

impl Said {
    fn nothing_of(digest: Digest) -> Self {
        Self {
            digest,
            media_type: None,
            size: None,
            urls: None,
            annotations: None,
            data: None,
            platform: None,
            artifact_type: None,
        }
    }

    /// Puts it over what the registry says. It may add to the facts, and not change them.
    pub(super) fn put_over(&self, entry: &mut Entry) -> Result<(), ImagetoolsError> {
        let differs = |what, said: String, found: String| ImagetoolsError::Differs {
            digest: self.digest,
            what,
            said,
            found,
        };
        if let Some(size) = self.size.filter(|size| *size != 0 && *size != entry.size) {
            return Err(differs("size", size.to_string(), entry.size.to_string()));
        }
        if let Some(said) = self.media_type.as_ref().filter(|said| **said != entry.media_type) {
            return Err(differs("media type", said.to_string(), entry.media_type.to_string()));
        }
        entry.urls = self.urls.clone().unwrap_or_default();
        entry.annotations = self.annotations.clone().unwrap_or_default();
        entry.data.clone_from(&self.data);
        entry.platform.clone_from(&self.platform);
        entry.artifact_type.clone_from(&self.artifact_type);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn sources_are_names_digests_and_descriptors() {
        let named = |text: &str| match text.parse() {
            Ok(GivenSource::Named(name)) => name.to_string(),
            other => panic!("{text}: {other:?}"),
        };
        assert_eq!(named("a/b:1"), "docker.io/a/b:1");
        assert_eq!(named(&format!("quay.io/a@{DIGEST}\n")), format!("quay.io/a@{DIGEST}"));
        for text in [DIGEST.to_owned(), format!("{{\"digest\": \"{DIGEST}\"}}\n")] {
            let source: GivenSource = text.parse().unwrap();
            assert_eq!(source.said().unwrap().digest.to_string(), DIGEST);
            let error = source.reference(None).unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("in which repository `{DIGEST}` is cannot be told")),
                "{error}"
            );
        }
        for (text, message) in [
            (
                "sha256:12",
                "`sha256:12` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits",
            ),
            ("{\"size\": 1}", "it has no `digest`"),
            ("{\"digest\": 1}", "`digest` is the number `1`, and should be a string"),
            ("A", "`A` is not an image reference: the repository name `A` must be lowercase"),
        ] {
            let error = text.parse::<GivenSource>().unwrap_err();
            let message_found = match &error {
                GivenSourceError::Descriptor(source) => source.to_string(),
                other => other.to_string(),
            };
            assert_eq!(message_found, message);
        }
    }

    #[test]
    fn a_digest_alone_is_where_all_others_are() {
        let reference = |text: &str| text.parse::<Reference>().unwrap();
        let source = |text: &str| text.parse::<GivenSource>().unwrap();
        let one = only_repository(&[reference("a:1")], &[source(DIGEST), source("a:2")]).unwrap();
        let found = source(DIGEST).reference(Some(&one)).unwrap();
        assert_eq!(
            (found.name(), found.digest().unwrap().to_string()),
            ("docker.io/library/a".to_owned(), DIGEST.to_owned())
        );
        assert_eq!(only_repository(&[reference("a:1")], &[source("b:1")]), None);
        assert_eq!(only_repository(&[], &[source(DIGEST)]), None);
    }

    #[test]
    fn what_is_said_adds_to_what_is_known_and_does_not_contradict_it() {
        let said = |fields: &str| match format!("{{\"digest\": \"{DIGEST}\", {fields}}}").parse().unwrap() {
            GivenSource::Described(said) => said,
            GivenSource::Named(name) => panic!("{name}"),
        };
        let known = Entry::new(MediaType::Manifest, DIGEST.parse().unwrap(), 7);
        let mut entry = known.clone();
        said(r#""size": 0, "annotations": {"a": "b"}, "platform": {"os.version": "10.1"}"#)
            .put_over(&mut entry)
            .unwrap();
        assert_eq!(entry.annotations["a"], "b");
        assert_eq!(entry.platform.unwrap().os_version.as_deref(), Some("10.1"));
        for (fields, message) in [
            (r#""size": 8"#, "the size is said to be `8`, and is `7`"),
            (
                r#""mediaType": "text/plain""#,
                "the media type is said to be `text/plain`, and is `application/vnd.oci.image.manifest.v1+json`",
            ),
        ] {
            let error = said(fields).put_over(&mut known.clone()).unwrap_err().to_string();
            assert_eq!(error, format!("of `{DIGEST}` {message}"));
        }
    }
}
