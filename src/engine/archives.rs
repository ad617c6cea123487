//! Images into archives and out of them.

use jiff::Timestamp;

use crate::exec::CancelToken;
use crate::image::rfc3339;
use crate::oci::{Platform, Reference};
use crate::progress::Reporter;
use crate::transport::{
    self, DEFAULT_LIMITS, Destination, ImportOptions, Input, LoadOptions, Loaded, Packing, Session,
    SourceImage,
};

use super::error::EngineError;
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
}

impl Engine {
    /// Writes images to an archive that Docker, podman and skopeo read.
    pub fn save(
        &self,
        images: &[String],
        to: Destination<'_>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let mut sources: Vec<(String, SourceImage)> = Vec::new();
        for text in images {
            let row = self.find(text)?;
            // By name only that name goes along, by id all of them, as with `docker save`.
            let named = text.parse::<Reference>().ok().filter(|name| row.names.contains(&name.to_string()));
            let names = named.map_or_else(Vec::new, |name| vec![name]);
            let key = row.manifest.to_string();
            match sources.iter_mut().find(|(other, _)| *other == key) {
                Some((_, source)) => source.names.extend(names),
                None => sources.push((key, SourceImage::stored(&self.store, &row.manifest, names)?)),
            }
        }
        let sources: Vec<SourceImage> = sources.into_iter().map(|(_, source)| source).collect();
        let step = reporter.start("saving images");
        transport::write_docker(session, &sources, Packing::AsListed, to, &step)?;
        step.done();
        Ok(())
    }

    /// Reads the images of a docker archive or an OCI layout into the store.
    pub fn load(
        &self,
        from: Input<'_>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Vec<Loaded>, EngineError> {
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let loaded = transport::load(session, from, &LoadOptions::default(), reporter)?;
        self.store.sync()?;
        Ok(loaded)
    }

    /// Makes an image of the tar of a root file system.
    pub fn import(
        &self,
        from: Input<'_>,
        request: &ImportRequest,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<Loaded, EngineError> {
        let config = change::apply(&request.changes)?;
        let work = self.store.work_dir()?;
        let session = Session { store: &self.store, work: &work, cancel };
        let options = ImportOptions {
            config,
            platform: Platform::host(),
            created: rfc3339(Timestamp::now()),
            comment: request.message.clone().unwrap_or_else(|| "Imported from -".to_owned()),
            names: request.name.iter().cloned().collect(),
            limits: DEFAULT_LIMITS,
        };
        let loaded = transport::import(session, from, &options, reporter)?;
        self.store.sync()?;
        Ok(loaded)
    }
}
