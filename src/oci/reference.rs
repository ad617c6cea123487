//! Image references: the names that people give images, in Docker's grammar.
//!
//! A [`Reference`] is always complete: the registry's domain and the `library/` of Docker's own images are
//! filled in, and there is a tag or a digest. The grammar is that of the `distribution/reference` package, which
//! every registry client shares:
//!
//! ```text
//! reference = [ domain "/" ] path [ ":" tag ] [ "@" digest ]
//! domain    = host [ ":" port ]
//! path      = component *( "/" component ), components of [a-z0-9] with ".", "_", "__" or "-"s between
//! tag       = word character, then at most 127 word characters, "." or "-"
//! ```
//!
//! Nothing here knows what a reference points to.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use super::digest::ManifestDigest;

/// The domain of names that have none.
const DEFAULT_DOMAIN: &str = "docker.io";
/// The domain that old clients wrote for [`DEFAULT_DOMAIN`].
const LEGACY_DOMAIN: &str = "index.docker.io";
/// The first component of Docker's own images; people leave it out.
const OFFICIAL_PREFIX: &str = "library/";
/// The tag of a name that has neither tag nor digest.
const DEFAULT_TAG: &str = "latest";
/// How long a path may be, in bytes.
const PATH_MAX: usize = 255;
/// How long a tag may be, in bytes.
const TAG_MAX: usize = 128;

/// The complete name of an image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Reference {
    domain: String,
    path: String,
    tag: Option<String>,
    digest: Option<ManifestDigest>,
}

/// A text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not an image reference: {kind}")]
pub struct ReferenceError {
    /// The text.
    pub text: String,
    /// What is wrong with it.
    pub kind: ReferenceErrorKind,
}

/// What is wrong with a text that should be an image reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceErrorKind {
    /// There is nothing.
    #[error("it is empty")]
    Empty,
    /// 64 hexadecimal digits, which would be taken for an image id.
    #[error("64 hexadecimal digits are an image id, not a name")]
    Id,
    /// A scheme, such as `https://`, comes before the name.
    #[error("`{scheme}://` is not part of a name")]
    Scheme {
        /// The scheme.
        scheme: String,
    },
    /// The path has an upper-case letter.
    #[error("the repository name `{path}` must be lowercase")]
    UpperCase {
        /// The path.
        path: String,
    },
    /// What comes before the first `/` is no host with an optional port.
    #[error("`{domain}` is not a registry's host name")]
    Domain {
        /// The part of the text.
        domain: String,
    },
    /// A component of the path is not made of the characters that it may have.
    #[error(
        "`{component}` is not a name's component: letters a-z and digits, with `.`, `_`, `__` or `-` between them"
    )]
    Component {
        /// The component.
        component: String,
    },
    /// The path is too long.
    #[error("the repository name has {length} bytes, more than {PATH_MAX}")]
    PathLength {
        /// How long it is.
        length: usize,
    },
    /// The tag is not made of the characters that it may have.
    #[error("`{tag}` is not a tag: letters, digits, `_`, and after the first of them also `.` and `-`")]
    Tag {
        /// The tag.
        tag: String,
    },
    /// The tag is too long.
    #[error("the tag has {length} bytes, more than {TAG_MAX}")]
    TagLength {
        /// How long it is.
        length: usize,
    },
    /// What follows the `@` is no sha256 digest.
    #[error("`{digest}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits")]
    Digest {
        /// The part of the text.
        digest: String,
    },
}

impl ReferenceError {
    /// What the user can write instead, if that can be told.
    pub fn remedy(&self) -> Option<String> {
        match &self.kind {
            ReferenceErrorKind::UpperCase { .. } => Some(format!("write `{}`", lower_case_name(&self.text))),
            ReferenceErrorKind::Scheme { scheme } => {
                let rest = &self.text[scheme.len() + "://".len()..];
                rest.parse::<Reference>().is_ok().then(|| format!("write `{rest}`"))
            }
            ReferenceErrorKind::Id => Some("give the image a name with `strata tag`".to_owned()),
            ReferenceErrorKind::Empty => Some("write a name such as `app` or `app:1.0`".to_owned()),
            _ => None,
        }
    }
}

/// The text with its name, but not its tag, in lower case. Case means nothing in a host's name.
fn lower_case_name(text: &str) -> String {
    let name = text.split_once('@').map_or(text, |(name, _)| name);
    let path = name.rfind('/').map_or(0, |slash| slash + 1);
    let end = name[path..].find(':').map_or(name.len(), |colon| path + colon);
    format!("{}{}", text[..end].to_lowercase(), &text[end..])
}

impl Reference {
    /// The registry's host, with its port if it has one.
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// The repository's path in the registry, with `library/` for Docker's own images.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The tag. A reference without a tag has a digest.
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The digest that the image must have.
    pub fn digest(&self) -> Option<ManifestDigest> {
        self.digest
    }

    /// Domain and path: `docker.io/library/node`.
    pub fn name(&self) -> String {
        format!("{}/{}", self.domain, self.path)
    }

    /// Domain and path as people write them: `node`.
    pub fn familiar_name(&self) -> String {
        if self.domain != DEFAULT_DOMAIN {
            return self.name();
        }
        match self.path.strip_prefix(OFFICIAL_PREFIX) {
            // `library/a/b` without its prefix would be read as a repository `a/b`.
            Some(short) if !short.contains('/') => short.to_owned(),
            _ => self.path.clone(),
        }
    }

    /// The reference as people write it and Docker shows it: `node:12.20.1`.
    pub fn familiar(&self) -> String {
        self.with_suffixes(self.familiar_name())
    }

    /// The same name at this digest, without its tag.
    #[must_use]
    pub fn at_digest(&self, digest: ManifestDigest) -> Self {
        Self { digest: Some(digest), tag: None, ..self.clone() }
    }

    fn with_suffixes(&self, mut text: String) -> String {
        if let Some(tag) = &self.tag {
            text.push(':');
            text.push_str(tag);
        }
        if let Some(digest) = &self.digest {
            text.push('@');
            text.push_str(&digest.to_string());
        }
        text
    }
}

impl fmt::Display for Reference {
    /// The complete form: `docker.io/library/node:12.20.1`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.with_suffixes(self.name()))
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        parse(text).map_err(|kind| ReferenceError { text: text.to_owned(), kind })
    }
}

fn parse(text: &str) -> Result<Reference, ReferenceErrorKind> {
    if text.is_empty() {
        return Err(ReferenceErrorKind::Empty);
    }
    if is_id(text) {
        return Err(ReferenceErrorKind::Id);
    }
    if let Some((scheme, _)) = text.split_once("://") {
        return Err(ReferenceErrorKind::Scheme { scheme: scheme.to_owned() });
    }
    let (rest, digest) = match text.split_once('@') {
        Some((rest, digest)) => (rest, Some(parse_digest(digest)?)),
        None => (text, None),
    };
    let (domain, rest) = split_domain(rest);
    let (path, tag) = match rest.split_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (rest, None),
    };
    check_domain(domain)?;
    check_path(path)?;
    if let Some(tag) = tag {
        check_tag(tag)?;
    }
    let path = if domain == DEFAULT_DOMAIN && !path.contains('/') {
        format!("{OFFICIAL_PREFIX}{path}")
    } else {
        path.to_owned()
    };
    if path.len() > PATH_MAX {
        return Err(ReferenceErrorKind::PathLength { length: path.len() });
    }
    let tag = tag.or(if digest.is_none() { Some(DEFAULT_TAG) } else { None });
    Ok(Reference { domain: domain.to_owned(), path, tag: tag.map(str::to_owned), digest })
}

/// Splits off what comes before the first `/` if it can only be a host: it is `localhost`, or has a dot, a colon
/// or an upper-case letter, none of which a path's first component has.
fn split_domain(text: &str) -> (&str, &str) {
    match text.split_once('/') {
        Some((LEGACY_DOMAIN, rest)) => (DEFAULT_DOMAIN, rest),
        Some((first, rest))
            if first == "localhost"
                || first.contains(['.', ':'])
                || first.bytes().any(|b| b.is_ascii_uppercase()) =>
        {
            (first, rest)
        }
        _ => (DEFAULT_DOMAIN, text),
    }
}

fn is_id(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn parse_digest(text: &str) -> Result<ManifestDigest, ReferenceErrorKind> {
    text.parse().map_err(|_| ReferenceErrorKind::Digest { digest: text.to_owned() })
}

fn check_domain(domain: &str) -> Result<(), ReferenceErrorKind> {
    let error = || ReferenceErrorKind::Domain { domain: domain.to_owned() };
    let (host, port) = if let Some(rest) = domain.strip_prefix('[') {
        let (address, rest) = rest.split_once(']').ok_or_else(error)?;
        // Zones (`fe80::1%eth0`) mean nothing to another machine; `Ipv6Addr` does not take them.
        address.parse::<Ipv6Addr>().map_err(|_| error())?;
        (None, rest.strip_prefix(':').or(if rest.is_empty() { None } else { Some("") }))
    } else {
        match domain.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(domain), None),
        }
    };
    let label = |label: &str| {
        label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host_valid = host.is_none_or(|host| host.split('.').all(label));
    let port_valid = port.is_none_or(|port| !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()));
    if host_valid && port_valid { Ok(()) } else { Err(error()) }
}

fn check_path(path: &str) -> Result<(), ReferenceErrorKind> {
    if path.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(ReferenceErrorKind::UpperCase { path: path.to_owned() });
    }
    match path.split('/').find(|component| !is_component(component)) {
        None => Ok(()),
        Some(component) => Err(ReferenceErrorKind::Component { component: component.to_owned() }),
    }
}

/// Runs of letters and digits, with one separator between two of them: `.`, `_`, `__` or any number of `-`.
fn is_component(text: &str) -> bool {
    let alphanumeric = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends_valid =
        bytes.first().is_some_and(|&b| alphanumeric(b)) && bytes.last().is_some_and(|&b| alphanumeric(b));
    let separators_valid = bytes
        .split(|&b| alphanumeric(b))
        .filter(|separator| !separator.is_empty())
        .all(|separator| matches!(separator, b"." | b"_" | b"__") || separator.iter().all(|&b| b == b'-'));
    ends_valid && separators_valid
}

fn check_tag(tag: &str) -> Result<(), ReferenceErrorKind> {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = tag.bytes();
    let valid = bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-');
    if !valid {
        return Err(ReferenceErrorKind::Tag { tag: tag.to_owned() });
    }
    if tag.len() > TAG_MAX {
        return Err(ReferenceErrorKind::TagLength { length: tag.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
