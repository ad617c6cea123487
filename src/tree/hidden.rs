//! What lies in the layers of a stack and is not seen in the whole: the files that later layers overwrite or delete.

use std::collections::HashSet;
use std::sync::Arc;

use super::entry::{Entry, Kind};
use super::index::Index;
use super::path::TreePath;
use super::view::{LayerView, Says, View, ViewError, says};

/// A file that a layer has and a layer above it hides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hidden {
    /// Where it is.
    pub path: TreePath,
    /// What it holds, in bytes.
    pub size: u64,
    /// The layer that has it, counted from the topmost.
    pub layer: usize,
    /// The layer that hides it, counted in the same way.
    pub by: usize,
    /// Whether it is deleted there; otherwise something else is at its place.
    pub deleted: bool,
}

/// All files with content that are hidden, by their layers from the topmost and then in order. A file of which another
/// name is still seen is not hidden.
pub fn hidden(view: &View) -> Result<Vec<Hidden>, ViewError> {
    // All of them are read anyway, and in memory they are asked quickly.
    let layers = view.layers().iter().map(|layer| {
        let entries = layer.subtree(&TreePath::root())?;
        Ok(Arc::new(Index::from_unsorted(entries)))
    });
    let layers: Vec<Arc<Index>> = layers.collect::<Result<_, ViewError>>()?;
    let stack: Vec<LayerView> = layers.iter().cloned().map(LayerView::Memory).collect();
    let seen = View::new(stack.clone()).walk(&TreePath::root())?;
    let seen: HashSet<(usize, &TreePath)> = seen.iter().map(|found| (found.layer, &found.content)).collect();
    let mut all = Vec::new();
    for (layer, index) in layers.iter().enumerate() {
        for entry in index.entries().iter().filter(|entry| entry.size() > 0) {
            if seen.contains(&(layer, &entry.path)) {
                continue;
            }
            if let Some((by, deleted)) = hider(&stack[..layer], &entry.path)? {
                all.push(Hidden { path: entry.path.clone(), size: entry.size(), layer, by, deleted });
            }
        }
    }
    Ok(all)
}

/// The nearest of the layers above that has something to say of `path`, and whether that is that it is gone.
fn hider(above: &[LayerView], path: &TreePath) -> Result<Option<(usize, bool)>, ViewError> {
    for (layer, index) in above.iter().enumerate().rev() {
        match says(index, path)? {
            Says::Entry(Entry { kind: Kind::Whiteout, .. }) | Says::Hides => return Ok(Some((layer, true))),
            Says::Entry(_) => return Ok(Some((layer, false))),
            Says::Nothing => {}
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::entry::Time;
    use super::*;
    use crate::oci::Digest;

    fn layer(entries: &[(&str, &str)]) -> LayerView {
        let entries = entries.iter().map(|&(path, what)| {
            let kind = match what {
                "dir" => Kind::Directory { opaque: false },
                "opaque" => Kind::Directory { opaque: true },
                "gone" => Kind::Whiteout,
                text => match text.strip_prefix('=') {
                    Some(target) => Kind::Hardlink { target: target.into() },
                    None => Kind::File { size: text.len() as u64, digest: Digest::of(text.as_bytes()) },
                },
            };
            Entry::new(path.into(), kind, 0o644, Time::default())
        });
        LayerView::Memory(Arc::new(Index::from_unsorted(entries.collect())))
    }

    /// `path size layer<by`, with `-` for what is deleted.
    fn shown(layers: &[&[(&str, &str)]]) -> Vec<String> {
        let view = View::new(layers.iter().map(|entries| layer(entries)).collect());
        let line = |one: &Hidden| {
            let how = if one.deleted { "-" } else { "" };
            format!("{} {} {}<{}{how}", one.path, one.size, one.layer, one.by)
        };
        hidden(&view).unwrap().iter().map(line).collect()
    }

    #[test]
    fn what_is_overwritten_or_deleted_is_hidden_by_the_nearest_layer() {
        let found = shown(&[
            &[("a", "new"), ("d", "gone"), ("o", "opaque"), ("o/new", "n")],
            &[("a", "mid2"), ("file", "dir"), ("o", "dir")],
            &[
                ("a", "oldest"),
                ("d", "dir"),
                ("d/x", "12"),
                ("file", "1"),
                ("o", "dir"),
                ("o/y", "123"),
                ("kept", "1"),
            ],
        ]);
        assert_eq!(found, ["/a 4 1<0", "/a 6 2<1", "/d/x 2 2<0-", "/file 1 2<1", "/o/y 3 2<0-"]);
    }

    #[test]
    fn a_file_that_another_name_shows_is_seen() {
        assert_eq!(shown(&[&[("a", "gone")], &[("a", "12"), ("b", "=a")]]), [""; 0]);
        assert_eq!(shown(&[&[("a", "gone"), ("b", "gone")], &[("a", "12"), ("b", "=a")]]), ["/a 2 1<0-"]);
    }

    #[test]
    fn empty_files_and_directories_cost_nothing() {
        assert_eq!(shown(&[&[("d", "gone"), ("e", "gone")], &[("d", "dir"), ("e", "")]]), [""; 0]);
    }
}
