//! Descriptors: what a manifest or an index says about another piece of content.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::listing::Entry;
use super::media_type::MediaType;
use super::platform::Platform;

/// Names content by its digest (image-spec, descriptor.md). The JSON has Go's order of fields, which is that of
/// all other tools.
///
/// `urls`, `data` and `artifactType` are dropped when a descriptor is read: strata fetches content only from where
/// the manifest came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Entry")]
pub struct Descriptor {
    /// What the content is.
    pub media_type: MediaType,
    /// The content's digest.
    pub digest: Digest,
    /// The content's size in bytes.
    pub size: u64,
    /// Remarks, by reverse domain names.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What the image runs on; in an index only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// Describes content without annotations and platform.
    pub const fn new(media_type: MediaType, digest: Digest, size: u64) -> Self {
        Self { media_type, digest, size, annotations: BTreeMap::new(), platform: None }
    }

    /// Describes these bytes.
    pub fn of(media_type: MediaType, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855","size":7,"annotations":{"a":"1","b":"2"},"platform":{"architecture":"arm","os":"linux","variant":"v7"}}"#;

    #[test]
    fn json_round_trips_in_a_fixed_order() {
        let descriptor: Descriptor = serde_json::from_str(TEXT).unwrap();
        assert_eq!(descriptor.size, 7);
        assert_eq!(serde_json::to_string(&descriptor).unwrap(), TEXT);
    }

    #[test]
    fn platforms_are_normalised() {
        let text = TEXT.replace("\"arm\"", "\"arm64\"").replace("v7", "v8");
        let descriptor: Descriptor = serde_json::from_str(&text).unwrap();
        assert_eq!(descriptor.platform.unwrap().to_string(), "linux/arm64");
    }

    #[test]
    fn wrong_descriptors_are_refused() {
        let sha512 = format!("sha512:{}", "0".repeat(128));
        for (from, to, message) in [
            ("\"size\":7,", "", "missing field `size`"),
            ("\"size\":7,", "\"size\":-7,", "invalid value: integer `-7`, expected u64"),
            (
                "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
                sha512.as_str(),
                &format!(
                    "`{sha512}` is not a digest: expected `sha256:` and 64 lower-case hexadecimal digits"
                ),
            ),
        ] {
            let value: serde_json::Value = serde_json::from_str(&TEXT.replace(from, to)).unwrap();
            let error = serde_json::from_value::<Descriptor>(value).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
