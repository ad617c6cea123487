//! The images of a docker-archive in its older form: `manifest.json`, configs and layer tars.

use std::collections::HashMap;

use serde::Deserialize;

use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{Digest, Reference, json};

use super::super::archive::Archive;
use super::super::docker_archive::MANIFEST_FILE;
use super::super::load_error::{LoadError, Part};
use super::{ForeignLayer, Image, Names, read_config};

/// One image in `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Item {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

fn parse(manifest: &[u8]) -> Result<Vec<Item>, LoadError> {
    json::list(manifest).map_err(|source| LoadError::Json { name: MANIFEST_FILE.to_owned(), source })
}

/// Reads the images that the bytes of a `manifest.json` list.
pub(super) fn read(archive: &Archive, manifest: &[u8]) -> Result<Vec<Image>, LoadError> {
    let mut images: Vec<Image> = Vec::new();
    // An image that is listed again only gets more names; its config is not read again.
    let mut read: HashMap<String, usize> = HashMap::new();
    for item in parse(manifest)? {
        if let Some(&there) = read.get(&item.config) {
            images[there].names.merge(names(item.repo_tags)?);
            continue;
        }
        let config = item.config.clone();
        let image = read_image(archive, item)?;
        let there = if let Some(there) = images.iter().position(|there| there.id == image.id) {
            images[there].names.merge(image.names);
            there
        } else {
            images.push(image);
            images.len() - 1
        };
        read.insert(config, there);
    }
    Ok(images)
}

/// Adds the names that a `manifest.json` gives to images that were found in another way.
pub(super) fn add_names(manifest: &[u8], images: &mut [Image]) -> Result<(), LoadError> {
    for item in parse(manifest)? {
        let id = digest_in(&item.config);
        if let Some(image) = images.iter_mut().find(|image| Some(image.id.0) == id) {
            image.names.merge(names(item.repo_tags)?);
        }
    }
    Ok(())
}

fn read_image(archive: &Archive, item: Item) -> Result<Image, LoadError> {
    let missing = |part, name: &str| LoadError::Missing { part, name: name.to_owned() };
    let config_json =
        archive.read(&item.config, DOCUMENT_MAX)?.ok_or_else(|| missing(Part::Config, &item.config))?;
    let (id, config) = read_config(&item.config, &config_json, digest_in(&item.config))?;
    let layers = item.layers.unwrap_or_default();
    let diff_ids = &config.rootfs.diff_ids;
    if layers.len() != diff_ids.len() {
        let (diff_ids, layers) = (diff_ids.len(), layers.len());
        return Err(LoadError::LayerCount { config: id.0, diff_ids, layers });
    }
    let layers = layers.into_iter().zip(diff_ids).map(|(name, diff_id)| {
        let member = archive.find(&name)?.ok_or_else(|| missing(Part::Layer, &name))?;
        Ok(ForeignLayer { name, member, diff_id: *diff_id, blob: None })
    });
    let layers = layers.collect::<Result<_, LoadError>>()?;
    Ok(Image { id, config_json, manifest: None, layers, names: names(item.repo_tags)? })
}

/// The digest that a config's file is named after: `HEX.json` of old, `blobs/sha256/HEX` today.
fn digest_in(name: &str) -> Option<Digest> {
    let name = name.rsplit('/').next().unwrap_or(name);
    Digest::from_hex(name.strip_suffix(".json").unwrap_or(name)).ok()
}

fn names(repo_tags: Option<Vec<String>>) -> Result<Names, LoadError> {
    let mut names = Names::default();
    for tag in repo_tags.unwrap_or_default() {
        names.add(tag.parse::<Reference>().map_err(LoadError::Name)?);
    }
    Ok(names)
}
