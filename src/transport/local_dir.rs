//! The final file system as files in a directory (`-o type=local`).
//!
//! Nothing outside the directory can be reached, whatever lies in it: entries are placed beneath it without
//! following links. In a directory that is there, what is in the way of an entry makes room for it, unless that is a
//! directory with something in it. In a mirror nothing else is left in the end.

use std::collections::HashSet;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::layer::{Content, Marks, PartsError, PlaceError, Placer, StreamError, StreamOptions, stream};
use crate::oci::Digest;
use crate::progress::Step;
use crate::sys::file;
use crate::tree::{Entry, Kind, TreePath};
use crate::user::is_confined;

use super::Session;
use super::destination::NewDirectory;
use super::error::ExportError;
use super::merged::{Flat, Merged};
use super::meter::Meter;

/// How files are written into a directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalOptions {
    /// All times, in seconds since 1970, instead of those of the files.
    pub epoch: Option<i64>,
    /// Whether what the file system has not is removed from the directory.
    pub mirror: bool,
}

/// Writes a merged file system into the directory `dir`, which is made if it is missing: with modes, times, links
/// and extended attributes, as root with owners and devices too. Each file is verified.
pub fn write_local(
    session: Session<'_>,
    merged: &Merged,
    options: LocalOptions,
    dir: &Path,
    step: &Step<'_>,
) -> Result<(), ExportError> {
    let mut flat = merged.flatten(options.epoch);
    if !rustix::process::geteuid().is_root() || is_confined() {
        own(&mut flat.entries);
    }
    let target = NewDirectory::create(dir)?;
    let root = file::open_directory(target.path())
        .map_err(|source| ExportError::io("open", target.path(), source))?;
    let placer = Placer::new(root, Marks::None);
    let room = Room { placer: &placer, root: dir, fresh: target.is_new(), mirror: options.mirror };
    // Links come when the files are there that they are other names of.
    for entry in flat.entries.iter().filter(|entry| !has_content_or_link(entry)) {
        room.make_for(entry)?;
        placer.place(entry).map_err(|source| room.failed(source))?;
    }
    let total = flat.entries.iter().map(Entry::size).sum();
    let filling = Filling { flat: &flat, room: &room, meter: Meter::new(step, session.cancel, Some(total)) };
    let only_files = StreamOptions { tar: false, ..StreamOptions::default() };
    stream(&flat.entries, &filling, &mut io::sink(), only_files).map_err(stream_error)?;
    for entry in flat.entries.iter().filter(|entry| matches!(entry.kind, Kind::Hardlink { .. })) {
        room.make_for(entry)?;
        placer.place(entry).map_err(|source| room.failed(source))?;
    }
    if options.mirror && !target.is_new() {
        remove_others(&flat.entries, target.path())?;
    }
    placer.close().map_err(|source| ExportError::Place { root: dir.to_owned(), source })?;
    if target.is_new() {
        let mode = Permissions::from_mode(0o755);
        fs::set_permissions(target.path(), mode)
            .map_err(|source| ExportError::io("set the mode of", target.path(), source))?;
    }
    target.commit()
}

/// Removes what `entries`, which are in their places, do not name.
fn remove_others(entries: &[Entry], root: &Path) -> Result<(), ExportError> {
    let names: HashSet<&[u8]> = entries.iter().map(|entry| entry.path.as_bytes()).collect();
    let directories = entries.iter().filter(|entry| entry.is_directory()).map(|entry| entry.path.clone());
    for directory in std::iter::once(TreePath::root()).chain(directories) {
        let place = root.join(directory.as_path());
        let listed = fs::read_dir(&place).map_err(|source| ExportError::io("list", &place, source))?;
        for found in listed {
            let found = found.map_err(|source| ExportError::io("list", &place, source))?;
            if !names.contains(directory.child(found.file_name().as_bytes()).as_bytes()) {
                remove(&found.path())?;
            }
        }
    }
    Ok(())
}

/// Removes whatever is at `path`, without following links.
fn remove(path: &Path) -> Result<(), ExportError> {
    let is_directory = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|source| ExportError::io("remove", path, source))
}

fn has_content_or_link(entry: &Entry) -> bool {
    matches!(entry.kind, Kind::File { .. } | Kind::Hardlink { .. })
}

/// Gives all entries to the user, who could not make them otherwise.
fn own(entries: &mut Vec<Entry>) {
    let (uid, gid) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    entries.retain(|entry| !matches!(entry.kind, Kind::CharDevice(_) | Kind::BlockDevice(_)));
    for entry in entries {
        (entry.uid, entry.gid) = (uid, gid);
    }
}

fn stream_error(error: StreamError<LocalError>) -> ExportError {
    match error {
        StreamError::Content(LocalError::Export(error)) => *error,
        StreamError::Content(LocalError::Parts(error)) => {
            ExportError::Content { source: Box::new(StreamError::Content(error)) }
        }
        StreamError::Tar(error) => ExportError::Tar(error),
        StreamError::Read { path, source } => {
            ExportError::Content { source: Box::new(StreamError::Read { path, source }) }
        }
        StreamError::Copy { path, source } => {
            ExportError::Content { source: Box::new(StreamError::Copy { path, source }) }
        }
        StreamError::Size { path, expected } => {
            ExportError::Content { source: Box::new(StreamError::Size { path, expected }) }
        }
        StreamError::Write { source } => ExportError::write(source),
    }
}

/// The directory, and what may be in the way there.
struct Room<'a> {
    placer: &'a Placer,
    /// As the user knows it.
    root: &'a Path,
    /// Nothing was there before.
    fresh: bool,
    /// What is in the way goes with all that is in it.
    mirror: bool,
}

impl Room<'_> {
    /// Takes away what is at the place of `entry`; a directory stays for a directory.
    fn make_for(&self, entry: &Entry) -> Result<(), ExportError> {
        if self.fresh {
            return Ok(());
        }
        // Removing a name fails for directories only, so that asking what is there is not needed.
        match self.placer.remove(&entry.path) {
            Ok(()) => Ok(()),
            Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) if error.source.kind() == io::ErrorKind::IsADirectory => {
                if entry.is_directory() {
                    return Ok(());
                }
                if self.mirror {
                    // The directories above are entries that were placed already.
                    return remove(&self.root.join(entry.path.as_path()));
                }
                self.placer.remove_directory(&entry.path).map_err(|error| match error.source.kind() {
                    io::ErrorKind::DirectoryNotEmpty => {
                        ExportError::Occupied { root: self.root.to_owned(), path: entry.path.clone() }
                    }
                    _ => self.failed(error),
                })
            }
            Err(error) => Err(self.failed(error)),
        }
    }

    fn failed(&self, source: PlaceError) -> ExportError {
        ExportError::Place { root: self.root.to_owned(), source }
    }
}

/// Reads contents from the layers and writes them into the directory.
struct Filling<'a> {
    flat: &'a Flat<'a>,
    room: &'a Room<'a>,
    meter: Meter<'a>,
}

/// Why a file cannot be written.
enum LocalError {
    Parts(PartsError),
    Export(Box<ExportError>),
}

impl From<ExportError> for LocalError {
    fn from(error: ExportError) -> Self {
        Self::Export(Box::new(error))
    }
}

impl Content for Filling<'_> {
    type Error = LocalError;

    fn open(&self, entry: &Entry) -> Result<File, LocalError> {
        self.flat.open(entry).map_err(LocalError::Parts)
    }

    fn copy_to(&self, entry: &Entry) -> Result<Option<File>, LocalError> {
        self.room.make_for(entry)?;
        let file = self.room.placer.create(&entry.path).map_err(|error| self.room.failed(error))?;
        Ok(Some(file))
    }

    fn finish(&self, entry: &Entry, copy: Option<&File>, digest: Option<&Digest>) -> Result<(), LocalError> {
        self.flat.finish(entry, copy, digest).map_err(LocalError::Parts)?;
        if let Some(file) = copy {
            self.room.placer.finish(file, entry).map_err(|error| self.room.failed(error))?;
        }
        self.meter.add(entry.size()).map_err(|_| ExportError::Canceled.into())
    }
}
