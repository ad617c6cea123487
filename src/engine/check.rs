//! What can be said of a build before it: warnings, outline, targets. No store, no root, no image is needed.

use std::collections::BTreeMap;
use std::path::Path;

use crate::context::Dockerignore;
use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile::{self, Parsed};
use crate::lint::{self, Context, Extent, Finding, Input, Outline, Report, Target};
use crate::oci::ImageConfig;
use crate::plan::{self, BaseImage, Options};

use super::build::{BuildRequest, context_root, findings, plan_options, read_dockerfile, shown_path};
use super::error::{BuildError, EngineError};

/// What a check found.
#[derive(Debug, Clone)]
pub struct Checked {
    /// The Dockerfile.
    pub source: Source,
    /// What is probably not meant.
    pub findings: Vec<Finding>,
    /// About the options of the check.
    pub hints: Vec<Diagnostic>,
    /// Why the file could not be built, as far as that can be told without images.
    pub errors: Vec<Diagnostic>,
}

impl Checked {
    fn new(source: Source, report: Report, errors: Vec<Diagnostic>) -> Self {
        let Report { findings, hints, .. } = report;
        Self { source, findings, hints, errors }
    }
}

/// Looks for mistakes in a build's Dockerfile, without building anything.
///
/// What only images could tell is not told: a variable is taken for undefined only where no image will set it.
pub fn check(request: &BuildRequest) -> Result<Checked, EngineError> {
    let file = File::read(request)?;
    let parsed = match dockerfile::parse(&file.source) {
        Ok(parsed) => parsed,
        Err(errors) => {
            let errors = errors.into_iter().map(Diagnostic::from).collect();
            return Ok(Checked::new(file.source, Report::default(), errors));
        }
    };
    let options = plan_options(request);
    let report = match lint::check(&file.input(&parsed, &options)) {
        Ok(report) => report,
        Err(error) => return Err(findings(&file.source, vec![*error])),
    };
    let errors = errors(&parsed, &options);
    Ok(Checked::new(file.source, report, errors))
}

/// What a build's target can be given.
pub fn outline(request: &BuildRequest) -> Result<(Source, Outline), EngineError> {
    let file = File::read(request)?;
    let parsed = file.parse()?;
    let options = plan_options(request);
    match lint::outline(&file.input(&parsed, &options)) {
        Some(outline) => Ok((file.source, outline)),
        None => Err(findings(&file.source, errors(&parsed, &options))),
    }
}

/// The stages of a build's Dockerfile.
pub fn targets(request: &BuildRequest) -> Result<(Source, Vec<Target>), EngineError> {
    let file = File::read(request)?;
    let parsed = file.parse()?;
    Ok((file.source, lint::targets(&parsed.dockerfile)))
}

/// A build's Dockerfile with what is around it.
struct File {
    source: Source,
    root: std::path::PathBuf,
    ignore: Dockerignore,
    bases: BTreeMap<String, BaseImage>,
}

impl File {
    fn read(request: &BuildRequest) -> Result<Self, EngineError> {
        let root = context_root(&request.context)?;
        let (path, text) = read_dockerfile(&root, &request.dockerfile)?;
        let ignore =
            Dockerignore::find(&root, Some(&path)).map_err(|error| Box::new(BuildError::from(error)))?;
        let source = Source::new(shown_path(&path), text);
        Ok(Self { source, root, ignore, bases: BTreeMap::new() })
    }

    fn parse(&self) -> Result<Parsed, EngineError> {
        dockerfile::parse(&self.source)
            .map_err(|errors| findings(&self.source, errors.into_iter().map(Diagnostic::from).collect()))
    }

    fn input<'a>(&'a self, parsed: &'a Parsed, options: &'a Options) -> Input<'a> {
        Input {
            source: &self.source,
            parsed,
            options,
            bases: &self.bases,
            context: Some(Context { root: &self.root, ignore: &self.ignore }),
            extent: Extent::Check,
        }
    }
}

/// What planning says against the file, with images of which nothing is known.
fn errors(parsed: &Parsed, options: &Options) -> Vec<Diagnostic> {
    let bases = match plan::bases(&parsed.dockerfile, options, &BTreeMap::new()) {
        Ok(bases) => bases,
        Err(errors) => return errors,
    };
    let unknown = |base: plan::BaseRef| {
        let image = BaseImage { name: base.reference.clone(), config: ImageConfig::default() };
        (base.reference, image)
    };
    let images = bases.into_iter().map(unknown).collect();
    plan::lower(&parsed.dockerfile, options, &images).err().unwrap_or_default()
}

/// Leaves the warnings of a build that is about to begin in `checked`. `bases` are the images that are known. The inner
/// error is that of a build whose author wants no warnings.
pub(super) fn before_build(
    source: &Source,
    parsed: &Parsed,
    options: &Options,
    bases: &BTreeMap<String, BaseImage>,
    (root, dockerfile): (&Path, &Path),
    checked: &mut Option<Checked>,
) -> Result<Result<(), EngineError>, EngineError> {
    // An ignore file that cannot be read is told when the context is looked at.
    let ignore = Dockerignore::find(root, Some(dockerfile)).ok();
    let context = ignore.as_ref().map(|ignore| Context { root, ignore });
    let input = Input { source, parsed, options, bases, context, extent: Extent::Build };
    let report = lint::check(&input).map_err(|error| findings(source, vec![*error]))?;
    let refusal = report.refusal().map(|message| {
        let mut error = Diagnostic::error(message);
        error.span = parsed.dockerfile.directives.check.as_ref().map(|check| check.span);
        findings(source, vec![error])
    });
    *checked = Some(Checked::new(source.clone(), report, Vec::new()));
    Ok(refusal.map_or(Ok(()), Err))
}
