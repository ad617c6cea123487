//! RUN: a command in a sandbox over the state that it starts from.

use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::cache::{self, Input};
use crate::exec::{self, ExecError, Io, Output, Spec, Upper};
use crate::layer::{Marks, commit};
use crate::network::{Network, machine_address, with_hosts, without_loopback};
use crate::oci::ContentDigest;
use crate::plan::{NetworkMode, Root, Run, Step};
use crate::progress;
use crate::tree::TreePath;

use super::error::StepError;
use super::limits::{self, out_of_memory};
use super::make::Made;
use super::mounts::{self, Prepared, Preparing};
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
            let opened = from.open(self.store, self.work)?;
            let upper = make_upper(scratch)?;
            let anew = !request.cache;
            let mounts =
                self.prepare(&Preparing { run, contents: &contents, state, scratch, anew, running })?;
            let spec = self.spec(run, &opened, scratch, &upper, &mounts)?;
            let stubs = self.execute(run, spec, &mounts, (running, &mut usage)).inspect_err(|error| {
                if is_of_the_command(error) {
                    *kept = self.keep_scene(&Scene::new(step, run, state), &upper.dir);
                }
            })?;
            let directory = File::open(&upper.dir).map_err(io("open", &upper.dir))?;
            let committed = commit(directory.as_fd(), &opened.view, &stubs, Marks::Trusted)?;
            let made = Made {
                index: committed.index,
                diff_id: committed.diff_id,
                tar_size: committed.tar_size,
                directory: upper.dir,
                below: Vec::new(),
            };
            Ok(Product { made, observed: Vec::new() })
        });
        Ok(StepResult { usage, ..result? })
    }

    /// Runs the command and says what it used; gives the mount points that had to be made for it.
    fn execute(
        &self,
        run: &Run,
        mut spec: Spec,
        mounts: &Prepared,
        (running, usage): (&progress::Step<'_>, &mut Option<progress::Usage>),
    ) -> Result<Vec<TreePath>, StepError> {
        let network = match run.network {
            NetworkMode::Private => Some(self.networks.take()?),
            NetworkMode::Host | NetworkMode::None => None,
        };
        spec.hosts = with_hosts(&spec.hosts, &self.options.extra_hosts, machine_address(network.as_ref()));
        let mut pass = |stream, bytes: &[u8]| running.output(stream, bytes);
        let limits = &self.options.limits;
        let group = self.cgroups.make(&limits.cgroup)?;
        let io = Io {
            output: Output::Piped(&mut pass),
            network: network.as_ref().map(Network::namespace),
            cgroup: group.as_ref(),
            ..Io::default()
        };
        let keep: Vec<BorrowedFd<'_>> =
            std::iter::once(self.work.as_fd()).chain(mounts.caches.iter().map(AsFd::as_fd)).collect();
        let outcome = self.executor.run(&spec, io, &keep, self.cancel)?;
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
    fn keep_scene(&self, scene: &Scene, upper: &Path) -> Option<String> {
        self.store.keep(upper, &scene.to_json(), self.work).ok()
    }

    pub(super) fn spec(
        &self,
        run: &Run,
        opened: &Opened,
        scratch: &Path,
        upper: &Upper,
        mounts: &Prepared,
    ) -> Result<Spec, StepError> {
        let hidden = |name: &str| mounts.env.iter().any(|(other, _)| other == name);
        let ignored = run.ignored_env.iter().map(|(name, value)| (name, value));
        let variables = run.env.iter().chain(ignored).filter(|(name, _)| !hidden(name));
        let variables = variables.map(|(name, value)| (name.into(), value.into()));
        Ok(Spec {
            root: exec::Root {
                lowers: opened.lowers(scratch)?,
                skeleton: self.store.skeleton(),
                upper: Some(upper.clone()),
                volatile: true,
                mount_api: exec::MountApi::Best,
            },
            args: run.args.iter().map(OsString::from).collect(),
            env: variables.chain(mounts.env.iter().cloned()).collect(),
            cwd: PathBuf::from(&run.cwd),
            user: run.user.clone(),
            hostname: self.options.hostname.clone(),
            network: match run.network {
                NetworkMode::Host => exec::Network::Host,
                NetworkMode::None => exec::Network::None,
                NetworkMode::Private => exec::Network::Given,
            },
            hosts: self.options.hosts.clone(),
            resolv_conf: match run.network {
                NetworkMode::Private => {
                    Some(without_loopback(self.options.resolv_conf.as_deref().unwrap_or_default()))
                }
                NetworkMode::Host | NetworkMode::None => self.options.resolv_conf.clone(),
            },
            script: run.script.as_ref().map(|script| exec::Script {
                name: script.path.rsplit('/').next().unwrap_or_default().to_owned(),
                content: script.content.clone().into_bytes(),
            }),
            insecure: run.insecure,
            resources: self.options.limits.resources.clone(),
            shm_size: self.options.limits.shm_size,
            mounts: mounts.mounts.clone(),
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

/// Makes in `scratch` the two empty directories that a writable overlay needs.
pub(crate) fn make_upper(scratch: &Path) -> Result<Upper, StepError> {
    let upper = Upper { dir: scratch.join("upper"), work: scratch.join("work") };
    for directory in [&upper.dir, &upper.work] {
        fs::create_dir(directory).map_err(io("make", directory))?;
    }
    // Overlayfs shows the upper's root as the root of the merged tree.
    fs::set_permissions(&upper.dir, fs::Permissions::from_mode(0o755))
        .map_err(io("set the mode of", &upper.dir))?;
    Ok(upper)
}

fn io(operation: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StepError {
    let path = path.to_owned();
    move |source| StepError::Io { operation, path, source }
}
