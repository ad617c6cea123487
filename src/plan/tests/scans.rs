//! What is scanned for an SBOM, and how.

use std::collections::BTreeMap;

use super::fixtures::{plan, read_options};
use crate::oci::{Config, ImageConfig};
use crate::plan::{BaseImage, Generator, ImageKey, NetworkMode, Plan, StepKind, add_scan};

const STAGES: &str = "FROM bb AS build\nRUN a\n\
    FROM bb\nRUN b\n\
    FROM bb AS unused\nRUN c\n\
    FROM scratch\nCOPY --from=build /x /\nCOPY --from=1 /y /\n";

/// What of a file with these lines at its beginning is scanned.
fn scanned(globals: &str, build: &str, flags: &str) -> Vec<String> {
    let text = STAGES.replace("RUN a", &format!("{build}\nRUN a"));
    let plan = plan(&format!("{globals}\n{text}"), &read_options(flags)).unwrap();
    let context = plan.scans.context.then(|| "the context".to_owned());
    context.into_iter().chain(plan.scans.stages.into_keys()).collect()
}

#[test]
fn arguments_say_which_stages_are_scanned() {
    let stage = |text: &str| format!("ARG BUILDKIT_SBOM_SCAN_STAGE{text}");
    for (globals, build, flags, expected) in [
        ("", "", "", &[][..]),
        ("", &*stage("=true"), "", &["build"]),
        ("", &stage("=1"), "", &["build"]),
        ("", &stage("=false"), "", &[]),
        ("", &stage("=other,build"), "", &["build"]),
        ("", &stage("=other"), "", &[]),
        (&stage("=true"), "", "", &["build", "stage-1"]),
        (&stage("=true"), &stage("=false"), "", &["stage-1"]),
        (&stage("=stage-1"), &stage(""), "", &["stage-1"]),
        ("", &stage(""), "--build-arg BUILDKIT_SBOM_SCAN_STAGE=true", &["build"]),
        // Who does not declare it is not asked.
        ("", "", "--build-arg BUILDKIT_SBOM_SCAN_STAGE=true", &[]),
        ("ARG BUILDKIT_SBOM_SCAN_CONTEXT=true", "", "", &["the context"]),
        // Only the target speaks for the context.
        ("", "ARG BUILDKIT_SBOM_SCAN_CONTEXT=true", "", &[]),
    ] {
        assert_eq!(scanned(globals, build, flags), expected, "{globals:?} {build:?} {flags:?}");
    }
}

fn with_scan(text: &str, config: Config) -> Result<Plan, String> {
    let mut plan = plan(text, &read_options("")).unwrap();
    let image = BaseImage {
        name: "docker.io/library/scanner:latest".to_owned(),
        config: ImageConfig { config, ..ImageConfig::default() },
        manifest: None,
        is_public: false,
    };
    let parameters = BTreeMap::from([("EXTRA".to_owned(), "yes".to_owned())]);
    let platform = plan.target.platform.clone();
    let key = ImageKey { reference: "generator".to_owned(), platform };
    let generator = Generator {
        key: &key,
        image: &image,
        parameters: &parameters,
        network: NetworkMode::None,
        epoch: Some(5),
    };
    add_scan(&mut plan, generator).map(|_| plan).map_err(|error| error.to_string())
}

#[test]
fn a_scan_sees_the_image_and_what_else_is_asked_for() {
    let text = format!("ARG BUILDKIT_SBOM_SCAN_STAGE=build\nARG BUILDKIT_SBOM_SCAN_CONTEXT=1\n{STAGES}");
    let config = Config {
        entrypoint: Some(vec!["/scan".to_owned()]),
        cmd: Some(vec!["--all".to_owned()]),
        env: vec!["PATH=/bin".to_owned(), "A=b".to_owned()],
        working_dir: "/work".to_owned(),
        ..Config::default()
    };
    let plan = with_scan(&text, config).unwrap();
    let expected = "step 6: [linux/amd64] generating sbom using docker.io/library/scanner:latest
  from step 5
  run [\"/scan\", \"--all\"]
  env A=\"b\"
  env BUILDKIT_SCAN_DESTINATION=\"/run/out/\"
  env BUILDKIT_SCAN_EXTRA=\"yes\"
  env BUILDKIT_SCAN_SOURCE=\"/run/src/core/sbom\"
  env BUILDKIT_SCAN_SOURCE_EXTRAS=\"/run/src/extras/\"
  env PATH=\"/bin\"
  env SOURCE_DATE_EPOCH=\"5\"
  in /work as \"\", network none
  mount /tmp: memory, at most None
  mount /run/src/core/sbom: / of step 3
  mount /run/src/extras/sbom-build: / of step 0
  mount /run/src/extras/sbom-context: / of step 4
";
    let shown = plan.to_string();
    assert!(shown.contains(expected), "{shown}");
    assert!(matches!(plan.steps[5].kind, StepKind::Workdir(_)), "{shown}");
}

#[test]
fn a_generator_needs_a_command() {
    let error = with_scan("FROM scratch\nCOPY a /\n", Config::default()).unwrap_err();
    assert_eq!(
        error,
        "the SBOM generator `docker.io/library/scanner:latest` has neither an entrypoint nor a command"
    );
}

#[test]
fn a_stage_cannot_be_scanned_under_the_context_s_name() {
    let text = "ARG BUILDKIT_SBOM_SCAN_CONTEXT=1\nARG BUILDKIT_SBOM_SCAN_STAGE=1\n\
        FROM bb AS context\nRUN a\nFROM scratch\nCOPY --from=context /x /\n";
    let config = Config { cmd: Some(vec!["/scan".to_owned()]), ..Config::default() };
    assert_eq!(
        with_scan(text, config).unwrap_err(),
        "the SBOMs of the stage `context` and of the build's context would have one name: rename the stage"
    );
}
