//! `--publish`, as Docker writes it.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;

use crate::network::{Protocol, PublishedPort};

/// A `--publish` that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum PortsError {
    #[error("`{text}` is no port, as in `8080:80`, `127.0.0.1:8080:80/udp` or `8000-8010:80-90`")]
    Form { text: String },
    #[error("`--publish {text}` publishes {host} ports of the machine as {container} of the container")]
    Lengths { text: String, host: usize, container: usize },
    #[error("not supported yet: `--publish {text}` with the protocol `{protocol}`")]
    Protocol { text: String, protocol: String },
    #[error("not supported yet: `--publish {text}` with an IPv6 address")]
    Ipv6 { text: String },
    #[error("not supported yet: `--publish {text}`, which leaves the machine's port to chance")]
    AnyPort { text: String },
}

/// Reads `[[IP:]PORT[-PORT]:]PORT[-PORT][/PROTOCOL]`.
pub(super) fn parse(text: &str) -> Result<Vec<PublishedPort>, PortsError> {
    let form = || PortsError::Form { text: text.to_owned() };
    let (ports, protocol) = text.rsplit_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol.to_ascii_lowercase().as_str() {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return Err(PortsError::Protocol { text: text.to_owned(), protocol: protocol.to_owned() }),
    };
    let Some((host, container)) = ports.rsplit_once(':') else {
        range(ports).ok_or_else(form)?;
        return Err(PortsError::AnyPort { text: text.to_owned() });
    };
    let (host_ip, host) = match host.rsplit_once(':') {
        Some((ip, host)) => (address(ip, text)?, host),
        None => (IpAddr::V4(Ipv4Addr::UNSPECIFIED), host),
    };
    if host.is_empty() {
        return Err(PortsError::AnyPort { text: text.to_owned() });
    }
    let (host, container) = (range(host).ok_or_else(form)?, range(container).ok_or_else(form)?);
    if host.len() != container.len() {
        let (host, container) = (host.len(), container.len());
        return Err(PortsError::Lengths { text: text.to_owned(), host, container });
    }
    let pairs = host.zip(container);
    let port = |(host_port, container_port)| PublishedPort { host_ip, host_port, container_port, protocol };
    Ok(pairs.map(port).collect())
}

fn address(ip: &str, text: &str) -> Result<IpAddr, PortsError> {
    match ip.trim_start_matches('[').trim_end_matches(']').parse() {
        Ok(IpAddr::V4(ip)) => Ok(IpAddr::V4(ip)),
        Ok(IpAddr::V6(_)) => Err(PortsError::Ipv6 { text: text.to_owned() }),
        Err(_) => Err(PortsError::Form { text: text.to_owned() }),
    }
}

/// `PORT` or `PORT-PORT`, from 1.
fn range(text: &str) -> Option<RangeInclusive<u16>> {
    let port = |text: &str| text.parse::<u16>().ok().filter(|&port| port > 0);
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (port(first)?, port(last)?);
    (first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_are_read_as_docker_reads_them() {
        let shown = |text: &str| {
            parse(text).map(|ports| {
                let one = |p: &PublishedPort| {
                    format!("{}:{}>{}/{}", p.host_ip, p.host_port, p.container_port, p.protocol.name())
                };
                ports.iter().map(one).collect::<Vec<_>>().join(" ")
            })
        };
        let cases = [
            ("3000:3000", "0.0.0.0:3000>3000/tcp"),
            ("8080:80/UDP", "0.0.0.0:8080>80/udp"),
            ("127.0.0.1:8080:80", "127.0.0.1:8080>80/tcp"),
            ("8000-8001:80-81", "0.0.0.0:8000>80/tcp 0.0.0.0:8001>81/tcp"),
        ];
        for (text, expected) in cases {
            assert_eq!(shown(text).as_deref(), Ok(expected), "{text}");
        }
        for text in [
            "",
            "a",
            "0:80",
            "80:0",
            "70000:80",
            "9-8:1-2",
            "x:80:80",
            "1:2:3:4",
            "80:80/",
            "8000-8002:80-81",
        ] {
            shown(text).expect_err(text);
        }
        assert_eq!(shown("80"), Err(PortsError::AnyPort { text: "80".to_owned() }));
        assert_eq!(shown("[::1]:80:80"), Err(PortsError::Ipv6 { text: "[::1]:80:80".to_owned() }));
    }
}
