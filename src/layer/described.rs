//! For tests: all that can be seen of a directory, one line an entry, so that two can be compared.

use std::fmt::Write as _;
use std::fs;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use crate::oci::Digest;
use crate::sys::file;
use crate::sys::xattr::Place;

/// How much is described.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Detail {
    /// Everything, nanoseconds and attributes included. Whiteouts have no metadata.
    All,
    /// What a process sees in a merged tree and what layers keep: no times of directories, whole seconds.
    Merged,
}

/// Describes everything below `root`, in walk order.
pub(super) fn describe(root: &Path, detail: Detail) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inodes: Vec<(u64, String)> = Vec::new();
    let mut todo = children(root, "");
    while let Some(path) = todo.pop() {
        let full = root.join(&path[1..]);
        let status = fs::symlink_metadata(&full).unwrap();
        let kind = status.file_type();
        if kind.is_char_device() && status.rdev() == 0 {
            lines.push(format!("{path} whiteout"));
            continue;
        }
        let what = if kind.is_dir() {
            "dir".to_owned()
        } else if kind.is_symlink() {
            format!("-> {}", fs::read_link(&full).unwrap().display())
        } else if kind.is_file() {
            format!("file {} {}", status.len(), Digest::of(&fs::read(&full).unwrap()).short())
        } else {
            format!("special {:o} {:x}", status.mode() & 0o170_000, status.rdev())
        };
        let time = match detail {
            Detail::Merged if kind.is_dir() => String::new(),
            Detail::Merged => status.mtime().to_string(),
            Detail::All => format!("{}.{:09}", status.mtime(), status.mtime_nsec()),
        };
        let mut line =
            format!("{path} {what} {:o} {}:{} {time}", status.mode() & 0o7777, status.uid(), status.gid());
        let dir = file::open_directory(full.parent().unwrap()).unwrap();
        let place = Place::new(dir.as_fd(), full.file_name().unwrap().as_bytes());
        for (name, value) in place.read(|_| true).unwrap() {
            let _ = write!(line, " {}={}", name.escape_ascii(), value.escape_ascii());
        }
        // Links between lower layers are lost in a merged tree.
        if detail == Detail::All && status.nlink() > 1 && !kind.is_dir() {
            match inodes.iter().find(|(inode, _)| *inode == status.ino()) {
                Some((_, first)) => {
                    let _ = write!(line, " = {first}");
                }
                None => inodes.push((status.ino(), path.clone())),
            }
        }
        lines.push(line);
        if kind.is_dir() {
            todo.extend(children(root, &path));
        }
    }
    lines
}

/// The paths of what is in a directory, last one first.
fn children(root: &Path, dir: &str) -> Vec<String> {
    let names = fs::read_dir(root.join(dir.trim_start_matches('/'))).unwrap();
    let mut names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    names.iter().rev().map(|name| format!("{dir}/{}", name.to_string_lossy())).collect()
}
