//! The files of version 2, see the kernel's `cgroup-v2.rst`.

use std::fmt::Display;
use std::fs;
use std::path::Path;
use std::time::Duration;

use super::controller::Controller;
use super::error::CgroupError;
use super::group::{Hits, Used};
use super::limits::{Limits, PERIOD, Swap};
use super::list::NumberList;

/// Sets the limits of one controller.
pub(super) fn limit(group: &Path, controller: Controller, limits: &Limits) -> Result<(), CgroupError> {
    match controller {
        Controller::Memory => memory(group, limits),
        Controller::Cpu => {
            if limits.cpu_quota.is_some() || limits.cpu_period.is_some() {
                let quota = limits.cpu_quota.map_or("max".to_owned(), |quota| quota.to_string());
                let period = limits.cpu_period.unwrap_or(PERIOD);
                write(group, "cpu.max", &format!("{quota} {period}"))?;
            }
            limits.cpu_shares.map_or(Ok(()), |shares| write(group, "cpu.weight", &weight(shares)))
        }
        Controller::Cpuset => {
            for (file, list, flag) in lists(limits) {
                if let Some(list) = list {
                    available(group, file, list, flag)?;
                    write(group, file, list)?;
                }
            }
            Ok(())
        }
        Controller::Pids => limits.pids.map_or(Ok(()), |pids| write(group, "pids.max", &pids)),
        Controller::CpuTime | Controller::Io => Ok(()),
    }
}

fn memory(group: &Path, limits: &Limits) -> Result<(), CgroupError> {
    let Some(memory) = limits.memory else { return Ok(()) };
    write(group, "memory.max", &memory)?;
    // The kernel may have been built or booted without the accounting of swap.
    let file = "memory.swap.max";
    if limits.memory_swap.is_none() && !group.join(file).exists() {
        return Ok(());
    }
    match limits.swap() {
        Some(Swap::Total(swap)) => write(group, file, &swap),
        Some(Swap::Unlimited) | None => write(group, file, &"max"),
    }
}

/// Shares of version 1 (2 to 262,144) as a weight of version 2 (1 to 10,000), as OCI runtimes convert them.
fn weight(shares: u64) -> u64 {
    1 + (shares.clamp(2, 262_144) - 2) * 9999 / 262_142
}

/// The lists of a cpuset: file, value, flag.
pub(super) fn lists(limits: &Limits) -> [(&'static str, Option<&NumberList>, &'static str); 2] {
    [
        ("cpuset.cpus", limits.cpuset_cpus.as_ref(), "--cpuset-cpus"),
        ("cpuset.mems", limits.cpuset_mems.as_ref(), "--cpuset-mems"),
    ]
}

/// Refuses a list that asks for more than the parent of the group has.
pub(super) fn available(
    group: &Path,
    file: &str,
    list: &NumberList,
    flag: &'static str,
) -> Result<(), CgroupError> {
    let Some(parent) = group.parent() else { return Ok(()) };
    // What is in effect is called so in version 2 and otherwise in version 1.
    let names = [format!("{file}.effective"), file.replace("cpuset.", "cpuset.effective_")];
    let mut texts = names.iter().filter_map(|name| fs::read_to_string(parent.join(name)).ok());
    let Some(there) = texts.find_map(|text| text.parse::<NumberList>().ok()) else { return Ok(()) };
    let missing = list.missing_from(&there);
    if missing.is_empty() {
        return Ok(());
    }
    Err(CgroupError::NotAvailable { flag, asked: list.to_string(), missing, available: there.to_string() })
}

/// Reads the counters of one controller.
pub(super) fn count(group: &Path, controller: Controller, used: &mut Used, hits: &mut Hits) {
    match controller {
        Controller::Memory => {
            // The kernel keeps a peak since 5.19.
            let peak = fs::read_to_string(group.join("memory.peak")).ok();
            used.memory = peak.and_then(|text| text.trim().parse().ok());
            hits.at_memory_limit = field(group, "memory.events", "max").is_some_and(|times| times > 0);
            hits.killed = field(group, "memory.events", "oom_kill").unwrap_or_default();
        }
        Controller::CpuTime => {
            used.cpu = field(group, "cpu.stat", "usage_usec").map(Duration::from_micros);
        }
        Controller::Io => {
            used.io = fs::read_to_string(group.join("io.stat")).ok().map(|text| served(&text));
        }
        Controller::Pids => hits.forks_refused = field(group, "pids.events", "max").unwrap_or_default(),
        Controller::Cpu | Controller::Cpuset => {}
    }
}

/// Sums up lines such as `254:0 rbytes=4096 wbytes=512 rios=1`: bytes read and written.
fn served(text: &str) -> (u64, u64) {
    let sum = |key: &str| {
        let values = text.split_whitespace().filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
        values.filter_map(|value| value.parse::<u64>().ok()).sum()
    };
    (sum("rbytes"), sum("wbytes"))
}

/// The number behind a name in a file of lines.
pub(super) fn field(group: &Path, file: &str, name: &str) -> Option<u64> {
    let text = fs::read_to_string(group.join(file)).ok()?;
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

/// Writes a value.
pub(super) fn write(group: &Path, file: &str, value: &dyn Display) -> Result<(), CgroupError> {
    let (path, value) = (group.join(file), value.to_string());
    fs::write(&path, &value).map_err(|source| CgroupError::Set { value, path, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_become_weights() {
        assert_eq!([2, 1024, 262_144].map(weight), [1, 39, 10_000]);
    }

    #[test]
    fn bytes_of_all_devices_are_summed_up() {
        let text = "254:0 rbytes=4096 wbytes=512 rios=1 wios=1 dbytes=0 dios=0\n7:1 rbytes=1 wbytes=0\n";
        assert_eq!(served(text), (4097, 512));
        assert_eq!(served(""), (0, 0));
    }

    /// The values that the kernel would be given, in plain files.
    #[test]
    fn limits_are_written_in_the_words_of_the_kernel() {
        let directory = tempfile::tempdir().unwrap();
        let read = |file: &str| fs::read_to_string(directory.path().join(file)).unwrap();
        fs::write(directory.path().join("memory.swap.max"), "max").unwrap();
        let limits = Limits {
            memory: Some(64 << 20),
            memory_swap: Some(Swap::Total(96 << 20)),
            cpu_quota: Some(150_000),
            cpu_shares: Some(512),
            pids: Some(7),
            ..Limits::default()
        };
        for controller in [Controller::Memory, Controller::Cpu, Controller::Pids] {
            limit(directory.path(), controller, &limits).unwrap();
        }
        assert_eq!(read("memory.max"), (64 << 20).to_string());
        assert_eq!(read("memory.swap.max"), (32 << 20).to_string());
        assert_eq!(read("cpu.max"), "150000 100000");
        assert_eq!(read("cpu.weight"), "20");
        assert_eq!(read("pids.max"), "7");
    }
}
