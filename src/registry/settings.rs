//! Where registries are and how they are reached: mirrors, moved repositories, certificates.
//!
//! Owns reading the files that podman and its relatives share (`registries.conf`) and the directories of certificates
//! that Docker has too (`certs.d`). Which files and directories there are is for the caller to say. They are read when
//! they are needed first: what is not fetched is not hindered by a broken file.
//!
//! Names are complete before they come here, as Docker completes them; settings about incomplete ones have no effect.

mod certificates;
mod error;
mod file;
mod rule;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use certificates::Certificates;
pub use error::{Place, SettingsError, UnknownSetting};
use rule::Rule;

use super::DOCKER_HUB;
use crate::oci::Reference;

/// Where Docker Hub's images are.
pub(super) const DOCKER_HUB_HOST: &str = "registry-1.docker.io";

/// Where settings are looked for.
#[derive(Debug, Clone, Default)]
pub struct SettingsFiles {
    /// The only file, if the user names one. It must be there.
    pub only: Option<PathBuf>,
    /// Directories with `registries.conf` and `registries.conf.d`, the most general one first. Of the files
    /// `registries.conf` the last one counts alone; of the others all do, and later ones over earlier ones.
    pub directories: Vec<PathBuf>,
    /// Directories with a directory of certificates for each registry, the first to be looked at first.
    pub certificates: Vec<PathBuf>,
}

/// How registries are reached.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    files: Arc<SettingsFiles>,
    read: Arc<OnceLock<Read>>,
}

/// What the files say.
#[derive(Debug)]
struct Read {
    rules: Vec<Rule>,
    unknown: Vec<UnknownSetting>,
}

/// One place where a repository can be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The host with its port, if it has one.
    pub host: String,
    /// What the repository is called there; empty if the question was about the host only.
    pub repository: String,
    /// Whether it speaks plain HTTP from the start.
    pub plain_http: bool,
    /// Whether its certificate does not matter, and plain HTTP will do as well.
    pub skip_verify: bool,
    /// Certificates of authorities that are trusted besides the usual ones.
    pub ca: Vec<PathBuf>,
    /// The certificate to show, and its key.
    pub client_cert: Option<(PathBuf, PathBuf)>,
    /// Whether it only repeats what the registry itself has.
    pub is_mirror: bool,
}

impl Settings {
    /// Settings in these files, which are not read yet.
    pub fn new(files: SettingsFiles) -> Self {
        Self { files: Arc::new(files), read: Arc::default() }
    }

    /// Where to ask for what a reference names: at its mirrors first, then at the registry itself.
    pub fn endpoints(&self, reference: &Reference) -> Result<Vec<Endpoint>, SettingsError> {
        self.endpoints_of(&reference.name(), reference.digest().is_some())
    }

    /// The same for a complete name.
    fn endpoints_of(&self, name: &str, has_digest: bool) -> Result<Vec<Endpoint>, SettingsError> {
        let Some(rule) = self.rule(name)? else { return Ok(vec![self.endpoint(name, false, false)?]) };
        // A rule is one for this name.
        let rest = &name[rule.prefix.covers(name).unwrap_or(name.len())..];
        let at = |location: &str, insecure, is_mirror| {
            let moved = format!("{location}{rest}");
            if moved.contains('/') {
                self.endpoint(&moved, insecure, is_mirror)
            } else {
                let place = rule.place.clone();
                Err(SettingsError::NoRepository { name: name.to_owned(), moved, place })
            }
        };
        let mut endpoints = Vec::new();
        for mirror in rule.mirrors.iter().filter(|mirror| mirror.used.is_for(has_digest)) {
            endpoints.push(at(&mirror.location, mirror.insecure, true)?);
        }
        endpoints.push(match &rule.location {
            Some(location) => at(location, rule.insecure, false)?,
            None => self.endpoint(name, rule.insecure, false)?,
        });
        Ok(endpoints)
    }

    /// How to reach a host itself, as it is written: neither its mirrors nor another location take its place.
    pub fn host(&self, host: &str) -> Result<Endpoint, SettingsError> {
        let insecure = self.rule(host)?.is_some_and(|rule| rule.insecure);
        self.endpoint(host, insecure, false)
    }

    /// Where to ask for something that is at a host and has no reference: `path` there, or elsewhere if the settings
    /// say so.
    pub fn place(&self, host: &str, path: &str) -> Result<Endpoint, SettingsError> {
        let name = format!("{host}/{path}");
        let own = self.endpoints_of(&name, false)?.into_iter().find(|endpoint| !endpoint.is_mirror);
        own.map_or_else(|| self.endpoint(&name, false, false), Ok)
    }

    /// What of the files has no effect, if they have been needed.
    pub fn unknown(&self) -> &[UnknownSetting] {
        self.read.get().map_or(&[], |read| &read.unknown)
    }

    /// The rule for a name. It may not be had if there is one that says so.
    fn rule(&self, name: &str) -> Result<Option<&Rule>, SettingsError> {
        let rules = self.read()?.rules.iter().filter(|rule| rule.prefix.covers(name).is_some());
        match rules.max_by_key(|rule| rule.prefix.weight()) {
            Some(rule) if rule.blocked => {
                Err(SettingsError::Blocked { name: name.to_owned(), place: rule.place.clone() })
            }
            rule => Ok(rule),
        }
    }

    fn endpoint(&self, name: &str, skip_verify: bool, is_mirror: bool) -> Result<Endpoint, SettingsError> {
        let (host, repository) = name.split_once('/').unwrap_or((name, ""));
        let Certificates { ca, client } = Certificates::find(&self.files.certificates, host)?;
        Ok(Endpoint {
            host: if host == DOCKER_HUB { DOCKER_HUB_HOST } else { host }.to_owned(),
            repository: repository.to_owned(),
            plain_http: false,
            skip_verify,
            ca,
            client_cert: client,
            is_mirror,
        })
    }

    fn read(&self) -> Result<&Read, SettingsError> {
        if let Some(read) = self.read.get() {
            return Ok(read);
        }
        let read = Read::from_files(&self.files)?;
        Ok(self.read.get_or_init(|| read))
    }
}

impl Read {
    fn from_files(files: &SettingsFiles) -> Result<Self, SettingsError> {
        let mut read = Self { rules: Vec::new(), unknown: Vec::new() };
        for path in paths(files)? {
            let (rules, unknown) = file::read(&path)?;
            for rule in rules {
                read.rules.retain(|known| known.prefix != rule.prefix || known.place.path == path);
                read.rules.push(rule);
            }
            read.unknown.extend(unknown);
        }
        Ok(read)
    }
}

/// The files that are there, in the order in which later ones count over earlier ones.
fn paths(files: &SettingsFiles) -> Result<Vec<PathBuf>, SettingsError> {
    if let Some(only) = &files.only {
        return Ok(vec![only.clone()]);
    }
    let main = files.directories.iter().rev().map(|directory| directory.join("registries.conf"));
    let mut paths: Vec<PathBuf> = main.into_iter().find(|path| path.exists()).into_iter().collect();
    for directory in &files.directories {
        paths.extend(drop_ins(&directory.join("registries.conf.d"))?);
    }
    Ok(paths)
}

/// The files `*.conf` of a directory, by name.
fn drop_ins(directory: &Path) -> Result<Vec<PathBuf>, SettingsError> {
    let error = |source| SettingsError::Read { path: directory.to_owned(), source };
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(source) if matches!(source.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(Vec::new());
        }
        Err(source) => return Err(error(source)),
    };
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(error)?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
    paths.sort();
    Ok(paths)
}
