//! What the command of a step sees, put down so that a shell can be opened there later, also by another process.
//!
//! A scene is a plan of one step whose roots are all bases: by their layers, so that nothing of the plan that it comes
//! from is needed. Its JSON is kept in the store with what the command left. Secrets are in it by name only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::network::ExtraHost;
use crate::oci::{Config, DiffId, Platform};
use crate::plan::{
    BaseId, Mount, MountKind, NetworkMode, Plan, Root, Run, Scans, Script, SecretVariable, Step, StepKind,
    Target,
};

use super::SolveOptions;
use super::error::StepError;
use super::state::State;

/// What the command of a step sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The step, as progress shows it.
    pub name: String,
    /// The program that SHELL names there.
    shell: String,
    /// The command. The states that it mounts are bases.
    run: Run,
    /// The layers of each base, lowest first. The first is what the command starts from.
    pub(super) bases: Vec<Vec<DiffId>>,
    /// The host name.
    pub hostname: String,
    /// Further names in `/etc/hosts`.
    pub extra_hosts: Vec<ExtraHost>,
}

/// What a command is to find that is not in its scene.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wants<'s> {
    /// Secrets, by their names.
    pub secrets: BTreeSet<&'s str>,
    /// SSH agents, by their names.
    pub agents: BTreeSet<&'s str>,
    /// The rights of the machine's root.
    pub insecure: bool,
    /// Cache mounts that it may write to.
    pub caches: bool,
    /// A network of its own.
    pub network: bool,
}

/// A scene as it is kept.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    name: String,
    shell: String,
    args: Vec<String>,
    env: BTreeMap<String, String>,
    ignored_env: Vec<(String, String)>,
    cwd: String,
    user: String,
    network: NetworkMode,
    script: Option<Script>,
    mounts: Vec<Mount>,
    secret_variables: Vec<SecretVariable>,
    insecure: bool,
    circumstances: Vec<String>,
    bases: Vec<Vec<DiffId>>,
    hostname: String,
    extra_hosts: Vec<ExtraHost>,
}

/// The version of the document. Another one is not read.
const VERSION: u32 = 1;

impl Scene {
    /// The scene of `run` in the place of `step`; `state` has the states that it sees.
    pub(super) fn new(step: &Step, run: &Run, state: &dyn Fn(Root) -> State, options: &SolveOptions) -> Self {
        let mut run = run.clone();
        let mut bases = vec![state(step.from).layers.to_vec()];
        for mount in &mut run.mounts {
            if let Some((root, _)) = mount.content() {
                mount.set_root(Root::Base(BaseId(bases.len() as u32)));
                bases.push(state(root).layers.to_vec());
            }
        }
        Self {
            name: step.name.clone(),
            shell: step.shell.clone(),
            run,
            bases,
            hostname: options.hostname.clone(),
            extra_hosts: options.extra_hosts.clone(),
        }
    }

    /// What the command is to find that is not in the scene.
    pub fn wants(&self) -> Wants<'_> {
        let (mut secrets, mut agents, mut caches) = (BTreeSet::new(), BTreeSet::new(), false);
        for mount in &self.run.mounts {
            match &mount.kind {
                MountKind::Secret(secret) => drop(secrets.insert(&*secret.id)),
                MountKind::Ssh(secret) => drop(agents.insert(&*secret.id)),
                MountKind::Cache(cache) => caches |= !cache.read_only,
                MountKind::Bind(_) | MountKind::Tmpfs { .. } => {}
            }
        }
        secrets.extend(self.run.secret_variables.iter().map(|variable| &*variable.id));
        let network = self.run.network == NetworkMode::Private;
        Wants { secrets, agents, insecure: self.run.insecure, caches, network }
    }

    /// Lets the command do without the secrets and agents that it asks for, and without more rights than others unless
    /// somebody agrees to them.
    pub fn relax(&mut self, insecure_allowed: bool) {
        self.run.insecure &= insecure_allowed;
        for mount in &mut self.run.mounts {
            if let MountKind::Secret(secret) | MountKind::Ssh(secret) = &mut mount.kind {
                secret.required = false;
            }
        }
        self.run.secret_variables.iter_mut().for_each(|variable| variable.required = false);
    }

    /// The scene as a plan, whose bases have the layers of [`Scene::bases`].
    pub(super) fn plan(&self) -> Plan {
        let root = Root::Base(BaseId(0));
        let step = Step {
            name: self.name.clone(),
            span: Span::default(),
            sources: Vec::new(),
            trigger: None,
            no_cache: true,
            shell: self.shell.clone(),
            from: root,
            kind: StepKind::Run(self.run.clone()),
        };
        let target = Target {
            stage: None,
            root,
            base: None,
            config: Config::default(),
            author: None,
            platform: Platform::host(),
            history: Vec::new(),
        };
        Plan { bases: Vec::new(), contexts: Vec::new(), steps: vec![step], target, scans: Scans::default() }
    }

    /// The scene as text.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let Self { name, shell, run, bases, hostname, extra_hosts } = self.clone();
        let Run {
            args,
            env,
            ignored_env,
            cwd,
            user,
            network,
            script,
            mounts,
            secret_variables,
            insecure,
            circumstances,
        } = run;
        let document = Document {
            version: VERSION,
            name,
            shell,
            args,
            env: Arc::unwrap_or_clone(env),
            ignored_env,
            cwd,
            user,
            network,
            script,
            mounts,
            secret_variables,
            insecure,
            circumstances,
            bases,
            hostname,
            extra_hosts,
        };
        serde_json::to_vec(&document).unwrap_or_else(|error| unreachable!("all of it has a JSON: {error}"))
    }

    /// Reads what `to_json` wrote.
    pub fn from_json(json: &[u8]) -> Result<Self, StepError> {
        let document: Document = serde_json::from_slice(json).map_err(wrong)?;
        let Document {
            version,
            name,
            shell,
            args,
            env,
            ignored_env,
            cwd,
            user,
            network,
            script,
            mounts,
            secret_variables,
            insecure,
            circumstances,
            bases,
            hostname,
            extra_hosts,
        } = document;
        if version != VERSION {
            return Err(wrong(serde::de::Error::custom(format!("it has version {version}, not {VERSION}"))));
        }
        let known = |root| matches!(root, Root::Base(BaseId(id)) if (id as usize) < bases.len());
        if bases.is_empty() || !mounts.iter().filter_map(Mount::content).all(|(root, _)| known(root)) {
            return Err(wrong(serde::de::Error::custom("a state is missing")));
        }
        let run = Run {
            args,
            env: Arc::new(env),
            ignored_env,
            cwd,
            user,
            network,
            script,
            mounts,
            secret_variables,
            insecure,
            circumstances,
        };
        Ok(Self { name, shell, run, bases, hostname, extra_hosts })
    }
}

fn wrong(source: serde_json::Error) -> StepError {
    StepError::Scene { source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::HostAddress;
    use crate::plan::Bind;
    use crate::tree::TreePath;

    #[test]
    fn a_scene_is_read_as_it_was_written() {
        let bind = |base| {
            let bind = Bind { from: Root::Base(BaseId(base)), source: "a/b".into(), read_write: true };
            Mount { target: TreePath::clean(b"/m\xff"), kind: MountKind::Bind(bind) }
        };
        let run = Run {
            args: vec!["/bin/sh".to_owned(), "-c".to_owned(), "false \"\n".to_owned()],
            env: Arc::new(BTreeMap::from([("A".to_owned(), "1".to_owned())])),
            ignored_env: vec![("http_proxy".to_owned(), "p".to_owned())],
            cwd: "/w".to_owned(),
            user: "u:g".to_owned(),
            network: NetworkMode::None,
            script: Some(Script { path: "/dev/pipes/EOF".to_owned(), content: "#!/bin/x\n".to_owned() }),
            mounts: vec![bind(1)],
            secret_variables: Vec::new(),
            insecure: true,
            circumstances: vec!["the host name x".to_owned()],
        };
        let bases = vec![vec![DiffId(crate::oci::Digest::of(b"layer"))], Vec::new()];
        let machine = ExtraHost { name: "machine".to_owned(), address: HostAddress::Gateway };
        let database = ExtraHost { name: "db".to_owned(), address: HostAddress::Ip([10, 0, 0, 7].into()) };
        let scene = Scene {
            name: "[2/2] RUN".to_owned(),
            shell: "/bin/bash".to_owned(),
            run,
            bases,
            hostname: "x".to_owned(),
            extra_hosts: vec![machine, database],
        };
        let json = scene.to_json();
        assert_eq!(Scene::from_json(&json).unwrap(), scene);
        let other = String::from_utf8(json).unwrap().replacen("\"version\":1", "\"version\":2", 1);
        assert!(Scene::from_json(other.as_bytes()).is_err());
        assert!(Scene::from_json(b"").is_err());
        let mut unknown = scene;
        unknown.run.mounts.push(bind(2));
        assert!(Scene::from_json(&unknown.to_json()).is_err());
    }
}
