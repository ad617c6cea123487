//! Names that a user gives to addresses: `/etc/hosts`, see hosts(5).

use std::net::{IpAddr, Ipv4Addr};

use super::Network;

/// A name with its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtraHost {
    /// The name.
    pub name: String,
    /// Where it leads.
    pub address: HostAddress,
}

/// Where a name leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostAddress {
    /// An address.
    Ip(IpAddr),
    /// The machine, whatever its address is as seen from inside.
    Gateway,
}

/// The address of the machine: from a namespace of its own, or else from the machine itself.
pub fn machine_address(network: Option<&Network<'_>>) -> Ipv4Addr {
    network.map_or(Ipv4Addr::LOCALHOST, Network::gateway)
}

/// A hosts file with further names. They come first, because the first line with a name counts.
pub fn with_hosts(file: &[u8], extra: &[ExtraHost], machine: Ipv4Addr) -> Vec<u8> {
    let lines = extra.iter().map(|ExtraHost { name, address }| {
        let address = match address {
            HostAddress::Ip(address) => *address,
            HostAddress::Gateway => machine.into(),
        };
        format!("{address}\t{name}\n").into_bytes()
    });
    lines.chain([file.to_vec()]).flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn further_names_come_first() {
        let host = |name: &str, address| ExtraHost { name: name.to_owned(), address };
        let extra =
            [host("db", HostAddress::Ip("::1".parse().unwrap())), host("machine", HostAddress::Gateway)];
        let file = with_hosts(b"127.0.0.1 localhost\n", &extra, Ipv4Addr::new(10, 0, 0, 1));
        assert_eq!(String::from_utf8(file).unwrap(), "::1\tdb\n10.0.0.1\tmachine\n127.0.0.1 localhost\n");
    }
}
