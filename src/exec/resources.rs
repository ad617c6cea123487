//! Limits of single processes, see setrlimit(2): what Docker calls ulimits.

use rustix::process::{Rlimit, setrlimit};

use super::channel::Failure;
use super::init::Step as _;

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResourceLimit {
    /// Of what.
    pub resource: Resource,
    /// The value that holds; [`u64::MAX`] is none.
    pub soft: u64,
    /// Up to where a process may raise it.
    pub hard: u64,
}

macro_rules! resources {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:literal,)*) => {
        /// What is limited, under the names of Docker's `--ulimit`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Resource {
            $($(#[doc = $doc])+ $variant,)*
        }

        impl Resource {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Its name.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            fn kernel(self) -> rustix::process::Resource {
                match self {
                    $(Self::$variant => rustix::process::Resource::$variant,)*
                }
            }
        }
    };
}

resources! {
    /// The size of core files, in bytes.
    Core = "core",
    /// Seconds on processors.
    Cpu = "cpu",
    /// The data segment, in bytes.
    Data = "data",
    /// The size of files, in bytes.
    Fsize = "fsize",
    /// Locks on files.
    Locks = "locks",
    /// Memory that is locked, in bytes.
    Memlock = "memlock",
    /// Bytes in message queues.
    Msgqueue = "msgqueue",
    /// The best priority, from 0 to 40.
    Nice = "nice",
    /// Open files.
    Nofile = "nofile",
    /// Processes of the user, over the whole machine.
    Nproc = "nproc",
    /// Resident memory, which the kernel ignores.
    Rss = "rss",
    /// The best real-time priority.
    Rtprio = "rtprio",
    /// Microseconds in a row at a real-time priority.
    Rttime = "rttime",
    /// Signals that wait.
    Sigpending = "sigpending",
    /// The stack, in bytes.
    Stack = "stack",
}

impl Resource {
    /// The one with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|resource| resource.name() == name)
    }

    pub(super) fn number(self) -> u8 {
        self as u8
    }

    pub(super) fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}

/// Sets limits of the calling process.
pub(super) fn limit(limits: &[ResourceLimit]) -> Result<(), Failure> {
    let value = |value: u64| Some(value).filter(|value| *value != u64::MAX);
    for ResourceLimit { resource, soft, hard } in limits {
        let step = || {
            let number = |number| value(number).map_or("unlimited".to_owned(), |number| number.to_string());
            format!("set the limit {}={}:{}", resource.name(), number(*soft), number(*hard))
        };
        let limit = Rlimit { current: value(*soft), maximum: value(*hard) };
        setrlimit(resource.kernel(), limit).step(&step())?;
    }
    Ok(())
}
