//! Cache keys, observed inputs and records: what a build step depends on, and what it made.
//!
//! Owns the definition of the keys (documented in `docs/cache-keys.md`, versioned by the domain strings in
//! `key`), the looks that a COPY takes at its base, and the explanation of a miss. Must not know how a step is
//! carried out.
//!
//! Invariants: keys are made of content, never of times, compressed digests or paths on the host; a record is
//! written only after its layer is published.

mod key;
mod observe;
mod record;

pub use key::{Chain, action, family};
pub use observe::{Observed, Observer, Seen, still_seen};
pub use record::{Details, Input, explain};
