//! What a container changed: seen as lines, written out with the rest as a tar, made an image.

use std::collections::BTreeMap;
use std::fs::{self, File};

use jiff::Timestamp;

use crate::exec::CancelToken;
use crate::image::{self, rfc3339};
use crate::oci::{Config, Descriptor, DiffId, History, ImageId, MediaType, Reference};
use crate::progress::Reporter;
use crate::solve::Stack;
use crate::store::{ContainerDir, ContainerRow, StoreError, WorkDir};
use crate::transport::{self, Bundle, Destination, IndexLook, Merged, Session, SourceImage};
use crate::tree::{Kind, TreePath};

use super::super::Engine;
use super::super::change;
use super::super::error::EngineError;
use super::{ContainerError, details};

/// A path that a container touched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PathChange {
    /// Where.
    pub path: TreePath,
    /// How.
    pub touched: Touched,
}

/// How a container touched a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Touched {
    /// It was not there before.
    Added,
    /// It was there, and is another now; a directory also for what is in it.
    Changed,
    /// It is gone.
    Deleted,
}

/// How an image is made of a container.
#[derive(Debug, Clone, Default)]
pub struct CommitRequest {
    /// A name for it.
    pub name: Option<Reference>,
    /// Who made it.
    pub author: Option<String>,
    /// A remark for the history.
    pub message: Option<String>,
    /// Instructions that change the config, such as `ENV A=b`.
    pub changes: Vec<String>,
}

/// The file that is there while what a container changed is being made a layer, during which it is neither.
const SETTLING: &str = "settling";

impl Engine {
    /// What a container changed of its image's files, in order.
    pub fn container_changes(&self, text: &str) -> Result<Vec<PathChange>, EngineError> {
        let row = self.find_container(text)?;
        let work = self.store.work_dir()?;
        let stack = Stack::open(&row.layers, &self.store, &work)?;
        let layer = self.settled(&row, (&stack, &work))?;
        let index = self.store.layer_index(&layer).and_then(|index| Ok(index.read_all()?))?;
        let view = stack.view();
        let mut changes = Vec::new();
        for entry in index.entries() {
            let touched = match entry.kind {
                Kind::Whiteout => Touched::Deleted,
                _ if view.lookup(&entry.path).map_err(StoreError::from)?.is_some() => Touched::Changed,
                _ => Touched::Added,
            };
            changes.push(PathChange { path: entry.path.clone(), touched });
        }
        Ok(changes)
    }

    /// Writes the files of a container as a tar.
    pub fn export_container(
        &self,
        text: &str,
        to: Destination<'_>,
        reporter: &Reporter,
        cancel: &CancelToken,
    ) -> Result<(), EngineError> {
        let row = self.find_container(text)?;
        let work = self.store.work_dir()?;
        let stack = Stack::open(&self.all_layers(&row, &work)?, &self.store, &work)?;
        let found = stack.view().walk(&TreePath::root()).map_err(StoreError::from)?;
        let merged = Merged { found, layers: stack.layers().to_vec() };
        let session = Session { store: &self.store, work: &work, cancel };
        let step = reporter.start("exporting a container");
        transport::write_plain_tar(session, &merged, None, to, &step)?;
        step.done();
        Ok(())
    }

    /// Makes an image of a container.
    pub fn commit_container(&self, text: &str, request: &CommitRequest) -> Result<ImageId, EngineError> {
        let row = self.find_container(text)?;
        let details = details(&row)?;
        let settings = change::apply_to(details.config, &request.changes)?;
        let work = self.store.work_dir()?;
        let stack = Stack::open(&row.layers, &self.store, &work)?;
        let layer = self.settled(&row, (&stack, &work))?;
        let index = self.store.layer_index(&layer).and_then(|index| Ok(index.read_all()?))?;
        let changed = !index.entries().is_empty();
        let created = rfc3339(Timestamp::now());
        let mut config = details.base;
        config.history.push(History {
            created: Some(created.clone()),
            created_by: Some(command_of(&settings, &details.args)),
            author: request.author.clone(),
            comment: request.message.clone(),
            empty_layer: !changed,
        });
        config.rootfs.diff_ids.extend(changed.then_some(layer));
        config.config = settings;
        config.created = Some(created);
        config.author = request.author.clone().or(config.author);
        let layers = self.listed(&config.rootfs.diff_ids)?;
        let image = transport::listed(&SourceImage {
            manifest_json: image::manifest(&config, layers).to_json(),
            config_json: config.to_json(),
            annotations: BTreeMap::new(),
        })?;
        let id = image.exported.id;
        let names = request.name.iter().cloned().collect();
        Bundle::new(vec![image], Vec::new(), IndexLook::default(), names).store(&self.store, &work)?;
        self.store.sync()?;
        Ok(id)
    }

    /// Layers as the manifest of a local image lists them: uncompressed.
    fn listed(&self, layers: &[DiffId]) -> Result<Vec<Descriptor>, EngineError> {
        let mut listed = Vec::with_capacity(layers.len());
        for diff_id in layers {
            let layer = self.store.peek_layer(diff_id)?.ok_or(StoreError::NoLayer(*diff_id))?;
            let media_type = MediaType::layer(crate::oci::Compression::None);
            listed.push(Descriptor::new(media_type, diff_id.0, layer.tar_size));
        }
        Ok(listed)
    }

    /// The layers of the container that `text` names, lowest first, with the one of what it changed on top; `None` if it
    /// names none.
    pub(in crate::engine) fn layers_of_container(
        &self,
        text: &str,
        work: &WorkDir,
    ) -> Result<Option<Vec<DiffId>>, EngineError> {
        if !self.names_container(text)? {
            return Ok(None);
        }
        self.all_layers(&self.find_container(text)?, work).map(Some)
    }

    fn all_layers(&self, row: &ContainerRow, work: &WorkDir) -> Result<Vec<DiffId>, EngineError> {
        let below = Stack::open(&row.layers, &self.store, work)?;
        let top = self.settled(row, (&below, work))?;
        Ok(row.layers.iter().copied().chain([top]).collect())
    }

    /// The layer of what a container changed, with a lease on it. `stack` is what it started from.
    fn settled(&self, row: &ContainerRow, (stack, work): (&Stack, &WorkDir)) -> Result<DiffId, EngineError> {
        let running = || ContainerError::Running { name: row.name.clone(), purpose: "be looked into" };
        if row.finished.is_none() && self.store.is_running(&row.id)? {
            return Err(running().into());
        }
        // Somebody else may be at it just now.
        let container = self.store.wait_for_container(&row.id)?.ok_or_else(running)?;
        self.settle(&container, (stack, work))?;
        drop(container);
        let row = self.find_container(row.id.as_str())?;
        let layer = row.layer.ok_or_else(|| ContainerError::Cut { name: row.name.clone() })?;
        match self.store.layer(&layer, work)? {
            Some(_) => Ok(layer),
            None => Err(ContainerError::Lost { name: row.name, layer }.into()),
        }
    }

    /// Makes a layer of what a container changed, if that has not been done.
    pub(super) fn settle(
        &self,
        container: &ContainerDir,
        (stack, work): (&Stack, &WorkDir),
    ) -> Result<(), EngineError> {
        let (upper, mark) = (container.upper(), container.path().join(SETTLING));
        if !upper.exists() {
            return Ok(());
        }
        let io = |operation| {
            let path = upper.clone();
            move |source| EngineError::Io { operation, path, source }
        };
        let row = self.find_container(container.id().as_str())?;
        // With a layer known the upper is as it was when that was.
        if mark.exists() && row.layer.is_none() {
            return Err(ContainerError::Cut { name: row.name }.into());
        }
        let stubs = details(&row)?.stubs;
        File::create(&mark).map_err(io("begin to read"))?;
        let known = |layer: &DiffId| self.store.set_container_layer(container.id(), layer);
        stack.settle((&upper, &stubs), (&self.store, work), known)?;
        // What was only needed to run it, and the upper of a layer that was there already.
        for left in ["upper", "work", "implied"] {
            let (from, to) = (container.path().join(left), work.path().join(format!("ended-{left}")));
            match fs::rename(&from, &to) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(io("clear")(error));
                }
                _ => {}
            }
        }
        fs::remove_file(&mark).map_err(io("end the reading of"))
    }
}

/// What a history says of a container: its command, as Docker writes it.
fn command_of(settings: &Config, args: &[String]) -> String {
    settings.cmd.as_deref().unwrap_or(args).join(" ")
}
