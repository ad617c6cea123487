//! Ports, as EXPOSE names them: `80`, `80/udp`, `8000-8010/tcp`, `127.0.0.1:8080:80`.

use std::fmt;
use std::net::IpAddr;

/// A port with its protocol. Sorted and written as the image config has them: `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: Protocol,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number, protocol } = self;
        write!(f, "{number}/{}", protocol.name())
    }
}

/// A transport protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Protocol {
    Sctp,
    Tcp,
    Udp,
}

impl Protocol {
    /// The lower-case name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sctp => "sctp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// What one argument of EXPOSE says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ports {
    /// The container's ports, ascending, at least one.
    pub ports: Vec<Port>,
    /// Was there a host's address or port? It is not used.
    pub has_host: bool,
    /// Was the protocol written with capitals?
    pub has_upper_case: bool,
}

/// An argument of EXPOSE makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum PortError {
    #[error("no port specified: `{text}`")]
    NoPort { text: String },
    #[error("invalid port `{port}`: expected a number from 0 to 65535, or two of them with `-` between them")]
    Number { port: String },
    #[error("invalid port range `{range}`: it ends before it begins")]
    Range { range: String },
    #[error("invalid protocol `{protocol}`: expected `tcp`, `udp` or `sctp`")]
    Protocol { protocol: String },
    #[error("invalid host address `{address}`")]
    Address { address: String },
    #[error("host ports `{host}` and container ports `{container}` are not equally many")]
    Count { host: String, container: String },
}

/// Reads one argument of EXPOSE, after expansion.
pub fn parse_ports(text: &str) -> Result<Ports, PortError> {
    let (rest, name) = text.split_once('/').unwrap_or((text, ""));
    let protocol = match name.to_ascii_lowercase().as_str() {
        "" | "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        "sctp" => Protocol::Sctp,
        _ => return Err(PortError::Protocol { protocol: name.to_owned() }),
    };
    let (host, container) = match rest.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, rest),
    };
    if container.is_empty() {
        return Err(PortError::NoPort { text: text.to_owned() });
    }
    let numbers = range(container)?;
    if let Some(host) = host {
        check_host(host, container, &numbers)?;
    }
    let ports = numbers.map(|number| Port { number, protocol }).collect();
    let has_upper_case = name.bytes().any(|b| b.is_ascii_uppercase());
    Ok(Ports { ports, has_host: host.is_some(), has_upper_case })
}

fn range(text: &str) -> Result<std::ops::RangeInclusive<u16>, PortError> {
    let invalid = || PortError::Number { port: text.to_owned() };
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().ok_or_else(invalid)
    };
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last): (u16, u16) = (number(first)?, number(last)?);
    if last < first {
        return Err(PortError::Range { range: text.to_owned() });
    }
    Ok(first..=last)
}

/// Checks `[address:][ports]` before the container's ports.
fn check_host(host: &str, container: &str, numbers: &std::ops::RangeInclusive<u16>) -> Result<(), PortError> {
    let (address, ports) =
        host.rsplit_once(':').map_or((None, host), |(address, ports)| (Some(address), ports));
    if let Some(address) = address.filter(|address| !address.is_empty()) {
        let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
        if bare.parse::<IpAddr>().is_err() {
            return Err(PortError::Address { address: address.to_owned() });
        }
    }
    // One container port may be published at any port of a host's range.
    if !ports.is_empty() && range(ports)?.len() != numbers.len() && numbers.len() != 1 {
        return Err(PortError::Count { host: ports.to_owned(), container: container.to_owned() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &str) -> Result<String, PortError> {
        let ports = parse_ports(text)?.ports;
        Ok(ports.iter().map(Port::to_string).collect::<Vec<_>>().join(" "))
    }

    #[test]
    fn reads_ports() {
        let cases = [
            ("80", "80/tcp"),
            ("80/", "80/tcp"),
            ("1234/UDP", "1234/udp"),
            ("5/sctp", "5/sctp"),
            ("8000-8002", "8000/tcp 8001/tcp 8002/tcp"),
            ("8000-8001/udp", "8000/udp 8001/udp"),
            ("127.0.0.1:80:8080", "8080/tcp"),
            ("80:8080", "8080/tcp"),
            (":80", "80/tcp"),
            ("[::1]:80:8080", "8080/tcp"),
            ("3000-3001:8000-8001", "8000/tcp 8001/tcp"),
            ("3000-3005:80", "80/tcp"),
            ("0", "0/tcp"),
            ("65535", "65535/tcp"),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_port() {
        let number = |port: &str| PortError::Number { port: port.into() };
        let cases = [
            ("", PortError::NoPort { text: String::new() }),
            (":", PortError::NoPort { text: ":".into() }),
            ("/udp", PortError::NoPort { text: "/udp".into() }),
            ("a", number("a")),
            ("65536", number("65536")),
            ("+80", number("+80")),
            ("1-2-3", number("1-2-3")),
            ("-5", number("-5")),
            ("5-2", PortError::Range { range: "5-2".into() }),
            ("80/http", PortError::Protocol { protocol: "http".into() }),
            ("80/tcp/udp", PortError::Protocol { protocol: "tcp/udp".into() }),
            ("nowhere:80:80", PortError::Address { address: "nowhere".into() }),
            ("1-2:8000-8002", PortError::Count { host: "1-2".into(), container: "8000-8002".into() }),
        ];
        for (text, expected) in cases {
            assert_eq!(written(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn says_what_was_odd() {
        let odd = |text: &str| parse_ports(text).map(|ports| (ports.has_host, ports.has_upper_case));
        assert_eq!(odd("80/tcp"), Ok((false, false)));
        assert_eq!(odd("80:80/TCP"), Ok((true, true)));
    }
}
