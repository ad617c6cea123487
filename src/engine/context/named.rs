//! `--build-context`: what stands for a stage, for an image, or for files of a name.

use std::path::{Path, PathBuf};

use crate::dockerfile::remote::{RemoteError, RemoteSource};
use crate::oci::digest::DigestError;
use crate::oci::platform::PlatformError;
use crate::oci::{Digest, Platform, Reference, ReferenceError};
use crate::plan;

use super::remote;

/// A named context as the user gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContextSpec {
    /// The name, in the form in which names are compared.
    pub name: String,
    /// What stands for it.
    pub source: NamedSource,
}

/// What stands for a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NamedSource {
    /// The files of a directory.
    Directory(PathBuf),
    /// An image in the store, by its reference; `scratch` is none.
    Image(String),
    /// An image in an OCI layout.
    Layout(Layout),
    /// Files from somewhere else.
    Remote(RemoteSource),
}

/// An image in an OCI layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    /// All of it, as written, with the scheme.
    pub(in crate::engine) text: String,
    /// The layout's directory.
    pub path: PathBuf,
    /// The name that the image has there.
    pub tag: Option<String>,
    /// The digest of its manifest, or of an index that has it.
    pub digest: Option<Digest>,
}

/// A `--build-context` makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the build context `{text}` is wrong: {problem}")]
pub struct ContextSpecError {
    text: String,
    problem: Problem,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Problem {
    #[error("expected `name=value`")]
    NoValue,
    #[error(transparent)]
    Platform(#[from] PlatformError),
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    #[error(transparent)]
    Digest(#[from] DigestError),
    #[error(transparent)]
    Remote(#[from] RemoteError),
    #[error("it names no directory")]
    NoPath,
    #[error("not supported yet: `{scheme}:`")]
    Unsupported { scheme: &'static str },
    #[error("there is no kind of context `{scheme}://`")]
    Scheme { scheme: String },
}

const IMAGE: &str = "docker-image://";
/// What a layout begins with.
pub(in crate::engine) const LAYOUT: &str = "oci-layout://";

impl ContextSpec {
    /// Reads `name=value`.
    pub fn parse(text: &str) -> Result<Self, ContextSpecError> {
        read(text).map_err(|problem| ContextSpecError { text: text.to_owned(), problem })
    }
}

fn read(text: &str) -> Result<ContextSpec, Problem> {
    let (name, value) = text.split_once('=').ok_or(Problem::NoValue)?;
    if name.is_empty() || value.is_empty() {
        return Err(Problem::NoValue);
    }
    if let Some((_, platform)) = name.split_once("::") {
        platform.parse::<Platform>()?;
    }
    let source = if let Some(reference) = value.strip_prefix(IMAGE) {
        if reference != "scratch" {
            reference.parse::<Reference>()?;
        }
        NamedSource::Image(reference.to_owned())
    } else if let Some(layout) = value.strip_prefix(LAYOUT) {
        NamedSource::Layout(read_layout(layout, value)?)
    } else if let Some(scheme) = ["target", "input"].into_iter().find(|it| has_scheme(value, it)) {
        return Err(Problem::Unsupported { scheme });
    } else if let Some(source) = remote(Path::new(value)) {
        NamedSource::Remote(source?)
    } else if let Some((scheme, _)) = value.split_once("://") {
        return Err(Problem::Scheme { scheme: scheme.to_owned() });
    } else {
        NamedSource::Directory(value.into())
    };
    Ok(ContextSpec { name: plan::context_name(name), source })
}

fn has_scheme(text: &str, scheme: &str) -> bool {
    text.strip_prefix(scheme).is_some_and(|rest| rest.starts_with(':'))
}

/// Reads `path[:tag][@digest]`. Neither a tag nor a digest has a slash.
fn read_layout(text: &str, whole: &str) -> Result<Layout, Problem> {
    let (rest, digest) = match text.rsplit_once('@') {
        Some((rest, digest)) if !digest.contains('/') => (rest, Some(digest.parse()?)),
        _ => (text, None),
    };
    let (path, tag) = match rest.rsplit_once(':') {
        Some((path, tag)) if !tag.contains('/') => (path, Some(tag.to_owned())),
        _ => (rest, None),
    };
    if path.is_empty() {
        return Err(Problem::NoPath);
    }
    Ok(Layout { text: whole.to_owned(), path: path.into(), tag, digest })
}

impl NamedSource {
    /// What the planner has to know.
    pub(in crate::engine) fn to_plan(&self) -> plan::NamedContext {
        match self {
            Self::Directory(_) | Self::Remote(_) => plan::NamedContext::Files,
            Self::Image(reference) => plan::NamedContext::Image(reference.clone()),
            Self::Layout(layout) => plan::NamedContext::Image(layout.text.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::remote::parse_context;

    #[test]
    fn contexts_are_read() {
        let digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let remote = |text: &str| NamedSource::Remote(parse_context(text).unwrap().unwrap());
        let layout = |text: &str, path: &str, tag: Option<&str>, digest: Option<&str>| {
            NamedSource::Layout(Layout {
                text: format!("oci-layout://{text}"),
                path: path.into(),
                tag: tag.map(str::to_owned),
                digest: digest.map(|digest| digest.parse().unwrap()),
            })
        };
        for (text, name, source) in [
            ("src=../src", "src", NamedSource::Directory("../src".into())),
            ("SRC=a=b", "src", NamedSource::Directory("a=b".into())),
            ("alpine:latest=docker-image://bb:1", "alpine", NamedSource::Image("bb:1".into())),
            ("a::amd64=docker-image://scratch", "a::linux/amd64", NamedSource::Image("scratch".into())),
            ("a=https://h/x.git#b:c", "a", remote("https://h/x.git#b:c")),
            ("a=https://h/x", "a", remote("https://h/x")),
            ("a=github.com/o/r", "a", remote("github.com/o/r")),
            ("a=oci-layout:///l", "a", layout("/l", "/l", None, None)),
            ("a=oci-layout://l:1", "a", layout("l:1", "l", Some("1"), None)),
            ("a=oci-layout://x:y/l", "a", layout("x:y/l", "x:y/l", None, None)),
            (
                &format!("a=oci-layout://l:1@{digest}"),
                "a",
                layout(&format!("l:1@{digest}"), "l", Some("1"), Some(digest)),
            ),
        ] {
            assert_eq!(ContextSpec::parse(text), Ok(ContextSpec { name: name.into(), source }), "{text}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_said() {
        for (text, words) in [
            ("src", "expected `name=value`"),
            ("=src", "expected `name=value`"),
            ("src=", "expected `name=value`"),
            ("a=https://", "the address has no host"),
            ("a=target:b", "not supported yet: `target:`"),
            ("a=input:b", "not supported yet: `input:`"),
            ("a=docker-images://b", "there is no kind of context `docker-images://`"),
            ("a=oci-layout://:x", "it names no directory"),
        ] {
            let error = ContextSpec::parse(text).unwrap_err().to_string();
            assert_eq!(error, format!("the build context `{text}` is wrong: {words}"));
        }
        for text in ["a=docker-image://B", "a=docker-image://", "a::b/c/d/e=x", "a=oci-layout://l@sha256:0"] {
            assert!(ContextSpec::parse(text).is_err(), "{text}");
        }
    }
}
