//! Plans of whole files, and what cannot be seen in them.

mod fingerprints;
mod fixtures;
mod references;
mod scans;
mod snapshots;
