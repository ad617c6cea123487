//! The final file system as a tar (`-o type=tar`).

use crate::layer::{StreamError, StreamOptions, stream};
use crate::progress::Step;

use super::Session;
use super::destination::Destination;
use super::error::ExportError;
use super::merged::Merged;
use super::meter::Meter;

/// Writes a merged file system as a tar: all entries in the order of a walk, each file verified. With `epoch`, all times
/// are that many seconds since 1970 instead of those of the files.
pub fn write_plain_tar(
    session: Session<'_>,
    merged: &Merged,
    epoch: Option<i64>,
    destination: Destination<'_>,
    step: &Step<'_>,
) -> Result<(), ExportError> {
    let flat = merged.flatten(epoch);
    let meter = Meter::new(step, session.cancel, None);
    destination.fill(|out| {
        let written = stream(&flat.entries, &flat, &mut meter.metered(out), StreamOptions::default());
        match written {
            Ok(_) => Ok(()),
            Err(StreamError::Write { source }) => Err(ExportError::write(source)),
            Err(other) => Err(ExportError::Content { source: Box::new(other) }),
        }
    })
}
