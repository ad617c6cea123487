//! States of a file system: what a step starts from and what it leaves.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::cache::Chain;
use crate::layer::{Marks, Placer};
use crate::oci::{ContentDigest, DiffId};
use crate::store::{Layer, Store, StoreError, WorkDir};
use crate::tree::{Found, Kind, LayerView, TreePath, View};

use super::error::StepError;

/// A stack of layers. Their indexes are opened when somebody looks into them, which a complete hit never does.
#[derive(Debug, Clone)]
pub(super) struct State {
    /// Lowest first.
    pub(super) layers: Arc<[DiffId]>,
    pub(super) chain: Chain,
    opened: Arc<OnceLock<Arc<Opened>>>,
    /// The same, of all layers but the topmost, where that is a step's.
    below: Option<Arc<OnceLock<Arc<Opened>>>>,
}

/// A state with its layers' indexes.
#[derive(Debug)]
pub(super) struct Opened {
    /// The layers, topmost first.
    pub(super) layers: Vec<Layer>,
    pub(super) view: View,
}

impl State {
    /// Nothing at all.
    pub(super) fn scratch() -> Self {
        Self::new(Arc::new([]), Chain::scratch())
    }

    /// The layers of a base image, lowest first.
    pub(super) fn base(layers: &[DiffId]) -> Self {
        let chain = layers.iter().fold(Chain::scratch(), |chain, layer| chain.with_base_layer(layer));
        Self::new(layers.into(), chain)
    }

    /// This state with a layer on top that a step made.
    pub(super) fn with(&self, layer: DiffId, content: &ContentDigest) -> Self {
        let layers = self.layers.iter().copied().chain([layer]).collect();
        let below = Some(Arc::clone(&self.opened));
        Self { below, ..Self::new(layers, self.chain.with_step_layer(content)) }
    }

    fn new(layers: Arc<[DiffId]>, chain: Chain) -> Self {
        Self { layers, chain, opened: Arc::default(), below: None }
    }

    /// The state with its indexes open, and with leases on its layers.
    pub(super) fn open(&self, store: &Store, work: &WorkDir) -> Result<Arc<Opened>, StepError> {
        if let Some(opened) = self.opened.get() {
            return Ok(Arc::clone(opened));
        }
        let below = self.below.as_ref().and_then(|below| below.get());
        let opened = match (self.layers.last(), below) {
            (Some(top), Some(below)) => below.with(top, store, work)?,
            _ => Opened::new(&self.layers, store, work)?,
        };
        Ok(Arc::clone(self.opened.get_or_init(|| Arc::new(opened))))
    }
}

impl Opened {
    /// Opens a stack of layers, given lowest first.
    pub(super) fn new(layers: &[DiffId], store: &Store, work: &WorkDir) -> Result<Self, StepError> {
        let opened = layers.iter().rev().map(|diff_id| open_layer(diff_id, store, work));
        let (layers, views) = opened.collect::<Result<Vec<_>, _>>()?.into_iter().unzip();
        Ok(Self { layers, view: View::new(views) })
    }

    /// This stack with one more layer on top.
    fn with(&self, top: &DiffId, store: &Store, work: &WorkDir) -> Result<Self, StepError> {
        let (top, view) = open_layer(top, store, work)?;
        let layers = std::iter::once(top).chain(self.layers.iter().cloned()).collect();
        let views = std::iter::once(view).chain(self.view.layers().iter().cloned()).collect();
        Ok(Self { layers, view: View::new(views) })
    }

    /// The file on the host that holds a found entry's content.
    pub(super) fn content_path(&self, found: &Found) -> PathBuf {
        let parts = &self.layers[found.layer].parts;
        let part = parts.get(usize::from(found.entry.part)).or(parts.first());
        part.map_or_else(PathBuf::new, |part| part.join(found.content.as_path()))
    }

    /// The directories that an overlay stacks to show this state, topmost first.
    pub(super) fn lowers(&self, scratch: &Path) -> Result<Vec<PathBuf>, StepError> {
        let mut lowers: Vec<PathBuf> = self.repaired(scratch)?.into_iter().collect();
        // Equal steps have one layer, and near ones share parts. Overlayfs refuses a directory that it is given
        // twice; all that the lower place would show, the upper one shows or hides already.
        let mut seen = HashSet::new();
        let parts = self.layers.iter().flat_map(|layer| &layer.parts);
        lowers.extend(parts.filter(|part| seen.insert(*part)).cloned());
        Ok(lowers)
    }

    /// A directory to lie above all layers, if one of them has directories that its tar only implied: an overlay
    /// would show their made-up metadata instead of what a lower layer says of them.
    fn repaired(&self, scratch: &Path) -> Result<Option<PathBuf>, StepError> {
        let mut directories = BTreeSet::new();
        for layer in self.layers.iter().zip(self.view.layers()).filter(|(layer, _)| layer.implied) {
            for entry in layer.1.subtree(&TreePath::root())?.into_iter().filter(|entry| entry.implied) {
                directories.extend(entry.path.ancestors());
                directories.insert(entry.path);
            }
        }
        if directories.is_empty() {
            return Ok(None);
        }
        let place = scratch.join("implied");
        let placer = new_part(&place, Marks::here(true))?;
        for path in directories {
            if let Some(found) = self.view.lookup(&path)?.filter(|found| found.entry.is_directory()) {
                let mut entry = found.entry;
                entry.kind = Kind::Directory { opaque: false };
                placer.place(&entry)?;
            }
        }
        placer.close()?;
        Ok(Some(place))
    }

    /// The content of a small file such as `/etc/passwd`, links followed inside the state; `None` if there is none.
    pub(super) fn read_file(&self, path: &TreePath) -> Result<Option<Vec<u8>>, StepError> {
        let Some(found) = self.view.lookup(path)? else { return Ok(None) };
        match found.entry.kind {
            Kind::File { size, .. } if size <= MAX_ACCOUNTS => {
                let file = self.content_path(&found);
                let bytes = fs::read(&file).map_err(|source| StepError::Io {
                    operation: "read",
                    path: file,
                    source,
                })?;
                Ok(Some(bytes))
            }
            _ => Ok(None),
        }
    }
}

/// Looks a layer up, takes a lease on it, and opens its index.
fn open_layer(diff_id: &DiffId, store: &Store, work: &WorkDir) -> Result<(Layer, LayerView), StepError> {
    let layer = store.layer(diff_id, work)?.ok_or(StoreError::NoLayer(*diff_id))?;
    Ok((layer, LayerView::File(store.layer_index(diff_id)?)))
}

/// The largest `/etc/passwd` or `/etc/group` that is read.
const MAX_ACCOUNTS: u64 = 16 << 20;

/// Makes the directory of a layer part at `path` and gives what fills it, with the marks that overlays of it need.
pub(super) fn new_part(path: &Path, marks: Marks) -> Result<Placer, StepError> {
    let failed = |operation| {
        let path = path.to_owned();
        move |source| StepError::Io { operation, path, source }
    };
    fs::create_dir_all(path).map_err(failed("make"))?;
    let root: OwnedFd = fs::File::open(path).map_err(failed("open"))?.into();
    let placer = Placer::new(root, marks);
    // The root of every layer looks alike, because no tar says anything of it.
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).map_err(failed("set the mode of"))?;
    Ok(placer)
}
