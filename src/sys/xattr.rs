//! Extended attributes of directory entries, links included.
//!
//! The kernel has calls for a path and for an open file, but (before 6.13) none for a directory and a name. What
//! cannot be opened, such as a link or a device, is reached through the directory's entry in `/proc/self/fd`.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};

use rustix::fs::XattrFlags;
use rustix::io::Errno;

/// What the kernel allows for one attribute's value, and for the list of all names, in bytes (xattr(7)).
const MAX: usize = 64 * 1024;

/// Most entries have no attributes, or a few short ones.
const USUAL: usize = 512;

/// An attribute's full name and value.
pub type Attribute = (Box<[u8]>, Box<[u8]>);

/// Names one entry of an open directory for this module's calls.
#[derive(Debug)]
pub struct Place {
    path: Vec<u8>,
}

impl Place {
    /// The entry `name` of `dir`; `.` is the directory itself. `dir` must stay open while this is used.
    pub fn new(dir: BorrowedFd<'_>, name: &[u8]) -> Self {
        let mut path = format!("/proc/self/fd/{}/", dir.as_raw_fd()).into_bytes();
        path.extend_from_slice(name);
        Self { path }
    }

    /// The names of all attributes; none where the file system has no attributes.
    pub fn names(&self) -> io::Result<Vec<Box<[u8]>>> {
        let mut buffer = [0; USUAL];
        match rustix::fs::llistxattr(&self.path[..], &mut buffer[..]) {
            Ok(len) => Ok(split(&buffer[..len])),
            Err(Errno::NOTSUP) => Ok(Vec::new()),
            Err(Errno::RANGE) => {
                let mut buffer = vec![0; MAX];
                let len = rustix::fs::llistxattr(&self.path[..], &mut buffer[..])?;
                Ok(split(&buffer[..len]))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The value of an attribute, if it is there.
    pub fn get(&self, name: &[u8]) -> io::Result<Option<Box<[u8]>>> {
        let mut buffer = [0; USUAL];
        match rustix::fs::lgetxattr(&self.path[..], name, &mut buffer[..]) {
            Ok(len) => Ok(Some(buffer[..len].into())),
            Err(Errno::NODATA | Errno::NOTSUP) => Ok(None),
            Err(Errno::RANGE) => {
                let mut buffer = vec![0; MAX];
                let len = rustix::fs::lgetxattr(&self.path[..], name, &mut buffer[..])?;
                Ok(Some(buffer[..len].into()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The attributes whose names `wanted` accepts, sorted by name.
    pub fn read(&self, mut wanted: impl FnMut(&[u8]) -> bool) -> io::Result<Vec<Attribute>> {
        let mut attributes = Vec::new();
        for name in self.names()? {
            if wanted(&name)
                && let Some(value) = self.get(&name)?
            {
                attributes.push((name, value));
            }
        }
        attributes.sort_unstable();
        Ok(attributes)
    }

    /// Sets an attribute.
    pub fn set(&self, name: &[u8], value: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::lsetxattr(&self.path[..], name, value, XattrFlags::empty())?)
    }

    /// Removes an attribute that is there.
    pub fn remove(&self, name: &[u8]) -> io::Result<()> {
        Ok(rustix::fs::lremovexattr(&self.path[..], name)?)
    }
}

/// Sets an attribute of an open file or directory.
pub fn set(file: impl AsFd, name: &[u8], value: &[u8]) -> io::Result<()> {
    Ok(rustix::fs::fsetxattr(file, name, value, XattrFlags::empty())?)
}

fn split(list: &[u8]) -> Vec<Box<[u8]>> {
    list.split(|&b| b == 0).filter(|name| !name.is_empty()).map(Into::into).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_a_link_and_of_a_long_list() {
        let dir = tempfile::tempdir().unwrap();
        std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
        std::fs::write(dir.path().join("file"), "").unwrap();
        let root = crate::sys::file::open_directory(dir.path()).unwrap();

        let link = Place::new(root.as_fd(), b"link");
        link.set(b"trusted.test", b"1").unwrap();
        assert_eq!(link.get(b"trusted.test").unwrap().as_deref(), Some(&b"1"[..]));
        assert_eq!(Place::new(root.as_fd(), b".").get(b"trusted.test").unwrap(), None);

        let file = Place::new(root.as_fd(), b"file");
        let long = [b'v'; USUAL + 1];
        for i in 0..20 {
            file.set(format!("user.a-name-that-is-rather-long-{i:02}").as_bytes(), b"x").unwrap();
        }
        file.set(b"user.long", &long).unwrap();
        let read = file.read(|name| name.starts_with(b"user.")).unwrap();
        assert_eq!(read.len(), 21);
        assert_eq!(*read[20].1, long);
        assert!(read.is_sorted());
        file.remove(b"user.long").unwrap();
        assert_eq!(file.names().unwrap().len(), 20);
    }
}
