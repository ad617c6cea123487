//! Rules on short files, where the pages' examples do not show enough: what must not fire, and what is known of images.

use std::collections::BTreeMap;

use crate::diagnostic::Source;
use crate::dockerfile;
use crate::oci::{Config, ImageConfig};
use crate::plan::tests::fixtures::options;
use crate::plan::{BaseImage, ImageKey, NamedContext, Options};

use super::{Extent, Input, Report, check};

/// What is found, `line Rule` each; the image `base` is known, sets `HOME_OF_BASE` and has triggers.
fn found(text: &str, extent: Extent, target: Option<&str>, build_args: &[&str]) -> Vec<String> {
    let options = Options {
        build_args: build_args.iter().map(|name| ((*name).to_owned(), "1".to_owned())).collect(),
        target: target.map(str::to_owned),
        ..options()
    };
    let report = report(text, extent, &options);
    let source = Source::new("Dockerfile", text);
    let line = |finding: &super::Finding| {
        let place = finding.diagnostic.span.map_or(0, |span| source.location(span.start).line);
        format!("{place} {}", finding.rule.name)
    };
    report.findings.iter().map(line).collect()
}

fn report(text: &str, extent: Extent, options: &Options) -> Report {
    let on_build = ["ARG of_trigger", "ENV SET_BY_TRIGGER=1", "WORKDIR /w", "COPY --from=of_trigger /f /"];
    let config = Config {
        env: vec!["HOME_OF_BASE=/b".into()],
        on_build: on_build.map(str::to_owned).to_vec(),
        ..Config::default()
    };
    let config = ImageConfig { config, ..ImageConfig::default() };
    let base = BaseImage { name: "base".into(), config, manifest: None, is_public: false };
    let key = ImageKey { reference: "base:1".to_owned(), platform: options.platform.clone() };
    let source = Source::new("Dockerfile", text);
    let parsed = dockerfile::parse(&source).expect("the syntax is right");
    let input = Input {
        source: &source,
        parsed: &parsed,
        options,
        bases: &BTreeMap::from([(key, base)]),
        context: None,
        extent,
    };
    check(&input).expect("the options of the check are right")
}

fn in_build(text: &str) -> Vec<String> {
    found(text, Extent::Build, None, &[])
}

#[test]
fn variables_of_known_images_are_defined() {
    assert_eq!(in_build("FROM base:1\nLABEL a=$HOME_OF_BASE b=$OTHER\n"), ["2 UndefinedVar"]);
    // Nobody knows what this image sets, unless a name is one of the file's own, or near to one.
    let unknown =
        "ARG GLOBAL=1\nFROM other:1\nENV DIRECTORY=/d\nLABEL a=$ANY b=$DIRECTROY c=$GLOBAL d=$PATH\n";
    assert_eq!(in_build(unknown), ["4 UndefinedVar", "4 UndefinedVar"]);
    let inherited = "FROM scratch AS a\nENV A=1\nFROM a AS b\nLABEL a=$A b=$B\n";
    assert_eq!(in_build(inherited), ["4 UndefinedVar"]);
    assert_eq!(in_build("FROM scratch\nARG a\nLABEL a=$a b=${b:-c} c=${d+e}\n"), Vec::<String>::new());
    assert_eq!(in_build("FROM scratch\nCOPY <<E /f\n$a\nE\nRUN --mount=type=cache,target=$b x\n").len(), 2);
}

#[test]
fn triggers_come_before_the_instructions_of_a_stage() {
    let text =
        "FROM scratch AS of_trigger\nWORKDIR first\nFROM base:1\nLABEL a=$SET_BY_TRIGGER b=$B\nWORKDIR w\n";
    assert_eq!(in_build(text), ["2 WorkdirRelativePath", "4 UndefinedVar"]);
    assert_eq!(found(text, Extent::Build, None, &["of_trigger"]), in_build(text));
    let text = "FROM scratch AS a\nONBUILD ENV A=1\nLABEL a=$A\nFROM a\nLABEL a=$A\n";
    assert_eq!(in_build(text), ["3 UndefinedVar"]);
}

#[test]
fn stages_that_nobody_needs_are_checked_only_by_checks_without_a_target() {
    let text =
        "FROM scratch AS a\nLABEL a=$x\nFROM scratch AS b\nLABEL a=$x\nFROM scratch\nCOPY --from=b /f /\n";
    assert_eq!(in_build(text), ["4 UndefinedVar"]);
    assert_eq!(found(text, Extent::Check, None, &[]), ["2 UndefinedVar", "4 UndefinedVar"]);
    assert_eq!(found(text, Extent::Check, Some("a"), &[]), ["2 UndefinedVar"]);
}

#[test]
fn what_stands_in_for_a_stage_or_an_image_counts_instead() {
    let text = "FROM other AS a\nLABEL a=$x\nFROM a\nLABEL a=$HOME_OF_BASE b=$SET_BY_TRIGGER c=$x\n";
    let rules = |name: &str, context: NamedContext, extent| {
        let options = Options { contexts: BTreeMap::from([(name.to_owned(), context)]), ..options() };
        let found = report(text, extent, &options).findings;
        found.iter().map(|finding| finding.rule.name).collect::<Vec<_>>()
    };
    let base = || NamedContext::Image("base:1".to_owned());
    assert_eq!(rules("a", base(), Extent::Check), ["UndefinedVar"]);
    assert_eq!(rules("other", base(), Extent::Check), ["UndefinedVar", "UndefinedVar"]);
    let undefined = ["UndefinedVar"; 3];
    assert_eq!(rules("a", NamedContext::Files, Extent::Build), undefined);
    assert_eq!(rules("a", NamedContext::Image("scratch".to_owned()), Extent::Build), undefined);
    // Nothing is known of the image as it is written.
    assert_eq!(rules("unused", base(), Extent::Check), ["UnpinnedBaseImage"]);
}

#[test]
fn stages_to_build_anew_must_be_there() {
    let names = ["one", "stage-1", "tow", "stage-0"].map(str::to_owned).to_vec();
    let options = Options { no_cache_stages: names, ..options() };
    let hints = report("FROM scratch AS ONE\nFROM scratch\n", Extent::Build, &options).hints;
    let messages: Vec<&str> = hints.iter().map(|hint| hint.message.as_str()).collect();
    let without_effect =
        |name: &str| format!("`--no-cache-filter={name}` has no effect: there is no stage of that name");
    assert_eq!(messages, [without_effect("tow"), without_effect("stage-0")]);
}

#[test]
fn build_arguments_are_consumed_by_args_only() {
    let text = "ARG a\nFROM scratch AS x\nARG b\nONBUILD ARG c\nFROM scratch\n";
    let with = |names: &[&str]| found(text, Extent::Build, None, names);
    assert_eq!(
        with(&["a", "b", "c", "http_proxy", "BUILDKIT_INLINE_CACHE", "TARGETARCH"]),
        Vec::<String>::new()
    );
    assert_eq!(with(&["d", "e"]), ["0 BuildArgNotConsumed"]);
}

#[test]
fn the_first_workdir_decides() {
    let text =
        "FROM scratch AS a\nWORKDIR /a\nFROM a AS b\nWORKDIR b\nFROM scratch AS c\nWORKDIR c\nWORKDIR d\n";
    assert_eq!(found(text, Extent::Check, None, &[]), ["6 WorkdirRelativePath"]);
}

#[test]
fn shells_that_are_chosen_are_meant() {
    let text = "FROM scratch\nSHELL [\"powershell\"]\nRUN cd x\nCMD y z\n";
    assert_eq!(in_build(text), Vec::<String>::new());
}

#[test]
fn what_only_looks_like_a_mistake_is_none() {
    for text in [
        "FROM alpine:3\nRUN cd /x && make\n",
        "FROM alpine:3\nRUN cd /x && pwd > f\n",
        "FROM debian:12 AS a\nRUN apt-get update && ./install\n",
        "FROM debian:12\nRUN curl x | bash - && apt-get install -y y && rm -rf /var/lib/apt/lists\n",
        "FROM debian:12\nRUN apt-get install -y ./local.deb\n",
        "FROM debian:12 AS build\nRUN apt-get update && apt-get install -y gcc\nFROM scratch\nCOPY --from=build /a /\n",
        "FROM debian:12\nRUN --mount=type=cache,target=/var/lib/apt apt-get update && apt-get install -y gcc\n",
        "FROM alpine:3\nENTRYPOINT exec x \"$@\"\nCMD [\"y\"]\n",
        "FROM alpine:3\nENV A=1\nARG A\n",
        "FROM alpine:3\nADD https://example.com/f /f\nADD *.tar* /x/\nADD $file /y/\n",
        "FROM node:20\nCOPY package.json .\nRUN npm ci && npm cache clean --force\nCOPY . .\nRUN npm run build\n",
        "FROM node:20\nCOPY . .\nRUN --mount=type=cache,target=/root/.npm npm ci\n",
        "FROM golang:1.22\nCOPY go.mod .\nRUN go mod download\nCOPY . .\nRUN go build\n",
        "FROM python:3.12\nENV PIP_NO_CACHE_DIR=1\nRUN pip install flask\n",
        "FROM alpine:3\nENV PUBLIC_KEY=1 TOKEN_FILE=/t MONKEY=2\n",
        "FROM alpine:3\nENV T=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n",
    ] {
        let found = found(text, Extent::Check, None, &[]);
        // A shell form is meant to be one here.
        let others: Vec<_> = found.iter().filter(|found| !found.ends_with("JSONArgsRecommended")).collect();
        assert!(others.is_empty(), "{others:?} in\n{text}");
    }
}
