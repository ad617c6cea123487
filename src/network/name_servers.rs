//! Which name servers a namespace reaches.

use std::net::IpAddr;

/// What Docker falls back on: public servers.
const PUBLIC: [&str; 2] = ["8.8.8.8", "8.8.4.4"];

/// A `resolv.conf` (resolv.conf(5)) for a namespace of its own: without the name servers that listen on the machine's
/// loopback, which is not the namespace's; with public ones if none is left.
pub fn without_loopback(text: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(text);
    let mut kept: Vec<&str> = text.lines().filter(|line| !is_loopback(line)).collect();
    let public = PUBLIC.map(|server| format!("nameserver {server}"));
    if !kept.iter().any(|line| name_server(line).is_some()) {
        kept.extend(public.iter().map(String::as_str));
    }
    kept.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
}

/// What a user says about the look-up of names, see resolv.conf(5). Where it is empty, what the machine has stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dns {
    /// Name servers.
    pub servers: Vec<IpAddr>,
    /// Domains to look a name up in; `.` alone is none.
    pub search: Vec<String>,
    /// Options.
    pub options: Vec<String>,
}

impl Dns {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A `resolv.conf` in which this stands in the place of what there is of it.
    pub fn apply_to(&self, text: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(text);
        let replaced = |line: &&str| match line.split_whitespace().next() {
            Some("nameserver") => !self.servers.is_empty(),
            Some("search" | "domain") => !self.search.is_empty(),
            Some("options") => !self.options.is_empty(),
            _ => false,
        };
        let mut lines: Vec<String> = text.lines().filter(|line| !replaced(line)).map(str::to_owned).collect();
        lines.extend(self.servers.iter().map(|server| format!("nameserver {server}")));
        if !self.search.is_empty() && self.search != ["."] {
            lines.push(format!("search {}", self.search.join(" ")));
        }
        if !self.options.is_empty() {
            lines.push(format!("options {}", self.options.join(" ")));
        }
        lines.iter().flat_map(|line| [line.as_bytes(), b"\n"]).flatten().copied().collect()
    }
}

fn is_loopback(line: &str) -> bool {
    name_server(line).is_some_and(|address| address.is_loopback())
}

fn name_server(line: &str) -> Option<IpAddr> {
    let mut words = line.split_whitespace();
    let address = words.next().filter(|&word| word == "nameserver").and(words.next())?;
    // An IPv6 address may name its interface.
    address.split('%').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_servers_that_are_reached_stay() {
        let cases = [
            ("search x\nnameserver 10.0.0.1\n", "search x\nnameserver 10.0.0.1\n"),
            ("nameserver 127.0.0.53\nnameserver 10.0.0.1\n", "nameserver 10.0.0.1\n"),
            (
                "nameserver 127.0.0.53\noptions edns0",
                "options edns0\nnameserver 8.8.8.8\nnameserver 8.8.4.4\n",
            ),
            ("nameserver ::1\nnameserver fe80::1%eth0\n", "nameserver fe80::1%eth0\n"),
            ("", "nameserver 8.8.8.8\nnameserver 8.8.4.4\n"),
        ];
        for (text, expected) in cases {
            assert_eq!(String::from_utf8(without_loopback(text.as_bytes())).unwrap(), expected, "{text:?}");
        }
    }
    #[test]
    fn what_the_user_says_takes_the_place_of_the_machines() {
        let machine = b"nameserver 10.0.0.1\nsearch a b\noptions ndots:2\n";
        let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        let dns = |servers: &[&str], search: &[&str], options: &[&str]| Dns {
            servers: servers.iter().map(|server| server.parse().unwrap()).collect(),
            search: words(search),
            options: words(options),
        };
        for (dns, expected) in [
            (dns(&[], &[], &[]), "nameserver 10.0.0.1\nsearch a b\noptions ndots:2\n"),
            (
                dns(&["1.1.1.1", "::1"], &[], &[]),
                "search a b\noptions ndots:2\nnameserver 1.1.1.1\nnameserver ::1\n",
            ),
            (
                dns(&[], &["x"], &["rotate", "ndots:1"]),
                "nameserver 10.0.0.1\nsearch x\noptions rotate ndots:1\n",
            ),
            (dns(&[], &["."], &[]), "nameserver 10.0.0.1\noptions ndots:2\n"),
        ] {
            assert_eq!(String::from_utf8(dns.apply_to(machine)).unwrap(), expected, "{dns:?}");
        }
    }
}
