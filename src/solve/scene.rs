//! What the command of a step sees, put down so that a shell can be opened there later, also by another process.
//!
//! A scene is a plan of one step whose roots are all bases: by their layers, so that nothing of the plan that it comes
//! from is needed. Its JSON is kept in the store with what the command left.

use serde::{Deserialize, Serialize};

use crate::diagnostic::Span;
use crate::oci::{Config, DiffId, Platform};
use crate::plan::{BaseId, NetworkMode, Plan, Root, Run, Script, Step, StepKind, Target};

use super::error::StepError;
use super::state::State;

/// What the command of a step sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scene {
    /// The step, as progress shows it.
    pub name: String,
    /// The program that SHELL names there.
    pub(super) shell: String,
    /// The command.
    pub(super) run: Run,
    /// The layers that it starts from, lowest first.
    pub(super) layers: Vec<DiffId>,
}

/// A scene as it is kept.
#[derive(Serialize, Deserialize)]
struct Document {
    version: u32,
    name: String,
    shell: String,
    args: Vec<String>,
    env: Vec<(String, String)>,
    ignored_env: Vec<(String, String)>,
    cwd: String,
    user: String,
    network: Network,
    script: Option<(String, String)>,
    layers: Vec<DiffId>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Network {
    Host,
    None,
    Private,
}

/// The version of the document. Another one is not read.
const VERSION: u32 = 1;

impl Scene {
    /// The scene of `run` in the place of `step`; `state` has the states that it sees.
    pub(super) fn new(step: &Step, run: &Run, state: &dyn Fn(Root) -> State) -> Self {
        Self {
            name: step.name.clone(),
            shell: step.shell.clone(),
            run: run.clone(),
            layers: state(step.from).layers.to_vec(),
        }
    }

    /// The scene as a plan, whose bases have the layers of [`Scene::roots`].
    pub(super) fn plan(&self) -> Plan {
        let root = Root::Base(BaseId(0));
        let step = Step {
            name: self.name.clone(),
            span: Span::default(),
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
        Plan { bases: Vec::new(), contexts: Vec::new(), steps: vec![step], target }
    }

    /// The layers of each root, lowest first.
    pub(super) fn roots(&self) -> Vec<Vec<DiffId>> {
        vec![self.layers.clone()]
    }

    /// The scene as text.
    pub(super) fn to_json(&self) -> Vec<u8> {
        let Run { args, env, ignored_env, cwd, user, network, script } = self.run.clone();
        let document = Document {
            version: VERSION,
            name: self.name.clone(),
            shell: self.shell.clone(),
            args,
            env,
            ignored_env,
            cwd,
            user,
            network: match network {
                NetworkMode::Host => Network::Host,
                NetworkMode::None => Network::None,
                NetworkMode::Private => Network::Private,
            },
            script: script.map(|script| (script.path, script.content)),
            layers: self.layers.clone(),
        };
        serde_json::to_vec(&document)
            .unwrap_or_else(|error| unreachable!("strings and numbers have a JSON: {error}"))
    }

    /// Reads what [`Scene::to_json`] wrote.
    pub fn from_json(json: &[u8]) -> Result<Self, StepError> {
        let wrong = |source| StepError::Scene { source };
        let Document { version, name, shell, args, env, ignored_env, cwd, user, network, script, layers } =
            serde_json::from_slice(json).map_err(wrong)?;
        if version != VERSION {
            return Err(wrong(serde::de::Error::custom(format!("it has version {version}, not {VERSION}"))));
        }
        let network = match network {
            Network::Host => NetworkMode::Host,
            Network::None => NetworkMode::None,
            Network::Private => NetworkMode::Private,
        };
        let script = script.map(|(path, content)| Script { path, content });
        let run = Run { args, env, ignored_env, cwd, user, network, script };
        Ok(Self { name, shell, run, layers })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scene_is_read_as_it_was_written() {
        let run = Run {
            args: vec!["/bin/sh".to_owned(), "-c".to_owned(), "false \"\n".to_owned()],
            env: vec![("A".to_owned(), "1".to_owned())],
            ignored_env: vec![("http_proxy".to_owned(), "p".to_owned())],
            cwd: "/w".to_owned(),
            user: "u:g".to_owned(),
            network: NetworkMode::None,
            script: Some(Script { path: "/dev/pipes/EOF".to_owned(), content: "#!/bin/x\n".to_owned() }),
        };
        let layers = vec![DiffId(crate::oci::Digest::of(b"layer"))];
        let scene = Scene { name: "[2/2] RUN".to_owned(), shell: "/bin/bash".to_owned(), run, layers };
        let json = scene.to_json();
        assert_eq!(Scene::from_json(&json).unwrap(), scene);
        let other = String::from_utf8(json).unwrap().replacen("\"version\":1", "\"version\":2", 1);
        assert!(Scene::from_json(other.as_bytes()).is_err());
        assert!(Scene::from_json(b"").is_err());
    }
}
