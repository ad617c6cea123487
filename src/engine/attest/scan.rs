//! SBOMs: the generator's image, the scan that it does as a step of the build, and what it wrote.

use std::fs::File;
use std::io::Read as _;

use crate::attest::{Attestation, StatementError};
use crate::oci::Platform;
use crate::plan::{
    BaseImage, Generator, ImageKey, Images, NetworkMode, NoCommand, Plan, StepId, add_scan, scan_results,
};
use crate::solve::{Stack, StepResult};
use crate::store::StoreError;
use crate::transport::Session;
use crate::tree::Kind;

use super::super::Engine;
use super::super::bases::Resolving;
use super::super::error::{BuildError, EngineError};
use super::SbomSpec;

/// How large an SBOM may be, in bytes, as in BuildKit.
const MAX: u64 = 80 << 20;

/// What a file with the SBOM of the image itself is called before its first dot.
const CORE: &str = "sbom";

/// A scan that is a step of a plan.
#[derive(Debug)]
pub(in crate::engine) struct Scan {
    step: StepId,
    /// The image that scans.
    pub(in crate::engine) generator: BaseImage,
    /// Its name, as people write it.
    name: String,
}

/// An SBOM cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// The generator is no generator.
    #[error(transparent)]
    Command(#[from] NoCommand),
    /// It said nothing.
    #[error("the SBOM generator `{generator}` wrote nothing into `{directory}`")]
    Nothing {
        /// Its image.
        generator: String,
        /// Where it should have written.
        directory: String,
    },
    /// It wrote something that is no file.
    #[error("the SBOM generator `{generator}` wrote `{path}`, which is no regular file")]
    NoFile {
        /// Its image.
        generator: String,
        /// What it wrote.
        path: String,
    },
    /// It wrote more than anybody can use.
    #[error("the SBOM generator `{generator}` wrote `{path}`, which has more than {MAX} bytes")]
    Large {
        /// Its image.
        generator: String,
        /// What it wrote.
        path: String,
    },
    /// It wrote something else.
    #[error("the SBOM generator `{generator}` wrote `{path}`, which cannot be attached")]
    Statement {
        /// Its image.
        generator: String,
        /// What it wrote.
        path: String,
        /// Why not.
        source: StatementError,
    },
}

/// A plan, with a scan if there is to be one.
pub(in crate::engine) struct Scanned {
    /// What is carried out.
    pub(in crate::engine) plan: Plan,
    /// The plan of what the user asked for, if that is not all.
    pub(in crate::engine) asked: Option<Plan>,
    pub(in crate::engine) scan: Option<Scan>,
}

impl Engine {
    /// Adds a scan to a plan, if an SBOM is wanted, and the generator to its bases.
    pub(in crate::engine) fn with_scan(
        &self,
        spec: Option<(&SbomSpec, NetworkMode)>,
        plan: Plan,
        bases: &mut Images,
        resolving: &Resolving<'_>,
    ) -> Result<Scanned, EngineError> {
        let Some(spec) = spec else { return Ok(Scanned { plan, asked: None, scan: None }) };
        let mut scanned = plan.clone();
        let scan = self.plan_scan(spec, &mut scanned, bases, resolving)?;
        Ok(Scanned { plan: scanned, asked: Some(plan), scan: Some(scan) })
    }

    fn plan_scan(
        &self,
        (spec, network): (&SbomSpec, NetworkMode),
        plan: &mut Plan,
        bases: &mut Images,
        resolving: &Resolving<'_>,
    ) -> Result<Scan, EngineError> {
        let generator = self.helper_image(&spec.generator, resolving)?;
        let name = spec.generator.familiar();
        // No reference has a blank, so that it is nobody else's.
        let reference = format!("generator {name}");
        let key = ImageKey { reference, platform: Platform::host() };
        let described = Generator { key: &key, image: &generator, parameters: &spec.parameters, network };
        let step = add_scan(plan, described)
            .map_err(|error| Box::new(BuildError::Scan(ScanError::Command(error))))?;
        bases.insert(key, generator.clone());
        Ok(Scan { step, generator, name })
    }
}

impl Scan {
    /// What the generator wrote, the SBOM of the image itself first.
    pub(in crate::engine) fn results(
        &self,
        steps: &[StepResult],
        session: Session<'_>,
    ) -> Result<Vec<Attestation>, EngineError> {
        let layer = steps[self.step.0 as usize].layer;
        let stack = Stack::open(&[layer], session.store, session.work)?;
        let directory = scan_results();
        let mut found = Vec::new();
        for file in stack.view().list(&directory).map_err(StoreError::from)? {
            let path = file.entry.path.to_string();
            let generator = || self.name.clone();
            let Kind::File { size, .. } = file.entry.kind else {
                return Err(failed(ScanError::NoFile { generator: generator(), path }));
            };
            if size > MAX {
                return Err(failed(ScanError::Large { generator: generator(), path }));
            }
            let place = stack.content_path(&file);
            let mut json = Vec::new();
            File::open(&place)
                .and_then(|content| content.take(MAX).read_to_end(&mut json))
                .map_err(|source| EngineError::Io { operation: "read", path: place, source })?;
            let file_name = path.rsplit('/').next().unwrap_or_default();
            let attestation = Attestation::generated(file_name, &json).map_err(|source| {
                failed(ScanError::Statement { generator: generator(), path: path.clone(), source })
            })?;
            found.push(attestation);
        }
        if found.is_empty() {
            let (generator, directory) = (self.name.clone(), directory.to_string());
            return Err(failed(ScanError::Nothing { generator, directory }));
        }
        // The others are sorted by their names already.
        found.sort_by_key(|said| said.file_name.split('.').next() != Some(CORE));
        Ok(found)
    }
}

fn failed(error: ScanError) -> EngineError {
    Box::new(BuildError::Scan(error)).into()
}
