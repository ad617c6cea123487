//! Which manifest of an index is for a platform.

use std::collections::{BTreeSet, HashSet};

use crate::oci::{Descriptor, Digest, Document, Index, Manifest, ManifestDigest, Platform};
use crate::registry::{Repository, Watch, Which};

use super::{PullError, parse};

/// How deep indexes may be nested.
const MAX_DEPTH: usize = 4;

/// The bytes of the manifest that is for `platform`, and what they say.
pub(super) fn manifest(
    repository: &Repository<'_>,
    index: Index,
    digest: ManifestDigest,
    platform: &Platform,
    watch: &Watch<'_>,
) -> Result<(Vec<u8>, Manifest), PullError> {
    let mut search =
        Search { repository, platform, watch, others: BTreeSet::new(), fruitless: HashSet::new() };
    if let Some(found) = search.within(index, digest, 0)? {
        return Ok(found);
    }
    let found = search.others.into_iter().collect();
    Err(PullError::NoPlatform { wanted: platform.clone(), found })
}

struct Search<'a> {
    repository: &'a Repository<'a>,
    platform: &'a Platform,
    watch: &'a Watch<'a>,
    /// The platforms that were passed over.
    others: BTreeSet<String>,
    /// The indexes that have been read and lead to no image for the platform. Each is read once, however often others
    /// list it.
    fruitless: HashSet<Digest>,
}

impl Search<'_> {
    fn within(
        &mut self,
        index: Index,
        digest: ManifestDigest,
        depth: usize,
    ) -> Result<Option<(Vec<u8>, Manifest)>, PullError> {
        if depth == MAX_DEPTH {
            return Err(PullError::Nested { index: digest });
        }
        let (fitting, others) = candidates(index.manifests, self.platform);
        self.others.extend(others);
        for entry in fitting {
            if self.fruitless.contains(&entry.digest) {
                continue;
            }
            let raw = self.repository.manifest(&Which::Digest(ManifestDigest(entry.digest)), self.watch)?;
            match parse(&raw)? {
                Document::Manifest(manifest) => return Ok(Some((raw.bytes, manifest))),
                Document::Index(index) => {
                    if let Some(found) = self.within(index, raw.digest, depth + 1)? {
                        return Ok(Some(found));
                    }
                    self.fruitless.insert(entry.digest);
                }
            }
        }
        Ok(None)
    }
}

/// The entries that may be for `platform`, the best first, and the other platforms.
fn candidates(entries: Vec<Descriptor>, platform: &Platform) -> (Vec<Descriptor>, Vec<String>) {
    let (mut fitting, mut others) = (Vec::new(), Vec::new());
    // Readers are asked to pass over what they do not know (image-index.md).
    let usable = |entry: &Descriptor| entry.media_type.is_manifest() || entry.media_type.is_index();
    for entry in entries.into_iter().filter(usable) {
        match &entry.platform {
            // BuildKit's attestations are for a platform that no machine has.
            Some(own) if own.os == "unknown" => {}
            Some(own) if !own.is_akin(platform) => others.push(own.to_string()),
            _ => fitting.push(entry),
        }
    }
    // The same platform to the letter is better than the same architecture, and that than none at all.
    fitting.sort_by_key(|entry| match &entry.platform {
        Some(own) if own == platform => 0,
        Some(_) => 1,
        None => 2,
    });
    (fitting, others)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::MediaType;

    #[test]
    fn the_best_entry_comes_first() {
        let entry = |name: &str, platform: Option<&str>| {
            let platform = platform.map(|text| text.parse().unwrap());
            Descriptor { platform, ..Descriptor::new(MediaType::Manifest, Digest::of(name.as_bytes()), 0) }
        };
        let entries = vec![
            entry("none", None),
            entry("v6", Some("linux/arm/v6")),
            entry("amd64", Some("linux/amd64")),
            entry("attestation", Some("unknown/unknown")),
            entry("v7", Some("linux/arm/v7")),
            Descriptor { media_type: MediaType::Other("text/x".into()), ..entry("other", None) },
        ];
        let (fitting, others) = candidates(entries, &"linux/arm/v7".parse().unwrap());
        let expected = ["v7", "v6", "none"].map(|name| Digest::of(name.as_bytes()));
        assert_eq!(fitting.iter().map(|entry| entry.digest).collect::<Vec<_>>(), expected);
        assert_eq!(others, ["linux/amd64"]);
    }
}
