//! `RUN --mount`: options as written, and their meaning once they are expanded.
//!
//! Values of most keys may hold variables, so a mount is read in two steps: the parser takes the value apart into
//! [`MountOption`]s and checks what holds no variable; [`Mount::resolve`] expands and checks the rest.

mod error;
mod options;
mod resolve;

pub use error::MountError;
pub use options::{Mount, MountKey, MountOption};

use crate::diagnostic::Spanned;

/// A mount, expanded and checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSpec {
    /// `type=bind`.
    Bind(BindMount),
    /// `type=cache`.
    Cache(CacheMount),
    /// `type=tmpfs`.
    Tmpfs(TmpfsMount),
    /// `type=secret`.
    Secret(SecretMount),
    /// `type=ssh`.
    Ssh(SshMount),
}

/// Files of the context, a stage or an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BindMount {
    /// Where; relative to the working directory unless absolute.
    pub target: String,
    /// What, inside of `from`; `None` is its root.
    pub source: Option<String>,
    /// A stage, named context or image; `None` is the build context.
    pub from: Option<Spanned<String>>,
    /// May the step write? What it writes is thrown away.
    pub read_write: bool,
}

/// A directory that outlives the build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CacheMount {
    /// Where; relative to the working directory unless absolute.
    pub target: String,
    /// Its identity; `None` is the cleaned target.
    pub id: Option<String>,
    /// What a new cache starts with, inside of `from`.
    pub source: Option<String>,
    /// Where a new cache's content comes from; `None` is an empty directory.
    pub from: Option<Spanned<String>>,
    /// How users share it.
    pub sharing: Sharing,
    /// Mounted read-only?
    pub read_only: bool,
    /// Owner and mode of the directory when it is made; defaults 0755, 0, 0.
    pub owner: Owner,
}

/// How users of a cache mount share it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum Sharing {
    /// All at once.
    #[default]
    Shared,
    /// Who comes second gets a fresh one.
    Private,
    /// Who comes second waits.
    Locked,
}

/// Memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TmpfsMount {
    /// Where; relative to the working directory unless absolute.
    pub target: String,
    /// Limit in bytes.
    pub size: Option<u64>,
}

/// A secret of the build's options, as a file or a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretMount {
    /// Which secret.
    pub id: String,
    /// The file; `None` if only the variable is wanted. `/run/secrets/<id>` is filled in if neither is said.
    pub target: Option<String>,
    /// The variable.
    pub env: Option<String>,
    /// Does the step fail without it?
    pub required: bool,
    /// Owner and mode of the file; defaults 0400, 0, 0.
    pub owner: Owner,
}

/// An agent's socket of the build's options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SshMount {
    /// Which agent: `default` unless said.
    pub id: String,
    /// The socket; `None` is `/run/buildkit/ssh_agent.<N>`, where N counts the step's ssh mounts from 0.
    pub target: Option<String>,
    /// Does the step fail without it?
    pub required: bool,
    /// Owner and mode of the socket; defaults 0600, 0, 0.
    pub owner: Owner,
}

/// Mode and owner of what a mount makes; `None` is the type's default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub struct Owner {
    /// Permission bits.
    pub mode: Option<u32>,
    /// User.
    pub uid: Option<u32>,
    /// Group.
    pub gid: Option<u32>,
}
