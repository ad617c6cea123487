//! What can be wrong with files of credentials and with helpers. No message holds a secret.

use std::io;
use std::path::PathBuf;

use crate::sys::lock::LockError;

/// Credentials cannot be read or kept.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file cannot be read.
    #[error("cannot read the credentials in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no JSON.
    #[error("cannot read the credentials in `{}`, line {line}, column {column}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where in it, from 1.
        line: usize,
        /// Where in the line, from 1.
        column: usize,
        /// What is wrong there.
        reason: String,
    },
    /// Something in a file is not what belongs there.
    #[error("cannot use the credentials in `{}`: `{place}` is not {expected}", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The way to it through the document's keys.
        place: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A file cannot be written.
    #[error("cannot keep credentials in `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file cannot be had alone.
    #[error("cannot keep credentials")]
    Lock(#[from] LockError),
    /// There is no place where credentials could be kept.
    #[error("there is no home directory to keep credentials in")]
    NoPlace,
    /// A helper cannot be started.
    #[error("cannot start `{program}`, which `{}` names for credentials of `{host}`", path.display())]
    Start {
        /// The helper's program.
        program: String,
        /// The file that names it.
        path: PathBuf,
        /// Whose credentials were wanted.
        host: String,
        /// Why.
        source: io::Error,
    },
    /// A helper says that it cannot.
    #[error("`{program} {action}` failed for `{host}`: {reason}")]
    Helper {
        /// The helper's program.
        program: String,
        /// What it was to do.
        action: &'static str,
        /// For which registry.
        host: String,
        /// What it says.
        reason: String,
    },
}

impl CredentialsError {
    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Start { program, path, source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some(format!(
                    "install `{program}`, or remove it from `credsStore` and `credHelpers` in `{}`",
                    path.display()
                ))
            }
            Self::NoPlace => Some("set `HOME`, or name a file in `REGISTRY_AUTH_FILE`".to_owned()),
            Self::Syntax { path, .. } | Self::Shape { path, .. } => {
                Some(format!("correct `{}`, or move it away and log in again", path.display()))
            }
            _ => None,
        }
    }
}
