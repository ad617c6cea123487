//! The facade: a store and what can be done with it, each operation with its options and its result.
//!
//! Wires the modules below and owns the order of an operation. It takes everything as values: the environment, the
//! terminal and the arguments are the command line's business. Must not print.

mod archives;
mod attest;
mod bases;
mod build;
mod bundle;
mod change;
mod check;
mod compare;
mod containers;
mod context;
mod epoch;
mod error;
mod export;
mod find;
mod fsck;
mod given;
mod images;
mod imagetools;
mod inside;
mod inspect;
mod keys;
mod layers;
mod look_error;
mod options;
mod output;
mod place;
mod platforms;
mod pull;
mod push;
mod run;
mod shell;
mod siblings;
mod usage;

use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use archives::{ArchiveForm, ImportRequest, ImportSource, SaveRequest};
pub use attest::{AttestError, AttestRequest, ProvenanceSpec, SbomSpec, ScanError};
pub use build::{Allow, BuildReport, BuildRequest, Built, Made, Metadata};
pub use check::{Checked, Inspection};
pub use compare::{Compared, Comparison, ConfigChange};
pub use containers::{
    CommitRequest, ContainerError, ContainerFilter, ContainerState, ContainerSummary, Keep, PathChange,
    Touched,
};
pub use context::{ContextSource, ContextSpec, ContextSpecError, Dockerfile, Layout, NamedSource};
pub use error::{BuildError, EngineError, NearStep, OtherPlatform};
pub use fsck::{Flaw, FsckReport, FsckRequest, Lack, LayerProblem, Remedy};
pub use given::{AgentSource, SecretSource};
pub use images::{FilterError, HistoryLine, ImageFilter, ImageSummary, Removed};
pub use imagetools::{
    Attestations, GivenSource, GivenSourceError, ImagetoolsError, IndexRequest, NewIndex, RemoteImages,
    RemoteLook, look as look_at_remote,
};
pub use inside::{CopyRequest, CopyTarget, ImageFiles, Shown};
pub use inspect::StoredDocument;
pub use keys::KeysError;
pub use layers::{LayerReport, LayerUse, Wasted};
pub use look_error::LookError;
pub use output::{
    Annotation, AnnotationError, EpochChoice, FilesOutput, ImageLook, ImageOutput, LayoutOutput, Level,
    OutputError, OutputForm, OutputRefusal, OutputSpec, PushChoice, Target,
};
pub use place::{StepPlace, StepPlaceError};
pub use pull::{PullPolicy, PullReport, PullRequest};
pub use push::PushReport;
pub use run::{Connection, Ended, RunRequest};
pub use shell::{FailedStep, Shell, ShellRequest};
pub use usage::{
    CacheRecord, ContainerUsage, ImageUsage, PruneRequest, Pruned, RecordFilter, RecordKind, Space, Usage,
};

use crate::cgroup::{self, Cgroups};
use crate::exec::{self, Executor};
use crate::network::{self, Networks};
pub use crate::solve::Seat;
pub use crate::store::Disk;
use crate::store::Store;
pub use crate::transport::{Destination, Input};
use crate::user;

/// An open store with the means to use it.
#[derive(Debug)]
pub struct Engine {
    store: Arc<Store>,
    executor: Executor,
    networks: Networks,
    cgroups: Cgroups,
    host: Host,
}

impl Engine {
    /// Opens the store at `root`. `executor` says which program is executed as a sandbox's stage, and for an ordinary
    /// user also as the guard of a network ([`network::guard_entry`]).
    pub fn open(root: &Path, executor: Executor, host: Host) -> Result<Self, EngineError> {
        if !rustix::process::geteuid().is_root() {
            return Err(EngineError::NotRoot);
        }
        let store = Arc::new(Store::open(root)?);
        store.settle_driver(|scratch| exec::overlay_refusal(scratch).map_err(EngineError::from))?;
        let networks = if user::is_confined() {
            Networks::for_user(executor.stage.clone())
        } else {
            Networks::new(network::DIRECTORY.into())
        };
        networks.clean();
        let cgroups = if user::is_confined() {
            Cgroups::new(store.root().join("cgroups"))
        } else {
            Cgroups::new(cgroup::DIRECTORY.into())
        };
        cgroups.clean();
        Ok(Self { store, executor, networks, cgroups, host })
    }

    /// The root directory of the store.
    pub fn root(&self) -> &Path {
        self.store.root()
    }

    /// Makes the mount points that sandboxes need, if they are not there yet.
    fn prepare_sandboxes(&self) -> Result<(), EngineError> {
        Ok(exec::skeleton(&self.store.skeleton())?)
    }
}

/// What an operation needs to know of where it runs.
#[derive(Debug, Clone, Default)]
pub struct Host {
    /// The directory that relative paths start from; messages leave it out.
    pub directory: Option<PathBuf>,
    /// `/etc/hosts`, for sandboxes; `None` gives what every system has.
    pub hosts: Option<Vec<u8>>,
    /// `/etc/resolv.conf`, for sandboxes.
    pub resolv_conf: Option<Vec<u8>>,
}

impl Host {
    /// The names that a sandbox sees.
    fn hosts(&self) -> Vec<u8> {
        const LOCAL: &[u8] = b"127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
        self.hosts.clone().unwrap_or_else(|| LOCAL.to_vec())
    }

    /// A path as messages show it: relative to where the user is, if it lies there.
    fn shown(&self, path: &Path) -> String {
        let short = self.directory.as_ref().and_then(|directory| path.strip_prefix(directory).ok());
        short.unwrap_or(path).display().to_string()
    }
}
