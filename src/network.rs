//! Networks of their own for sandboxes: a namespace with an interface, an address and a way out.
//!
//! Owns the choice of addresses, the calls of `netavark`, which makes bridge, interfaces and packet filter rules, and
//! their clean-up; for ordinary users, who may make none of these, the calls of `pasta`, which forwards in user space.
//! Knows nothing of what runs in a namespace; to the caller one is a descriptor.
//!
//! # Slots
//!
//! Each of root's namespaces has a *slot*: a number, a bridge called after it, and a subnet of its own, kept apart from the other
//! slots' by the packet filter, so that sandboxes that run at the same time do not reach each other. A slot is taken
//! by holding the lock of its file in a directory that all of the machine's stores share; the network configuration
//! is written beside it before anything is made. Whoever finds a configuration whose lock nobody holds finds the rest
//! of a process that was killed, and takes it down ([`Networks::clean`]).
//!
//! The namespace itself is held by a descriptor alone: it goes with the process.

mod error;
mod guard;
mod hosts;
mod name_servers;
mod netavark;
mod pasta;
mod pool;
mod slot;
mod subnet;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType};

pub use error::NetworkError;
pub use guard::guard_entry;
pub use hosts::{ExtraHost, HostAddress, machine_address, with_hosts};
pub use name_servers::{Dns, without_loopback};
use netavark::Netavark;
pub use pasta::Lack;
use pasta::Tap;
use pool::Pool;
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
    pool: Pool,
    /// Whether it was said that there are none.
    told: AtomicBool,
}

/// How namespaces are connected.
#[derive(Debug, Clone)]
enum Maker {
    /// By bridges of the machine's, kept track of in this directory.
    Bridges(PathBuf),
    /// By processes, each below a guard: this program.
    Processes(PathBuf),
}

impl Maker {
    fn make(&self, ports: &[PublishedPort]) -> Result<Connected, NetworkError> {
        match self {
            Self::Bridges(directory) => Slot::make(directory, ports).map(Connected::Slot),
            Self::Processes(guard) => Tap::make(guard, ports).map(Connected::Tap),
        }
    }
}

/// A namespace with its connection.
#[derive(Debug)]
enum Connected {
    Slot(Slot),
    Tap(Tap),
}

impl Connected {
    fn namespace(&self) -> BorrowedFd<'_> {
        match self {
            Self::Slot(slot) => slot.namespace.as_fd(),
            Self::Tap(tap) => tap.namespace.as_fd(),
        }
    }

    fn has_ports(&self) -> bool {
        match self {
            Self::Slot(slot) => slot.has_ports(),
            Self::Tap(tap) => tap.has_ports,
        }
    }

    fn remove(self) {
        match self {
            Self::Slot(slot) => slot.remove(),
            Self::Tap(tap) => tap.remove(),
        }
    }
}

/// A namespace that is in use. It goes back to the free ones when this is dropped: whoever drops it has seen to it
/// that nothing runs in it any more.
#[derive(Debug)]
pub struct Network<'n> {
    networks: &'n Networks,
    connected: Option<Connected>,
    /// Published ports are taken, so that nobody else gets them unnoticed; nothing is ever accepted here.
    reserved: Vec<OwnedFd>,
}

impl Networks {
    /// No namespaces yet. `directory` is shared by all of the machine's users of networks, see [`DIRECTORY`].
    pub fn new(directory: PathBuf) -> Self {
        Self::of(Maker::Bridges(directory))
    }

    /// The same for somebody who is not the machine's root. `guard` is a program whose `main` calls [`guard_entry`]
    /// first.
    pub fn for_user(guard: PathBuf) -> Self {
        Self::of(Maker::Processes(guard))
    }

    fn of(maker: Maker) -> Self {
        Self { pool: Pool::new(maker), told: AtomicBool::new(false) }
    }

    /// What an ordinary user lacks for a namespace of one's own: then sandboxes are to have the machine's network.
    /// What root lacks is an error of [`Networks::take`].
    pub fn lack(&self) -> Option<Lack> {
        match self.pool.maker() {
            Maker::Bridges(_) => None,
            Maker::Processes(_) => pasta::lack(),
        }
    }

    /// A namespace that nobody else uses; `None`, after `tell` was told why for the first time, where sandboxes are to
    /// have the machine's network.
    pub fn take_or_tell(&self, tell: impl FnOnce(String)) -> Result<Option<Network<'_>>, NetworkError> {
        let Some(lack) = self.lack() else { return self.take().map(Some) };
        if !self.told.swap(true, Ordering::Relaxed) {
            tell(format!("commands have the machine's network: {lack}"));
        }
        Ok(None)
    }

    /// A namespace that nobody else uses.
    pub fn take(&self) -> Result<Network<'_>, NetworkError> {
        let connected = self.pool.take()?;
        Ok(Network { networks: self, connected: Some(connected), reserved: Vec::new() })
    }

    /// Begins to make the first namespace, which will be wanted soon, on a thread of its own.
    pub fn begin(&self) {
        if !self.pool.is_begun() && self.lack().is_none() {
            self.pool.begin();
        }
    }

    /// A namespace of which these ports are the machine's, too.
    pub fn publish(&self, ports: &[PublishedPort]) -> Result<Network<'_>, NetworkError> {
        let mut reserved: Vec<OwnedFd> = ports.iter().map(reserve).collect::<Result<_, _>>()?;
        if matches!(self.pool.maker(), Maker::Processes(_)) {
            // The process listens itself.
            reserved.clear();
        }
        let connected = Some(self.pool.maker().make(ports)?);
        Ok(Network { networks: self, connected, reserved })
    }

    /// Begins to take the namespaces down that nobody uses now, on a thread of its own: none will be wanted.
    pub fn begin_close(&self) {
        self.pool.begin_close();
    }

    /// Takes the namespaces down that nobody uses now. What fails is tried again by the next command's
    /// [`Networks::clean`].
    pub fn close_free(&self) {
        self.pool.close();
    }

    /// Takes down what processes left that were killed. Costs next to nothing if there is nothing.
    pub fn clean(&self) {
        if let Maker::Bridges(directory) = self.pool.maker() {
            slot::clean(directory);
        }
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
        self.used().namespace()
    }

    /// The machine's address as seen from inside: `host-gateway`. A network of an ordinary user's has none: its
    /// machine is not to be reached.
    pub fn gateway(&self) -> Option<Ipv4Addr> {
        match self.used() {
            Connected::Slot(slot) => Some(slot.subnet.gateway()),
            Connected::Tap(_) => None,
        }
    }

    /// The namespace's own address, if strata chose it.
    pub fn address(&self) -> Option<Ipv4Addr> {
        match self.used() {
            Connected::Slot(slot) => Some(slot.subnet.container()),
            Connected::Tap(_) => None,
        }
    }

    /// Lets go without taking anything down, as a process does that is killed.
    #[cfg(test)]
    fn abandon(mut self) {
        drop(self.connected.take());
    }

    /// The slot of one of root's.
    #[cfg(test)]
    fn slot(&self) -> &Slot {
        match self.used() {
            Connected::Slot(slot) => slot,
            Connected::Tap(_) => panic!("this is no network of root's"),
        }
    }

    fn used(&self) -> &Connected {
        let used = self.connected.as_ref();
        used.unwrap_or_else(|| unreachable!("a namespace is given back only when this is dropped"))
    }
}

impl Drop for Network<'_> {
    fn drop(&mut self) {
        let Some(connected) = self.connected.take() else { return };
        if connected.has_ports() {
            connected.remove();
        } else {
            self.networks.pool.give_back(connected);
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
