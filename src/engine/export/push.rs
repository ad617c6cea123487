//! Where images of a build are sent to registries.

use crate::oci::Reference;
use crate::transport::Prepared;

use super::super::Engine;
use super::super::error::{BuildError, EngineError};
use super::super::output::PushChoice;

/// Says whether images can be pushed, before one is built for that.
pub(in crate::engine) fn refuse() -> Result<(), EngineError> {
    let what = "pushing an image to a registry".to_owned();
    Err(Box::new(BuildError::Unsupported { what }).into())
}

/// Sends an image, whose blobs the store has, to the registries of its names.
pub(super) fn push(
    _engine: &Engine,
    _image: &Prepared,
    _names: &[Reference],
    _choice: PushChoice,
) -> Result<(), EngineError> {
    refuse()
}
