//! The images of an OCI layout.
//!
//! Owns which entries of an index are images for a platform, and what they are called. Each document is verified
//! against the descriptor that led to it before anything in it is believed.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::oci::layout::{ANNOTATION_IMAGE_NAME, ANNOTATION_REF_NAME, INDEX_FILE, blob_path};
use crate::oci::manifest::DOCUMENT_MAX;
use crate::oci::{Descriptor, Digest, Document, Index, Manifest, Platform, Reference};

use super::super::archive::Archive;
use super::super::load_error::{LoadError, Part};
use super::{Contents, ForeignLayer, Image, ImageChoice, Names, read_config, whole};

/// How deep indexes may be nested below `index.json`.
const MAX_DEPTH: usize = 4;

/// Reads what the bytes of an `index.json` list. With a platform one image is chosen of each index, also of those that
/// are complete.
pub(super) fn read(
    archive: &Archive,
    index: &[u8],
    chosen_platform: Option<&Platform>,
) -> Result<Contents, LoadError> {
    let index = parse(index)?;
    let host = Platform::host();
    let platform = chosen_platform.unwrap_or(&host);
    let mut chosen: Vec<(Descriptor, Names)> = Vec::new();
    let mut search = Search::new(archive, platform);
    let mut contents = Contents::default();
    // Each is read once, under however many names it is there.
    let mut incomplete = HashSet::new();
    for entry in index.manifests {
        let names = names(&entry);
        if let Some(there) = contents.indexes.iter_mut().find(|index| index.digest == entry.digest) {
            there.names.merge(names);
            continue;
        }
        if chosen_platform.is_none() && entry.media_type.is_index() && !incomplete.contains(&entry.digest) {
            if let Some((mut index, images)) = whole::read(archive, &entry)? {
                index.names = names;
                contents.indexes.push(index);
                contents.add(images);
                continue;
            }
            incomplete.insert(entry.digest);
        }
        let Some(manifest) = search.choose(entry, 0)? else { continue };
        match chosen.iter_mut().find(|(there, _)| there.digest == manifest.digest) {
            Some((_, there)) => there.merge(names),
            None => chosen.push((manifest, names)),
        }
    }
    if chosen.is_empty() && contents.indexes.is_empty() && !search.others.is_empty() {
        return Err(no_platform(platform, search.others));
    }
    for (manifest, names) in chosen {
        let image = read_image(archive, &manifest, names)?;
        contents.alone.insert(manifest.digest);
        contents.add(vec![image]);
    }
    Ok(contents)
}

/// Reads the one image that is wanted; it gets no name.
pub(super) fn read_one(
    archive: &Archive,
    index: &[u8],
    platform: &Platform,
    choice: &ImageChoice,
) -> Result<Image, LoadError> {
    let index = parse(index)?;
    let mut search = Search::new(archive, platform);
    let mut entry = match choice.digest {
        Some(digest) => named_by(archive, &digest)?,
        None => tagged(index.manifests, choice.tag.as_deref(), platform)?,
    };
    // What is named alone is taken if it is an image, whatever it is for: there is no other to be taken instead.
    entry.platform = None;
    match search.choose(entry, 0)? {
        Some(manifest) => read_image(archive, &manifest, Names::default()),
        None => Err(no_platform(platform, search.others)),
    }
}

fn parse(index: &[u8]) -> Result<Index, LoadError> {
    let unusable = |source| LoadError::Manifest { name: INDEX_FILE.to_owned(), source };
    match Document::from_json(index, None).map_err(unusable)? {
        Document::Index(index) => Ok(index),
        Document::Manifest(_) => Err(LoadError::NoImages),
    }
}

fn no_platform(wanted: &Platform, found: BTreeSet<String>) -> LoadError {
    LoadError::NoPlatform { wanted: wanted.clone(), found: found.into_iter().collect() }
}

/// A descriptor of the document with this digest, whether the layout's index lists it or not.
fn named_by(archive: &Archive, digest: &Digest) -> Result<Descriptor, LoadError> {
    let name = blob_path(digest);
    let missing = || LoadError::Missing { part: Part::Manifest, name: name.clone() };
    let bytes = archive.read(&name, DOCUMENT_MAX)?.ok_or_else(missing)?;
    let unusable = |source| LoadError::Manifest { name: name.clone(), source };
    let media_type = match Document::from_json(&bytes, None).map_err(unusable)? {
        Document::Manifest(manifest) => manifest.media_type,
        Document::Index(index) => index.media_type,
    };
    Ok(Descriptor::new(media_type, *digest, bytes.len() as u64))
}

/// The entry with this tag, or without one `latest`, or the only entry.
fn tagged(entries: Vec<Descriptor>, tag: Option<&str>, platform: &Platform) -> Result<Descriptor, LoadError> {
    let wanted = tag.unwrap_or("latest");
    let is_it = |names: &Names| {
        names.tags.iter().any(|tag| tag == wanted)
            || names.references.iter().any(|reference| reference.tag() == Some(wanted))
    };
    let alone = entries.len() == 1 && tag.is_none();
    let (mut fitting, rest): (Vec<_>, Vec<_>) =
        entries.into_iter().partition(|entry| alone || is_it(&names(entry)));
    // A tag may be given once for each platform.
    fitting.sort_by_key(|entry| entry.platform.as_ref().is_some_and(|own| !fits(own, platform)));
    fitting.into_iter().next().ok_or_else(|| LoadError::NoTag {
        wanted: wanted.to_owned(),
        found: rest.iter().map(names).flat_map(Names::into_tags).collect(),
    })
}

/// What an entry of the index says its image is called.
fn names(entry: &Descriptor) -> Names {
    let mut names = Names::default();
    let full = entry.annotations.get(ANNOTATION_IMAGE_NAME).and_then(|name| name.parse::<Reference>().ok());
    if let Some(reference) = full {
        names.add(reference);
    } else if let Some(text) = entry.annotations.get(ANNOTATION_REF_NAME) {
        match text.parse::<Reference>() {
            Ok(reference) if text.contains([':', '@']) => names.add(reference),
            _ => names.add_tag(text),
        }
    }
    names
}

/// Looks for the manifests that entries lead to on a platform.
struct Search<'a> {
    archive: &'a Archive,
    platform: &'a Platform,
    /// The platforms that were passed over.
    others: BTreeSet<String>,
    /// What the indexes that have been read lead to. Each is read once, however often others list it: four levels of
    /// indexes that each list the next one ten thousand times would never end.
    known: HashMap<Digest, Option<Descriptor>>,
}

impl<'a> Search<'a> {
    fn new(archive: &'a Archive, platform: &'a Platform) -> Self {
        Self { archive, platform, others: BTreeSet::new(), known: HashMap::new() }
    }

    /// The manifest that an entry leads to; `depth` indexes are above it.
    fn choose(&mut self, entry: Descriptor, depth: usize) -> Result<Option<Descriptor>, LoadError> {
        if let Some(own) = entry.platform.as_ref().filter(|own| !fits(own, self.platform)) {
            // BuildKit's attestations are for a platform that no machine has.
            if own.os != "unknown" {
                self.others.insert(own.to_string());
            }
            return Ok(None);
        }
        if entry.media_type.is_manifest() {
            return Ok(Some(entry));
        }
        if !entry.media_type.is_index() {
            // Readers are asked to pass over what they do not know (image-index.md).
            return Ok(None);
        }
        if depth == MAX_DEPTH {
            return Err(LoadError::Nested { digest: entry.digest });
        }
        if let Some(known) = self.known.get(&entry.digest) {
            return Ok(known.clone());
        }
        let found = self.within(read_index(self.archive, &entry)?, depth)?;
        self.known.insert(entry.digest, found.clone());
        Ok(found)
    }

    /// The manifest that an index leads to.
    fn within(&mut self, index: Index, depth: usize) -> Result<Option<Descriptor>, LoadError> {
        let mut manifests = index.manifests;
        // The same platform to the letter is better than the same architecture.
        manifests.sort_by_key(|manifest| manifest.platform.as_ref() != Some(self.platform));
        for manifest in manifests {
            if let Some(found) = self.choose(manifest, depth + 1)? {
                return Ok(Some(found));
            }
        }
        if self.others.is_empty() {
            self.others.insert("an empty index".to_owned());
        }
        Ok(None)
    }
}

fn fits(own: &Platform, wanted: &Platform) -> bool {
    own.os == wanted.os && own.architecture == wanted.architecture
}

fn read_index(archive: &Archive, entry: &Descriptor) -> Result<Index, LoadError> {
    let bytes = read_document(archive, entry, Part::Index)?;
    let unusable = |source| LoadError::Manifest { name: blob_path(&entry.digest), source };
    match Document::from_json(&bytes, Some(&entry.media_type)).map_err(unusable)? {
        Document::Index(index) => Ok(index),
        Document::Manifest(manifest) => {
            Err(LoadError::MediaType { part: Part::Index, digest: entry.digest, found: manifest.media_type })
        }
    }
}

/// A document that a descriptor names, verified.
pub(super) fn read_document(archive: &Archive, named: &Descriptor, part: Part) -> Result<Vec<u8>, LoadError> {
    let name = blob_path(&named.digest);
    let member = archive.find(&name)?.ok_or_else(|| LoadError::Missing { part, name: name.clone() })?;
    check_size(part, named, member.size)?;
    let bytes = member.read_all(&name, DOCUMENT_MAX)?;
    let found = Digest::of(&bytes);
    if found != named.digest {
        return Err(LoadError::Digest { part, expected: named.digest, found });
    }
    Ok(bytes)
}

fn check_size(part: Part, named: &Descriptor, found: u64) -> Result<(), LoadError> {
    if found == named.size {
        return Ok(());
    }
    Err(LoadError::Size { part, digest: named.digest, expected: named.size, found })
}

pub(super) fn read_image(archive: &Archive, entry: &Descriptor, names: Names) -> Result<Image, LoadError> {
    let manifest_json = read_document(archive, entry, Part::Manifest)?;
    let unusable = |source| LoadError::Manifest { name: blob_path(&entry.digest), source };
    let manifest = match Document::from_json(&manifest_json, Some(&entry.media_type)).map_err(unusable)? {
        Document::Manifest(manifest) => manifest,
        Document::Index(index) => {
            let (digest, found) = (entry.digest, index.media_type);
            return Err(LoadError::MediaType { part: Part::Manifest, digest, found });
        }
    };
    if !manifest.config.media_type.is_config() {
        let (digest, found) = (manifest.config.digest, manifest.config.media_type);
        return Err(LoadError::MediaType { part: Part::Config, digest, found });
    }
    let config_json = read_document(archive, &manifest.config, Part::Config)?;
    let name = blob_path(&manifest.config.digest);
    let (id, config) = read_config(&name, &config_json, Some(manifest.config.digest))?;
    let layers = layers(archive, &manifest, &config.rootfs.diff_ids)?;
    let manifest = Some((manifest.media_type, entry.digest, manifest_json));
    Ok(Image { id, config_json, manifest, layers, names })
}

fn layers(
    archive: &Archive,
    manifest: &Manifest,
    diff_ids: &[crate::oci::DiffId],
) -> Result<Vec<ForeignLayer>, LoadError> {
    if manifest.layers.len() != diff_ids.len() {
        let (diff_ids, layers) = (diff_ids.len(), manifest.layers.len());
        return Err(LoadError::LayerCount { config: manifest.config.digest, diff_ids, layers });
    }
    let layers = manifest.layers.iter().zip(diff_ids).map(|(layer, diff_id)| {
        if !layer.media_type.is_layer() {
            let (digest, found) = (layer.digest, layer.media_type.clone());
            return Err(LoadError::MediaType { part: Part::Layer, digest, found });
        }
        let name = blob_path(&layer.digest);
        let missing = || LoadError::Missing { part: Part::Layer, name: name.clone() };
        let member = archive.find(&name)?.ok_or_else(missing)?;
        check_size(Part::Layer, layer, member.size)?;
        Ok(ForeignLayer { name, member, diff_id: *diff_id, blob: Some(layer.digest) })
    });
    layers.collect()
}
