//! The steps and bases of a plan while it grows. Equal work becomes one step, one image becomes one base.

use std::collections::{BTreeMap, HashMap};

use crate::diagnostic::Span;
use crate::oci::Platform;

use super::{Base, BaseId, BaseImage, ContextId, ContextName, ImageKey, Images, Root, Step, StepId};

/// A growing plan.
#[derive(Debug)]
pub(super) struct Graph<'i> {
    images: &'i Images,
    bases: Vec<Base>,
    base_ids: HashMap<(&'i str, Platform), BaseId>,
    contexts: Vec<ContextName>,
    steps: Vec<Step>,
    /// The last step from each root, and the one before it from the same root, by step. They are few: a root is mostly
    /// the one before.
    last_from: BTreeMap<Root, StepId>,
    before: Vec<Option<StepId>>,
}

impl<'i> Graph<'i> {
    /// An empty plan that may use these images, by reference.
    pub(super) fn new(images: &'i Images) -> Self {
        Self {
            images,
            bases: Vec::new(),
            base_ids: HashMap::new(),
            contexts: Vec::new(),
            steps: Vec::new(),
            last_from: BTreeMap::new(),
            before: Vec::new(),
        }
    }

    /// The image that was found; `None` if nobody looked for it.
    pub(super) fn image(&self, key: &ImageKey) -> Option<&'i BaseImage> {
        self.images.get(key)
    }

    /// The base for `image`. A new one is called by `name`.
    pub(super) fn base(&mut self, image: &'i BaseImage, key: ImageKey, name: String, span: Span) -> BaseId {
        *self.base_ids.entry((&image.name, key.platform.clone())).or_insert_with(|| {
            self.bases.push(Base { key, name, span });
            BaseId(self.bases.len() as u32 - 1)
        })
    }

    /// The context of this name.
    pub(super) fn context(&mut self, name: ContextName) -> ContextId {
        let known = self.contexts.iter().position(|context| *context == name);
        let number = known.unwrap_or_else(|| {
            self.contexts.push(name);
            self.contexts.len() - 1
        });
        ContextId(number as u32)
    }

    /// What a context is called.
    pub(super) fn context_name(&self, id: ContextId) -> &ContextName {
        &self.contexts[id.0 as usize]
    }

    /// The number of a step; that of the earlier one, if one does the same to the same root.
    pub(super) fn step(&mut self, step: Step) -> StepId {
        let last = self.last_from.get(&step.from).copied();
        let mut siblings = std::iter::successors(last, |id| self.before[id.0 as usize]);
        if let Some(id) = siblings.find(|id| self.steps[id.0 as usize].kind == step.kind) {
            self.steps[id.0 as usize].no_cache |= step.no_cache;
            return id;
        }
        let id = StepId(self.steps.len() as u32);
        self.last_from.insert(step.from, id);
        self.before.push(last);
        self.steps.push(step);
        id
    }

    /// The bases, contexts and steps.
    pub(super) fn finish(self) -> (Vec<Base>, Vec<ContextName>, Vec<Step>) {
        (self.bases, self.contexts, self.steps)
    }
}
