//! Which ids the files of a store are written with.
//!
//! A store that was made in a user namespace has a file `id-map`; the files of any other have the machine's ids. Where
//! ids mean somebody else, layers would have other owners than their indexes say.

use std::fs;
use std::io;
use std::path::Path;

use super::error::StoreError;
use crate::user::IdMap;

/// The file's name.
const NAME: &str = "id-map";

/// Sees that the store at `root` is written with `ids`, and notes them in a new one. The caller holds the lock that
/// makers of stores hold. A store that was made with some of `ids` may be used with all of them from then on.
pub(super) fn settle(root: &Path, ids: &IdMap) -> Result<(), StoreError> {
    let path = root.join(NAME);
    let recorded = match fs::read_to_string(&path) {
        Ok(text) => text.parse().map_err(|source| StoreError::IdMap { path: path.clone(), source })?,
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(StoreError::io("read", &path, error));
        }
        Err(_) if root.join("strata.db").exists() => IdMap::all(),
        Err(_) => IdMap { users: Vec::new(), groups: Vec::new() },
    };
    if !ids.contains(&recorded) {
        return Err(StoreError::OtherIds { root: root.to_owned(), fewer: recorded.contains(ids) });
    }
    if recorded == *ids || *ids == IdMap::all() {
        return Ok(());
    }
    let new = path.with_extension("new");
    fs::write(&new, ids.to_string()).map_err(|e| StoreError::io("write", &new, e))?;
    fs::rename(&new, &path).map_err(|e| StoreError::io("put in place", &path, e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::user::Extent;

    fn user(uid: u32, more: &[Extent]) -> IdMap {
        let extents = [&[Extent { inside: 0, outside: uid, count: 1 }], more].concat();
        IdMap { users: extents.clone(), groups: extents }
    }

    #[test]
    fn a_store_is_for_those_who_have_its_ids() {
        let more = [Extent { inside: 1, outside: 100_000, count: 10 }];
        let dir = tempfile::tempdir().unwrap();
        let settle = |ids: &IdMap| match settle(dir.path(), ids) {
            Ok(()) => "fits",
            Err(StoreError::OtherIds { fewer: true, .. }) => "fewer",
            Err(StoreError::OtherIds { .. }) => "others",
            Err(_) => "fails",
        };
        assert_eq!(settle(&user(1000, &[])), "fits");
        assert_eq!(settle(&user(1001, &[])), "others");
        assert_eq!(settle(&IdMap::all()), "others");
        // With a range, the one id is still the same; without it the range's would be lost.
        assert_eq!(settle(&user(1000, &more)), "fits");
        assert_eq!(settle(&user(1000, &[])), "fewer");
        fs::write(dir.path().join(NAME), "nonsense").unwrap();
        assert_eq!(settle(&user(1000, &more)), "fails");
    }

    #[test]
    fn roots_store_says_nothing_and_is_roots() {
        let dir = tempfile::tempdir().unwrap();
        settle(dir.path(), &IdMap::all()).unwrap();
        assert!(!dir.path().join(NAME).exists());
        fs::write(dir.path().join("strata.db"), "").unwrap();
        settle(dir.path(), &IdMap::all()).unwrap();
        settle(dir.path(), &user(1000, &[])).expect_err("files of root's are not the user's");
    }
}
