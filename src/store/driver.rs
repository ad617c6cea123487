//! How the file systems of commands are made of a store's layers.
//!
//! That is settled once for a store, and noted in its file `driver`: layers that were written for copying lack the
//! marks that an overlay of them would need.

use std::fs;
use std::io;
use std::path::Path;

use super::Store;
use super::error::StoreError;

/// How a command's root is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Driver {
    /// By an overlay of the layers.
    Overlay,
    /// By a copy of what they show.
    Native {
        /// Why no overlay can be mounted where the store is.
        reason: String,
    },
}

/// What the file says, before a reason.
const OVERLAY: &str = "overlay";
const NATIVE: &str = "native";

impl Store {
    /// Settles how roots are made. In a store where that is open, `refusal` is given an empty directory in the store and
    /// says why no overlay can be mounted there, if none can.
    pub fn settle_driver<E: From<StoreError>>(
        &self,
        refusal: impl FnOnce(&Path) -> Result<Option<String>, E>,
    ) -> Result<&Driver, E> {
        let path = self.root.join("driver");
        let driver = match fs::read_to_string(&path) {
            Ok(text) => match text.split_once('\n') {
                Some((NATIVE, reason)) => Driver::Native { reason: reason.trim().to_owned() },
                _ => Driver::Overlay,
            },
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::io("read", &path, error).into());
            }
            Err(_) => {
                let work = self.work_dir()?;
                let driver = match refusal(work.path())? {
                    None => Driver::Overlay,
                    Some(reason) => Driver::Native { reason },
                };
                let text = match &driver {
                    Driver::Overlay => format!("{OVERLAY}\n"),
                    Driver::Native { reason } => format!("{NATIVE}\n{reason}\n"),
                };
                // Whoever settles it at the same time finds the same.
                let new = work.path().join("driver");
                fs::write(&new, text).map_err(|e| StoreError::io("write", &new, e))?;
                fs::rename(&new, &path).map_err(|e| StoreError::io("put in place", &path, e))?;
                driver
            }
        };
        Ok(self.driver.get_or_init(|| driver))
    }

    /// How roots are made; by overlays where nobody asked.
    pub fn driver(&self) -> &Driver {
        self.driver.get_or_init(|| Driver::Overlay)
    }

    /// Whether overlays are mounted of the layers, which need marks on disk for that.
    pub fn has_overlays(&self) -> bool {
        *self.driver() == Driver::Overlay
    }
}
