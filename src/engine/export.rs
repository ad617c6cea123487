//! Writes the outputs of a build.
//!
//! Owns what each output is made of: which of the build's layers, at which time, under which names. The forms are the
//! business of `transport`.

mod push;
mod variant;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use crate::layer::Compression;
use crate::oci::{Descriptor, ImageId, ManifestDigest, Reference};
use crate::plan::{BaseImage, Plan};
use crate::progress::{Reporter, Step};
use crate::solve::{Solved, Stack};
use crate::store::{StoreError, WorkDir};
use crate::transport::{self, Destination, Exported, LocalOptions, Merged, Prepared, Session, TarOptions};
use crate::tree::TreePath;

use super::Engine;
use super::build::BuildRequest;
use super::error::EngineError;
use super::output::{
    EpochChoice, FilesOutput, ImageLook, ImageOutput, LayoutOutput, OutputForm, OutputSpec, Target,
};
use variant::{Variant, Variants};

/// A build that is done, and what becomes of it.
pub(super) struct Exporting<'a> {
    pub(super) engine: &'a Engine,
    pub(super) request: &'a BuildRequest,
    pub(super) plan: &'a Plan,
    pub(super) bases: &'a BTreeMap<String, BaseImage>,
    pub(super) solved: &'a Solved,
    /// The time of the build, in seconds since 1970.
    pub(super) epoch: Option<i64>,
    pub(super) session: Session<'a>,
    pub(super) reporter: &'a Reporter,
}

/// What was written.
#[derive(Debug)]
pub(super) struct Written {
    /// The image that people are told of: the one in the store, or else the first that went anywhere.
    pub(super) id: ImageId,
    pub(super) manifest: Descriptor,
    /// Its names.
    pub(super) names: Vec<Reference>,
    /// Whether it is in the store.
    pub(super) stored: bool,
}

impl Exporting<'_> {
    /// Writes what the request asks for.
    pub(super) fn write(&self) -> Result<Written, EngineError> {
        let outputs = self.request.outputs_or_store();
        let mut variants = Variants::new(self);
        let mut written: Option<Written> = None;
        for output in outputs.as_ref() {
            let epoch = self.epoch_of(output);
            let new = match &output.form {
                OutputForm::Image(image) => Some(self.image(image, &variants.of(epoch, &image.look)?)?),
                OutputForm::Layout(layout) => Some(self.layout(layout, &variants.of(epoch, &layout.look)?)?),
                OutputForm::Files(files) => {
                    // Their times are what the output says, whatever those of the layers.
                    let plain = variants.of(None, &ImageLook::default())?;
                    self.files(files, epoch, &plain)?;
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
        let image = variants.of(None, &ImageLook::default())?;
        let (id, manifest) = (image.id(), image.descriptor());
        Ok(Written { id, manifest, names: self.request.tags.clone(), stored: false })
    }

    fn epoch_of(&self, output: &OutputSpec) -> Option<i64> {
        match output.epoch {
            EpochChoice::Build => self.epoch,
            EpochChoice::Never => None,
            EpochChoice::At(seconds) => Some(seconds),
        }
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

    fn image(&self, output: &ImageOutput, image: &Variant) -> Result<Written, EngineError> {
        let look = &output.look;
        let names = self.names(look);
        let source = image.source(names.clone());
        // What is pushed is compressed, and then what is in the store is what was pushed.
        let prepared = if output.push.is_none() && look.leaves_layers() {
            transport::listed(&source)?
        } else {
            let step = self.reporter.start("exporting to an image");
            let packing = look.packing(Compression::GZIP);
            let prepared = transport::prepare(self.session, &source, packing, &step)?;
            step.done();
            prepared
        };
        if output.store {
            self.engine.store_image(&prepared, &names, self.session.work)?;
        }
        if let Some(choice) = output.push {
            self.push(&prepared, &names, choice, output.store)?;
        }
        let Exported { manifest, id, .. } = prepared.exported;
        let manifest = Descriptor { platform: None, ..manifest };
        Ok(Written { id, manifest, names, stored: output.store })
    }

    fn layout(&self, output: &LayoutOutput, image: &Variant) -> Result<Written, EngineError> {
        let (what, default) = if output.docker {
            ("exporting to a docker archive", Compression::None)
        } else {
            ("exporting to an OCI layout", Compression::GZIP)
        };
        let step = self.reporter.start(what);
        let names = self.names(&output.look);
        let images = [image.source(names.clone())];
        let packing = output.look.packing(default);
        let session = self.session;
        let exported = match &output.to {
            Target::Directory(dir) => transport::write_oci_directory(session, &images, packing, dir, &step),
            to => {
                let mut stdout = io::stdout();
                let to = destination(to, &mut stdout);
                if output.docker {
                    transport::write_docker(session, &images, packing, to, &step)
                } else {
                    transport::write_oci(session, &images, packing, to, &step)
                }
            }
        }?;
        step.done();
        let exported = exported.into_iter().next();
        let (id, manifest) = exported
            .map_or_else(|| (image.id(), image.descriptor()), |exported| (exported.id, exported.manifest));
        Ok(Written { id, manifest, names, stored: false })
    }

    fn files(&self, output: &FilesOutput, epoch: Option<i64>, image: &Variant) -> Result<(), EngineError> {
        let stack = Stack::open(image.layers(), self.session.store, self.session.work)?;
        let found = stack.view().walk(&TreePath::root()).map_err(StoreError::from)?;
        let merged = Merged { found, layers: stack.layers().to_vec() };
        let below =
            output.split.unwrap_or(false).then(|| self.plan.target.platform.to_string().replace('/', "_"));
        let start = |what| self.reporter.start(what);
        let step: Step<'_>;
        match &output.to {
            Target::Directory(dir) => {
                step = start("exporting to a directory");
                let dir = below.map_or_else(|| dir.clone(), |below| dir.join(below));
                let options = LocalOptions { epoch, mirror: output.mirror };
                transport::write_local(self.session, &merged, options, &dir, &step)?;
            }
            to => {
                step = start("exporting to a tar");
                let mut stdout = io::stdout();
                let options = TarOptions { epoch, below };
                let to = destination(to, &mut stdout);
                transport::write_plain_tar(self.session, &merged, &options, to, &step)?;
            }
        }
        step.done();
        Ok(())
    }
}

impl Engine {
    /// Puts an image into the store under these names.
    pub(super) fn store_image(
        &self,
        image: &Prepared,
        names: &[Reference],
        work: &WorkDir,
    ) -> Result<(), EngineError> {
        let _hold = self.store.hold()?;
        self.store.put_blob(work, &image.config_json)?;
        self.store.put_blob(work, &image.manifest_json)?;
        let Exported { manifest, id, .. } = &image.exported;
        let digest = ManifestDigest(manifest.digest);
        self.store.put_image(&digest, manifest.media_type.as_str(), manifest.size, id)?;
        for name in names {
            self.store.set_ref(&name.to_string(), &digest)?;
        }
        Ok(())
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
