//! What a build read that is no image: what was fetched for it, and its contexts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::attest::{DigestSet, Material, Origin, directory_digest};
use crate::plan::{ContextId, ContextName, StepId};
use crate::tree::{Kind, TreePath};

use super::error::StepError;
use super::{Solver, needed_context};

/// What steps fetched, by the step and the address; all of it, also what the cache made needless.
#[derive(Debug, Default)]
pub(super) struct Materials(Mutex<BTreeMap<(usize, String), DigestSet>>);

impl Materials {
    /// Notes something that a step fetched.
    pub(super) fn note(&self, step: usize, Origin { uri, digest }: Origin) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert((step, uri), digest);
    }
}

impl Solver<'_> {
    /// What these steps of the plan read: their contexts, and what was fetched for them. All files of a context of the
    /// user's are read, as far as they have not been: what it was is what a step could have read, not what it did read.
    pub fn materials(&self, steps: &[StepId]) -> Result<Vec<Material>, StepError> {
        let mut materials = Vec::new();
        let contexts = steps.iter().filter_map(|id| needed_context(&self.plan.step(*id).kind));
        for id in contexts.collect::<BTreeSet<_>>() {
            materials.push(match &self.options.contexts[id.0 as usize].origin {
                Some(origin) => Material::Public(origin.clone()),
                None => self.local(id)?,
            });
        }
        let fetched = self.materials.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fetched = fetched.iter().filter(|((step, _), _)| steps.contains(&StepId(*step as u32)));
        let fetched: BTreeMap<&String, &DigestSet> =
            fetched.map(|((_, uri), digest)| (uri, digest)).collect();
        let fetched = fetched.into_iter().map(|(uri, digest)| (uri.clone(), digest.clone()));
        materials.extend(fetched.map(|(uri, digest)| Material::Public(Origin { uri, digest })));
        Ok(materials)
    }

    fn local(&self, id: ContextId) -> Result<Material, StepError> {
        let index = self.context(id)?.index(&[TreePath::root()], &[])?;
        let files = index.entries().iter().filter_map(|entry| match entry.kind {
            Kind::File { digest, .. } => Some((entry.path.as_bytes(), digest)),
            _ => None,
        });
        let name = match &self.plan.contexts[id.0 as usize] {
            ContextName::Main => "context".to_owned(),
            ContextName::Named(name) => name.clone(),
        };
        Ok(Material::Local { name, digest: directory_digest(files) })
    }
}
