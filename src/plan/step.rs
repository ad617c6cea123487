//! Steps: what changes a file system, with every word expanded and every name resolved.
//!
//! Their fingerprints are parts of cache keys (`docs/cache-keys.md`) and change only together with the domain of the
//! key. They leave out what does not change the result (names, places, proxies) and what the cache brings in by
//! content (the roots that a step starts from and reads).

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::diagnostic::Span;
use crate::dockerfile::remote::{GitRef, HttpUrl};
use crate::oci::{Digest, Fingerprint, FingerprintHasher};
use crate::tree::TreePath;

use super::{Chmod, ContextId, Mount, Root, SecretVariable};

/// One change of a file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// What progress shows: `[build 2/4] COPY . /app`.
    pub name: String,
    /// The instruction, or the FROM that runs it as a trigger; empty for what no instruction asks for.
    pub span: Span,
    /// Where each of a copy's sources stands in it.
    pub sources: Vec<Span>,
    /// The text of the ONBUILD trigger that it comes from.
    pub trigger: Option<String>,
    /// Whether it is done anew, whatever the cache has.
    pub no_cache: bool,
    /// The program that SHELL names where the step stands: what somebody who looks into it types at.
    pub shell: String,
    /// What it changes.
    pub from: Root,
    /// The change.
    pub kind: StepKind,
}

/// A change of a file system.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum StepKind {
    /// A command runs.
    Run(Run),
    /// Files are put.
    Copy(Copy),
    /// A directory is made, unless it is there.
    Workdir(Workdir),
}

/// A command with what it sees.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Run {
    /// The program and its arguments, the shell included.
    pub args: Vec<String>,
    /// The variables in effect; always with `PATH`. RUNs with no ARG or ENV between them share them.
    pub env: Arc<BTreeMap<String, String>>,
    /// Variables that the command gets besides, but that do not make it another command: proxies.
    pub ignored_env: Vec<(String, String)>,
    /// The directory that it starts in, absolute; made if it is missing.
    pub cwd: String,
    /// `user[:group]`, names or numbers; empty for root.
    pub user: String,
    /// The network that it sees.
    pub network: NetworkMode,
    /// A file that it shall find, not part of the result.
    pub script: Option<Script>,
    /// What is mounted for it, parents before what lies in them.
    pub mounts: Vec<Mount>,
    /// Secrets that it gets as variables.
    pub secret_variables: Vec<SecretVariable>,
    /// Whether it has the rights of the machine's root.
    pub insecure: bool,
    /// What the user said about all commands that may show in the result, in words.
    pub circumstances: Vec<String>,
}

/// The network that a command sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, serde::Serialize, serde::Deserialize)]
pub enum NetworkMode {
    /// The host's.
    Host,
    /// Loopback only.
    None,
    /// A network of its own, with a way out.
    #[default]
    Private,
}

/// A heredoc that names its own interpreter: an executable file (0755, root's) while the command runs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub struct Script {
    /// Where, absolute.
    pub path: String,
    /// What is in it.
    pub content: String,
}

/// Files and where they go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Copy {
    /// Where the patterns among the sources are looked for.
    pub from: Place,
    /// What is copied, in this order; one of several that go to the same path wins by being the last.
    pub sources: Vec<Source>,
    /// Where to.
    pub destination: Destination,
    /// `user[:group]`, names or numbers, of all that is put or made; `None` keeps the source's owners if the source
    /// is a root, and is `0:0` otherwise.
    pub chown: Option<String>,
    /// How modes change.
    pub chmod: Option<Chmod>,
    /// `--exclude`: lines of an ignore file, relative to each source, about what is left out of it.
    pub exclude: Vec<String>,
    /// `--parents`: a source keeps the directories of its path, or those behind `/./` in it, below the destination.
    pub parents: bool,
    /// `--link`: nothing below is looked at; the layer is the same on any base.
    pub link: bool,
    /// Which sources are unpacked instead of copied, if they are archives.
    pub unpack: Unpack,
}

impl Copy {
    /// The patterns that are looked for in [`Copy::from`].
    pub fn patterns(&self) -> impl Iterator<Item = &str> {
        self.sources.iter().filter_map(|source| match source {
            Source::Pattern(pattern) => Some(pattern.as_str()),
            Source::Inline(_) | Source::Http { .. } | Source::Git(_) => None,
        })
    }

    /// Whether what a source names is unpacked if it is an archive.
    pub fn unpacks(&self, source: &Source) -> bool {
        match source {
            Source::Pattern(_) => self.unpack != Unpack::Never,
            Source::Http { .. } => self.unpack == Unpack::Always,
            Source::Inline(_) | Source::Git(_) => false,
        }
    }
}

/// Something to copy.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Source {
    /// A pattern of Go's `filepath.Match`, or a path, relative to the place's root and cleaned; empty is the root
    /// itself. One without wildcards must be there. With [`Copy::parents`] the kept part may also have `**`, and a `.`
    /// component (`a/./b`) marks where it begins; otherwise all of the path is kept.
    Pattern(String),
    /// A file whose content the Dockerfile has.
    Inline(InlineFile),
    /// A file from a server, with mode 0600 unless a chmod says otherwise.
    Http {
        /// Where it is.
        url: HttpUrl,
        /// What its bytes have to be.
        checksum: Option<Digest>,
    },
    /// The files of a commit; copied like a directory.
    Git(GitRef),
}

/// Where files come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// A directory of the user's.
    Context(ContextId),
    /// A stage or an image.
    Root(Root),
}

/// Which archives are unpacked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Unpack {
    /// None.
    Never,
    /// Those that were not fetched for this.
    Local,
    /// All.
    Always,
}

/// A file in the Dockerfile, with mode 0644 unless a chmod says otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InlineFile {
    /// Its name, a single path component.
    pub name: String,
    /// What is in it.
    pub content: String,
}

/// Where files go.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Destination {
    /// The place in the root.
    pub path: TreePath,
    /// Said to be a directory, by a `/` or `/.` at the end: a file is put into it even if it is not there yet.
    pub directory: bool,
}

/// A directory to make with its parents, 0755, unless it is there.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Workdir {
    /// Which; not the root.
    pub path: TreePath,
    /// `user[:group]` who owns what is made, names or numbers; empty for root.
    pub user: String,
}

impl Fingerprint for StepKind {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        match self {
            Self::Run(run) => {
                hasher.number(0);
                hasher.value(run);
            }
            Self::Copy(copy) => {
                hasher.number(1);
                hasher.value(copy);
            }
            Self::Workdir(workdir) => {
                hasher.number(2);
                hasher.value(workdir);
            }
        }
    }
}

impl Fingerprint for Run {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self {
            args,
            env,
            ignored_env: _,
            cwd,
            user,
            network,
            script,
            mounts,
            secret_variables,
            insecure,
            circumstances,
        } = self;
        hasher.value(args);
        hasher.value(&**env);
        hasher.value(cwd);
        hasher.value(user);
        hasher.value(network);
        hasher.value(script);
        // Without any, nothing is fed, so that the keys from before there were mounts stay.
        if !mounts.is_empty() || !secret_variables.is_empty() {
            hasher.value(mounts);
            hasher.value(secret_variables);
        }
        if *insecure {
            hasher.bytes(b"insecure");
        }
        if !circumstances.is_empty() {
            hasher.bytes(b"circumstances");
            hasher.value(circumstances);
        }
    }
}

impl Fingerprint for NetworkMode {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(match self {
            Self::Host => 0,
            Self::None => 1,
            Self::Private => 2,
        });
    }
}

impl Fingerprint for Script {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { path, content } = self;
        hasher.value(path);
        hasher.value(content);
    }
}

impl Fingerprint for Copy {
    /// Everything but what the sources hold: that is an input of its own.
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { from, sources, destination, chown, chmod, exclude, parents, link, unpack } = self;
        hasher.value(from);
        hasher.value(sources);
        hasher.value(destination);
        hasher.value(chown);
        hasher.value(chmod);
        hasher.value(exclude);
        hasher.value(parents);
        hasher.value(link);
        hasher.value(unpack);
    }
}

impl Fingerprint for Source {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        match self {
            Self::Pattern(pattern) => {
                hasher.number(0);
                hasher.value(pattern);
            }
            Self::Inline(file) => {
                hasher.number(1);
                hasher.value(file);
            }
            // From where it comes does not matter: what came is an input of its own.
            Self::Http { .. } => hasher.number(2),
            Self::Git(_) => hasher.number(3),
        }
    }
}

impl Fingerprint for Place {
    /// Which of the two it is, because owners depend on it; not which root or context.
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(match self {
            Self::Context(_) => 0,
            Self::Root(_) => 1,
        });
    }
}

impl Fingerprint for Unpack {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        hasher.number(match self {
            Self::Never => 0,
            Self::Local => 1,
            Self::Always => 2,
        });
    }
}

impl Fingerprint for InlineFile {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { name, content } = self;
        hasher.value(name);
        hasher.value(content);
    }
}

impl Fingerprint for Destination {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { path, directory } = self;
        hasher.bytes(path.as_bytes());
        hasher.value(directory);
    }
}

impl Fingerprint for Workdir {
    fn fingerprint(&self, hasher: &mut FingerprintHasher) {
        let Self { path, user } = self;
        hasher.bytes(path.as_bytes());
        hasher.value(user);
    }
}
