//! Files and directories that appear complete or not at all.
//!
//! A new file has no name until it is complete (open(2), `O_TMPFILE`), so that a killed process leaves nothing. A new
//! directory is filled under another name beside its place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, OFlags};

use super::error::ExportError;

/// Where a tar goes.
pub enum Destination<'a> {
    /// A file, replaced if it is there. What is no regular file, such as a pipe, is written to as it is.
    File(&'a Path),
    /// A stream, such as standard output.
    Stream(&'a mut (dyn Write + Send)),
}

impl std::fmt::Debug for Destination<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
            Self::Stream(_) => f.write_str("Stream"),
        }
    }
}

impl Destination<'_> {
    /// Has `write` write everything; a file takes its place afterwards.
    pub(super) fn fill(
        self,
        write: impl FnOnce(&mut Out<'_>) -> Result<(), ExportError>,
    ) -> Result<(), ExportError> {
        match self {
            Self::Stream(out) => {
                write(&mut Out::Stream(out))?;
                out.flush().map_err(ExportError::write)
            }
            Self::File(path) => {
                let mut file = NewFile::create(path)?;
                write(&mut file.out())?;
                file.commit()
            }
        }
    }
}

/// What is written to.
pub(super) enum Out<'a> {
    /// A file, to which the kernel can copy from another one.
    File(&'a mut File),
    /// Anything else.
    Stream(&'a mut dyn Write),
}

impl Out<'_> {
    /// Copies at most `len` bytes from a file, by the kernel where it can; says how many there were.
    pub(super) fn copy_from(&mut self, file: &File, len: u64) -> io::Result<u64> {
        match self {
            Self::File(out) => io::copy(&mut file.take(len), *out),
            Self::Stream(out) => io::copy(&mut file.take(len), *out),
        }
    }
}

impl Write for Out<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(out) => out.write(bytes),
            Self::Stream(out) => out.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(out) => out.flush(),
            Self::Stream(out) => out.flush(),
        }
    }
}

/// A file that is being written.
#[must_use = "the file has its place only after commit"]
pub(super) struct NewFile {
    file: File,
    place: PathBuf,
    state: State,
}

enum State {
    /// It has no name yet.
    Nameless,
    /// The file system cannot make files without a name; it has this one, which goes unless it is complete.
    Named(PathBuf),
    /// It is what was there before, a pipe or a device.
    InPlace,
}

impl NewFile {
    /// Starts the file that will be at `path`.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        let failed = |source| ExportError::io("create", path, source);
        // What a symbolic link points to is replaced, not the link.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if fs::metadata(&place).is_ok_and(|metadata| !metadata.is_file()) {
            let file = OpenOptions::new().write(true).open(&place).map_err(failed)?;
            return Ok(Self { file, place, state: State::InPlace });
        }
        let parent = parent_of(&place);
        let mut options = OpenOptions::new();
        options.write(true).mode(0o666).custom_flags(OFlags::TMPFILE.bits() as i32);
        match options.open(parent) {
            Ok(file) => Ok(Self { file, place, state: State::Nameless }),
            Err(error) if matches!(error.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EISDIR)) => {
                let name = beside(&place);
                let file = File::create_new(&name).map_err(failed)?;
                Ok(Self { file, place, state: State::Named(name) })
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// What to write to.
    pub(super) fn out(&mut self) -> Out<'_> {
        Out::File(&mut self.file)
    }

    /// Puts the complete file into its place.
    pub(super) fn commit(mut self) -> Result<(), ExportError> {
        let failed = |source| ExportError::io("create", &self.place, source);
        if matches!(self.state, State::Nameless) {
            match self.link(&self.place) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    let name = beside(&self.place);
                    self.link(&name).map_err(failed)?;
                    self.state = State::Named(name);
                }
                result => return result.map_err(failed),
            }
        }
        if let State::Named(name) = &self.state {
            fs::rename(name, &self.place).map_err(failed)?;
            self.state = State::InPlace;
        }
        Ok(())
    }

    fn link(&self, name: &Path) -> io::Result<()> {
        let own = format!("/proc/self/fd/{}", self.file.as_raw_fd());
        Ok(rustix::fs::linkat(CWD, own, CWD, name, AtFlags::SYMLINK_FOLLOW)?)
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if let State::Named(name) = &self.state {
            // It is an error's way out already.
            let _ = fs::remove_file(name);
        }
    }
}

/// A directory that is being filled: a new one beside its place, or the one that is there.
#[must_use = "a new directory has its place only after commit"]
pub(super) struct NewDirectory {
    path: PathBuf,
    place: PathBuf,
    new: bool,
}

impl NewDirectory {
    /// Starts the directory that will be at `path`, or opens the one that is there.
    pub(super) fn create(path: &Path) -> Result<Self, ExportError> {
        if path.is_dir() {
            return Ok(Self { path: path.to_owned(), place: path.to_owned(), new: false });
        }
        let parent = parent_of(path);
        fs::create_dir_all(parent).map_err(|source| ExportError::io("make", parent, source))?;
        let name = beside(path);
        fs::create_dir(&name).map_err(|source| ExportError::io("make", &name, source))?;
        Ok(Self { path: name, place: path.to_owned(), new: true })
    }

    /// Where to write.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is a new one.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }

    /// Puts a new directory into its place.
    pub(super) fn commit(mut self) -> Result<(), ExportError> {
        if self.new {
            fs::rename(&self.path, &self.place)
                .map_err(|source| ExportError::io("create", &self.place, source))?;
            self.new = false;
        }
        Ok(())
    }
}

impl Drop for NewDirectory {
    fn drop(&mut self) {
        if self.new {
            // It is an error's way out already.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn parent_of(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// A hidden name in the same directory that no other process uses.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".strata-{}", std::process::id()));
    parent_of(path).join(name)
}
