//! Running a command in a container of an image.

use std::ffi::OsString;
use std::os::fd::AsFd;
use std::path::PathBuf;

use crate::exec::{self, CancelToken, Io, Output, Signals, Spec, Status};
use crate::network::{Network, without_loopback};
use crate::plan::NetworkMode;
use crate::solve::{Stack, make_upper};

use super::error::EngineError;
use super::{Engine, HostFiles};

/// What to run.
#[derive(Debug, Clone)]
pub struct RunRequest {
    /// The image.
    pub image: String,
    /// The command; empty takes the image's own.
    pub command: Vec<String>,
    /// The network that it sees.
    pub network: NetworkMode,
}

/// The search path of an image that sets none.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Engine {
    /// Runs a command in a container that is removed when it ends. The command has the caller's output; `signals`
    /// reach it.
    pub fn run(
        &self,
        request: &RunRequest,
        signals: &Signals,
        cancel: &CancelToken,
    ) -> Result<Status, EngineError> {
        let image = self.load_documents(self.find(&request.image)?)?;
        let config = &image.config.config;
        let entrypoint = config.entrypoint.clone().unwrap_or_default();
        let command = if request.command.is_empty() {
            config.cmd.clone().unwrap_or_default()
        } else {
            request.command.clone()
        };
        let args: Vec<OsString> = entrypoint.into_iter().chain(command).map(OsString::from).collect();
        if args.is_empty() {
            return Err(EngineError::NoCommand(request.image.clone()));
        }
        self.prepare_sandboxes()?;
        let work = self.store.work_dir()?;
        let stack = Stack::open(&image.config.rootfs.diff_ids, &self.store, &work)?;
        let upper = make_upper(work.path())?;
        let host = HostFiles::read();
        let id = work.path().file_name().map(|name| name.to_string_lossy().chars().take(12).collect());
        let spec = Spec {
            root: exec::Root {
                lowers: stack.lowers(work.path())?,
                skeleton: self.store.skeleton(),
                upper: Some(upper),
                volatile: true,
                mount_api: exec::MountApi::Best,
            },
            args,
            env: environment(&config.env),
            cwd: PathBuf::from(if config.working_dir.is_empty() { "/" } else { &config.working_dir }),
            user: config.user.clone(),
            hostname: id.unwrap_or_default(),
            network: match request.network {
                NetworkMode::Host => exec::Network::Host,
                NetworkMode::None => exec::Network::None,
                NetworkMode::Private => exec::Network::Given,
            },
            hosts: host.hosts,
            resolv_conf: match request.network {
                NetworkMode::Private => Some(without_loopback(&host.resolv_conf.unwrap_or_default())),
                NetworkMode::Host | NetworkMode::None => host.resolv_conf,
            },
            script: None,
            mounts: Vec::new(),
        };
        let network = match request.network {
            NetworkMode::Private => Some(self.networks.publish(&[])?),
            NetworkMode::Host | NetworkMode::None => None,
        };
        let io = Io {
            network: network.as_ref().map(Network::namespace),
            output: Output::Inherit,
            signals: Some(signals),
            foreground: true,
            ..Io::default()
        };
        Ok(self.executor.run(&spec, io, &[work.as_fd()], cancel)?.status)
    }
}

fn environment(image: &[String]) -> Vec<(OsString, OsString)> {
    let mut variables: Vec<(OsString, OsString)> = image
        .iter()
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.into(), value.into()))
        .collect();
    if !variables.iter().any(|(name, _)| name == "PATH") {
        variables.push(("PATH".into(), PATH.into()));
    }
    variables
}
