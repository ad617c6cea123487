//! What a build's request means for the planner and for carrying out the plan.

use crate::oci::Platform;
use crate::plan::{self, Chosen, ContextName, NetworkMode, Plan};
use crate::solve::{ContextOptions, SolveOptions};

use super::Engine;
use super::build::BuildRequest;
use super::context::{self, Bringing, Directory};
use super::error::{BuildError, EngineError};
use super::given::Given;

/// What the planner needs for each platform.
pub(super) fn for_plans(request: &BuildRequest) -> Result<Vec<plan::Options>, EngineError> {
    let platforms = request.chosen_platforms();
    let are_several = platforms.len() > 1;
    let options = platforms.into_iter().map(|platform| {
        let chosen = match platform {
            None => Chosen::No,
            Some(_) if are_several => Chosen::AmongOthers,
            Some(_) => Chosen::Alone,
        };
        for_plan(request, platform.cloned().unwrap_or_else(Platform::host), chosen)
    });
    options.collect()
}

fn for_plan(
    request: &BuildRequest,
    platform: Platform,
    chosen: Chosen,
) -> Result<plan::Options, EngineError> {
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
        chosen,
        build_platform: Platform::host(),
        emulated: crate::exec::emulated(),
        contexts: contexts.collect(),
        no_cache_stages: request.no_cache_stages.clone(),
        network: request.network.unwrap_or(NetworkMode::Private),
        host_network_allowed: request.network == Some(NetworkMode::Host) || request.allow.host_network,
        insecure_allowed: request.allow.insecure,
        circumstances: circumstances(request),
    })
}

/// The host name in a RUN, as BuildKit sets it.
const HOSTNAME: &str = "buildkitsandbox";

/// The host name that the user chose, by BuildKit's build argument.
fn chosen_hostname(request: &BuildRequest) -> Option<&str> {
    let name = request.build_args.get("BUILDKIT_SANDBOX_HOSTNAME")?;
    Some(name.as_str()).filter(|name| !name.is_empty())
}

/// What may show in what a RUN makes, as far as BuildKit counts it too: the host's own name, names of hosts, but not
/// their addresses, and ulimits, but no limits of cgroups.
fn circumstances(request: &BuildRequest) -> Vec<String> {
    let hostname = chosen_hostname(request).map(|name| format!("the host name {name}"));
    let hosts = request.extra_hosts.iter().map(|host| format!("the host {}", host.name));
    let limits = request.limits.resources.iter().map(|limit| {
        let number = |value: u64| if value == u64::MAX { "-1".to_owned() } else { value.to_string() };
        format!("the ulimit {}={}:{}", limit.resource.name(), number(limit.soft), number(limit.hard))
    });
    hostname.into_iter().chain(hosts).chain(limits).collect()
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
                ignore: directory.ignore,
                origin: directory.origin,
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
            clients: bringing.clients.clone(),
            jobs: request.jobs.unwrap_or((2 * cores).max(4)),
            hosts: self.host.hosts(),
            resolv_conf: self.host.resolv_conf.clone(),
            secrets: given.secrets.clone(),
            agents: given.agents(),
            hostname: chosen_hostname(request).unwrap_or(HOSTNAME).to_owned(),
            extra_hosts: request.extra_hosts.clone(),
            limits: request.limits.clone(),
        })
    }
}
