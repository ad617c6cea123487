//! Puts a layer's entries into the directory that holds the layer.
//!
//! Owns how an [`Entry`] becomes a thing on disk with exactly its metadata: the order of chown, chmod, attributes
//! and times, directories last. Must not know where entries or contents come from.
//!
//! Nothing outside the directory can be reached, whatever lies in it: parents are opened beneath it without
//! following links, and everything else is done by name in an open parent. One [`Placer`] is used from several
//! threads at once; the caller sees to it that a parent is there before its children.

use std::collections::BTreeMap;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::fs::Mode;

use super::unrepresentable::Unrepresentable;
use super::whiteout::{Marks, OPAQUE_VALUE};
use crate::sys::file;
use crate::sys::xattr::{self, Place};
use crate::tree::{Entry, Kind, TreePath};

/// Parents that are kept open. Trees come in walk order, so that the last few are nearly always enough.
const OPEN_PARENTS: usize = 8;

/// An entry could not be put into its place.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} `{path}`")]
pub struct PlaceError {
    /// What was being done.
    pub operation: &'static str,
    /// The entry.
    pub path: TreePath,
    /// Why not.
    pub source: io::Error,
}

/// Writes entries into a layer's directory. [`Placer::close`] completes it.
#[derive(Debug)]
pub struct Placer {
    root: OwnedFd,
    marks: Marks,
    /// Whether entries get the owners that they name; otherwise all are ours.
    keeps_owners: bool,
    /// Whom new entries belong to anyway, if that is sure.
    own: Option<(u32, u32)>,
    /// The parents used last, the most recent one at the end.
    open: Mutex<Vec<(TreePath, Arc<OwnedFd>)>>,
    /// Directories whose metadata is still to be set.
    directories: Mutex<BTreeMap<TreePath, Entry>>,
}

impl Placer {
    /// A placer for the directory `root`; `marks` says how it will be mounted.
    pub fn new(root: OwnedFd, marks: Marks) -> Self {
        // A set-group-ID root would give its group to what is made in it. Other directories get that bit last.
        let inherits = rustix::fs::fstat(&root)
            .map_or(true, |stat| Mode::from_raw_mode(stat.st_mode).contains(Mode::SGID));
        let ids = || (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        Self {
            own: (!inherits).then(ids),
            root,
            marks,
            keeps_owners: true,
            open: Mutex::default(),
            directories: Mutex::default(),
        }
    }

    /// The same placer, which leaves owners to be ours: for files whose owners stand elsewhere.
    pub(super) fn without_owners(self) -> Self {
        Self { keeps_owners: false, ..self }
    }

    /// Makes `entry`, which is anything but a regular file or a socket. A directory may be there already. Its metadata is set by
    /// [`Placer::close`], so that making its children neither needs its permissions nor changes its time.
    pub fn place(&self, entry: &Entry) -> Result<(), PlaceError> {
        match &entry.kind {
            Kind::Directory { .. } => {
                self.make_directory(&entry.path)?;
                lock(&self.directories).insert(entry.path.clone(), entry.clone());
                Ok(())
            }
            Kind::Whiteout if self.marks == Marks::None => Ok(()),
            Kind::Whiteout => self.at(&entry.path, "make the whiteout", |dir, name| {
                file::make_device(dir.as_fd(), name, false, 0, 0)
            }),
            Kind::Hardlink { target } => self.link(target, &entry.path),
            Kind::Symlink { target } => {
                self.at(&entry.path, "make the link", |dir, name| {
                    file::make_symlink(dir.as_fd(), name, target)
                })?;
                self.describe(entry)
            }
            Kind::CharDevice(device) | Kind::BlockDevice(device) => {
                let block = matches!(entry.kind, Kind::BlockDevice(_));
                self.at(&entry.path, "make the device", |dir, name| {
                    file::make_device(dir.as_fd(), name, block, device.major, device.minor)
                        .map_err(Unrepresentable::instead_of)
                })?;
                self.describe(entry)
            }
            Kind::Fifo => {
                self.at(&entry.path, "make the pipe", |dir, name| file::make_fifo(dir.as_fd(), name))?;
                self.describe(entry)
            }
            Kind::File { .. } | Kind::Socket => {
                let source = io::ErrorKind::Unsupported.into();
                Err(PlaceError { operation: "make without content", path: entry.path.clone(), source })
            }
        }
    }

    /// Makes an empty regular file and opens it for its content. Fails if the path is taken.
    pub fn create(&self, path: &TreePath) -> Result<File, PlaceError> {
        self.at(path, "create", |dir, name| file::create(dir.as_fd(), name))
    }

    /// Sets the metadata of a file that has its content.
    pub fn finish(&self, file: &File, entry: &Entry) -> Result<(), PlaceError> {
        self.set_open(file, entry).map_err(|source| failed("set the metadata of", &entry.path, source))
    }

    /// Opens a regular file for reading.
    pub fn open(&self, path: &TreePath) -> Result<File, PlaceError> {
        self.at(path, "open", |dir, name| file::open(dir.as_fd(), name))
    }

    /// Gives the file at `target` the name `path` too.
    pub fn link(&self, target: &TreePath, path: &TreePath) -> Result<(), PlaceError> {
        let from = self.parent(target)?;
        self.at(path, "make the hard link", |dir, name| {
            file::link(from.as_fd(), target.name(), dir.as_fd(), name)
        })
    }

    /// Removes what is at `path` and is no directory.
    pub fn remove(&self, path: &TreePath) -> Result<(), PlaceError> {
        self.at(path, "remove", |dir, name| file::remove(dir.as_fd(), name))
    }

    /// Removes the empty directory at `path`.
    pub fn remove_directory(&self, path: &TreePath) -> Result<(), PlaceError> {
        lock(&self.open).retain(|(open, _)| !open.is_below(path));
        lock(&self.directories).remove(path);
        self.at(path, "remove the directory", |dir, name| file::remove_directory(dir.as_fd(), name))
    }

    /// Sets the metadata of all directories that were placed, and ends.
    pub fn close(self) -> Result<(), PlaceError> {
        let directories = std::mem::take(&mut *lock(&self.directories));
        // A directory that nobody may enter must not be in the way of its children.
        directories.values().rev().try_for_each(|entry| self.finish_directory(entry))
    }

    /// Makes a directory, or is content with one that is there; metadata is not set.
    pub(super) fn make_directory(&self, path: &TreePath) -> Result<(), PlaceError> {
        if path.is_root() {
            return Ok(());
        }
        self.at(path, "make the directory", |dir, name| match file::make_directory(dir.as_fd(), name) {
            // Should something else be there, setting the metadata will say so.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            result => result,
        })
    }

    /// Sets a directory's metadata, when nothing more will be made in it.
    pub(super) fn finish_directory(&self, entry: &Entry) -> Result<(), PlaceError> {
        let failed = |source| failed("set the metadata of", &entry.path, source);
        let dir = file::open_beneath(self.root.as_fd(), entry.path.as_path()).map_err(failed)?;
        self.set_open(&dir, entry).map_err(failed)
    }

    /// Sets a directory's time only.
    pub(super) fn set_directory_time(&self, path: &TreePath, seconds: i64) -> Result<(), PlaceError> {
        self.at(path, "set the time of", |dir, name| file::set_time_at(dir.as_fd(), name, (seconds, 0)))
    }

    /// Owner, permissions, attributes, time: chown clears set-user-ID bits and capabilities, chmod changes an ACL.
    fn set_open(&self, file: &impl AsFd, entry: &Entry) -> io::Result<()> {
        if let Some(owner) = self.foreign_owner(entry)? {
            file::set_owner(file, owner)?;
        }
        file::set_mode(file, entry.mode)?;
        for attribute in &entry.xattrs {
            xattr::set(file, &attribute.name, &attribute.value)?;
        }
        if matches!(entry.kind, Kind::Directory { opaque: true }) && self.marks != Marks::None {
            xattr::set(file, self.marks.opaque(), OPAQUE_VALUE)?;
        }
        file::set_time(file, (entry.mtime.seconds, 0))
    }

    /// The same for what cannot be opened, and was made just now.
    fn describe(&self, entry: &Entry) -> Result<(), PlaceError> {
        self.at(&entry.path, "set the metadata of", |dir, name| {
            if let Some(owner) = self.foreign_owner(entry)? {
                file::set_owner_at(dir.as_fd(), name, owner)?;
            }
            if !matches!(entry.kind, Kind::Symlink { .. }) {
                file::set_mode_at(dir.as_fd(), name, entry.mode)?;
            }
            for attribute in &entry.xattrs {
                Place::new(dir.as_fd(), name).set(&attribute.name, &attribute.value)?;
            }
            file::set_time_at(dir.as_fd(), name, (entry.mtime.seconds, 0))
        })
    }

    /// The owner that an entry must be given, if it is not ours anyway.
    fn foreign_owner(&self, entry: &Entry) -> io::Result<Option<(u32, u32)>> {
        let owner = (entry.uid, entry.gid);
        if !self.keeps_owners || self.own == Some(owner) {
            return Ok(None);
        }
        Unrepresentable::check_owner(owner)?;
        Ok(Some(owner))
    }

    /// Does something by name in the parent of `path`.
    fn at<T>(
        &self,
        path: &TreePath,
        operation: &'static str,
        act: impl FnOnce(&OwnedFd, &[u8]) -> io::Result<T>,
    ) -> Result<T, PlaceError> {
        let dir = self.parent(path)?;
        act(&dir, path.name()).map_err(|source| failed(operation, path, source))
    }

    /// The parent of `path`, opened.
    fn parent(&self, path: &TreePath) -> Result<Arc<OwnedFd>, PlaceError> {
        let bytes = path.as_bytes();
        let parent = &bytes[..bytes.len() - path.name().len()];
        let parent = parent.strip_suffix(b"/").unwrap_or(parent);
        {
            let mut open = lock(&self.open);
            if let Some(i) = open.iter().rposition(|(path, _)| path.as_bytes() == parent) {
                if i + 1 < open.len() {
                    let used = open.remove(i);
                    open.push(used);
                }
                return Ok(Arc::clone(&open[open.len() - 1].1));
            }
        }
        let parent = path.parent().unwrap_or_default();
        let dir = file::open_beneath(self.root.as_fd(), parent.as_path())
            .map_err(|source| failed("open the directory", &parent, source))?;
        let dir = Arc::new(dir);
        let mut open = lock(&self.open);
        if open.len() == OPEN_PARENTS {
            open.remove(0);
        }
        open.push((parent, Arc::clone(&dir)));
        Ok(dir)
    }
}

fn failed(operation: &'static str, path: &TreePath, source: io::Error) -> PlaceError {
    PlaceError { operation, path: path.clone(), source }
}

/// What these locks guard is whole at all times, whoever panicked.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::path::Path;

    use super::*;
    use crate::layer::described::{Detail, describe};
    use crate::oci::Digest;
    use crate::tree::{Device, Time, Xattr};

    fn placer(root: &Path) -> Placer {
        Placer::new(file::open_directory(root).unwrap(), Marks::Trusted)
    }

    fn entry(path: &str, kind: Kind, mode: u32, owner: (u32, u32)) -> Entry {
        let mtime = Time { seconds: 7, nanos: 5 };
        Entry { uid: owner.0, gid: owner.1, ..Entry::new(path.into(), kind, mode, mtime) }
    }

    fn write(placer: &Placer, path: &str, mode: u32, owner: (u32, u32)) {
        let kind = Kind::File { size: 1, digest: Digest::of(b"x") };
        let mut file = placer.create(&path.into()).unwrap();
        file.write_all(b"x").unwrap();
        placer.finish(&file, &entry(path, kind, mode, owner)).unwrap();
    }

    #[test]
    fn every_kind_gets_its_metadata() {
        let dir = tempfile::tempdir().unwrap();
        let placer = placer(dir.path());
        let mut group = entry("group", Kind::Directory { opaque: true }, 0o2555, (1, 50));
        group.xattrs.push(Xattr { name: (*b"user.x").into(), value: (*b"y").into() });
        placer.place(&group).unwrap();
        write(&placer, "group/root", 0o4755, (0, 0));
        write(&placer, "group/other", 0o6600, (3, 4));
        placer
            .place(&entry("group/link", Kind::Symlink { target: (*b"../up").into() }, 0o777, (3, 4)))
            .unwrap();
        placer
            .place(&entry("group/hard", Kind::Hardlink { target: "group/root".into() }, 0, (0, 0)))
            .unwrap();
        placer.place(&entry("pipe", Kind::Fifo, 0o666, (0, 9))).unwrap();
        placer.place(&entry("null", Kind::CharDevice(Device { major: 1, minor: 3 }), 0o666, (0, 0))).unwrap();
        placer.place(&Entry::whiteout("gone".into())).unwrap();
        placer.close().unwrap();
        let x = Digest::of(b"x").short();
        let expected = [
            "/gone whiteout".to_owned(),
            "/group dir 2555 1:50 7.000000000 trusted.overlay.opaque=y user.x=y".to_owned(),
            format!("/group/hard file 1 {x} 4755 0:0 7.000000000"),
            "/group/link -> ../up 777 3:4 7.000000000".to_owned(),
            format!("/group/other file 1 {x} 6600 3:4 7.000000000"),
            format!("/group/root file 1 {x} 4755 0:0 7.000000000 = /group/hard"),
            "/null special 20000 103 666 0:0 7.000000000".to_owned(),
            "/pipe special 10000 0 666 0:9 7.000000000".to_owned(),
        ];
        assert_eq!(describe(dir.path(), Detail::All), expected);
    }

    #[test]
    fn a_root_that_gives_its_group_away_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let root = file::open_directory(dir.path()).unwrap();
        file::set_owner(&root, (0, 77)).unwrap();
        file::set_mode(&root, 0o2755).unwrap();
        let placer = placer(dir.path());
        write(&placer, "f", 0o644, (0, 0));
        assert!(describe(dir.path(), Detail::All)[0].contains(" 0:0 "));
    }

    #[test]
    fn a_link_in_the_way_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("root")).unwrap();
        std::fs::create_dir_all(dir.path().join("victim")).unwrap();
        std::os::unix::fs::symlink("../victim", dir.path().join("root/d")).unwrap();
        std::os::unix::fs::symlink("../victim/new", dir.path().join("root/f")).unwrap();
        let placer = placer(&dir.path().join("root"));
        for path in ["d/x", "f"] {
            assert!(placer.create(&path.into()).is_err(), "{path}");
        }
        let d = Entry::directory("d".into(), 0o700, Time::default());
        placer.place(&d).unwrap();
        let error = placer.close().unwrap_err();
        assert_eq!(error.to_string(), "cannot set the metadata of `/d`");
        assert!(std::fs::read_dir(dir.path().join("victim")).unwrap().next().is_none());
    }

    #[test]
    fn threads_share_one_placer() {
        let dir = tempfile::tempdir().unwrap();
        let placer = placer(dir.path());
        for d in 0..20 {
            placer.place(&entry(&format!("d{d}"), Kind::Directory { opaque: false }, 0o755, (0, 0))).unwrap();
        }
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let placer = &placer;
                scope.spawn(move || {
                    for i in 0..200 {
                        write(placer, &format!("d{}/{thread}-{i}", i % 20), 0o644, (0, 0));
                    }
                });
            }
        });
        placer.close().unwrap();
        assert_eq!(describe(dir.path(), Detail::All).len(), 820);
    }
}
