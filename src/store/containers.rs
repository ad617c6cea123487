//! Containers that stay: `containers/ID/` with `upper` (what was changed, until it is a layer), a `lock`, and a row.
//!
//! Invariants: a row's directory is there; who runs the container holds `lock` alone, and so does its sandbox, so a
//! container whose lock is free runs no more, whatever its row says. A container's layers are needed as long as its row
//! is there. Names are unique: the row that comes first has the name.
//!
//! Must not know what a container is for: its owner says that in `details`.

use std::fmt;
use std::fs;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Row;

use super::Store;
use super::database::{Stored, digest};
use super::error::StoreError;
use super::work::{WorkDir, random_name};
use crate::oci::{DiffId, ImageId};
use crate::sys::lock::{Lock, Mode};
use crate::sys::remove;

/// How long a container that must be about to end is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// The name of a container that nobody else has: 64 random hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ContainerId(String);

impl ContainerId {
    fn random() -> Result<Self, StoreError> {
        let words = std::iter::repeat_with(random_name).take(4).collect::<Result<Vec<_>, _>>()?;
        Ok(Self(words.concat()))
    }

    /// All digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits.
    pub fn short(&self) -> &str {
        &self.0[..self.0.len().min(12)]
    }
}

impl fmt::Display for ContainerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A container, as its row has it.
#[derive(Debug, Clone)]
pub struct ContainerRow {
    /// Its id.
    pub id: ContainerId,
    /// Its name.
    pub name: String,
    /// The image that it is of, which may be gone.
    pub image: ImageId,
    /// The layers that it started from, lowest first.
    pub layers: Vec<DiffId>,
    /// What it changed, once that is a layer.
    pub layer: Option<DiffId>,
    /// What its owner says of it.
    pub details: Vec<u8>,
    /// When it was made, in nanoseconds since 1970.
    pub created: i64,
    /// When its command ended, likewise; not known of one that was killed.
    pub finished: Option<i64>,
    /// How its command ended.
    pub code: Option<i32>,
}

/// A container to be made.
#[derive(Debug, Clone, Copy)]
pub struct NewContainer<'a> {
    /// Its name.
    pub name: &'a str,
    /// The image that it is of.
    pub image: &'a ImageId,
    /// The layers that it starts from, lowest first.
    pub layers: &'a [DiffId],
    /// What its owner says of it.
    pub details: &'a [u8],
}

/// A container's directory, which nobody removes as long as this lives.
#[derive(Debug)]
pub struct ContainerDir {
    id: ContainerId,
    path: PathBuf,
    lock: Lock,
}

impl ContainerDir {
    /// The container.
    pub fn id(&self) -> &ContainerId {
        &self.id
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where its changes are before they are a layer.
    pub fn upper(&self) -> PathBuf {
        self.path.join("upper")
    }
}

impl AsFd for ContainerDir {
    /// The lock, for a sandbox that must keep it.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }
}

impl Store {
    /// Makes a container and holds it; `None` if another one has the name.
    pub fn create_container(
        &self,
        new: NewContainer<'_>,
        work: &WorkDir,
    ) -> Result<Option<ContainerDir>, StoreError> {
        let id = ContainerId::random()?;
        let (all, made) = (self.all_containers(), work.path().join(id.as_str()));
        for directory in [&all, &made] {
            match fs::DirBuilder::new().mode(0o700).create(directory) {
                Err(e) if e.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(StoreError::io("make", directory, e));
                }
                _ => {}
            }
        }
        // Held before it has its place, so that nobody takes it for one whose row was lost.
        let lock = Lock::wait(&made.join("lock"), Mode::Exclusive)?;
        let pid = made.join("pid");
        fs::write(&pid, std::process::id().to_string()).map_err(|e| StoreError::io("write", &pid, e))?;
        let path = all.join(id.as_str());
        fs::rename(&made, &path).map_err(|e| StoreError::io("put in place", &path, e))?;
        let container = ContainerDir { id, path, lock };
        if self.insert_container(&container.id, new)? {
            return Ok(Some(container));
        }
        Self::clear_container(&container, work)?;
        Ok(None)
    }

    fn insert_container(&self, id: &ContainerId, new: NewContainer<'_>) -> Result<bool, StoreError> {
        self.database.write("record a container", |t| {
            let inserted = t.execute(
                "INSERT INTO containers (id, name, image, details, created) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (name) DO NOTHING",
                (id.as_str(), new.name, Stored(new.image.0), new.details, nanoseconds()),
            )?;
            if inserted == 0 {
                return Ok(false);
            }
            let insert = "INSERT INTO container_layers (container, ordinal, diff_id) VALUES (?1, ?2, ?3)";
            let mut insert = t.prepare(insert)?;
            for (ordinal, layer) in new.layers.iter().enumerate() {
                insert.execute((id.as_str(), ordinal as i64, Stored(layer.0)))?;
            }
            Ok(true)
        })
    }

    /// All containers, the one that was made last first.
    pub fn containers(&self) -> Result<Vec<ContainerRow>, StoreError> {
        self.database.read("list containers", |c| {
            let mut layers = c.prepare_cached(
                "SELECT diff_id FROM container_layers WHERE container = ?1 ORDER BY ordinal",
            )?;
            let mut rows: Vec<ContainerRow> = c
                .prepare_cached(
                    "SELECT id, name, image, layer, details, created, finished, code FROM containers
                     ORDER BY created DESC, id",
                )?
                .query_map([], container)?
                .collect::<rusqlite::Result<_>>()?;
            for row in &mut rows {
                row.layers = layers
                    .query_map([row.id.as_str()], |layer| digest(layer, 0).map(DiffId))?
                    .collect::<rusqlite::Result<_>>()?;
            }
            Ok(rows)
        })
    }

    /// Whether a container runs: somebody holds it.
    pub fn is_running(&self, id: &ContainerId) -> Result<bool, StoreError> {
        let path = self.all_containers().join(id.as_str());
        match Lock::try_lock(&path.join("lock"), Mode::Shared) {
            Err(_) if !path.is_dir() => Ok(false),
            lock => Ok(lock?.is_none()),
        }
    }

    /// Holds a container that does not run; `None` if it does, or is held by somebody else.
    pub fn hold_container(&self, id: &ContainerId) -> Result<Option<ContainerDir>, StoreError> {
        let path = self.all_containers().join(id.as_str());
        let lock = match Lock::try_exclusive(&path.join("lock")) {
            Err(_) if !path.is_dir() => return Err(StoreError::NoContainer(id.clone())),
            lock => lock?,
        };
        // It may have been removed before the lock was had.
        if !path.is_dir() {
            return Err(StoreError::NoContainer(id.clone()));
        }
        Ok(lock.map(|lock| ContainerDir { id: id.clone(), path, lock }))
    }

    /// The same as [`Store::hold_container`], but waits for whoever holds it; not for ever.
    pub fn wait_for_container(&self, id: &ContainerId) -> Result<Option<ContainerDir>, StoreError> {
        let start = Instant::now();
        loop {
            let held = self.hold_container(id)?;
            if held.is_some() || start.elapsed() > PATIENCE {
                return Ok(held);
            }
            thread::sleep(BETWEEN_TRIES);
        }
    }

    /// The process that runs a container, if that can be told.
    pub fn runner_of(&self, id: &ContainerId) -> Option<u32> {
        let path = self.all_containers().join(id.as_str());
        let pid: u32 = fs::read_to_string(path.join("pid")).ok()?.parse().ok()?;
        // A process of the same number that has nothing to do with the container must not be taken for its runner.
        let lock = path.join("lock");
        let mut open = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok);
        open.any(|fd| fs::read_link(fd.path()).is_ok_and(|file| file == lock)).then_some(pid)
    }

    /// Notes that a container's command has ended.
    pub fn finish_container(&self, id: &ContainerId, code: i32) -> Result<(), StoreError> {
        self.database.write("note the end of a container", |t| {
            t.execute(
                "UPDATE containers SET finished = ?2, code = ?3 WHERE id = ?1",
                (id.as_str(), nanoseconds(), code),
            )
        })?;
        Ok(())
    }

    /// Notes which layer a container's changes are, so that it is needed from its publication on.
    pub fn set_container_layer(&self, id: &ContainerId, layer: &DiffId) -> Result<(), StoreError> {
        self.database.write("note the layer of a container", |t| {
            t.execute("UPDATE containers SET layer = ?2 WHERE id = ?1", (id.as_str(), Stored(layer.0)))
        })?;
        Ok(())
    }

    /// Gives a container another name; says no if another one has that.
    pub fn rename_container(&self, id: &ContainerId, name: &str) -> Result<bool, StoreError> {
        let renamed = self.database.write("rename a container", |t| {
            t.execute("UPDATE OR IGNORE containers SET name = ?2 WHERE id = ?1", (id.as_str(), name))
        })?;
        Ok(renamed > 0)
    }

    /// Removes a container that is held. Its layers go with a collection.
    #[expect(clippy::needless_pass_by_value, reason = "nobody shall use it any more")]
    pub fn remove_container(&self, container: ContainerDir, work: &WorkDir) -> Result<(), StoreError> {
        self.database.write("remove a container", |t| {
            t.execute("DELETE FROM containers WHERE id = ?1", [container.id.as_str()])
        })?;
        Self::clear_container(&container, work)
    }

    fn clear_container(container: &ContainerDir, work: &WorkDir) -> Result<(), StoreError> {
        let away = work.path().join(format!("container-{}", container.id));
        match fs::rename(&container.path, &away) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            result => result.map_err(|e| StoreError::io("move away", &container.path, e))?,
        }
        remove::tree(&away).map_err(|e| StoreError::io("remove", &away, e))
    }

    /// Removes the directories whose rows are gone, or never came, because their owner was killed.
    pub(super) fn sweep_containers(&self) -> Result<(), StoreError> {
        let lost = self.lost_containers()?;
        if lost.is_empty() {
            return Ok(());
        }
        let work = self.work_dir()?;
        for id in lost {
            match self.hold_container(&id) {
                Ok(Some(container)) if !self.has_container(&id)? => {
                    Self::clear_container(&container, &work)?;
                }
                Ok(_) | Err(StoreError::NoContainer(_)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The directories without a row.
    fn lost_containers(&self) -> Result<Vec<ContainerId>, StoreError> {
        let all = self.all_containers();
        let entries = match fs::read_dir(&all) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| StoreError::io("list", &all, e))?,
        };
        let mut lost = Vec::new();
        for entry in entries {
            let name = entry.map_err(|e| StoreError::io("list", &all, e))?.file_name();
            let id = ContainerId(name.to_string_lossy().into_owned());
            if !self.has_container(&id)? {
                lost.push(id);
            }
        }
        Ok(lost)
    }

    fn has_container(&self, id: &ContainerId) -> Result<bool, StoreError> {
        self.database.read("look for a container", |c| {
            c.prepare_cached("SELECT 1 FROM containers WHERE id = ?1")?.exists([id.as_str()])
        })
    }

    /// Where a container's directory is.
    pub fn container_place(&self, id: &ContainerId) -> PathBuf {
        self.all_containers().join(id.as_str())
    }

    /// Where containers are.
    pub(super) fn all_containers(&self) -> PathBuf {
        self.root.join("containers")
    }
}

/// Nanoseconds since 1970, for rows: containers that were made within one second have an order.
fn nanoseconds() -> i64 {
    i64::try_from(jiff::Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX)
}

fn container(row: &Row<'_>) -> rusqlite::Result<ContainerRow> {
    let layer: Option<Stored> = row.get(3)?;
    Ok(ContainerRow {
        id: ContainerId(row.get(0)?),
        name: row.get(1)?,
        image: ImageId(digest(row, 2)?),
        layers: Vec::new(),
        layer: layer.map(|layer| DiffId(layer.0)),
        details: row.get(4)?,
        created: row.get(5)?,
        finished: row.get(6)?,
        code: row.get(7)?,
    })
}
