//! Controllers: what the kernel can account for and limit.

/// A controller, by the resource that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Controller {
    Memory,
    Cpu,
    /// Time on processors. In version 2 every group counts it, without a controller.
    CpuTime,
    Cpuset,
    Pids,
    Io,
}

impl Controller {
    /// Those whose counters are worth having without a limit.
    pub(super) const ACCOUNTING: [Self; 3] = [Self::Memory, Self::CpuTime, Self::Io];

    /// Its name in version 1.
    pub(super) fn v1(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpu",
            Self::CpuTime => "cpuacct",
            Self::Cpuset => "cpuset",
            Self::Pids => "pids",
            Self::Io => "blkio",
        }
    }

    /// Its name in version 2; `None` for what needs no controller.
    pub(super) fn v2(self) -> Option<&'static str> {
        match self {
            Self::CpuTime => None,
            Self::Io => Some("io"),
            other => Some(other.v1()),
        }
    }
}
