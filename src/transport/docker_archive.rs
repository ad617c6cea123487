//! The archive that `docker save` writes: an OCI layout, and a `manifest.json` for readers of Docker's older form.
//!
//! Owns `manifest.json`. Must not know how layers are obtained.

use serde::Serialize;

use crate::oci::layout::blob_path;
use crate::oci::{Platform, Reference};
use crate::progress::Step;

use super::Session;
use super::blob_files::BlobFiles;
use super::bundle::Bundle;
use super::destination::Destination;
use super::error::ExportError;
use super::oci_layout;
use super::pack::Exported;

/// The list of images in Docker's form.
pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// Writes images as an archive that `docker load` reads, old versions included. Of an index old versions find the image
/// for this machine, or else the first.
pub fn write_docker(
    session: Session<'_>,
    bundles: &[Bundle],
    destination: Destination<'_>,
    step: &Step<'_>,
) -> Result<(), ExportError> {
    let mut documents = oci_layout::documents(oci_layout::index(bundles).to_json());
    documents.insert(MANIFEST_FILE, manifest_json(bundles));
    let files = BlobFiles { blobs: oci_layout::blobs(session, bundles)?, documents };
    destination.fill(|out| files.write_tar(session, out, step))
}

/// One image in `manifest.json`.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    /// `null` for an image without a name, as Docker writes it.
    repo_tags: Option<Vec<String>>,
    layers: Vec<String>,
}

fn manifest_json(bundles: &[Bundle]) -> Vec<u8> {
    let items = bundles.iter().map(|bundle| {
        let exported: &Exported = &bundle.image_for(&Platform::host()).exported;
        // A name without a tag has no form here.
        let tagged = bundle.names().iter().filter(|name| name.tag().is_some() && name.digest().is_none());
        let tags: Vec<String> = tagged.map(Reference::familiar).collect();
        Item {
            config: blob_path(exported.id.digest()),
            repo_tags: (!tags.is_empty()).then_some(tags),
            layers: exported.layers.iter().map(|layer| blob_path(&layer.digest)).collect(),
        }
    });
    let items: Vec<Item> = items.collect();
    serde_json::to_vec(&items)
        .unwrap_or_else(|error| unreachable!("strings and lists are always valid JSON: {error}"))
}
