//! Copies manifests and indexes, with all that they name, from one repository to another.
//!
//! Owns the order of things: what there is to copy, then the blobs that the target lacks, several at a time, then the
//! documents, children before those that list them. Within a registry blobs are mounted; others come into the work
//! directory, where they are verified, and go on from there, because what breaks has to be sent again. Bytes stay as
//! they are. Nothing of it comes into the store.

use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::io::{self, Seek as _};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::oci::{Descriptor, Digest, Document, ManifestDigest, MediaType};
use crate::progress::{Reporter, Step};
use crate::registry::{RegistryError, Repository, Upload, Watch, Which};

use super::Session;
use super::meter::Meter;
use super::pull::{PullError, with_watch};
use super::push::{PushError, Target, put};
use super::remote_image::RemoteDocument;

/// Blobs that are copied at once.
const AT_ONCE: usize = 3;
/// How deep indexes may be nested.
const DEPTH_MAX: usize = 4;
/// How many bytes the documents of one copy may have together; they are in memory.
const DOCUMENTS_MAX: u64 = 64 << 20;

/// Where something is copied from.
#[derive(Debug, Clone, Copy)]
pub struct CopySource<'a> {
    /// The repository.
    pub repository: &'a Repository<'a>,
    /// Its name in full.
    pub name: &'a str,
}

/// Something cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The source does not give it.
    #[error("cannot read {what} of `{name}`")]
    Read {
        /// What.
        what: String,
        /// The repository.
        name: String,
        /// Why not.
        source: Box<PullError>,
    },
    /// The target does not take it.
    #[error(transparent)]
    Write(PushError),
    /// A file for a blob on its way cannot be dealt with.
    #[error("cannot keep the blob {blob} on its way")]
    Keep {
        /// Which one.
        blob: Digest,
        /// Why not.
        source: io::Error,
    },
    /// Indexes lead to indexes without an end.
    #[error("the index {index} is nested too deep")]
    Nested {
        /// The one that is too many.
        index: Digest,
    },
    /// It would not fit into memory.
    #[error("the manifests of `{name}` that would be copied have more than {DOCUMENTS_MAX} bytes together")]
    TooMuch {
        /// The repository.
        name: String,
    },
    /// It was interrupted.
    #[error("canceled")]
    Canceled,
}

impl From<PushError> for CopyError {
    fn from(error: PushError) -> Self {
        match error {
            PushError::Canceled => Self::Canceled,
            other => Self::Write(other),
        }
    }
}

impl From<RegistryError> for CopyError {
    fn from(error: RegistryError) -> Self {
        PushError::from(error).into()
    }
}

impl CopyError {
    fn reading(what: String, from: CopySource<'_>, source: PullError) -> Self {
        match source {
            PullError::Canceled => Self::Canceled,
            source => Self::Read { what, name: from.name.to_owned(), source: Box::new(source) },
        }
    }

    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } => source.remedy(),
            Self::Write(error) => error.remedy(),
            _ => None,
        }
    }
}

/// Copies what `roots` name, and everything below, so that the target has it by its digests. The target's tags are
/// left as they are.
pub fn copy(
    session: Session<'_>,
    from: CopySource<'_>,
    to: Target<'_>,
    roots: &[Descriptor],
    reporter: &Reporter,
) -> Result<(), CopyError> {
    let step = reporter.start(&format!("look at {}", from.name));
    let seen = with_watch(session, &step, |watch| Cargo::below(from, roots, &watch));
    let cargo = end(step, seen)?;
    let copying = Copying { session, from, to };
    copying.blobs(&cargo.blobs.into_values().collect::<Vec<_>>(), reporter)?;
    let by_digest = Target { tags: &[], ..to };
    for (media_type, bytes) in cargo.documents {
        put(session, by_digest, &media_type, &bytes, reporter)?;
    }
    Ok(())
}

/// What there is to copy.
#[derive(Debug, Default)]
struct Cargo {
    /// Manifests and indexes, children before those that list them.
    documents: Vec<(MediaType, Vec<u8>)>,
    blobs: BTreeMap<Digest, Descriptor>,
    /// The documents that were read.
    seen: HashSet<Digest>,
    /// How many bytes these have.
    size: u64,
}

impl Cargo {
    fn below(from: CopySource<'_>, roots: &[Descriptor], watch: &Watch<'_>) -> Result<Self, CopyError> {
        let mut cargo = Self::default();
        for root in roots {
            cargo.add(from, root, 0, watch)?;
        }
        Ok(cargo)
    }

    fn add(
        &mut self,
        from: CopySource<'_>,
        named: &Descriptor,
        depth: usize,
        watch: &Watch<'_>,
    ) -> Result<(), CopyError> {
        if !named.media_type.is_manifest() && !named.media_type.is_index() {
            self.add_blob(named);
            return Ok(());
        }
        if !self.seen.insert(named.digest) {
            return Ok(());
        }
        if depth == DEPTH_MAX {
            return Err(CopyError::Nested { index: named.digest });
        }
        let which = Which::Digest(ManifestDigest(named.digest));
        let read = RemoteDocument::read(from.repository, &which, watch)
            .map_err(|error| CopyError::reading(format!("the manifest {}", named.digest), from, error))?;
        self.size += read.bytes.len() as u64;
        if self.size > DOCUMENTS_MAX {
            return Err(CopyError::TooMuch { name: from.name.to_owned() });
        }
        match &read.document {
            Document::Manifest(manifest) => {
                self.add_blob(&manifest.config);
                manifest.layers.iter().for_each(|layer| self.add_blob(layer));
            }
            Document::Index(index) => {
                for entry in &index.manifests {
                    self.add(from, entry, depth + 1, watch)?;
                }
            }
        }
        self.documents.push((read.media_type().clone(), read.bytes));
        Ok(())
    }

    /// Registries do not have foreign layers.
    fn add_blob(&mut self, blob: &Descriptor) {
        let foreign = [
            MediaType::Foreign,
            MediaType::ForeignGzip,
            MediaType::ForeignZstd,
            MediaType::DockerForeignGzip,
        ];
        if !foreign.contains(&blob.media_type) {
            self.blobs.insert(blob.digest, blob.clone());
        }
    }
}

/// Whence and whither.
#[derive(Clone, Copy)]
struct Copying<'a> {
    session: Session<'a>,
    from: CopySource<'a>,
    to: Target<'a>,
}

impl Copying<'_> {
    fn blobs(self, blobs: &[Descriptor], reporter: &Reporter) -> Result<(), CopyError> {
        let next = AtomicUsize::new(0);
        let failure = Mutex::new(None);
        let work = || {
            while let Some(blob) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
                if let Err(error) = self.blob(blob, reporter) {
                    // The others need not be begun.
                    next.store(blobs.len(), Ordering::Relaxed);
                    failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..AT_ONCE.min(blobs.len()) {
                scope.spawn(work);
            }
        });
        failure.into_inner().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }

    fn blob(self, blob: &Descriptor, reporter: &Reporter) -> Result<(), CopyError> {
        let step = reporter.start(&format!("copy blob {}", blob.digest.short()));
        match with_watch(self.session, &step, |watch| self.blob_if_lacking(blob, &step, &watch)) {
            Ok(false) => {
                step.cached();
                Ok(())
            }
            copied => end(step, copied.map(drop)),
        }
    }

    /// Says whether the target lacked it.
    fn blob_if_lacking(
        self,
        blob: &Descriptor,
        step: &Step<'_>,
        watch: &Watch<'_>,
    ) -> Result<bool, CopyError> {
        let target = self.to.repository;
        if target.has_blob(&blob.digest, watch)? {
            return Ok(false);
        }
        if target.mount(&blob.digest, self.from.name, watch)? {
            step.note(format!("mounted from {}", self.from.name));
            return Ok(true);
        }
        let file = Arc::new(self.fetch(blob, step, *watch)?);
        let upload = Upload { file, size: blob.size, digest: blob.digest };
        target.upload(&upload, &[], &|count| step.transfer(count, Some(blob.size)), watch)?;
        Ok(true)
    }

    /// A file without a name that has the blob.
    fn fetch(self, blob: &Descriptor, step: &Step<'_>, watch: Watch<'_>) -> Result<File, CopyError> {
        let keep = |source| CopyError::Keep { blob: blob.digest, source };
        let path = self.session.work.path().join(format!("copy-{}", blob.digest.hex()));
        let mut options = File::options();
        let mut file = options.read(true).write(true).create_new(true).open(&path).map_err(keep)?;
        std::fs::remove_file(&path).map_err(keep)?;
        let source = self.from.repository;
        loop {
            let meter = Meter::new(step, self.session.cancel, Some(blob.size));
            let copied = io::copy(&mut meter.metered(source.blob(blob, watch)), &mut file);
            let Err(error) = copied else { return Ok(file) };
            let error = PullError::reading(blob.digest, error);
            if !error.is_wrong_source() || !source.has_other_source(&blob.digest) {
                return Err(CopyError::reading(format!("the blob {}", blob.digest), self.from, error));
            }
            file.set_len(0).and_then(|()| file.rewind()).map_err(keep)?;
        }
    }
}

/// Ends a step as what it did ended.
fn end<T>(step: Step<'_>, result: Result<T, CopyError>) -> Result<T, CopyError> {
    match &result {
        Ok(_) => step.done(),
        Err(CopyError::Canceled) => step.canceled(),
        Err(error) => step.failed(error.to_string()),
    }
    result
}
