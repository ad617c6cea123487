//! Below which group of a hierarchy a new one is made.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::controller::Controller;
use super::error::CgroupError;
use super::hierarchy::{Hierarchy, Kind, words};

/// What a group in one hierarchy is for.
#[derive(Debug)]
pub(super) struct Wanted<'h> {
    pub(super) hierarchy: &'h Hierarchy,
    /// Without these the group is of no use.
    pub(super) required: Vec<Controller>,
    /// These are good to have.
    pub(super) welcome: Vec<Controller>,
}

/// The parent of a new group.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) parent: PathBuf,
    /// Groups that have to be made for it, the outermost first.
    pub(super) missing: Vec<PathBuf>,
}

impl Wanted<'_> {
    /// Below this process's group or as near to it as can be; `None` if there is no place and none is required.
    pub(super) fn near(&self) -> Result<Option<Place>, CgroupError> {
        match self.hierarchy.kind {
            Kind::Legacy { .. } => Ok(Some(Place::there(&self.hierarchy.own))),
            Kind::Unified if self.required.is_empty() => Ok(self.for_accounting()),
            Kind::Unified => self.for_limits().map(Some),
        }
    }

    /// Below the group with this path.
    pub(super) fn below(&self, parent: &str) -> Place {
        let mut place = Place::there(&self.hierarchy.mount);
        for part in parent.split('/').filter(|part| !matches!(*part, "" | ".")) {
            place.parent.push(part);
            if !place.parent.exists() {
                place.missing.push(place.parent.clone());
            }
        }
        place
    }

    /// Switches controllers on from the mount down to `parent`, whose groups exist by now.
    pub(super) fn enable_down_to(&self, parent: &Path) -> Result<(), CgroupError> {
        if self.hierarchy.kind != Kind::Unified {
            return Ok(());
        }
        let below = parent.strip_prefix(&self.hierarchy.mount).unwrap_or(Path::new(""));
        let mut group = self.hierarchy.mount.clone();
        self.enable(&group)?;
        for part in below {
            group.push(part);
            self.enable(&group)?;
        }
        Ok(())
    }

    /// The nearest group whose children can have what is required.
    fn for_limits(&self) -> Result<Place, CgroupError> {
        let mut group = self.hierarchy.own.clone();
        let mut first = None;
        loop {
            match self.enable(&group) {
                Ok(()) => return Ok(Place::there(&group)),
                Err(error) => first.get_or_insert(error),
            };
            if group == self.hierarchy.mount || !group.pop() {
                break;
            }
        }
        // What was wrong with the nearest one is what the user can do something about.
        Err(first.unwrap_or(CgroupError::NoHierarchy))
    }

    /// The nearest group whose children have counters of memory, unless a limit would be left behind on the way.
    fn for_accounting(&self) -> Option<Place> {
        let mut group = self.hierarchy.own.clone();
        if group == self.hierarchy.mount {
            // Nobody arranges groups here: a service manager would have put this process into one of its own. What
            // cannot be had is seen below.
            let _ = self.enable(&group);
        }
        loop {
            if words(&group.join(SWITCHES)).contains("memory") {
                return Some(Place::there(&group));
            }
            if group == self.hierarchy.mount || is_limited(&group) || !group.pop() {
                return None;
            }
        }
    }

    /// Switches on for the children of `group` what they do not have yet.
    fn enable(&self, group: &Path) -> Result<(), CgroupError> {
        let file = group.join(SWITCHES);
        let on = words(&file);
        let missing = |controllers: &[Controller]| -> Vec<&'static str> {
            let names = controllers.iter().filter_map(|controller| controller.v2());
            names.filter(|name| !on.contains(name)).collect()
        };
        for controller in missing(&self.required) {
            fs::write(&file, format!("+{controller}")).map_err(|source| CgroupError::Enable {
                controller,
                path: group.to_owned(),
                source,
            })?;
        }
        for controller in missing(&self.welcome) {
            let _: io::Result<()> = fs::write(&file, format!("+{controller}"));
        }
        Ok(())
    }
}

impl Place {
    fn there(parent: &Path) -> Self {
        Self { parent: parent.to_owned(), missing: Vec::new() }
    }
}

/// The controllers that a group's children have.
const SWITCHES: &str = "cgroup.subtree_control";

/// Whether a group of version 2 limits what is in it.
fn is_limited(group: &Path) -> bool {
    let limits = ["memory.max", "memory.high", "memory.swap.max", "pids.max", "cpu.max"];
    let set = |file: &&str| {
        let value = words(&group.join(file));
        !value.is_empty() && !value.contains("max")
    };
    limits.iter().any(set) || !words(&group.join("cpuset.cpus")).is_empty()
}
