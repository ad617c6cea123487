//! Puts verified images into the store.
//!
//! Owns the order: blobs, layers, then the rows that name them, all while no garbage collection can begin. What has
//! been gathered lies in the work directory until then, and goes with it after an error.

use std::fs::{self, File, Permissions};
use std::io::{self, Read, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::layer::{Applied, ApplyError, ApplyOptions, Marks, apply};
use crate::oci::{BlobDigest, DiffId, ImageConfig, ImageId, ManifestDigest, MediaType, Platform, Reference};
use crate::store::{BlobWriter, NewIndex, NewLayer, StoreError, TarSource, WrittenBlob};
use crate::sys::remove;
use crate::tree::{Index, IndexFile, write_index};

use super::Session;
use super::load_error::LoadError;

/// A layer that was unpacked into the work directory.
#[derive(Debug)]
pub(super) struct UnpackedLayer {
    pub(super) diff_id: DiffId,
    pub(super) tar_size: u64,
    pub(super) source: TarSource,
    pub(super) directory: PathBuf,
    /// Its tree index, which is not held in memory until it is wanted.
    pub(super) index: PathBuf,
}

/// What images need that the store lacks.
#[derive(Debug, Default)]
pub(super) struct NewParts<'s> {
    pub(super) blobs: Vec<WrittenBlob<'s>>,
    pub(super) layers: Vec<UnpackedLayer>,
}

/// An image whose layers are published, or about to be.
#[derive(Debug)]
pub(super) struct NewImage {
    pub(super) manifest: ManifestDigest,
    pub(super) manifest_json: Vec<u8>,
    pub(super) media_type: MediaType,
    pub(super) id: ImageId,
    pub(super) config_json: Vec<u8>,
    pub(super) names: Vec<Reference>,
}

/// An index whose images are published with it.
#[derive(Debug)]
pub(super) struct NewList {
    pub(super) digest: ManifestDigest,
    pub(super) media_type: MediaType,
    pub(super) json: Vec<u8>,
    /// Its images, in its order.
    pub(super) images: Vec<ManifestDigest>,
    /// What it leads to besides.
    pub(super) blobs: Vec<BlobDigest>,
    pub(super) names: Vec<Reference>,
}

/// Why a layer cannot be unpacked.
#[derive(Debug)]
pub(super) enum UnpackError {
    /// The layer's fault, or its reader's.
    Apply(ApplyError),
    /// Something else.
    Load(LoadError),
}

impl UnpackError {
    /// The error, with the layer's name in the archive.
    pub(super) fn of_layer(self, name: &str) -> LoadError {
        match self {
            Self::Apply(source) => LoadError::unpack(name, source),
            Self::Load(error) => error,
        }
    }
}

impl From<LoadError> for UnpackError {
    fn from(error: LoadError) -> Self {
        Self::Load(error)
    }
}

/// Unpacks a tar into the work directory; its index is saved there, too, and not in the result. The layer's place
/// is named after `name`, which must be unique.
pub(super) fn unpack_into(
    session: Session<'_>,
    name: DiffId,
    max_bytes: u64,
    tar: impl Read,
) -> Result<(Applied, UnpackedLayer), UnpackError> {
    let directory = directory_of(session, name);
    fs::create_dir(&directory).map_err(|source| LoadError::io("make", &directory, source))?;
    // The root of every layer looks alike, because no tar says anything of it.
    fs::set_permissions(&directory, Permissions::from_mode(0o755))
        .map_err(|source| LoadError::io("set the mode of", &directory, source))?;
    let root: OwnedFd =
        File::open(&directory).map_err(|source| LoadError::io("open", &directory, source))?.into();
    let options = ApplyOptions { max_bytes, ..ApplyOptions::new(Marks::here(session.store.has_overlays())) };
    let mut applied = apply(tar, root, options).map_err(UnpackError::Apply)?;
    let index = save_index(&directory, &std::mem::take(&mut applied.index))?;
    let layer = UnpackedLayer {
        diff_id: applied.diff_id,
        tar_size: applied.bytes,
        source: TarSource::Writer,
        directory,
        index,
    };
    Ok((applied, layer))
}

/// Writes what is read to a blob of the store.
pub(super) struct Keeping<'s, R> {
    pub(super) from: R,
    pub(super) to: BlobWriter<'s>,
}

impl<R: Read> Read for Keeping<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.from.read(buffer)?;
        self.to.write_all(&buffer[..n])?;
        Ok(n)
    }
}

/// Removes what was unpacked under this name, or the part of it that there is.
pub(super) fn clear_unpacked(session: Session<'_>, name: DiffId) -> Result<(), LoadError> {
    let directory = directory_of(session, name);
    let index = directory.with_extension("index");
    remove::tree(&directory).map_err(|source| LoadError::io("remove", &directory, source))?;
    match fs::remove_file(&index) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(LoadError::io("remove", &index, source))
        }
        _ => Ok(()),
    }
}

fn directory_of(session: Session<'_>, name: DiffId) -> PathBuf {
    session.work.path().join(format!("layer-{}", name.digest().hex()))
}

/// Writes the index of an unpacked layer beside its directory.
pub(super) fn save_index(directory: &std::path::Path, index: &Index) -> Result<PathBuf, LoadError> {
    let path = directory.with_extension("index");
    let failed = |source| LoadError::io("write", &path, source);
    let file = File::create(&path).map_err(failed)?;
    write_index(index, file).map_err(failed)?;
    Ok(path)
}

/// Publishes everything.
pub(super) fn publish(
    session: Session<'_>,
    parts: NewParts<'_>,
    images: &[NewImage],
    lists: &[NewList],
) -> Result<(), StoreError> {
    let store = session.store;
    // Blobs belong to nobody until the image's row is there.
    let _held = store.hold()?;
    for blob in parts.blobs {
        blob.publish()?;
    }
    for layer in parts.layers {
        let index = IndexFile::open(&layer.index)?.read_all()?;
        let new = NewLayer {
            diff_id: layer.diff_id,
            index: &index,
            tar_size: layer.tar_size,
            source: layer.source,
            directory: &layer.directory,
            below: Vec::new(),
        };
        store.publish_layer(&new, session.work)?;
    }
    for image in images {
        store.put_blob(session.work, &image.config_json)?;
        store.put_blob(session.work, &image.manifest_json)?;
        let size = image.manifest_json.len() as u64;
        store.put_image(&image.manifest, image.media_type.as_str(), size, &image.id)?;
        for name in &image.names {
            store.set_ref(&name.to_string(), &image.manifest)?;
        }
    }
    for list in lists {
        store.put_blob(session.work, &list.json)?;
        store.put_index(NewIndex {
            digest: &list.digest,
            media_type: list.media_type.as_str(),
            size: list.json.len() as u64,
            images: &list.images,
            blobs: &list.blobs,
        })?;
        if let Some(image) = representative(session, &list.images)? {
            for name in &list.names {
                store.set_index_ref(&name.to_string(), &list.digest, &image)?;
            }
        }
    }
    Ok(())
}

/// The image that is taken where one is wanted: the one for this machine, or else the first.
fn representative(
    session: Session<'_>,
    images: &[ManifestDigest],
) -> Result<Option<ManifestDigest>, StoreError> {
    let mut platforms = Vec::with_capacity(images.len());
    for manifest in images {
        let config = match session.store.find_image(manifest)? {
            Some(row) => ImageConfig::from_json(&session.store.read_blob(&BlobDigest(row.id.0))?).ok(),
            None => None,
        };
        platforms.push(config.map(|config| config.platform()));
    }
    let own = Platform::host().choose(platforms).unwrap_or(0);
    Ok(images.get(own).copied())
}
