//! Plans of whole files, and what cannot be seen in them.

mod fingerprints;
mod fixtures;
mod joins;
mod references;
mod scans;
mod snapshots;
