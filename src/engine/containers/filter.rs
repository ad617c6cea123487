//! `--filter` of lists of containers, with Docker's names and meanings.

use jiff::Timestamp;

use super::super::images::filter::moment;
use super::super::{Engine, EngineError, FilterError};
use super::{ContainerError, ContainerState, ContainerSummary};
use crate::oci::ImageId;
use crate::store::Disk;

/// Which containers are wanted. Conditions of different names must all hold; of several of one name one is enough, but of
/// labels all are needed.
#[derive(Debug, Clone, Default)]
pub struct ContainerFilter {
    ids: Vec<String>,
    names: Vec<String>,
    ancestors: Vec<String>,
    labels: Vec<(String, Option<String>)>,
    /// Whether it runs.
    running: Vec<bool>,
    codes: Vec<i32>,
    until: Vec<Timestamp>,
    before: Vec<String>,
    since: Vec<String>,
}

/// The filters that there are.
const NAMES: [&str; 9] = ["ancestor", "before", "exited", "id", "label", "name", "since", "status", "until"];

impl ContainerFilter {
    /// Adds a condition, `name=value`. `now` is what durations are counted from.
    pub fn add(&mut self, text: &str, now: Timestamp) -> Result<(), FilterError> {
        let (name, value) = text.split_once('=').ok_or_else(|| FilterError::NoPair(text.to_owned()))?;
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim());
        let wrong = |name, expected| FilterError::Value { name, value: value.to_owned(), expected };
        match name.as_str() {
            "id" => self.ids.push(value.to_owned()),
            "name" => self.names.push(value.trim_start_matches('/').to_owned()),
            "ancestor" => self.ancestors.push(value.to_owned()),
            "before" => self.before.push(value.to_owned()),
            "since" => self.since.push(value.to_owned()),
            "label" => {
                let (label, value) = value.split_once('=').map_or((value, None), |(l, v)| (l, Some(v)));
                self.labels.push((label.to_owned(), value.map(str::to_owned)));
            }
            "status" => self.running.push(match value {
                "running" => true,
                "exited" => false,
                _ => return Err(wrong("status", "`running` or `exited`")),
            }),
            "exited" => {
                self.codes.push(value.parse().map_err(|_| wrong("exited", "an exit code, such as `0`"))?);
            }
            "until" => {
                let expected = "a time such as `2026-01-31`, or how long ago, such as `24h`";
                self.until.push(moment(value, now).ok_or_else(|| wrong("until", expected))?);
            }
            _ => return Err(FilterError::NoneOf { name, known: &NAMES }),
        }
        Ok(())
    }

    /// Whether it asks for containers that have ended.
    pub fn wants_ended(&self) -> bool {
        self.running.contains(&false) || !self.codes.is_empty()
    }

    /// Whether a container is wanted, as far as that can be told from it alone.
    fn accepts(&self, container: &ContainerSummary) -> bool {
        let any = |list: &[String], wanted: &dyn Fn(&str) -> bool| {
            list.is_empty() || list.iter().any(|value| wanted(value))
        };
        let runs = container.state == ContainerState::Running;
        let code = match container.state {
            ContainerState::Exited { code, .. } => code,
            ContainerState::Running => None,
        };
        let labels = &container.config.labels;
        let has = |(name, value): &(String, Option<String>)| {
            labels.get(name).is_some_and(|found| value.as_ref().is_none_or(|value| value == found))
        };
        any(&self.ids, &|id| container.id.as_str().starts_with(id))
            && any(&self.names, &|name| container.name.contains(name))
            && (self.running.is_empty() || self.running.contains(&runs))
            && (self.codes.is_empty() || code.is_some_and(|code| self.codes.contains(&code)))
            && self.labels.iter().all(has)
            && self.until.iter().all(|until| container.created < *until)
    }
}

impl Engine {
    /// The containers that `filter` wants, the one that was made last first.
    pub fn containers(&self, filter: &ContainerFilter) -> Result<Vec<ContainerSummary>, EngineError> {
        let mut containers = self.all_containers()?;
        let created = |names: &[String]| -> Result<Vec<Timestamp>, EngineError> {
            names.iter().map(|name| Ok(self.container(name)?.created)).collect()
        };
        let (before, since) = (created(&filter.before)?, created(&filter.since)?);
        let ancestors = filter.ancestors.iter().map(|image| match self.find(image) {
            Ok(row) => Ok(Some(row.id)),
            // As in Docker, what is no image is of no container.
            Err(EngineError::NoImage { .. }) => Ok(None),
            Err(error) => Err(error),
        });
        let ancestors = ancestors.collect::<Result<Vec<_>, _>>()?;
        containers.retain(|container| {
            filter.accepts(container)
                && (ancestors.is_empty() || ancestors.contains(&Some(container.image_id)))
                && before.iter().all(|time| container.created < *time)
                && since.iter().all(|time| container.created > *time)
        });
        Ok(containers)
    }

    /// Removes the containers that have ended and that `filter` wants; gives their ids, and what was freed.
    pub fn prune_containers(&self, filter: &ContainerFilter) -> Result<(Vec<String>, Disk), EngineError> {
        let work = self.store.work_dir()?;
        let (mut removed, mut freed) = (Vec::new(), Disk::default());
        for container in self.containers(filter)? {
            if container.state == ContainerState::Running {
                continue;
            }
            // One that is just being looked into, or removed, is passed over.
            if let Some(held) = self.store.hold_container(&container.id)? {
                freed += Disk::of(held.path())?;
                self.store.remove_container(held, &work)?;
                removed.push(container.id.to_string());
            }
        }
        freed += self.sweep(&work)?;
        Ok((removed, freed))
    }

    /// Whether a container is there that needs this image.
    pub(in crate::engine) fn refuse_used(&self, image: &ImageId) -> Result<(), EngineError> {
        match self.store.containers()?.into_iter().find(|row| row.image == *image) {
            Some(row) => Err(ContainerError::Uses { image: image.digest().short(), name: row.name }.into()),
            None => Ok(()),
        }
    }
}
