//! Images into archives and out of them.

use std::io;
use std::path::PathBuf;

use jiff::Timestamp;

use crate::dockerfile::remote::HttpUrl;
use crate::exec::CancelToken;
use crate::image::rfc3339;
use crate::layer::Compression;
use crate::oci::{Platform, Reference};
use crate::progress::Reporter;
use crate::remote;
use crate::remote::http::{HttpClient, HttpError, HttpRequest};
use crate::transport::{
    self, DEFAULT_LIMITS, Destination, ImportOptions, Input, LoadError, LoadOptions, Loaded, MediaTypes,
    Packing, Session,
};

use super::error::{BuildError, EngineError};
use super::find::Named;
use super::output::Target;
use super::{Engine, change};

/// A root file system to be made an image.
#[derive(Debug, Clone)]
pub struct ImportRequest {
    /// Instructions that set the config, such as `ENV A=b`.
    pub changes: Vec<String>,
    /// A name for the image.
    pub name: Option<Reference>,
    /// A remark for the history.
    pub message: Option<String>,
    /// What the image is for; `None` is this machine.
    pub platform: Option<Platform>,
}

/// Which images are written to files, and how.
#[derive(Debug, Clone)]
pub struct SaveRequest {
    /// Names or ids.
    pub images: Vec<String>,
    /// The form of an archive; a directory is always an OCI layout.
    pub form: ArchiveForm,
    /// Where to.
    pub to: Target,
    /// How all layers are compressed; `None` leaves each as it is.
    pub compression: Option<Compression>,
    /// Which image of an index is taken, and what all others have to be for; `None` takes all that there is.
    pub platform: Option<Platform>,
}

/// What an archive with images is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchiveForm {
    /// An OCI layout that old versions of Docker can read, too.
    Docker,
    /// An OCI layout.
    Oci,
}

/// Where the tar of a root file system is.
#[derive(Debug)]
pub enum ImportSource<'a> {
    /// Here.
    Input(Input<'a>),
    /// At this URL.
    Url(HttpUrl, &'a HttpClient),
}

impl Engine {
    /// Writes images to an archive that Docker, podman and skopeo read, or to the directory of an OCI layout.
    pub fn save(
        &self,
        request: &SaveRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let mut wanted: Vec<(Named, Vec<Reference>)> = Vec::new();
        for text in &request.images {
            let named = match &request.platform {
                Some(platform) => Named::Image(self.find_for(text, Some(platform))?),
                None => self.find_named(text)?,
            };
            // By name only that name goes along, by id all of them, as with `docker save`.
            let mut names = Vec::new();
            if let Ok(name) = text.parse::<Reference>()
                && self.store.find_ref(&name.to_string())?.is_some()
            {
                names.push(name);
            }
            match wanted.iter_mut().find(|(other, _)| other.digest() == named.digest()) {
                Some((_, there)) => there.append(&mut names),
                None => wanted.push((named, names)),
            }
        }
        let packing = request.compression.map_or(Packing::AsListed, |compression| Packing::Compressed {
            compression,
            force: true,
            types: MediaTypes::Oci,
        });
        let step = reporter.start("saving images");
        let bundles = wanted
            .iter()
            .map(|(named, names)| {
                self.stored_bundle(session, named, names.clone(), &|_, _| Ok(packing), &step)
            })
            .collect::<Result<Vec<_>, _>>()?;
        let mut stdout = io::stdout();
        let to = match &request.to {
            Target::Directory(dir) => {
                transport::write_oci_directory(session, &bundles, dir, &step)?;
                step.done();
                return Ok(());
            }
            Target::File(path) => Destination::File(path),
            Target::Stdout => Destination::Stream(&mut stdout),
        };
        match request.form {
            ArchiveForm::Docker => transport::write_docker(session, &bundles, to, &step)?,
            ArchiveForm::Oci => transport::write_oci(session, &bundles, to, &step)?,
        }
        step.done();
        Ok(())
    }

    /// Reads the images of a docker archive or an OCI layout into the store.
    pub fn load(
        &self,
        from: Input<'_>,
        platform: Option<Platform>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Vec<Loaded>, EngineError> {
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let options = LoadOptions { platform, ..LoadOptions::default() };
        let loaded = transport::load(session, from, &options, reporter)?;
        self.store.sync()?;
        Ok(loaded)
    }

    /// Makes an image of the tar of a root file system.
    pub fn import(
        &self,
        from: ImportSource<'_>,
        request: &ImportRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Loaded, EngineError> {
        let config = change::apply(&request.changes)?;
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let options = ImportOptions {
            config,
            platform: request.platform.clone().unwrap_or_else(Platform::host),
            created: rfc3339(Timestamp::now()),
            comment: request.message.clone().unwrap_or_else(|| from.comment()),
            names: request.name.iter().cloned().collect(),
            limits: DEFAULT_LIMITS,
        };
        let loaded = match from {
            ImportSource::Input(input) => transport::import(session, input, &options, reporter)?,
            ImportSource::Url(url, client) => {
                let fetched = self.fetch(&url, client, session, reporter)?;
                transport::import(session, Input::Path(&fetched), &options, reporter)?
            }
        };
        self.store.sync()?;
        Ok(loaded)
    }

    /// Fetches a file into the work directory.
    fn fetch(
        &self,
        url: &HttpUrl,
        client: &HttpClient,
        session: Session<'_>,
        reporter: &Reporter,
    ) -> Result<PathBuf, EngineError> {
        let step = reporter.start(&format!("fetch {}", url.redacted()));
        let request = HttpRequest { url: url.clone(), checksum: None, authorization: None };
        let (keep, into) = (self.store.sources("http")?, session.work.path().join("download"));
        let fetched = remote::watched(&step, &|| session.cancel.is_canceled(), |watch| {
            client.fetch(&request, &keep, &into, watch)
        });
        let fetched = fetched.map_err(|error| match error {
            HttpError::Canceled { .. } => EngineError::Load(LoadError::Canceled),
            error => Box::new(BuildError::Http(error)).into(),
        })?;
        step.done();
        Ok(fetched.path)
    }
}

impl ImportSource<'_> {
    /// What the history says of an image that was made of it.
    fn comment(&self) -> String {
        match self {
            Self::Input(_) => "Imported from -".to_owned(),
            Self::Url(url, _) => format!("Imported from {}", url.redacted()),
        }
    }
}
