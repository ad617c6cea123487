//! Which images a file needs.

use std::collections::BTreeMap;

use super::fixtures::{options, parse, plan};
use crate::plan::{Root, bases};

#[test]
fn only_what_the_target_needs_is_asked_for() {
    let cases: [(&str, Option<&str>, &[&str]); 8] = [
        ("FROM scratch", None, &[]),
        ("ARG V=3\nFROM bb:$V", None, &["bb:3"]),
        ("FROM no-such AS unused\nFROM bb", None, &["bb"]),
        ("FROM bb AS a\nFROM a AS b\nFROM full", Some("b"), &["bb"]),
        ("FROM full AS a\nFROM bb\nCOPY --from=a /x /x\nCOPY --from=img /y /y", None, &["full", "bb", "img"]),
        ("FROM bb\nCOPY --from=bb /x /x\nCOPY --from=0x /x /x", None, &["bb", "0x"]),
        ("FROM img AS bb\nFROM bb", None, &["img"]),
        ("FROM bb AS bb\nRUN x\nFROM scratch\nCOPY --from=BB / /", None, &["bb"]),
    ];
    for (text, target, expected) in cases {
        let options = crate::plan::Options { target: target.map(str::to_owned), ..options() };
        let found = bases(&parse(text), &options, &BTreeMap::new()).unwrap();
        let found: Vec<&str> = found.iter().map(|base| base.reference.as_str()).collect();
        assert_eq!(found, expected, "{text}");
    }
}

#[test]
fn the_place_of_an_image_is_its_name() {
    let text = "FROM bb AS x\nCOPY --from=img /a /b\n";
    let places: Vec<&str> = bases(&parse(text), &options(), &BTreeMap::new())
        .unwrap()
        .iter()
        .map(|base| &text[base.span.range()])
        .collect();
    assert_eq!(places, ["bb", "img"]);
}

#[test]
fn stages_that_are_not_needed_may_be_wrong() {
    let text =
        "FROM $nothing AS a\nFROM no-such AS b\nEXPOSE x\nCOPY --from=9 a b\nFROM bb\nRUN x\nFROM no-such";
    let options = crate::plan::Options { target: Some("c".into()), ..options() };
    let plan = plan(&text.replace("FROM bb", "FROM bb AS c"), &options).unwrap();
    assert_eq!(plan.steps.len(), 1);
}

#[test]
fn two_names_of_one_image_are_one_base() {
    let text = "FROM bb AS a\nRUN x\nFROM docker.io/library/bb:latest\nCOPY --from=a /x /x";
    let plan = plan(text, &options()).unwrap();
    assert_eq!(plan.bases.len(), 1);
    assert_eq!(plan.steps[0].from, plan.steps[1].from);
    assert!(matches!(plan.steps[0].from, Root::Base(_)));
}
