//! Images as package URLs (`pkg:docker/…`, package-url/purl-spec), as BuildKit writes them.

use std::fmt::Write as _;

use crate::oci::{Platform, Reference};

/// The package URL of an image for a platform: `pkg:docker/alpine@3.17?platform=linux%2Famd64`. A tag is the version, a
/// digest a qualifier.
pub fn image_purl(reference: &Reference, platform: &Platform) -> String {
    let mut url = "pkg:docker".to_owned();
    for part in reference.familiar_name().split('/') {
        url.push('/');
        encode(part, &mut url);
    }
    if let Some(tag) = reference.tag() {
        url.push('@');
        encode(tag, &mut url);
    }
    url.push('?');
    if let Some(digest) = reference.digest() {
        let _ = write!(url, "digest={digest}&");
    }
    url.push_str("platform=");
    encode(&platform.to_string(), &mut url);
    url
}

/// Adds a part of a URL, with everything escaped that the specification does not let stand.
fn encode(part: &str, url: &mut String) {
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b':' => {
                url.push(char::from(byte));
            }
            other => {
                let _ = write!(url, "%{other:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_buildkit() {
        let digest = format!("sha256:{}", "0123456789abcdef".repeat(4));
        for (reference, platform, expected) in [
            ("alpine", "linux/amd64", "pkg:docker/alpine@latest?platform=linux%2Famd64".to_owned()),
            (
                "docker.io/library/alpine:3.15",
                "linux/arm/v7",
                "pkg:docker/alpine@3.15?platform=linux%2Farm%2Fv7".to_owned(),
            ),
            ("user/test:v2", "linux/amd64", "pkg:docker/user/test@v2?platform=linux%2Famd64".to_owned()),
            (
                "ghcr.io/foo/bar:v2",
                "linux/amd64",
                "pkg:docker/ghcr.io/foo/bar@v2?platform=linux%2Famd64".to_owned(),
            ),
            (
                "localhost:5000/x",
                "linux/amd64",
                "pkg:docker/localhost:5000/x@latest?platform=linux%2Famd64".to_owned(),
            ),
            (
                &format!("alpine@{digest}"),
                "linux/amd64",
                format!("pkg:docker/alpine?digest={digest}&platform=linux%2Famd64"),
            ),
            (
                &format!("alpine:latest@{digest}"),
                "linux/amd64",
                format!("pkg:docker/alpine@latest?digest={digest}&platform=linux%2Famd64"),
            ),
        ] {
            let (reference, platform) = (reference.parse().unwrap(), platform.parse().unwrap());
            assert_eq!(image_purl(&reference, &platform), expected);
        }
    }
}
