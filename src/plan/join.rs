//! Plans of one file for several platforms as one plan: what is equal in them is done once.
//!
//! Work is equal if it is the same kind of step on the same root; images are if they are needed under one name for one
//! platform. So what runs on the machine's own platform and does not ask for the target's is shared by all.

use std::collections::HashMap;

use super::{
    BaseId, ContextId, HistoryItem, ImageKey, Mount, MountKind, Place, Plan, Root, Scans, Step, StepId,
    StepKind, Target,
};

/// Several plans as one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joint {
    /// The work of all. Its target is that of the first.
    pub plan: Plan,
    /// For each of the plans, which step of [`Joint::plan`] each of its steps is.
    pub steps: Vec<Vec<StepId>>,
}

/// Puts plans together, of which there is at least one.
pub fn join(plans: &[&Plan]) -> Joint {
    let mut joint = Growing::default();
    let mut steps = Vec::with_capacity(plans.len());
    let mut target = None;
    for plan in plans {
        let places = joint.add(plan);
        target.get_or_insert_with(|| places.target(&plan.target));
        steps.push(places.steps);
    }
    let Growing { bases, contexts, steps: all, .. } = joint;
    let Some(target) = target else { unreachable!("there is a plan to begin with") };
    // Scans are steps of the plans by now, or nobody wants any.
    let scans = Scans::default();
    Joint { plan: Plan { bases, contexts, steps: all, target, scans }, steps }
}

#[derive(Default)]
struct Growing {
    bases: Vec<super::Base>,
    base_ids: HashMap<ImageKey, BaseId>,
    contexts: Vec<super::ContextName>,
    steps: Vec<Step>,
    /// The steps from each root.
    from: HashMap<Root, Vec<StepId>>,
}

impl Growing {
    fn add(&mut self, plan: &Plan) -> Places {
        let mut places = Places::default();
        for base in &plan.bases {
            let id = *self.base_ids.entry(base.key.clone()).or_insert_with(|| {
                self.bases.push(base.clone());
                BaseId(self.bases.len() as u32 - 1)
            });
            let there = &mut self.bases[id.0 as usize];
            there.name = common_name(&there.name, &base.name);
            places.bases.push(id);
        }
        for context in &plan.contexts {
            let known = self.contexts.iter().position(|there| there == context);
            let number = known.unwrap_or_else(|| {
                self.contexts.push(context.clone());
                self.contexts.len() - 1
            });
            places.contexts.push(ContextId(number as u32));
        }
        for step in &plan.steps {
            let id = self.step(places.step(step));
            places.steps.push(id);
        }
        places
    }

    fn step(&mut self, step: Step) -> StepId {
        let siblings = self.from.entry(step.from).or_default();
        if let Some(&id) = siblings.iter().find(|id| self.steps[id.0 as usize].kind == step.kind) {
            let there = &mut self.steps[id.0 as usize];
            there.no_cache |= step.no_cache;
            there.name = common_name(&there.name, &step.name);
            return id;
        }
        let id = StepId(self.steps.len() as u32);
        siblings.push(id);
        self.steps.push(step);
        id
    }
}

/// What stands between the platform of a stage and that of the image that it is for.
pub(super) const FOR: &str = "->";

/// What is shown of something that is done for both: `[linux/amd64->arm64 1/2] RUN x` is not for one of the two.
fn common_name(one: &str, other: &str) -> String {
    if one == other {
        return one.to_owned();
    }
    let (platform, rest) = one.split_once(' ').unwrap_or((one, ""));
    match platform.split_once(FOR) {
        Some((own, _)) if platform.starts_with('[') => format!("{own} {rest}"),
        _ => one.to_owned(),
    }
}

/// Where the parts of one plan are in the joint one.
#[derive(Default)]
struct Places {
    bases: Vec<BaseId>,
    contexts: Vec<ContextId>,
    steps: Vec<StepId>,
}

impl Places {
    fn root(&self, root: Root) -> Root {
        match root {
            Root::Scratch => Root::Scratch,
            Root::Base(id) => Root::Base(self.bases[id.0 as usize]),
            Root::Step(id) => Root::Step(self.steps[id.0 as usize]),
        }
    }

    fn step(&self, step: &Step) -> Step {
        let mut step = step.clone();
        step.from = self.root(step.from);
        match &mut step.kind {
            StepKind::Copy(copy) => {
                copy.from = match copy.from {
                    Place::Context(id) => Place::Context(self.contexts[id.0 as usize]),
                    Place::Root(root) => Place::Root(self.root(root)),
                };
            }
            StepKind::Run(run) => run.mounts.iter_mut().for_each(|mount| self.mount(mount)),
            StepKind::Workdir(_) => {}
        }
        step
    }

    fn mount(&self, mount: &mut Mount) {
        match &mut mount.kind {
            MountKind::Bind(bind) => bind.from = self.root(bind.from),
            MountKind::Cache(cache) => {
                if let Some(seed) = &mut cache.seed {
                    seed.from = self.root(seed.from);
                }
            }
            MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh(_) => {}
        }
    }

    fn target(&self, target: &Target) -> Target {
        let history = target
            .history
            .iter()
            .map(|item| HistoryItem { step: item.step.map(|id| self.steps[id.0 as usize]), ..item.clone() });
        Target {
            root: self.root(target.root),
            base: target.base.map(|id| self.bases[id.0 as usize]),
            history: history.collect(),
            ..target.clone()
        }
    }
}
