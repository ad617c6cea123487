//! The two indexed columns of a record: the action and the chain.

use crate::oci::{CacheKey, ContentDigest, DiffId, Fingerprint, FingerprintHasher};

/// What a step starts from, link by link.
///
/// A layer that came with an image counts by its diff id; a layer that a step of ours made counts by its content
/// digest, so that a step that ran again and made the same files does not invalidate what follows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain(CacheKey);

impl Chain {
    /// An empty file system.
    pub fn scratch() -> Self {
        Self(CacheKey(FingerprintHasher::new("chain v1").finish()))
    }

    /// With a layer of a base image on top.
    #[must_use]
    pub fn with_base_layer(&self, layer: &DiffId) -> Self {
        self.with(1, layer.digest())
    }

    /// With a layer that a step made on top.
    #[must_use]
    pub fn with_step_layer(&self, content: &ContentDigest) -> Self {
        self.with(2, content.digest())
    }

    /// The key.
    pub fn key(&self) -> &CacheKey {
        &self.0
    }

    fn with(&self, kind: u64, link: &crate::oci::Digest) -> Self {
        let mut hasher = FingerprintHasher::new("link v1");
        hasher.value(self.0.digest());
        hasher.number(kind);
        hasher.value(link);
        Self(CacheKey(hasher.finish()))
    }
}

/// The key of a step: its kind, its canonical arguments with the variables that it can see, and the content
/// digests of its named inputs.
pub fn action<T: Fingerprint + ?Sized>(kind: &str, arguments: &T, inputs: &[ContentDigest]) -> CacheKey {
    let mut hasher = FingerprintHasher::new("action v2");
    hasher.bytes(kind.as_bytes());
    hasher.value(arguments);
    hasher.number(inputs.len() as u64);
    for input in inputs {
        hasher.value(input.digest());
    }
    CacheKey(hasher.finish())
}

/// What makes a step of another build the same step with other inputs: the Dockerfile's instruction as written,
/// and the context or image that it is about.
pub fn family(kind: &str, instruction: &str, scope: &str) -> CacheKey {
    let mut hasher = FingerprintHasher::new("family v1");
    for part in [kind, instruction, scope] {
        hasher.bytes(part.as_bytes());
    }
    CacheKey(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    #[test]
    fn links_of_different_kinds_differ() {
        let digest = Digest::of(b"x");
        let base = Chain::scratch().with_base_layer(&DiffId(digest));
        let step = Chain::scratch().with_step_layer(&ContentDigest(digest));
        assert_ne!(base, step);
        assert_ne!(base.with_step_layer(&ContentDigest(digest)), step.with_base_layer(&DiffId(digest)));
    }

    #[test]
    fn inputs_and_arguments_cannot_be_confused() {
        let (a, b) = (ContentDigest(Digest::of(b"a")), ContentDigest(Digest::of(b"b")));
        let keys = [
            action("copy", "x", &[a, b]),
            action("copy", "x", &[b, a]),
            action("copy", "x", &[a]),
            action("run", "x", &[a, b]),
            action("copyx", "", &[a, b]),
        ];
        for (i, key) in keys.iter().enumerate() {
            assert_eq!(keys.iter().position(|other| other == key), Some(i));
        }
    }
}
