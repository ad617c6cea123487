//! What to run and in which root: the values that a caller fills in and that the stage is sent.
//!
//! Invariants: paths are the host's unless said otherwise; nothing here is read or checked against the disk.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;

use super::capabilities::Capabilities;
use super::resources::ResourceLimit;

/// The most directories that [`Root::lowers`] may hold: overlayfs takes 500, of which one may be an overlay of 500; and
/// the skeleton is one of them.
pub const MAX_LOWERS: usize = 998;

/// One process to run in a root file system of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spec {
    /// The root file system.
    pub root: Root,
    /// The program and its arguments; the program is looked up in `PATH` of [`Spec::env`] if it holds no `/`.
    pub args: Vec<OsString>,
    /// The environment. `HOME` is added from the passwd entry of the user if it is absent or empty.
    pub env: Vec<(OsString, OsString)>,
    /// Working directory, absolute inside the root; made (root's, 0755) if it is missing.
    pub cwd: PathBuf,
    /// `name|id[:group|id]` as in Docker's `USER`, looked up in the root's `/etc/passwd` and `/etc/group`. Empty
    /// means user 0.
    pub user: String,
    /// Groups that the command is in besides, by name or number.
    pub groups: Vec<String>,
    /// Host name inside, at most 64 bytes.
    pub hostname: String,
    /// Which network the process sees.
    pub network: Network,
    /// What `/etc/hosts` holds while the process runs.
    pub hosts: Vec<u8>,
    /// What `/etc/resolv.conf` holds while the process runs; `None` leaves the image's own.
    pub resolv_conf: Option<Vec<u8>>,
    /// A file that the command finds while it runs, executable for everybody.
    pub script: Option<Script>,
    /// Whether the command has the rights of the machine's root: all capabilities, all devices, no filter of system
    /// calls, nothing hidden or write-protected.
    pub insecure: bool,
    /// Limits of the command's process, which its children inherit; see setrlimit(2).
    pub resources: Vec<ResourceLimit>,
    /// The size of `/dev/shm`, in bytes; `None` for Docker's 64 MiB.
    pub shm_size: Option<u64>,
    /// What is mounted besides, in this order.
    pub mounts: Vec<Mount>,
    /// What a command of root's may do, and everybody else at the most.
    pub capabilities: Capabilities,
    /// Whether Docker's seccomp rules hold. Without them the command may make namespaces of its own.
    pub filtered: bool,
}

/// Something mounted into the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Where, absolute inside the root; made if it is missing.
    pub target: String,
    /// What.
    pub source: MountSource,
    /// Whether nothing can be written to it.
    pub read_only: bool,
}

/// What is mounted. Paths called `inside` are relative and may lead through links, but not out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MountSource {
    /// A file or a directory of the machine, or something in it.
    Host {
        /// The file or directory itself, not a link to it.
        path: PathBuf,
        /// What of it; empty is all.
        inside: PathBuf,
    },
    /// Something in a stack of layers.
    Layers {
        /// Unpacked layers, topmost first; at most [`MAX_LOWERS`], may be empty.
        lowers: Vec<PathBuf>,
        /// Where changes go; without one it is read-only.
        upper: Option<Upper>,
        /// What of it; empty is all.
        inside: PathBuf,
    },
    /// A directory in memory.
    Memory {
        /// Limit in bytes; `None` is half of the machine's memory.
        size: Option<u64>,
    },
    /// A file in memory.
    File {
        /// What is in it.
        content: Secret,
        /// Permission bits.
        mode: u32,
        /// Owner.
        uid: u32,
        /// Group.
        gid: u32,
    },
}

/// Bytes that nobody shall see by mistake.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Vec<u8>);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A file in the sandbox's own `/dev/pipes`, so that it leaves nothing in the root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// Its name in `/dev/pipes`, a single component.
    pub name: String,
    /// What is in it.
    pub content: Vec<u8>,
}

/// Layers and what is written over them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// Unpacked layers, topmost first; at most [`MAX_LOWERS`], may be empty.
    pub lowers: Vec<PathBuf>,
    /// A directory that [`super::skeleton()`] made. It lies below all lowers, so that `/proc`, `/dev`, `/sys`,
    /// `/etc/hosts` and `/etc/resolv.conf` exist to be mounted on without a trace in the upper.
    pub skeleton: PathBuf,
    /// Where changes go; `None` makes the root read-only.
    pub upper: Option<Upper>,
    /// Whether there is no overlay: the one lower is the root, with everything in it, and of an upper only its being
    /// there counts.
    pub plain: bool,
    /// Whether overlayfs may leave out every sync to the upper's disk. After a crash of the machine such an upper
    /// must be thrown away.
    pub volatile: bool,
    /// Which system calls mount the overlay.
    pub mount_api: MountApi,
}

/// The writable part of an overlay: two empty directories on the same file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upper {
    /// Takes the changes.
    pub dir: PathBuf,
    /// overlayfs's own scratch directory.
    pub work: PathBuf,
}

/// How an overlay is mounted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MountApi {
    /// `fsopen(2)` where it takes each lower as a file descriptor (Linux 6.13), `mount(2)` elsewhere.
    #[default]
    Best,
    /// Always `mount(2)`, as on older kernels. For tests.
    Classic,
}

/// Which network a process sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The network of the machine.
    Host,
    /// A loopback interface only.
    None,
    /// A namespace that was made for it: [`Io::network`](super::Io::network).
    Given,
}
