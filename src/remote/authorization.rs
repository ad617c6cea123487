//! Who the user is to servers.
//!
//! Owns which secret is for which server, by BuildKit's names for them: `HTTP_AUTH_HEADER_host`, `HTTP_AUTH_TOKEN_host`,
//! and `GIT_AUTH_HEADER` and `GIT_AUTH_TOKEN` with `.host` behind them or without. Must not know where secrets come
//! from. Nothing here is ever shown, kept or part of a cache key.

use std::collections::BTreeMap;
use std::fmt;

use url::Url;

use crate::dockerfile::remote::{GitRef, HttpUrl};

/// How the names of secrets begin that are for servers.
const NAMES: [&str; 4] = ["HTTP_AUTH_HEADER_", "HTTP_AUTH_TOKEN_", "GIT_AUTH_HEADER", "GIT_AUTH_TOKEN"];

/// The user that Git servers take a token from, as in BuildKit.
const TOKEN_USER: &str = "x-access-token";

/// The value of an `Authorization` header, as `Bearer …`. It is not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Authorization(pub String);

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authorization(…)")
    }
}

impl Authorization {
    /// A user and a password.
    pub(super) fn basic(user: &str, password: &str) -> Self {
        Self(format!("Basic {}", base64(format!("{user}:{password}").as_bytes())))
    }
}

/// Secrets for servers, by their names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Logins(BTreeMap<String, String>);

impl fmt::Debug for Logins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Logins {
    /// Whether a secret of this name is for servers.
    pub fn is_one(name: &str) -> bool {
        NAMES.iter().any(|known| name.starts_with(known))
    }

    /// Adds a secret. The end of a line at its end, which files have, is not part of it.
    pub fn add(&mut self, name: &str, value: &str) {
        self.0.insert(name.to_owned(), value.trim_end_matches(['\r', '\n']).to_owned());
    }

    /// What is sent to the host of `url`.
    pub fn of_file(&self, url: &HttpUrl) -> Option<Authorization> {
        let url = Url::parse(url.as_str()).ok()?;
        let host = url.host_str()?;
        let token = self.0.get(&format!("HTTP_AUTH_TOKEN_{host}")).map(|token| format!("Bearer {token}"));
        token.or_else(|| self.0.get(&format!("HTTP_AUTH_HEADER_{host}")).cloned()).map(Authorization)
    }

    /// What is sent to the host of a repository; only HTTP has a place for it.
    pub fn of_tree(&self, source: &GitRef) -> Option<Authorization> {
        let url = Url::parse(&source.remote).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let host = format!(".{}{port}", url.host_str()?);
        [host.as_str(), ""].into_iter().find_map(|host| {
            let header = self.0.get(&format!("GIT_AUTH_HEADER{host}")).cloned().map(Authorization);
            let token = || self.0.get(&format!("GIT_AUTH_TOKEN{host}"));
            header.or_else(|| token().map(|token| Authorization::basic(TOKEN_USER, token)))
        })
    }
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let number =
            (0..3).fold(0_u32, |number, i| number << 8 | u32::from(group.get(i).copied().unwrap_or(0)));
        for i in 0..4 {
            let digit = DIGITS[(number >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= group.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::remote::{RemoteSource, parse};

    #[test]
    fn base64_is_that_of_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("\u{3ff}", "z78="),
        ];
        for (text, expected) in cases {
            assert_eq!(base64(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn each_server_gets_its_own() {
        let logins = |names: &str| {
            let mut logins = Logins::default();
            for name in names.split(' ') {
                assert!(Logins::is_one(name), "{name}");
                logins.add(name, &format!("{name}\n"));
            }
            logins
        };
        let sent = |names: &str, address: &str| match parse(address).unwrap().unwrap() {
            RemoteSource::Http(url) => logins(names).of_file(&url),
            RemoteSource::Git(tree) => logins(names).of_tree(&tree),
        };
        for (names, address, expected) in [
            ("HTTP_AUTH_TOKEN_h", "https://h:8443/f", Some("Bearer HTTP_AUTH_TOKEN_h")),
            ("HTTP_AUTH_HEADER_h", "http://h/f", Some("HTTP_AUTH_HEADER_h")),
            ("HTTP_AUTH_HEADER_h HTTP_AUTH_TOKEN_h", "http://h/f", Some("Bearer HTTP_AUTH_TOKEN_h")),
            ("HTTP_AUTH_HEADER_h GIT_AUTH_TOKEN", "http://g/f", None),
            ("GIT_AUTH_HEADER", "https://h/r.git", Some("GIT_AUTH_HEADER")),
            ("GIT_AUTH_HEADER GIT_AUTH_HEADER.h:1", "https://h:1/r.git", Some("GIT_AUTH_HEADER.h:1")),
            ("GIT_AUTH_HEADER GIT_AUTH_HEADER.g", "https://h/r.git", Some("GIT_AUTH_HEADER")),
            ("GIT_AUTH_TOKEN GIT_AUTH_HEADER.h", "https://h/r.git", Some("GIT_AUTH_HEADER.h")),
            ("GIT_AUTH_HEADER.g HTTP_AUTH_TOKEN_h", "https://h/r.git", None),
            ("GIT_AUTH_HEADER", "git@h:r.git", None),
            ("GIT_AUTH_HEADER", "ssh://git@h/r.git", None),
        ] {
            assert_eq!(sent(names, address).map(|sent| sent.0).as_deref(), expected, "{names} to {address}");
        }
        let token = sent("GIT_AUTH_TOKEN", "https://h/r.git").unwrap();
        assert_eq!(token, Authorization::basic("x-access-token", "GIT_AUTH_TOKEN"));
        assert_eq!(token.0, "Basic eC1hY2Nlc3MtdG9rZW46R0lUX0FVVEhfVE9LRU4=");
        assert_eq!(
            format!("{token:?} {:?}", logins("GIT_AUTH_TOKEN")),
            "Authorization(…) {\"GIT_AUTH_TOKEN\"}"
        );
    }
}
