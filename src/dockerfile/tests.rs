//! Tests of the language as a whole.

mod dump;
mod expansion;
mod language;
mod oracle;
mod properties;
mod snapshots;
