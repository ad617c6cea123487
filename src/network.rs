//! Networks of their own for sandboxes: a namespace with an interface, an address and a way out.
//!
//! Owns the choice of addresses, the calls of `netavark`, which makes bridge, interfaces and packet filter rules, and
//! their clean-up. Knows nothing of what runs in a namespace; to the caller one is a descriptor.
//!
//! # Slots
//!
//! Each namespace has a *slot*: a number, a bridge called after it, and a subnet of its own, kept apart from the other
//! slots' by the packet filter, so that sandboxes that run at the same time do not reach each other. A slot is taken
//! by holding the lock of its file in a directory that all of the machine's stores share; the network configuration
//! is written beside it before anything is made. Whoever finds a configuration whose lock nobody holds finds the rest
//! of a process that was killed, and takes it down ([`Networks::clean`]).
//!
//! The namespace itself is held by a descriptor alone: it goes with the process.

mod error;
mod hosts;
mod name_servers;
mod netavark;
mod slot;
mod subnet;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

pub use error::NetworkError;
pub use hosts::{ExtraHost, HostAddress, machine_address, with_hosts};
pub use name_servers::without_loopback;
use netavark::Netavark;
use slot::Slot;

/// Where networks are kept track of, unless somebody says otherwise: gone after a boot, as they are.
pub const DIRECTORY: &str = "/run/strata/networks";

/// A port of the machine that leads to one of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    /// The machine's address; unspecified for all.
    pub host_ip: IpAddr,
    /// The machine's port.
    pub host_port: u16,
    /// The port inside.
    pub container_port: u16,
    /// The protocol.
    pub protocol: Protocol,
}

/// A protocol with ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
}

impl Protocol {
    /// Its name as programs write it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// The namespaces that one command uses. Made when they are first needed, used again when they are free, taken down
/// when this is dropped.
#[derive(Debug)]
pub struct Networks {
    directory: PathBuf,
    free: Mutex<Vec<Slot>>,
}

/// A namespace that is in use. It goes back to the free ones when this is dropped: whoever drops it has seen to it
/// that nothing runs in it any more.
#[derive(Debug)]
pub struct Network<'n> {
    networks: &'n Networks,
    slot: Option<Slot>,
    /// Published ports are taken, so that nobody else gets them unnoticed; nothing is ever accepted here.
    reserved: Vec<OwnedFd>,
}

impl Networks {
    /// No namespaces yet. `directory` is shared by all of the machine's users of networks, see [`DIRECTORY`].
    pub fn new(directory: PathBuf) -> Self {
        Self { directory, free: Mutex::default() }
    }

    /// A namespace that nobody else uses.
    pub fn take(&self) -> Result<Network<'_>, NetworkError> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let slot = match free {
            Some(slot) => slot,
            None => Slot::make(&self.directory, &[])?,
        };
        Ok(Network { networks: self, slot: Some(slot), reserved: Vec::new() })
    }

    /// A namespace of which these ports are the machine's, too.
    pub fn publish(&self, ports: &[PublishedPort]) -> Result<Network<'_>, NetworkError> {
        let reserved = ports.iter().map(reserve).collect::<Result<_, _>>()?;
        let slot = Slot::make(&self.directory, ports)?;
        Ok(Network { networks: self, slot: Some(slot), reserved })
    }

    /// Takes the namespaces down that nobody uses now. What fails is tried again by the next command's
    /// [`Networks::clean`].
    pub fn close_free(&self) {
        let free = std::mem::take(&mut *self.free.lock().unwrap_or_else(PoisonError::into_inner));
        for slot in free {
            slot.remove();
        }
    }

    /// Takes down what processes left that were killed. Costs next to nothing if there is nothing.
    pub fn clean(&self) {
        slot::clean(&self.directory);
    }
}

impl Drop for Networks {
    fn drop(&mut self) {
        self.close_free();
    }
}

impl Network<'_> {
    /// The namespace.
    pub fn namespace(&self) -> BorrowedFd<'_> {
        self.used().namespace.as_fd()
    }

    /// The address inside.
    pub fn address(&self) -> Ipv4Addr {
        self.used().subnet.container()
    }

    /// The machine's address as seen from inside: `host-gateway`.
    pub fn gateway(&self) -> Ipv4Addr {
        self.used().subnet.gateway()
    }

    /// Lets go without taking anything down, as a process does that is killed.
    #[cfg(test)]
    fn abandon(mut self) {
        drop(self.slot.take());
    }

    fn used(&self) -> &Slot {
        self.slot.as_ref().unwrap_or_else(|| unreachable!("a slot is given back only when this is dropped"))
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        if slot.has_ports() {
            slot.remove();
        } else {
            self.networks.free.lock().unwrap_or_else(PoisonError::into_inner).push(slot);
        }
        self.reserved.clear();
    }
}

/// Takes a port of the machine. The packet filter redirects a published port before any socket sees it, and so would
/// not notice that it is taken.
fn reserve(port: &PublishedPort) -> Result<OwnedFd, NetworkError> {
    let at = SocketAddr::from((port.host_ip, port.host_port));
    let reserved = match (hold(port.protocol, at, false), port.protocol) {
        // Connections that ended a moment ago keep a port from being held, but not from being listened at.
        (Err(Errno::ADDRINUSE), Protocol::Tcp) => {
            TcpListener::bind(at).map(drop).and_then(|()| Ok(hold(port.protocol, at, true)?))
        }
        (held, _) => held.map_err(io::Error::from),
    };
    reserved.map_err(|source| NetworkError::PortTaken { port: port.clone(), source })
}

/// Binds a socket that does not listen: who connects before the packet filter redirects is refused, not kept waiting.
fn hold(protocol: Protocol, at: SocketAddr, reuse: bool) -> Result<OwnedFd, Errno> {
    let family = if at.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    let kind = match protocol {
        Protocol::Tcp => SocketType::STREAM,
        Protocol::Udp => SocketType::DGRAM,
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, reuse)?;
    rustix::net::bind(&socket, &at)?;
    Ok(socket)
}

/// Whether networks can be made on this machine: the helper programs are there.
pub fn check() -> Result<(), NetworkError> {
    Netavark::find().map(drop)
}

#[cfg(test)]
mod tests;
