//! `build`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::attest::Mode as ProvenanceMode;
use crate::dockerfile::remote::RemoteError;
use crate::engine::{
    Allow, Annotation, AttestRequest, BuildError, BuildReport, BuildRequest, ContextSource, ContextSpec,
    Dockerfile, EngineError, Made, OutputSpec, PullPolicy, StepPlace,
};
use crate::exec::CancelToken;
use crate::oci::Platform;
use crate::plan::NetworkMode;
use crate::progress::Reporter;

use super::check::{self, CallArgs, Method};
use super::error::{CliError, ErrorKind};
use super::limits::{LimitArgs, LimitError, extra_hosts};
use super::render::{self, Mode};
use super::result_file::ResultFile;
use super::{App, colour, complain, debug, dumb, given, new_name, print, remotes, signals};

/// Build an image from a Dockerfile
#[derive(Debug, clap::Args)]
#[command(args_override_self = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct BuildArgs {
    /// Name of the image, `name[:tag]`; may be repeated
    #[arg(short, long = "tag", value_name = "NAME")]
    tags: Vec<String>,
    /// Dockerfile, a path or a URL; `-` is standard input [default: Dockerfile in the context]
    #[arg(short, long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// Build argument; without a value it comes from the environment
    #[arg(long = "build-arg", value_name = "NAME[=VALUE]")]
    build_args: Vec<String>,
    /// Stage to build [default: the last one]
    #[arg(long, value_name = "STAGE")]
    target: Option<String>,
    /// What stands for a stage or an image of this name: a directory, the URL of a file or a Git repository,
    /// `docker-image://REF` or `oci-layout://DIR[:TAG][@DIGEST]`; may be repeated
    #[arg(long = "build-context", value_name = "NAME=VALUE")]
    contexts: Vec<String>,
    /// Platforms of the image, such as `linux/amd64,linux/arm64`; may be repeated [env: DOCKER_DEFAULT_PLATFORM] [default: this machine's]
    #[arg(long = "platform", value_name = "OS/ARCH[/VARIANT]", value_delimiter = ',')]
    platforms: Vec<String>,
    /// When the registry is asked for base images: `--pull` alone asks always [default: missing]
    #[arg(long, value_enum, num_args = 0..=1, require_equals = true, default_missing_value = "always")]
    pull: Option<PullChoice>,
    /// Do every RUN, COPY and ADD anew
    #[arg(long)]
    no_cache: bool,
    /// Do every RUN, COPY and ADD of these stages anew
    #[arg(long = "no-cache-filter", value_name = "STAGE", value_delimiter = ',')]
    no_cache_stages: Vec<String>,
    /// Read every file of the context, also those that look unchanged
    #[arg(long)]
    no_stat_cache: bool,
    /// Label of the image; wins over the Dockerfile's
    #[arg(long = "label", value_name = "NAME=VALUE")]
    labels: Vec<String>,
    /// Write the image id to this file; of several platforms, or with attestations, the digest of the index
    #[arg(long, value_name = "FILE")]
    iidfile: Option<PathBuf>,
    /// Write what was built to this file, as JSON
    #[arg(long, value_name = "FILE")]
    metadata_file: Option<PathBuf>,
    /// How progress is shown
    #[arg(long, value_enum, default_value = "auto", env = "BUILDKIT_PROGRESS")]
    progress: Mode,
    /// Print only the image id; of several platforms, or with attestations, the digest of the index
    #[arg(short, long)]
    quiet: bool,
    /// What to write instead of an image in the store, such as `type=oci,dest=image.tar`; may be repeated
    #[arg(short, long = "output", value_name = "OUTPUT")]
    outputs: Vec<String>,
    /// Secret that RUNs may mount: `id=NAME,src=FILE` or `id=NAME,env=VARIABLE`; may be repeated
    #[arg(long = "secret", value_name = "SECRET")]
    secrets: Vec<String>,
    /// SSH agent that RUNs may mount: `default`, `NAME=SOCKET` or `NAME=KEY[,KEY]`; may be repeated
    #[arg(long = "ssh", value_name = "AGENT")]
    agents: Vec<String>,
    /// Put the image into the store, also if there is an `--output`
    #[arg(long)]
    load: bool,
    /// Send the image to the registries of its names, as `--output type=registry` does
    #[arg(long)]
    push: bool,
    /// Annotation of the image's manifest, or of what the types name: `[TYPE[PLATFORM]:]KEY=VALUE`; may be repeated
    #[arg(long = "annotation", value_name = "ANNOTATION")]
    annotations: Vec<String>,
    /// What is said of the image beside it: `type=provenance` or `type=sbom`, with attributes; may be repeated
    #[arg(long = "attest", value_name = "ATTESTATION")]
    attestations: Vec<String>,
    /// Say how the image was made: `true`, `false`, or attributes such as `mode=min`; as `--attest type=provenance`
    #[arg(long, value_name = "PROVENANCE")]
    provenance: Option<String>,
    /// Say what is in the image: `true`, `false`, or attributes such as `generator=IMAGE`; as `--attest type=sbom`
    #[arg(long, value_name = "SBOM")]
    sbom: Option<String>,
    /// Make the image depend on nothing but files and bases: its times are that of the context's Git commit, or of its
    /// youngest file, unless `SOURCE_DATE_EPOCH` says another
    #[arg(long)]
    reproducible: bool,
    /// Network of RUN [default: one of its own]
    #[arg(long, value_enum)]
    network: Option<NetworkChoice>,
    /// What to do when the command of a step fails
    #[arg(long, value_enum, value_name = "WHAT", default_value = "stop")]
    on_error: OnError,
    /// Open a shell before the step at this line of the Dockerfile, instead of making an image
    #[arg(long, value_name = "[STAGE:]LINE")]
    shell_at: Option<StepPlace>,
    /// What a RUN may choose: `network.host` or `security.insecure`; may be repeated
    #[arg(long, value_name = "ENTITLEMENT", value_delimiter = ',')]
    allow: Vec<Entitlement>,
    /// Name in /etc/hosts of RUN; the address `host-gateway` is this machine's; may be repeated
    #[arg(long = "add-host", value_name = "NAME:ADDRESS")]
    add_hosts: Vec<String>,
    #[command(flatten)]
    limits: LimitArgs,
    /// How many steps may run at once
    #[arg(long, value_name = "N")]
    jobs: Option<usize>,
    #[command(flatten)]
    call: CallArgs,
    /// Directory with the files that the Dockerfile copies, or the URL of a tar or a Git repository; `-` is standard
    /// input, with a tar or a Dockerfile
    context: PathBuf,
}

/// What is done when the command of a step fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum OnError {
    /// End the build
    Stop,
    /// Open a shell in what the step left, then end the build
    Shell,
}

/// What a user can agree to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Entitlement {
    /// `RUN --network=host`
    #[value(name = "network.host")]
    NetworkHost,
    /// `RUN --security=insecure`
    #[value(name = "security.insecure")]
    SecurityInsecure,
}

/// When a registry is asked, as flags say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum PullChoice {
    /// Also for images that the store has
    #[value(alias = "true")]
    Always,
    /// For images that the store does not have
    #[value(alias = "false")]
    Missing,
    /// Never
    Never,
}

impl PullChoice {
    pub(super) fn policy(self) -> PullPolicy {
        match self {
            Self::Always => PullPolicy::Always,
            Self::Missing => PullPolicy::Missing,
            Self::Never => PullPolicy::Never,
        }
    }
}

/// A network, as flags name it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum NetworkChoice {
    /// One of its own, with a way out
    #[value(alias = "bridge")]
    Default,
    /// The host's
    Host,
    /// Loopback only
    None,
}

impl NetworkChoice {
    pub(super) fn mode(self) -> NetworkMode {
        match self {
            Self::Default => NetworkMode::Private,
            Self::Host => NetworkMode::Host,
            Self::None => NetworkMode::None,
        }
    }
}

pub(super) fn run(app: &App, args: &BuildArgs) -> Result<ExitCode, CliError> {
    let call = args.call.call()?;
    let shell = args.on_error == OnError::Shell || args.shell_at.is_some();
    if shell && call.method != Method::Build {
        let message = "a shell needs a build, and `--check` and `--call` make none";
        return Err(CliError::new(ErrorKind::Usage, message));
    }
    if shell {
        refuse_image(args)?;
        debug::refuse_without_terminal()?;
    }
    let request = request(app, args)?;
    if call.method != Method::Build {
        return check::run(app, call, &request);
    }
    let prepare = |path: &Option<PathBuf>| path.as_deref().map(ResultFile::prepare).transpose();
    let (id, metadata) = (prepare(&args.iidfile)?, prepare(&args.metadata_file)?);
    OutputSpec::refuse_terminal(&request.outputs, &std::io::stdout()).map_err(|message| {
        CliError::new(ErrorKind::General, message)
            .hint("give a file with `dest=`, or send the output to a pipe")
    })?;
    let cancel = interruptible()?;
    let engine = app.engine()?;
    let mode = if args.quiet { Mode::Quiet } else { args.progress };
    let renderer = render::on_stderr(mode, colour(&std::io::stderr()), dumb());
    let reporter = Reporter::new(renderer.clone());
    let built = engine.build(&request, &reporter, &cancel);
    renderer.finish();
    if let Some(checked) = built.checked.filter(|_| mode != Mode::Quiet) {
        complain(&check::warnings(&checked));
    }
    let report = match built.result {
        Ok(Made::Image(report)) => report,
        Ok(Made::Shell(shell)) => return debug::open(&engine, &shell, &(&request).into()),
        Err(error) => {
            let kept = kept(&error).filter(|_| args.on_error == OnError::Shell).map(str::to_owned);
            let error = CliError::from(error);
            let Some(id) = kept else { return Err(error) };
            complain(&error.render(colour(&std::io::stderr())));
            debug::open(&engine, &engine.failed_step(Some(&id))?, &(&request).into())?;
            return Ok(error.exit_code());
        }
    };
    tell(&report, &request.outputs, mode == Mode::Quiet)?;
    if let Some(file) = id {
        file.write(&report.id.to_string())?;
    }
    if let Some(file) = metadata {
        file.write(&format!("{:#}\n", report.metadata()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Refuses what could only come of an image beside `--shell-at`, which makes none.
fn refuse_image(args: &BuildArgs) -> Result<(), CliError> {
    let flags = [
        ("--tag", !args.tags.is_empty()),
        ("--output", !args.outputs.is_empty()),
        ("--load", args.load),
        ("--push", args.push),
        ("--annotation", !args.annotations.is_empty()),
        ("--attest", !args.attestations.is_empty()),
        ("--provenance", args.provenance.is_some()),
        ("--sbom", args.sbom.is_some()),
        ("--label", !args.labels.is_empty()),
        ("--iidfile", args.iidfile.is_some()),
        ("--metadata-file", args.metadata_file.is_some()),
    ];
    match flags.into_iter().find(|(_, given)| *given && args.shell_at.is_some()) {
        Some((flag, _)) => {
            let message = format!("`--shell-at` makes no image, so `{flag}` cannot be given with it");
            Err(CliError::new(ErrorKind::Usage, message).hint("leave one of the two out"))
        }
        None => Ok(()),
    }
}

/// Under which id it is kept what a failed step left.
fn kept(error: &EngineError) -> Option<&str> {
    match error {
        EngineError::Build(error) => match &**error {
            BuildError::Step { error, .. } => error.kept.as_deref(),
            _ => None,
        },
        _ => None,
    }
}

/// What an interrupt cancels.
pub(super) fn interruptible() -> Result<CancelToken, CliError> {
    let cancel = CancelToken::new().map_err(|error| CliError::from_error(ErrorKind::General, &error))?;
    let on_signal = cancel.clone();
    signals::on_interrupt(move |signal| {
        on_signal.cancel();
        if on_signal.is_computing() {
            signals::end(signal);
        }
    })?;
    Ok(cancel)
}

/// The last words: what was made.
fn tell(report: &BuildReport, outputs: &[OutputSpec], quiet: bool) -> Result<(), CliError> {
    if quiet {
        let to_stdout = outputs.iter().any(OutputSpec::is_stdout);
        return if to_stdout { Ok(()) } else { print(&format!("{}\n", report.id)) };
    }
    let names: Vec<String> = report.names.iter().map(crate::oci::Reference::familiar).collect();
    let mut text = match (report.stored, names.is_empty()) {
        (true, false) => format!("built {}\n", names.join(", ")),
        (true, true) => "built an image without a name\n".to_owned(),
        (false, _) => String::new(),
    };
    for output in outputs {
        if let Some(path) = output.path() {
            text.push_str(&format!("written to {}\n", path.display()));
        } else if output.is_stdout() {
            text.push_str("written to standard output\n");
        }
    }
    let what = if report.image.is_some() { "image" } else { "index" };
    complain(&format!("{text}{what} {}\n", report.id));
    Ok(())
}

/// What was typed, as the engine takes it.
fn request(app: &App, args: &BuildArgs) -> Result<BuildRequest, CliError> {
    let usage = |message: String| CliError::new(ErrorKind::Usage, message);
    let flag = |error: LimitError| usage(error.to_string());
    if args.jobs == Some(0) {
        return Err(usage("`--jobs` must be at least 1".to_owned()));
    }
    if args.target.as_deref() == Some("") {
        return Err(usage("`--target` is empty: it needs the name of a stage".to_owned()));
    }
    let tags = args.tags.iter().map(|tag| new_name(tag)).collect::<Result<Vec<_>, _>>()?;
    let contexts = args.contexts.iter().map(|text| ContextSpec::parse(text)).collect::<Result<_, _>>();
    let platforms = platforms(&args.platforms)?;
    let (context, dockerfile) = input(args)?;
    Ok(BuildRequest {
        context,
        dockerfile,
        contexts: contexts.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))?,
        platforms,
        clients: remotes::from_environment(),
        registries: remotes::registries(app),
        pull: args.pull.map_or(PullPolicy::Missing, PullChoice::policy),
        no_cache_stages: args.no_cache_stages.clone(),
        tags,
        build_args: build_args(&args.build_args)?,
        target: args.target.clone(),
        labels: labels(&args.labels)?,
        no_cache: args.no_cache,
        stat_cache: !args.no_stat_cache,
        secrets: given::secrets(&args.secrets)?,
        agents: given::agents(&args.agents)?,
        network: args.network.map(NetworkChoice::mode),
        allow: Allow {
            host_network: args.allow.contains(&Entitlement::NetworkHost),
            insecure: args.allow.contains(&Entitlement::SecurityInsecure),
        },
        extra_hosts: extra_hosts(&args.add_hosts).map_err(flag)?,
        limits: args.limits.limits(None).map_err(flag)?,
        jobs: args.jobs,
        outputs: outputs(args)?,
        annotations: annotations(&args.annotations)?,
        attestations: attestations(args)?,
        reported_provenance: reported_provenance(args),
        reproducible: args.reproducible,
        shell_at: args.shell_at.clone(),
    })
}

/// The context and the Dockerfile. Standard input is opened here, once, for one of the two.
fn input(args: &BuildArgs) -> Result<(ContextSource, Dockerfile), CliError> {
    let dash = Path::new("-");
    let (as_context, as_file) = (args.context == dash, args.file.as_deref() == Some(dash));
    if as_context && as_file {
        let message = "standard input cannot be both the context and the Dockerfile";
        return Err(CliError::new(ErrorKind::Usage, message)
            .hint("leave `--file -` out: if what comes is no archive, it is the Dockerfile"));
    }
    let wrong = |path: &Path| {
        let path = path.display().to_string();
        move |error: RemoteError| {
            CliError::from_error(ErrorKind::Usage, &error).context(format!("`{path}` is wrong"))
        }
    };
    let context = match &args.context {
        _ if as_context => ContextSource::Stream(stdin()?),
        path => ContextSource::named(path).map_err(wrong(path))?,
    };
    let dockerfile = match &args.file {
        None => Dockerfile::InContext,
        Some(_) if as_file => Dockerfile::Stream(stdin()?),
        Some(file) => Dockerfile::named(file).map_err(wrong(file))?,
    };
    Ok((context, dockerfile))
}

fn stdin() -> Result<Arc<File>, CliError> {
    if std::io::stdin().is_terminal() {
        return Err(CliError::new(ErrorKind::Usage, "refusing to read a build from a terminal").hint(
            "send a Dockerfile or an archive to standard input, such as `strata build - < Dockerfile`",
        ));
    }
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    stdin.map(|stdin| Arc::new(File::from(stdin))).map_err(|error| {
        CliError::from_error(ErrorKind::General, &error).context("cannot open standard input")
    })
}

/// The platforms that were asked for, on the command line or else by the environment, each once.
fn platforms(typed: &[String]) -> Result<Vec<Platform>, CliError> {
    let default = std::env::var("DOCKER_DEFAULT_PLATFORM").ok().filter(|default| !default.is_empty());
    let default: Vec<String> = default.iter().flat_map(|list| list.split(',')).map(str::to_owned).collect();
    let texts = if typed.is_empty() { &default } else { typed };
    let mut platforms: Vec<Platform> = Vec::new();
    for text in texts {
        let platform = text.trim().parse().map_err(|error: crate::oci::platform::PlatformError| {
            CliError::from_error(ErrorKind::Usage, &error)
        })?;
        if !platforms.contains(&platform) {
            platforms.push(platform);
        }
    }
    Ok(platforms)
}

fn outputs(args: &BuildArgs) -> Result<Vec<OutputSpec>, CliError> {
    let outputs = args.outputs.iter().map(|text| OutputSpec::parse(text)).collect::<Result<Vec<_>, _>>();
    let mut outputs = outputs.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))?;
    if args.push {
        outputs.push(OutputSpec::push());
    }
    if args.load && !outputs.is_empty() {
        outputs.push(OutputSpec::store());
    }
    Ok(outputs)
}

/// How much of the provenance `--metadata-file` has, as buildx is told: it takes what it does not know for `min`.
fn reported_provenance(args: &BuildArgs) -> Option<ProvenanceMode> {
    args.metadata_file.as_ref()?;
    match std::env::var("BUILDX_METADATA_PROVENANCE").unwrap_or_default().as_str() {
        "max" => Some(ProvenanceMode::Max),
        "disabled" | "0" | "f" | "F" | "false" | "False" | "FALSE" => None,
        _ => Some(ProvenanceMode::Min),
    }
}

fn attestations(args: &BuildArgs) -> Result<AttestRequest, CliError> {
    let BuildArgs { attestations, provenance, sbom, .. } = args;
    let parsed = AttestRequest::parse(attestations, provenance.as_deref(), sbom.as_deref());
    parsed.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))
}

fn annotations(typed: &[String]) -> Result<Vec<Annotation>, CliError> {
    let annotations: Result<Vec<_>, _> = typed.iter().map(|text| Annotation::parse(text)).collect();
    Ok(annotations.map_err(|error| CliError::from_error(ErrorKind::Usage, &error))?.concat())
}

/// The variable with the time that a build says it was made at.
const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// `NAME=VALUE`, or `NAME` for the environment's value; a name that the environment has not is not given.
fn build_args(typed: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    let mut arguments = BTreeMap::new();
    for text in typed {
        let (name, value) = match pair("--build-arg", text)? {
            (name, Some(value)) => (name, Some(value.to_owned())),
            (name, None) => (name, std::env::var(name).ok()),
        };
        arguments.extend(value.map(|value| (name.to_owned(), value)));
    }
    // As Docker's command line does: it need not be asked for.
    if let Ok(epoch) = std::env::var(EPOCH)
        && !epoch.is_empty()
    {
        arguments.entry(EPOCH.to_owned()).or_insert(epoch);
    }
    Ok(arguments)
}

fn labels(typed: &[String]) -> Result<BTreeMap<String, String>, CliError> {
    typed
        .iter()
        .map(|text| {
            let (name, value) = pair("--label", text)?;
            Ok((name.to_owned(), value.unwrap_or_default().to_owned()))
        })
        .collect()
}

/// The name and the value of `NAME[=VALUE]`.
fn pair<'t>(flag: &str, text: &'t str) -> Result<(&'t str, Option<&'t str>), CliError> {
    let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
    if name.is_empty() {
        return Err(CliError::new(ErrorKind::Usage, format!("`{flag} {text}` has no name")));
    }
    Ok((name, value))
}
