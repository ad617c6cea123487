//! Where something comes from, and what it is: what a build was made of.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::dockerfile::remote::{GitRef, HttpUrl};
use crate::oci::Digest;

/// Digests of one thing, by the names of their algorithms (in-toto's `DigestSet`).
pub type DigestSet = BTreeMap<String, String>;

/// The set of this digest alone.
pub fn digest_set(digest: &Digest) -> DigestSet {
    DigestSet::from([(Digest::ALGORITHM.to_owned(), digest.hex())])
}

/// Something on a server.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin {
    /// Its address, without passwords and without the query, which may hold one.
    pub uri: String,
    /// Its digests.
    pub digest: DigestSet,
}

impl Origin {
    /// A file.
    pub fn file(url: &HttpUrl, digest: &Digest) -> Self {
        Self { uri: url.without_query(), digest: digest_set(digest) }
    }

    /// A commit of a repository, with all its digits.
    pub fn commit(source: &GitRef, commit: &str) -> Self {
        let reference = source.reference.as_deref().map(|name| format!("#{name}")).unwrap_or_default();
        // That is how long they are: SHA-1 has 20 bytes.
        let algorithm = if commit.len() == 40 { "sha1" } else { "sha256" };
        Self {
            uri: format!("{}{reference}", source.redacted()),
            digest: DigestSet::from([(algorithm.to_owned(), commit.to_owned())]),
        }
    }
}

/// Something that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Material {
    /// Something that others can get, too.
    Public(Origin),
    /// Something of the user's, by what the build calls it.
    Local {
        /// `context`, `dockerfile`, or the name of a named context or an image.
        name: String,
        /// What of it was there; empty if that could not be seen.
        digest: DigestSet,
    },
}

/// The digest of the contents of a directory's files, in-toto's `dirHash`, which anybody can compute again:
///
/// ```text
/// find . -type f | cut -c3- | LC_ALL=C sort | xargs -r sha256sum | sha256sum
/// ```
pub fn directory_digest<'a>(files: impl IntoIterator<Item = (&'a [u8], Digest)>) -> DigestSet {
    let sorted: BTreeMap<&[u8], Digest> = files.into_iter().collect();
    let mut hash = Sha256::new();
    for (path, digest) in sorted {
        hash.update(format!("{}  ", digest.hex()));
        hash.update(path);
        hash.update(b"\n");
    }
    let digest = Digest::from_bytes(hash.finalize().into());
    DigestSet::from([("dirHash".to_owned(), digest.hex())])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::remote::{self, RemoteSource};

    #[test]
    fn a_directory_has_the_digest_of_the_specification_s_command() {
        // printf '%s  %s\n' "$(printf 1 | sha256sum | cut -d' ' -f1)" a/b "$(printf 2 | …)" a-b | sort -k2 | sha256sum
        let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
        let listing = format!("{}  a-b\n{}  a/b\n", two.hex(), one.hex());
        let expected = DigestSet::from([("dirHash".to_owned(), Digest::of(listing.as_bytes()).hex())]);
        assert_eq!(directory_digest([(&b"a/b"[..], one), (b"a-b", two)]), expected);
    }

    #[test]
    fn passwords_stay_out_of_addresses() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let Some(Ok(RemoteSource::Git(source))) =
            remote::parse_context("https://me:secret@example.org/a.git#main:sub")
        else {
            panic!("it is a repository");
        };
        let origin = Origin::commit(&source, commit);
        assert_eq!(origin.uri, "https://example.org/a.git#main");
        assert_eq!(origin.digest["sha1"], commit);
        let url = HttpUrl::new("https://me:secret@example.org/a.tar?sig=secret").unwrap();
        assert_eq!(Origin::file(&url, &Digest::of(b"")).uri, "https://example.org/a.tar");
    }
}
