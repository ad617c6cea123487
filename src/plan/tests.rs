//! Plans of whole files, and what cannot be seen in them.

mod fingerprints;
pub(crate) mod fixtures;
mod joins;
mod references;
mod scans;
mod snapshots;
