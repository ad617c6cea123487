//! What the environment says of how things are fetched.

use std::path::PathBuf;

use crate::engine::Remotes;
use crate::remote::Proxies;
use crate::remote::git::Git;
use crate::remote::http::HttpClient;

/// The proxies and the ssh agent that other programs would use, too.
pub(super) fn from_environment() -> Remotes {
    let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let proxies =
        Proxies { http: proxy("http"), https: proxy("https"), all: proxy("all"), no_proxy: proxy("no") };
    let git = Git {
        search_path: std::env::var_os("PATH"),
        ssh_auth_sock: path("SSH_AUTH_SOCK"),
        ca_file: path("GIT_SSL_CAINFO"),
        proxies: proxies.clone(),
        ..Git::default()
    };
    Remotes { http: HttpClient { proxies, ..HttpClient::default() }, git }
}

/// The value of `http_proxy` and the like; the small letters go first, as everywhere.
fn proxy(kind: &str) -> Option<String> {
    let name = format!("{kind}_proxy");
    std::env::var(&name).or_else(|_| std::env::var(name.to_ascii_uppercase())).ok()
}
