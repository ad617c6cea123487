//! Networks for the RUNs of a plan. The first is begun as soon as it is clear that a RUN will want it, and all are taken
//! down as soon as none will: both take long, and other steps, layers and exports can be made meanwhile.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::cache;
use crate::network::{Network, NetworkError, Networks};
use crate::plan::{NetworkMode, Plan, Run, Step, StepKind};
use crate::store::Store;

use super::needed_steps;

/// The networks with what the plan still wants of them.
pub(super) struct Connections<'a> {
    networks: &'a Networks,
    /// RUNs with a network of their own that did not take one and did not turn out to be cached.
    left: AtomicUsize,
    /// For each step, whether it is such a RUN or comes before one.
    ahead: Vec<bool>,
}

impl<'a> Connections<'a> {
    pub(super) fn new(plan: &Plan, networks: &'a Networks) -> Self {
        let left = plan.steps.iter().filter(|step| connected(step).is_some()).count();
        Self { networks, left: AtomicUsize::new(left), ahead: before_connected(&plan.steps) }
    }

    /// Begins the first network if one of the `steps` will want it whatever the others come to: its command never ran,
    /// or is to run anew.
    pub(super) fn foresee<'s>(
        &self,
        mut steps: impl Iterator<Item = &'s Step>,
        no_cache: bool,
        store: &Store,
    ) {
        let never_ran = |step: &Step, run: &Run| {
            // With files mounted only the steps before it tell what it does.
            let known = run.mounts.iter().all(|mount| mount.content().is_none());
            let action = || cache::action("run", &step.kind, &[]);
            known && store.records_of_action(&action(), 1).is_ok_and(|records| records.is_empty())
        };
        let wanted = |step: &Step| {
            connected(step).is_some_and(|run| no_cache || step.no_cache || never_ran(step, run))
        };
        if steps.any(wanted) {
            self.networks.begin();
        }
    }

    /// A step is not cached, so the RUNs after it will hardly be.
    pub(super) fn missed(&self, step: usize) {
        if self.ahead[step] {
            self.networks.begin();
        }
    }

    /// A network for a command, see [`Networks::take_or_tell`].
    pub(super) fn take(&self, tell: impl FnOnce(String)) -> Result<Option<Network<'a>>, NetworkError> {
        let network = self.networks.take_or_tell(tell);
        self.count_off();
        network
    }

    /// A RUN turned out to be cached.
    pub(super) fn pass(&self, run: &Run) {
        if run.network == NetworkMode::Private {
            self.count_off();
            self.close_unwanted();
        }
    }

    /// Begins to take down what is free if nobody will want it.
    pub(super) fn close_unwanted(&self) {
        if self.left.load(Ordering::Acquire) == 0 {
            self.networks.begin_close();
        }
    }

    fn count_off(&self) {
        let _ = self.left.fetch_update(Ordering::AcqRel, Ordering::Acquire, |left| left.checked_sub(1));
    }
}

/// A step that is a RUN with a network of its own.
fn connected(step: &Step) -> Option<&Run> {
    match &step.kind {
        StepKind::Run(run) if run.network == NetworkMode::Private => Some(run),
        _ => None,
    }
}

/// For each step whether it is a RUN with a network of its own or one such needs it. A step comes after all that it
/// needs.
fn before_connected(steps: &[Step]) -> Vec<bool> {
    let mut ahead: Vec<bool> = steps.iter().map(|step| connected(step).is_some()).collect();
    for (number, step) in steps.iter().enumerate().rev() {
        if ahead[number] {
            for needed in needed_steps(step) {
                ahead[needed] = true;
            }
        }
    }
    ahead
}
