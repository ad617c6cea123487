//! Attestations of a build: which are wanted, what is known, and the documents that an output gets.
//!
//! Owns how the facts of a build are gathered: from the request, the plan and what was read. What the documents look like
//! is `attest`'s business, where they go the outputs'.

mod facts;
mod scan;
mod spec;

use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;

use crate::attest::{
    Attestation, AttestationManifest, Invocation, Mode, Provenance, Shape, Statement, Subject, image_purl,
};
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::solve::StepResult;
use crate::transport::Session;

use super::error::EngineError;

pub(super) use facts::{Known, SourceOf};
pub use scan::ScanError;
pub(super) use scan::{Scan, Scanned};
pub use spec::{AttestError, Attestations, ProvenanceSpec, SbomSpec};

/// What is said of what a build made for one platform.
#[derive(Debug, Clone, Default)]
pub(super) struct Attested {
    pub(super) provenance: Option<(ProvenanceSpec, Provenance)>,
    pub(super) sboms: Vec<Attestation>,
}

impl Attested {
    /// What the request wants to be said of a build that is done. `scan` is a step of it.
    pub(super) fn new(
        known: &Known<'_>,
        scan: Option<&Scan>,
        steps: &[StepResult],
        session: Session<'_>,
    ) -> Result<Self, EngineError> {
        let sboms = scan.map_or_else(|| Ok(Vec::new()), |scan| scan.results(steps, session))?;
        let spec = known.request.attestations.provenance.clone();
        let provenance = spec.map(|spec| known.provenance(&spec).map(|facts| (spec, facts)));
        Ok(Self { provenance: provenance.transpose()?, sboms })
    }

    /// All of it, the SBOM of the image itself first. `layers` are those of the image in its manifest.
    fn all(&self, layers: &[Descriptor]) -> Vec<Attestation> {
        let provenance = self.provenance.iter().map(|(spec, facts)| {
            let graph = facts.graph.clone().with_layers(layers);
            let facts = Provenance { graph, ..facts.clone() };
            Attestation {
                file_name: spec.file_name.clone(),
                inline_only: spec.inline_only,
                predicate_type: spec.version.predicate_type().to_owned(),
                predicate: facts.predicate(spec.version, spec.mode),
                subjects: Vec::new(),
            }
        });
        self.sboms.iter().cloned().chain(provenance).collect()
    }

    /// The manifest that goes beside an image's, if anything is said of it.
    pub(super) fn manifest(
        &self,
        image: (&Descriptor, &[Descriptor]),
        (names, platform): (&[Reference], &Platform),
        shape: Shape,
    ) -> Option<AttestationManifest> {
        if self.provenance.is_none() && self.sboms.is_empty() {
            return None;
        }
        let (manifest, layers) = image;
        let mut subjects: Vec<Subject> = names
            .iter()
            .map(|name| Subject::new(Some(image_purl(name, platform)), &manifest.digest))
            .collect();
        if subjects.is_empty() {
            subjects.push(Subject::new(None, &manifest.digest));
        }
        let statements: Vec<Statement> = self.all(layers).iter().map(|said| said.about(&subjects)).collect();
        Some(AttestationManifest::new(manifest, &statements, shape))
    }

    /// The files that go beside the files of the result, which `subjects` names; their names begin with `prefix`.
    pub(super) fn files(&self, subjects: &[Subject], prefix: &str) -> Vec<(String, Vec<u8>)> {
        let said = self.all(&[]).into_iter().filter(|said| !said.inline_only);
        said.map(|said| (format!("{prefix}{}", said.file_name), said.about(subjects).to_pretty_json()))
            .collect()
    }

    /// The provenance as `--metadata-file` has it.
    pub(super) fn metadata(&self, mode: Mode) -> Option<Value> {
        let (spec, facts) = self.provenance.as_ref()?;
        let mode = if spec.mode == Mode::Max { mode } else { Mode::Min };
        Some(facts.predicate(spec.version, mode))
    }
}

/// The name of a build, and its beginning.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    id: String,
    at: SystemTime,
}

impl Begun {
    /// A build that begins now. No two builds of a store have a work directory of the same name at the same time.
    pub(super) fn now(work: &std::path::Path) -> Self {
        let at = SystemTime::now();
        let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
        let text = format!("{} {} {since}", work.display(), std::process::id());
        let mut id = Digest::of(text.as_bytes()).hex();
        id.truncate(25);
        Self { id, at }
    }

    /// The invocation, done now.
    fn done(&self) -> Invocation {
        let written = |time: SystemTime| Timestamp::try_from(time).unwrap_or_default().to_string();
        Invocation { id: self.id.clone(), started: written(self.at), finished: written(SystemTime::now()) }
    }
}
