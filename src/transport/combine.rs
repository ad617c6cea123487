//! A new index of images that are in registries already.
//!
//! Owns what becomes of the sources: which of them are listed, once each, in which kind of index, with which remarks.
//! A source that would stay what it is keeps its bytes, and so its digest. Talks to nobody.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::oci::{Digest, Entry, Listing, MediaType, Platform};

/// A source: what was found, and what is said of it.
#[derive(Debug, Clone)]
pub struct Source {
    /// What an index says of it.
    pub entry: Entry,
    /// What it lists, if it is an index.
    pub listing: Option<Listing>,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What the result shall be.
#[derive(Debug, Clone, Default)]
pub struct Wishes {
    /// Whether a single manifest becomes an index, too.
    pub prefer_index: bool,
    /// Which images are listed; all, if none is named. Attestations go with their images.
    pub platforms: Vec<Platform>,
    /// Annotations of the index.
    pub of_index: BTreeMap<String, String>,
    /// Annotations of what is listed.
    pub of_entries: Vec<EntryAnnotation>,
}

/// An annotation that stands where an index lists something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryAnnotation {
    /// The platform of the images that it is for; `None` is all that is listed.
    pub platform: Option<Platform>,
    /// Its name.
    pub key: String,
    /// What it says.
    pub value: String,
}

/// The result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Combined {
    /// What it is: an index, or the one manifest that it was to be.
    pub media_type: MediaType,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// What has to be where it goes, each with the number of its source: what it lists, or the manifest itself.
    pub parts: Vec<(Entry, usize)>,
}

/// Sources do not make what was wished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CombineError {
    /// Docker's list has no place for annotations.
    #[error("all images are of Docker's media types, whose list has no place for the annotation `{key}`")]
    DockerList {
        /// The annotation.
        key: String,
    },
    /// An annotation is for an image that is not listed.
    #[error("the annotation `{key}` is for {platform}, and there is {}", listed(found))]
    Annotation {
        /// The annotation.
        key: String,
        /// What it is for.
        platform: Platform,
        /// What there is.
        found: Vec<String>,
    },
    /// Nothing is left.
    #[error("there is no image for {}: there is {}", listed(wanted), listed(found))]
    Platforms {
        /// What was wanted.
        wanted: Vec<String>,
        /// What there is.
        found: Vec<String>,
    },
}

fn listed(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Makes one image of several, or leaves one as it is.
pub fn combine(sources: &[Source], wishes: &Wishes) -> Result<Combined, CombineError> {
    let is_remarked = !wishes.of_index.is_empty() || !wishes.of_entries.is_empty();
    match sources {
        [Source { listing: Some(listing), bytes, .. }] if !is_remarked => {
            let parts = listing.manifests.iter().map(|entry| (entry.clone(), 0)).collect();
            filtered(listing.clone(), bytes.clone(), parts, &wishes.platforms)
        }
        [Source { listing: None, entry, bytes }] if !is_remarked && !wishes.prefer_index => {
            let parts = kept(vec![(entry.clone(), 0)], &wishes.platforms)?;
            Ok(Combined { media_type: entry.media_type.clone(), bytes: bytes.clone(), parts })
        }
        _ => {
            let mut parts = merged(sources);
            let is_docker = parts.iter().all(|(entry, _)| entry.media_type.as_str().starts_with(DOCKER));
            let remarks = wishes.of_index.keys().chain(wishes.of_entries.iter().map(|remark| &remark.key));
            if let (true, Some(key)) = (is_docker, remarks.into_iter().next()) {
                return Err(CombineError::DockerList { key: key.clone() });
            }
            annotate(&mut parts, &wishes.of_entries)?;
            let media_type = if is_docker { MediaType::DockerList } else { MediaType::Index };
            let entries = parts.iter().map(|(entry, _)| entry.clone()).collect();
            let mut listing = Listing::new(media_type, entries);
            listing.annotations.clone_from(&wishes.of_index);
            let bytes = listing.to_json();
            filtered(listing, bytes, parts, &wishes.platforms)
        }
    }
}

/// How Docker's media types begin.
const DOCKER: &str = "application/vnd.docker.";

/// What all sources are or list, once each. Of what comes again the later remarks count.
fn merged(sources: &[Source]) -> Vec<(Entry, usize)> {
    let mut parts: Vec<(Entry, usize)> = Vec::new();
    let mut places: BTreeMap<Digest, usize> = BTreeMap::new();
    for (number, source) in sources.iter().enumerate() {
        let own = std::slice::from_ref(&source.entry);
        for entry in source.listing.as_ref().map_or(own, |listing| &listing.manifests) {
            match places.get(&entry.digest) {
                None => {
                    places.insert(entry.digest, parts.len());
                    parts.push((entry.clone(), number));
                }
                Some(&place) => {
                    let (known, _) = &mut parts[place];
                    known.annotations.extend(entry.annotations.clone());
                    known.platform = entry.platform.clone().or(known.platform.take());
                }
            }
        }
    }
    parts
}

fn annotate(parts: &mut [(Entry, usize)], remarks: &[EntryAnnotation]) -> Result<(), CombineError> {
    for EntryAnnotation { platform, key, value } in remarks {
        let mut is_used = false;
        for (entry, _) in parts.iter_mut() {
            if platform.is_none() || entry.platform() == *platform {
                entry.annotations.insert(key.clone(), value.clone());
                is_used = true;
            }
        }
        if let (false, Some(platform)) = (is_used, platform) {
            let (key, found) = (key.clone(), platforms_of(parts));
            return Err(CombineError::Annotation { key, platform: platform.clone(), found });
        }
    }
    Ok(())
}

/// The index without images for other platforms. One that loses nothing keeps its bytes.
fn filtered(
    mut listing: Listing,
    bytes: Vec<u8>,
    parts: Vec<(Entry, usize)>,
    platforms: &[Platform],
) -> Result<Combined, CombineError> {
    let all = parts.len();
    let parts = kept(parts, platforms)?;
    if parts.len() == all {
        return Ok(Combined { media_type: listing.media_type, bytes, parts });
    }
    listing.manifests = parts.iter().map(|(entry, _)| entry.clone()).collect();
    Ok(Combined { bytes: listing.to_json(), media_type: listing.media_type, parts })
}

/// The parts for these platforms, with the attestations of them. What does not say what it is for stays.
fn kept(mut parts: Vec<(Entry, usize)>, platforms: &[Platform]) -> Result<Vec<(Entry, usize)>, CombineError> {
    if platforms.is_empty() {
        return Ok(parts);
    }
    let found = platforms_of(&parts);
    let fits = |entry: &Entry| entry.platform().is_none_or(|platform| platforms.contains(&platform));
    let images: HashSet<Digest> =
        parts.iter().filter(|(entry, _)| fits(entry)).map(|(entry, _)| entry.digest).collect();
    parts.retain(|(entry, _)| {
        images.contains(&entry.digest) || entry.subject().is_some_and(|subject| images.contains(&subject))
    });
    if parts.is_empty() {
        let wanted = platforms.iter().map(ToString::to_string).collect();
        return Err(CombineError::Platforms { wanted, found });
    }
    Ok(parts)
}

/// The platforms of images, each once.
fn platforms_of(parts: &[(Entry, usize)]) -> Vec<String> {
    let images = parts.iter().filter(|(entry, _)| entry.subject().is_none());
    let platforms: BTreeSet<String> =
        images.filter_map(|(entry, _)| Some(entry.platform()?.to_string())).collect();
    platforms.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::EntryPlatform;

    fn entry(name: &str, media_type: MediaType, platform: &str) -> Entry {
        let mut entry = Entry::new(media_type, Digest::of(name.as_bytes()), 1);
        entry.platform = platform.parse().ok().map(|platform: Platform| EntryPlatform::from(&platform));
        entry
    }

    /// The entry of a manifest that is about another one.
    fn attestation(name: &str, of: &str) -> Entry {
        let mut entry = entry(name, MediaType::Manifest, "unknown/unknown");
        let subject = Digest::of(of.as_bytes()).to_string();
        entry.annotations = [
            ("vnd.docker.reference.digest".to_owned(), subject),
            ("vnd.docker.reference.type".to_owned(), "attestation-manifest".to_owned()),
        ]
        .into();
        entry
    }

    fn image(name: &str, platform: &str) -> Source {
        let entry = entry(name, MediaType::Manifest, platform);
        Source { entry, listing: None, bytes: name.into() }
    }

    fn index(entries: Vec<Entry>) -> Source {
        let listing = Listing::new(MediaType::Index, entries);
        let entry = Entry::new(MediaType::Index, listing.digest().0, 1);
        // Not as strata would write it.
        let bytes = serde_json::to_vec(&listing).unwrap();
        Source { entry, listing: Some(listing), bytes }
    }

    fn wishes() -> Wishes {
        Wishes { prefer_index: true, ..Wishes::default() }
    }

    fn parts(combined: &Combined) -> Vec<(Digest, usize)> {
        combined.parts.iter().map(|(entry, source)| (entry.digest, *source)).collect()
    }

    fn of(name: &str, source: usize) -> (Digest, usize) {
        (Digest::of(name.as_bytes()), source)
    }

    #[test]
    fn a_single_source_may_stay_what_it_is() {
        let single = [image("a", "linux/amd64")];
        let index_of_one = combine(&single, &wishes()).unwrap();
        assert_eq!(index_of_one.media_type, MediaType::Index);
        assert_eq!(parts(&index_of_one), [of("a", 0)]);
        let same = combine(&single, &Wishes { prefer_index: false, ..wishes() }).unwrap();
        assert_eq!((same.media_type, same.bytes), (MediaType::Manifest, b"a".to_vec()));

        let whole = index(vec![entry("a", MediaType::Manifest, "linux/amd64"), attestation("b", "a")]);
        let same = combine(std::slice::from_ref(&whole), &wishes()).unwrap();
        assert_eq!(same.bytes, whole.bytes);
        let only = Wishes { platforms: vec!["linux/amd64".parse().unwrap()], ..wishes() };
        assert_eq!(combine(std::slice::from_ref(&whole), &only).unwrap().bytes, whole.bytes);
    }

    #[test]
    fn what_comes_again_is_listed_once_with_the_later_remarks() {
        let mut again = image("a", "linux/arm64");
        again.entry.annotations = [("k".to_owned(), "v".to_owned())].into();
        let sources =
            [index(vec![entry("a", MediaType::Manifest, "linux/amd64")]), image("b", "linux/386"), again];
        let combined = combine(&sources, &wishes()).unwrap();
        assert_eq!(parts(&combined), [of("a", 0), of("b", 1)]);
        let (first, _) = &combined.parts[0];
        assert_eq!(first.platform().unwrap().to_string(), "linux/arm64");
        assert_eq!(first.annotations["k"], "v");
    }

    #[test]
    fn attestations_go_with_their_images() {
        let all = index(vec![
            entry("amd64", MediaType::Manifest, "linux/amd64"),
            entry("arm64", MediaType::Manifest, "linux/arm64"),
            attestation("of-amd64", "amd64"),
            attestation("of-arm64", "arm64"),
        ]);
        let only = |platform: &str| Wishes { platforms: vec![platform.parse().unwrap()], ..wishes() };
        let arm64 = combine(std::slice::from_ref(&all), &only("linux/arm64/v8")).unwrap();
        assert_eq!(parts(&arm64), [of("arm64", 0), of("of-arm64", 0)]);
        let message = combine(&[all], &only("linux/s390x")).unwrap_err().to_string();
        assert_eq!(message, "there is no image for linux/s390x: there is linux/amd64, linux/arm64");
    }

    #[test]
    fn annotations_find_their_place_or_are_refused() {
        let sources = [image("a", "linux/amd64"), image("b", "linux/arm64")];
        let remark = |platform: &str| EntryAnnotation {
            platform: Some(platform.parse().unwrap()),
            key: "k".to_owned(),
            value: "v".to_owned(),
        };
        let mut wishes = Wishes { of_entries: vec![remark("linux/arm64")], ..wishes() };
        wishes.of_index = [("i".to_owned(), "1".to_owned())].into();
        let combined = combine(&sources, &wishes).unwrap();
        let listing = Listing::from_json(&combined.bytes, None).unwrap().unwrap();
        assert_eq!(listing.annotations["i"], "1");
        assert!(listing.manifests[0].annotations.is_empty());
        assert_eq!(listing.manifests[1].annotations["k"], "v");

        wishes.of_entries = vec![remark("linux/riscv64")];
        let message = combine(&sources, &wishes).unwrap_err().to_string();
        assert_eq!(message, "the annotation `k` is for linux/riscv64, and there is linux/amd64, linux/arm64");

        let mut docker = image("a", "linux/amd64");
        docker.entry.media_type = MediaType::DockerManifest;
        let docker = [docker];
        let message = combine(&docker, &wishes).unwrap_err().to_string();
        assert_eq!(
            message,
            "all images are of Docker's media types, whose list has no place for the annotation `i`"
        );
        let list = combine(&docker, &Wishes { prefer_index: true, ..Wishes::default() }).unwrap();
        assert_eq!(list.media_type, MediaType::DockerList);
    }
}
