//! The files of an archive, whatever holds them: a tar, compressed or not, a stream, a directory.
//!
//! Owns how an input becomes files that can be read in any order. A tar that lies on disk is read in place; what
//! comes compressed or as a stream is written to a file of the work directory first, within limits. Must not know
//! what the files mean.

mod tar_index;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::OFlags;

use crate::layer::{Decompressor, Limits, MAGIC};
use crate::progress::Step;

use super::Session;
use super::load_error::LoadError;
use super::looks::{HEAD, looks};
use super::meter::Meter;
pub use tar_index::DamagedTar;
use tar_index::TarIndex;

/// Where an archive comes from.
pub enum Input<'a> {
    /// A file, or the directory of an OCI layout.
    Path(&'a Path),
    /// A stream, such as standard input.
    Stream(&'a mut (dyn Read + Send)),
}

impl std::fmt::Debug for Input<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Path(path) => f.debug_tuple("Path").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

/// What the decompressor calls input that is not compressed.
pub(super) const PLAIN: &str = "uncompressed";

/// An archive whose files can be read by name.
#[derive(Debug)]
pub(super) enum Archive {
    /// A directory.
    Directory(PathBuf),
    /// A tar on disk.
    Tar(TarIndex),
}

/// A file of an archive: a stretch of a file on disk.
#[derive(Debug, Clone)]
pub(super) struct Member {
    file: Place,
    offset: u64,
    /// In bytes.
    pub(super) size: u64,
}

/// Where a member's file is.
#[derive(Debug, Clone)]
enum Place {
    /// All of an archive, which stays open.
    Open(Arc<File>),
    /// A file of a directory, which is opened when it is read: there may be more of them than descriptors.
    Named(PathBuf),
}

impl Archive {
    /// Makes the files of `input` accessible.
    pub(super) fn open(
        session: Session<'_>,
        input: Input<'_>,
        limits: Limits,
        step: &Step<'_>,
    ) -> Result<Self, LoadError> {
        let path = match input {
            Input::Stream(stream) => return spool(session, stream, limits, step),
            Input::Path(path) => path,
        };
        if path.is_dir() {
            return Ok(Self::Directory(path.to_owned()));
        }
        let failed = |source| LoadError::io("open", path, source);
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mut start = Vec::new();
        if metadata.is_file() {
            (&file)
                .take(MAGIC)
                .read_to_end(&mut start)
                .map_err(|source| LoadError::io("read", path, source))?;
        }
        if metadata.is_file() && format_of(&start) == PLAIN {
            return index(file);
        }
        let file = io::Cursor::new(start).chain(file);
        spool(session, file, limits, step)
    }

    /// The file called `name`, links followed inside the archive.
    pub(super) fn find(&self, name: &str) -> Result<Option<Member>, LoadError> {
        match self {
            Self::Tar(index) => Ok(index.find(name.as_bytes())),
            Self::Directory(root) => open_member(root, name),
        }
    }

    /// The content of a small file; `limit` is the most it may have, in bytes.
    pub(super) fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, LoadError> {
        match self.find(name)? {
            None => Ok(None),
            Some(member) => member.read_all(name, limit).map(Some),
        }
    }
}

/// What an input is that starts with these bytes; see [`Decompressor::format`].
fn format_of(start: &[u8]) -> &'static str {
    Decompressor::new(start, Limits::NONE).map_or(PLAIN, |input| input.format())
}

/// A file in a directory; a name that would leave it finds nothing.
fn open_member(root: &Path, name: &str) -> Result<Option<Member>, LoadError> {
    let leaves = |part: &str| matches!(part, "" | "." | "..");
    if name.split('/').any(leaves) {
        return Ok(None);
    }
    let path = root.join(name);
    let file = match open_at_once(&path) {
        Ok(file) => file,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(None);
        }
        Err(error) => return Err(LoadError::io("open", &path, error)),
    };
    let metadata = file.metadata().map_err(|source| LoadError::io("look at", &path, source))?;
    Ok(metadata.is_file().then(|| Member { file: Place::Named(path), offset: 0, size: metadata.len() }))
}

/// Opens a file for reading; a pipe does not block.
fn open_at_once(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlags::NONBLOCK.bits() as i32).open(path)
}

/// Writes the tar that `input` is, or holds compressed, to a file without a name, and indexes that.
fn spool(
    session: Session<'_>,
    input: impl Read,
    limits: Limits,
    step: &Step<'_>,
) -> Result<Archive, LoadError> {
    let path = session.work.path().join("archive");
    let failed = |source| LoadError::io("write", &path, source);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create_new(true).open(&path).map_err(failed)?;
    fs::remove_file(&path).map_err(failed)?;
    let mut input = Decompressor::new(input, limits).map_err(LoadError::read)?;
    let meter = Meter::new(step, session.cancel, None);
    let mut buffer = vec![0; 256 << 10];
    loop {
        let n = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(LoadError::read(error)),
        };
        io::Write::write_all(&mut file, &buffer[..n]).map_err(failed)?;
        meter.add(n as u64).map_err(|_| LoadError::Canceled)?;
    }
    index(file)
}

/// The files of a tar on disk.
fn index(file: File) -> Result<Archive, LoadError> {
    let mut head = [0; HEAD];
    let read = file.read_at(&mut head, 0).map_err(DamagedTar::Read)?;
    match (TarIndex::read(file), looks(&head[..read])) {
        (Err(DamagedTar::NotTar), Some(looks)) => Err(LoadError::NotTar(looks)),
        (index, _) => Ok(Archive::Tar(index?)),
    }
}

impl Member {
    /// A stretch of a file that stays open.
    fn within(file: &Arc<File>, offset: u64, size: u64) -> Self {
        Self { file: Place::Open(Arc::clone(file)), offset, size }
    }

    /// Reads it from its beginning.
    pub(super) fn reader(&self) -> Result<Section, LoadError> {
        let file = match &self.file {
            Place::Open(file) => Arc::clone(file),
            Place::Named(path) => {
                Arc::new(open_at_once(path).map_err(|source| LoadError::io("open", path, source))?)
            }
        };
        Ok(Section { file, offset: self.offset, left: self.size })
    }

    /// What its content is; see [`Decompressor::format`].
    pub(super) fn format(&self) -> Result<&'static str, LoadError> {
        let mut start = Vec::new();
        self.reader()?.take(MAGIC).read_to_end(&mut start).map_err(LoadError::read)?;
        Ok(format_of(&start))
    }

    /// All of it, if it is not too much.
    pub(super) fn read_all(&self, name: &str, limit: u64) -> Result<Vec<u8>, LoadError> {
        if self.size > limit {
            return Err(LoadError::TooBig { name: name.to_owned(), size: self.size, limit });
        }
        let mut bytes = Vec::with_capacity(self.size as usize);
        self.reader()?.read_to_end(&mut bytes).map_err(LoadError::read)?;
        Ok(bytes)
    }
}

/// Reads a stretch of a file; several can read one file at once.
#[derive(Debug)]
pub(super) struct Section {
    file: Arc<File>,
    offset: u64,
    left: u64,
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let want = buffer.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
        if want == 0 {
            return Ok(0);
        }
        let n = self.file.read_at(&mut buffer[..want], self.offset)?;
        if n == 0 {
            // The file was as long as this when it was opened.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.offset += n as u64;
        self.left -= n as u64;
        Ok(n)
    }
}
