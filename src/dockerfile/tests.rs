//! Tests of the language as a whole.

mod corpus;
mod dump;
mod expansion;
mod language;
mod laws;
mod oracle;
mod places;
mod print;
mod properties;
mod reference;
mod snapshots;
mod trees;
