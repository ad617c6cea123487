//! What can go wrong when an image goes to a registry.

use std::io;
use std::path::PathBuf;

use crate::progress::Step;
use crate::registry::RegistryError;
use crate::store::StoreError;

use super::super::error::ExportError;

/// An image cannot be pushed.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    /// The registry does not take it.
    #[error(transparent)]
    Registry(RegistryError),
    /// The store does not give it.
    #[error(transparent)]
    Export(ExportError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// No image came of the image.
    #[error("there is nothing to push")]
    Nothing,
    /// It was interrupted.
    #[error("canceled")]
    Canceled,
}

impl From<RegistryError> for PushError {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Canceled => Self::Canceled,
            other => Self::Registry(other),
        }
    }
}

impl From<ExportError> for PushError {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Canceled => Self::Canceled,
            other => Self::Export(other),
        }
    }
}

impl PushError {
    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Registry(error) => error.remedy(),
            _ => None,
        }
    }
}

/// Ends a step as what it did ended.
pub(super) fn end<T>(step: Step<'_>, result: Result<T, PushError>) -> Result<T, PushError> {
    match &result {
        Ok(_) => step.done(),
        Err(PushError::Canceled) => step.canceled(),
        Err(error) => step.failed(error.to_string()),
    }
    result
}
