//! How files write for which registry something is: `quay.io`, `quay.io/team`, `https://index.docker.io/v1/`.

use crate::registry::DOCKER_HUB;

/// Docker Hub as Docker's own file and helpers call it.
const DOCKER_HUB_KEY: &str = "https://index.docker.io/v1/";

/// The hosts that are Docker Hub.
const DOCKER_HUB_HOSTS: [&str; 3] = [DOCKER_HUB, "index.docker.io", "registry-1.docker.io"];

/// The name under which a registry's credentials are written.
pub(super) fn of_host(host: &str) -> &str {
    if is_docker_hub(host) { DOCKER_HUB_KEY } else { host }
}

/// Whether this host is Docker Hub.
fn is_docker_hub(host: &str) -> bool {
    DOCKER_HUB_HOSTS.contains(&host)
}

/// The namespaces that a repository lies in, the smallest first: itself, what it lies below, and the host.
pub(super) fn namespaces(host: &str, repository: &str) -> Vec<String> {
    let host = if is_docker_hub(host) { DOCKER_HUB } else { host };
    let mut names = vec![host.to_owned()];
    for part in repository.split('/').filter(|part| !part.is_empty()) {
        let last = names.last().map_or("", String::as_str);
        names.push(format!("{last}/{part}"));
    }
    names.reverse();
    names
}

/// Which namespace a key is for. Old clients wrote URLs of the registry's API, which are for all of a host.
pub(super) fn namespace(key: &str) -> String {
    let (is_url, rest) = match key.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, key),
    };
    let rest = rest.trim_end_matches('/');
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = if is_docker_hub(host) { DOCKER_HUB } else { host };
    if path.is_empty() || is_url || matches!(path, "v1" | "v2") {
        host.to_owned()
    } else {
        format!("{host}/{path}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_lies_in_its_namespaces() {
        assert_eq!(
            namespaces("quay.io:443", "team/app"),
            ["quay.io:443/team/app", "quay.io:443/team", "quay.io:443"]
        );
        assert_eq!(namespaces("registry-1.docker.io", ""), ["docker.io"]);
    }

    #[test]
    fn keys_of_all_clients_are_understood() {
        for (key, expected) in [
            ("quay.io", "quay.io"),
            ("quay.io/", "quay.io"),
            ("quay.io/team/app", "quay.io/team/app"),
            ("https://quay.io", "quay.io"),
            ("http://quay.io:80/v2/", "quay.io:80"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("index.docker.io/v1/", "docker.io"),
            ("docker.io/team", "docker.io/team"),
            ("registry-1.docker.io", "docker.io"),
        ] {
            assert_eq!(namespace(key), expected, "{key}");
        }
        assert_eq!(namespace(of_host("docker.io")), "docker.io");
    }
}
