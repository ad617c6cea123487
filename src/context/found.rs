//! What a walk finds, before and after it is read.

use rustix::fs::Stat;

use crate::oci::Digest;
use crate::tree::{Device, Entry, Kind, Node, Time, TreePath, Xattr};

/// An entry of the context as far as it is known.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) path: TreePath,
    pub(super) status: Status,
    pub(super) what: What,
    /// `None` until they are read.
    pub(super) xattrs: Option<Vec<Xattr>>,
    /// A directory that the ignore file hides, kept for what is visible below it.
    pub(super) hidden: bool,
    /// A regular file with more than one name, here or elsewhere.
    pub(super) linked: bool,
}

/// Which file a name stands for: two names with equal ids are hard links to one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId {
    device: u64,
    inode: u64,
}

/// What an entry is.
#[derive(Debug)]
pub(super) enum What {
    /// A file, with its digest once it has been read.
    File(Option<Digest>),
    Directory,
    Symlink(Box<[u8]>),
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
    Socket,
}

/// What of stat(2) tells whether an entry is still the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Status {
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) size: u64,
    /// Type and permission bits.
    pub(super) mode: u32,
    pub(super) mtime: Time,
    pub(super) ctime: Time,
}

impl Status {
    #[expect(clippy::unnecessary_cast, reason = "the widths differ between architectures")]
    pub(super) fn of(stat: &Stat) -> Self {
        Self {
            device: stat.st_dev as u64,
            inode: stat.st_ino as u64,
            size: stat.st_size as u64,
            mode: stat.st_mode as u32,
            mtime: Time { seconds: stat.st_mtime as i64, nanos: stat.st_mtime_nsec as u32 },
            ctime: Time { seconds: stat.st_ctime as i64, nanos: stat.st_ctime_nsec as u32 },
        }
    }
}

impl Found {
    /// Whether everything that an index says of it is known.
    pub(super) fn is_complete(&self) -> bool {
        self.xattrs.is_some() && !matches!(self.what, What::File(None))
    }

    /// Which file it is, if that may be another entry's too.
    pub(super) fn file_id(&self) -> Option<FileId> {
        let Status { device, inode, .. } = self.status;
        self.linked.then_some(FileId { device, inode })
    }

    /// The index entry, owned by 0:0; `None` as long as it is not complete.
    pub(super) fn entry(&self) -> Option<Entry> {
        let kind = match &self.what {
            What::File(digest) => Kind::File { size: self.status.size, digest: (*digest)? },
            What::Directory => Kind::Directory { opaque: false },
            What::Symlink(target) => Kind::Symlink { target: target.clone() },
            What::CharDevice(device) => Kind::CharDevice(*device),
            What::BlockDevice(device) => Kind::BlockDevice(*device),
            What::Fifo => Kind::Fifo,
            What::Socket => Kind::Socket,
        };
        let mut entry = Entry::new(self.path.clone(), kind, self.status.mode & 0o7777, self.status.mtime);
        entry.xattrs.clone_from(self.xattrs.as_ref()?);
        Some(entry)
    }
}

impl From<&Found> for Node {
    fn from(found: &Found) -> Self {
        match &found.what {
            What::Directory => Self::Directory,
            What::Symlink(target) => Self::Symlink(target.clone()),
            _ => Self::Other,
        }
    }
}
