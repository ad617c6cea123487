//! Attestations: statements about what a build made, in the words of in-toto, SLSA and BuildKit.
//!
//! Owns the documents: the statement ([in-toto](https://github.com/in-toto/attestation)), the provenance of a build
//! (SLSA, with the extensions that BuildKit's `slsa-definitions.md` describes), and the manifest that carries statements
//! beside an image in an index (BuildKit's `attestation-storage.md`).
//!
//! Invariants: everything follows from what is given, byte for byte; what is not known is left out; nothing that was
//! secret can get in, because no secret is given. Must not know where facts come from and where documents go.

mod manifest;
mod origin;
mod provenance;
mod purl;
mod redact;
mod statement;
mod steps;

pub use manifest::{AttestationManifest, Shape};
pub use origin::{DigestSet, Material, Origin, digest_set, directory_digest};
pub use provenance::{Completeness, ConfigSource, Invocation, Mode, Provenance, Request, Version};
pub use purl::image_purl;
pub use redact::published;
pub use statement::{Attestation, SPDX, Statement, StatementError, Subject};
pub use steps::{Graph, graph};
