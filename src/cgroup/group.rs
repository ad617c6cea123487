//! A group: one directory in each hierarchy that it needs, from making to removal.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::controller::Controller;
use super::error::CgroupError;
use super::hierarchy::{Hierarchy, Kind};
use super::limits::Limits;
use super::parents::Parents;
use super::place::{Place, Wanted};
use super::slot::{self, Slot};
use super::{v1, v2};

/// A group. Whoever drops it has seen to it that nothing runs in it any more; it is removed then.
#[derive(Debug)]
pub struct Group {
    parts: Vec<Part>,
    limits: Limits,
    slot: Slot,
}

/// A group in one hierarchy.
#[derive(Debug)]
struct Part {
    kind: Kind,
    path: PathBuf,
    directory: File,
    controllers: Vec<Controller>,
}

/// What the processes of a group have used, as far as it was counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// Time on processors.
    pub cpu: Option<Duration>,
    /// The most memory at one time, with the file cache, in bytes.
    pub memory: Option<u64>,
    /// Bytes read from and written to disks. What is written later, from the cache, is not among them.
    pub io: Option<(u64, u64)>,
}

/// How often a group was at a limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hits {
    /// Processes that the kernel killed because there was no memory left, here or on the whole machine.
    pub killed: u64,
    /// Whether the group used all the memory that it may.
    pub at_memory_limit: bool,
    /// Processes that could not be started because there were too many.
    pub forks_refused: u64,
}

impl Group {
    pub(super) fn make(
        records: &Path,
        hierarchies: &[Hierarchy],
        limits: &Limits,
    ) -> Result<Option<Self>, CgroupError> {
        if limits.parent.is_some() && hierarchies.is_empty() {
            return Err(CgroupError::NoHierarchy);
        }
        let wanted = wanted(hierarchies, limits)?;
        let mut from = 0;
        while !wanted.is_empty() {
            let slot = Slot::take(records, from)?;
            from = slot.number + 1;
            let mut group = Self { parts: Vec::new(), limits: limits.clone(), slot };
            match group.fill(&wanted) {
                // Two directories of locks may lead to one hierarchy: those of containers.
                Err(CgroupError::Make { source, .. }) if source.kind() == io::ErrorKind::AlreadyExists => {}
                Ok(()) if group.parts.is_empty() => break,
                filled => return filled.map(|()| Some(group)),
            }
        }
        Ok(None)
    }

    /// Makes the directories and sets the limits.
    fn fill(&mut self, wanted: &[Wanted<'_>]) -> Result<(), CgroupError> {
        // Nobody removes a parent that was found to be there.
        let parents = match self.limits.parent {
            Some(_) => Some(Parents::hold(self.slot.directory())?),
            None => None,
        };
        let mut places = Vec::new();
        for wanted in wanted {
            let place = match &self.limits.parent {
                Some(parent) => Some(wanted.below(parent)),
                None => wanted.near().map_err(|error| error.in_hierarchy(&wanted.hierarchy.kind))?,
            };
            places.extend(place.map(|place| (wanted, place)));
        }
        let name = slot::name(self.slot.number);
        let existing = places.iter().map(|(_, place)| place.parent.join(&name)).find(|path| path.exists());
        if let Some(path) = existing {
            return Err(CgroupError::Make { path, source: io::ErrorKind::AlreadyExists.into() });
        }
        let directories: Vec<PathBuf> = places.iter().map(|(_, place)| place.parent.join(&name)).collect();
        self.slot.record(&directories)?;
        for (wanted, place) in &places {
            let made = parents.as_ref().map_or(Ok(()), |parents| parents.make(&place.missing));
            made.map_err(|error| error.in_hierarchy(&wanted.hierarchy.kind))?;
        }
        for (wanted, place) in places {
            match Part::make(wanted, &place, &name, &self.limits) {
                Ok(part) => self.parts.push(part),
                // A hierarchy that only counts may be missing.
                Err(_) if wanted.required.is_empty() && self.limits.parent.is_none() => {}
                Err(error) => return Err(error.in_hierarchy(&wanted.hierarchy.kind)),
            }
        }
        Ok(())
    }

    /// The hierarchies that it is in.
    pub fn kinds(&self) -> Vec<Kind> {
        self.parts.iter().map(|part| part.kind.clone()).collect()
    }

    /// Its directories, in the order of [`Group::kinds`].
    pub fn directories(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.parts.iter().map(|part| part.directory.as_fd())
    }

    /// What keeps it from being removed as the rest of a process that was killed; whatever runs in the group shall
    /// hold a copy.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.slot.lock.as_fd()
    }

    /// Moves a process of one thread into the hierarchies of version 1. In version 2 a process is better born in its
    /// group, see `CLONE_INTO_CGROUP` in clone(2).
    pub fn admit(&self, process: u32) -> io::Result<()> {
        let legacy = self.parts.iter().filter(|part| part.kind != Kind::Unified);
        for part in legacy {
            fs::write(part.path.join("cgroup.procs"), process.to_string())?;
        }
        Ok(())
    }

    /// Its limits.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// What was used up to now, and which limits were met.
    pub fn count(&self) -> (Used, Hits) {
        let (mut used, mut hits) = Default::default();
        for part in &self.parts {
            for &controller in &part.controllers {
                match part.kind {
                    Kind::Unified => v2::count(&part.path, controller, &mut used, &mut hits),
                    Kind::Legacy { .. } => v1::count(&part.path, controller, &mut used, &mut hits),
                }
            }
        }
        (used, hits)
    }

    /// Lets go without removing anything, as a process does that is killed.
    #[cfg(test)]
    pub(super) fn abandon(self) {
        let group = std::mem::ManuallyDrop::new(self);
        // As the kernel does: the lock goes, the directories stay.
        rustix::fs::flock(group.lock(), rustix::fs::FlockOperation::Unlock).unwrap();
    }

    /// The directories' paths.
    #[cfg(test)]
    pub(super) fn paths(&self) -> Vec<PathBuf> {
        self.parts.iter().map(|part| part.path.clone()).collect()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.slot.remove_recorded();
    }
}

impl Part {
    fn make(wanted: &Wanted<'_>, place: &Place, name: &str, limits: &Limits) -> Result<Self, CgroupError> {
        if limits.parent.is_some() {
            wanted.enable_down_to(&place.parent)?;
        }
        let path = place.parent.join(name);
        let made = fs::create_dir(&path).and_then(|()| File::open(&path));
        let directory = made.map_err(|source| CgroupError::Make { path: path.clone(), source })?;
        let kind = wanted.hierarchy.kind.clone();
        for &controller in &wanted.required {
            match kind {
                Kind::Unified => v2::limit(&path, controller, limits)?,
                Kind::Legacy { .. } => v1::limit(&path, controller, limits)?,
            }
        }
        let controllers = wanted.required.iter().chain(&wanted.welcome).copied().collect();
        Ok(Self { kind, path, directory, controllers })
    }
}

/// The hierarchies that a group must or may be in.
fn wanted<'h>(hierarchies: &'h [Hierarchy], limits: &Limits) -> Result<Vec<Wanted<'h>>, CgroupError> {
    let mut all: Vec<Wanted<'h>> = hierarchies
        .iter()
        .map(|hierarchy| Wanted { hierarchy, required: Vec::new(), welcome: Vec::new() })
        .collect();
    // A controller is in one hierarchy only, but for the time on processors, which version 2 always counts.
    let index = |controller: Controller| {
        let has = |version_1: bool| {
            move |hierarchy: &Hierarchy| {
                (hierarchy.kind != Kind::Unified) == version_1 && hierarchy.has(controller)
            }
        };
        hierarchies.iter().position(has(true)).or_else(|| hierarchies.iter().position(has(false)))
    };
    for (controller, flag) in limits.needs() {
        let index =
            index(controller).ok_or(CgroupError::NoController { flag, controller: controller.v1() })?;
        all[index].required.push(controller);
    }
    for controller in Controller::ACCOUNTING {
        if let Some(index) = index(controller)
            && !all[index].required.contains(&controller)
        {
            all[index].welcome.push(controller);
        }
    }
    // A version 1 hierarchy that has several controllers together wants all of them set up, cpuset above all.
    for one in &mut all {
        let used = !one.required.is_empty() || !one.welcome.is_empty();
        if used
            && one.hierarchy.kind != Kind::Unified
            && one.hierarchy.has(Controller::Cpuset)
            && !one.required.contains(&Controller::Cpuset)
        {
            one.required.push(Controller::Cpuset);
        }
    }
    all.retain(|one| !one.required.is_empty() || !one.welcome.is_empty());
    Ok(all)
}
