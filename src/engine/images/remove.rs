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
        let named = self.find_named(text)?;
        let name = text.parse::<Reference>().ok().map(|name| name.to_string());
        let name = name.filter(|name| named.names().contains(name));
        let lists = match &named {
            Named::Image(row) => self.store.indexes_of(&row.manifest)?,
            Named::Index(_) => Vec::new(),
        };
        match name {
            Some(name) if named.names().len() > 1 || !lists.is_empty() => {
                self.store.remove_ref(&name)?;
                return Ok(vec![Removed::Untagged(familiar(&name))]);
            }
            None if !force => refuse_named(&named, &lists)?,
            Some(_) | None => {}
        }
        let removed = match &named {
            Named::Image(row) => self.remove_one(row, force)?,
            Named::Index(index) => self.remove_all(index, force)?,
        };
        let work = self.store.work_dir()?;
        self.store.collect(&work, needed)?;
        Ok(removed)
    }

    /// Removes what one line of the list of images is about. Of an image that an index lists only the names go.
    pub(in crate::engine) fn remove_line(&self, line: &ImageSummary) -> Result<Vec<Removed>, EngineError> {
        if let Some(index) = self.store.find_index(&line.manifest)? {
            return self.remove_all(&index, true);
        }
        let Some(row) = self.store.find_image(&line.manifest)? else { return Ok(Vec::new()) };
        if self.store.indexes_of(&row.manifest)?.is_empty() {
            return self.remove_one(&row, true);
        }
        let names: Vec<String> = line.names.iter().map(Reference::to_string).collect();
        for name in &names {
            self.store.remove_ref(name)?;
        }
        Ok(untagged(&names).collect())
    }

    fn remove_one(&self, row: &ImageRow, force: bool) -> Result<Vec<Removed>, EngineError> {
        if !force {
            self.refuse_used(&row.id)?;
        }
        self.store.remove_image(&row.manifest)?;
        Ok(untagged(&row.names).chain([Removed::Deleted(row.id.0)]).collect())
    }

    fn remove_all(&self, index: &IndexRow, force: bool) -> Result<Vec<Removed>, EngineError> {
        let mut rows = Vec::new();
        for row in self.images_of(index)? {
            let is_named = row.names.iter().any(|name| !index.names.contains(name));
            if !is_named && self.store.indexes_of(&row.manifest)?.len() == 1 {
                rows.push(row);
            }
        }
        if !force {
            rows.iter().try_for_each(|row| self.refuse_used(&row.id))?;
        }
        self.store.remove_index(&index.digest)?;
        for row in &rows {
            self.store.remove_image(&row.manifest)?;
        }
        let gone = std::iter::once(index.digest.0).chain(rows.iter().map(|row| row.id.0));
        Ok(untagged(&index.names).chain(gone.map(Removed::Deleted)).collect())
    }
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
