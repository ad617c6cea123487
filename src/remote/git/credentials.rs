//! Passwords in addresses.
//!
//! `git` gets them as a header, in its environment, and an address without them. So they stand in no message, in
//! no `.git/config` and in no list of processes.

use url::Url;

use crate::dockerfile::remote::percent_decoded;

use super::super::Authorization;
use super::GitRequest;

/// A header for requests to one host.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Credentials {
    /// The host with scheme and port, as git's `http.<url>.*` has it.
    pub(super) scope: String,
    /// The whole header.
    pub(super) header: String,
}

impl Credentials {
    /// What a request has of them.
    pub(super) fn of(request: &GitRequest) -> Option<Self> {
        let url = Url::parse(&request.source.remote).ok()?;
        if !matches!(url.scheme(), "http" | "https") {
            return None;
        }
        let value = match &request.authorization {
            Some(authorization) => authorization.0.clone(),
            None => basic(&url)?,
        };
        let scope = format!("{}/", url.origin().ascii_serialization());
        Some(Self { scope, header: format!("Authorization: {value}") })
    }
}

/// The value of a header for a URL's user and password.
fn basic(url: &Url) -> Option<String> {
    let decoded = |text: &str| percent_decoded(text).unwrap_or_else(|_| text.to_owned());
    let (user, password) = (decoded(url.username()), decoded(url.password().unwrap_or_default()));
    let is_given = !user.is_empty() || !password.is_empty();
    is_given.then(|| Authorization::basic(&user, &password).0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::remote::GitRef;

    #[test]
    fn a_header_goes_to_the_host_of_the_address() {
        let of = |remote: &str, authorization: Option<&str>| {
            let authorization = authorization.map(|value| Authorization(value.to_owned()));
            let request = GitRequest { source: GitRef::new(remote.to_owned()), authorization };
            Credentials::of(&request).map(|credentials| (credentials.scope, credentials.header))
        };
        let header = |scope: &str, header: &str| Some((scope.to_owned(), format!("Authorization: {header}")));
        let user = header("https://h:8443/", "Basic dTpwOnE=");
        assert_eq!(of("https://u:p%3Aq@h:8443/r.git", None), user);
        assert_eq!(of("https://token@h/r.git", None), header("https://h/", "Basic dG9rZW46"));
        assert_eq!(of("https://u:p@h/r.git", Some("Bearer x")), header("https://h/", "Bearer x"));
        for remote in ["https://h/r.git", "git@h:r.git", "ssh://git@h/r", "git://h/r"] {
            assert_eq!(of(remote, None), None, "{remote}");
        }
    }
}
