//! Shells where the command of a step ran and failed, or would have run; and what is kept of failed steps.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::time::SystemTime;

use crate::exec::{CancelToken, Status};
use crate::remote::Clients;
use crate::solve::{Limits, Runner, Scene, Seat, SolveOptions, StepError, Wants};
use crate::store::{Kept, KeptId, StoreError};

use super::Engine;
use super::build::BuildRequest;
use super::error::EngineError;
use super::given::{AgentSource, Given, SecretSource};

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

/// What is done in a place, and what is given to it.
#[derive(Debug, Clone, Default)]
pub struct ShellRequest {
    /// The command; empty for a shell.
    pub command: Vec<String>,
    /// Secrets, by their names.
    pub secrets: BTreeMap<String, SecretSource>,
    /// SSH agents, by their names.
    pub agents: BTreeMap<String, AgentSource>,
    /// Where the program of agents is looked for.
    pub search_path: Option<OsString>,
    /// Whether it may have the rights of the machine's root, if the step asks for them.
    pub insecure: bool,
    /// What it may use.
    pub limits: Limits,
}

impl From<&BuildRequest> for ShellRequest {
    /// A shell with what a build was given.
    fn from(build: &BuildRequest) -> Self {
        Self {
            command: Vec::new(),
            secrets: build.secrets.clone(),
            agents: build.agents.clone(),
            search_path: build.clients.git.search_path.clone(),
            insecure: build.allow.insecure,
            limits: build.limits.clone(),
        }
    }
}

/// What is kept of a failed step, as a list has it.
#[derive(Debug, Clone)]
pub struct FailedStep {
    /// Its id.
    pub id: String,
    /// When it failed.
    pub created: SystemTime,
    /// The step, as progress showed it; `None` if that cannot be read.
    pub step: Option<String>,
}

impl Engine {
    /// What the latest failed step left, or the one of this id, of which the beginning is enough.
    pub fn failed_step(&self, id: Option<&str>) -> Result<Shell, EngineError> {
        let found = self.find_kept(id)?;
        let Some(left) = self.store.open_kept(&found.id)? else { return Err(EngineError::NothingKept) };
        Ok(Shell { scene: Scene::from_json(&left.about()?)?, left: Some(left) })
    }

    /// All failed steps that are kept, the latest first.
    pub fn failed_steps(&self) -> Result<Vec<FailedStep>, EngineError> {
        let mut steps = Vec::new();
        for KeptId { created, id } in self.store.kept()? {
            // One that is removed meanwhile is not there.
            let Some(left) = self.store.open_kept(&id)? else { continue };
            let step = left.about().ok().and_then(|about| Scene::from_json(&about).ok());
            steps.push(FailedStep { id, created, step: step.map(|scene| scene.name) });
        }
        Ok(steps)
    }

    /// Removes what is kept of the failed step of this id, or of all; gives the ids of what is gone.
    pub fn forget_failed_steps(&self, id: Option<&str>) -> Result<Vec<String>, EngineError> {
        let these = match id {
            Some(_) => vec![self.find_kept(id)?],
            None => self.store.kept()?,
        };
        let work = self.store.work_dir()?;
        let used = self.store.drop_kept(these.clone(), &work)?;
        match used.into_iter().next() {
            Some(used) => Err(EngineError::KeptInUse { id: used.id }),
            None => Ok(these.into_iter().map(|kept| kept.id).collect()),
        }
    }

    fn find_kept(&self, id: Option<&str>) -> Result<KeptId, EngineError> {
        let known = self.store.kept()?;
        let matches = |kept: &&KeptId| id.is_none_or(|id| !id.is_empty() && kept.id.starts_with(id));
        match (known.iter().find(matches), id) {
            (Some(found), _) => Ok(found.clone()),
            (None, Some(id)) if !known.is_empty() => {
                let known = known.into_iter().map(|kept| kept.id).collect();
                Err(EngineError::NoKept { id: id.to_owned(), known })
            }
            (None, _) => Err(EngineError::NothingKept),
        }
    }

    /// What the user should know before a shell is opened: where it has less than the step had.
    pub fn shell_remarks(&self, shell: &Shell, request: &ShellRequest) -> Vec<String> {
        let Wants { secrets, agents, insecure, caches, network } = shell.scene.wants();
        let secrets = secrets.into_iter().filter(|id| !request.secrets.contains_key(*id));
        let secrets = secrets.map(|id| {
            format!("the secret `{id}` is missing: `--secret id={id},src=FILE` gives it to the command")
        });
        let agents = agents.into_iter().filter(|id| !request.agents.contains_key(*id));
        let agents =
            agents.map(|id| format!("the SSH agent `{id}` is missing: `--ssh {id}` gives it to the command"));
        let rights = (insecure && !request.insecure).then(|| {
            "the step had more rights: `--allow security.insecure` gives them to the command".to_owned()
        });
        let copied = caches && !self.store.has_overlays();
        let caches = copied
            .then(|| "cache mounts are read-only: no overlay can be mounted where the store is".to_owned());
        let lack = if network { self.networks.lack() } else { None };
        let lack = lack.map(|lack| format!("the command has the machine's network: {lack}"));
        secrets.chain(agents).chain(rights).chain(caches).chain(lack).collect()
    }

    /// Runs a shell or another command in a place and waits for its end. What is done there is gone then.
    pub fn open_shell(
        &self,
        shell: &Shell,
        request: &ShellRequest,
        seat: Seat<'_>,
        cancel: &CancelToken,
    ) -> Result<Status, EngineError> {
        self.prepare_sandboxes()?;
        let work = self.store.work_dir()?;
        let ShellRequest { command, secrets, agents, search_path, insecure, limits } = request;
        let given = Given::take(secrets, agents, search_path.as_deref(), &work)?;
        let mut scene = shell.scene.clone();
        scene.relax(*insecure);
        let options = SolveOptions {
            contexts: Vec::new(),
            scope: String::new(),
            no_cache: true,
            clients: Clients::default(),
            jobs: 1,
            hosts: self.host.hosts(),
            resolv_conf: self.host.resolv_conf.clone(),
            secrets: given.secrets.clone(),
            agents: given.agents(),
            hostname: scene.hostname.clone(),
            extra_hosts: scene.extra_hosts.clone(),
            limits: limits.clone(),
        };
        let Self { executor, networks, cgroups, .. } = self;
        let runner = Runner { executor, networks, cgroups, cancel };
        let left = shell.left.as_ref();
        let ended = scene.open((command, left), (&self.store, &work), &options, runner, seat);
        ended.map_err(|error| match error {
            StepError::Store(StoreError::NoLayer(_)) => {
                EngineError::SceneGone { name: shell.scene.name.clone() }
            }
            error => error.into(),
        })
    }
}
