//! What the environment says of how things are fetched.

use std::env;
use std::path::PathBuf;

use crate::registry::{Access, Registries};
use crate::remote::git::Git;
use crate::remote::http::HttpClient;
use crate::remote::{Clients, Logins, Proxies};

use super::App;
use super::registry_files::RegistryFiles;

/// Clients that fetch as the user's other programs do: by the same proxies, trusting the same authorities and hosts,
/// and with the same ssh agent.
pub(super) fn from_environment() -> Clients {
    let proxies = proxies();
    let git = Git {
        search_path: env::var_os("PATH"),
        ssh_auth_sock: path("SSH_AUTH_SOCK"),
        known_hosts: path("HOME").map(|home| home.join(".ssh/known_hosts")).filter(|file| file.is_file()),
        ca_file: path("GIT_SSL_CAINFO").or_else(|| path("SSL_CERT_FILE")),
        proxies: proxies.clone(),
        ..Git::default()
    };
    Clients { http: HttpClient { proxies, ..HttpClient::default() }, git, logins: Logins::default() }
}

/// Registries as the user's other programs know them.
pub(super) fn registries(app: &App) -> Registries {
    let RegistryFiles { settings, credentials } = app.registry_files.clone();
    Registries::new(Access::new(settings, credentials, proxies()))
}

fn proxies() -> Proxies {
    Proxies {
        http: proxy("http_proxy"),
        https: proxy("https_proxy"),
        all: proxy("all_proxy"),
        no_proxy: proxy("no_proxy"),
    }
}

/// The value of a variable in either case; the small letters go first, as everywhere.
fn proxy(name: &str) -> Option<String> {
    let value = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
    value(name).or_else(|| value(&name.to_ascii_uppercase()))
}

fn path(name: &str) -> Option<PathBuf> {
    env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}
