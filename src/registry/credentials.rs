//! Who asks.

use std::fmt;

/// A name with a password or a token.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user.
    pub username: String,
    /// The password or token.
    pub secret: String,
    /// Whether the secret is to be exchanged for tokens.
    pub is_identity_token: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Credentials cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {}

/// What is known of who asks.
#[derive(Debug, Clone, Default)]
pub struct CredentialStore {}

impl CredentialStore {
    /// Who asks for a repository of a host.
    pub fn find(&self, _host: &str, _repository: &str) -> Result<Option<Credentials>, CredentialsError> {
        Ok(None)
    }
}
