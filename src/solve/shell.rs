//! A shell where a command of a step would run, or did.
//!
//! What the command left is put below as one more layer, read only, so that a look changes nothing: what is done in the
//! shell is in an upper of its own, which goes with the work directory. Nothing here publishes or records.

use std::ffi::OsString;
use std::fs;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::exec::{ExecError, Io, MountSource, Output, Signals, Status, Stdin, Terminal};
use crate::network::{Network, machine_address, with_hosts};
use crate::plan::{NetworkMode, Run, Step, StepKind};
use crate::progress::{Reporter, Silent};
use crate::store::{CacheMount, Kept, Store, WorkDir};

use super::error::StepError;
use super::mounts::{Prepared, Preparing};
use super::run::make_upper;
use super::scene::Scene;
use super::state::State;
use super::{Runner, SolveOptions, Solver};

/// Where somebody sits and types.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The terminal.
    pub terminal: Terminal<'a>,
    /// Signals for the shell.
    pub signals: &'a Signals,
}

/// What is tried where the program of SHELL is not there.
const SHELLS: [&[&str]; 2] = [&["/bin/sh"], &["/bin/busybox", "sh"]];

/// What a terminal is called where nothing else says it, as in containers.
const TERM: (&str, &str) = ("TERM", "xterm");

impl Scene {
    /// Opens a shell and waits for its end. `left` is what the command left, if it ran.
    pub fn open(
        &self,
        left: Option<&Kept>,
        (store, work): (&Store, &WorkDir),
        options: &SolveOptions,
        runner: Runner<'_>,
        seat: Seat<'_>,
    ) -> Result<Status, StepError> {
        let (plan, roots) = (self.plan(), &self.bases);
        let reporter = Reporter::new(Arc::new(Silent));
        let solver = Solver::new((store, work), (&plan, roots), options, &reporter, runner)?;
        let step = &plan.steps[0];
        let StepKind::Run(run) = &step.kind else { unreachable!("the step of a scene is a RUN") };
        for program in candidates(&step.shell) {
            match solver.shell((step, run), &program, left, seat) {
                Err(StepError::Sandbox(ExecError::Command { .. })) => {}
                result => return result,
            }
        }
        let tried = candidates(&step.shell).into_iter().map(|mut program| program.swap_remove(0)).collect();
        Err(StepError::NoShell { tried })
    }
}

impl Solver<'_> {
    fn shell(
        &self,
        (step, run): (&Step, &Run),
        program: &[String],
        left: Option<&Kept>,
        seat: Seat<'_>,
    ) -> Result<Status, StepError> {
        let (scratch, running) = (self.scratch()?, self.reporter.start(&step.name));
        let state = |root| self.state(root, &|_| State::scratch());
        let opened = state(step.from).open(self.store, self.work)?;
        let upper = make_upper(&scratch)?;
        let contents = self.mounted_contents(run, &state)?;
        let preparing = Preparing {
            run,
            contents: &contents,
            state: &state,
            scratch: &scratch,
            anew: false,
            running: &running,
        };
        let mut mounts = self.prepare(&preparing)?;
        cover_caches(&mut mounts, &scratch)?;
        let mut spec = self.spec(run, &opened, &scratch, &upper, &mounts)?;
        spec.args = program.iter().map(OsString::from).collect();
        if let Some(left) = left {
            spec.root.lowers.insert(0, left.upper());
        }
        if !run.env.iter().any(|(name, _)| name == TERM.0) {
            spec.env.push((TERM.0.into(), TERM.1.into()));
        }
        let network = match run.network {
            NetworkMode::Private => Some(self.networks.take()?),
            NetworkMode::Host | NetworkMode::None => None,
        };
        spec.hosts = with_hosts(&spec.hosts, &self.options.extra_hosts, machine_address(network.as_ref()));
        let group = self.cgroups.make(&self.options.limits.cgroup)?;
        let io = Io {
            stdin: Stdin::Inherit,
            output: Output::Inherit,
            terminal: Some(seat.terminal),
            network: network.as_ref().map(Network::namespace),
            cgroup: group.as_ref(),
            signals: Some(seat.signals),
            foreground: true,
        };
        let caches = mounts.caches.iter().map(AsFd::as_fd);
        let keep: Vec<_> =
            [self.work.as_fd()].into_iter().chain(left.map(AsFd::as_fd)).chain(caches).collect();
        Ok(self.executor.run(&spec, io, &keep, self.cancel)?.status)
    }
}

/// Puts an upper over each cache, so that what is done in the shell does not stay there.
fn cover_caches(prepared: &mut Prepared, scratch: &Path) -> Result<(), StepError> {
    let data: Vec<PathBuf> = prepared.caches.iter().map(CacheMount::data).collect();
    for (number, mount) in prepared.mounts.iter_mut().enumerate() {
        let MountSource::Host { path, inside } = &mount.source else { continue };
        if !data.contains(path) {
            continue;
        }
        let place = scratch.join(format!("cover-{number}"));
        fs::create_dir(&place).map_err(|source| StepError::Io {
            operation: "make",
            path: place.clone(),
            source,
        })?;
        let upper = if mount.read_only { None } else { Some(make_upper(&place)?) };
        mount.source = MountSource::Layers { lowers: vec![path.clone()], upper, inside: inside.clone() };
    }
    Ok(())
}

/// The programs to try, each with its arguments and once.
fn candidates(shell: &str) -> Vec<Vec<String>> {
    let mut candidates = vec![vec![shell.to_owned()]];
    for other in SHELLS {
        let other: Vec<String> = other.iter().map(|&word| word.to_owned()).collect();
        if other[0] != shell {
            candidates.push(other);
        }
    }
    candidates
}
