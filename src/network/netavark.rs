//! The calls of `netavark`, which makes interfaces and packet filter rules.
//!
//! It gets a configuration in a file and a namespace by its path, and answers in JSON. It has no memory:
//! to take something down it wants the configuration that made it.

use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use super::subnet::{BRIDGE, Subnet};
use super::{NetworkError, PublishedPort};

/// Where distributions put it: it is a helper of podman's, in nobody's `PATH`.
const PLACES: [&str; 4] = [
    "/usr/lib/podman/netavark",
    "/usr/libexec/podman/netavark",
    "/usr/local/lib/podman/netavark",
    "/usr/bin/netavark",
];

/// Where it looks for the packet filter's program.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    Setup,
    Teardown,
}

impl Action {
    fn name(self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Teardown => "teardown",
        }
    }
}

/// The program.
#[derive(Debug)]
pub(super) struct Netavark {
    program: PathBuf,
}

impl Netavark {
    /// Finds it and what it needs.
    pub(super) fn find() -> Result<Self, NetworkError> {
        let exists = |path: &str| Path::new(path).is_file();
        let program = PLACES
            .into_iter()
            .find(|place| exists(place))
            .ok_or(NetworkError::NoHelper { program: "netavark", package: "netavark" })?;
        // Without it netavark fails half way and leaves a bridge behind.
        if !PATH.split(':').any(|directory| exists(&format!("{directory}/iptables"))) {
            return Err(NetworkError::NoHelper { program: "iptables", package: "iptables" });
        }
        Ok(Self { program: program.into() })
    }

    /// Does it to a namespace. The helper inherits the lock `alone` as its standard input, so that the lock is held
    /// until it is done, even if this process is killed before.
    pub(super) fn call(
        &self,
        action: Action,
        namespace: BorrowedFd<'_>,
        configuration: &Path,
        alone: BorrowedFd<'_>,
    ) -> Result<(), NetworkError> {
        let start = |source| NetworkError::Start { program: self.program.clone(), source };
        // Our descriptor, as the helper can open it.
        let path = format!("/proc/{}/fd/{}", std::process::id(), namespace.as_raw_fd());
        let alone = alone.try_clone_to_owned().map_err(start)?;
        let output = Command::new(&self.program)
            .arg("--file")
            .arg(configuration)
            .args([action.name(), &path])
            .env_clear()
            .env("PATH", PATH)
            // It goes on if this process is killed.
            .stdin(alone)
            .output()
            .map_err(start)?;
        if output.status.success() {
            return Ok(());
        }
        Err(NetworkError::Helper { message: message(&output.stdout, &output.stderr) })
    }
}

/// What the helper has to say of its failure.
fn message(stdout: &[u8], stderr: &[u8]) -> String {
    let answer = serde_json::from_slice::<Value>(stdout).ok();
    let error = answer.as_ref().and_then(|answer| answer["error"].as_str());
    let text = error.map_or_else(|| String::from_utf8_lossy(stderr).trim().to_owned(), str::to_owned);
    if text.is_empty() { "netavark failed and did not say why".to_owned() } else { text }
}

/// The configuration of a slot.
pub(super) fn configuration(slot: u8, subnet: Subnet, ports: &[PublishedPort]) -> Value {
    let name = format!("{BRIDGE}{slot}");
    let ports: Vec<Value> = ports
        .iter()
        .map(|port| {
            let host_ip =
                if port.host_ip.is_unspecified() { String::new() } else { port.host_ip.to_string() };
            json!({
                "container_ip": "",
                "container_port": port.container_port,
                "host_ip": host_ip,
                "host_port": port.host_port,
                "protocol": port.protocol.name(),
                "range": 1,
            })
        })
        .collect();
    json!({
        "container_id": crate::oci::Digest::of(name.as_bytes()).hex(),
        "container_name": name,
        "networks": {
            &name: { "static_ips": [subnet.container()], "interface_name": "eth0" },
        },
        "network_info": {
            &name: {
                "name": name,
                "id": crate::oci::Digest::of(subnet.cidr().as_bytes()).hex(),
                "driver": "bridge",
                "network_interface": name,
                "subnets": [{ "subnet": subnet.cidr(), "gateway": subnet.gateway() }],
                "ipv6_enabled": false,
                "internal": false,
                "dns_enabled": false,
                // Sandboxes do not reach each other.
                "options": { "isolate": "true" },
                "ipam_options": { "driver": "host-local" },
            },
        },
        "port_mappings": ports,
    })
}
