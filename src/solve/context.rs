//! The build context of a solve: scanned when a step first asks for it, once.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::context::{ContextError, Dockerignore, Scan};
use crate::tree::{Index, SelectError, Selected, TreePath, select};

/// Where the context is, and how it is read.
#[derive(Debug, Clone)]
pub struct ContextOptions {
    /// The directory.
    pub root: PathBuf,
    /// What of it is hidden.
    pub ignore: Arc<Dockerignore>,
    /// Its stat cache; `None` reads every file anew.
    pub stat_cache: Option<PathBuf>,
}

/// A scanned context.
#[derive(Debug, Clone)]
pub(super) struct Context {
    scan: Arc<Mutex<Scan>>,
    root: Arc<crate::context::Root>,
}

impl Context {
    pub(super) fn scan(options: &ContextOptions) -> Result<Self, ContextError> {
        let scan = Scan::new(&options.root, Arc::clone(&options.ignore), options.stat_cache.clone())?;
        let root = Arc::new(crate::context::Root::open(&options.root)?);
        Ok(Self { scan: Arc::new(Mutex::new(scan)), root })
    }

    /// What one source selects.
    pub(super) fn select(
        &self,
        source: &str,
    ) -> Result<Vec<Selected>, SelectError<std::convert::Infallible>> {
        select(&*self.lock(), source.as_bytes())
    }

    /// The entries of what was selected, with the digests of their contents.
    pub(super) fn index(&self, selected: &[Selected]) -> Result<Index, ContextError> {
        let paths: Vec<TreePath> = selected.iter().map(|one| one.real.clone()).collect();
        self.lock().index(&paths)
    }

    /// Opens a file's content.
    pub(super) fn open_file(&self, path: &TreePath) -> Result<File, ContextError> {
        self.root.open_file(path)
    }

    /// Why a path is not there, in words; with the ignore file's line if one hides it.
    pub(super) fn absence(&self, path: &TreePath) -> String {
        self.lock().absence(path).to_string()
    }

    /// What is in a directory, for suggestions.
    pub(super) fn names_in(&self, dir: &TreePath) -> Vec<String> {
        use crate::tree::Lookup;
        let Ok(children) = self.lock().children(dir);
        children.iter().map(|(path, _)| String::from_utf8_lossy(path.as_bytes()).into_owned()).collect()
    }

    pub(super) fn save_cache(&self) -> Result<(), ContextError> {
        self.lock().save_cache()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Scan> {
        self.scan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
