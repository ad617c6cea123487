//! Brings an image of the store, or an index of images, into a registry.
//!
//! Owns the order of things: the blobs that the registry lacks, several at a time, then the manifests, each after what it
//! lists, so that nobody finds one without its parts. A blob that another repository of the registry is
//! known to have is taken from there. Must not know how registries are talked to.

mod error;

use std::fs::File;
use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use crate::oci::{BlobDigest, Digest, ManifestDigest, MediaType};
use crate::progress::{Reporter, Step};
use crate::registry::{Repository, Sent, Upload, Which};

use super::Session;
use super::bundle::Bundle;
use super::layer_source;
use super::meter::Meter;
use super::pack::{Blobs, Content};
use super::pull::with_watch;
pub use error::PushError;

/// Blobs that go at once.
const AT_ONCE: usize = 3;

/// Where an image goes.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// The repository.
    pub repository: &'a Repository<'a>,
    /// The repository in full, such as `docker.io/library/busybox`.
    pub name: &'a str,
    /// What the image is to be called there; nothing leaves it to its digest.
    pub tags: &'a [String],
}

/// Pushes what a bundle has.
pub fn push(
    session: Session<'_>,
    target: Target<'_>,
    bundle: &Bundle,
    reporter: &Reporter,
) -> Result<(), PushError> {
    let contents = bundle.contents(session)?;
    let digests: Vec<BlobDigest> = contents.keys().copied().map(BlobDigest).collect();
    send_blobs(session, target, contents, reporter)?;
    let mut manifests = bundle.manifests();
    let top = manifests.pop().ok_or(PushError::Nothing)?;
    for (manifest, json) in manifests {
        put(session, Target { tags: &[], ..target }, &manifest.media_type, json, reporter)?;
    }
    put(session, target, &top.0.media_type, top.1, reporter)?;
    Ok(session.store.set_distributed(target.name, digests)?)
}

/// Puts a manifest or an index whose parts are in the repository under its names there.
pub fn put(
    session: Session<'_>,
    target: Target<'_>,
    media_type: &MediaType,
    json: &[u8],
    reporter: &Reporter,
) -> Result<ManifestDigest, PushError> {
    let digest = ManifestDigest(Digest::of(json));
    let names = match target.tags {
        [] => vec![Which::Digest(digest)],
        tags => tags.iter().cloned().map(Which::Tag).collect(),
    };
    for which in names {
        let what = if media_type.is_index() { "index" } else { "manifest" };
        let step = reporter.start(&format!("push {what} {} as {which}", digest.digest().short()));
        let put = with_watch(session, &step, |watch| {
            target.repository.put_manifest(&which, media_type, json, &watch)
        });
        error::end(step, put.map_err(PushError::from))?;
    }
    Ok(digest)
}

/// Sends the blobs that the repository lacks.
fn send_blobs(
    session: Session<'_>,
    target: Target<'_>,
    blobs: Blobs,
    reporter: &Reporter,
) -> Result<(), PushError> {
    let blobs: Vec<(Digest, (u64, Content))> = blobs.into_iter().collect();
    let next = AtomicUsize::new(0);
    let failure = Mutex::new(None);
    let work = || {
        while let Some((digest, (size, content))) = blobs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let one = One { session, target, digest: *digest, size: *size, content };
            if let Err(error) = one.send(reporter) {
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
    match failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(error) => Err(error),
        None => Ok(()),
    }
}

/// The work on one blob.
struct One<'a> {
    session: Session<'a>,
    target: Target<'a>,
    digest: Digest,
    size: u64,
    content: &'a Content,
}

impl One<'_> {
    fn send(&self, reporter: &Reporter) -> Result<(), PushError> {
        let what = if matches!(self.content, Content::Bytes(_)) { "config" } else { "layer" };
        let step = reporter.start(&format!("push {what} {}", self.digest.short()));
        match self.send_if_lacking(&step) {
            Ok(false) => {
                step.cached();
                Ok(())
            }
            sent => error::end(step, sent.map(drop)),
        }
    }

    /// Says whether the repository lacked it.
    fn send_if_lacking(&self, step: &Step<'_>) -> Result<bool, PushError> {
        let repository = self.target.repository;
        with_watch(self.session, step, |watch| {
            if repository.has_blob(&self.digest, &watch)? {
                return Ok(false);
            }
            let others = self.other_repositories()?;
            let file = Arc::new(self.file(step)?);
            let upload = Upload { file, size: self.size, digest: self.digest };
            let sent = |count| step.transfer(count, Some(self.size));
            if let Sent::Mounted(from) = repository.upload(&upload, &others, &sent, &watch)? {
                step.note(format!("mounted from {from}"));
            }
            Ok(true)
        })
    }

    /// Other repositories that had it.
    fn other_repositories(&self) -> Result<Vec<String>, PushError> {
        let mut others = self.session.store.distributed(&BlobDigest(self.digest))?;
        others.retain(|other| other != self.target.name);
        Ok(others)
    }

    /// Its bytes as a file.
    fn file(&self, step: &Step<'_>) -> Result<File, PushError> {
        let Session { store, work, cancel } = self.session;
        match self.content {
            Content::Blob(blob) | Content::Fresh(blob) => Ok(store.open_blob(blob)?),
            Content::Bytes(bytes) => {
                let (mut file, failed) = self.scratch()?;
                file.write_all(bytes).map_err(failed)?;
                Ok(file)
            }
            // It can be sent again only if it lies still.
            Content::Tar(layer) => {
                let (mut file, _) = self.scratch()?;
                let meter = Meter::new(step, cancel, None);
                layer_source::write_tar(Session { store, work, cancel }, layer, &mut file, &meter)?;
                Ok(file)
            }
        }
    }

    /// A file without a name, and the error for it.
    fn scratch(&self) -> Result<(File, impl Fn(std::io::Error) -> PushError), PushError> {
        let path = self.session.work.path().join(format!("push-{}", self.digest.hex()));
        let failed = {
            let path = path.clone();
            move |source| PushError::Io { operation: "write", path: path.clone(), source }
        };
        let mut options = File::options();
        let file = options.read(true).write(true).create_new(true).open(&path).map_err(&failed)?;
        std::fs::remove_file(&path).map_err(&failed)?;
        Ok((file, failed))
    }
}
