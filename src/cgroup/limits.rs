//! Limits, and which of them go together.

use std::fmt;

use super::controller::Controller;
use super::error::CgroupError;
use super::list::NumberList;

/// What a group may use. Nothing set means no limit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Limits {
    /// Memory, in bytes, with the file cache.
    pub memory: Option<u64>,
    /// Memory and swap together. With a limit of memory and without this one, as much swap as memory.
    pub memory_swap: Option<Swap>,
    /// Microseconds of processor time in each period.
    pub cpu_quota: Option<u64>,
    /// The period, in microseconds; 100,000 if there is only a quota.
    pub cpu_period: Option<u64>,
    /// The share of the processors when they are busy, 2 to 262,144; others have 1024.
    pub cpu_shares: Option<u64>,
    /// The processors that may be used.
    pub cpuset_cpus: Option<NumberList>,
    /// The memory nodes that may be used.
    pub cpuset_mems: Option<NumberList>,
    /// Processes and threads, the group's first process among them.
    pub pids: Option<u64>,
    /// The group below which the group is made, from the root of the hierarchies.
    pub parent: Option<String>,
}

/// A limit of memory and swap together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swap {
    /// This many bytes.
    Total(u64),
    /// As much swap as there is.
    Unlimited,
}

/// The period of a quota that comes without one, as the kernel has it.
pub(super) const PERIOD: u64 = 100_000;

/// Docker's least limit of memory: with less nothing starts.
const LEAST_MEMORY: u64 = 6 << 20;

impl Limits {
    /// Whether nothing is asked for.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The controllers that the limits need, each with the flag that needs it.
    pub(super) fn needs(&self) -> Vec<(Controller, &'static str)> {
        let needs = [
            (self.memory.is_some(), Controller::Memory, "--memory"),
            (self.memory_swap.is_some(), Controller::Memory, "--memory-swap"),
            (self.cpu_quota.is_some(), Controller::Cpu, "--cpus"),
            (self.cpu_period.is_some(), Controller::Cpu, "--cpu-period"),
            (self.cpu_shares.is_some(), Controller::Cpu, "--cpu-shares"),
            (self.cpuset_cpus.is_some(), Controller::Cpuset, "--cpuset-cpus"),
            (self.cpuset_mems.is_some(), Controller::Cpuset, "--cpuset-mems"),
            (self.pids.is_some(), Controller::Pids, "--pids-limit"),
        ];
        let mut needs: Vec<_> =
            needs.into_iter().filter(|need| need.0).map(|need| (need.1, need.2)).collect();
        needs.dedup_by_key(|need| need.0);
        needs
    }

    /// The limit of swap alone, where memory is limited.
    pub(super) fn swap(&self) -> Option<Swap> {
        let memory = self.memory?;
        Some(match self.memory_swap {
            Some(Swap::Total(total)) => Swap::Total(total.saturating_sub(memory)),
            Some(Swap::Unlimited) => Swap::Unlimited,
            None => Swap::Total(memory),
        })
    }

    /// Refuses what no kernel takes and what cannot be meant.
    pub fn check(&self) -> Result<(), CgroupError> {
        let wrong = |problem: String| Err(CgroupError::Limits(problem));
        if let Some(memory) = self.memory.filter(|memory| *memory < LEAST_MEMORY) {
            return wrong(format!("`--memory` is {}, and the least is `6m`", Bytes(memory)));
        }
        match (self.memory, self.memory_swap) {
            (None, Some(_)) => return wrong("`--memory-swap` needs a `--memory`".to_owned()),
            (Some(memory), Some(Swap::Total(total))) if total < memory => {
                return wrong(format!(
                    "`--memory-swap` is memory and swap together, and {} is less than the {} of `--memory`",
                    Bytes(total),
                    Bytes(memory)
                ));
            }
            _ => {}
        }
        let numbers = [
            ("--cpu-period", self.cpu_period, 1000, 1_000_000),
            ("--cpu-quota", self.cpu_quota, 1000, u64::MAX / 1000),
            ("--cpu-shares", self.cpu_shares, 2, 262_144),
            ("--pids-limit", self.pids, 2, 1 << 22),
        ];
        for (flag, value, least, most) in numbers {
            if let Some(value) = value.filter(|value| !(least..=most).contains(value)) {
                return wrong(format!("`{flag}` is {value}, and it must be from {least} to {most}"));
            }
        }
        match &self.parent {
            Some(parent) if parent.split('/').any(|part| part == "..") || parent.contains(['\0', '\n']) => {
                wrong(format!("`--cgroup-parent {parent}` is no path below the root, as in `/builds`"))
            }
            _ => Ok(()),
        }
    }
}

/// A number of bytes as limits are written: `512MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(pub u64);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(1_u64 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
        match units.into_iter().find(|(size, _)| self.0 >= *size) {
            None => write!(f, "{}B", self.0),
            Some((size, unit)) if self.0.is_multiple_of(size) => write!(f, "{}{unit}", self.0 / size),
            Some((size, unit)) => write!(f, "{:.1}{unit}", self.0 as f64 / size as f64),
        }
    }
}
