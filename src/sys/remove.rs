//! Removing trees of any depth.
//!
//! Owns the way to do it with few open files. The standard library holds one for each level, and a layer may have two
//! thousand levels where a process may have a thousand open files. Links are removed, never followed.

use std::ffi::{CStr, CString};
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, Mode, OFlags, RenameFlags};
use rustix::io::Errno;

/// Removes a tree; one that is gone already, or that somebody else is removing, is no error.
pub fn tree(path: &Path) -> io::Result<()> {
    let removed = match fs::remove_dir_all(path) {
        Err(error) if Errno::from_io_error(&error) == Some(Errno::MFILE) => flattened(path),
        result => result,
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => result,
    }
}

/// Removes a tree by moving what is deep in it up to its root, where it is shallow.
fn flattened(path: &Path) -> io::Result<()> {
    let root = open(CWD, path)?;
    let mut number = 0_u64;
    loop {
        let mut is_empty = true;
        for name in names(&root)? {
            is_empty = false;
            if is_removed(&root, &name)? {
                continue;
            }
            let dir = open(&root, name.as_c_str())?;
            for below in names(&dir)? {
                if !is_removed(&dir, &below)? {
                    move_up(&dir, &below, &root, &mut number)?;
                }
            }
            rustix::fs::unlinkat(&root, &name, AtFlags::REMOVEDIR)?;
        }
        if is_empty {
            return fs::remove_dir(path);
        }
    }
}

fn open(at: impl std::os::fd::AsFd, path: impl rustix::path::Arg) -> io::Result<OwnedFd> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(rustix::fs::openat(at, path, flags, Mode::empty())?)
}

fn names(dir: &OwnedFd) -> io::Result<Vec<CString>> {
    let is_own = |name: &CStr| matches!(name.to_bytes(), b"." | b"..");
    let mut names = Vec::new();
    for entry in Dir::read_from(dir)? {
        let entry = entry?;
        if !is_own(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

/// Removes what is no directory; says whether it was none.
fn is_removed(dir: &OwnedFd, name: &CStr) -> io::Result<bool> {
    match rustix::fs::unlinkat(dir, name, AtFlags::empty()) {
        Ok(()) => Ok(true),
        // POSIX has the second one for directories.
        Err(Errno::ISDIR | Errno::PERM) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Moves a directory to the root, under a number that is free there.
fn move_up(dir: &OwnedFd, name: &CStr, root: &OwnedFd, number: &mut u64) -> io::Result<()> {
    loop {
        *number += 1;
        match rustix::fs::renameat_with(dir, name, root, number.to_string(), RenameFlags::NOREPLACE) {
            Err(Errno::EXIST) => {}
            result => return Ok(result?),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Three branches of 1,500 levels, with files and links to outside on the way, and numbers as names.
    fn grow(root: &Path) {
        fs::create_dir(root).unwrap();
        for branch in ["1", "2", "x"] {
            let mut dir = open(CWD, root).unwrap();
            for level in 0..1500 {
                let name = if level == 0 { branch } else { "3" };
                rustix::fs::mkdirat(&dir, name, Mode::RWXU).unwrap();
                rustix::fs::symlinkat("../outside", &dir, format!("link{branch}")).unwrap();
                dir = open(&dir, name).unwrap();
                if level > 0 {
                    continue;
                }
                rustix::fs::symlinkat("/", &dir, "4").unwrap();
            }
        }
    }

    #[test]
    fn deep_trees_go_and_links_are_not_followed() {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(place.path().join("outside")).unwrap();
        fs::write(place.path().join("outside/file"), "safe").unwrap();
        for remove in [flattened, tree] {
            let root = place.path().join("root");
            grow(&root);
            symlink("outside", root.join("out")).unwrap();
            remove(&root).unwrap();
            assert!(!root.exists());
        }
        assert_eq!(fs::read(place.path().join("outside/file")).unwrap(), b"safe");
        assert!(tree(&place.path().join("nothing")).is_ok());
    }
}
