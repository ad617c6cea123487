//! A shell, or another command, where a command of a step would run, or did.
//!
//! What the command left is put below as one more layer, read only, or is copied, so that a look changes nothing: what is
//! done in the shell is in a directory of its own, which goes with the work directory. Nothing here publishes or records.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::sync::Arc;

use crate::exec::{ExecError, Io, Output, Signals, Status, Stdin, Terminal};
use crate::network::Network;
use crate::plan::{Run, Step, StepKind};
use crate::progress::{Reporter, Silent};
use crate::store::{Kept, Store, WorkDir};

use super::error::StepError;
use super::ground::Ground;
use super::mounts::{CacheUse, Preparing};
use super::scene::Scene;
use super::state::State;
use super::{Runner, SolveOptions, Solver};

/// Where somebody sits.
#[derive(Debug, Clone, Copy)]
pub struct Seat<'a> {
    /// The terminal; `None` for the caller's standard streams.
    pub terminal: Option<Terminal<'a>>,
    /// Signals for the command.
    pub signals: &'a Signals,
}

/// What is tried where the program of SHELL is not there.
const SHELLS: [&[&str]; 2] = [&["/bin/sh"], &["/bin/busybox", "sh"]];

/// What a terminal is called where nothing else says it, as in containers.
const TERM: (&str, &str) = ("TERM", "xterm");

impl Scene {
    /// Runs `command`, or a shell if that is empty, and waits for its end. `left` is what the step's command left, if it
    /// ran.
    pub fn open(
        &self,
        (command, left): (&[String], Option<&Kept>),
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
        if !command.is_empty() {
            return solver.visit((step, run), command, left, seat);
        }
        for program in candidates(&step.shell) {
            match solver.visit((step, run), &program, left, seat) {
                Err(StepError::Sandbox(ExecError::Command { .. })) => {}
                result => return result,
            }
        }
        let tried = candidates(&step.shell).into_iter().map(|mut program| program.swap_remove(0)).collect();
        Err(StepError::NoShell { tried })
    }
}

impl Solver<'_> {
    /// Runs `args` in the place of a step's command.
    fn visit(
        &self,
        (step, run): (&Step, &Run),
        args: &[String],
        left: Option<&Kept>,
        seat: Seat<'_>,
    ) -> Result<Status, StepError> {
        let (scratch, running) = (self.scratch()?, self.reporter.start(&step.name));
        let state = |root| self.state(root, &|_| State::scratch());
        let opened = state(step.from).open(self.store, self.work)?;
        let upper = left.map(Kept::upper);
        let ground = Ground::make(&opened, upper.as_deref(), (self.store, &scratch), self.cancel)?;
        let contents = self.mounted_contents(run, &state)?;
        let mounts = self.prepare(&Preparing {
            run,
            contents: &contents,
            state: &state,
            scratch: &scratch,
            caches: CacheUse::Looked,
            running: &running,
        })?;
        let network = self.network(run.network)?;
        let mut spec = self.spec(run, network.as_ref(), &ground, &mounts)?;
        spec.args = args.iter().map(OsString::from).collect();
        if seat.terminal.is_some() && !run.env.contains_key(TERM.0) {
            spec.env.push((TERM.0.into(), TERM.1.into()));
        }
        let group = self.cgroups.make(&self.options.limits.cgroup)?;
        let io = Io {
            stdin: Stdin::Inherit,
            output: Output::Inherit,
            terminal: seat.terminal,
            network: network.as_ref().map(Network::namespace),
            cgroup: group.as_ref(),
            signals: Some(seat.signals),
            foreground: true,
        };
        let keep: Vec<_> = [self.work.as_fd()].into_iter().chain(left.map(AsFd::as_fd)).collect();
        Ok(self.executor.run(&spec, io, &keep, self.cancel)?.status)
    }
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
