//! WORKDIR: a directory that is made, with its parents, unless it is there.

use crate::cache::{self, Input, Observer};
use crate::plan::{Step, Workdir};
use crate::progress;
use crate::tree::Time;

use super::assemble::{Assembly, Manner};
use super::error::StepError;
use super::make::make;
use super::owner::{needs_accounts, resolve_owner};
use super::state::State;
use super::step::{Product, Request, text};
use super::{Solver, StepResult};

impl Solver<'_> {
    pub(super) fn workdir(
        &self,
        step: &Step,
        workdir: &Workdir,
        from: &State,
        running: &progress::Step<'_>,
    ) -> Result<StepResult, StepError> {
        if needs_accounts(&workdir.user) && from.layers.is_empty() {
            return Err(StepError::NoAccountsForUser { user: workdir.user.clone() });
        }
        let request = Request {
            step,
            from,
            action: cache::action("workdir", &step.kind, &[]),
            family: cache::family("workdir", text(step), &self.options.scope),
            inputs: vec![
                Input::new("the directory", workdir.path.to_string()),
                Input::new("the user", workdir.user.clone()),
            ],
            observes: true,
            // Making a directory again gives nothing new, so `--no-cache` leaves WORKDIR alone, as BuildKit does.
            cache: true,
        };
        self.cached_or(&request, running, |scratch| {
            let opened = from.open(self.store, self.work)?;
            let observer = Observer::new(&opened.view);
            let owner = resolve_owner(&workdir.user, &opened, &observer, running)?;
            let manner = Manner { owner: Some(owner), chmod: None, now: Time::from_seconds(now()) };
            let mut assembly = Assembly::new(&observer, manner);
            assembly.make_directory(&workdir.path)?;
            let placed = assembly.finish();
            let made = make(&placed, None, scratch.join("part"), None, self.cancel)?;
            Ok(Product { made, observed: observer.finish() })
        })
    }
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}
