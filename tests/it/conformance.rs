//! What BuildKit does, number by number: `testdata/conformance`, one file for each section of the checklist of
//! BuildKit's behaviour, each case with its number. All cases use one store at the same time.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use crate::support::case::{self, Case, Outcome, State};
use crate::support::env::Env;
use crate::support::server::Server;
use crate::support::user::User;

/// Numbers whose behaviour is not there yet. A case of one that passes all the same is a failure: the list only
/// shrinks.
const NOT_YET: &[u16] = &[122, 165, 166, 167, 168, 169, 170];

/// The numbers that the cases must have: language, variables, stages, config, triggers, files, heredocs; ignore files; calls.
fn wanted() -> impl Iterator<Item = u16> {
    (1..=182).chain(222..=229).chain([255])
}

#[test]
fn every_number_of_the_checklist_holds() {
    check_all(Env::new());
}

#[test]
fn every_number_holds_for_an_ordinary_user() {
    check_all(Env::as_user(User::with_ranges()));
}

fn check_all(env: Env) {
    let mut cases = case::load("conformance");
    env.add_busybox();
    let env = Arc::new(env);
    let server = Arc::new(Server::start(&env));
    let covered = Mutex::new(BTreeSet::new());
    let mut failures = case::run_each(&mut cases, |case| {
        let number = number(case);
        assert!(covered.lock().unwrap().insert(number), "C{number:03} is there twice");
        let mut state = State::shared(&env, &server, &format!("c{number:03}"));
        if !NOT_YET.contains(&number) {
            return case.check(&mut state);
        }
        let passes = matches!(case.clone().run(&mut state), Outcome::Passed);
        passes.then(|| format!("C{number:03} passes: take it off the list of those that are not there yet"))
    });
    let covered = covered.into_inner().unwrap();
    let missing: Vec<u16> = wanted().filter(|number| !covered.contains(number)).collect();
    if !missing.is_empty() {
        failures.push(format!("no cases for {missing:?}"));
    }
    println!("covered: {}", ranges(&covered));
    case::finish(&cases, &failures);
}

/// The number in a title `=== C012 …`.
fn number(case: &Case) -> u16 {
    let word = case.title.strip_prefix("=== C").and_then(|rest| rest.split_whitespace().next());
    let number = word.and_then(|word| word.parse().ok());
    number.unwrap_or_else(|| panic!("no number in `{}`", case.title.trim_end()))
}

/// Numbers with neighbours joined: `C001–C003, C007`.
fn ranges(numbers: &BTreeSet<u16>) -> String {
    let numbers: Vec<u16> = numbers.iter().copied().collect();
    let runs = numbers.chunk_by(|one, next| one + 1 == *next);
    let shown = runs.map(|run| match run {
        [only] => format!("C{only:03}"),
        run => format!("C{:03}–C{:03}", run[0], run[run.len() - 1]),
    });
    shown.collect::<Vec<String>>().join(", ")
}
