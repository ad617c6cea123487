//! Every file of `testdata/attest` against its twins: the predicates of both versions, all that is known and as little as
//! possible. A first line `#: …` holds build arguments. `UPDATE_SNAPSHOTS=1` writes the twins; read what changed.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::attest::{DigestSet, digest_set, directory_digest, graph};
use crate::diagnostic::Source;
use crate::oci::{Config, Descriptor, Digest, ImageConfig, MediaType};
use crate::plan::tests::fixtures;
use crate::plan::{self, BaseImage, NetworkMode, Options, Plan};

fn platform() -> Platform {
    Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() }
}

fn options(text: &str) -> Options {
    let flags = text.lines().next().and_then(|line| line.strip_prefix("#:")).unwrap_or_default();
    let pairs = flags.split_whitespace().filter_map(|word| word.split_once('='));
    Options {
        build_args: pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
        network: NetworkMode::Private,
        host_network_allowed: true,
        insecure_allowed: true,
        ..fixtures::options()
    }
}

/// A plan whose bases have two layers each.
fn planned(text: &str, options: &Options) -> (Plan, Vec<(String, usize)>) {
    let parsed = crate::dockerfile::parse(&Source::new("Dockerfile", text)).expect("the syntax is right");
    let mut images = BTreeMap::new();
    for base in plan::bases(&parsed.dockerfile, options, &images).expect("the stages are right") {
        let (name, key) = (format!("docker.io/library/{}:latest", base.reference), base.key());
        let config = ImageConfig { config: Config::default(), ..ImageConfig::default() };
        images.insert(key, BaseImage { name, config, manifest: None, is_public: false });
    }
    let plan = plan::lower(&parsed.dockerfile, options, &images).expect("the plan is right");
    let bases = plan.bases.iter().map(|base| {
        let digest = Digest::of(base.key.reference.as_bytes());
        (format!("docker-image://docker.io/library/{}:latest@{digest}", base.key.reference), 2)
    });
    let bases = bases.collect();
    (plan, bases)
}

fn facts(text: &str) -> Provenance {
    let options = options(text);
    let (plan, bases) = planned(text, &options);
    let own = plan.target.history.iter().filter(|item| item.step.is_some()).count();
    let layers: Vec<Descriptor> = (0..own + plan.target.base.map_or(0, |_| 2))
        .map(|number| Descriptor::new(MediaType::LayerGzip, Digest::of(&[number as u8]), number as u64))
        .collect();
    let args = options.build_args.iter().map(|(name, value)| (format!("build-arg:{name}"), value.clone()));
    let public = |uri: &str, digest: DigestSet| Material::Public(Origin { uri: uri.to_owned(), digest });
    Provenance {
        builder: "https://example.org/builds/1".to_owned(),
        reproducible: true,
        source: ConfigSource { origin: None, path: Some("Dockerfile".to_owned()) },
        request: Request {
            args: args.chain([("target".to_owned(), "last".to_owned())]).collect(),
            secrets: BTreeMap::from([("token".to_owned(), false), ("maybe".to_owned(), true)]),
            agents: BTreeMap::from([("default".to_owned(), false)]),
            locals: vec!["context".to_owned(), "dockerfile".to_owned()],
        },
        platform: Some(platform()),
        materials: vec![
            public("pkg:docker/alpine@latest?platform=linux%2Famd64", digest_set(&Digest::of(b"alpine"))),
            public("https://example.org/file", digest_set(&Digest::of(b"file"))),
            Material::Local {
                name: "context".to_owned(),
                digest: directory_digest([(&b"f"[..], Digest::of(b"f"))]),
            },
        ],
        complete: Completeness { materials: false, hermetic: false },
        invocation: Some(Invocation {
            id: "one".to_owned(),
            started: "2001-02-03T04:05:06Z".to_owned(),
            finished: "2001-02-03T04:05:07.5Z".to_owned(),
        }),
        graph: graph(&plan, &bases, ("Dockerfile", &Source::new("Dockerfile", text))).with_layers(&layers),
    }
}

/// Compares or writes one twin; says what is wrong.
fn check(twin: &Path, found: &Value) -> Option<String> {
    let found = format!("{found:#}\n");
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(twin, found).expect("testdata is writable");
        return None;
    }
    match fs::read_to_string(twin) {
        Ok(expected) if expected == found => None,
        Ok(expected) => {
            Some(format!("{}: differs\n--- expected\n{expected}--- found\n{found}", twin.display()))
        }
        Err(error) => Some(format!("{}: {error}; UPDATE_SNAPSHOTS=1 makes it", twin.display())),
    }
}

#[test]
fn predicates_say_what_is_known() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/attest");
    let entries = fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut cases: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    cases.retain(|case| case.extension().is_some_and(|it| it == "dockerfile"));
    cases.sort();
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let mut problems = Vec::new();
    for case in cases {
        let facts = facts(&fs::read_to_string(&case).expect("cases are UTF-8"));
        for (name, version, mode) in [
            ("v1.max.json", Version::V1, Mode::Max),
            ("v1.min.json", Version::V1, Mode::Min),
            ("v0.2.max.json", Version::V02, Mode::Max),
            ("v0.2.min.json", Version::V02, Mode::Min),
        ] {
            problems.extend(check(&case.with_extension(name), &facts.predicate(version, mode)));
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn nothing_that_a_user_may_hide_is_in_the_small_form() {
    let facts = facts("#: PASSWORD=hunter2\nFROM alpine\nARG PASSWORD\nRUN echo $PASSWORD\n");
    for version in [Version::V1, Version::V02] {
        let small = facts.predicate(version, Mode::Min).to_string();
        for hidden in ["hunter2", "PASSWORD", "token", "maybe", "echo"] {
            assert!(!small.contains(hidden), "{hidden}: {small}");
        }
        assert!(facts.predicate(version, Mode::Max).to_string().contains("hunter2"));
    }
}

#[test]
fn without_an_invocation_nothing_says_when() {
    let facts = Provenance { invocation: None, ..facts("FROM alpine\n") };
    for version in [Version::V1, Version::V02] {
        let text = facts.predicate(version, Mode::Max).to_string();
        for name in ["invocation", "Invocation", "tarted", "inished"] {
            assert!(!text.contains(&format!("{name}Id")) && !text.contains(&format!("{name}On")), "{text}");
        }
    }
}
