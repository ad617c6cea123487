//! Names and what they stand for: given, and taken away.

use crate::oci::{Digest, Reference};
use crate::store::{ImageRow, IndexRow};

use super::super::Engine;
use super::super::error::EngineError;
use super::super::find::{Named, familiar};
use super::{ImageSummary, needed};

/// What became of a name or an image that was to be removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Removed {
    /// A name is gone.
    Untagged(String),
    /// An image is gone, or an index of images.
    Deleted(Digest),
}

impl Engine {
    /// Gives what `source` names another name.
    pub fn tag(&self, source: &str, name: &Reference) -> Result<(), EngineError> {
        let named = self.find_named(source)?;
        match &named {
            Named::Image(row) => self.store.set_ref(&name.to_string(), &row.manifest)?,
            Named::Index(index) => {
                let image = self.image_of(named.clone())?;
                self.store.set_index_ref(&name.to_string(), &index.digest, &image.manifest)?;
            }
        }
        Ok(self.store.sync()?)
    }

    /// Removes a name, and with the last one what it stood for: an image, or an index with those of its images that have no
    /// name of their own. By id, `force` removes what has several names, or is one of an index.
    pub fn remove(&self, text: &str, force: bool) -> Result<Vec<Removed>, EngineError> {
        let removed = loop {
            // Nothing is removed of what somebody else has changed since it was looked at: then it is looked at again.
            if let Some(removed) = self.remove_named(text, force)? {
                break removed;
            }
        };
        if removed.iter().any(|removed| matches!(removed, Removed::Deleted(_))) {
            let work = self.store.work_dir()?;
            self.store.collect(&work, needed)?;
        }
        Ok(removed)
    }

    fn remove_named(&self, text: &str, force: bool) -> Result<Option<Vec<Removed>>, EngineError> {
        let named = self.find_named(text)?;
        let name = text.parse::<Reference>().ok().map(|name| name.to_string());
        let name = name.filter(|name| named.names().contains(name));
        let lists = match &named {
            Named::Image(row) => self.store.indexes_of(&row.manifest)?,
            Named::Index(_) => Vec::new(),
        };
        match (&named, name) {
            (_, Some(name)) if named.names().len() > 1 || !lists.is_empty() => {
                let gone = self.store.remove_ref(&name)?;
                return Ok(gone.then(|| vec![Removed::Untagged(familiar(&name))]));
            }
            (_, None) if !force => refuse_named(&named, &lists)?,
            (Named::Image(row), None) if !lists.is_empty() => {
                self.store.remove_image(&row.manifest)?;
                return Ok(Some(deleted(row)));
            }
            _ => {}
        }
        match &named {
            Named::Image(row) => self.remove_one(row, force),
            Named::Index(index) => self.remove_all(index, force),
        }
    }

    /// Removes what one line of the list of images is about; nothing, if it has changed. Of an image that an index lists
    /// only the names go.
    pub(in crate::engine) fn remove_line(&self, line: &ImageSummary) -> Result<Vec<Removed>, EngineError> {
        let was_nameless = line.names.is_empty();
        if let Some(index) = self.store.find_index(&line.manifest)? {
            let changed = was_nameless && !index.names.is_empty();
            let removed = if changed { None } else { self.remove_all(&index, true)? };
            return Ok(removed.unwrap_or_default());
        }
        let Some(row) = self.store.find_image(&line.manifest)? else { return Ok(Vec::new()) };
        if self.store.indexes_of(&row.manifest)?.is_empty() {
            let changed = was_nameless && !row.names.is_empty();
            let removed = if changed { None } else { self.remove_one(&row, true)? };
            return Ok(removed.unwrap_or_default());
        }
        let mut names = Vec::new();
        for name in line.names.iter().map(Reference::to_string) {
            if self.store.remove_ref_to(&name, &row.manifest)? {
                names.push(name);
            }
        }
        Ok(untagged(&names).collect())
    }

    /// Removes an image that no index lists; nothing, if that or its names have changed.
    fn remove_one(&self, row: &ImageRow, force: bool) -> Result<Option<Vec<Removed>>, EngineError> {
        if !force {
            self.refuse_used(&row.id)?;
        }
        let gone = self.store.remove_image_if(&row.manifest, &row.names)?;
        Ok(gone.then(|| deleted(row)))
    }

    /// Removes an index with those of its images that nothing else needs; nothing, if its names have changed.
    fn remove_all(&self, index: &IndexRow, force: bool) -> Result<Option<Vec<Removed>>, EngineError> {
        let mut rows = Vec::new();
        for row in self.images_left(index)? {
            let is_named = row.names.iter().any(|name| !index.names.contains(name));
            if !is_named && self.store.indexes_of(&row.manifest)?.len() == 1 {
                rows.push(row);
            }
        }
        if !force {
            rows.iter().try_for_each(|row| self.refuse_used(&row.id))?;
        }
        if !self.store.remove_index_if(&index.digest, &index.names)? {
            return Ok(None);
        }
        let mut gone = vec![index.digest.0];
        for row in &rows {
            // What has got a name or another index meanwhile stays.
            if self.store.remove_image_if(&row.manifest, &[])? {
                gone.push(row.id.0);
            }
        }
        Ok(Some(untagged(&index.names).chain(gone.into_iter().map(Removed::Deleted)).collect()))
    }
}

fn deleted(row: &ImageRow) -> Vec<Removed> {
    untagged(&row.names).chain([Removed::Deleted(row.id.0)]).collect()
}

fn untagged(names: &[String]) -> impl Iterator<Item = Removed> {
    names.iter().map(|name| Removed::Untagged(familiar(name)))
}

/// Refuses to remove by id what others still call by names.
fn refuse_named(named: &Named, lists: &[IndexRow]) -> Result<(), EngineError> {
    let id = match named {
        Named::Image(row) => row.id.digest().short(),
        Named::Index(index) => index.digest.digest().short(),
    };
    if let Some(list) = lists.first() {
        let index = list.names.first().map_or_else(|| list.digest.digest().short(), |name| familiar(name));
        return Err(EngineError::Listed { id, index });
    }
    if named.names().len() > 1 {
        let names = named.names().iter().map(|name| familiar(name)).collect();
        return Err(EngineError::StillNamed { id, names });
    }
    Ok(())
}
