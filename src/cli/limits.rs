//! Flags about what a command may use and see, spelled as Docker's; the same for `build` and `run`.

use std::net::IpAddr;

use crate::cgroup::{self, NumberList, Swap};
use crate::exec::{Resource, ResourceLimit};
use crate::network::{ExtraHost, HostAddress};
use crate::solve::Limits;

/// Limits of commands.
#[derive(Debug, clap::Args)]
pub(super) struct LimitArgs {
    /// Most memory, with the file cache, such as `512m` or `1.5g`
    #[arg(short, long, value_name = "SIZE", help_heading = "Limits")]
    memory: Option<String>,
    /// Most memory and swap together; `-1` for any amount of swap [default: twice the memory]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true, help_heading = "Limits")]
    memory_swap: Option<String>,
    /// Processors' worth of time, such as `1.5`
    #[arg(long, value_name = "N", help_heading = "Limits")]
    cpus: Option<String>,
    /// Microseconds of processor time in each period
    #[arg(long, value_name = "MICROSECONDS", allow_hyphen_values = true, help_heading = "Limits")]
    cpu_quota: Option<String>,
    /// The period of `--cpu-quota` [default: 100000]
    #[arg(long, value_name = "MICROSECONDS", help_heading = "Limits")]
    cpu_period: Option<String>,
    /// Share of processors that are busy, where others have 1024
    #[arg(short, long, value_name = "N", help_heading = "Limits")]
    cpu_shares: Option<String>,
    /// Processors that may be used, such as `0-3,5`
    #[arg(long, value_name = "LIST", help_heading = "Limits")]
    cpuset_cpus: Option<String>,
    /// Memory nodes that may be used, such as `0,1`
    #[arg(long, value_name = "LIST", help_heading = "Limits")]
    cpuset_mems: Option<String>,
    /// Limit of each process, such as `nofile=1024:2048`; may be repeated
    #[arg(long = "ulimit", value_name = "NAME=SOFT[:HARD]", help_heading = "Limits")]
    ulimits: Vec<String>,
    /// Size of /dev/shm [default: 64m]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    shm_size: Option<String>,
    /// Cgroup below which each command gets one of its own
    #[arg(long, value_name = "PATH", help_heading = "Limits")]
    cgroup_parent: Option<String>,
}

/// A flag that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum LimitError {
    #[error("`{flag} {text}` is {problem}, as in {example}")]
    Form { flag: &'static str, text: String, problem: &'static str, example: &'static str },
    #[error("`--cpus` is `--cpu-quota` and `--cpu-period` in one: it cannot be given with one of them")]
    CpusTwice,
    #[error("`--ulimit {text}` knows no limit `{name}`: there are {}", resource_names())]
    Resource { text: String, name: String },
    #[error("`--ulimit {text}` has a soft limit above the hard one")]
    SoftAboveHard { text: String },
    #[error("{0}")]
    Together(String),
}

fn wrong(flag: &'static str, text: &str, problem: &'static str, example: &'static str) -> LimitError {
    LimitError::Form { flag, text: text.to_owned(), problem, example }
}

impl LimitArgs {
    /// The limits, `pids` among them.
    pub(super) fn limits(&self, pids: Option<u64>) -> Result<Limits, LimitError> {
        let (quota, period) = self.cpu_time()?;
        let swap = |text: &String| match text.as_str() {
            "-1" => Ok(Some(Swap::Unlimited)),
            text => Ok(Some(size("--memory-swap", text)?).filter(|total| *total > 0).map(Swap::Total)),
        };
        let shares = self.cpu_shares.as_deref().map(|text| number("--cpu-shares", text, "`512`"));
        let cgroup = cgroup::Limits {
            memory: optional(self.memory.as_ref(), |text| size("--memory", text))?,
            memory_swap: self.memory_swap.as_ref().map(swap).transpose()?.flatten(),
            cpu_quota: quota,
            cpu_period: period,
            cpu_shares: shares.transpose()?.filter(|shares| *shares > 0),
            cpuset_cpus: optional(self.cpuset_cpus.as_ref(), |text| list("--cpuset-cpus", text))?,
            cpuset_mems: optional(self.cpuset_mems.as_ref(), |text| list("--cpuset-mems", text))?,
            pids,
            parent: self.cgroup_parent.clone().filter(|parent| !parent.is_empty()),
        };
        cgroup.check().map_err(|error| LimitError::Together(error.to_string()))?;
        let shm_size = optional(self.shm_size.as_ref(), |text| size("--shm-size", text))?;
        if shm_size == Some(0) {
            return Err(wrong("--shm-size", "0", "no size for it", "`64m`"));
        }
        let resources = self.ulimits.iter().map(|text| ulimit(text)).collect::<Result<_, _>>()?;
        Ok(Limits { cgroup, resources, shm_size })
    }

    /// Quota and period.
    fn cpu_time(&self) -> Result<(Option<u64>, Option<u64>), LimitError> {
        let quota = match self.cpu_quota.as_deref() {
            None | Some("-1" | "0") => None,
            Some(text) => Some(number("--cpu-quota", text, "`50000`")?),
        };
        let period = optional(self.cpu_period.as_ref(), |text| number("--cpu-period", text, "`100000`"))?;
        let Some(text) = &self.cpus else { return Ok((quota, period.filter(|period| *period > 0))) };
        if self.cpu_quota.is_some() || self.cpu_period.is_some() {
            return Err(LimitError::CpusTwice);
        }
        let cpus = text.parse::<f64>().ok().filter(|cpus| (0.0..=8192.0).contains(cpus));
        let cpus = cpus.ok_or_else(|| wrong("--cpus", text, "no number of processors", "`1.5`"))?;
        if cpus > 0.0 && cpus < 0.01 {
            return Err(wrong("--cpus", text, "less than 0.01", "`1.5`"));
        }
        let quota = (cpus * 100_000.0).round() as u64;
        Ok((Some(quota).filter(|quota| *quota > 0), None))
    }
}

fn optional<T>(
    text: Option<&String>,
    read: impl FnOnce(&str) -> Result<T, LimitError>,
) -> Result<Option<T>, LimitError> {
    text.map(|text| read(text)).transpose()
}

/// The limit of processes: 0 and -1 are none.
pub(super) fn pids(text: &str) -> Result<Option<u64>, LimitError> {
    match text {
        "0" | "-1" => Ok(None),
        text => number("--pids-limit", text, "`100`").map(Some),
    }
}

fn number(flag: &'static str, text: &str, example: &'static str) -> Result<u64, LimitError> {
    text.parse().map_err(|_| wrong(flag, text, "no number", example))
}

fn list(flag: &'static str, text: &str) -> Result<NumberList, LimitError> {
    text.parse().map_err(|_| wrong(flag, text, "no list of numbers", "`0-3` or `0,2`"))
}

/// `512m`, `1.5g`, `64KiB`: units are powers of 1024, as everywhere in Docker's flags.
pub(super) fn size(flag: &'static str, text: &str) -> Result<u64, LimitError> {
    let read = || {
        let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (digits, unit) = text.split_at(digits);
        let power = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            "p" | "pb" | "pib" => 5,
            _ => return None,
        };
        let bytes = digits.parse::<f64>().ok()? * 1024_f64.powi(power);
        (bytes < 2_f64.powi(62)).then_some(bytes as u64)
    };
    read().ok_or_else(|| wrong(flag, text, "no size", "`512m` or `1.5g`"))
}

/// `NAME=SOFT[:HARD]`; `-1` is no limit.
fn ulimit(text: &str) -> Result<ResourceLimit, LimitError> {
    let form = || wrong("--ulimit", text, "no limit", "`nofile=1024:2048`");
    let (name, values) = text.split_once('=').ok_or_else(form)?;
    let resource = Resource::named(name)
        .ok_or_else(|| LimitError::Resource { text: text.to_owned(), name: name.to_owned() })?;
    let value = |text: &str| match text {
        "-1" => Ok(u64::MAX),
        text => text.parse::<u64>().map_err(|_| form()),
    };
    let (soft, hard) = values.split_once(':').unwrap_or((values, values));
    let (soft, hard) = (value(soft)?, value(hard)?);
    if soft > hard {
        return Err(LimitError::SoftAboveHard { text: text.to_owned() });
    }
    Ok(ResourceLimit { resource, soft, hard })
}

fn resource_names() -> String {
    Resource::ALL.iter().map(|resource| resource.name()).collect::<Vec<_>>().join(", ")
}

/// The values of `--add-host`.
pub(super) fn extra_hosts(texts: &[String]) -> Result<Vec<ExtraHost>, LimitError> {
    texts.iter().map(|text| extra_host(text)).collect()
}

/// `NAME:ADDRESS` or `NAME=ADDRESS`, where `host-gateway` is the machine's.
fn extra_host(text: &str) -> Result<ExtraHost, LimitError> {
    let form = || wrong("--add-host", text, "no name with an address", "`db:10.0.0.2` or `db:host-gateway`");
    let at = text.find('=').or_else(|| text.find(':')).ok_or_else(form)?;
    let (name, address) = (&text[..at], text[at + 1..].trim());
    if name.is_empty() || name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '#') {
        return Err(form());
    }
    let bare = address.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(address);
    let address = match bare {
        "host-gateway" => HostAddress::Gateway,
        bare => HostAddress::Ip(bare.parse::<IpAddr>().map_err(|_| form())?),
    };
    Ok(ExtraHost { name: name.to_owned(), address })
}

#[cfg(test)]
mod tests;
