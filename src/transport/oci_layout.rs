//! OCI image layouts, as a tar or a directory (image-spec, image-layout.md).
//!
//! Owns what the index says of the images and their names. Must not know how layers are obtained.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::Value;

use crate::oci::layout::{ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, INDEX_FILE, LAYOUT_FILE, layout_json};
use crate::oci::{Descriptor, Index, MediaType, Reference, json};
use crate::progress::Step;

use super::Session;
use super::blob_files::BlobFiles;
use super::bundle::Bundle;
use super::destination::{Destination, NewDirectory};
use super::error::ExportError;
use super::pack::Blobs;

/// Writes images and indexes as the tar of an OCI layout.
///
/// Each name makes an entry of the layout's index, with the complete reference as `io.containerd.image.name` and
/// the tag as `org.opencontainers.image.ref.name`, as BuildKit and containerd do. An index of images is a blob as any
/// manifest is.
pub fn write_oci(
    session: Session<'_>,
    bundles: &[Bundle],
    destination: Destination<'_>,
    step: &Step<'_>,
) -> Result<(), ExportError> {
    let documents = documents(index(bundles).to_json());
    let files = BlobFiles { blobs: blobs(session, bundles)?, documents };
    destination.fill(|out| files.write_tar(session, out, step))
}

/// Writes images and indexes as an OCI layout in a directory. In one that is there, blobs are added, and entries of its
/// index give way to new ones of the same name.
pub fn write_oci_directory(
    session: Session<'_>,
    bundles: &[Bundle],
    dir: &Path,
    step: &Step<'_>,
) -> Result<(), ExportError> {
    let blobs = blobs(session, bundles)?;
    let dir = NewDirectory::create(dir)?;
    let mut index = index(bundles).to_json();
    if !dir.is_new() {
        index = merged(&dir.path().join(INDEX_FILE), index)?;
    }
    let files = BlobFiles { blobs, documents: documents(index) };
    files.write_directory(session, dir.path(), step)?;
    dir.commit()
}

/// All blobs of all bundles, each once.
pub(super) fn blobs(session: Session<'_>, bundles: &[Bundle]) -> Result<Blobs, ExportError> {
    let mut all = Blobs::new();
    for bundle in bundles {
        for (digest, content) in bundle.blobs(session)? {
            all.entry(digest).or_insert(content);
        }
    }
    Ok(all)
}

/// The documents of every layout.
pub(super) fn documents(index: Vec<u8>) -> BTreeMap<&'static str, Vec<u8>> {
    BTreeMap::from([(INDEX_FILE, index), (LAYOUT_FILE, layout_json())])
}

/// The index of a layout.
pub(super) fn index(bundles: &[Bundle]) -> Index {
    let mut manifests: Vec<Descriptor> = Vec::new();
    for bundle in bundles {
        manifests.extend(bundle.names().iter().map(|name| named(bundle.descriptor(), name)));
        if bundle.names().is_empty() {
            manifests.push(bundle.descriptor().clone());
        }
    }
    Index { media_type: MediaType::Index, manifests, annotations: BTreeMap::new() }
}

fn named(manifest: &Descriptor, name: &Reference) -> Descriptor {
    let mut entry = manifest.clone();
    entry.annotations.insert(ANNOTATION_IMAGE_NAME.to_owned(), name.to_string());
    if let Some(tag) = name.tag() {
        entry.annotations.insert(ANNOTATION_REF_NAME.to_owned(), tag.to_owned());
    }
    entry
}

/// The index in the file at `path` with the entries of `new` put in. Fields that strata does not know stay.
fn merged(path: &Path, new: Vec<u8>) -> Result<Vec<u8>, ExportError> {
    let foreign = |source| ExportError::ForeignIndex { path: path.to_owned(), source };
    let old = match fs::read(path) {
        Ok(old) => old,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(new),
        Err(error) => return Err(ExportError::io("read", path, error)),
    };
    let mut index: LayoutIndex = json::object(&old).map_err(foreign)?;
    let new: LayoutIndex = json::object(&new).map_err(foreign)?;
    index.manifests.retain(|old| !new.manifests.iter().any(|new| same_place(old, new)));
    index.manifests.extend(new.manifests);
    Ok(serde_json::to_vec_pretty(&index)
        .unwrap_or_else(|error| unreachable!("what was JSON is JSON: {error}")))
}

/// An index as it stands in a file, with all its fields.
#[derive(serde::Serialize, serde::Deserialize)]
struct LayoutIndex {
    manifests: Vec<Value>,
    #[serde(flatten)]
    others: BTreeMap<String, Value>,
}

/// Whether two entries of an index are for one name, or without a name for one manifest.
fn same_place(old: &Value, new: &Value) -> bool {
    let name = |entry: &Value| entry["annotations"][ANNOTATION_IMAGE_NAME].as_str().map(str::to_owned);
    let tag = |entry: &Value| entry["annotations"][ANNOTATION_REF_NAME].as_str().map(str::to_owned);
    match (name(old), name(new)) {
        (Some(old), Some(new)) => old == new,
        (None, None) => tag(old) == tag(new) && old["digest"] == new["digest"],
        // Tools that write the tag alone mean the only image of that tag.
        (None, Some(_)) => tag(old).is_some() && tag(old) == tag(new),
        (Some(_), None) => false,
    }
}
