//! Whether a store is whole, and what can be done about it.
//!
//! Three looks: rows against files, images and containers against what they need, and contents against their digests.
//! Only the last one reads the store; collections wait meanwhile, builds do not. A repair takes out what is broken and
//! what cannot be without it, each looked at again while nobody publishes. It never invents anything.

mod layer;
mod words;

use std::collections::HashSet;

use rayon::prelude::*;

use crate::exec::CancelToken;
use crate::oci::{BlobDigest, DiffId, Digest, Document, ImageConfig, ImageId, ManifestDigest};
use crate::store::{IndexRow, RowFlaw, StoreError};

use super::ContainerFilter;
use super::Engine;
use super::containers::{ContainerState, ContainerSummary};
use super::error::EngineError;
use super::find::familiar;

pub use layer::LayerProblem;

/// Something that is wrong with a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Flaw {
    /// The database and the files do not agree.
    Row(RowFlaw),
    /// A layer does not hold what it should.
    Layer {
        /// The layer.
        layer: DiffId,
        /// What is wrong.
        problem: LayerProblem,
    },
    /// An image lacks something.
    Image {
        /// Its id.
        id: ImageId,
        /// Its manifest.
        manifest: ManifestDigest,
        /// Its names.
        names: Vec<String>,
        /// What it lacks.
        lacks: Lack,
    },
    /// An index lacks its document, or something else that is no image's.
    Index {
        /// The index.
        index: ManifestDigest,
        /// Its names.
        names: Vec<String>,
        /// What it lacks.
        lacks: Lack,
    },
    /// A container lacks a layer.
    Container {
        /// Its name.
        name: String,
        /// The layer.
        layer: DiffId,
    },
}

/// What an image lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Its manifest or its config.
    Document(Digest),
    /// Its manifest or its config is none.
    Readable(Digest),
    /// The blob of a layer that it lists.
    Blob(Digest),
    /// A layer.
    Layer(DiffId),
}

/// What is done about a flaw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Nothing needs to be done: it goes with the next collection.
    Leftover,
    /// It can be taken out.
    Removable,
    /// Somebody has to look at it.
    ByHand,
}

/// How a store is checked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FsckRequest {
    /// Leave out what has to read the contents.
    pub quick: bool,
    /// Take out what is broken.
    pub repair: bool,
}

/// What was found.
#[derive(Debug, Clone, Default)]
pub struct FsckReport {
    /// What was wrong, in the order in which it was found.
    pub flaws: Vec<Flaw>,
    /// Whether each of them was repaired.
    pub repaired: Vec<bool>,
    /// How many blobs were looked at.
    pub blobs: usize,
    /// How many layers were looked at.
    pub layers: usize,
    /// How many images were looked at.
    pub images: usize,
}

/// After so many repairs everything that leaned on something broken has come to light.
const ROUNDS: usize = 4;

impl Engine {
    /// Checks the store.
    pub fn fsck(&self, request: FsckRequest, cancel: &CancelToken) -> Result<FsckReport, EngineError> {
        let mut report = FsckReport::default();
        self.look(request.quick, &mut report, cancel)?;
        report.repaired = vec![false; report.flaws.len()];
        if !request.repair {
            return Ok(report);
        }
        let mut begun = 0;
        for _ in 0..ROUNDS {
            for number in begun..report.flaws.len() {
                report.repaired[number] = self.repair(&report.flaws[number], request.quick)?;
            }
            begun = report.flaws.len();
            // What was taken out may have been needed.
            let mut again = FsckReport::default();
            self.look(true, &mut again, cancel)?;
            let known: Vec<Flaw> = report.flaws.clone();
            // The files of what was taken out are no news.
            let news = |flaw: &Flaw| flaw.remedy() != Remedy::Leftover && !known.contains(flaw);
            report.flaws.extend(again.flaws.into_iter().filter(news));
            report.repaired.resize(report.flaws.len(), false);
            if report.flaws.len() == begun {
                break;
            }
        }
        if report.flaws.iter().any(|flaw| flaw.remedy() != Remedy::ByHand) {
            let work = self.store.work_dir()?;
            self.sweep(&work)?;
        }
        self.store.sync()?;
        Ok(report)
    }

    fn look(&self, quick: bool, report: &mut FsckReport, cancel: &CancelToken) -> Result<(), EngineError> {
        report.flaws.extend(self.store.row_flaws()?.into_iter().map(Flaw::Row));
        // Nothing is collected while contents are read.
        let _hold = self.store.hold()?;
        let broken: HashSet<DiffId> = report.flaws.iter().filter_map(Flaw::layer).collect();
        let (blobs, layers) = (self.store.blob_rows()?, self.store.layer_rows()?);
        (report.blobs, report.layers) = (blobs.len(), layers.len());
        if !quick {
            let known: Vec<RowFlaw> = report.flaws.iter().filter_map(Flaw::row).cloned().collect();
            let hashed = blobs.par_iter().map(|(blob, size)| {
                if cancel.is_canceled() { None } else { self.store.blob_flaw(*blob, *size, true) }
            });
            let hashed: Vec<RowFlaw> = hashed.flatten().collect();
            report.flaws.extend(hashed.into_iter().filter(|flaw| !known.contains(flaw)).map(Flaw::Row));
        }
        let looked = layers.par_iter().filter(|layer| !broken.contains(layer)).map(|layer| {
            if cancel.is_canceled() { Ok(None) } else { self.layer_problem(layer, quick) }
                .map(|problem| problem.map(|problem| Flaw::Layer { layer: *layer, problem }))
        });
        let looked: Vec<Option<Flaw>> = looked.collect::<Result<_, StoreError>>()?;
        report.flaws.extend(looked.into_iter().flatten());
        if cancel.is_canceled() {
            return Err(crate::exec::ExecError::Canceled.into());
        }
        self.look_at_images(report)?;
        self.look_at_indexes(report)?;
        self.look_at_containers(report)
    }

    fn look_at_images(&self, report: &mut FsckReport) -> Result<(), EngineError> {
        for row in self.store.images()? {
            report.images += 1;
            let names = row.names.iter().map(|name| familiar(name)).collect();
            let lacks = self.lack(&row.manifest, &row.id)?;
            report.flaws.extend(lacks.map(|lacks| Flaw::Image {
                id: row.id,
                manifest: row.manifest,
                names,
                lacks,
            }));
        }
        Ok(())
    }

    fn look_at_indexes(&self, report: &mut FsckReport) -> Result<(), EngineError> {
        for row in self.store.indexes()? {
            let names = row.names.iter().map(|name| familiar(name)).collect();
            let lacks = self.index_lack(&row)?;
            report.flaws.extend(lacks.map(|lacks| Flaw::Index { index: row.digest, names, lacks }));
        }
        Ok(())
    }

    /// The first thing that an index lacks. What its images lack is said of them.
    fn index_lack(&self, row: &IndexRow) -> Result<Option<Lack>, EngineError> {
        for image in &row.images {
            if self.store.find_image(image)?.is_none() {
                return Ok(Some(Lack::Document(image.0)));
            }
        }
        for blob in std::iter::once(&BlobDigest(row.digest.0)).chain(&row.blobs) {
            if self.store.blob_size(blob)?.is_none() {
                return Ok(Some(Lack::Document(blob.0)));
            }
        }
        let bytes = match self.store.read_blob(&BlobDigest(row.digest.0)) {
            Ok(bytes) => bytes,
            Err(StoreError::NoBlob(_) | StoreError::Mismatch { .. } | StoreError::Io { .. }) => {
                return Ok(Some(Lack::Document(row.digest.0)));
            }
            Err(error) => return Err(error.into()),
        };
        let readable = matches!(Document::from_json(&bytes, None), Ok(Document::Index(_)));
        Ok((!readable).then_some(Lack::Readable(row.digest.0)))
    }

    /// The first thing that an image lacks.
    fn lack(&self, manifest: &ManifestDigest, id: &ImageId) -> Result<Option<Lack>, EngineError> {
        for document in [manifest.0, id.0] {
            match self.store.read_blob(&BlobDigest(document)) {
                Ok(_) => {}
                Err(StoreError::NoBlob(_) | StoreError::Mismatch { .. } | StoreError::Io { .. }) => {
                    return Ok(Some(Lack::Document(document)));
                }
                Err(error) => return Err(error.into()),
            }
            if self.store.blob_size(&BlobDigest(document))?.is_none() {
                return Ok(Some(Lack::Document(document)));
            }
        }
        let bytes = self.store.read_blob(&BlobDigest(manifest.0))?;
        let Ok(Document::Manifest(listed)) = Document::from_json(&bytes, None) else {
            return Ok(Some(Lack::Readable(manifest.0)));
        };
        let bytes = self.store.read_blob(&BlobDigest(id.0))?;
        let Ok(config) = ImageConfig::from_json(&bytes) else { return Ok(Some(Lack::Readable(id.0))) };
        for layer in &config.rootfs.diff_ids {
            if self.store.peek_layer(layer)?.is_none() {
                return Ok(Some(Lack::Layer(*layer)));
            }
        }
        // What is listed uncompressed is written anew when it is wanted.
        for (descriptor, layer) in listed.layers.iter().zip(&config.rootfs.diff_ids) {
            if descriptor.digest != layer.0 && self.store.blob_size(&BlobDigest(descriptor.digest))?.is_none()
            {
                return Ok(Some(Lack::Blob(descriptor.digest)));
            }
        }
        Ok(None)
    }

    fn look_at_containers(&self, report: &mut FsckReport) -> Result<(), EngineError> {
        for ContainerSummary { name, state, .. } in self.containers(&ContainerFilter::default())? {
            let row = self.find_container(&name)?;
            let own = row.layer.filter(|_| state != ContainerState::Running);
            for layer in row.layers.iter().chain(&own) {
                // What it changed may still be on its way to a layer.
                let waits = Some(*layer) == own && self.store.container_place(&row.id).join("upper").exists();
                if !waits && self.store.peek_layer(layer)?.is_none() {
                    report.flaws.push(Flaw::Container { name: name.clone(), layer: *layer });
                    break;
                }
            }
        }
        Ok(())
    }

    /// Takes out what a flaw is about, if it still is one.
    fn repair(&self, flaw: &Flaw, quick: bool) -> Result<bool, EngineError> {
        if flaw.remedy() == Remedy::ByHand {
            return Ok(false);
        }
        let _alone = self.store.hold_alone()?;
        match flaw {
            Flaw::Row(row @ RowFlaw::Blob { blob, .. }) => {
                if let Some(size) = self.store.blob_size(blob)?
                    && self.store.blob_flaw(*blob, size, !quick).is_some()
                {
                    self.store.drop_flawed(row)?;
                }
            }
            Flaw::Row(row) => self.store.drop_flawed(row)?,
            Flaw::Layer { layer, .. } => {
                if self.layer_problem(layer, quick)?.is_some() {
                    self.store.drop_layer(layer)?;
                }
            }
            Flaw::Image { manifest, id, .. } => {
                if self.lack(manifest, id)?.is_some() {
                    self.store.remove_image(manifest)?;
                }
            }
            Flaw::Index { index, .. } => {
                if let Some(row) = self.store.find_index(index)?
                    && self.index_lack(&row)?.is_some()
                {
                    self.store.drop_index(index)?;
                }
            }
            Flaw::Container { .. } => {}
        }
        Ok(true)
    }
}

impl Flaw {
    /// What is done about it.
    pub fn remedy(&self) -> Remedy {
        match self {
            Self::Row(RowFlaw::Stray { .. }) => Remedy::Leftover,
            // The user's work is in it.
            Self::Row(RowFlaw::Database(_)) | Self::Container { .. } => Remedy::ByHand,
            _ => Remedy::Removable,
        }
    }

    fn row(&self) -> Option<&RowFlaw> {
        match self {
            Self::Row(row) => Some(row),
            _ => None,
        }
    }

    /// The layer that is known to be incomplete.
    fn layer(&self) -> Option<DiffId> {
        match self {
            Self::Row(RowFlaw::LayerGone { layer, .. } | RowFlaw::LayerSource { layer, .. }) => Some(*layer),
            _ => None,
        }
    }
}
