//! The files of version 1, see the kernel's `cgroup-v1` documentation.

use std::fs;
use std::io;
use std::path::Path;

use super::controller::Controller;
use super::error::CgroupError;
use super::group::{Hits, Used};
use super::limits::{Limits, PERIOD, Swap};
use super::{v2, v2::write};

/// Sets the limits of one controller.
pub(super) fn limit(group: &Path, controller: Controller, limits: &Limits) -> Result<(), CgroupError> {
    match controller {
        Controller::Memory => memory(group, limits),
        Controller::Cpu => {
            if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
                write(group, "cpu.cfs_period_us", &limits.cpu_period.unwrap_or(PERIOD))?;
            }
            if let Some(quota) = limits.cpu_quota {
                write(group, "cpu.cfs_quota_us", &quota)?;
            }
            limits.cpu_shares.map_or(Ok(()), |shares| write(group, "cpu.shares", &shares))
        }
        Controller::Cpuset => cpuset(group, limits),
        Controller::Pids => limits.pids.map_or(Ok(()), |pids| write(group, "pids.max", &pids)),
        Controller::CpuTime | Controller::Io => Ok(()),
    }
}

fn memory(group: &Path, limits: &Limits) -> Result<(), CgroupError> {
    let Some(memory) = limits.memory else { return Ok(()) };
    write(group, "memory.limit_in_bytes", &memory)?;
    // The kernel may have been built or booted without the accounting of swap.
    let both = "memory.memsw.limit_in_bytes";
    if limits.memory_swap.is_none() && !group.join(both).exists() {
        return Ok(());
    }
    match limits.swap() {
        Some(Swap::Total(swap)) => write(group, both, &memory.saturating_add(swap)),
        Some(Swap::Unlimited) | None => write(group, both, &-1),
    }
}

/// Both lists of a group are empty at first, and nothing can run in it until both are set.
fn cpuset(group: &Path, limits: &Limits) -> Result<(), CgroupError> {
    for (file, list, flag) in v2::lists(limits) {
        inherit(group, file).map_err(|source| CgroupError::Make { path: group.to_owned(), source })?;
        if let Some(list) = list {
            v2::available(group, file, list, flag)?;
            write(group, file, list)?;
        }
    }
    Ok(())
}

/// Gives a group its parent's list, and that one its own parent's, if it has none.
fn inherit(group: &Path, file: &str) -> io::Result<String> {
    let own = fs::read_to_string(group.join(file))?;
    if !own.trim().is_empty() {
        return Ok(own);
    }
    let parent = group.parent().ok_or(io::ErrorKind::NotFound)?;
    let list = inherit(parent, file)?;
    fs::write(group.join(file), &list)?;
    Ok(list)
}

/// Memory is charged in pieces of this size at most. What came so near to its limit was refused the next piece; the
/// counters of refusals (`failcnt`) stay at 0 on new kernels.
const NEAR: u64 = 1 << 20;

/// Reads the counters of one controller.
pub(super) fn count(group: &Path, controller: Controller, used: &mut Used, hits: &mut Hits) {
    let number = |file: &str| fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    match controller {
        Controller::Memory => {
            used.memory = number("memory.max_usage_in_bytes");
            hits.at_memory_limit = ["memory", "memory.memsw"].iter().any(|prefix| {
                let peak = number(&format!("{prefix}.max_usage_in_bytes"));
                let limit = number(&format!("{prefix}.limit_in_bytes"));
                peak.zip(limit).is_some_and(|(peak, limit)| peak.saturating_add(NEAR) >= limit)
            });
            hits.killed = v2::field(group, "memory.oom_control", "oom_kill").unwrap_or_default();
        }
        Controller::CpuTime => {
            used.cpu = number("cpuacct.usage").map(std::time::Duration::from_nanos);
        }
        Controller::Io => {
            let text = fs::read_to_string(group.join("blkio.throttle.io_service_bytes_recursive"));
            used.io = text.ok().map(|text| served(&text));
        }
        Controller::Pids => {
            hits.forks_refused = v2::field(group, "pids.events", "max").unwrap_or_default();
        }
        Controller::Cpu | Controller::Cpuset => {}
    }
}

/// Sums up lines such as `254:0 Read 4096`: bytes read and written.
fn served(text: &str) -> (u64, u64) {
    let sum = |operation: &str| {
        let lines = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let bytes = lines.filter_map(|words| match words[..] {
            [_, name, bytes] if name == operation => bytes.parse::<u64>().ok(),
            _ => None,
        });
        bytes.sum()
    };
    (sum("Read"), sum("Write"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn bytes_of_all_devices_are_summed_up() {
        let text = "254:0 Read 4096\n254:0 Write 512\n254:0 Total 4608\n7:1 Read 1\n7:1 Sync 9\nTotal 4609\n";
        assert_eq!(super::served(text), (4097, 512));
    }
}
