//! Control groups: what a process and its children may use of the machine, and what they have used.
//!
//! Owns the search for a place in the machine's hierarchies (version 2 and version 1, also side by side), the files
//! of the kernel's interface, and the clean-up. Knows nothing of what runs in a group.
//!
//! # Where a group is made
//!
//! Below the group of the running process, so that limits which hold for this process hold for what it starts too. In
//! version 2 that is only possible at the root: elsewhere a group with processes cannot have controlled children
//! ("no internal processes", see the kernel's `cgroup-v2.rst`). So the way goes up from there to the first group that
//! can have them. Without a limit to set, no group is left on that way that has a limit of its own, and no controller is
//! switched on below a group that is somebody else's: then there is no group, and accounting is left to getrusage(2).
//!
//! # What is left
//!
//! Each group has a *slot*: a number that is part of its name, taken by holding the lock of a file in a directory that
//! all of the machine's stores share. Which directories belong to it is written beside the lock before they are made;
//! whoever finds such a list whose lock nobody holds finds the rest of a process that was killed, and removes it
//! ([`Cgroups::clean`]).

mod controller;
mod error;
mod group;
mod hierarchy;
mod limits;
mod list;
mod parents;
mod place;
mod slot;
mod v1;
mod v2;

use std::path::PathBuf;

pub use error::CgroupError;
pub use group::{Group, Hits, Used};
pub use hierarchy::Kind;
pub use limits::{Bytes, Limits, Swap};
pub use list::{ListError, NumberList};

use hierarchy::Hierarchy;

/// Where groups are kept track of, unless somebody says otherwise: gone after a boot, as they are.
pub const DIRECTORY: &str = "/run/strata/cgroups";

/// Makes groups.
#[derive(Debug, Clone)]
pub struct Cgroups {
    directory: PathBuf,
}

impl Cgroups {
    /// `directory` is shared by all of the machine's users of groups, see [`DIRECTORY`].
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// A group with these limits; removed when it is dropped. `None` if there is nothing to limit and no group can be
    /// had for accounting.
    pub fn make(&self, limits: &Limits) -> Result<Option<Group>, CgroupError> {
        if limits.is_empty() {
            return Ok(Group::make(&self.directory, &Hierarchy::find(), limits).unwrap_or(None));
        }
        limits.check()?;
        Group::make(&self.directory, &Hierarchy::find(), limits)
    }

    /// Removes what processes left that were killed. Costs next to nothing if there is nothing.
    pub fn clean(&self) {
        slot::clean(&self.directory);
    }
}

#[cfg(test)]
mod tests;
