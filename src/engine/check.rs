//! What can be said of a build before it: warnings, outline, targets. Where nothing has to be fetched or unpacked, no
//! store, no root and no image is needed.

use std::collections::BTreeMap;
use std::{panic, thread};

use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile::{self, Parsed};
use crate::exec::CancelToken;
use crate::lint::{self, Context, Extent, Finding, Input, Outline, Report, Target};
use crate::oci::{ImageConfig, Reference};
use crate::plan::{self, BaseImage, Images, NamedContext, Options};
use crate::progress::Reporter;
use crate::store::WorkDir;

use super::build::{BuildRequest, computed, findings, keeping_git_dir};
use super::context::{self, Bringing, BuildInput, Directory};
use super::error::EngineError;
use super::{Engine, Host, given, options};

/// What is known of images without a store.
static NO_IMAGES: Images = BTreeMap::new();

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

    /// Adds what another look at the same file found besides.
    fn add(&mut self, other: Self) {
        let findings = other.findings.into_iter().filter(|found| !self.findings.contains(found));
        let findings: Vec<Finding> = findings.collect();
        self.findings.extend(findings);
        let hints: Vec<Diagnostic> =
            other.hints.into_iter().filter(|hint| !self.hints.contains(hint)).collect();
        self.hints.extend(hints);
    }
}

/// What a build begins with, to be looked at: its Dockerfile, its files and its options.
#[derive(Debug)]
pub struct Inspection {
    source: Source,
    files: Directory,
    options: Options,
    cancel: CancelToken,
    /// Where the files are if they were brought.
    _work: Option<WorkDir>,
}

impl Inspection {
    /// Reads what a build would read. `None` if something must be fetched or unpacked first, which takes a store:
    /// [`Engine::inspect_build()`] does that.
    pub fn in_place(
        request: &BuildRequest,
        host: &Host,
        cancel: &CancelToken,
    ) -> Result<Option<Self>, EngineError> {
        let options = options::for_plans(request)?.swap_remove(0);
        let input = context::in_place(&request.context, &request.dockerfile, (host, cancel))?;
        Ok(input.map(|input| Self::new(input, options, cancel, None)))
    }

    fn new(input: BuildInput, options: Options, cancel: &CancelToken, work: Option<WorkDir>) -> Self {
        Self { source: input.dockerfile, files: input.files, options, cancel: cancel.clone(), _work: work }
    }

    /// The Dockerfile.
    pub fn source(&self) -> &Source {
        &self.source
    }

    /// Looks for mistakes.
    ///
    /// What only images could tell is not told: a variable is taken for undefined only where no image will set it.
    pub fn check(&self) -> Result<Checked, EngineError> {
        computed(&self.cancel, || self.checked())?
    }

    fn checked(&self) -> Result<Checked, EngineError> {
        let parsed = match dockerfile::parse(&self.source) {
            Ok(parsed) => parsed,
            Err(errors) => {
                let errors = errors.into_iter().map(Diagnostic::from).collect();
                return Ok(Checked::new(self.source.clone(), Report::default(), errors));
            }
        };
        // Neither needs the other.
        let (report, errors) = thread::scope(|scope| {
            let errors = scope.spawn(|| errors(&parsed, &self.options));
            let report = lint::check(&self.input(&parsed));
            (report, errors.join().unwrap_or_else(|panic| panic::resume_unwind(panic)))
        });
        let report = report.map_err(|error| findings(&self.source, vec![*error]))?;
        Ok(Checked::new(self.source.clone(), report, errors))
    }

    /// What the target can be given.
    pub fn outline(&self) -> Result<Outline, EngineError> {
        computed(&self.cancel, || {
            let parsed = self.parse()?;
            let outline = lint::outline(&self.input(&parsed));
            outline.ok_or_else(|| findings(&self.source, errors(&parsed, &self.options)))
        })?
    }

    /// The stages.
    pub fn targets(&self) -> Result<Vec<Target>, EngineError> {
        computed(&self.cancel, || Ok(lint::targets(&self.parse()?.dockerfile)))?
    }

    fn parse(&self) -> Result<Parsed, EngineError> {
        dockerfile::parse(&self.source)
            .map_err(|errors| findings(&self.source, errors.into_iter().map(Diagnostic::from).collect()))
    }

    fn input<'a>(&'a self, parsed: &'a Parsed) -> Input<'a> {
        Input {
            source: &self.source,
            parsed,
            options: &self.options,
            bases: &NO_IMAGES,
            context: Some(self.files.lint_context()),
            extent: Extent::Check,
        }
    }
}

impl Engine {
    /// Reads what a build would read, wherever it is.
    pub fn inspect_build(
        &self,
        request: &BuildRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Inspection, EngineError> {
        let options = options::for_plans(request)?.swap_remove(0);
        let work = self.store.work_dir()?;
        let clients = &given::clients(request)?;
        let (host, store) = (&self.host, &*self.store);
        let bringing = Bringing { host, store, work: &work, clients, reporter, cancel };
        let input = context::prepare(&keeping_git_dir(request), &request.dockerfile, bringing)?;
        Ok(Inspection::new(input, options, cancel, Some(work)))
    }
}

impl Directory {
    fn lint_context(&self) -> Context<'_> {
        Context { root: &self.root, ignore: &self.ignore }
    }
}

/// What planning says against the file, with images of which nothing is known.
fn errors(parsed: &Parsed, options: &Options) -> Vec<Diagnostic> {
    let bases = match plan::bases(&parsed.dockerfile, options, &BTreeMap::new()) {
        Ok(bases) => bases,
        Err(errors) => return errors,
    };
    let mut wrong: Vec<Diagnostic> = bases.iter().filter_map(|base| misnamed(base, options)).collect();
    let unknown = |base: plan::BaseRef| {
        let (name, config) = (base.reference.clone(), ImageConfig::default());
        (base.key(), BaseImage { name, config, manifest: None, is_public: false })
    };
    let images = bases.into_iter().map(unknown).collect();
    wrong.extend(plan::lower(&parsed.dockerfile, options, &images).err().unwrap_or_default());
    wrong
}

/// What is wrong with a reference. Those of named contexts were looked at with the command line.
fn misnamed(base: &plan::BaseRef, options: &Options) -> Option<Diagnostic> {
    let is_given = NamedContext::Image(base.reference.clone());
    let error = base
        .reference
        .parse::<Reference>()
        .err()
        .filter(|_| !options.contexts.values().any(|it| *it == is_given))?;
    let diagnostic = Diagnostic::error(error.to_string()).at(base.span);
    Some(match error.remedy() {
        Some(remedy) => diagnostic.help(remedy),
        None => diagnostic,
    })
}

/// Adds the warnings of a build that is about to begin to `checked`. `bases` are the images that are known. The inner
/// error is that of a build whose author wants no warnings.
pub(super) fn before_build(
    source: &Source,
    parsed: &Parsed,
    (options, cancel): (&Options, &CancelToken),
    bases: &Images,
    files: &Directory,
    checked: &mut Option<Checked>,
) -> Result<Result<(), EngineError>, EngineError> {
    let context = Some(files.lint_context());
    let input = Input { source, parsed, options, bases, context, extent: Extent::Build };
    let report = computed(cancel, || lint::check(&input))?.map_err(|error| findings(source, vec![*error]))?;
    let refusal = report.refusal().map(|message| {
        let mut error = Diagnostic::error(message);
        error.span = parsed.dockerfile.directives.check.as_ref().map(|check| check.span);
        findings(source, vec![error])
    });
    let new = Checked::new(source.clone(), report, Vec::new());
    match checked {
        // It is the same file for another platform.
        Some(before) => before.add(new),
        None => *checked = Some(new),
    }
    Ok(refusal.map_or(Ok(()), Err))
}
