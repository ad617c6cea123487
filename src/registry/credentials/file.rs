//! A file of credentials: Docker's `config.json`, podman's `auth.json`.
//!
//! Both are JSON objects with `auths`, `credHelpers` and `credsStore`, and may hold much else, which stays as it is. A
//! file that is not there or empty is one without credentials. It is written whole and renamed into place, readable by
//! its owner only.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize as _;
use serde_json::{Map, Value, json};

use super::helper::Helper;
use super::{Credentials, CredentialsError, key};
use crate::sys::lock::Lock;

/// The part of a document with a value for each registry.
const AUTHS: &str = "auths";
/// The part that names a helper for each registry.
const CRED_HELPERS: &str = "credHelpers";
/// The helper of all other registries.
const CREDS_STORE: &str = "credsStore";

/// A file as it was read.
#[derive(Debug)]
pub(super) struct AuthFile<'a> {
    path: &'a Path,
    document: Map<String, Value>,
}

impl<'a> AuthFile<'a> {
    /// Reads a file.
    pub(super) fn read(path: &'a Path) -> Result<Self, CredentialsError> {
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if is_missing(&error) => Vec::new(),
            Err(source) => return Err(CredentialsError::Read { path: path.to_owned(), source }),
        };
        if text.trim_ascii().is_empty() {
            return Ok(Self { path, document: Map::new() });
        }
        let document: Value = serde_json::from_slice(&text).map_err(|error| {
            let (message, place) = (error.to_string(), format!(" at line {} column", error.line()));
            let reason = message.split(&place).next().unwrap_or_default().to_owned();
            let (line, column) = (error.line(), error.column());
            CredentialsError::Syntax { path: path.to_owned(), line, column, reason }
        })?;
        match document {
            Value::Object(document) => Ok(Self { path, document }),
            _ => Err(CredentialsError::Syntax {
                path: path.to_owned(),
                line: 1,
                column: 1,
                reason: "expected an object".to_owned(),
            }),
        }
    }

    /// Changes the file at `path`, which nobody else changes meanwhile. Nothing is written if `change` says that
    /// nothing is new.
    pub(super) fn change(
        path: &Path,
        change: impl FnOnce(&mut AuthFile<'_>) -> Result<bool, CredentialsError>,
    ) -> Result<bool, CredentialsError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let write_error = |source| CredentialsError::Write { path: path.clone(), source };
        if let Some(parent) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(write_error)?;
        }
        // Who has it writes a small file, and is gone.
        let _lock = Lock::wait_transient(&beside(&path, ".lock"), &|| true)?;
        let mut file = AuthFile::read(&path)?;
        let changed = change(&mut file)?;
        if changed {
            file.write().map_err(write_error)?;
        }
        Ok(changed)
    }

    /// The helper that keeps a host's credentials.
    pub(super) fn helper(&self, host: &str) -> Result<Option<Helper<'_>>, CredentialsError> {
        let namespace = key::namespace(host);
        for (key, name) in self.map(CRED_HELPERS)?.into_iter().flatten() {
            if key::namespace(key) == namespace {
                let name = self.text(name, || format!("{CRED_HELPERS}.{key}"))?;
                // An empty name says that the credentials are in the file.
                return Ok(self.named(name));
            }
        }
        match self.document.get(CREDS_STORE) {
            None | Some(Value::Null) => Ok(None),
            Some(name) => Ok(self.named(self.text(name, || CREDS_STORE.to_owned())?)),
        }
    }

    fn named<'b>(&'b self, name: &'b str) -> Option<Helper<'b>> {
        (!name.is_empty()).then_some(Helper { name, file: self.path })
    }

    /// The credentials that the file itself has for a repository: those of the smallest namespace.
    pub(super) fn credentials(
        &self,
        host: &str,
        repository: &str,
    ) -> Result<Option<Credentials>, CredentialsError> {
        let Some(auths) = self.map(AUTHS)? else { return Ok(None) };
        for namespace in key::namespaces(host, repository) {
            let mut keys: Vec<&String> =
                auths.keys().filter(|key| key::namespace(key) == namespace).collect();
            // Of several spellings the one that is written today goes first.
            keys.sort_by_key(|key| key.as_str() != key::of_host(&namespace));
            for key in keys {
                if let Some(found) = self.entry(key, &auths[key])? {
                    return Ok(Some(found));
                }
            }
        }
        Ok(None)
    }

    /// Whether there is an entry for a host, even one that only says that a helper has its credentials.
    pub(super) fn has(&self, host: &str) -> Result<bool, CredentialsError> {
        let namespace = key::namespace(host);
        Ok(self.map(AUTHS)?.is_some_and(|auths| auths.keys().any(|key| key::namespace(key) == namespace)))
    }

    /// Writes a host's credentials down, or only that a helper has them.
    pub(super) fn set(
        &mut self,
        host: &str,
        credentials: Option<&Credentials>,
    ) -> Result<(), CredentialsError> {
        self.remove(host)?;
        let entry = credentials.map_or_else(|| json!({}), encode);
        let auths = self.document.entry(AUTHS).or_insert_with(|| json!({}));
        if auths.is_null() {
            *auths = json!({});
        }
        if let Value::Object(auths) = auths {
            auths.insert(key::of_host(host).to_owned(), entry);
        }
        Ok(())
    }

    /// Forgets a host; whether there was something.
    pub(super) fn remove(&mut self, host: &str) -> Result<bool, CredentialsError> {
        let had = self.has(host)?;
        let namespace = key::namespace(host);
        if let Some(Value::Object(auths)) = self.document.get_mut(AUTHS) {
            auths.retain(|key, _| key::namespace(key) != namespace);
        }
        Ok(had)
    }

    fn entry(&self, key: &str, entry: &Value) -> Result<Option<Credentials>, CredentialsError> {
        let place = |name: &str| format!("{AUTHS}.{key}{name}");
        if entry.is_null() {
            return Ok(None);
        }
        let entry = entry.as_object().ok_or_else(|| self.shape(place(""), "an object"))?;
        let text = |name: &str| match entry.get(name) {
            None | Some(Value::Null) => Ok(""),
            Some(value) => self.text(value, || place(&format!(".{name}"))),
        };
        let (auth, identity_token) = (text("auth")?, text("identitytoken")?);
        let (username, password) = if auth.is_empty() {
            (text("username")?.to_owned(), text("password")?.to_owned())
        } else {
            decode(auth).ok_or_else(|| self.shape(place(".auth"), "a user and a password in base64"))?
        };
        let (secret, is_identity_token) = match identity_token {
            "" => (password, false),
            token => (token.to_owned(), true),
        };
        Ok((!secret.is_empty()).then_some(Credentials { username, secret, is_identity_token }))
    }

    fn map(&self, name: &str) -> Result<Option<&Map<String, Value>>, CredentialsError> {
        match self.document.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(_) => Err(self.shape(name.to_owned(), "an object")),
        }
    }

    fn text<'v>(&self, value: &'v Value, place: impl Fn() -> String) -> Result<&'v str, CredentialsError> {
        value.as_str().ok_or_else(|| self.shape(place(), "a string"))
    }

    fn shape(&self, place: String, expected: &'static str) -> CredentialsError {
        CredentialsError::Shape { path: self.path.to_owned(), place, expected }
    }

    fn write(&self) -> io::Result<()> {
        let mut text = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"\t");
        self.document.serialize(&mut serde_json::Serializer::with_formatter(&mut text, formatter))?;
        text.push(b'\n');
        let new = beside(self.path, ".new");
        // What an interrupted process left here may be readable by others.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        file.write_all(&text)?;
        file.sync_all()?;
        fs::rename(&new, self.path)
    }
}

/// The path with something behind its name.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Whether there is no such file, or no directory that it could be in.
fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The value of `auth`: user and password with a colon between them.
fn decode(auth: &str) -> Option<(String, String)> {
    let text = String::from_utf8(BASE64_STANDARD.decode(auth.trim()).ok()?).ok()?;
    let (username, password) = text.split_once(':')?;
    // Old clients filled up with these.
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}

fn encode(credentials: &Credentials) -> Value {
    let Credentials { username, secret, is_identity_token } = credentials;
    if *is_identity_token {
        json!({"auth": BASE64_STANDARD.encode(format!("{username}:")), "identitytoken": secret})
    } else {
        json!({"auth": BASE64_STANDARD.encode(format!("{username}:{secret}"))})
    }
}
