//! Checks: every rule by the examples of its page, and the answers of `--check` and `--call` (`testdata/lint`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use strata::context::Dockerignore;
use strata::diagnostic::Source;
use strata::dockerfile;
use strata::lint::{self, Context, Extent, Input, RULES, Rule, Shown};
use strata::oci::{ImageConfig, Platform};
use strata::plan::{BaseImage, Chosen, ImageKey, NetworkMode, Options};

use crate::support::env::Env;

mod calls;
mod page;
mod sarif;

use page::{Block, Page};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Options that ask for nothing, on a machine that is always the same.
fn options() -> Options {
    let platform = || "linux/amd64".parse::<Platform>().unwrap();
    Options {
        build_args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        platform: platform(),
        build_platform: platform(),
        emulated: Vec::new(),
        chosen: Chosen::No,
        contexts: BTreeMap::new(),
        no_cache_stages: Vec::new(),
        network: NetworkMode::Host,
        host_network_allowed: false,
        insecure_allowed: false,
        circumstances: Vec::new(),
    }
}

#[test]
fn every_rule_has_its_page_and_every_page_its_rule() {
    let rules: BTreeSet<String> = RULES.iter().map(|rule| rule.name.to_owned()).collect();
    assert_eq!(rules.len(), RULES.len(), "a name is used twice");
    let files = fs::read_dir(root().join("docs/rules")).unwrap().map(|entry| entry.unwrap().path());
    let pages: BTreeSet<String> =
        files.map(|file| file.file_stem().unwrap().to_str().unwrap().to_owned()).collect();
    assert_eq!(pages, rules);
    let overview = fs::read_to_string(root().join("docs/checks.md")).unwrap();
    for rule in RULES {
        let shown = match rule.shown {
            Shown::Always => "builds and checks",
            Shown::InChecks => "checks",
            Shown::OnRequest => "on request",
        };
        let row = format!("| [{0}](rules/{0}.md) | {1} | {shown} |", rule.name, rule.description);
        assert!(overview.contains(&row), "docs/checks.md has no line\n{row}");
    }
}

#[test]
fn the_examples_of_pages_are_what_they_claim() {
    for rule in RULES {
        let page = Page::read(rule);
        assert!(!page.bad.is_empty() && !page.good.is_empty(), "{}: an example is missing", rule.name);
        for example in &page.bad {
            assert!(fires(rule, example), "{}: nothing is found in\n{}", rule.name, example.text);
            let skipped = Block { text: skipping(rule, &example.text), ..example.clone() };
            assert!(!fires(rule, &skipped), "{}: not skipped in\n{}", rule.name, skipped.text);
        }
        for example in &page.good {
            assert!(!fires(rule, example), "{}: something is found in\n{}", rule.name, example.text);
        }
        let shown = match rule.shown {
            Shown::Always => "shown in builds and checks.",
            Shown::InChecks => "shown by `strata build --check` only.",
            Shown::OnRequest => "experimental: shown only for those who ask",
        };
        assert!(
            page.kind.contains(shown),
            "{}: the page does not say when it is shown: {}",
            rule.name,
            page.kind
        );
        assert!(
            rule.url.is_none_or(|url| page.kind.contains(url)),
            "{}: the page lacks {:?}",
            rule.name,
            rule.url
        );
    }
}

fn skipping(rule: &Rule, text: &str) -> String {
    format!("# check=skip={};experimental={}\n{text}", rule.name, rule.name)
}

/// Whether a rule finds something in an example.
fn fires(rule: &Rule, example: &Block) -> bool {
    let directory = tempfile::tempdir().unwrap();
    for (path, size) in &example.files {
        let path = directory.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::File::create(path).unwrap().set_len(*size).unwrap();
    }
    // Manifests that an example copies by name are there.
    for word in example.text.split_whitespace().filter(|word| word.contains('.') && !word.contains('/')) {
        let _ = fs::File::options().create_new(true).write(true).open(directory.path().join(word));
    }
    if rule.name == "DependenciesAfterSource" {
        fs::write(directory.path().join("package.json"), "{}").unwrap();
    }
    let ignore = Dockerignore::parse(example.ignore.as_bytes(), None).unwrap();
    let mut options = options();
    if rule.shown == Shown::OnRequest && !example.text.starts_with("# check=") {
        options.build_args.insert("BUILDKIT_DOCKERFILE_CHECK".into(), "experimental=all".into());
    }
    options.build_args.extend(example.build_args.clone());
    let source = Source::new("Dockerfile", example.text.as_str());
    let parsed = dockerfile::parse(&source).unwrap();
    let bases = example
        .images
        .iter()
        .map(|(name, platform)| {
            let platform: Platform = platform.parse().unwrap();
            let key = ImageKey { reference: name.clone(), platform: platform.clone() };
            let Platform { os, architecture, .. } = platform;
            let config = ImageConfig { os, architecture, ..ImageConfig::default() };
            (key, BaseImage { name: name.clone(), config, manifest: None, is_public: false })
        })
        .collect();
    let extent = if rule.shown == Shown::InChecks { Extent::Check } else { Extent::Build };
    let input = Input {
        source: &source,
        parsed: &parsed,
        options: &options,
        bases: &bases,
        context: Some(Context { root: directory.path(), ignore: &ignore }),
        extent,
    };
    let report = lint::check(&input).unwrap();
    assert_eq!(report.hints, [], "{}", rule.name);
    report.findings.iter().any(|finding| finding.rule == rule)
}

#[test]
fn a_comment_skips_a_rule_for_one_instruction() {
    let text =
        "FROM scratch\n# check=skip=LegacyKeyValueFormat\nENV a b\nENV c d\n# check=skip=all\nENV e f\n";
    let source = Source::new("Dockerfile", text);
    let parsed = dockerfile::parse(&source).unwrap();
    let input = Input {
        source: &source,
        parsed: &parsed,
        options: &options(),
        bases: &BTreeMap::new(),
        context: None,
        extent: Extent::Build,
    };
    let lines: Vec<u32> = lint::check(&input)
        .unwrap()
        .findings
        .iter()
        .map(|finding| source.location(finding.statement.unwrap().start).line)
        .collect();
    assert_eq!(lines, [4]);
}

#[test]
fn warnings_are_shown_before_an_error_and_counted() {
    let env = Env::new();
    let context = env.dockerfile("context", "FROM nowhere AS Up\nMAINTAINER me\n");
    let stderr = env.strata(["build".as_ref(), context.as_os_str()]).code(1).stderr;
    let places: Vec<Option<usize>> = [
        "warning[StageNameCasing]: Stage name 'Up' should be lowercase\n",
        "warning[MaintainerDeprecated]: ",
        "\n2 warnings found\n",
        "error: there is no image `nowhere` in the store\n",
    ]
    .map(|text| stderr.find(text))
    .to_vec();
    assert!(places[0].is_some() && places.is_sorted() && !places.contains(&None), "{stderr}");
    assert_eq!(stderr.matches("StageNameCasing").count(), 1, "{stderr}");
}

#[test]
fn findings_that_are_errors_forbid_a_build_before_it_starts() {
    let env = Env::with_busybox();
    let text = "# check=error=true\nFROM busybox AS Up\nRUN touch /ran\nMAINTAINER me\n";
    let context = env.dockerfile("context", text);
    let build = |more: &[&str]| {
        env.strata([&["build", "--progress=plain"], more, &[context.to_str().unwrap()]].concat())
    };
    let stderr = build(&[]).code(1).stderr;
    let message = "error: lint violation found for rules: MaintainerDeprecated, StageNameCasing\n";
    assert!(stderr.contains(message) && !stderr.contains("RUN touch"), "{stderr}");
    // What only checks show forbids nothing.
    let skip = "BUILDKIT_DOCKERFILE_CHECK=skip=StageNameCasing,MaintainerDeprecated;error=true";
    let stderr = build(&["--build-arg", skip]).success().stderr;
    assert!(!stderr.contains("warning"), "{stderr}");
}

/// Somebody without any right can check, and no store is made.
#[test]
fn a_check_needs_neither_root_nor_a_store() {
    const NOBODY: u32 = 65_534;
    let env = Env::new();
    let context = env.dockerfile("context", "FROM nowhere.example.com/x:1\nCMD [\"x\"]\n");
    let binary = env.path("strata");
    fs::copy(env!("CARGO_BIN_EXE_strata"), &binary).unwrap();
    for path in [context.parent().unwrap(), &binary] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    for call in ["check", "outline", "targets"] {
        let mut command = Command::new(&binary);
        command.args(["--root", "/proc/no-store", "build", "--call", call]).arg(&context);
        let output = command.env_clear().current_dir("/").uid(NOBODY).gid(NOBODY).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{call}: {output:?}");
    }
}
