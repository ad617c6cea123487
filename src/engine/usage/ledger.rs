//! Who needs which directory and file of a store, and what each takes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::oci::DiffId;
use crate::store::{Disk, Store, StoreError};

/// Who needs a directory or a file, by numbers in lists.
#[derive(Debug, Default)]
pub(super) struct Users {
    pub(super) images: BTreeSet<usize>,
    pub(super) containers: BTreeSet<usize>,
    /// Layers with cache records.
    pub(super) results: BTreeSet<usize>,
}

impl Users {
    /// Whether an image or a container does.
    pub(super) fn is_held(&self) -> bool {
        !self.images.is_empty() || !self.containers.is_empty()
    }
}

/// The directories and files that layers, images and containers consist of.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// What belongs to each layer: parts, index, the blob that it came as.
    layers: HashMap<DiffId, Vec<PathBuf>>,
    users: BTreeMap<PathBuf, Users>,
    sizes: HashMap<PathBuf, Disk>,
}

impl Ledger {
    /// A ledger of all layers, of which nobody needs anything yet.
    pub(super) fn open(store: &Store) -> Result<Self, StoreError> {
        let mut layers: HashMap<DiffId, Vec<PathBuf>> = HashMap::new();
        for (layer, parts) in store.layer_parts()? {
            let index = store.root().join("layers/sha256").join(layer.0.hex()).join("index");
            layers.insert(layer, parts.iter().map(|part| store.root().join(part)).chain([index]).collect());
        }
        for (layer, blob) in store.layer_sources()? {
            layers.entry(layer).or_default().push(store.blob_file(&blob.0));
        }
        Ok(Self { layers, ..Self::default() })
    }

    /// What belongs to a layer.
    pub(super) fn of_layer(&self, layer: &DiffId) -> &[PathBuf] {
        self.layers.get(layer).map_or(&[], Vec::as_slice)
    }

    /// Notes who needs something.
    pub(super) fn note(&mut self, path: PathBuf, note: impl FnOnce(&mut Users)) {
        note(self.users.entry(path).or_default());
    }

    /// Notes who needs all of a layer.
    pub(super) fn note_layer(&mut self, layer: &DiffId, note: impl Fn(&mut Users)) {
        for path in self.layers.get(layer).into_iter().flatten() {
            note(self.users.entry(path.clone()).or_default());
        }
    }

    /// Measures all that somebody needs, by several threads.
    pub(super) fn measure(&mut self) -> Result<(), StoreError> {
        let paths: Vec<&PathBuf> = self.users.keys().collect();
        let sizes = paths.into_par_iter().map(|path| Ok((path.clone(), Disk::of(path)?)));
        self.sizes = sizes.collect::<Result<_, StoreError>>()?;
        Ok(())
    }

    /// Who needs something.
    pub(super) fn users(&self, path: &Path) -> Option<&Users> {
        self.users.get(path)
    }

    /// What these take.
    pub(super) fn sum<'p>(&self, paths: impl IntoIterator<Item = &'p PathBuf>) -> Disk {
        paths.into_iter().filter_map(|path| self.sizes.get(path).copied()).sum()
    }

    /// What all that such users need takes.
    pub(super) fn sum_where(&self, wanted: impl Fn(&Users) -> bool) -> Disk {
        self.sum(self.users.iter().filter(|(_, users)| wanted(users)).map(|(path, _)| path))
    }
}
