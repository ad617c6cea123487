//! What BuildKit does, number by number: `testdata/conformance`, one file for each section of the checklist of
//! BuildKit's behaviour, each case with its number. All cases use one store at the same time.

mod list;

use std::sync::Arc;

use crate::support::case::{self, Case, Outcome, State};
use crate::support::env::Env;
use crate::support::registry::Registry;
use crate::support::server::Server;
use crate::support::user::User;

/// Numbers whose behaviour is not there yet. A case of one that passes all the same is a failure: the list only
/// shrinks.
const NOT_YET: &[u16] = &[];

/// The numbers that the cases must have: language, variables, stages, config, triggers, files, heredocs,
/// mounts; ignore files; outputs, contexts and calls; what of mounts counts for keys.
fn wanted() -> impl Iterator<Item = u16> {
    (1..=205).chain(222..=255).chain([257, 259, 260, 261, 262])
}

#[test]
fn every_number_of_the_checklist_holds() {
    check_all(Env::new(), &[]);
}

#[test]
fn every_number_holds_for_an_ordinary_user() {
    // A user makes no devices.
    check_all(Env::as_user(User::with_ranges()), &[238]);
}

fn check_all(env: Env, but: &[u16]) {
    let mut cases = case::load("conformance");
    cases.retain(|case| !but.contains(&number(case)));
    env.add_busybox();
    let env = Arc::new(env);
    let registry = Registry::plain();
    let server = Arc::new(Server::start(&env).beside(registry.host()));
    let failures = case::run_each(&mut cases, |case| {
        let number = number(case);
        let mut state = State::shared(&env, &server, &format!("c{number:03}"));
        if !NOT_YET.contains(&number) {
            return case.check(&mut state);
        }
        let passes = matches!(case.clone().run(&mut state), Outcome::Passed);
        passes.then(|| format!("C{number:03} passes: take it off the list of those that are not there yet"))
    });
    case::finish(&cases, &failures);
}

/// The number in a title `=== C012 …`.
fn number(case: &Case) -> u16 {
    let word = case.title.strip_prefix("=== ").and_then(|rest| rest.split_whitespace().next());
    let number = word.and_then(list::number);
    number.unwrap_or_else(|| panic!("no number in `{}`", case.title.trim_end()))
}
