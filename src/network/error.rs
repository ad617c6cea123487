//! What can go wrong with networks.

use std::io;
use std::path::PathBuf;

use super::{Lack, PublishedPort};

/// A network cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum NetworkError {
    /// A program that makes networks is not there.
    #[error("cannot make a network for the sandbox: `{program}` is not installed")]
    NoHelper {
        /// The program.
        program: &'static str,
        /// The Debian package that has it.
        package: &'static str,
    },
    /// An ordinary user lacks something.
    #[error("cannot make a network for the container: {0}")]
    Lack(Lack),
    /// A name for the machine, in a network of an ordinary user's.
    #[error(
        "`{name}` cannot be `host-gateway`: the machine is not reached from a network of an ordinary user"
    )]
    NoGateway {
        /// The name.
        name: String,
    },
    /// The helper said no.
    #[error("cannot make a network for the sandbox: {message}")]
    Helper {
        /// What it said.
        message: String,
    },
    /// The helper could not be started or spoken to.
    #[error("cannot run `{}`", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No namespace could be made.
    #[error("cannot make a network namespace")]
    Namespace {
        /// Why.
        source: io::Error,
    },
    /// What is written down of networks cannot be read or written.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What was to be done.
        operation: &'static str,
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A slot cannot be locked.
    #[error(transparent)]
    Lock(#[from] crate::sys::lock::LockError),
    /// Every subnet is in use.
    #[error("every address range for sandboxes is in use on this machine")]
    NoSubnet,
    /// A port that is to be published is not free.
    #[error("cannot publish port {}: it is in use", port.host_port)]
    PortTaken {
        /// Which.
        port: PublishedPort,
        /// What the machine said.
        source: io::Error,
    },
}

impl NetworkError {
    /// What the user can do about it.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::NoHelper { package, .. } => Some(format!(
                "install the package `{package}`, or use the machine's network with `--network host`"
            )),
            Self::Lack(Lack::Program) => Some(
                "install the package `passt`, or use the machine's network with `--network host`".to_owned(),
            ),
            Self::NoGateway { .. } | Self::Lack(Lack::Tun) => {
                Some("the machine's network is there with `--network host`".to_owned())
            }
            Self::Helper { .. } | Self::Namespace { .. } | Self::NoSubnet => {
                Some("the machine's network is there with `--network host`".to_owned())
            }
            Self::PortTaken { .. } => Some("choose another port of the machine".to_owned()),
            Self::Start { .. } | Self::File { .. } | Self::Lock(_) => None,
        }
    }
}
