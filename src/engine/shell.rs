//! Shells where the command of a step ran and failed, or would have run.

use crate::exec::{CancelToken, Status};
use crate::remote::Clients;
use crate::solve::{Runner, Scene, Seat, SolveOptions, StepError};
use crate::store::{Kept, StoreError};

use super::Engine;
use super::build::BuildRequest;
use super::error::EngineError;
use super::given::Given;
use super::options::{HOSTNAME, hostname};

/// A place where a shell can be opened.
#[derive(Debug)]
pub struct Shell {
    scene: Scene,
    left: Option<Kept>,
}

impl Shell {
    /// Before a step.
    pub(super) fn before(scene: Scene) -> Self {
        Self { scene, left: None }
    }

    /// The step, as progress shows it.
    pub fn step(&self) -> &str {
        &self.scene.name
    }
}

impl Engine {
    /// What the latest failed step left, or the one of this id, of which the beginning is enough.
    pub fn failed_step(&self, id: Option<&str>) -> Result<Shell, EngineError> {
        let known = self.store.kept()?;
        let found = match id {
            None => known.first(),
            Some(id) => known.iter().find(|known| !id.is_empty() && known.starts_with(id)),
        };
        let left = found.map(|id| self.store.open_kept(id)).transpose()?.flatten();
        let Some(left) = left else {
            return Err(match id {
                Some(id) if !known.is_empty() => EngineError::NoKept { id: id.to_owned(), known },
                _ => EngineError::NothingKept,
            });
        };
        Ok(Shell { scene: Scene::from_json(&left.about()?)?, left: Some(left) })
    }

    /// Opens a shell and waits for its end. What is done in it is gone then. Secrets, agents, limits and rights are those
    /// of `build`; without one there are none.
    pub fn open_shell(
        &self,
        shell: &Shell,
        build: Option<&BuildRequest>,
        seat: Seat<'_>,
        cancel: &CancelToken,
    ) -> Result<Status, EngineError> {
        self.prepare_sandboxes()?;
        let work = self.store.work_dir()?;
        let given = build.map(|build| Given::take(build, &work)).transpose()?;
        let options = SolveOptions {
            contexts: Vec::new(),
            scope: String::new(),
            no_cache: true,
            clients: Clients::default(),
            jobs: 1,
            hosts: self.host.hosts(),
            resolv_conf: self.host.resolv_conf.clone(),
            secrets: given.as_ref().map(|given| given.secrets.clone()).unwrap_or_default(),
            agents: given.as_ref().map(Given::agents).unwrap_or_default(),
            hostname: build.map_or(HOSTNAME, hostname).to_owned(),
            extra_hosts: build.map(|build| build.extra_hosts.clone()).unwrap_or_default(),
            limits: build.map(|build| build.limits.clone()).unwrap_or_default(),
        };
        let Self { executor, networks, cgroups, .. } = self;
        let runner = Runner { executor, networks, cgroups, cancel };
        let mut scene = shell.scene.clone();
        if build.is_none() {
            scene.outlive_build();
        }
        let ended = scene.open(shell.left.as_ref(), (&self.store, &work), &options, runner, seat);
        ended.map_err(|error| match error {
            StepError::Store(StoreError::NoLayer(_)) => {
                EngineError::SceneGone { name: shell.scene.name.clone() }
            }
            error => error.into(),
        })
    }
}
