//! A tree index in memory.

use super::entry::Entry;
use super::path::TreePath;

/// Entries in order, each path once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    entries: Vec<Entry>,
}

/// Entries that were said to be in order are not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the entry `{path}` is out of order or stands twice")]
pub struct OrderError {
    /// The entry that should not have come here.
    pub path: TreePath,
}

impl Index {
    /// Takes entries that are in order already.
    pub fn from_sorted(entries: Vec<Entry>) -> Result<Self, OrderError> {
        match entries.windows(2).find(|pair| pair[0].path >= pair[1].path) {
            Some(pair) => Err(OrderError { path: pair[1].path.clone() }),
            None => Ok(Self { entries }),
        }
    }

    /// Sorts entries; of several with one path the one that came last stays.
    pub fn from_unsorted(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|a, b| a.path.cmp(&b.path));
        let mut unique: Vec<Entry> = Vec::with_capacity(entries.len());
        for entry in entries {
            match unique.last_mut() {
                Some(last) if last.path == entry.path => *last = entry,
                _ => unique.push(entry),
            }
        }
        Self { entries: unique }
    }

    /// The entries in order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries, given away.
    pub fn into_entries(self) -> Vec<Entry> {
        self.entries
    }

    /// The entry at `path`.
    pub fn get(&self, path: &TreePath) -> Option<&Entry> {
        self.position(path).ok().map(|i| &self.entries[i])
    }

    /// `dir`'s own entry, if there is one, and all entries below it.
    pub fn subtree(&self, dir: &TreePath) -> &[Entry] {
        let start = self.position(dir).unwrap_or_else(|i| i);
        let len = self.entries[start..].partition_point(|entry| entry.path.is_below(dir));
        &self.entries[start..start + len]
    }

    /// The entries directly in `dir`.
    pub fn children<'a>(&'a self, dir: &TreePath) -> impl Iterator<Item = &'a Entry> + use<'a> {
        let depth = dir.components().count() + 1;
        let mut rest = self.subtree(dir);
        if rest.first().is_some_and(|entry| &entry.path == dir) {
            rest = &rest[1..];
        }
        std::iter::from_fn(move || {
            let first = rest.first()?;
            debug_assert_eq!(first.path.components().count(), depth, "{:?} has no parent entry", first.path);
            let len = rest.partition_point(|entry| entry.path.is_below(&first.path));
            rest = &rest[len..];
            Some(first)
        })
    }

    fn position(&self, path: &TreePath) -> Result<usize, usize> {
        self.entries.binary_search_by(|entry| entry.path.cmp(path))
    }
}

#[cfg(test)]
mod tests {
    use super::super::entry::Time;
    use super::*;

    fn index(paths: &[&str]) -> Index {
        let entries = paths.iter().map(|p| Entry::directory((*p).into(), 0o755, Time::default())).collect();
        Index::from_unsorted(entries)
    }

    #[test]
    fn subtree_and_children() {
        let index = index(&["", "a", "a/b", "a/b/c", "a/d", "a-b", "b"]);
        let names = |entries: &[Entry]| entries.iter().map(|e| e.path.to_string()).collect::<Vec<_>>();
        assert_eq!(names(index.subtree(&"a".into())), ["/a", "/a/b", "/a/b/c", "/a/d"]);
        let children: Vec<_> = index.children(&"a".into()).map(|e| e.path.to_string()).collect();
        assert_eq!(children, ["/a/b", "/a/d"]);
        let children: Vec<_> = index.children(&TreePath::root()).map(|e| e.path.to_string()).collect();
        assert_eq!(children, ["/a", "/a-b", "/b"]);
        assert!(index.subtree(&"c".into()).is_empty());
    }

    #[test]
    fn the_last_of_two_entries_stays() {
        let mut entries =
            vec![Entry::whiteout("a".into()), Entry::directory("a".into(), 0o700, Time::default())];
        assert!(Index::from_sorted(entries.clone()).is_err());
        let index = Index::from_unsorted(entries.clone());
        assert_eq!(index.entries(), &entries.split_off(1)[..]);
    }
}
