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
}
