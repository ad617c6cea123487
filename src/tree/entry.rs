//! One entry of a tree.

use super::path::TreePath;
use crate::oci::Digest;

/// A point in time as file systems keep it: seconds since 1970 (negative before), and nanoseconds after that second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time {
    /// Whole seconds since 1970-01-01T00:00:00Z.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1,000,000,000.
    pub nanos: u32,
}

impl Time {
    /// A time without a fraction.
    pub const fn from_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The same time, cut to whole seconds as layers keep it.
    #[must_use]
    pub const fn whole(self) -> Self {
        Self::from_seconds(self.seconds)
    }
}

/// The numbers of a device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Device {
    /// Major number.
    pub major: u32,
    /// Minor number.
    pub minor: u32,
}

/// An extended attribute.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Xattr {
    /// The full name, such as `security.capability`.
    pub name: Box<[u8]>,
    /// The value.
    pub value: Box<[u8]>,
}

impl Xattr {
    /// Whether an attribute of this name is part of a tree that moves to another machine.
    ///
    /// These are: file capabilities, ACLs, and the users' own. The rest is the host's: labels of its security modules
    /// and what only it can set (`trusted.*`) mean nothing elsewhere, and `*.overlay.*` would be taken for
    /// overlayfs's own.
    pub fn is_kept(name: &[u8]) -> bool {
        match name {
            b"security.capability" | b"system.posix_acl_access" | b"system.posix_acl_default" => true,
            name => name.starts_with(b"user.") && !name.starts_with(b"user.overlay."),
        }
    }
}

/// What an entry is, with what only such an entry has.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A regular file.
    File {
        /// Bytes.
        size: u64,
        /// The digest of the content.
        digest: Digest,
    },
    /// A directory. An opaque one hides what lower layers have in it.
    Directory {
        /// Whether it hides the content of lower layers (image-spec, layer.md, "Opaque Whiteout").
        opaque: bool,
    },
    /// A symbolic link, with its text unchanged.
    Symlink {
        /// The text.
        target: Box<[u8]>,
    },
    /// Another name of a file: the entry that comes first in the order carries the content, this one names it.
    Hardlink {
        /// The path of that entry in the same tree.
        target: TreePath,
    },
    /// A character device.
    CharDevice(Device),
    /// A block device.
    BlockDevice(Device),
    /// A named pipe.
    Fifo,
    /// A socket: seen in contexts only, no layer has one.
    Socket,
    /// The path is removed from what lower layers have. Only in layers; its metadata means nothing.
    Whiteout,
}

/// One entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Entry {
    /// Where it is.
    pub path: TreePath,
    /// What it is.
    pub kind: Kind,
    /// Permission bits with set-user-ID, set-group-ID and sticky: `0o7777` at most.
    pub mode: u32,
    /// Owner, as a number inside the image.
    pub uid: u32,
    /// Group, as a number inside the image.
    pub gid: u32,
    /// Time of the last change of the content. Whole seconds in layers.
    pub mtime: Time,
    /// Extended attributes, sorted by name.
    pub xattrs: Vec<Xattr>,
    /// A directory that the tar did not list but that has children there: its metadata must not hide what a lower
    /// layer says of the same directory.
    pub implied: bool,
    /// In a layer, which of its parts holds the data (0 is the topmost); 0 elsewhere.
    pub part: u8,
}

impl Entry {
    /// A directory without anything special about it.
    pub fn directory(path: TreePath, mode: u32, mtime: Time) -> Self {
        Self::new(path, Kind::Directory { opaque: false }, mode, mtime)
    }

    /// A mark that `path` is removed.
    pub fn whiteout(path: TreePath) -> Self {
        Self::new(path, Kind::Whiteout, 0, Time::default())
    }

    /// An entry owned by 0:0 without extended attributes.
    pub fn new(path: TreePath, kind: Kind, mode: u32, mtime: Time) -> Self {
        Self { path, kind, mode, uid: 0, gid: 0, mtime, xattrs: Vec::new(), implied: false, part: 0 }
    }

    /// Whether it is a directory.
    pub fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory { .. })
    }

    /// Whether it marks a removed path.
    pub fn is_whiteout(&self) -> bool {
        matches!(self.kind, Kind::Whiteout)
    }

    /// The number of bytes of content that this very entry carries.
    pub fn size(&self) -> u64 {
        match self.kind {
            Kind::File { size, .. } => size,
            _ => 0,
        }
    }

    /// Whether both describe the same thing but for their times, paths and the part that holds them.
    pub fn same_but_time(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.mode == other.mode
            && self.uid == other.uid
            && self.gid == other.gid
            && self.xattrs == other.xattrs
            && self.implied == other.implied
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_of_the_host_are_no_part_of_a_layer() {
        for (name, belongs) in [
            ("security.capability", true),
            ("system.posix_acl_access", true),
            ("user.comment", true),
            ("user.overlay.opaque", false),
            ("user.overlay.overlay.opaque", false),
            ("user.overlayed", true),
            ("trusted.overlay.opaque", false),
            ("trusted.other", false),
            ("security.selinux", false),
            ("security.ima", false),
        ] {
            assert_eq!(Xattr::is_kept(name.as_bytes()), belongs, "{name}");
        }
    }
}
