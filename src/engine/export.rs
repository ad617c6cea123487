//! Writes the outputs of a build.
//!
//! Owns what each output is made of: which of the build's layers, at which time, under which names. The forms are the
//! business of `transport`.

mod attached;
mod push;
mod variant;

use std::io;
use std::path::PathBuf;

use crate::layer::Compression;
use crate::oci::{Descriptor, Digest, ImageId, Platform, Reference};
use crate::plan::{Images, Plan};
use crate::progress::{Reporter, Step};
use crate::solve::{Stack, StepResult};
use crate::store::StoreError;
use crate::transport::{
    self, Bundle, Destination, IndexLook, LocalOptions, Merged, Piece, Prepared, Session, SourceImage,
};
use crate::tree::TreePath;

use super::Engine;
use super::attest::Attested;
use super::build::BuildRequest;
use super::error::EngineError;
use super::output::{
    EpochChoice, FilesOutput, ImageLook, ImageOutput, LayoutOutput, Level, OutputForm, OutputSpec, Target,
};
use variant::{Variant, Variants};

/// A build that is done, and what becomes of it.
pub(super) struct Exporting<'a> {
    pub(super) request: &'a BuildRequest,
    /// What was built, one for each platform; at least one.
    pub(super) builds: &'a [PlatformBuild<'a>],
    pub(super) session: Session<'a>,
    pub(super) reporter: &'a Reporter,
}

/// What was built for one platform.
pub(super) struct PlatformBuild<'a> {
    /// The platform that was asked for.
    pub(super) platform: &'a Platform,
    pub(super) plan: &'a Plan,
    pub(super) bases: &'a Images,
    /// What the steps of the plan came to.
    pub(super) results: Vec<StepResult>,
    /// The time of the build, in seconds since 1970.
    pub(super) epoch: Option<i64>,
    /// What is said of it.
    pub(super) attested: Attested,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// What people are told of: what is in the store, or else the first that went anywhere.
    pub(super) target: Descriptor,
    /// The image id, if it is one image.
    pub(super) image: Option<ImageId>,
    /// Its names.
    pub(super) names: Vec<Reference>,
    /// Whether it is in the store.
    pub(super) stored: bool,
}

impl Written {
    fn new(bundle: &Bundle, stored: bool) -> Self {
        let image = bundle.images().first().filter(|_| !bundle.is_index()).map(|image| image.exported.id);
        Self { target: bundle.descriptor().clone(), image, names: bundle.names().to_vec(), stored }
    }

    /// Without the platform, which only an index says.
    fn alone(self) -> Self {
        Self { target: Descriptor { platform: None, ..self.target }, ..self }
    }

    /// What it is called if it has no name: the image id, or the digest of the index.
    pub(super) fn id(&self) -> Digest {
        self.image.map_or(self.target.digest, |image| image.0)
    }
}

impl Exporting<'_> {
    /// Writes what the request asks for.
    pub(super) fn write(&self) -> Result<Written, EngineError> {
        let outputs = self.request.outputs_or_store();
        let mut variants: Vec<Variants<'_>> =
            self.builds.iter().map(|build| Variants::new(self, build)).collect();
        let mut written: Option<Written> = None;
        for output in outputs.as_ref() {
            let new = match &output.form {
                OutputForm::Image(image) => {
                    Some(self.image(image, &sources(&mut variants, output, &image.look)?)?)
                }
                OutputForm::Layout(layout) => {
                    Some(self.layout(layout, &sources(&mut variants, output, &layout.look)?)?)
                }
                OutputForm::Files(files) => {
                    self.files(files, output, &mut variants)?;
                    None
                }
                OutputForm::CacheOnly => None,
            };
            let first = written.as_ref().is_none_or(|before| !before.stored);
            written = match new {
                Some(new) if new.stored && first => Some(new),
                new => written.or(new),
            };
        }
        if let Some(written) = written {
            return Ok(written);
        }
        // It is nowhere; this is what it would be.
        let look = ImageLook { unattested: true, ..ImageLook::default() };
        let images = variants.iter_mut().map(|variants| variants.of(None, &look));
        let images = images.map(|image| Ok(transport::listed(&image?.source())?));
        let bundle =
            self.bundle(&look, images.collect::<Result<_, EngineError>>()?, self.request.tags.clone());
        Ok(Written::new(&bundle, false).alone())
    }

    /// The images under their names.
    fn bundle(&self, look: &ImageLook, images: Vec<Prepared>, names: Vec<Reference>) -> Bundle {
        let at = |level| {
            let given = self.request.annotations.iter().chain(&look.annotations);
            let here = given.filter(move |annotation| annotation.level == level);
            here.map(|annotation| (annotation.key.clone(), annotation.value.clone())).collect()
        };
        let index = IndexLook {
            types: look.types,
            annotations: at(Level::Index),
            descriptor_annotations: at(Level::IndexDescriptor),
        };
        let companions = self.companions(look, &images, &names);
        Bundle::new(images, companions, index, names)
    }

    /// The names of the build and those of one output.
    fn names(&self, look: &ImageLook) -> Vec<Reference> {
        let mut names = self.request.tags.clone();
        for name in &look.names {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        names
    }

    fn image(&self, output: &ImageOutput, sources: &[SourceImage]) -> Result<Written, EngineError> {
        let look = &output.look;
        // What is pushed is compressed, and then what is in the store is what was pushed.
        let prepared = if output.push.is_none() && look.leaves_layers() {
            sources.iter().map(transport::listed).collect::<Result<_, _>>()?
        } else {
            let step = self.reporter.start("exporting to an image");
            let packing = look.packing(Compression::GZIP);
            let prepared = transport::prepare(self.session, sources, packing, &step)?;
            step.done();
            prepared
        };
        let bundle = self.bundle(look, prepared, self.names(look));
        if output.store {
            bundle.store(self.session.store, self.session.work)?;
        }
        if let Some(choice) = output.push {
            self.push(&bundle, choice, output.store)?;
        }
        Ok(Written::new(&bundle, output.store).alone())
    }

    fn layout(&self, output: &LayoutOutput, sources: &[SourceImage]) -> Result<Written, EngineError> {
        let (what, default) = if output.docker {
            ("exporting to a docker archive", Compression::None)
        } else {
            ("exporting to an OCI layout", Compression::GZIP)
        };
        let step = self.reporter.start(what);
        let session = self.session;
        let prepared = transport::prepare(session, sources, output.look.packing(default), &step)?;
        let bundle = self.bundle(&output.look, prepared, self.names(&output.look));
        let bundles = std::slice::from_ref(&bundle);
        match &output.to {
            Target::Directory(dir) => transport::write_oci_directory(session, bundles, dir, &step),
            to => {
                let mut stdout = io::stdout();
                let to = destination(to, &mut stdout);
                if output.docker {
                    transport::write_docker(session, bundles, to, &step)
                } else {
                    transport::write_oci(session, bundles, to, &step)
                }
            }
        }?;
        step.done();
        Ok(Written::new(&bundle, false))
    }

    fn files(
        &self,
        files: &FilesOutput,
        output: &OutputSpec,
        variants: &mut [Variants<'_>],
    ) -> Result<(), EngineError> {
        let split = files.split.unwrap_or(self.builds.len() > 1);
        let mut pieces = Vec::with_capacity(variants.len());
        let mut epoch = None;
        for variants in variants {
            // Their times are what the output says, whatever those of the layers.
            let image = variants.of(None, &ImageLook::default())?;
            epoch = epoch_of(output, variants.build());
            let label = variants.build().plan.target.platform.to_string();
            let directory = split.then(|| label.replace('/', "_"));
            let piece = Piece { directory, label, merged: self.merged(&image)? };
            let attached = self.attached_files(variants.build(), &piece, &files.attestation_prefix)?;
            pieces.extend([Some(piece), attached].into_iter().flatten());
        }
        let merged = Merged::join(pieces)?;
        let start = |what| self.reporter.start(what);
        let step: Step<'_>;
        match &files.to {
            Target::Directory(dir) => {
                step = start("exporting to a directory");
                let options = LocalOptions { epoch, mirror: files.mirror };
                transport::write_local(self.session, &merged, options, dir, &step)?;
            }
            to => {
                step = start("exporting to a tar");
                let mut stdout = io::stdout();
                transport::write_plain_tar(
                    self.session,
                    &merged,
                    epoch,
                    destination(to, &mut stdout),
                    &step,
                )?;
            }
        }
        step.done();
        Ok(())
    }

    /// The files of an image.
    fn merged(&self, image: &Variant) -> Result<Merged, EngineError> {
        let stack = Stack::open(image.layers(), self.session.store, self.session.work)?;
        let found = stack.view().walk(&TreePath::root()).map_err(StoreError::from)?;
        Ok(Merged { found, layers: stack.layers().to_vec() })
    }
}

/// The images for all platforms that an output wants.
fn sources(
    variants: &mut [Variants<'_>],
    output: &OutputSpec,
    look: &ImageLook,
) -> Result<Vec<SourceImage>, EngineError> {
    let variants = variants.iter_mut();
    variants.map(|one| Ok(one.of(epoch_of(output, one.build()), look)?.source())).collect()
}

/// The time that an output gives to what was built for a platform.
fn epoch_of(output: &OutputSpec, build: &PlatformBuild<'_>) -> Option<i64> {
    match output.epoch {
        EpochChoice::Build => build.epoch,
        EpochChoice::Never => None,
        EpochChoice::At(seconds) => Some(seconds),
    }
}

fn destination<'a>(target: &'a Target, stdout: &'a mut io::Stdout) -> Destination<'a> {
    match target {
        Target::File(path) | Target::Directory(path) => Destination::File(path),
        Target::Stdout => Destination::Stream(stdout),
    }
}

/// What a mirror must not remove: where the user is, the context, and the store.
pub(super) fn precious(engine: &Engine, context: &std::path::Path) -> Vec<PathBuf> {
    let own = engine.host.directory.clone();
    let all = own.into_iter().chain([context.to_owned(), engine.root().to_owned()]);
    all.map(|path| std::fs::canonicalize(&path).unwrap_or(path)).collect()
}
