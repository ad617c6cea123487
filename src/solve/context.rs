//! The build context of a solve: scanned when a step first asks for it, once.

use std::fs::File;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use crate::attest::Origin;
use crate::context::{ContextError, Dockerignore, FileId, Scan};
use crate::tree::{Index, SelectError, TreePath};

use super::choose::{Choice, Choosing};

/// Where the context is, and how it is read.
#[derive(Debug, Clone)]
pub struct ContextOptions {
    /// The directory.
    pub root: PathBuf,
    /// What of it is hidden.
    pub ignore: Arc<Dockerignore>,
    /// Its stat cache; `None` reads every file anew.
    pub stat_cache: Option<PathBuf>,
    /// Where its files were fetched from, if they were.
    pub origin: Option<Origin>,
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

    /// What one source means.
    pub(super) fn choose(
        &self,
        source: &str,
        choosing: &Choosing,
    ) -> Result<Vec<Choice>, SelectError<std::convert::Infallible>> {
        choosing.choose(&*self.lock(), source)
    }

    /// The entries at and below `trees`, and those at `alone`, with the digests of their contents.
    pub(super) fn index(&self, trees: &[TreePath], alone: &[TreePath]) -> Result<Index, ContextError> {
        self.lock().index_with(trees, alone)
    }

    /// Which file is at `path`, if it has other names too.
    pub(super) fn file_id(&self, path: &TreePath) -> Option<FileId> {
        self.lock().file_id(path)
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
