//! Running a command in a container of an image.

mod automatic;

use std::ffi::OsString;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use crate::exec::{self, CancelToken, Capabilities, Io, Output, Signals, Spec, Status, Stdin, Terminal};
use crate::network::{
    Dns, ExtraHost, Lack, Network, PublishedPort, machine_address, with_hosts, without_loopback,
};
use crate::oci::{Config, DEFAULT_PATH, Platform};
use crate::plan::NetworkMode;
use crate::solve::{Limits, Stack, copying, out_of_memory, too_many_processes};
use crate::store::{ContainerDir, Driver, WorkDir};

use super::Engine;
use super::containers::Keep;
use super::error::EngineError;

/// What to run.
#[derive(Debug, Clone, Default)]
pub struct RunRequest {
    /// The image.
    pub image: String,
    /// What the image is for, if there are several of the name; `None` takes the one for this machine.
    pub platform: Option<Platform>,
    /// The command; empty takes the image's own.
    pub command: Vec<String>,
    /// Goes before the command in the place of the image's entrypoint, whose command then does not count either. An
    /// empty one is no entrypoint at all.
    pub entrypoint: Option<String>,
    /// Variables that are added to the image's or replace them.
    pub env: Vec<(String, String)>,
    /// The working directory, in the place of the image's.
    pub workdir: Option<String>,
    /// `user[:group]`, in the place of the image's.
    pub user: Option<String>,
    /// The host name; otherwise one is made up.
    pub hostname: Option<String>,
    /// The network that it sees.
    pub network: NetworkMode,
    /// Ports of the machine that lead into the container. They need a network of its own.
    pub ports: Vec<PublishedPort>,
    /// What its `/etc/resolv.conf` has in the place of the machine's.
    pub dns: Dns,
    /// Further names in `/etc/hosts`.
    pub extra_hosts: Vec<ExtraHost>,
    /// What it may use.
    pub limits: Limits,
    /// What is mounted besides, in this order.
    pub mounts: Vec<exec::Mount>,
    /// Whether the root file system cannot be written to.
    pub read_only: bool,
    /// Groups that the command is in besides, by name or number.
    pub groups: Vec<String>,
    /// What the command may do if it is root's.
    pub capabilities: Capabilities,
    /// Whether the command has the rights of the machine's root, and its devices.
    pub privileged: bool,
    /// Whether the command may make all system calls, as far as its capabilities go.
    pub unfiltered: bool,
    /// What the container is kept for; without it nothing of it stays.
    pub keep: Option<Keep>,
}

/// What a container is connected to.
#[derive(Debug, Clone, Copy)]
pub struct Connection<'a> {
    /// Whether it has the caller's standard input.
    pub interactive: bool,
    /// The terminal that it has, in the place of the caller's standard streams.
    pub terminal: Option<Terminal<'a>>,
    /// Signals for its command.
    pub signals: &'a Signals,
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// The end of its command.
    pub status: Status,
    /// Limits that it met, in words.
    pub remarks: Vec<String>,
}

impl Engine {
    /// What the user should know before a container runs: where it gets less than was asked for.
    pub fn remarks(&self, request: &RunRequest) -> Vec<String> {
        let copied = match self.store.driver() {
            Driver::Native { reason } => Some(copying(reason)),
            Driver::Overlay => None,
        };
        let lack = self.missing_network(request);
        let lack = lack.map(|lack| format!("the container has the machine's network: {lack}"));
        copied.into_iter().chain(lack).collect()
    }

    /// What is missing for a network of the container's own, so that it will have the machine's. Ports cannot be
    /// published there: with some there is an error instead.
    fn missing_network(&self, request: &RunRequest) -> Option<Lack> {
        let own = request.network == NetworkMode::Private && request.ports.is_empty();
        if own { self.networks.lack() } else { None }
    }

    /// What `/etc/resolv.conf` of a container holds.
    fn resolv_conf(&self, mode: NetworkMode, dns: &Dns) -> Option<Vec<u8>> {
        let machine = self.host.resolv_conf.as_deref();
        let text = match mode {
            NetworkMode::Private => Some(without_loopback(machine.unwrap_or_default())),
            NetworkMode::Host | NetworkMode::None => machine.map(<[u8]>::to_vec),
        };
        if dns.is_empty() { text } else { Some(dns.apply_to(&text.unwrap_or_default())) }
    }

    /// Runs a command in a container, which is removed when it ends unless it is to be kept.
    pub fn run(
        &self,
        request: &RunRequest,
        connection: Connection<'_>,
        cancel: &CancelToken,
    ) -> Result<Ended, EngineError> {
        if !request.ports.is_empty() && request.network != NetworkMode::Private {
            return Err(EngineError::PortsWithoutNetwork);
        }
        let image = self.load_documents(self.find_for(&request.image, request.platform.as_ref())?)?;
        let config = &image.config.config;
        let args = arguments(request, config);
        if args.is_empty() {
            return Err(EngineError::NoCommand(request.image.clone()));
        }
        self.prepare_sandboxes()?;
        let work = self.store.work_dir()?;
        let stack = Stack::open(&image.config.rootfs.diff_ids, &self.store, &work)?;
        let running = Running { request, config, args, stack: &stack, work: &work, kept: None };
        let Some(keep) = &request.keep else {
            return self.run_in(running, connection, cancel);
        };
        let args = running.args.iter().map(|arg| arg.to_string_lossy().into_owned()).collect::<Vec<_>>();
        let container = self.begin_container((keep, request), &image, &args, &work)?;
        let running = Running { kept: Some(&container), ..running };
        match self.run_in(running, connection, cancel) {
            Ok(mut ended) => {
                let code = ended.status.code();
                // The command has ended as it has, whatever becomes of its files.
                if let Err(error) = self.end_container(container, keep.until_end, code, (&stack, &work)) {
                    ended.remarks.push(format!("what the container changed could not be kept: {error}"));
                }
                Ok(ended)
            }
            Err(error) => {
                // What could not be run is not worth its name.
                self.store.remove_container(container, &work)?;
                Err(error)
            }
        }
    }

    /// Runs the command; what it changes is in the directory of the container, or goes with the work directory.
    fn run_in(
        &self,
        running: Running<'_>,
        connection: Connection<'_>,
        cancel: &CancelToken,
    ) -> Result<Ended, EngineError> {
        let Running { request, config, args, stack, work, kept } = running;
        let mode = match self.missing_network(request) {
            Some(_) => NetworkMode::Host,
            None => request.network,
        };
        let scratch = kept.map_or(work.path(), ContainerDir::path);
        let mut ground = stack.ground(&self.store, scratch, cancel)?;
        // What stays is synced as the kernel sees fit, and when it is unmounted.
        ground.root.volatile = kept.is_none();
        let id = scratch.file_name().map(|name| name.to_string_lossy().chars().take(12).collect());
        let network = match mode {
            NetworkMode::Private => Some(self.networks.publish(&request.ports)?),
            NetworkMode::Host | NetworkMode::None => None,
        };
        let hostname = request.hostname.clone().or(id).unwrap_or_default();
        let cwd = working_directory(request, config);
        let mut mounts = vec![automatic::hostname(&hostname)];
        if request.read_only {
            ground.root.upper = None;
            let (image, scratch) = ((stack, &ground.root), work.path());
            mounts.extend(automatic::volumes(config, &request.mounts, image, scratch)?);
        }
        // Those of the user may cover the others.
        mounts.extend(request.mounts.iter().cloned());
        if request.read_only {
            automatic::mount_points(&mut ground.root, (&mounts, &cwd), work.path())?;
        }
        let own_name = own_name(&hostname, network.as_ref(), mode);
        let spec = Spec {
            root: ground.root,
            args,
            env: environment(&config.env, request, &hostname, connection.terminal.is_some()),
            cwd,
            user: request.user.clone().unwrap_or_else(|| config.user.clone()),
            groups: request.groups.clone(),
            hostname,
            network: match mode {
                NetworkMode::Host => exec::Network::Host,
                NetworkMode::None => exec::Network::None,
                NetworkMode::Private => exec::Network::Given,
            },
            hosts: with_hosts(
                &[self.host.hosts(), own_name.into_bytes()].concat(),
                &request.extra_hosts,
                machine_address(network.as_ref()),
            )?,
            resolv_conf: self.resolv_conf(mode, &request.dns),
            script: None,
            insecure: request.privileged,
            resources: request.limits.resources.clone(),
            shm_size: request.limits.shm_size,
            mounts,
            capabilities: request.capabilities,
            filtered: !request.unfiltered,
        };
        let limits = &request.limits;
        let group = self.cgroups.make(&limits.cgroup)?;
        let io = Io {
            stdin: if connection.interactive { Stdin::Inherit } else { Stdin::Null },
            output: Output::Inherit,
            terminal: connection.terminal,
            network: network.as_ref().map(Network::namespace),
            cgroup: group.as_ref(),
            signals: Some(connection.signals),
            foreground: true,
        };
        let held: Vec<BorrowedFd<'_>> = std::iter::once(work.as_fd()).chain(kept.map(AsFd::as_fd)).collect();
        let outcome = self.executor.run(&spec, io, &held, cancel)?;
        let remarks = [out_of_memory(outcome.hits, limits), too_many_processes(outcome.hits, limits)];
        Ok(Ended { status: outcome.status, remarks: remarks.into_iter().flatten().collect() })
    }
}

/// What is about to run.
struct Running<'a> {
    request: &'a RunRequest,
    /// The image's settings.
    config: &'a Config,
    args: Vec<OsString>,
    stack: &'a Stack,
    work: &'a WorkDir,
    /// The container, if it stays.
    kept: Option<&'a ContainerDir>,
}

/// The line of `/etc/hosts` for the container itself. With the machine's network it has the machine's names.
fn own_name(hostname: &str, network: Option<&Network<'_>>, mode: NetworkMode) -> String {
    /// Debian's choice for a machine whose address is not known.
    const SOME_LOOPBACK: Ipv4Addr = Ipv4Addr::new(127, 0, 1, 1);
    if mode == NetworkMode::Host || hostname.is_empty() {
        return String::new();
    }
    let address = network.and_then(Network::address).unwrap_or(SOME_LOOPBACK);
    format!("{address}\t{hostname}\n")
}

/// Entrypoint and command, each the user's or the image's; the image's command belongs to the image's entrypoint.
fn arguments(request: &RunRequest, config: &Config) -> Vec<OsString> {
    let entrypoint = match &request.entrypoint {
        Some(entrypoint) => Some(entrypoint).filter(|text| !text.is_empty()).cloned().into_iter().collect(),
        None => config.entrypoint.clone().unwrap_or_default(),
    };
    let command = if request.command.is_empty() && request.entrypoint.is_none() {
        config.cmd.clone().unwrap_or_default()
    } else {
        request.command.clone()
    };
    entrypoint.into_iter().chain(command).map(OsString::from).collect()
}

/// A relative one is below the image's.
pub(super) fn working_directory(request: &RunRequest, config: &Config) -> PathBuf {
    let image = Path::new("/").join(&config.working_dir);
    request.workdir.as_ref().map_or(image.clone(), |path| image.join(path))
}

/// The image's variables with the user's, `PATH` and `HOSTNAME` always and, for a terminal, `TERM`, as Docker has them.
fn environment(
    image: &[String],
    request: &RunRequest,
    hostname: &str,
    terminal: bool,
) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(&str, &str)> = image.iter().filter_map(|pair| pair.split_once('=')).collect();
    let mut defaults = vec![("PATH", DEFAULT_PATH), ("HOSTNAME", hostname)];
    if terminal {
        defaults.push(("TERM", "xterm"));
    }
    for (name, value) in defaults {
        if !variables.iter().any(|(known, _)| *known == name) {
            variables.push((name, value));
        }
    }
    for (name, value) in &request.env {
        match variables.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => variables.push((name, value)),
        }
    }
    variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect()
}
