//! SBOMs: the generator's image, the scan that it does as a step of the build, and what it wrote.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;

use crate::attest::{Attestation, StatementError};
use crate::oci::Platform;
use crate::plan::{
    BaseImage, Generator, ImageKey, NetworkMode, Plan, ScanPlanError, StepId, add_scan, scan_results,
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

/// An image whose command makes SBOMs.
#[derive(Debug)]
pub(super) struct Scanner {
    /// The image.
    pub(super) image: BaseImage,
    key: ImageKey,
    /// Its name, as people write it.
    name: String,
    parameters: BTreeMap<String, String>,
    network: NetworkMode,
}

/// An SBOM cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ScanError {
    /// It cannot be planned.
    #[error(transparent)]
    Plan(#[from] ScanPlanError),
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

impl Scanner {
    /// Finds the image. Its command has the network that the user chose.
    pub(super) fn find(
        engine: &Engine,
        spec: &SbomSpec,
        network: NetworkMode,
        resolving: &Resolving<'_>,
    ) -> Result<Self, EngineError> {
        let image = engine.helper_image(&spec.generator, resolving)?;
        let name = spec.generator.familiar();
        // No reference has a blank, so that it is nobody else's.
        let key = ImageKey { reference: format!("generator {name}"), platform: Platform::host() };
        Ok(Self { image, key, name, parameters: spec.parameters.clone(), network })
    }

    /// The image as one of the plan's.
    pub(super) fn base(&self) -> (ImageKey, BaseImage) {
        (self.key.clone(), self.image.clone())
    }

    /// Adds the scan to a plan, the one of a build with this time of its own, if it has one.
    pub(super) fn plan(&self, plan: &mut Plan, epoch: Option<i64>) -> Result<StepId, EngineError> {
        let Self { image, key, parameters, network, .. } = self;
        let generator = Generator { key, image, parameters, network: *network, epoch };
        add_scan(plan, generator).map_err(|error| failed(ScanError::Plan(error)))
    }

    /// What the generator wrote, the SBOM of the image itself first.
    pub(super) fn results(
        &self,
        scan: &StepResult,
        session: Session<'_>,
    ) -> Result<Vec<Attestation>, EngineError> {
        let stack = Stack::open(&[scan.layer], session.store, session.work)?;
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
