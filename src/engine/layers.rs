//! What the layers of an image hold, and how much of it the image does not show.

use std::collections::{BTreeMap, HashSet};

use crate::oci::{DiffId, History, ImageId};
use crate::solve::Stack;
use crate::store::StoreError;
use crate::tree::{Hidden, TreePath, Usage, hidden};

use super::Engine;
use super::error::EngineError;
use super::find::familiar;

/// An image's layers.
#[derive(Debug, Clone)]
pub struct LayerReport {
    /// The image.
    pub id: ImageId,
    /// Its names, as people write them.
    pub names: Vec<String>,
    /// The layers, lowest first.
    pub layers: Vec<LayerUse>,
    /// Paths whose contents are hidden by later layers, those with the most bytes first.
    pub wasted: Vec<Wasted>,
}

/// One layer.
#[derive(Debug, Clone)]
pub struct LayerUse {
    /// Its name.
    pub diff_id: DiffId,
    /// What made it, if the image says so.
    pub history: Option<History>,
    /// The entries that it has: files, directories, links and marks of what it removes.
    pub entries: u64,
    /// What its directories hold, and how much of that is wasted.
    pub usage: Usage,
}

/// A path of which layers hold contents that are not seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wasted {
    /// The path.
    pub path: TreePath,
    /// The bytes that are not seen, in all layers together.
    pub size: u64,
    /// The layers that hold them, numbered from 1 for the lowest.
    pub layers: Vec<usize>,
    /// The layer that hides the last of them.
    pub by: usize,
    /// Whether the path is deleted there; otherwise something else took its place.
    pub deleted: bool,
}

impl LayerReport {
    /// What all layers hold, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.usage.size).sum()
    }

    /// What of that is not seen, in bytes.
    pub fn hidden(&self) -> u64 {
        self.layers.iter().map(|layer| layer.usage.hidden).sum()
    }
}

impl Engine {
    /// The layers of the image that `text` names.
    pub fn layers(&self, text: &str) -> Result<LayerReport, EngineError> {
        let image = self.load_documents(self.find(text)?)?;
        let work = self.store.work_dir()?;
        let diff_ids = &image.config.rootfs.diff_ids;
        let stack = Stack::open(diff_ids, &self.store, &work)?;
        let view = stack.view();
        let hidden = hidden(view).map_err(StoreError::from)?;
        let mut instructions = image.config.history.iter().filter(|entry| !entry.empty_layer);
        let mut layers = Vec::with_capacity(diff_ids.len());
        for (number, (diff_id, layer)) in diff_ids.iter().zip(view.layers().iter().rev()).enumerate() {
            let from_top = diff_ids.len() - 1 - number;
            let entries = layer.subtree(&TreePath::root()).map_err(StoreError::from)?;
            let wasted: HashSet<&TreePath> =
                hidden.iter().filter(|one| one.layer == from_top).map(|one| &one.path).collect();
            layers.push(LayerUse {
                diff_id: *diff_id,
                history: instructions.next().cloned(),
                entries: entries.len() as u64,
                usage: Usage::of(&entries, &wasted),
            });
        }
        let names = image.row.names.iter().map(|name| familiar(name)).collect();
        Ok(LayerReport { id: image.row.id, names, layers, wasted: by_path(&hidden, diff_ids.len()) })
    }
}

/// What is hidden, path by path.
fn by_path(hidden: &[Hidden], layers: usize) -> Vec<Wasted> {
    let mut paths: BTreeMap<&TreePath, Wasted> = BTreeMap::new();
    // The lowest layer first, so that the last word is that of the topmost.
    for one in hidden.iter().rev() {
        let (layer, by) = (layers - one.layer, layers - one.by);
        let path = paths.entry(&one.path).or_insert_with(|| Wasted {
            path: one.path.clone(),
            size: 0,
            layers: Vec::new(),
            by,
            deleted: one.deleted,
        });
        path.size += one.size;
        path.layers.push(layer);
        (path.by, path.deleted) = (by, one.deleted);
    }
    let mut all: Vec<Wasted> = paths.into_values().collect();
    all.sort_by_key(|one| std::cmp::Reverse(one.size));
    all
}
