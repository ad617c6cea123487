//! What the user gives to the commands of a build: secrets, and SSH agents or the keys for one.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

use crate::exec::Secret;
use crate::remote::{Clients, Logins};
use crate::store::WorkDir;

use super::build::BuildRequest;
use super::error::{BuildError, EngineError};
use super::keys::KeyAgent;

/// Where a secret is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretSource {
    /// Here.
    Value(Secret),
    /// In this file, which is read when the build begins.
    File(PathBuf),
}

/// Who answers for SSH keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentSource {
    /// The agent at this socket.
    Socket(PathBuf),
    /// An agent of the build's own, with the private keys in these files.
    Keys(Vec<PathBuf>),
}

/// The largest secret, as in BuildKit.
const MAX_SECRET: u64 = 500 * 1024;

/// What was given, ready to be used. It must live as long as the steps run.
pub(super) struct Given {
    pub(super) secrets: BTreeMap<String, Secret>,
    sockets: BTreeMap<String, PathBuf>,
    /// The agents that end with this.
    keys: BTreeMap<String, KeyAgent>,
}

impl Given {
    /// Reads secrets and starts agents, whose sockets go to `work` and whose program is looked for in `search_path`.
    pub(super) fn take(
        secrets: &BTreeMap<String, SecretSource>,
        agents: &BTreeMap<String, AgentSource>,
        search_path: Option<&OsStr>,
        work: &WorkDir,
    ) -> Result<Self, EngineError> {
        let (mut sockets, mut keys) = (BTreeMap::new(), BTreeMap::new());
        for (id, source) in agents {
            match source {
                AgentSource::Socket(path) => {
                    sockets.insert(id.clone(), path.clone());
                }
                AgentSource::Keys(files) => {
                    let agent = KeyAgent::start(files, work.path(), keys.len(), search_path)
                        .map_err(|source| Box::new(BuildError::Keys { id: id.clone(), source }))?;
                    keys.insert(id.clone(), agent);
                }
            }
        }
        let secrets = secrets.iter().map(|(id, source)| Ok((id.clone(), secret(id, source)?)));
        Ok(Self { secrets: secrets.collect::<Result<_, EngineError>>()?, sockets, keys })
    }

    /// The sockets of all agents, by their names.
    pub(super) fn agents(&self) -> BTreeMap<String, PathBuf> {
        let started = self.keys.iter().map(|(id, agent)| (id.clone(), agent.socket().to_owned()));
        self.sockets.clone().into_iter().chain(started).collect()
    }
}

/// What fetches, with the secrets that are for servers.
pub(super) fn clients(request: &BuildRequest) -> Result<Clients, EngineError> {
    let mut clients = request.clients.clone();
    for (id, source) in request.secrets.iter().filter(|(id, _)| Logins::is_one(id)) {
        clients.logins.add(id, &String::from_utf8_lossy(&secret(id, source)?.0));
    }
    Ok(clients)
}

fn secret(id: &str, source: &SecretSource) -> Result<Secret, EngineError> {
    let secret = match source {
        SecretSource::Value(secret) => secret.clone(),
        SecretSource::File(path) => {
            let failed =
                |source| Box::new(BuildError::Secret { id: id.to_owned(), path: path.clone(), source });
            let mut bytes = Vec::new();
            let file = File::open(path).map_err(failed)?;
            file.take(MAX_SECRET + 1).read_to_end(&mut bytes).map_err(failed)?;
            Secret(bytes)
        }
    };
    if secret.0.len() as u64 > MAX_SECRET {
        return Err(Box::new(BuildError::LargeSecret { id: id.to_owned(), max: MAX_SECRET }).into());
    }
    Ok(secret)
}
