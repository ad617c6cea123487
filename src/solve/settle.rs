//! Makes a layer of what a command changed that was no step of a build: of a container that stays.

use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use crate::oci::DiffId;
use crate::store::{Layer, NewLayer, Store, StoreError, TarSource, WorkDir};
use crate::tree::TreePath;

use super::Stack;
use super::error::StepError;
use super::ground::commit_directory;

impl Stack {
    /// Makes a layer of `directory`, in which a command worked over this stack, and publishes it; the directory is not
    /// there afterwards. `stubs` are the paths that the sandbox made to mount on. `known` is told which layer it will be
    /// before that is in the store.
    pub fn settle(
        &self,
        (directory, stubs): (&Path, &[PathBuf]),
        (store, work): (&Store, &WorkDir),
        known: impl FnOnce(&DiffId) -> Result<(), StoreError>,
    ) -> Result<Layer, StepError> {
        let stubs: Vec<TreePath> =
            stubs.iter().map(|stub| TreePath::clean(stub.as_os_str().as_bytes())).collect();
        let committed = commit_directory(directory, !store.has_overlays(), &self.opened, &stubs)?;
        known(&committed.diff_id)?;
        let new = NewLayer {
            diff_id: committed.diff_id,
            index: &committed.index,
            tar_size: committed.tar_size,
            source: TarSource::Writer,
            directory,
            below: Vec::new(),
        };
        Ok(store.publish_layer(&new, work)?)
    }
}
