//! The directory of one URL: the file, and what is needed to ask whether it has changed.
//!
//! It lies at `<keep>/<sha256 of the URL>/` and holds `body` and `meta.json`, and for people `about`; `body.part` is a download under way.
//! Beside it lies a lock that is held for the whole of a fetch. `meta.json` goes before a new `body` comes and is
//! written after it, so one never speaks of another's bytes, wherever a process dies. Nothing is synced; what a
//! crash of the machine has left is noticed, because a file is hashed before it is believed.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::dockerfile::remote::HttpUrl;
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::sys::lock::{Lock, TransientLock};

use super::super::Watch;
use super::HttpError;

/// How much is hashed before somebody may cancel.
const CHUNK: u64 = 1 << 20;

/// What is known of a kept file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Meta {
    /// The header `ETag`.
    pub(super) etag: Option<String>,
    /// The header `Last-Modified`.
    pub(super) last_modified: Option<String>,
    pub(super) digest: Digest,
    pub(super) size: u64,
}

/// The directory of a URL, locked.
#[derive(Debug)]
pub(super) struct Entry {
    directory: PathBuf,
    /// For messages.
    url: String,
    _lock: TransientLock,
}

/// A download under way. Its file goes if it is dropped.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) file: File,
    path: PathBuf,
}

impl Drop for Part {
    fn drop(&mut self) {
        // It is gone if it was published; otherwise the next download would begin by emptying it.
        let _ = fs::remove_file(&self.path);
    }
}

impl Entry {
    /// Makes the directory of `url` below `keep` and waits for its lock.
    pub(super) fn lock(keep: &Path, url: &HttpUrl, watch: &Watch<'_>) -> Result<Self, HttpError> {
        let directory = keep.join(Digest::of(url.as_str().as_bytes()).hex());
        make_directory(keep)?;
        let waiting = || !(watch.is_canceled)();
        let lock = Lock::wait_transient(&directory.with_extension("lock"), &waiting)?;
        let url = url.redacted();
        match lock {
            Some(lock) => {
                // Whoever removes one holds the lock meanwhile.
                make_directory(&directory)?;
                Ok(Self { directory, url, _lock: lock })
            }
            None => Err(HttpError::Canceled { url }),
        }
    }

    /// What is kept, if its bytes are what they should be.
    pub(super) fn read(&self, watch: &Watch<'_>) -> Result<Option<Meta>, HttpError> {
        let meta = match fs::read(self.meta()) {
            Ok(json) => serde_json::from_slice::<Meta>(&json).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(self.error("read", error)),
        };
        let (Some(meta), Ok(mut body)) = (meta, File::open(self.body())) else {
            return Ok(None);
        };
        let mut digester = Digester::new(io::sink());
        while io::copy(&mut (&mut body).take(CHUNK), &mut digester)
            .map_err(|error| self.error("read", error))?
            > 0
        {
            if (watch.is_canceled)() {
                return Err(HttpError::Canceled { url: self.url.clone() });
            }
        }
        let (_, digest, size) = digester.finish();
        Ok(((digest, size) == (meta.digest, meta.size)).then_some(meta))
    }

    /// A new file for a download.
    pub(super) fn part(&self) -> Result<Part, HttpError> {
        let path = self.directory.join("body.part");
        let file = File::create(&path).map_err(|error| self.error("make", error))?;
        Ok(Part { file, path })
    }

    /// Puts a download in the place of what was kept.
    pub(super) fn publish(&self, part: &Part, meta: &Meta) -> Result<(), HttpError> {
        match fs::remove_file(self.meta()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(self.error("replace", error)),
            _ => {}
        }
        fs::rename(&part.path, self.body()).map_err(|error| self.error("replace", error))?;
        let new = self.directory.join("meta.json.part");
        let write = || {
            // For people who look at what is kept.
            fs::write(self.directory.join("about"), &self.url)?;
            let mut file = File::create(&new)?;
            serde_json::to_writer(&mut file, meta)?;
            file.flush()?;
            fs::rename(&new, self.meta())
        };
        write().map_err(|error| self.error("describe", error))
    }

    /// Gives the kept file another name, `into`, or copies it where that cannot be done.
    pub(super) fn give(&self, into: &Path) -> Result<(), HttpError> {
        let given = match fs::hard_link(self.body(), into) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => copy_new(&self.body(), into),
            result => result,
        };
        given.map_err(|source| HttpError::File { operation: "make", path: into.to_owned(), source })
    }

    /// An error about the kept file.
    pub(super) fn error(&self, operation: &'static str, source: io::Error) -> HttpError {
        HttpError::File { operation, path: self.body(), source }
    }

    fn body(&self) -> PathBuf {
        self.directory.join("body")
    }

    fn meta(&self) -> PathBuf {
        self.directory.join("meta.json")
    }
}

fn make_directory(path: &Path) -> Result<(), HttpError> {
    fs::create_dir_all(path).map_err(|source| HttpError::File {
        operation: "make the directory",
        path: path.to_owned(),
        source,
    })
}

fn copy_new(from: &Path, to: &Path) -> io::Result<()> {
    let mut new = File::options().write(true).create_new(true).open(to)?;
    let copied = File::open(from).and_then(|mut from| io::copy(&mut from, &mut new));
    copied.map(drop).inspect_err(|_| drop(fs::remove_file(to)))
}
