//! Names that a user gives to addresses: `/etc/hosts`, see hosts(5).

use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use super::{Network, NetworkError};

/// A name with its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub address: HostAddress,
}

/// Where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// The machine, whatever its address is as seen from inside.
    Gateway,
}

/// The address of the machine: from a namespace of its own, or else from the machine itself. `None` if it is not to be
/// reached.
pub fn machine_address(network: Option<&Network<'_>>) -> Option<Ipv4Addr> {
    network.map_or(Some(Ipv4Addr::LOCALHOST), Network::gateway)
}

/// A hosts file with further names. They come first, because the first line with a name counts.
pub fn with_hosts(
    file: &[u8],
    extra: &[ExtraHost],
    machine: Option<Ipv4Addr>,
) -> Result<Vec<u8>, NetworkError> {
    let mut text = Vec::new();
    for ExtraHost { name, address } in extra {
        let address = match (address, machine) {
            (HostAddress::Ip(address), _) => *address,
            (HostAddress::Gateway, Some(machine)) => machine.into(),
            (HostAddress::Gateway, None) => return Err(NetworkError::NoGateway { name: name.clone() }),
        };
        text.extend_from_slice(format!("{address}\t{name}\n").as_bytes());
    }
    text.extend_from_slice(file);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_come_first() {
        let host = |name: &str, address| ExtraHost { name: name.to_owned(), address };
        let extra =
            [host("db", HostAddress::Ip("::1".parse().unwrap())), host("machine", HostAddress::Gateway)];
        let local = b"127.0.0.1 localhost\n";
        let file = with_hosts(local, &extra, Some(Ipv4Addr::new(10, 0, 0, 1))).unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), "::1\tdb\n10.0.0.1\tmachine\n127.0.0.1 localhost\n");
        let refused = with_hosts(local, &extra, None).unwrap_err();
        assert!(matches!(refused, NetworkError::NoGateway { name } if name == "machine"));
    }
}
