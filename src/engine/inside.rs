//! The files of an image, looked at and taken out without running it.
//!
//! Everything is found in the merged view of the image's layers: links lead where they lead inside the image and never
//! out of it, and what a layer has removed is not there. Contents are read from the layers' directories and verified.

mod copy;

use std::io::{self, Read, Write};

use crate::diagnostic::nearest;
use crate::layer::PartsError;
use crate::oci::DiffId;
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::solve::Stack;
use crate::store::{StoreError, WorkDir};
use crate::sys::file;
use crate::transport::ExportError;
use crate::tree::{Found, Kind, LastLink, ResolveError, TreePath, resolve};

use super::Engine;
use super::error::EngineError;
use super::look_error::LookError;

pub use copy::{CopyRequest, CopyTarget};

/// How much of a file is read at a time.
const BUFFER: usize = 256 << 10;

/// An image whose files can be looked at. Its layers stay while this lives.
#[derive(Debug)]
pub struct ImageFiles {
    /// As the user named it.
    image: String,
    stack: Stack,
    work: WorkDir,
    /// Lowest first.
    layers: Vec<DiffId>,
}

/// Something that an image shows.
#[derive(Debug, Clone)]
pub struct Shown {
    /// What and where it is. A hard link is shown as its file.
    pub found: Found,
    /// The layer that it comes from.
    pub layer: DiffId,
}

impl Engine {
    /// Opens the image that `text` names, or the container of that name.
    pub fn open_image(&self, text: &str) -> Result<ImageFiles, EngineError> {
        let work = self.store.work_dir()?;
        if let Some(layers) = self.layers_of_container(text, &work)? {
            let stack = Stack::open(&layers, &self.store, &work)?;
            return Ok(ImageFiles { image: text.to_owned(), stack, work, layers });
        }
        let image = self.load_documents(self.find(text)?)?;
        let layers = image.config.rootfs.diff_ids;
        let stack = Stack::open(&layers, &self.store, &work)?;
        Ok(ImageFiles { image: text.to_owned(), stack, work, layers })
    }
}

impl ImageFiles {
    /// What is at `path`: for a directory all that is in it, also below if `recursive`; for anything else itself.
    pub fn list(&self, path: &str, recursive: bool) -> Result<Vec<Shown>, EngineError> {
        let named = TreePath::clean(path.as_bytes());
        let real = match self.resolve(&named, LastLink::Follow) {
            // A link that leads nowhere can be looked at all the same.
            Err(error) => self.resolve(&named, LastLink::Keep).map_err(|_| error)?,
            Ok(real) => real,
        };
        let view = self.stack.view();
        let found = if recursive {
            let mut found = view.walk(&real).map_err(StoreError::from)?;
            if found.first().is_some_and(|first| first.entry.path == real && first.entry.is_directory()) {
                found.remove(0);
            }
            found
        } else {
            match self.lookup(&real)? {
                Some(found) if !found.entry.is_directory() => vec![found],
                _ => view.list(&real).map_err(StoreError::from)?,
            }
        };
        Ok(found.into_iter().map(|found| self.shown(found)).collect())
    }

    /// Writes the content of the file at `path`, with links followed, to `out`. Only after all of it is there it is sure
    /// that it is what the layer was made with.
    pub fn read(&self, path: &str, out: &mut dyn Write) -> Result<(), EngineError> {
        let real = self.resolve(&TreePath::clean(path.as_bytes()), LastLink::Follow)?;
        let not_a_file = |what| LookError::NotAFile { image: self.image.clone(), path: real.clone(), what };
        let Some(found) = self.lookup(&real)? else { return Err(not_a_file("a directory").into()) };
        match &found.entry.kind {
            Kind::File { digest, .. } => self.write_content(&found, *digest, out),
            kind => Err(not_a_file(words(kind)).into()),
        }
    }

    fn write_content(&self, found: &Found, expected: Digest, out: &mut dyn Write) -> Result<(), EngineError> {
        let path = self.stack.content_path(found);
        let unreadable = |source| LookError::from(PartsError::Open { path: path.clone(), source });
        let mut file = Digester::new(file::open_at(&path).map_err(unreadable)?);
        let mut buffer = vec![0; BUFFER];
        loop {
            match file.read(&mut buffer) {
                Ok(0) => break,
                Ok(n) => out.write_all(&buffer[..n]).map_err(|source| ExportError::Write { source })?,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unreadable(error).into()),
            }
        }
        let (_, digest, _) = file.finish();
        if digest != expected {
            let path = found.entry.path.clone();
            return Err(LookError::from(PartsError::Damaged { path, expected, found: digest }).into());
        }
        Ok(())
    }

    fn resolve(&self, path: &TreePath, last: LastLink) -> Result<TreePath, LookError> {
        resolve(self.stack.view(), path, last).map_err(|problem| {
            let similar = match &problem {
                ResolveError::Missing { at, .. } => self.similar(at),
                _ => None,
            };
            LookError::NoPath { image: self.image.clone(), problem: Box::new(problem), similar }
        })
    }

    /// What is beside `missing` and has nearly its name.
    fn similar(&self, missing: &TreePath) -> Option<String> {
        let beside = self.stack.view().list(&missing.parent()?).ok()?;
        let paths: Vec<String> = beside.iter().map(|found| found.entry.path.to_string()).collect();
        let names = paths.iter().filter_map(|path| path.rsplit('/').next());
        let near = nearest(&String::from_utf8_lossy(missing.name()), names)?;
        paths.iter().find(|path| path.rsplit('/').next() == Some(near)).cloned()
    }

    /// What is exactly there; `None` for the root, which is a directory.
    fn lookup(&self, real: &TreePath) -> Result<Option<Found>, StoreError> {
        Ok(self.stack.view().lookup(real)?)
    }

    fn shown(&self, found: Found) -> Shown {
        Shown { layer: self.layers[self.layers.len() - 1 - found.layer], found }
    }
}

/// What something is that is no file.
fn words(kind: &Kind) -> &'static str {
    match kind {
        Kind::File { .. } | Kind::Hardlink { .. } => "a file",
        Kind::Directory { .. } => "a directory",
        Kind::Symlink { .. } => "a symbolic link",
        Kind::CharDevice(_) | Kind::BlockDevice(_) => "a device",
        Kind::Fifo => "a named pipe",
        Kind::Socket => "a socket",
        Kind::Whiteout => "removed",
    }
}
