//! Carries out a plan: asks the cache, runs what must run, makes layers and records.
//!
//! The only place where plan, cache, context, sandbox, layers and store meet. Policy only: system calls, formats
//! and words for people are elsewhere.
//!
//! Invariants: a record is written after its layer was published; a step's scratch directory is inside the build's
//! work directory, whose lock the sandbox holds too; nothing is made twice at once, in whatever process.

mod agent;
mod archive;
mod aside;
mod assemble;
mod choose;
mod connect;
mod context;
mod copy;
mod error;
mod fetch;
mod ground;
mod limits;
mod make;
mod materials;
mod missing;
mod mounts;
mod owner;
mod run;
mod scene;
mod scheduler;
mod settle;
mod shell;
mod source;
mod state;
mod step;
mod workdir;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::PathBuf;
use std::sync::atomic::AtomicUsize;
use std::sync::{Mutex, Once};

pub use assemble::AssembleError;
pub use context::ContextOptions;
pub use error::{SolveError, StepError};
pub use ground::Ground;
pub use limits::Limits;
pub(crate) use limits::{out_of_memory, too_many_processes};
pub(crate) use run::copying;
pub use scene::{Scene, Wants};
pub use shell::Seat;

use crate::cgroup::Cgroups;
use crate::exec::{CancelToken, Executor, Secret};
use crate::network::{ExtraHost, Networks};
use crate::oci::{CacheKey, ContentDigest, DiffId};
use crate::plan::{ContextId, Mount, Place, Plan, Root, Step, StepKind, Stop};
use crate::progress::{Reporter, Usage};
use crate::remote::Clients;
use crate::store::{Layer, Store, StoreError, WorkDir};
use aside::Aside;
use connect::Connections;
use context::Context;
use materials::Materials;
use scheduler::Results;
use state::{Opened, State};

/// How a plan is carried out.
#[derive(Debug, Clone)]
pub struct SolveOptions {
    /// The plan's contexts, in its order.
    pub contexts: Vec<ContextOptions>,
    /// What tells this project's instructions from another's that read alike: the context's path, or nothing.
    pub scope: String,
    /// Whether every RUN, COPY and ADD is done anew.
    pub no_cache: bool,
    /// How sources of ADD are fetched.
    pub clients: Clients,
    /// How many steps may run at once.
    pub jobs: usize,
    /// What `/etc/hosts` of a RUN holds.
    pub hosts: Vec<u8>,
    /// What `/etc/resolv.conf` of a RUN holds.
    pub resolv_conf: Option<Vec<u8>>,
    /// The host name in a RUN.
    pub hostname: String,
    /// Further names in `/etc/hosts` of a RUN.
    pub extra_hosts: Vec<ExtraHost>,
    /// What a RUN may use.
    pub limits: Limits,
    /// The user's secrets, by their names.
    pub secrets: BTreeMap<String, Secret>,
    /// The sockets of the user's SSH agents, by their names.
    pub agents: BTreeMap<String, PathBuf>,
}

/// What a step came to.
#[derive(Debug, Clone)]
pub struct StepResult {
    /// Its layer.
    pub layer: DiffId,
    /// That layer's content digest.
    pub content: ContentDigest,
    /// When the layer was made, in nanoseconds since 1970.
    pub created: i64,
    /// Whether it came from the cache.
    pub cached: bool,
    /// What its command used.
    pub usage: Option<Usage>,
    state: State,
}

/// What commands are run with.
#[derive(Debug, Clone, Copy)]
pub struct Runner<'a> {
    /// Makes sandboxes.
    pub executor: &'a Executor,
    /// Makes networks for them.
    pub networks: &'a Networks,
    /// Makes control groups for them.
    pub cgroups: &'a Cgroups,
    /// Ends them early.
    pub cancel: &'a CancelToken,
}

/// All that is needed to carry out one plan.
pub struct Solver<'a> {
    store: &'a Store,
    work: &'a WorkDir,
    plan: &'a Plan,
    bases: Vec<State>,
    options: &'a SolveOptions,
    reporter: &'a Reporter,
    executor: &'a Executor,
    connections: Connections<'a>,
    cgroups: &'a Cgroups,
    cancel: &'a CancelToken,
    /// The plan's contexts, each once a step asked for it.
    contexts: Vec<Mutex<Option<Context>>>,
    /// The cache records that were used, to be marked so at the end.
    used: Mutex<Vec<i64>>,
    scratch: AtomicUsize,
    /// The cache mounts that this build began anew.
    begun: Mutex<HashSet<CacheKey>>,
    /// The newest cache record when this build began.
    last_record: i64,
    /// Whether it was said that roots are copied.
    copying: Once,
    aside: Aside,
    materials: Materials,
}

/// The steps' results, in the order of the plan.
#[derive(Debug)]
pub struct Solved {
    /// One for each step.
    pub steps: Vec<StepResult>,
    target: State,
}

impl Solved {
    /// The layers of the target, lowest first.
    pub fn layers(&self) -> &[DiffId] {
        &self.target.layers
    }
}

/// The layers of an image with a merged view of them.
#[derive(Debug)]
pub struct Stack {
    opened: Opened,
}

impl Stack {
    /// Opens a stack of layers, lowest first, and takes leases on them.
    pub fn open(layers: &[DiffId], store: &Store, work: &WorkDir) -> Result<Self, StepError> {
        Ok(Self { opened: Opened::new(layers, store, work)? })
    }

    /// The merged view.
    pub fn view(&self) -> &crate::tree::View {
        &self.opened.view
    }

    /// The layers, topmost first.
    pub fn layers(&self) -> &[Layer] {
        &self.opened.layers
    }

    /// The file of the machine that holds the content of what the view has found.
    pub fn content_path(&self, found: &crate::tree::Found) -> std::path::PathBuf {
        self.opened.content_path(found)
    }

    /// A root of what it shows, which a command may change, with its directories in `scratch`.
    pub fn ground(
        &self,
        store: &Store,
        scratch: &std::path::Path,
        cancel: &CancelToken,
    ) -> Result<Ground, StepError> {
        Ground::make(&self.opened, None, (store, scratch), cancel)
    }
}

impl<'a> Solver<'a> {
    /// Gets ready to carry out `plan`, whose bases have the layers `bases`, lowest first each.
    pub fn new(
        (store, work): (&'a Store, &'a WorkDir),
        (plan, bases): (&'a Plan, &[Vec<DiffId>]),
        options: &'a SolveOptions,
        reporter: &'a Reporter,
        Runner { executor, networks, cgroups, cancel }: Runner<'a>,
    ) -> Result<Self, StoreError> {
        let last_record = store.last_record()?;
        let runs = plan.steps.iter().filter(|step| matches!(step.kind, StepKind::Run(_))).count();
        Ok(Self {
            store,
            work,
            plan,
            bases: bases.iter().map(|layers| State::base(layers)).collect(),
            options,
            reporter,
            executor,
            connections: Connections::new(plan, networks),
            cgroups,
            cancel,
            contexts: options.contexts.iter().map(|_| Mutex::default()).collect(),
            used: Mutex::default(),
            scratch: AtomicUsize::new(0),
            begun: Mutex::default(),
            last_record,
            copying: Once::new(),
            materials: Materials::default(),
            aside: Aside::new(runs, executor, cgroups, &options.limits.cgroup),
        })
    }

    /// Carries out the whole plan.
    pub fn solve(&self) -> Result<Solved, SolveError> {
        let all: Vec<usize> = (0..self.plan.steps.len()).collect();
        let steps = self.carry_out(&all)?;
        let target = self.state(self.plan.target.root, &|step| steps[step].state.clone());
        Ok(Solved { steps, target })
    }

    /// Carries out what a step needs, but not the step itself; gives what `stop` says that is seen there.
    pub fn solve_until(&self, stop: &Stop) -> Result<Scene, SolveError> {
        let step = self.plan.step(stop.step);
        let nodes = needed_by(self.plan, step);
        let results = self.carry_out(&nodes)?;
        let result = |step| results[position(&nodes, step)].state.clone();
        Ok(Scene::new(step, &stop.run, &|root| self.state(root, &result), self.options))
    }

    /// Carries out these steps of the plan, which are in its order and complete with all that they need.
    fn carry_out(&self, nodes: &[usize]) -> Result<Vec<StepResult>, SolveError> {
        let needs: Vec<Vec<usize>> = nodes
            .iter()
            .map(|&node| needed_steps(&self.plan.steps[node]))
            .map(|needed| needed.into_iter().map(|step| position(nodes, step)).collect())
            .collect();
        let steps = nodes.iter().map(|&node| &self.plan.steps[node]);
        self.connections.foresee(steps, self.options.no_cache, self.store);
        let stop = || self.cancel.cancel();
        let result =
            scheduler::run(&needs, self.options.jobs, stop, |number, results: &Results<StepResult>| {
                self.step(nodes[number], &|step| results.get(position(nodes, step)).state.clone())
            });
        self.aside.finish();
        self.note_use();
        self.save_stat_caches();
        result
    }

    fn step(&self, node: usize, results: &dyn Fn(usize) -> State) -> Result<StepResult, SolveError> {
        let step = &self.plan.steps[node];
        let state = |root| self.state(root, results);
        let from = state(step.from);
        let mut kept = None;
        // The scan of the context and what is fetched are lines of their own, so they come before the step that asks
        // for them.
        let scanned = match needed_context(&step.kind) {
            Some(id) if !self.cancel.is_canceled() => self.context(id).map(drop),
            _ => Ok(()),
        };
        let fetched = match &step.kind {
            StepKind::Copy(copy) if scanned.is_ok() && !self.cancel.is_canceled() => self.fetch(node, copy),
            _ => Ok(Vec::new()),
        };
        // A line of its own has said it.
        let fetched = fetched.map_err(|source| failed(step, source, None))?;
        let running = self.reporter.start(&step.name);
        let result = if let Err(error) = scanned {
            Err(error)
        } else if self.cancel.is_canceled() {
            Err(StepError::Canceled)
        } else {
            match &step.kind {
                StepKind::Run(run) => self.run(step, run, (&from, &state), &running, &mut kept),
                StepKind::Copy(copy) => self.copy(step, copy, &from, &state, fetched, &running),
                StepKind::Workdir(workdir) => self.workdir(step, workdir, &from, &running),
            }
        };
        match result {
            Ok(result) => {
                if result.cached {
                    running.cached()
                } else {
                    running.done()
                }
                Ok(result)
            }
            Err(source) => {
                let canceled = matches!(
                    source,
                    StepError::Canceled | StepError::Sandbox(crate::exec::ExecError::Canceled)
                );
                if canceled {
                    running.canceled()
                } else {
                    running.failed(source.without_command())
                }
                Err(failed(step, if canceled { StepError::Canceled } else { source }, kept))
            }
        }
    }

    fn state(&self, root: Root, results: &dyn Fn(usize) -> State) -> State {
        match root {
            Root::Scratch => State::scratch(),
            Root::Base(id) => self.bases[id.0 as usize].clone(),
            Root::Step(id) => results(id.0 as usize),
        }
    }
}

fn failed(step: &Step, error: StepError, kept: Option<String>) -> SolveError {
    let (name, trigger) = (step.name.clone(), step.trigger.clone());
    let (span, source) = match error {
        StepError::Source { number, error } => (step.sources.get(number).copied(), error),
        error => (None, Box::new(error)),
    };
    SolveError { name, span: span.unwrap_or(step.span), trigger, kept, source }
}

/// Where a step stands among `nodes`, which are sorted and have it.
fn position(nodes: &[usize], step: usize) -> usize {
    nodes.binary_search(&step).unwrap_or_else(|_| unreachable!("step {step} is needed and not carried out"))
}

/// The steps that come before `step`, in order.
fn needed_by(plan: &Plan, step: &Step) -> Vec<usize> {
    let mut needed = BTreeSet::new();
    let mut wanted = needed_steps(step);
    while let Some(next) = wanted.pop() {
        if needed.insert(next) {
            wanted.extend(needed_steps(&plan.steps[next]));
        }
    }
    needed.into_iter().collect()
}

/// The context that a step reads.
fn needed_context(step: &StepKind) -> Option<ContextId> {
    match step {
        StepKind::Copy(copy) => match copy.from {
            Place::Context(id) if copy.patterns().next().is_some() => Some(id),
            Place::Context(_) | Place::Root(_) => None,
        },
        StepKind::Run(_) | StepKind::Workdir(_) => None,
    }
}

/// The steps whose results a step needs.
fn needed_steps(step: &Step) -> Vec<usize> {
    let sources: Vec<Root> = match &step.kind {
        StepKind::Copy(copy) => match copy.from {
            Place::Root(root) => vec![root],
            Place::Context(_) => Vec::new(),
        },
        StepKind::Run(run) => run.mounts.iter().filter_map(Mount::content).map(|(root, _)| root).collect(),
        StepKind::Workdir(_) => Vec::new(),
    };
    std::iter::once(step.from)
        .chain(sources)
        .filter_map(|root| match root {
            Root::Step(id) => Some(id.0 as usize),
            Root::Scratch | Root::Base(_) => None,
        })
        .collect()
}
