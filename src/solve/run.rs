//! RUN: a command in a sandbox over the state that it starts from.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::cache::{self, Input};
use crate::exec::{self, ExecError, Io, Output, Spec};
use crate::network::{Network, machine_address, with_hosts, without_loopback};
use crate::oci::ContentDigest;
use crate::plan::{NetworkMode, Root, Run, Step};
use crate::progress;
use crate::store::Driver;
use crate::tree::TreePath;

use super::aside::Ready;
use super::error::StepError;
use super::ground::Ground;
use super::limits::{self, out_of_memory};
use super::make::Made;
use super::mounts::{self, CacheUse, Prepared, Preparing};
use super::scene::Scene;
use super::state::{Opened, State};
use super::step::{Product, Request, text};
use super::{Solver, StepResult};

impl Solver<'_> {
    pub(super) fn run(
        &self,
        step: &Step,
        run: &Run,
        (from, state): (&State, &dyn Fn(Root) -> State),
        running: &progress::Step<'_>,
        kept: &mut Option<String>,
    ) -> Result<StepResult, StepError> {
        self.aside.begin();
        let contents = self.mounted_contents(run, state)?;
        let mounted: Vec<ContentDigest> = contents.iter().copied().flatten().collect();
        let request = Request {
            step,
            from,
            action: cache::action("run", &step.kind, &mounted),
            family: cache::family("run", text(step), &self.options.scope),
            inputs: inputs(run, &contents),
            observes: false,
            cache: !self.options.no_cache && !step.no_cache,
        };
        let mut usage = None;
        let result = self.cached_or(&request, running, |scratch| {
            self.aside.expect();
            let opened = from.open(self.store, self.work)?;
            let ground = self.ground(&opened, scratch)?;
            let caches = if request.cache { CacheUse::Kept } else { CacheUse::Anew };
            let mounts =
                self.prepare(&Preparing { run, contents: &contents, state, scratch, caches, running })?;
            let ended = self.execute(run, &ground, &mounts, (running, &mut usage));
            self.connections.close_unwanted();
            let stubs = ended.inspect_err(|error| {
                if is_of_the_command(error) {
                    *kept = self.keep_scene(&Scene::new(step, run, state, self.options), &ground);
                }
            })?;
            let committed = ground.commit(&opened, &stubs)?;
            let made = Made {
                index: committed.index,
                diff_id: committed.diff_id,
                tar_size: committed.tar_size,
                directory: ground.directory,
                below: Vec::new(),
            };
            Ok(Product { made, observed: Vec::new() })
        });
        let result = result?;
        if result.cached {
            self.connections.pass(run);
        }
        Ok(StepResult { usage, ..result })
    }

    /// A root for a command. The first time that it cannot be an overlay is said, because it takes longer.
    fn ground(&self, opened: &Opened, scratch: &Path) -> Result<Ground, StepError> {
        if let Driver::Native { reason } = self.store.driver() {
            self.copying.call_once(|| self.reporter.warn(copying(reason)));
        }
        Ground::make(opened, None, (self.store, scratch), self.cancel)
    }

    /// Runs the command and says what it used; gives the mount points that had to be made for it.
    fn execute(
        &self,
        run: &Run,
        ground: &Ground,
        mounts: &Prepared,
        (running, usage): (&progress::Step<'_>, &mut Option<progress::Usage>),
    ) -> Result<Vec<TreePath>, StepError> {
        let network = self.network(run.network)?;
        let spec = self.spec(run, network.as_ref(), ground, mounts)?;
        let mut pass = |stream, bytes: &[u8]| running.output(stream, bytes);
        let limits = &self.options.limits;
        // Whatever happens, the stage ends before its group goes.
        let (group, stage) = match self.aside.take() {
            Some(Ready { stage, group }) => (group, Some(stage)),
            None => (self.cgroups.make(&limits.cgroup)?, None),
        };
        let io = Io {
            output: Output::Piped(&mut pass),
            network: network.as_ref().map(Network::namespace),
            cgroup: group.as_ref(),
            ..Io::default()
        };
        let keep: Vec<BorrowedFd<'_>> =
            std::iter::once(self.work.as_fd()).chain(mounts.caches.iter().map(AsFd::as_fd)).collect();
        let outcome = match stage {
            Some(stage) => stage.run(&spec, io, &keep, self.cancel)?,
            None => self.executor.run(&spec, io, &keep, self.cancel)?,
        };
        running.used(*usage.insert(limits::usage(&outcome.usage)));
        let why = out_of_memory(outcome.hits, limits);
        if !outcome.status.success() {
            let command = run.args.join(" ");
            return Err(match why {
                Some(why) => StepError::OutOfMemory { command, why },
                None => StepError::Command { command, status: outcome.status },
            });
        }
        // The command went on without them.
        if let Some(why) = why {
            running.note(why);
        }
        Ok(outcome.stubs.iter().map(|stub| TreePath::clean(stub.as_os_str().as_bytes())).collect())
    }

    /// Keeps what a failed command left; gives its id. The step's own failure is what the user must hear of, so one to
    /// keep it is passed over.
    fn keep_scene(&self, scene: &Scene, ground: &Ground) -> Option<String> {
        self.store.keep(&ground.directory, &scene.to_json(), self.work).ok()
    }

    /// A network of a command's own, if it is to have one and can.
    pub(super) fn network(&self, mode: NetworkMode) -> Result<Option<Network<'_>>, StepError> {
        match mode {
            NetworkMode::Private => Ok(self.connections.take(|line| self.reporter.warn(line))?),
            NetworkMode::Host | NetworkMode::None => Ok(None),
        }
    }

    /// What a sandbox is told. A command that is to have a network of its own has the machine's without one.
    pub(super) fn spec(
        &self,
        run: &Run,
        network: Option<&Network<'_>>,
        ground: &Ground,
        mounts: &Prepared,
    ) -> Result<Spec, StepError> {
        let options = self.options;
        let hidden = |name: &str| mounts.env.iter().any(|(other, _)| other == name);
        let ignored = run.ignored_env.iter().map(|(name, value)| (name, value));
        let variables = run.env.iter().chain(ignored).filter(|(name, _)| !hidden(name));
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        let mode = match run.network {
            NetworkMode::Private if network.is_none() => NetworkMode::Host,
            mode => mode,
        };
        Ok(Spec {
            root: ground.root.clone(),
            args: run.args.iter().map(OsString::from).collect(),
            env: variables.chain(mounts.env.iter().cloned()).collect(),
            cwd: PathBuf::from(&run.cwd),
            user: run.user.clone(),
            hostname: options.hostname.clone(),
            network: match mode {
                NetworkMode::Host => exec::Network::Host,
                NetworkMode::None => exec::Network::None,
                NetworkMode::Private => exec::Network::Given,
            },
            hosts: with_hosts(&options.hosts, &options.extra_hosts, machine_address(network))?,
            resolv_conf: match mode {
                NetworkMode::Private => {
                    Some(without_loopback(options.resolv_conf.as_deref().unwrap_or_default()))
                }
                NetworkMode::Host | NetworkMode::None => options.resolv_conf.clone(),
            },
            script: run.script.as_ref().map(|script| exec::Script {
                name: script.path.rsplit('/').next().unwrap_or_default().to_owned(),
                content: script.content.clone().into_bytes(),
            }),
            insecure: run.insecure,
            resources: options.limits.resources.clone(),
            shm_size: options.limits.shm_size,
            mounts: mounts.mounts.clone(),
            filtered: true,
            groups: Vec::new(),
            capabilities: exec::Capabilities::default(),
        })
    }
}

/// Whether the sandbox did its part and the command did not.
fn is_of_the_command(error: &StepError) -> bool {
    matches!(
        error,
        StepError::Command { .. }
            | StepError::OutOfMemory { .. }
            | StepError::Sandbox(ExecError::Command { .. })
    )
}

/// That roots are copied, for people.
pub(crate) fn copying(reason: &str) -> String {
    format!("commands get copies of their files: no overlay can be mounted where the store is: {reason}")
}

/// Everything that the key of a RUN is made of, under names for people.
fn inputs(run: &Run, contents: &[Option<ContentDigest>]) -> Vec<Input> {
    let mut inputs = vec![
        Input::new("the command", run.args.join(" ")),
        Input::new("the working directory", run.cwd.clone()),
        Input::new("the user", run.user.clone()),
        Input::new("the network", format!("{:?}", run.network).to_lowercase()),
    ];
    inputs.extend(
        run.env.iter().map(|(name, value)| Input::new(format!("the variable {name}"), value.clone())),
    );
    if run.insecure {
        inputs.push(Input::new("the security", "insecure".to_owned()));
    }
    for one in &run.circumstances {
        inputs.push(Input::new(one.clone(), String::new()));
    }
    if let Some(script) = &run.script {
        inputs.push(Input::new("the script", script.content.clone()));
    }
    inputs.extend(mounts::inputs(run, contents));
    inputs
}
