//! Options and images of the tests.

use std::collections::BTreeMap;

use crate::diagnostic::Source;
use crate::dockerfile::ast::Dockerfile;
use crate::oci::config::{Empty, Healthcheck};
use crate::oci::{Config, ImageConfig, Platform};
use crate::plan::{BaseImage, Chosen, NamedContext, NetworkMode, Options, Plan, bases, context_name, lower};

/// Options that ask for nothing, on a machine that is always the same.
pub(crate) fn options() -> Options {
    let platform = || Platform { os: "linux".into(), architecture: "amd64".into(), variant: String::new() };
    Options {
        build_args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        platform: platform(),
        chosen: Chosen::No,
        build_platform: platform(),
        emulated: Vec::new(),
        contexts: BTreeMap::new(),
        no_cache_stages: Vec::new(),
        network: NetworkMode::Host,
        host_network_allowed: false,
        insecure_allowed: false,
        circumstances: Vec::new(),
    }
}

/// Reads flags of `docker build`, separated by blanks.
pub(super) fn read_options(flags: &str) -> Options {
    let mut options = options();
    let mut words = flags.split_whitespace();
    while let Some(flag) = words.next() {
        let value = words.next().expect("every flag has a value");
        let pair = || {
            let (name, value) = value.split_once('=').expect("the value is a pair");
            (name.to_owned(), value.to_owned())
        };
        match flag {
            "--build-arg" => options.build_args.extend([pair()]),
            "--label" => options.labels.extend([pair()]),
            "--target" => options.target = Some(value.to_owned()),
            "--platform" => {
                options.platform = value.parse().expect("the platform is one");
                options.chosen = Chosen::Alone;
            }
            "--build-context" => {
                let (name, value) = pair();
                let context = match value.strip_prefix("docker-image://") {
                    Some(reference) => NamedContext::Image(reference.to_owned()),
                    None => NamedContext::Files,
                };
                options.contexts.insert(context_name(&name), context);
            }
            "--no-cache-filter" => options.no_cache_stages.extend(value.split(',').map(str::to_owned)),
            "--network" => match value {
                "host" => options.host_network_allowed = true,
                "none" => options.network = NetworkMode::None,
                _ => panic!("unknown network `{value}`"),
            },
            _ => panic!("unknown flag `{flag}`"),
        }
    }
    options
}

/// What the image `triggers` asks for.
const TRIGGERS: [&str; 6] = [
    "ARG v=of-trigger",
    "ENV e=$v",
    "COPY <<EOF /f\nbody of $e\nEOF",
    "COPY --from=full /x /x",
    "RUN make $v",
    "CMD [\"triggered\"]",
];

fn triggers(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|&text| text.to_owned()).collect()
}

/// The images that there are.
fn image(reference: &str) -> Option<Config> {
    let env = vec!["PATH=/bin:/usr/bin".to_owned()];
    let plain = Config { env, cmd: Some(vec!["sh".into()]), ..Config::default() };
    Some(match reference {
        // A small image with a shell.
        "bb" | "docker.io/library/bb:latest" => plain,
        "for-arm64" => plain,
        "no-path" => Config { env: vec!["A=1".into()], ..plain },
        "triggers" => Config { on_build: triggers(&TRIGGERS), ..plain },
        "copies-stage" => Config { on_build: triggers(&["COPY --from=tools /t /t"]), ..plain },
        "copies-later" => Config { on_build: triggers(&["COPY --from=later /t /t"]), ..plain },
        "bad-trigger" => Config { on_build: triggers(&["RUN a", "COPY --bogus a b"]), ..plain },
        "two-in-one" => Config { on_build: triggers(&["RUN a\nRUN b"]), ..plain },
        "full" => Config {
            user: "1000:1000".into(),
            exposed_ports: Some(BTreeMap::from([("80/tcp".into(), Empty {})])),
            env: vec!["A=1".into(), "PATH=/bin".into(), "B=2".into()],
            entrypoint: Some(vec!["/entry".into()]),
            healthcheck: Some(Healthcheck {
                test: vec!["CMD".into(), "ok".into()],
                ..Healthcheck::default()
            }),
            volumes: Some(BTreeMap::from([("/data".into(), Empty {})])),
            working_dir: "/srv/app/".into(),
            labels: BTreeMap::from([("from".into(), "base".into())]),
            stop_signal: Some("SIGINT".into()),
            shell: Some(vec!["/bin/ash".into(), "-ec".into()]),
            ..plain
        },
        _ => return None,
    })
}

/// Parses a file that is known to be well formed.
pub(super) fn parse(text: &str) -> Dockerfile {
    crate::dockerfile::parse(&Source::new("Dockerfile", text)).expect("the syntax is right").dockerfile
}

/// The plan of a file, or what is wrong with it.
pub(super) fn plan(text: &str, options: &Options) -> Result<Plan, Vec<crate::diagnostic::Diagnostic>> {
    let dockerfile = parse(text);
    let mut images = BTreeMap::new();
    loop {
        let known = images.len();
        for wanted in bases(&dockerfile, options, &images)? {
            if let Some(image) = base(&wanted.reference) {
                images.insert(wanted.key(), image);
            }
        }
        if images.len() == known {
            return lower(&dockerfile, options, &images);
        }
    }
}

fn base(reference: &str) -> Option<BaseImage> {
    let config = image(reference)?;
    let author = (reference == "full").then(|| "somebody".to_owned());
    let (os, architecture) = match reference {
        "for-arm64" => ("linux".to_owned(), "arm64".to_owned()),
        _ => (String::new(), String::new()),
    };
    let config = ImageConfig { architecture, config, os, author, ..ImageConfig::default() };
    let short = reference.trim_start_matches("docker.io/library/").trim_end_matches(":latest");
    Some(BaseImage {
        name: format!("docker.io/library/{short}:latest"),
        config,
        manifest: None,
        is_public: false,
    })
}
