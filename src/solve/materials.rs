//! What a build read that is no image: what was fetched for it, and its contexts.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::attest::{DigestSet, Material, Origin, directory_digest};
use crate::plan::{ContextId, ContextName};
use crate::tree::{Kind, TreePath};

use super::Solver;
use super::error::StepError;

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
    /// The first `contexts` of the plan's contexts, and what its steps fetched. All files of a context of the user's
    /// are read, as far as they have not been: what it was is what a step could have read, not what it did read.
    pub fn materials(&self, contexts: usize) -> Result<Vec<Material>, StepError> {
        let mut materials = Vec::new();
        for number in 0..contexts {
            materials.push(match &self.options.contexts[number].origin {
                Some(origin) => Material::Public(origin.clone()),
                None => self.local(ContextId(number as u32))?,
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
