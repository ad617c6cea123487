//! Names of things that have to be fetched: URLs of files, and Git repositories.
//!
//! Owns how a source of ADD, or a context on the command line, is told apart from a path, and how it is written: what
//! of it is the address and what asks for a part or a version. Nothing here looks anything up. What a name holds
//! that others must not see is left out by [`HttpUrl::redacted`] and [`GitRef::redacted`]; only these go into
//! messages.

mod git;

use std::net::Ipv6Addr;

pub use git::{GitRef, ModificationTime, is_full_commit};

/// What kind of thing a text names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteKind {
    /// A file at a URL.
    Http,
    /// A Git repository.
    Git,
}

impl RemoteKind {
    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Http => "URL",
            Self::Git => "Git repository",
        }
    }
}

/// Something that has to be fetched.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RemoteSource {
    /// A file at a URL.
    Http(HttpUrl),
    /// A tree in a Git repository.
    Git(GitRef),
}

/// The name of a remote thing makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum RemoteError {
    #[error("the address has no host")]
    NoHost,
    #[error("invalid host `{host}`")]
    Host { host: String },
    #[error("invalid port `{port}`: expected a number up to 65535")]
    Port { port: String },
    #[error("the address has a space or a control character in it")]
    Space,
    #[error("a password in the address of a Git repository works only with `http` and `https`")]
    Password,
    #[error("`{text}` has a `%` without two hexadecimal digits after it")]
    Percent { text: String },
    #[error("unknown query key `{key}` of a Git repository: expected one of {}", git::KEYS.join(", "))]
    UnknownKey { key: String },
    #[error("query key `{key}` has no value")]
    NoValue { key: &'static str },
    #[error("query key `{key}` is given more than once")]
    Repeated { key: &'static str },
    #[error("`{first}` and `{second}` both say the same thing: leave one out")]
    Conflict { first: &'static str, second: &'static str },
    #[error("invalid value `{value}` of query key `{key}`: expected `true` or `false`")]
    Boolean { key: &'static str, value: String },
    #[error("invalid value `{value}` of query key `mtime`: expected `checkout` or `commit`")]
    ModificationTime { value: String },
    #[error("`{text}` cannot be the name of a branch, a tag or a commit")]
    Reference { text: String },
    #[error("`{text}` is not a commit: expected at least 7 hexadecimal digits")]
    Commit { text: String },
    #[error("`{text}` is not a directory of a repository: `..` leads out of it")]
    Subdir { text: String },
    #[error("query key `fetch-by-commit` needs a `commit` with all of its digits")]
    FetchByCommit,
}

/// What kind of remote thing a source of ADD names; `None` for a path.
pub fn kind(text: &str) -> Option<RemoteKind> {
    let path = text.split(['#', '?']).next().unwrap_or_default();
    let is_http = is_http(text);
    if is_http && path.strip_suffix(".git").is_none() {
        return Some(RemoteKind::Http);
    }
    let is_git =
        is_http || text.starts_with("git://") || text.starts_with("ssh://") || git::is_scp_like(text);
    is_git.then_some(RemoteKind::Git)
}

/// Reads a source of ADD; `None` for a path.
pub fn parse(text: &str) -> Option<Result<RemoteSource, RemoteError>> {
    Some(match kind(text)? {
        RemoteKind::Http => HttpUrl::new(text).map(RemoteSource::Http),
        RemoteKind::Git => GitRef::parse(text).map(RemoteSource::Git),
    })
}

/// Reads the name of a context. Other than for ADD, `github.com/…` is a repository; a caller that finds a directory
/// of that name takes the directory.
pub fn parse_context(text: &str) -> Option<Result<RemoteSource, RemoteError>> {
    if text.starts_with("github.com/") {
        return Some(GitRef::parse(&format!("https://{text}")).map(RemoteSource::Git));
    }
    parse(text)
}

fn is_http(text: &str) -> bool {
    text.starts_with("http://") || text.starts_with("https://")
}

/// The URL of a file, with the scheme `http` or `https` and a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl(String);

impl HttpUrl {
    /// Takes a text that begins with `http://` or `https://`.
    pub fn new(text: &str) -> Result<Self, RemoteError> {
        check_authority(text)?;
        Ok(Self(text.to_owned()))
    }

    /// The URL as it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host with its port, as written.
    pub fn host(&self) -> &str {
        host(&self.0)
    }

    /// The URL without user, password and the values of its query, which may be a signature.
    pub fn redacted(&self) -> String {
        let url = self.0.split('#').next().unwrap_or_default();
        match url.split_once('?') {
            Some((url, _)) => format!("{}?…", without_user(url)),
            None => without_user(url),
        }
    }

    /// The URL without user, password, query and fragment: what of it may be published.
    pub fn without_query(&self) -> String {
        without_user(self.0.split(['?', '#']).next().unwrap_or_default())
    }

    /// The name that the file has if nobody gives it another: the last part of the path, decoded.
    pub fn file_name(&self) -> Option<String> {
        let (_, rest) = self.0.split_once("://")?;
        let path = rest.split(['?', '#']).next()?.split_once('/')?.1;
        let path = percent_decoded(path).unwrap_or_else(|_| path.to_owned());
        let name = path.trim_end_matches('/').rsplit('/').next()?;
        let usable = !matches!(name, "" | "." | "..") && !name.contains('\0');
        usable.then(|| name.to_owned())
    }
}

/// What stands between the scheme and the path of a URL: perhaps a user, the host, perhaps a port.
fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or_default()
}

/// The host of a URL, with its port.
fn host(url: &str) -> &str {
    let authority = authority(url);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

fn check_authority(url: &str) -> Result<(), RemoteError> {
    if url.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return Err(RemoteError::Space);
    }
    let host = host(url);
    if host.is_empty() || host.starts_with(':') {
        return Err(RemoteError::NoHost);
    }
    // The colons in brackets are the address's.
    let port_at = host.rfind(':').filter(|&colon| !host.starts_with('[') || host[..colon].ends_with(']'));
    let (name, port) = port_at.map_or((host, ""), |colon| (&host[..colon], &host[colon + 1..]));
    if !is_host(name) {
        return Err(RemoteError::Host { host: name.to_owned() });
    }
    let is_number = port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    if !port.is_empty() && !is_number {
        return Err(RemoteError::Port { port: port.to_owned() });
    }
    Ok(())
}

/// Whether a host is a name, or an address of IPv6 in brackets. What begins with `-`, ssh would take for an option.
fn is_host(host: &str) -> bool {
    match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok()),
        None => !host.starts_with('-') && !host.contains([':', '<', '>', '@', '[', '\\', ']', '^', '|']),
    }
}

/// A URL without user and password.
fn without_user(url: &str) -> String {
    match (url.split_once("://"), authority(url).rsplit_once('@')) {
        (Some((scheme, rest)), Some((user, _))) => format!("{scheme}://{}", &rest[user.len() + 1..]),
        _ => url.to_owned(),
    }
}

/// A text with `%41` and the like replaced.
pub fn percent_decoded(text: &str) -> Result<String, RemoteError> {
    let invalid = || RemoteError::Percent { text: text.to_owned() };
    let mut parts = text.as_bytes().split(|&b| b == b'%');
    let mut decoded = parts.next().unwrap_or_default().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or_else(invalid)?;
        let digits = std::str::from_utf8(digits).map_err(|_| invalid())?;
        if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(invalid());
        }
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| invalid())?);
        decoded.extend_from_slice(rest);
    }
    String::from_utf8(decoded).map_err(|_| invalid())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_remote_sources_from_paths() {
        let (http, git) = (Some(RemoteKind::Http), Some(RemoteKind::Git));
        let cases = [
            ("https://h/f", http),
            ("http://h", http),
            ("https://github.com/moby/buildkit", http),
            ("https://h/r.git/", http),
            ("https://h/r.git.bar", http),
            ("https://h/r.git", git),
            ("https://h/r.git#v1:sub", git),
            ("http://h/r.git?tag=v1", git),
            ("git://h/r", git),
            ("ssh://git@h/r", git),
            ("git@github.com:a/b", git),
            ("user_1@h-1.example:x#ref", git),
            ("", None),
            ("a.git", None),
            ("./r.git", None),
            ("github.com/moby/buildkit", None),
            ("custom.example/r.git", None),
            ("HTTPS://h/f", None),
            ("file:///r.git", None),
            ("ext::sh -c true", None),
            ("a@b", None),
            ("@h:x", None),
            ("a b@h:x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(kind(text), expected, "{text}");
        }
    }

    #[test]
    fn a_context_may_be_a_repository_without_a_scheme() {
        let Some(Ok(RemoteSource::Git(git))) = parse_context("github.com/moby/buildkit#v1") else {
            panic!("not a repository");
        };
        assert_eq!(
            (git.remote.as_str(), git.reference.as_deref()),
            ("https://github.com/moby/buildkit", Some("v1"))
        );
        assert_eq!(parse_context("dir"), None);
    }

    #[test]
    fn a_file_has_the_last_name_of_its_url() {
        let cases = [
            ("https://h/a/b.txt", Some("b.txt")),
            ("https://h/a/b/", Some("b")),
            ("https://h/a%20b%2Fc?x=/y#/z", Some("c")),
            ("https://h/%zz", Some("%zz")),
            ("https://h/a/..", None),
            ("https://h/", None),
            ("https://h", None),
            ("https://h?a/b", None),
            ("https://h/a%00b", None),
        ];
        for (text, expected) in cases {
            assert_eq!(HttpUrl::new(text).unwrap().file_name().as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn what_is_shown_has_no_secrets() {
        let cases = [
            ("https://user:pass@h:1/a?sig=x#f", "https://h:1/a?…"),
            ("https://token@h/a@b", "https://h/a@b"),
            ("https://h/a", "https://h/a"),
        ];
        for (text, expected) in cases {
            let url = HttpUrl::new(text).unwrap();
            assert_eq!(url.redacted(), expected, "{text}");
            assert_eq!(url.without_query(), expected.trim_end_matches("?…"), "{text}");
        }
    }

    #[test]
    fn refuses_urls_without_a_host() {
        let host = |host: &str| RemoteError::Host { host: host.to_owned() };
        let cases = [
            ("https://", RemoteError::NoHost),
            ("https:///f", RemoteError::NoHost),
            ("http://u@:80/f", RemoteError::NoHost),
            ("https://-oProxyCommand=x/f", host("-oProxyCommand=x")),
            ("http://[::1", host("[::1")),
            ("http://[::1]x/f", host("[::1]x")),
            ("http://[::g]:80/f", host("[::g]")),
            ("http://::1/f", RemoteError::NoHost),
            ("http://a:b:1/f", host("a:b")),
            ("http://a|b/f", host("a|b")),
            ("http://h:x/f", RemoteError::Port { port: "x".to_owned() }),
            ("http://h:65536/f", RemoteError::Port { port: "65536".to_owned() }),
            ("http://h:+1/f", RemoteError::Port { port: "+1".to_owned() }),
            ("https://h/a b", RemoteError::Space),
            ("https://h/a\nb", RemoteError::Space),
        ];
        for (text, expected) in cases {
            assert_eq!(HttpUrl::new(text), Err(expected), "{text}");
        }
        for text in
            ["http://[::1]/f", "http://[::1]:8080", "http://u:p@h:80/f", "http://h:/f", "http://ü.example/f"]
        {
            assert!(HttpUrl::new(text).is_ok(), "{text}");
        }
    }
}
