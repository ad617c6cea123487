//! What a build read that is no image: what was fetched for it, and its contexts.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::sync::{Mutex, PoisonError};

use crate::attest::{DigestSet, Material, Origin, directory_digest};
use crate::plan::{ContextId, ContextName, StepId};
use crate::tree::{Kind, TreePath};

use super::error::StepError;
use super::{Solver, needed_context};

/// What steps fetched, and what contexts were.
#[derive(Debug, Default)]
pub(super) struct Materials {
    /// What each step fetched; all of it, also what the cache made needless. One address may have had two contents.
    fetched: Mutex<BTreeSet<(usize, Origin)>>,
    /// The digests of the contexts that were asked for.
    contexts: Mutex<BTreeMap<ContextId, DigestSet>>,
}

impl Materials {
    /// Notes something that a step fetched.
    pub(super) fn note(&self, step: usize, origin: Origin) {
        self.fetched.lock().unwrap_or_else(PoisonError::into_inner).insert((step, origin));
    }

    /// What these steps fetched, each thing once.
    fn fetched_by(&self, steps: &[StepId]) -> BTreeSet<Origin> {
        let fetched = self.fetched.lock().unwrap_or_else(PoisonError::into_inner);
        let own = fetched.iter().filter(|(step, _)| steps.contains(&StepId(*step as u32)));
        own.map(|(_, origin)| origin.clone()).collect()
    }
}

impl Solver<'_> {
    /// What these steps of the plan read: their contexts, and what was fetched for them. With `digests`, all files of a
    /// context of the user's are read, as far as they have not been: what it was is what a step could have read, not
    /// what it did read. A context of which no digest can be had goes without, and with a warning.
    pub fn materials(&self, steps: &[StepId], digests: bool) -> Vec<Material> {
        let contexts = steps.iter().filter_map(|id| needed_context(&self.plan.step(*id).kind));
        let contexts = contexts.collect::<BTreeSet<_>>().into_iter().map(|id| {
            let origin = self.options.contexts.get(id.0 as usize).and_then(|context| context.origin.clone());
            origin.map_or_else(|| self.local(id, digests), Material::Public)
        });
        contexts.chain(self.materials.fetched_by(steps).into_iter().map(Material::Public)).collect()
    }

    fn local(&self, id: ContextId, digests: bool) -> Material {
        let name = match &self.plan.contexts[id.0 as usize] {
            ContextName::Main => "context".to_owned(),
            ContextName::Named(name) => name.clone(),
        };
        if !digests {
            return Material::Local { name, digest: DigestSet::new() };
        }
        let mut known = self.materials.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let digest = known.entry(id).or_insert_with(|| {
            self.directory_digest(id).unwrap_or_else(|error| {
                self.reporter
                    .warn(format!("the provenance has no digest of `{name}`: {}", in_a_line(&error)));
                DigestSet::new()
            })
        });
        Material::Local { name, digest: digest.clone() }
    }

    fn directory_digest(&self, id: ContextId) -> Result<DigestSet, StepError> {
        let index = self.context(id)?.index(&[TreePath::root()], &[])?;
        let files = index.entries().iter().filter_map(|entry| match entry.kind {
            Kind::File { digest, .. } => Some((entry.path.as_bytes(), digest)),
            _ => None,
        });
        Ok(directory_digest(files))
    }
}

/// An error with its causes.
fn in_a_line(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(error.source(), |&cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_may_have_had_two_contents() {
        let origin = |digest: &str| Origin {
            uri: "https://example.org/a".to_owned(),
            digest: DigestSet::from([("sha256".to_owned(), digest.to_owned())]),
        };
        let materials = Materials::default();
        for (step, digest) in [(0, "1"), (0, "2"), (1, "2"), (2, "3")] {
            materials.note(step, origin(digest));
        }
        let found = materials.fetched_by(&[StepId(0), StepId(1)]);
        assert_eq!(found, BTreeSet::from([origin("1"), origin("2")]));
    }
}
