//! The calls of `pasta`, which gives an ordinary user's namespace a way out: it forwards in user space what the
//! namespace sends and needs no rights on the machine.
//!
//! It is run by a [guard](super::guard), because it puts itself into the background and would stay when we are killed.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::net::Shutdown;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::guard::{GUARD_NAME, READY};
use super::{NetworkError, Protocol, PublishedPort};
use crate::sys::namespace::new_network;

/// Where distributions put it.
const PLACES: [&str; 3] = ["/usr/bin/pasta", "/usr/local/bin/pasta", "/bin/pasta"];

/// The device by which pasta talks to the namespace.
const TUN: &str = "/dev/net/tun";

/// Neither the machine's loopback ports nor, by way of the gateway's address, the machine itself are to be reached from
/// inside, and nothing inside from the machine but what is published: all of it is there unless it is switched off.
const CLOSED: [&str; 5] = ["-T", "none", "-U", "none", "--no-map-gw"];

/// Why an ordinary user can have no network of one's own here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lack {
    /// The program is not there.
    #[error("`pasta` (package `passt`) is not installed")]
    Program,
    /// The device is not there, or not for us.
    #[error("{TUN} cannot be opened by this user (`chmod 0666 {TUN}`, as root, opens it)")]
    Tun,
}

/// What is missing, if anything is.
pub(super) fn lack() -> Option<Lack> {
    if program().is_none() {
        return Some(Lack::Program);
    }
    let open = File::options().read(true).write(true).open(TUN);
    open.is_err().then_some(Lack::Tun)
}

fn program() -> Option<&'static Path> {
    PLACES.into_iter().map(Path::new).find(|place| place.is_file())
}

/// A namespace and the process that connects it.
#[derive(Debug)]
pub(super) struct Tap {
    pub(super) namespace: OwnedFd,
    pub(super) has_ports: bool,
    guard: Option<Guard>,
}

/// The guard of one pasta. Both end when this is dropped.
#[derive(Debug)]
struct Guard {
    process: Child,
    socket: UnixStream,
}

impl Tap {
    /// Makes a namespace with a way out, as far as the machine has one. `guard` is the program to be executed as the
    /// guard.
    pub(super) fn make(guard: &Path, ports: &[PublishedPort]) -> Result<Self, NetworkError> {
        let program = match lack() {
            Some(lack) => return Err(NetworkError::Lack(lack)),
            None => program().ok_or(NetworkError::Lack(Lack::Program))?,
        };
        let namespace = new_network().map_err(|source| NetworkError::Namespace { source })?;
        // Without a route of the machine's, pasta refuses to start; there is nothing to be connected with.
        let guard = if ports.is_empty() && !machine_has_route() {
            None
        } else {
            Some(Guard::start(guard, program, namespace.as_fd(), ports)?)
        };
        Ok(Self { namespace, has_ports: !ports.is_empty(), guard })
    }

    /// Ends what connects the namespace.
    pub(super) fn remove(self) {
        drop(self.guard);
    }
}

impl Guard {
    fn start(
        guard: &Path,
        program: &Path,
        namespace: BorrowedFd<'_>,
        ports: &[PublishedPort],
    ) -> Result<Self, NetworkError> {
        let failed = |source| NetworkError::Start { program: program.to_owned(), source };
        let (socket, theirs) = UnixStream::pair().map_err(failed)?;
        let process = Command::new(guard)
            .arg0(GUARD_NAME)
            .arg(program)
            .args(arguments(ports))
            .env_clear()
            .stdin(namespace.try_clone_to_owned().map_err(failed)?)
            .stdout(OwnedFd::from(theirs))
            .stderr(Stdio::null())
            .spawn()
            .map_err(failed)?;
        let mut guard = Self { process, socket };
        match guard.answer().map_err(failed)? {
            text if text == READY => Ok(guard),
            message => Err(NetworkError::Helper { message }),
        }
    }

    /// What the guard says: one line.
    fn answer(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        let mut byte = [0];
        while self.socket.read(&mut byte)? == 1 && byte != *b"\n" {
            text.push(byte[0]);
        }
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(if text.is_empty() { "pasta failed and did not say why".to_owned() } else { text })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        let _ = self.socket.shutdown(Shutdown::Both);
        let _ = self.process.wait();
    }
}

/// What pasta is called with. The namespace is its standard input, because it closes other descriptors.
fn arguments(ports: &[PublishedPort]) -> Vec<OsString> {
    let mut arguments: Vec<OsString> =
        ["--config-net", "-q", "--netns", "/proc/self/fd/0", "--netns-only"].map(OsString::from).to_vec();
    arguments.extend(CLOSED.map(OsString::from));
    for (flag, protocol) in [("-t", Protocol::Tcp), ("-u", Protocol::Udp)] {
        let of_protocol = ports.iter().filter(|port| port.protocol == protocol).map(specification);
        let published: Vec<String> = of_protocol.collect();
        if published.is_empty() {
            arguments.extend([flag, "none"].map(OsString::from));
        }
        for port in published {
            arguments.extend([OsStr::new(flag), OsStr::new(&port)].map(OsStr::to_owned));
        }
    }
    arguments
}

/// A port as pasta's flags have it: `[address/]machine's:inside`.
fn specification(port: &PublishedPort) -> String {
    let ports = format!("{}:{}", port.host_port, port.container_port);
    if port.host_ip.is_unspecified() { ports } else { format!("{}/{ports}", port.host_ip) }
}

/// Whether packets leave the machine, by whichever protocol.
fn machine_has_route() -> bool {
    let lines = |path: &str| fs::read_to_string(path).unwrap_or_default();
    has_route(&lines("/proc/net/route"), &lines("/proc/net/ipv6_route"))
}

fn has_route(ipv4: &str, ipv6: &str) -> bool {
    let field = |line: &str, at: usize| line.split_whitespace().nth(at).map(str::to_owned);
    let everywhere = |text: Option<String>| text.is_some_and(|text| text.bytes().all(|byte| byte == b'0'));
    let by_4 = |line: &str| everywhere(field(line, 1)) && everywhere(field(line, 7));
    let by_6 = |line: &str| {
        everywhere(field(line, 0))
            && everywhere(field(line, 1))
            && field(line, 9).is_some_and(|name| name != "lo")
    };
    ipv4.lines().skip(1).any(by_4) || ipv6.lines().any(by_6)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};

    use super::*;

    fn port(host_ip: Ipv4Addr, protocol: Protocol) -> PublishedPort {
        PublishedPort { host_ip: IpAddr::V4(host_ip), host_port: 8080, container_port: 80, protocol }
    }

    #[test]
    fn nothing_is_open_but_what_is_published() {
        let shown = |ports: &[PublishedPort]| {
            let words = arguments(ports);
            let words: Vec<&str> = words.iter().map(|word| word.to_str().unwrap()).collect();
            words[5..].join(" ")
        };
        assert_eq!(shown(&[]), "-T none -U none --no-map-gw -t none -u none");
        let ports = [
            port(Ipv4Addr::UNSPECIFIED, Protocol::Tcp),
            port(Ipv4Addr::LOCALHOST, Protocol::Tcp),
            port(Ipv4Addr::LOCALHOST, Protocol::Udp),
        ];
        assert_eq!(
            shown(&ports),
            "-T none -U none --no-map-gw -t 8080:80 -t 127.0.0.1/8080:80 -u 127.0.0.1/8080:80"
        );
    }

    #[test]
    fn a_default_route_is_told_from_others() {
        let head = "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n";
        let default = format!("{head}eth0\t00000000\t0102000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n");
        let subnet = format!("{head}eth0\t0002000A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n");
        let zero = "0".repeat(32);
        let six = |device: &str| format!("{zero} 00 {zero} 00 {zero} ffffffff 1 0 200200 {device}\n");
        for (ipv4, ipv6, expected) in [
            (&default[..], String::new(), true),
            (&subnet, String::new(), false),
            (head, six("eth0"), true),
            (head, six("lo"), false),
            ("", String::new(), false),
        ] {
            assert_eq!(has_route(ipv4, &ipv6), expected, "{ipv4}{ipv6}");
        }
    }
}
