//! The merged view of a stack of layers, without a mount.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::entries::Tree;
use super::entry::{Entry, Kind, Time};
use super::format::{IndexFile, IndexFileError};
use super::index::Index;
use super::path::TreePath;

/// One layer's index, on disk or in memory.
#[derive(Debug, Clone)]
pub enum LayerView {
    /// As it lies in the store.
    File(Arc<IndexFile>),
    /// As it was just made.
    Memory(Arc<Index>),
}

impl LayerView {
    fn get(&self, path: &TreePath) -> Result<Option<Entry>, IndexFileError> {
        match self {
            Self::File(file) => file.get(path),
            Self::Memory(index) => Ok(index.get(path).cloned()),
        }
    }

    fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, IndexFileError> {
        match self {
            Self::File(file) => file.children(dir),
            Self::Memory(index) => Ok(index.children(dir).cloned().collect()),
        }
    }

    /// `dir`'s own entry, if there is one, and all entries below it, in order.
    pub fn subtree(&self, dir: &TreePath) -> Result<Vec<Entry>, IndexFileError> {
        match self {
            Self::File(file) => file.subtree(dir),
            Self::Memory(index) => Ok(index.subtree(dir).to_vec()),
        }
    }
}

/// A look into the view failed.
pub type ViewError = IndexFileError;

/// An entry that is visible in a view. Hard links are shown as the files that they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The entry; never a whiteout and never a hard link.
    pub entry: Entry,
    /// The layer that it comes from, counted from the topmost.
    pub layer: usize,
    /// Where that layer holds the content: the entry's own path, or for a hard link its target. Two entries of one
    /// layer with the same place are one file. [`Entry::part`] is that of the content.
    pub content: TreePath,
}

/// A stack of layers, looked at as one tree.
#[derive(Debug, Clone, Default)]
pub struct View {
    layers: Vec<LayerView>,
}

/// What a layer says about a path.
pub(super) enum Says {
    /// It has this there.
    Entry(Entry),
    /// It hides whatever lower layers have there.
    Hides,
    /// It says nothing: ask the next lower layer.
    Nothing,
}

impl View {
    /// A view of `layers`, topmost first.
    pub fn new(layers: Vec<LayerView>) -> Self {
        Self { layers }
    }

    /// The entry at `path`; nothing is followed. `None` for the root, which no layer lists.
    pub fn lookup(&self, path: &TreePath) -> Result<Option<Found>, ViewError> {
        let mut implied = None;
        for (layer, index) in self.layers.iter().enumerate() {
            match says(index, path)? {
                Says::Entry(entry) if entry.is_whiteout() => break,
                // A lower layer that lists the directory knows its mode and owner; this one does not.
                Says::Entry(entry) if entry.implied => {
                    let opaque = matches!(entry.kind, Kind::Directory { opaque: true });
                    implied.get_or_insert(self.found(layer, entry)?);
                    if opaque {
                        break;
                    }
                }
                Says::Entry(entry) => {
                    if implied.is_some() && !entry.is_directory() {
                        break;
                    }
                    return self.found(layer, entry).map(Some);
                }
                Says::Hides => break,
                Says::Nothing => {}
            }
        }
        Ok(implied)
    }

    /// What is visible directly in `dir`, in order; nothing if it is not a directory.
    pub fn list(&self, dir: &TreePath) -> Result<Vec<Found>, ViewError> {
        // What is visible of each name, and whether a lower layer may still know its metadata better.
        let mut names: BTreeMap<TreePath, (Option<Found>, bool)> = BTreeMap::new();
        for (layer, index) in self.layers.iter().enumerate() {
            let own = if dir.is_root() { Says::Nothing } else { says(index, dir)? };
            let last = match &own {
                Says::Hides => break,
                Says::Entry(entry) if !entry.is_directory() => break,
                Says::Entry(entry) => is_opaque(entry),
                Says::Nothing if dir.is_root() => false,
                Says::Nothing => continue,
            };
            for entry in index.children(dir)? {
                match names.get_mut(&entry.path) {
                    Some((_, open)) if !*open => continue,
                    Some((_, open)) if !entry.is_directory() => {
                        *open = false;
                        continue;
                    }
                    Some((_, open)) if entry.implied => {
                        *open = !is_opaque(&entry);
                        continue;
                    }
                    Some(_) | None => {}
                }
                let open = entry.is_directory() && entry.implied && !is_opaque(&entry);
                let path = entry.path.clone();
                let found = if entry.is_whiteout() { None } else { Some(self.found(layer, entry)?) };
                names.insert(path, (found, open));
            }
            if last {
                break;
            }
        }
        Ok(names.into_values().filter_map(|(found, _)| found).collect())
    }

    /// Everything visible at and below `dir`, in order, `dir` itself included unless it is the root.
    pub fn walk(&self, dir: &TreePath) -> Result<Vec<Found>, ViewError> {
        let mut layers = Vec::with_capacity(self.layers.len());
        for index in &self.layers {
            let own = if dir.is_root() { Says::Nothing } else { says(index, dir)? };
            if matches!(own, Says::Hides) {
                break;
            }
            layers.push(index.subtree(dir)?.into_iter().peekable());
        }
        // Paths below which layers from a certain one on are hidden. Walk order makes each subtree contiguous, so
        // a stack is enough.
        let mut hidden: Vec<(TreePath, usize)> = Vec::new();
        let mut all = Vec::new();
        while let Some(path) = layers.iter_mut().filter_map(|l| l.peek().map(|e| &e.path)).min().cloned() {
            while hidden.last().is_some_and(|(top, _)| !path.is_below(top)) {
                hidden.pop();
            }
            let mut limit = hidden.last().map_or(layers.len(), |&(_, limit)| limit);
            let mut visible: Option<Found> = None;
            for (layer, entries) in layers.iter_mut().enumerate() {
                let Some(entry) = entries.next_if(|entry| entry.path == path) else { continue };
                if layer >= limit {
                    continue;
                }
                match &visible {
                    Some(upper) if upper.entry.implied && entry.is_directory() && !entry.implied => {}
                    Some(_) if entry.is_directory() => {
                        if matches!(entry.kind, Kind::Directory { opaque: true }) {
                            limit = layer + 1;
                        }
                        continue;
                    }
                    Some(_) => {
                        limit = layer;
                        continue;
                    }
                    None => {}
                }
                let opaque = matches!(entry.kind, Kind::Directory { opaque: true });
                if !entry.is_directory() || opaque {
                    limit = layer + 1;
                }
                if entry.is_whiteout() {
                    // Nothing of this path is left, in whatever layer below.
                    continue;
                }
                visible = Some(self.found(layer, entry)?);
            }
            if hidden.last().is_none_or(|&(_, above)| limit < above) && limit < layers.len() {
                hidden.push((path, limit));
            }
            all.extend(visible);
        }
        Ok(all)
    }

    /// The layers, topmost first.
    pub fn layers(&self) -> &[LayerView] {
        &self.layers
    }

    fn found(&self, layer: usize, mut entry: Entry) -> Result<Found, ViewError> {
        let mut content = entry.path.clone();
        if let Kind::Hardlink { target } = &entry.kind {
            content = target.clone();
            if let Some(file) = self.layers[layer].get(target)? {
                entry.kind = file.kind;
                entry.part = file.part;
            }
        }
        Ok(Found { entry, layer, content })
    }
}

impl Tree for View {
    type Error = ViewError;

    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, ViewError> {
        if path.is_root() {
            return Ok(Some(Entry::directory(TreePath::root(), 0o755, Time::default())));
        }
        Ok(self.lookup(path)?.map(|found| found.entry))
    }

    fn entries_in(&self, dir: &TreePath) -> Result<Vec<Entry>, ViewError> {
        Ok(self.list(dir)?.into_iter().map(|found| found.entry).collect())
    }
}

impl Tree for Index {
    type Error = std::convert::Infallible;

    fn entry(&self, path: &TreePath) -> Result<Option<Entry>, Self::Error> {
        let root = || path.is_root().then(|| Entry::directory(TreePath::root(), 0o755, Time::default()));
        Ok(self.get(path).cloned().or_else(root))
    }

    fn entries_in(&self, dir: &TreePath) -> Result<Vec<Entry>, Self::Error> {
        Ok(Self::children(self, dir).cloned().collect())
    }
}

fn is_opaque(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::Directory { opaque: true })
}

/// What `index`, one layer, says about `path`.
pub(super) fn says(index: &LayerView, path: &TreePath) -> Result<Says, ViewError> {
    if let Some(entry) = index.get(path)? {
        return Ok(Says::Entry(entry));
    }
    // The nearest ancestor that the layer has decides: parents of an entry are always entries themselves.
    let mut above = path.parent();
    while let Some(dir) = above.filter(|dir| !dir.is_root()) {
        if let Some(entry) = index.get(&dir)? {
            let open = matches!(entry.kind, Kind::Directory { opaque: false });
            return Ok(if open { Says::Nothing } else { Says::Hides });
        }
        above = dir.parent();
    }
    Ok(Says::Nothing)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::oci::Digest;

    fn layer(entries: &[(&str, &str)]) -> LayerView {
        let entries = entries.iter().map(|&(path, kind)| {
            let kind = match kind.split_once(':') {
                Some(("hard", target)) => Kind::Hardlink { target: target.into() },
                _ => match kind {
                    "dir" | "implied" => Kind::Directory { opaque: false },
                    "opaque" => Kind::Directory { opaque: true },
                    "gone" => Kind::Whiteout,
                    text => Kind::File { size: text.len() as u64, digest: Digest::of(text.as_bytes()) },
                },
            };
            Entry::new(path.into(), kind, 0o644, Time::default())
        });
        let mut index = Index::from_unsorted(entries.collect()).into_entries();
        for entry in &mut index {
            entry.implied = entries_say_implied(entry);
        }
        LayerView::Memory(Arc::new(Index::from_sorted(index).unwrap()))
    }

    fn entries_say_implied(entry: &Entry) -> bool {
        entry.is_directory() && entry.path.name().starts_with(b"implied")
    }

    fn shown(found: &[Found]) -> Vec<String> {
        found.iter().map(|f| format!("{} {}", f.entry.path, f.layer)).collect()
    }

    fn stack() -> View {
        View::new(vec![
            layer(&[
                ("a", "dir"),
                ("a/new", "1"),
                ("a/old", "gone"),
                ("file", "dir"),
                ("file/x", "2"),
                ("o", "opaque"),
                ("o/y", "3"),
            ]),
            layer(&[("a", "dir"), ("a/mid", "4"), ("o", "dir"), ("o/hidden", "5"), ("t", "6")]),
            layer(&[
                ("a", "dir"),
                ("a/old", "dir"),
                ("a/old/deep", "7"),
                ("a/keep", "8"),
                ("file", "9"),
                ("h", "hard:a/keep"),
                ("t", "dir"),
                ("t/under", "10"),
            ]),
        ])
    }

    #[test]
    fn walk_shows_what_an_overlay_would() {
        let all = stack().walk(&TreePath::root()).unwrap();
        let expected = [
            "/a 0",
            "/a/keep 2",
            "/a/mid 1",
            "/a/new 0",
            "/file 0",
            "/file/x 0",
            "/h 2",
            "/o 0",
            "/o/y 0",
            "/t 1",
        ];
        assert_eq!(shown(&all), expected);
        assert_eq!(shown(&stack().walk(&"a".into()).unwrap()), expected[..4]);
        assert!(stack().walk(&"a/old".into()).unwrap().is_empty());
    }

    #[test]
    fn lookup_and_list_agree_with_walk() {
        let view = stack();
        for path in ["a/old/deep", "a/old", "o/hidden", "t/under", "none"] {
            assert_eq!(view.lookup(&path.into()).unwrap(), None, "{path}");
        }
        for found in view.walk(&TreePath::root()).unwrap() {
            assert_eq!(view.lookup(&found.entry.path).unwrap(), Some(found));
        }
        assert_eq!(shown(&view.list(&"a".into()).unwrap()), ["/a/keep 2", "/a/mid 1", "/a/new 0"]);
        assert_eq!(
            shown(&view.list(&TreePath::root()).unwrap()),
            ["/a 0", "/file 0", "/h 2", "/o 0", "/t 1"]
        );
        assert!(view.list(&"t".into()).unwrap().is_empty());
    }

    #[test]
    fn an_implied_directory_over_a_removed_one_is_its_own() {
        let view = View::new(vec![
            layer(&[("implied", "dir"), ("implied/x", "1")]),
            layer(&[("implied", "gone")]),
            {
                let mut dir = Entry::directory("implied".into(), 0o700, Time::default());
                dir.uid = 7;
                LayerView::Memory(Arc::new(Index::from_sorted(vec![dir]).unwrap()))
            },
        ]);
        let found = view.lookup(&"implied".into()).unwrap().unwrap();
        assert_eq!((found.layer, found.entry.uid), (0, 0));
        assert_eq!(view.list(&TreePath::root()).unwrap()[..], *std::slice::from_ref(&found));
        assert_eq!(view.walk(&TreePath::root()).unwrap()[0], found);
    }

    #[test]
    fn a_hard_link_is_shown_as_its_file() {
        let found = stack().lookup(&"h".into()).unwrap().unwrap();
        assert!(matches!(found.entry.kind, Kind::File { size: 1, .. }));
        assert_eq!(found.content, "a/keep".into());
    }

    #[test]
    fn an_implied_directory_shows_the_lower_metadata() {
        let view = View::new(vec![layer(&[("implied", "dir"), ("implied/a", "1")]), {
            let mut dir = Entry::directory("implied".into(), 0o700, Time::default());
            dir.uid = 7;
            LayerView::Memory(Arc::new(Index::from_sorted(vec![dir]).unwrap()))
        }]);
        assert_eq!(view.lookup(&"implied".into()).unwrap().unwrap().entry.uid, 7);
        assert_eq!(view.walk(&TreePath::root()).unwrap()[0].entry.uid, 7);
        assert_eq!(view.list(&TreePath::root()).unwrap()[0].entry.uid, 7);
    }
}
