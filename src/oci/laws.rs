//! What holds for every name and document. Tests and the fuzz targets both call these; a law that is broken panics.

use crate::oci::layout::check_layout_json;
use crate::oci::{Document, ImageConfig, Platform, Reference};

/// A name that is taken is written so that it is read as the same, and is complete then.
pub(crate) fn reference(text: &str) {
    match text.parse::<Reference>() {
        Ok(reference) => {
            let written = reference.to_string();
            assert_eq!(written.parse::<Reference>().as_ref(), Ok(&reference), "{text:?}: {written:?}");
            assert!(reference.tag().is_some() || reference.digest().is_some(), "{text:?}");
            assert!(!reference.name().is_empty(), "{text:?}");
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && error.remedy() != Some(String::new()), "{text:?}")
        }
    }
    if let Ok(platform) = text.parse::<Platform>() {
        let again = platform.to_string().parse::<Platform>();
        assert!(again.is_ok_and(|again| again == platform), "{text:?}");
    }
}

/// What is read of a document and written is read as the same, and written as the same bytes.
pub(crate) fn document(bytes: &[u8]) {
    let _ = check_layout_json(bytes);
    if let Ok(document) = Document::from_json(bytes, None) {
        let json = match &document {
            Document::Manifest(manifest) => manifest.to_json(),
            Document::Index(index) => index.to_json(),
        };
        let again = Document::from_json(&json, None);
        assert!(again.as_ref().is_ok_and(|again| *again == document), "{document:#?}\n{again:#?}");
    }
    if let Ok(config) = ImageConfig::from_json(bytes) {
        let json = config.to_json();
        let again = ImageConfig::from_json(&json);
        assert!(again.as_ref().is_ok_and(|again| *again == config), "{config:#?}\n{again:#?}");
        assert!(again.is_ok_and(|again| again.to_json() == json), "{config:#?}");
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn names_are_read_as_they_are_written(text in "[a-zA-Z0-9./:@_-]{0,40}") {
            super::reference(&text);
        }

        #[test]
        fn documents_are_read_as_they_are_written(
            size in any::<u64>(), key in "\\PC{0,9}", word in "\\PC{0,9}", os in "[a-zA-Z0-9]{0,5}",
        ) {
            let digest = format!("sha256:{}", "0".repeat(64));
            let descriptor = serde_json::json!({
                "mediaType": format!("a/{word}"), "digest": digest, "size": size, "annotations": { key.clone(): word.clone() },
                "platform": { "os": os, "architecture": os, "variant": word },
            });
            for document in [
                serde_json::json!({ "schemaVersion": 2, "config": descriptor, "layers": [descriptor], "annotations": { key: word } }),
                serde_json::json!({ "schemaVersion": 2, "manifests": [descriptor] }),
                serde_json::json!({ "os": os, "architecture": os, "config": { "Env": [word] },
                    "rootfs": { "type": word, "diff_ids": [digest] }, "history": [{ "comment": word }] }),
            ] {
                super::document(document.to_string().as_bytes());
            }
        }
    }
}
