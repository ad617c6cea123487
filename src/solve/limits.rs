//! What a command may use, and how it is told what it met: the same for a RUN and for a container.

use crate::cgroup::{self, Bytes, Hits};
use crate::exec::{ResourceLimit, Usage};
use crate::progress;

/// Limits of a command.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Of all of its processes together.
    pub cgroup: cgroup::Limits,
    /// Of each of its processes.
    pub resources: Vec<ResourceLimit>,
    /// The size of `/dev/shm`, in bytes, if it is not the usual one.
    pub shm_size: Option<u64>,
}

/// Which memory there was not enough of, if that ended processes.
pub(crate) fn out_of_memory(hits: Hits, limits: &Limits) -> Option<String> {
    let killed = match hits.killed {
        0 => return None,
        1 => "a process was killed".to_owned(),
        many => format!("{many} processes were killed"),
    };
    Some(match limits.cgroup.memory {
        Some(limit) if hits.at_memory_limit => {
            format!("{killed} at the memory limit of {} (`--memory`)", Bytes(limit))
        }
        _ => format!("{killed} because the machine, or what strata may use of it, had no memory left"),
    })
}

/// Whether processes could not be started, in words.
pub(crate) fn too_many_processes(hits: Hits, limits: &Limits) -> Option<String> {
    let limit = limits.cgroup.pids.filter(|_| hits.forks_refused > 0)?;
    Some(format!("processes could not be started at the limit of {limit} (`--pids-limit`)"))
}

/// What was used, as progress tells it.
pub(super) fn usage(usage: &Usage) -> progress::Usage {
    let Usage { cpu, max_rss, memory, read, written } = *usage;
    let memory = memory.map_or(progress::Memory::LargestProcess(max_rss), progress::Memory::Together);
    progress::Usage { cpu, memory, read, written }
}
