//! Containers that stay after their command: made, found, listed, renamed and removed.
//!
//! While one runs, what it changes is in its directory in the store; when it has ended, that becomes a layer, so that
//! looking into it, exporting it and making an image of it work as with any image.

mod error;
mod filter;
mod names;
mod output;
mod shown;

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use crate::diagnostic::nearest;
use crate::oci::{Config, DiffId, ImageConfig, ImageId};
use crate::solve::Stack;
use crate::store::{ContainerDir, ContainerId, ContainerRow, Disk, NewContainer, WorkDir};

use super::Engine;
use super::error::EngineError;
use super::find::Image;
use super::run::RunRequest;

pub use error::ContainerError;
pub use filter::ContainerFilter;
pub use output::{CommitRequest, PathChange, Touched};

/// What a container is kept for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keep {
    /// Its name; without one it gets one that nobody else has.
    pub name: Option<String>,
    /// Whether it goes when its command has ended.
    pub until_end: bool,
}

/// A container as a list shows it.
#[derive(Debug, Clone)]
pub struct ContainerSummary {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The image, as the user named it.
    pub image: String,
    /// The image's id.
    pub image_id: ImageId,
    /// What runs or ran in it.
    pub command: Vec<String>,
    /// The settings that it was started with.
    pub config: Config,
    /// Its host name.
    pub hostname: String,
    /// When it was made.
    pub created: Timestamp,
    /// What became of it.
    pub state: ContainerState,
    /// The layers that it started from, lowest first.
    pub layers: Vec<DiffId>,
}

/// Whether a container runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// It does.
    Running,
    /// Its command has ended.
    Exited {
        /// How; not known if strata was killed.
        code: Option<i32>,
        /// When.
        finished: Option<Timestamp>,
    },
}

/// What the store keeps of a container, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Details {
    /// The image, as the user named it.
    image: String,
    /// What runs: entrypoint and command.
    args: Vec<String>,
    hostname: String,
    /// Paths that are mounted on, which are no changes where nothing else was there before.
    stubs: Vec<PathBuf>,
    /// The settings with those that the user gave.
    config: Config,
    /// The config of the image, so that another can be made of the container when that one is gone.
    base: ImageConfig,
}

/// What is wrong with a name, if something is. The rule is Docker's.
fn check_name(name: &str) -> Result<(), ContainerError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && name.len() > 1 && name.chars().all(good) {
        return Ok(());
    }
    Err(ContainerError::Name(name.to_owned()))
}

/// Random names are tried so often; with a number behind them they are not taken by then.
const TRIES: usize = 8;

impl Engine {
    /// Makes the container of a run, and holds it.
    pub(super) fn begin_container(
        &self,
        (keep, request): (&Keep, &RunRequest),
        image: &Image,
        args: &[String],
        work: &WorkDir,
    ) -> Result<ContainerDir, EngineError> {
        let details = Details {
            image: request.image.clone(),
            args: args.to_vec(),
            hostname: request.hostname.clone().unwrap_or_default(),
            stubs: stubs(request),
            config: effective(&image.config.config, request),
            base: image.config.clone(),
        };
        let details = serde_json::to_vec(&details)
            .unwrap_or_else(|error| unreachable!("details are always valid JSON: {error}"));
        let layers = &image.config.rootfs.diff_ids;
        let create = |name: &str| {
            let new = NewContainer { name, image: &image.row.id, layers, details: &details };
            self.store.create_container(new, work)
        };
        if let Some(name) = &keep.name {
            check_name(name)?;
            return match create(name)? {
                Some(container) => Ok(container),
                None => Err(self.taken(name)?.into()),
            };
        }
        for attempt in 0..TRIES {
            if let Some(container) = create(&names::random(attempt)?)? {
                return Ok(container);
            }
        }
        Err(ContainerError::NoFreeName.into())
    }

    fn taken(&self, name: &str) -> Result<ContainerError, EngineError> {
        let holder = self.store.containers()?.into_iter().find(|row| row.name == name);
        let id = holder.map_or_else(String::new, |row| row.id.short().to_owned());
        Ok(ContainerError::Taken { name: name.to_owned(), id })
    }

    /// Keeps what a container's command has left, or removes it.
    pub(super) fn end_container(
        &self,
        container: ContainerDir,
        until_end: bool,
        code: i32,
        (stack, work): (&Stack, &WorkDir),
    ) -> Result<(), EngineError> {
        if until_end {
            return Ok(self.store.remove_container(container, work)?);
        }
        self.store.finish_container(container.id(), code)?;
        self.settle(&container, (stack, work))?;
        Ok(self.store.sync()?)
    }

    /// All containers, the one that was made last first.
    fn all_containers(&self) -> Result<Vec<ContainerSummary>, EngineError> {
        self.store.containers()?.into_iter().map(|row| self.summary(row)).collect()
    }

    /// The container that `text` names.
    pub fn container(&self, text: &str) -> Result<ContainerSummary, EngineError> {
        let row = self.find_container(text)?;
        self.summary(row)
    }

    fn summary(&self, row: ContainerRow) -> Result<ContainerSummary, EngineError> {
        let time = |nanos: i64| Timestamp::from_nanosecond(i128::from(nanos)).unwrap_or_default();
        let details = details(&row)?;
        // A finished row whose lock is held is being made a layer, or removed.
        let state = if row.finished.is_none() && self.store.is_running(&row.id)? {
            ContainerState::Running
        } else {
            ContainerState::Exited { code: row.code, finished: row.finished.map(time) }
        };
        let hostname = if details.hostname.is_empty() { row.id.short() } else { &details.hostname };
        Ok(ContainerSummary {
            hostname: hostname.to_owned(),
            id: row.id,
            name: row.name,
            image: details.image,
            image_id: row.image,
            command: details.args,
            config: details.config,
            created: time(row.created),
            state,
            layers: row.layers,
        })
    }

    /// The container of this name, or of an id that begins so.
    pub(super) fn find_container(&self, text: &str) -> Result<ContainerRow, EngineError> {
        let rows = self.store.containers()?;
        if let Some(row) = rows.iter().find(|row| row.name == text) {
            return Ok(row.clone());
        }
        let mut found = rows.iter().filter(|row| !text.is_empty() && row.id.as_str().starts_with(text));
        match (found.next(), found.next()) {
            (Some(row), None) => Ok(row.clone()),
            (Some(_), Some(_)) => Err(ContainerError::Ambiguous(text.to_owned()).into()),
            (None, _) => {
                let similar = nearest(text, rows.iter().map(|row| row.name.as_str())).map(str::to_owned);
                Err(ContainerError::None { name: text.to_owned(), similar }.into())
            }
        }
    }

    /// How much a container has changed: what lies in its directory, or the layer that this became.
    pub fn container_size(&self, id: &ContainerId) -> Result<Disk, EngineError> {
        let row = self.find_container(id.as_str())?;
        let place = self.store.container_place(id).join("upper");
        let layer = row.layer.map(|layer| self.store.peek_layer(&layer)).transpose()?.flatten();
        match layer {
            Some(layer) if !place.exists() => {
                Ok(Disk { used: Disk::of(&layer.parts[0])?.used, apparent: layer.size })
            }
            _ => Ok(Disk::of(&place)?),
        }
    }

    /// Whether `text` is the name of a container or its id, at least the short one, where it could also be an image's: the
    /// beginning of an id is too little then.
    pub fn names_container(&self, text: &str) -> Result<bool, EngineError> {
        let is_id =
            |row: &ContainerRow| text.starts_with(row.id.short()) && row.id.as_str().starts_with(text);
        Ok(self.store.containers()?.iter().any(|row| row.name == text || is_id(row)))
    }

    /// Gives a container another name.
    pub fn rename_container(&self, text: &str, name: &str) -> Result<(), EngineError> {
        check_name(name)?;
        let row = self.find_container(text)?;
        if self.store.rename_container(&row.id, name)? { Ok(()) } else { Err(self.taken(name)?.into()) }
    }

    /// Removes a container; with `force` also one that runs, which is killed.
    pub fn remove_container(&self, text: &str, force: bool) -> Result<(), EngineError> {
        let row = self.find_container(text)?;
        let container = match self.store.hold_container(&row.id)? {
            Some(container) => container,
            None if force => self.kill(&row)?,
            None => return Err(ContainerError::Running { name: row.name, purpose: "be removed" }.into()),
        };
        let work = self.store.work_dir()?;
        self.store.remove_container(container, &work)?;
        self.sweep(&work).map(drop)
    }

    /// Kills who runs a container and waits until nothing of it is left.
    fn kill(&self, row: &ContainerRow) -> Result<ContainerDir, EngineError> {
        let pid = self.store.runner_of(&row.id).and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // It may just have ended.
            let _ = kill_process(pid, Signal::KILL);
        }
        self.store
            .wait_for_container(&row.id)?
            .ok_or_else(|| ContainerError::Alive { name: row.name.clone() }.into())
    }
}

fn details(row: &ContainerRow) -> Result<Details, EngineError> {
    serde_json::from_slice(&row.details)
        .map_err(|source| ContainerError::Details { name: row.name.clone(), source }.into())
}

/// Where every container has something mounted.
const MOUNTED: [&str; 6] = ["/dev", "/etc/hostname", "/etc/hosts", "/etc/resolv.conf", "/proc", "/sys"];

/// The paths that the mounts of a container need, with those above.
fn stubs(request: &RunRequest) -> Vec<PathBuf> {
    let targets = request.mounts.iter().map(|mount| Path::new(&mount.target));
    let targets = targets.chain(MOUNTED.map(Path::new));
    let above = targets.flat_map(Path::ancestors).filter(|path| path.parent().is_some());
    let mut stubs: Vec<PathBuf> = above.map(Path::to_owned).collect();
    stubs.sort();
    stubs.dedup();
    stubs
}

/// The settings of an image with those of a request over them.
fn effective(image: &Config, request: &RunRequest) -> Config {
    let mut config = image.clone();
    if let Some(entrypoint) = &request.entrypoint {
        config.entrypoint = Some(entrypoint.clone()).filter(|text| !text.is_empty()).map(|text| vec![text]);
        config.cmd = None;
    }
    if !request.command.is_empty() {
        config.cmd = Some(request.command.clone());
    }
    if let Some(user) = &request.user {
        config.user.clone_from(user);
    }
    if request.workdir.is_some() {
        config.working_dir = super::run::working_directory(request, image).to_string_lossy().into_owned();
    }
    for (name, value) in &request.env {
        let pair = format!("{name}={value}");
        let same = |known: &&mut String| known.split_once('=').is_some_and(|(known, _)| known == name);
        match config.env.iter_mut().find(same) {
            Some(known) => *known = pair,
            None => config.env.push(pair),
        }
    }
    config
}
