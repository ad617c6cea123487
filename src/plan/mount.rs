//! What a RUN finds besides its root: files, caches, memory, secrets, agents; with every word expanded and every name
//! resolved.
//!
//! Their fingerprints are parts of the RUN's. The content of files that are mounted counts, and is an input of its
//! own; what a cache holds, what a secret is and who answers at an agent's socket do not count.

use serde::{Deserialize, Serialize};

use crate::dockerfile::mount::{Owner, Sharing};
use crate::oci::{Fingerprint, FingerprintHasher};
use crate::tree::TreePath;

use super::Root;

/// Something mounted for a command.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mount {
    /// Where; not the root.
    pub target: TreePath,
    /// What.
    pub kind: MountKind,
}

/// What is mounted.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum MountKind {
    /// Files of a state.
    Bind(Bind),
    /// A directory that outlives the build.
    Cache(Cache),
    /// Memory.
    Tmpfs {
        /// Limit in bytes.
        size: Option<u64>,
    },
    /// A secret as a file.
    Secret(Secret),
    /// An agent's socket.
    Ssh(Secret),
}

/// Files of a state of a file system. What is written to them is thrown away.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Bind {
    /// The state.
    pub from: Root,
    /// Which part of it.
    pub source: TreePath,
    /// May the command write?
    pub read_write: bool,
}

/// A directory that outlives the build.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Cache {
    /// Whose builds share it: `BUILDKIT_CACHE_MOUNT_NS`, mostly empty.
    pub namespace: String,
    /// Its name among them, if it is another than the target.
    pub id: Option<String>,
    /// What it begins with; nothing if this is `None`.
    pub seed: Option<Seed>,
    /// Which part of it is mounted.
    pub source: TreePath,
    /// How users share it.
    pub sharing: Sharing,
    /// May the command only read?
    pub read_only: bool,
    /// Owner and mode of the directory when it is made.
    pub owner: Owner,
}

/// What a cache begins with.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Seed {
    /// The state.
    pub from: Root,
    /// A directory of it.
    pub source: TreePath,
}

/// Something that the user gives to a build under a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Secret {
    /// The name.
    pub id: String,
    /// Does the step fail without it?
    pub required: bool,
    /// Owner and mode of the file or socket.
    pub owner: Owner,
}

/// A secret as a variable.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SecretVariable {
    /// The variable.
    pub name: String,
    /// The secret's name.
    pub id: String,
    /// Does the step fail without it?
    pub required: bool,
}

impl Mount {
    /// The state and the part of it whose content the command can see.
    pub fn content(&self) -> Option<(Root, &TreePath)> {
        match &self.kind {
            MountKind::Bind(bind) => Some((bind.from, &bind.source)),
            MountKind::Cache(Cache { seed: Some(seed), .. }) => Some((seed.from, &seed.source)),
            MountKind::Cache(_) | MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh(_) => None,
        }
    }

    /// The same mount of another state.
    pub fn set_root(&mut self, root: Root) {
        match &mut self.kind {
            MountKind::Bind(bind) => bind.from = root,
            MountKind::Cache(Cache { seed: Some(seed), .. }) => seed.from = root,
            MountKind::Cache(_) | MountKind::Tmpfs { .. } | MountKind::Secret(_) | MountKind::Ssh(_) => {}
        }
    }
}

impl Fingerprint for Mount {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { target, kind } = self;
        hasher.bytes(target.as_bytes());
        match kind {
            MountKind::Bind(Bind { from: _, source: _, read_write }) => {
                hasher.number(0);
                hasher.value(read_write);
            }
            MountKind::Cache(cache) => {
                hasher.number(1);
                hasher.value(cache);
            }
            MountKind::Tmpfs { size } => {
                hasher.number(2);
                hasher.value(size);
            }
            MountKind::Secret(secret) => {
                hasher.number(3);
                hasher.value(secret);
            }
            MountKind::Ssh(secret) => {
                hasher.number(4);
                hasher.value(secret);
            }
        }
    }
}

impl Fingerprint for Cache {
    /// Of a name only that there is one, and nothing of how it is shared: that chooses among directories whose content
    /// does not count. A directory that goes by its target counts with the namespace.
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { namespace, id, seed, source, sharing: _, read_only, owner } = self;
        hasher.value(&id.is_none().then(|| namespace.clone()));
        hasher.value(&seed.is_some());
        hasher.bytes(source.as_bytes());
        hasher.value(read_only);
        fingerprint_owner(*owner, hasher);
    }
}

impl Fingerprint for Secret {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { id, required, owner } = self;
        hasher.value(id);
        hasher.value(required);
        fingerprint_owner(*owner, hasher);
    }
}

impl Fingerprint for SecretVariable {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { name, id, required } = self;
        hasher.value(name);
        hasher.value(id);
        hasher.value(required);
    }
}

fn fingerprint_owner(owner: Owner, hasher: &mut FingerprintHasher) {
    for number in [owner.mode, owner.uid, owner.gid] {
        hasher.value(&number.map(u64::from));
    }
}
