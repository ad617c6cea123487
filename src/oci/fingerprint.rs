//! How values are turned into the bytes that cache keys are made of.
//!
//! Every value is written with its length or with a fixed width, so that two different values never give the
//! same bytes. The definition is part of the cache's format: `docs/cache-keys.md`.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use super::digest::Digest;

/// A value that can be part of a cache key.
pub trait Fingerprint {
    /// Feeds the value to `hasher`, unambiguously.
    fn fingerprint(&self, hasher: &mut FingerprintHasher);
}

/// Collects values; [`FingerprintHasher::finish`] gives their digest.
#[derive(Debug, Clone)]
pub struct FingerprintHasher(Sha256);

impl FingerprintHasher {
    /// Starts a fingerprint in a domain of its own: values of different domains never collide.
    pub fn new(domain: &str) -> Self {
        let mut hasher = Self(Sha256::new());
        hasher.bytes(domain.as_bytes());
        hasher
    }

    /// Bytes, with their length before them.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    /// A number, in eight bytes.
    pub fn number(&mut self, number: u64) {
        self.0.update(number.to_le_bytes());
    }

    /// Another value.
    pub fn value<T: Fingerprint + ?Sized>(&mut self, value: &T) {
        value.fingerprint(self);
    }

    /// Bytes that are unambiguous by themselves (already framed by the caller).
    pub fn raw(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all that was fed.
    pub fn finish(self) -> Digest {
        Digest::from_bytes(self.0.finalize().into())
    }
}

impl Fingerprint for str {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.bytes(self.as_bytes());
    }
}

impl Fingerprint for String {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.bytes(self.as_bytes());
    }
}

impl Fingerprint for u64 {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(*self);
    }
}

impl Fingerprint for bool {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(u64::from(*self));
    }
}

impl Fingerprint for Digest {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.raw(self.as_bytes());
    }
}

impl<T: Fingerprint> Fingerprint for [T] {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(self.len() as u64);
        for item in self {
            hasher.value(item);
        }
    }
}

impl<T: Fingerprint> Fingerprint for Vec<T> {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        self.as_slice().fingerprint(hasher);
    }
}

/// A map is the list of its pairs.
impl<K: Fingerprint, V: Fingerprint> Fingerprint for BTreeMap<K, V> {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(self.len() as u64);
        for (key, value) in self {
            hasher.value(key);
            hasher.value(value);
        }
    }
}

impl<T: Fingerprint> Fingerprint for Option<T> {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        match self {
            None => hasher.number(0),
            Some(value) => {
                hasher.number(1);
                hasher.value(value);
            }
        }
    }
}

impl<A: Fingerprint, B: Fingerprint> Fingerprint for (A, B) {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.value(&self.0);
        hasher.value(&self.1);
    }
}
