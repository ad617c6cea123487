//! What proves each number of the checklist: the case that builds it, and the twins of `testdata/dockerfiles` that show
//! what is read. Their names begin with the number, as `C012-directive-after-comment.dockerfile` does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::RangeInclusive;
use std::path::Path;

use super::{NOT_YET, wanted};
use crate::support::case;

/// Numbers that the text alone decides, lines with their directives and heredocs: they must have a twin too.
const READ: [RangeInclusive<u16>; 2] = [1..=31, 172..=182];

/// What there is for a number.
#[derive(Default)]
struct Proofs {
    /// Titles of cases.
    cases: Vec<String>,
    /// Folders and names.
    twins: BTreeSet<String>,
}

/// Prints the list too.
#[test]
fn the_list_has_every_number() {
    let mut proofs = proofs();
    let mut wrong = Vec::new();
    let mut list = String::new();
    for number in wanted() {
        let Proofs { cases, twins } = proofs.remove(&number).unwrap_or_default();
        if cases.len() != 1 {
            wrong.push(format!("C{number:03} has {} cases", cases.len()));
        }
        if twins.is_empty() && READ.iter().any(|numbers| numbers.contains(&number)) {
            wrong.push(format!("C{number:03} has no twin"));
        }
        let not_yet = if NOT_YET.contains(&number) { "not there yet: " } else { "" };
        list.extend(cases.iter().map(|about| format!("C{number:03} {not_yet}{about}\n")));
        list.extend(twins.iter().map(|twin| format!("     {twin}\n")));
    }
    wrong.extend(proofs.keys().map(|number| format!("C{number:03} is not wanted")));
    println!("{list}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// By number, from the cases' titles and the twins' names.
fn proofs() -> BTreeMap<u16, Proofs> {
    let mut proofs: BTreeMap<u16, Proofs> = BTreeMap::new();
    for case in case::load("conformance") {
        let title = case.title.trim_end().trim_start_matches("=== ");
        let about = title.split_once(' ').map_or("", |(_, about)| about);
        proofs.entry(super::number(&case)).or_default().cases.push(about.to_owned());
    }
    for folder in ["good", "bad"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles").join(folder);
        for entry in fs::read_dir(path).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            let Some(name) = name.strip_suffix(".dockerfile") else { continue };
            if let Some(number) = name.split('-').next().and_then(number) {
                proofs.entry(number).or_default().twins.insert(format!("{folder}/{name}"));
            }
        }
    }
    proofs
}

/// The number that is written `C012`.
pub(super) fn number(word: &str) -> Option<u16> {
    word.strip_prefix('C').filter(|digits| digits.len() == 3)?.parse().ok()
}
