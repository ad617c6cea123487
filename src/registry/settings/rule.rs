//! What is said of a registry, or of a part of its repositories.

use super::error::Place;

/// A table `[[registry]]`.
#[derive(Debug, Clone)]
pub(super) struct Rule {
    pub(super) prefix: Prefix,
    /// What stands in the prefix's place when the registry is asked; nothing if that is the prefix itself.
    pub(super) location: Option<String>,
    pub(super) insecure: bool,
    pub(super) blocked: bool,
    pub(super) mirrors: Vec<Mirror>,
    pub(super) place: Place,
}

/// Which names a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Prefix {
    /// This name and what is below it.
    Name(String),
    /// What is at a host whose name ends like this, which begins with a dot.
    Subdomains(String),
}

/// A table `[[registry.mirror]]`.
#[derive(Debug, Clone)]
pub(super) struct Mirror {
    pub(super) location: String,
    pub(super) insecure: bool,
    pub(super) used: MirrorUse,
}

/// For which references a mirror is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MirrorUse {
    Always,
    DigestOnly,
    TagOnly,
}

impl MirrorUse {
    /// Whether it is asked for a reference that has a digest, or none.
    pub(super) fn is_for(self, has_digest: bool) -> bool {
        match self {
            Self::Always => true,
            Self::DigestOnly => has_digest,
            Self::TagOnly => !has_digest,
        }
    }
}

impl Prefix {
    pub(super) fn new(text: &str) -> Self {
        match text.strip_prefix('*') {
            Some(suffix) if suffix.starts_with('.') => Self::Subdomains(suffix.to_owned()),
            _ => Self::Name(text.to_owned()),
        }
    }

    /// How much of the name it covers, if it covers any.
    pub(super) fn covers(&self, name: &str) -> Option<usize> {
        match self {
            Self::Name(prefix) => {
                let rest = name.strip_prefix(prefix.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then_some(prefix.len())
            }
            Self::Subdomains(suffix) => {
                // A suffix may go on with a port and a path.
                let end = name.find(suffix.as_str())? + suffix.len();
                let host = &name[..end - suffix.len()];
                let at_border = end == name.len() || name[end..].starts_with('/');
                (at_border && !host.is_empty() && !host.contains('/')).then_some(end)
            }
        }
    }

    /// How much it says: of several prefixes that cover a name the one that says most counts.
    pub(super) fn weight(&self) -> usize {
        match self {
            Self::Name(prefix) => prefix.len(),
            // With the star.
            Self::Subdomains(suffix) => suffix.len() + 1,
        }
    }
}
