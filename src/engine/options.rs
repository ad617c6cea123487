//! What a build's request means for the planner and for carrying out the plan.

use std::sync::Arc;

use crate::oci::Platform;
use crate::plan::{self, ContextName, NetworkMode, Plan};
use crate::solve::{ContextOptions, SolveOptions};

use super::Engine;
use super::build::BuildRequest;
use super::context::{self, Bringing, Directory};
use super::error::{BuildError, EngineError};
use super::given::Given;

/// What the planner needs.
pub(super) fn for_plan(request: &BuildRequest) -> Result<plan::Options, EngineError> {
    let platform = request.platform.clone().unwrap_or_else(Platform::host);
    if platform.os != "linux" {
        let what = format!("images for the operating system `{}`", platform.os);
        return Err(Box::new(BuildError::Unsupported { what }).into());
    }
    let contexts = request.contexts.iter().map(|context| (context.name.clone(), context.source.to_plan()));
    Ok(plan::Options {
        build_args: request.build_args.clone(),
        target: request.target.clone(),
        labels: request.labels.clone(),
        platform,
        platform_is_chosen: request.platform.is_some(),
        build_platform: Platform::host(),
        contexts: contexts.collect(),
        no_cache_stages: request.no_cache_stages.clone(),
        network: request.network.unwrap_or(NetworkMode::Private),
        host_network_allowed: request.network == Some(NetworkMode::Host),
    })
}

impl Engine {
    /// What carrying out `plan` needs. Named contexts are looked at now: only those that the plan reads.
    pub(super) fn solve_options(
        &self,
        request: &BuildRequest,
        plan: &Plan,
        main: Directory,
        bringing: Bringing<'_>,
        given: &Given,
    ) -> Result<SolveOptions, EngineError> {
        let scope = if main.is_lasting { main.root.to_string_lossy().into_owned() } else { String::new() };
        let options = |directory: Directory| {
            let remember = request.stat_cache && directory.is_lasting;
            ContextOptions {
                stat_cache: remember.then(|| self.store.stat_cache(&directory.root)),
                root: directory.root,
                ignore: Arc::new(directory.ignore),
            }
        };
        let main = options(main);
        let contexts = plan.contexts.iter().map(|name| match name {
            ContextName::Main => Ok(main.clone()),
            ContextName::Named(name) => {
                context::named_directory(name, &request.contexts, bringing).map(options)
            }
        });
        let contexts = contexts.collect::<Result<_, _>>()?;
        // Steps wait for commands and disks as often as for cores.
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(SolveOptions {
            contexts,
            scope,
            no_cache: request.no_cache,
            clients: request.clients.clone(),
            jobs: request.jobs.unwrap_or((2 * cores).max(4)),
            hosts: self.host.hosts(),
            resolv_conf: self.host.resolv_conf.clone(),
            secrets: given.secrets.clone(),
            agents: given.agents(),
        })
    }
}
