//! The OCI image layout: the names of its files and annotations, and its marker file (image-spec, image-layout.md).

use oci_spec::image as spec;

use super::digest::Digest;
use super::json::{self, JsonError};

/// The marker file, beside [`INDEX_FILE`].
pub const LAYOUT_FILE: &str = "oci-layout";
/// The index that lists the layout's images.
pub const INDEX_FILE: &str = "index.json";
/// The directory of blobs, with one directory for each algorithm.
pub const BLOBS_DIR: &str = "blobs";
/// The version that strata writes, and the newest that it reads.
const VERSION: &str = "1.0.0";

/// The annotation that names a manifest in an index: only the tag, or a whole reference, as tools differ.
pub const ANNOTATION_REF_NAME: &str = spec::ANNOTATION_REF_NAME;
/// The annotation with a manifest's complete reference, which containerd and Docker write and read.
pub const ANNOTATION_IMAGE_NAME: &str = "io.containerd.image.name";
/// The annotation with the digest of an eStargz layer's table of contents.
pub const ANNOTATION_STARGZ_TOC: &str = "containerd.io/snapshot/stargz/toc.digest";
/// The annotation with the time when an image was made.
pub const ANNOTATION_CREATED: &str = spec::ANNOTATION_CREATED;
/// The annotation with the digest of the image that an image was built from.
pub const ANNOTATION_BASE_DIGEST: &str = spec::ANNOTATION_BASE_IMAGE_DIGEST;
/// The annotation with the reference of the image that an image was built from.
pub const ANNOTATION_BASE_NAME: &str = spec::ANNOTATION_BASE_IMAGE_NAME;

/// A marker file does not announce a layout that strata reads.
#[derive(Debug, thiserror::Error)]
pub enum LayoutError {
    /// It is not the JSON that it should be.
    #[error("`{LAYOUT_FILE}` is not the marker of an OCI image layout")]
    Json {
        /// What is wrong with it.
        source: JsonError,
    },
    /// It announces another version.
    #[error("the OCI image layout has version `{found}`; only `{VERSION}` is supported")]
    Version {
        /// The version.
        found: String,
    },
}

/// The content of the marker file.
pub fn layout_json() -> Vec<u8> {
    format!(r#"{{"imageLayoutVersion":"{VERSION}"}}"#).into_bytes()
}

/// Checks the content of a marker file.
pub fn check_layout_json(bytes: &[u8]) -> Result<(), LayoutError> {
    let layout: spec::OciLayout = json::object(bytes).map_err(|source| LayoutError::Json { source })?;
    if layout.image_layout_version() != VERSION {
        return Err(LayoutError::Version { found: layout.image_layout_version().clone() });
    }
    Ok(())
}

/// The path of a blob in a layout: `blobs/sha256/…`.
pub fn blob_path(digest: &Digest) -> String {
    format!("{BLOBS_DIR}/{}/{}", Digest::ALGORITHM, digest.hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_are_checked() {
        check_layout_json(&layout_json()).unwrap();
        check_layout_json(b"{\"imageLayoutVersion\": \"1.0.0\"}\n").unwrap();
        for (text, message) in [
            ("", "`oci-layout` is not the marker of an OCI image layout"),
            ("{}", "`oci-layout` is not the marker of an OCI image layout"),
            (
                r#"{"imageLayoutVersion":"2.0.0"}"#,
                "the OCI image layout has version `2.0.0`; only `1.0.0` is supported",
            ),
        ] {
            assert_eq!(check_layout_json(text.as_bytes()).unwrap_err().to_string(), message);
        }
    }
}
