//! Slots: numbered names for groups, shared by the machine's processes by way of a directory of locks, and the
//! removal of groups.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Pid;

use super::error::CgroupError;
use super::parents;
use crate::sys::lock::Lock;
use crate::sys::process::kill;

/// So many groups at once are more than any machine runs.
const SLOTS: u32 = 4096;

/// A group that was busy is tried again so often,
const TRIES: u32 = 50;
/// after this time: its processes were just killed.
const BETWEEN_TRIES: Duration = Duration::from_millis(10);

/// A name that nobody else uses.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) number: u32,
    record: PathBuf,
    pub(super) lock: Lock,
}

impl Slot {
    /// Takes a free slot from `from` on.
    pub(super) fn take(directory: &Path, from: u32) -> Result<Self, CgroupError> {
        fs::create_dir_all(directory).map_err(file_error("make", directory))?;
        for number in from..SLOTS {
            let Some(lock) = Lock::try_exclusive(&directory.join(format!("{number}.lock")))? else {
                continue;
            };
            let slot = Self { number, record: directory.join(format!("{number}.cgroups")), lock };
            if slot.record.exists() {
                slot.remove_recorded();
            }
            if !slot.record.exists() {
                return Ok(slot);
            }
        }
        Err(CgroupError::NoSlot)
    }

    /// Writes down which directories there will be.
    pub(super) fn record(&self, directories: &[PathBuf]) -> Result<(), CgroupError> {
        fs::write(&self.record, parents::text(directories)).map_err(file_error("write", &self.record))
    }

    /// The directory of all slots.
    pub(super) fn directory(&self) -> &Path {
        self.record.parent().unwrap_or(Path::new("/"))
    }

    /// Removes the directories that are written down, and the record if none is left of them.
    pub(super) fn remove_recorded(&self) {
        if parents::read(&self.record).iter().all(|path| remove(path).is_ok()) {
            // A record that stays is read again by the next clean-up.
            let _ = fs::remove_file(&self.record);
        }
        parents::remove_unused(self.directory());
    }
}

/// The name of a group's directories.
pub(super) fn name(number: u32) -> String {
    format!("strata-{number}")
}

/// Removes what is left of slots whose owners were killed.
pub(super) fn clean(directory: &Path) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(".cgroups")?.parse().ok());
        let Some(number) = number else { continue };
        if let Ok(Some(lock)) = Lock::try_exclusive(&directory.join(format!("{number}.lock"))) {
            Slot { number, record: entry.path(), lock }.remove_recorded();
        }
    }
    parents::remove_unused(directory);
}

/// Removes a group with its children; what still runs in it is killed.
fn remove(group: &Path) -> io::Result<()> {
    for attempt in 0.. {
        match fs::remove_dir(group) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) if error.raw_os_error() == Some(Errno::BUSY.raw_os_error()) && attempt < TRIES => {
                for child in fs::read_dir(group)?.flatten() {
                    if child.file_type().is_ok_and(|kind| kind.is_dir()) {
                        remove(&child.path())?;
                    }
                }
                kill_all(group);
                thread::sleep(BETWEEN_TRIES);
            }
            result => return result,
        }
    }
    Ok(())
}

fn kill_all(group: &Path) {
    let pids = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    for pid in pids.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)) {
        // What is gone by now needs no signal.
        let _ = kill(pid, libc::SIGKILL);
    }
}

fn file_error(operation: &'static str, path: &Path) -> impl FnOnce(io::Error) -> CgroupError {
    let path = path.to_owned();
    move |source| CgroupError::File { operation, path, source }
}
