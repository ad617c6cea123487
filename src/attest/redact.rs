//! Values of variables without the passwords that people write into addresses.

/// The end of the names of variables whose values are addresses of proxies, with or without a scheme.
const PROXY: &str = "_PROXY";

/// The value of a variable as it may be published: an address in it has no user and password. A user of ssh without a
/// password is no secret, and stays.
pub fn published(name: &str, value: &str) -> String {
    let mut rest = value;
    let mut shown = String::with_capacity(value.len());
    if name.to_ascii_uppercase().ends_with(PROXY) && !value.contains("://") {
        rest = without_user(value, false);
    }
    while let Some((before, after)) = rest.split_once("://") {
        shown.push_str(before);
        shown.push_str("://");
        rest = without_user(after, before.ends_with("ssh"));
    }
    shown + rest
}

/// What begins with the authority of an address, without the user of it.
fn without_user(address: &str, keeps_bare_user: bool) -> &str {
    let is_end = |c: char| matches!(c, '/' | '?' | '#' | '"' | '\'' | ',' | '|') || c.is_whitespace();
    let authority = address.split(is_end).next().unwrap_or_default();
    match authority.rfind('@') {
        Some(at) if !keeps_bare_user || authority[..at].contains(':') => &address[at + 1..],
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_no_passwords() {
        for (name, value, expected) in [
            ("URL", "https://me:secret@h:1/a@b?c#d", "https://h:1/a@b?c#d"),
            ("URL", "https://token@h", "https://h"),
            ("URL", "https://me:p@ss@h/", "https://h/"),
            ("FLAGS", "-i https://a:b@x/ -j 'http://c:d@y'", "-i https://x/ -j 'http://y'"),
            ("URL", "git+ssh://git@h/r", "git+ssh://git@h/r"),
            ("URL", "ssh://git:secret@h/r", "ssh://h/r"),
            ("http_proxy", "me:secret@h:3128", "h:3128"),
            ("HTTPS_PROXY", "http://me:secret@h:3128", "http://h:3128"),
            ("MAIL", "me:you@h", "me:you@h"),
            ("URL", "https://h/a:b@c", "https://h/a:b@c"),
            ("EMPTY", "", ""),
            ("ODD", "://", "://"),
        ] {
            assert_eq!(published(name, value), expected, "{name}={value}");
        }
    }
}
