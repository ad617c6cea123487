//! Attestations of a build: which are wanted, what is known, and the documents that an output gets.
//!
//! Owns how the facts of a build are gathered: from the request, the plan and what was read. What the documents look like
//! is `attest`'s business, where they go the outputs'.

mod facts;
mod scan;
mod spec;

use std::borrow::Cow;
use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use serde_json::Value;

use crate::attest::{
    Attestation, AttestationManifest, Invocation, Mode, Provenance, Shape, Statement, Subject, Version,
    image_purl,
};
use crate::oci::{Descriptor, Digest, Platform, Reference};
use crate::plan::{Images, Plan, StepId};
use crate::solve::{Solver, StepResult};
use crate::transport::Session;

use super::Engine;
use super::bases::Resolving;
use super::build::BuildRequest;
use super::context::BuildInput;
use super::error::EngineError;
use super::platforms::Planned;

use facts::{Known, SourceOf};
pub use scan::ScanError;
use scan::Scanner;
pub use spec::{AttestError, AttestRequest, ProvenanceSpec, SbomSpec};

/// What has to be kept in mind from the beginning of a build to its end.
pub(super) struct Attesting<'a> {
    request: &'a BuildRequest,
    source: SourceOf,
    begun: Begun,
    scanner: Option<Scanner>,
    /// For each platform the scan, a step of its plan.
    scans: Vec<StepId>,
}

impl<'a> Attesting<'a> {
    /// A build that has begun, and was told what to do by `input`.
    pub(super) fn new(request: &'a BuildRequest, input: &BuildInput, begun: Begun) -> Self {
        let source = SourceOf::new(input);
        Self { request, source, begun, scanner: None, scans: Vec::new() }
    }

    /// The plans with the scans that an SBOM comes from, if one is wanted; the generator is added to the bases.
    pub(super) fn plans<'p>(
        &mut self,
        engine: &Engine,
        planned: &'p [Planned],
        bases: &mut Images,
        resolving: &Resolving<'_>,
    ) -> Result<Vec<Cow<'p, Plan>>, EngineError> {
        let mut plans: Vec<Cow<'p, Plan>> =
            planned.iter().map(|planned| Cow::Borrowed(&planned.plan)).collect();
        if let (Some(spec), Some(first)) = (&self.request.attestations.sbom, planned.first()) {
            let scanner = Scanner::find(engine, spec, first.options.network, resolving)?;
            bases.extend([scanner.base()]);
            self.scans = plans
                .iter_mut()
                .zip(planned)
                .map(|(plan, planned)| scanner.plan(plan.to_mut(), planned.epoch))
                .collect::<Result<_, _>>()?;
            self.scanner = Some(scanner);
        }
        Ok(plans)
    }

    /// What is said of what was built for one platform, the one of this number. `steps` are the steps of its plan in
    /// what was carried out, and what they came to.
    pub(super) fn attested(
        &self,
        (number, planned): (usize, &Planned),
        bases: &Images,
        (steps, results): (&[StepId], &[StepResult]),
        (solver, session): (&Solver<'_>, Session<'_>),
    ) -> Result<Attested, EngineError> {
        let scan = self.scanner.as_ref().zip(self.scans.get(number));
        let sboms = scan.map(|(scanner, scan)| scanner.results(&results[scan.0 as usize], session));
        let provenance = match &self.request.attestations.provenance {
            None => None,
            Some(spec) => {
                let known = Known {
                    request: self.request,
                    planned,
                    bases,
                    generator: self.scanner.as_ref().map(|scanner| &scanner.image),
                    source: &self.source,
                    // Version 0.2 has no place for what the digests of contexts would say.
                    read: solver.materials(&steps[..planned.plan.steps.len()], spec.version == Version::V1),
                    begun: &self.begun,
                };
                Some((spec.clone(), known.provenance(spec)))
            }
        };
        Ok(Attested { provenance, sboms: sboms.transpose()?.unwrap_or_default() })
    }
}

/// What is said of what a build made for one platform.
#[derive(Debug, Clone)]
pub(super) struct Attested {
    provenance: Option<(ProvenanceSpec, Provenance)>,
    sboms: Vec<Attestation>,
}

impl Attested {
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
    pub(super) fn now(work: &Path) -> Self {
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
