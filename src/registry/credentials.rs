//! Who we are to registries: the files and helpers in which Docker and podman keep it.
//!
//! Owns reading and writing them. The places are values: which files there are, and their order, is for the caller to
//! say. They are looked at anew for each question, so that a login elsewhere counts at once. No message and no debug
//! output holds a secret.

mod error;
mod file;
mod helper;
mod key;
#[cfg(test)]
mod tests;

use std::fmt;
use std::path::{Path, PathBuf};

pub use error::CredentialsError;
use file::AuthFile;

/// Who asks, and what proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user; may be empty beside an identity token.
    pub username: String,
    /// The password or the token.
    pub secret: String,
    /// Whether the secret is a token that a server of tokens gave, and that only that server takes.
    pub is_identity_token: bool,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("username", &self.username).finish_non_exhaustive()
    }
}

/// Where credentials are.
#[derive(Debug, Clone, Default)]
pub struct CredentialStore {
    files: Vec<PathBuf>,
}

/// Where credentials were put.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// In this file, as anybody can read it who can read the file.
    File(PathBuf),
    /// By this helper.
    Helper(String),
}

impl CredentialStore {
    /// Credentials in these files, which need not be there: the first one that knows a registry counts, and the very
    /// first one is written to.
    pub fn new(files: Vec<PathBuf>) -> Self {
        Self { files }
    }

    /// The credentials for a repository. Those for a part of the registry's repositories go before those for all.
    pub fn find(&self, host: &str, repository: &str) -> Result<Option<Credentials>, CredentialsError> {
        for path in &self.files {
            let file = AuthFile::read(path)?;
            if let Some(helper) = file.helper(host)?
                && let Some(found) = helper.get(key::of_host(host))?
            {
                return Ok(Some(found));
            }
            if let Some(found) = file.credentials(host, repository)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Keeps the credentials for a registry.
    pub fn save(&self, host: &str, credentials: &Credentials) -> Result<Kept, CredentialsError> {
        let path = self.own_file()?;
        let mut kept = Kept::File(path.to_owned());
        AuthFile::change(path, |file| {
            let helper = file.helper(host)?;
            if let Some(helper) = &helper {
                helper.store(key::of_host(host), credentials)?;
                kept = Kept::Helper(helper.name.to_owned());
            }
            let in_file = helper.is_none().then_some(credentials);
            file.set(host, in_file)?;
            Ok(true)
        })?;
        Ok(kept)
    }

    /// Forgets the credentials for a registry; whether there were any.
    pub fn erase(&self, host: &str) -> Result<bool, CredentialsError> {
        let path = self.own_file()?;
        let server = key::of_host(host);
        let file = AuthFile::read(path)?;
        let mut had = false;
        if let Some(helper) = file.helper(host)?
            && helper.get(server)?.is_some()
        {
            helper.erase(server)?;
            had = true;
        }
        // A file that says nothing is not made, or written anew, for that.
        if file.has(host)? {
            had |= AuthFile::change(path, |file| file.remove(host))?;
        }
        Ok(had)
    }

    /// The files, but for the one that is written to, that have credentials for a registry.
    pub fn elsewhere(&self, host: &str) -> Result<Vec<&Path>, CredentialsError> {
        let mut found = Vec::new();
        for path in self.files.iter().skip(1) {
            if AuthFile::read(path)?.credentials(host, "")?.is_some() {
                found.push(path.as_path());
            }
        }
        Ok(found)
    }

    fn own_file(&self) -> Result<&Path, CredentialsError> {
        self.files.first().map(PathBuf::as_path).ok_or(CredentialsError::NoPlace)
    }
}
