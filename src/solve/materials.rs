//! What a build read that is no image: what was fetched for it, and its contexts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use crate::attest::{DigestSet, Material, Origin, directory_digest};
use crate::plan::{ContextId, ContextName};
use crate::tree::{Kind, TreePath};

use super::error::StepError;
use super::{Solver, needed_context};

/// What steps fetched, by its address; all of it, also what the cache made needless.
#[derive(Debug, Default)]
pub(super) struct Materials(Mutex<BTreeMap<String, DigestSet>>);

impl Materials {
    /// Notes something that a step fetched.
    pub(super) fn note(&self, Origin { uri, digest }: Origin) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(uri, digest);
    }
}

impl Solver<'_> {
    /// The contexts that the first `steps` of the plan's steps read, and what was fetched. All files of a context of the
    /// user's are read, as far as they have not been: what it was is what a step could have read, not what it did read.
    pub fn materials(&self, steps: usize) -> Result<Vec<Material>, StepError> {
        let mut materials = Vec::new();
        let contexts = self.plan.steps[..steps].iter().filter_map(|step| needed_context(&step.kind));
        for id in contexts.collect::<BTreeSet<_>>() {
            materials.push(match &self.options.contexts[id.0 as usize].origin {
                Some(origin) => Material::Public(origin.clone()),
                None => self.local(id)?,
            });
        }
        let fetched = self.materials.0.lock().unwrap_or_else(PoisonError::into_inner);
        let fetched = fetched.iter().map(|(uri, digest)| Origin { uri: uri.clone(), digest: digest.clone() });
        materials.extend(fetched.map(Material::Public));
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
