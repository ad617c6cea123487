//! `run`, and `container run`.

use std::collections::BTreeMap;
use std::fs;
use std::io::IsTerminal as _;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::engine::{Connection, Ended, Engine, EngineError, Keep, PullPolicy, PullRequest, RunRequest};
use crate::exec::{CancelToken, ExecError, Mount, Signals, Terminal};
use crate::network::PublishedPort;
use crate::oci::platform::PlatformError;
use crate::progress::Reporter;
use crate::sys::terminal::RawMode;

use super::build::{NetworkChoice, PullChoice};
use super::dns::DnsArgs;
use super::error::{CliError, ErrorKind};
use super::limits::{self, LimitArgs, LimitError, extra_hosts};
use super::render::{self, Mode};
use super::rights::RightsArgs;
use super::{App, colour, complain, dumb, ports, remotes, signals, volumes};

/// Run a command in a container of an image
#[derive(Debug, clap::Args)]
#[command(args_override_self = true, disable_help_flag = true)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(super) struct RunArgs {
    /// Pass standard input on to the command
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal
    #[arg(short, long)]
    tty: bool,
    /// Name of the container, which then stays when its command has ended
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Remove the container when the command ends; without it one with a name stays, and with `--rm=false` any
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    rm: Option<bool>,
    /// Publish a port: `[[IP:]PORT:]PORT[/PROTOCOL]`, the machine's before the container's; may be repeated
    #[arg(short, long, value_name = "PORTS")]
    publish: Vec<String>,
    /// Set a variable; without a value it comes from the environment; may be repeated
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    env: Vec<String>,
    /// Set the variables of a file, one a line; may be repeated
    #[arg(long, value_name = "FILE")]
    env_file: Vec<PathBuf>,
    /// Working directory
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<String>,
    /// User, by name or number
    #[arg(short, long, value_name = "USER[:GROUP]")]
    user: Option<String>,
    /// Host name of the container
    #[arg(short = 'h', long, value_name = "NAME")]
    hostname: Option<String>,
    /// Program to run instead of the image's entrypoint
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Mount a file or directory of the machine: `SOURCE:TARGET[:ro]`; may be repeated
    #[arg(short, long, value_name = "SOURCE:TARGET")]
    volume: Vec<String>,
    /// Mount a directory in memory: `TARGET[:size=BYTES]`; may be repeated
    #[arg(long, value_name = "TARGET")]
    tmpfs: Vec<String>,
    /// Mount the root file system read-only
    #[arg(long)]
    read_only: bool,
    /// Run the command below a process that forwards signals and reaps, which is what always happens
    #[arg(long)]
    init: bool,
    /// Name in /etc/hosts; the address `host-gateway` is this machine's; may be repeated
    #[arg(long = "add-host", value_name = "NAME:ADDRESS")]
    add_hosts: Vec<String>,
    #[command(flatten)]
    dns: DnsArgs,
    #[command(flatten)]
    rights: RightsArgs,
    #[command(flatten)]
    limits: LimitArgs,
    /// Most processes and threads; `-1` for any number
    #[arg(long, value_name = "N", allow_hyphen_values = true, help_heading = "Limits")]
    pids_limit: Option<String>,
    /// Network of the container
    #[arg(long, alias = "net", value_enum, default_value = "default")]
    network: NetworkChoice,
    /// Of several images of the name the one for this platform [default: this machine's, or else the first]
    #[arg(long, value_name = "OS/ARCH[/VARIANT]", env = "DOCKER_DEFAULT_PLATFORM", hide_env = true)]
    platform: Option<String>,
    /// When the image is pulled
    #[arg(long, value_enum, value_name = "WHEN", default_value = "missing")]
    pull: PullChoice,
    /// Do not show how the image is pulled
    #[arg(short, long)]
    quiet: bool,
    /// Print help
    #[arg(long, action = clap::ArgAction::Help)]
    help: (),
    /// Name or id of the image
    #[arg(add = super::completions::images())]
    image: String,
    /// Command instead of the image's own
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

pub(super) fn run(app: &App, args: &RunArgs) -> Result<ExitCode, CliError> {
    let failed = |error: ExecError| CliError::from_error(ErrorKind::Run, &error);
    let request = request(args)?;
    let (stdin, stdout) = (std::io::stdin(), std::io::stdout());
    if args.tty && args.interactive && !stdin.is_terminal() {
        return Err(CliError::new(ErrorKind::Run, "the input device is not a terminal")
            .hint("leave `--tty` out where input comes from a file or a pipe"));
    }
    let to_command = Arc::new(Signals::new().map_err(failed)?);
    let (cancel, pulling) = (CancelToken::new().map_err(failed)?, CancelToken::new().map_err(failed)?);
    let (sender, pull) = (Arc::clone(&to_command), pulling.clone());
    signals::forward(args.tty, move |signal| {
        // Before there is a command only the pull listens, and nobody else does afterwards.
        if signal != libc::SIGWINCH {
            pull.cancel();
        }
        // The command may have ended already.
        let _ = sender.send(signal);
    })?;
    let engine = app.engine().map_err(|error| error.with_kind(ErrorKind::Run))?;
    bring(app, args, &request, &engine, &pulling).map_err(|error| error.with_kind(ErrorKind::Run))?;
    for remark in engine.remarks(&request) {
        complain(&format!("note: {remark}\n"));
    }
    let terminal =
        args.tty.then(|| Terminal { input: args.interactive.then(|| stdin.as_fd()), output: stdout.as_fd() });
    let connection = Connection { interactive: args.interactive, terminal, signals: &to_command };
    // Keys go to the container's terminal as they are typed; what they mean is decided there.
    let raw = (args.tty && args.interactive).then(|| RawMode::set(stdin.as_fd()));
    let result = engine.run(&request, connection, &cancel);
    drop(raw);
    match result {
        Ok(Ended { status, remarks }) => {
            for remark in remarks {
                complain(&format!("warning: {remark}\n"));
            }
            Ok(ExitCode::from(u8::try_from(status.code()).unwrap_or(u8::MAX)))
        }
        Err(error) => {
            let kind = match &error {
                EngineError::Exec(ExecError::Command { errno: libc::ENOENT, .. }) => ErrorKind::NotFound,
                EngineError::Exec(ExecError::Command { .. }) => ErrorKind::NotExecutable,
                _ => ErrorKind::Run,
            };
            Err(CliError::from(error).with_kind(kind))
        }
    }
}

/// Pulls the image if `--pull` says so. Words about it go to standard error: standard output is the command's.
fn bring(
    app: &App,
    args: &RunArgs,
    request: &RunRequest,
    engine: &Engine,
    cancel: &CancelToken,
) -> Result<(), CliError> {
    let is_wanted = match args.pull.policy() {
        PullPolicy::Never => false,
        PullPolicy::Always => true,
        PullPolicy::Missing => !engine.has_image(&request.image, request.platform.as_ref())?,
    };
    // What cannot be a name is the beginning of an id, of which a registry knows nothing.
    let Some(reference) = request.image.parse().ok().filter(|_| is_wanted) else { return Ok(()) };
    let mode = if args.quiet { Mode::Quiet } else { Mode::Auto };
    let request = PullRequest { reference, platform: request.platform.clone(), all_tags: false };
    let renderer = render::on_stderr(mode, colour(&std::io::stderr()), dumb());
    let pulled = engine.pull(&remotes::registries(app), &request, &Reporter::new(renderer.clone()), cancel);
    renderer.finish();
    Ok(pulled.map(drop)?)
}

/// What was typed, as the engine takes it.
fn request(args: &RunArgs) -> Result<RunRequest, CliError> {
    let usage = |message: String| CliError::new(ErrorKind::Run, message);
    let flag = |error: LimitError| usage(error.to_string());
    let pids = args.pids_limit.as_deref().map(limits::pids).transpose().map_err(flag)?.flatten();
    let parsed = args.publish.iter().map(|text| ports::parse(text).map_err(|error| usage(error.to_string())));
    let published: Vec<Vec<PublishedPort>> = parsed.collect::<Result<_, _>>()?;
    let platform = args.platform.as_deref().filter(|text| !text.is_empty()).map(str::parse).transpose();
    Ok(RunRequest {
        image: args.image.clone(),
        platform: platform.map_err(|error: PlatformError| usage(error.to_string()))?,
        command: args.command.clone(),
        entrypoint: args.entrypoint.clone(),
        env: variables(args)?.into_iter().collect(),
        workdir: args.workdir.clone(),
        user: args.user.clone(),
        hostname: args.hostname.clone(),
        network: args.network.mode(),
        ports: published.concat(),
        dns: args.dns.dns()?,
        extra_hosts: extra_hosts(&args.add_hosts).map_err(flag)?,
        limits: args.limits.limits(pids).map_err(flag)?,
        mounts: mounts(args)?,
        read_only: args.read_only,
        groups: args.rights.group_add.clone(),
        capabilities: args.rights.capabilities()?,
        privileged: args.rights.privileged,
        unfiltered: args.rights.unfiltered()?,
        keep: keep(args),
    })
}

/// A container with a name can be seen by others, and stays unless it is to be removed.
fn keep(args: &RunArgs) -> Option<Keep> {
    let stays = args.rm.map_or(args.name.is_some(), |remove| !remove);
    (stays || args.name.is_some()).then(|| Keep { name: args.name.clone(), until_end: !stays })
}

/// What is mounted besides, whatever is higher up in the tree first.
fn mounts(args: &RunArgs) -> Result<Vec<Mount>, CliError> {
    let volumes = args.volume.iter().map(|text| volumes::volume(text));
    let memory = args.tmpfs.iter().map(|text| volumes::tmpfs(text));
    let mounts: Result<Vec<_>, _> = volumes.chain(memory).collect();
    let mut mounts = mounts.map_err(|error| CliError::from_error(ErrorKind::Run, &error))?;
    mounts.sort_by_key(|mount| Path::new(&mount.target).components().count());
    Ok(mounts)
}

/// The variables of files and, over them, of flags.
fn variables(args: &RunArgs) -> Result<BTreeMap<String, String>, CliError> {
    let mut variables = BTreeMap::new();
    for path in &args.env_file {
        let text = fs::read_to_string(path).map_err(|error| {
            CliError::from_error(ErrorKind::Run, &error).context(format!("cannot read `{}`", path.display()))
        })?;
        let lines =
            text.lines().map(str::trim_start).filter(|line| !line.is_empty() && !line.starts_with('#'));
        lines.for_each(|line| set(line, &mut variables));
    }
    for text in &args.env {
        if text.is_empty() || text.starts_with('=') {
            return Err(CliError::new(ErrorKind::Run, format!("`--env {text}` has no name")));
        }
        set(text, &mut variables);
    }
    Ok(variables)
}

/// `NAME=VALUE`, or `NAME` for the environment's value; a name that the environment has not is not set.
fn set(text: &str, variables: &mut BTreeMap<String, String>) {
    if let Some((name, value)) = text.split_once('=') {
        variables.insert(name.to_owned(), value.to_owned());
    } else if let Ok(value) = std::env::var(text) {
        variables.insert(text.to_owned(), value);
    }
}
