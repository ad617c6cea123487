//! Images that a name may stand for, on one platform or another.
//!
//! A name that stands for an index stands for its images and no others. One that stands for an image may have been an
//! index where the image came from: then the others of that index are meant, too, as far as it is certain which index
//! that was.

use std::collections::BTreeSet;

use crate::oci::{ManifestDigest, Reference};
use crate::store::{ImageRow, StoreError};

use super::Engine;
use super::error::EngineError;
use super::find::Named;

impl Engine {
    /// The images that `text`, which names `named`, may stand for; the image itself comes first.
    pub(super) fn choices(&self, named: &Named, text: &str) -> Result<Vec<ImageRow>, EngineError> {
        let row = match named {
            Named::Index(index) => return Ok(self.images_left(index)?),
            Named::Image(row) => row,
        };
        let mut rows = vec![row.clone()];
        rows.extend(self.siblings_there(row, text)?);
        if let [index] = &self.store.indexes_of(&row.manifest)?[..] {
            rows.extend(self.images_left(index)?);
        }
        Ok(rows)
    }

    /// What else came from the index of a registry that an image came from, if there is only one: that of the
    /// repository in `text`, or else of any.
    fn siblings_there(&self, row: &ImageRow, text: &str) -> Result<Vec<ImageRow>, StoreError> {
        let reference = text.parse::<Reference>().ok();
        let mut lists = self.store.repo_digests(&row.manifest)?;
        lists.retain(|(_, digest)| *digest != row.manifest);
        let is_own = |repository: &str| reference.as_ref().is_some_and(|own| own.name() == repository);
        if lists.iter().any(|(repository, _)| is_own(repository)) {
            lists.retain(|(repository, _)| is_own(repository));
        }
        if let Some(digest) = reference.and_then(|own| own.digest()) {
            lists.retain(|(_, list)| *list == digest);
        }
        let digests: BTreeSet<ManifestDigest> = lists.iter().map(|(_, digest)| *digest).collect();
        let mut rows = Vec::new();
        if digests.len() == 1 {
            for (repository, digest) in &lists {
                rows.extend(self.store.find_repo_digest(repository, digest)?);
            }
        }
        Ok(rows)
    }
}
