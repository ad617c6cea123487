//! The content store on disk.
//!
//! One root directory holds everything:
//!
//! ```text
//! blobs/sha256/HEX        what goes over the wire: configs, manifests, indexes, compressed layers
//! layers/sha256/HEX/      one directory a diff id: its tree index (`index`) and the part that was made for it (`pNAME`)
//! work/NAME/              what is being made, each directory with a `lock` that its owner holds
//! mounts/HEX/N/           directories that outlive builds: `data`, and a `lock` that its users hold
//! locks/                  reservations of build steps, there only while somebody holds or wants them
//! containers/ID/          containers that stay: what one changed (`upper`), and a `lock` that its runner holds
//! kept/ID/                what failed steps left, kept for a look: `upper`, `about`, `boot`, and a `lock` for who looks
//! skeleton/               the mount points that sandboxes need, below every image
//! stat/HEX                one file a context: its stat cache
//! driver                  whether overlays are mounted of the layers, or copies are made
//! id-map                  whose ids the files have, if they are not the machine's
//! strata.db               SQLite in WAL mode: references, images, indexes, layers, blobs, cache records, containers
//! publish.lock            shared from the rename of a publication to its row, and for look-ups; exclusive for a sweep
//! ```
//!
//! Invariants
//! - Data first, then the rename into place, then the row: a row's data is always there. Data without a row is
//!   debris, which a sweep removes while it holds `publish.lock` exclusively.
//! - A layer directory is exactly what applying its tar gives, spread over one to [`layers::MAX_PARTS`] parts that
//!   an overlay stacks, topmost first.
//! - A lookup of a layer and the lease on it are one hold on `publish.lock`. A lease is in a work directory and is worth
//!   nothing once that directory's lock is free.
//! - Nothing is synced in a step. [`Store::sync`] makes everything durable at once; layers that were not synced
//!   before an unclean boot are verified against their index, and dropped if they fail.
//!
//! Must not know stages, overlays, Dockerfiles or the network.

mod blobs;
mod check;
mod collect;
mod containers;
mod database;
mod disk;
mod driver;
mod error;
mod forget;
mod ids;
mod images;
mod indexes;
mod inventory;
mod kept;
pub mod layers;
mod mounts;
mod records;
mod recover;
mod registries;
mod work;

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

pub use blobs::{BlobWriter, Expected};
pub use check::{BlobProblem, RowFlaw};
pub use containers::{ContainerDir, ContainerId, ContainerRow, NewContainer};
pub use disk::Disk;
pub use driver::Driver;
pub use error::StoreError;
pub use images::ImageRow;
pub use indexes::{IndexRow, NewIndex};
pub use inventory::{CachedLayer, EncodingRow, Stashed};
pub use kept::{Kept, KeptId};
pub use layers::{Layer, NewLayer, TarSource};
pub use mounts::{CacheMount, Sharing};
pub use records::{NewRecord, Record};
pub use work::WorkDir;

use crate::oci::{CacheKey, Digest};
use crate::sys::lock::{Lock, Mode, TransientLock};
use crate::user::IdMap;
use database::Database;

/// An open store. Shared between threads; several processes may have it open.
#[derive(Debug)]
pub struct Store {
    root: PathBuf,
    database: Database,
    boot: String,
    driver: OnceLock<Driver>,
}

/// File systems that other machines write to: locks and times are not reliable there (statfs(2)).
const NETWORK_FILE_SYSTEMS: [(u64, &str); 4] =
    [(0x6969, "NFS"), (0xff53_4d42, "CIFS"), (0xfe53_4d42, "SMB2"), (0x0102_1997, "9p")];

impl Store {
    /// Opens the store at `root`, making it if there is none, and clears what killed processes left.
    pub fn open(root: &Path) -> Result<Self, StoreError> {
        let root = std::path::absolute(root).map_err(|e| StoreError::io("find", root, e))?;
        if !root.join("layers/sha256").is_dir() {
            make_directories(&root)?;
        }
        refuse_network(&root)?;
        // SQLite does not wait for a process that is just making the database.
        let opening = Lock::wait(&root.join("work/.lock"), Mode::Exclusive)?;
        ids::settle(&root, IdMap::current())?;
        let database = Database::open(&root.join("strata.db"))?;
        drop(opening);
        let store = Self { root, database, boot: recover::boot_id()?, driver: OnceLock::new() };
        store.sweep_work()?;
        store.drop_old_kept()?;
        store.sweep_containers()?;
        store.sweep_locks()?;
        store.recover()?;
        Ok(store)
    }

    /// The root directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of mount points that lies below every image's layers.
    pub fn skeleton(&self) -> PathBuf {
        self.root.join("skeleton")
    }

    /// The stat cache of the context at `context`, an absolute path.
    pub fn stat_cache(&self, context: &Path) -> PathBuf {
        self.root.join("stat").join(Digest::of(context.as_os_str().as_bytes()).hex())
    }

    /// Where what was fetched is kept, for one kind of fetching. Nobody else can look into it: what was fetched with a
    /// password is as private as that.
    pub fn sources(&self, kind: &str) -> Result<PathBuf, StoreError> {
        let path = self.root.join("sources");
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => Err(StoreError::io("make", &path, e)),
            _ => Ok(path.join(kind)),
        }
    }

    /// Waits until no other thread or process makes the step `key`; while the reservation is held none does. `waiting`
    /// is asked now and then whether to go on; `None` if it said no.
    pub fn reserve(
        &self,
        key: &CacheKey,
        waiting: &dyn Fn() -> bool,
    ) -> Result<Option<TransientLock>, StoreError> {
        Ok(Lock::wait_transient(&self.root.join("locks").join(key.digest().hex()), waiting)?)
    }

    /// While the result is held, no garbage collection begins: for publishing things that only later ones refer to.
    pub fn hold(&self) -> Result<Lock, StoreError> {
        self.publishing()
    }

    fn publishing(&self) -> Result<Lock, StoreError> {
        Ok(Lock::wait(&self.root.join("publish.lock"), Mode::Shared)?)
    }

    fn sweeping(&self) -> Result<Lock, StoreError> {
        Ok(Lock::wait(&self.root.join("publish.lock"), Mode::Exclusive)?)
    }
}

fn make_directories(root: &Path) -> Result<(), StoreError> {
    for directory in ["blobs/sha256", "work", "locks", "skeleton", "stat", "layers/sha256"] {
        let path = root.join(directory);
        fs::create_dir_all(&path).map_err(|e| StoreError::io("make", &path, e))?;
    }
    // Layers hold set-user-ID programs and private files of images, with the owners that images name.
    let private = fs::Permissions::from_mode(0o700);
    fs::set_permissions(root, private).map_err(|e| StoreError::io("set the mode of", root, e))
}

fn refuse_network(root: &Path) -> Result<(), StoreError> {
    let stat = rustix::fs::statfs(root).map_err(|e| StoreError::io("look at", root, e.into()))?;
    let kind = stat.f_type as u64;
    match NETWORK_FILE_SYSTEMS.iter().find(|(magic, _)| *magic == kind) {
        Some((_, name)) => Err(StoreError::NetworkFileSystem { root: root.to_owned(), name }),
        None => Ok(()),
    }
}
