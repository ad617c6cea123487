//! Where the environment says that registries' settings and credentials are.
//!
//! The order is told in `docs/registries.md`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::registry::{CredentialStore, Settings, SettingsFiles};
use crate::sys::user_namespace::account;

/// The system's settings and certificates, as podman and its relatives have them.
const SYSTEM: &str = "/etc/containers";
/// The system's certificates, as Docker has them.
const DOCKER_CERTIFICATES: &str = "/etc/docker/certs.d";
/// Where podman keeps what a user without a session logs in with.
const RUNTIME: &str = "/run/containers";

/// Where the user's own files are.
#[derive(Debug, Clone, Default)]
pub(super) struct RegistryFiles {
    pub(super) settings: Settings,
    pub(super) credentials: CredentialStore,
}

impl RegistryFiles {
    /// What the environment says, and the file that the user names for settings. To be asked while the process is still
    /// the user's.
    pub(super) fn of_environment(only: Option<PathBuf>) -> Self {
        let uid = rustix::process::geteuid().as_raw();
        let places = Places {
            variable: &|name| env::var_os(name),
            home: env::var_os("HOME")
                .filter(|home| !home.is_empty())
                .map(PathBuf::from)
                .or_else(|| account(uid).map(|account| account.home)),
            uid,
        };
        Self {
            settings: Settings::new(places.settings(only)),
            credentials: CredentialStore::new(places.credentials()),
        }
    }
}

/// What the places follow from.
struct Places<'a> {
    variable: &'a dyn Fn(&str) -> Option<OsString>,
    home: Option<PathBuf>,
    uid: u32,
}

impl Places<'_> {
    /// A path in a variable, which may not be empty.
    fn path(&self, name: &str) -> Option<PathBuf> {
        (self.variable)(name).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    /// A directory by the XDG base directory specification: relative paths do not count.
    fn directory(&self, name: &str) -> Option<PathBuf> {
        self.path(name).filter(|path| path.is_absolute())
    }

    fn user_config(&self) -> Option<PathBuf> {
        let config = self.directory("XDG_CONFIG_HOME");
        let config = config.or_else(|| Some(self.home.as_ref()?.join(".config")));
        config.map(|config| config.join("containers"))
    }

    fn settings(&self, only: Option<PathBuf>) -> SettingsFiles {
        let user = self.user_config();
        let mut certificates: Vec<PathBuf> = user.iter().map(|user| user.join("certs.d")).collect();
        certificates.extend([Path::new(SYSTEM).join("certs.d"), DOCKER_CERTIFICATES.into()]);
        SettingsFiles {
            only: only
                .or_else(|| self.path("STRATA_REGISTRY_CONFIG"))
                .or_else(|| self.path("CONTAINERS_REGISTRIES_CONF")),
            directories: [SYSTEM.into()].into_iter().chain(user).collect(),
            certificates,
        }
    }

    fn credentials(&self) -> Vec<PathBuf> {
        if let Some(only) = self.path("REGISTRY_AUTH_FILE") {
            return vec![only];
        }
        let docker =
            self.path("DOCKER_CONFIG").or_else(|| self.home.as_ref().map(|home| home.join(".docker")));
        let runtime = match self.directory("XDG_RUNTIME_DIR") {
            Some(session) => session.join("containers"),
            None => Path::new(RUNTIME).join(self.uid.to_string()),
        };
        let podman = [Some(runtime), self.user_config()].into_iter().flatten();
        let podman = podman.map(|directory| directory.join("auth.json"));
        docker.map(|docker| docker.join("config.json")).into_iter().chain(podman).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of these variables.
    fn set(variables: &[(&str, &str)]) -> impl Fn(&str) -> Option<OsString> {
        let owned: Vec<_> = variables.iter().map(|(name, value)| (name.to_string(), value.into())).collect();
        move |name| {
            owned.iter().find(|(known, _)| known == name).map(|(_, value): &(String, OsString)| value.clone())
        }
    }

    /// For a user with the home `/h`.
    fn places(variable: &dyn Fn(&str) -> Option<OsString>) -> Places<'_> {
        Places { variable, home: Some("/h".into()), uid: 7 }
    }

    #[test]
    fn credentials_are_dockers_then_podmans() {
        for (variables, expected) in [
            (
                &[][..],
                &["/h/.docker/config.json", "/run/containers/7/auth.json", "/h/.config/containers/auth.json"]
                    [..],
            ),
            (
                &[("DOCKER_CONFIG", "d"), ("XDG_RUNTIME_DIR", "/r"), ("XDG_CONFIG_HOME", "/c")],
                &["d/config.json", "/r/containers/auth.json", "/c/containers/auth.json"],
            ),
            (
                &[("DOCKER_CONFIG", ""), ("XDG_RUNTIME_DIR", "r"), ("XDG_CONFIG_HOME", "")],
                &["/h/.docker/config.json", "/run/containers/7/auth.json", "/h/.config/containers/auth.json"],
            ),
            (&[("REGISTRY_AUTH_FILE", "a"), ("DOCKER_CONFIG", "/d")], &["a"]),
        ] {
            let found = places(&set(variables)).credentials();
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{variables:?}");
        }
    }

    #[test]
    fn the_file_that_is_named_last_is_the_only_one() {
        let strata = ("STRATA_REGISTRY_CONFIG", "s");
        let podman = ("CONTAINERS_REGISTRIES_CONF", "p");
        for (given, variables, expected) in [
            (None, &[][..], None),
            (None, &[podman][..], Some("p")),
            (None, &[podman, strata], Some("s")),
            (Some("g"), &[podman, strata], Some("g")),
        ] {
            let found = places(&set(variables)).settings(given.map(PathBuf::from));
            assert_eq!(found.only, expected.map(PathBuf::from));
        }
    }

    #[test]
    fn settings_are_the_systems_and_the_users() {
        let found = places(&set(&[])).settings(None);
        assert_eq!(found.directories, ["/etc/containers", "/h/.config/containers"].map(PathBuf::from));
        let certificates =
            ["/h/.config/containers/certs.d", "/etc/containers/certs.d", "/etc/docker/certs.d"];
        assert_eq!(found.certificates, certificates.map(PathBuf::from));
    }
}
