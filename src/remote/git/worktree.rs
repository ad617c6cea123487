//! Files of a commit.
//!
//! They are laid out in a repository of their own that borrows its objects from the mirror, or has copies of them if
//! its `.git` is to stay.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirEntry, Permissions};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::dockerfile::remote::ModificationTime;
use crate::sys;

use super::command::Session;
use super::mirror::{Mirror, object_format};
use super::{GitError, Resolved};

/// Makes the files of a commit below `root`, an empty directory, and tells where those are that were asked for.
pub(super) fn lay_out(
    session: &Session<'_>,
    mirror: &Mirror,
    resolved: &Resolved,
    commit_time: i64,
    root: &Path,
) -> Result<PathBuf, GitError> {
    let source = &session.request.source;
    let keeps = source.keep_git_dir.unwrap_or(false);
    let format = format!("--object-format={}", object_format(&resolved.commit));
    let git = |args: &[&str]| session.command().worktree(root).args(args);
    git(&["init", "--quiet", "--template=", &format]).run("make a copy of")?;
    if keeps {
        copy_history(session, mirror, resolved, root)?;
    } else {
        borrow(mirror, root)?;
    }
    git(&["remote", "add", "--", "origin", &session.url]).run("make a copy of")?;
    git(&["checkout", "--quiet", "--force", "--detach", &resolved.commit, "--"]).run("check out")?;
    if source.submodules && root.join(".gitmodules").is_file() {
        update_submodules(session, root)?;
    }
    let directory = find_directory(session, resolved, root)?;
    let time = (source.mtime == ModificationTime::Commit).then_some(commit_time);
    if !keeps {
        let own = root.join(".git");
        fs::remove_dir_all(&own).map_err(|source| GitError::file("remove", &own, source))?;
    }
    normalise(session, &directory, keeps, time)?;
    Ok(directory)
}

/// Copies the commit, and a tag or branch that names it.
fn copy_history(
    session: &Session<'_>,
    mirror: &Mirror,
    resolved: &Resolved,
    root: &Path,
) -> Result<(), GitError> {
    let mut from = OsString::from("file://");
    from.push(mirror.directory());
    let name = resolved.reference.as_deref().filter(|name| name.starts_with("refs/"));
    let refspec = match name {
        Some(name) => format!("+{}:{name}", resolved.object),
        None => resolved.commit.clone(),
    };
    let fetch = session.command().worktree(root).local();
    let flags =
        ["fetch", "--quiet", "--depth=1", "--no-tags", "--no-write-fetch-head", "--update-head-ok", "--"];
    fetch.args(flags).args([from.as_os_str(), OsStr::new(&refspec)]).run("make a copy of").map(drop)
}

/// Makes the repository at `root` find the mirror's objects.
fn borrow(mirror: &Mirror, root: &Path) -> Result<(), GitError> {
    let path = root.join(".git/objects/info/alternates");
    let objects = mirror.directory().join("objects");
    let text = [objects.as_os_str().as_bytes(), b"\n"].concat();
    let directory = path.parent().unwrap_or(root);
    let write = fs::create_dir_all(directory).and_then(|()| fs::write(&path, text));
    write.map_err(|source| GitError::file("write", &path, source))
}

fn update_submodules(session: &Session<'_>, root: &Path) -> Result<(), GitError> {
    let update = |depth: Option<&str>| {
        let update = session.command().worktree(root).remote();
        update
            .args(["submodule", "update", "--init", "--recursive", "--force", "--progress"])
            .args(depth)
            .run("fetch the submodules of")
    };
    match update(Some("--depth=1")) {
        // A server may have no shallow history to give, or not of this commit.
        Err(GitError::Failed { .. }) => update(None).map(drop),
        result => result.map(drop),
    }
}

/// The directory that was asked for. A link in the repository may lead to it, but not out of the repository.
fn find_directory(session: &Session<'_>, resolved: &Resolved, root: &Path) -> Result<PathBuf, GitError> {
    let Some(subdir) = &session.request.source.subdir else {
        return Ok(root.to_owned());
    };
    let (url, commit) = (session.url.clone(), resolved.commit.clone());
    let find = |path: &Path| fs::canonicalize(path);
    let real_root = find(root).map_err(|source| GitError::file("find", root, source))?;
    match find(&root.join(subdir)) {
        Ok(path) if !path.starts_with(&real_root) || path.starts_with(real_root.join(".git")) => {
            Err(GitError::SubdirOutside { url, commit, subdir: subdir.clone() })
        }
        Ok(path) if path.is_dir() => Ok(path),
        _ => Err(GitError::Subdir { url, commit, subdir: subdir.clone() }),
    }
}

/// Gives everything in `directory` the modes, and perhaps the time, that it should have, and removes what belongs to
/// git unless it is kept. Nobody else works on the tree.
fn normalise(
    session: &Session<'_>,
    directory: &Path,
    keeps: bool,
    time: Option<i64>,
) -> Result<(), GitError> {
    if (session.watch.is_canceled)() {
        return Err(GitError::Canceled { url: session.url.clone() });
    }
    let failed = |source| GitError::file("read the directory", directory, source);
    for entry in fs::read_dir(directory).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let path = entry.path();
        let file_type = entry.file_type().map_err(|source| GitError::file("look at", &path, source))?;
        if entry.file_name() == ".git" {
            if !keeps {
                remove(&path, file_type.is_dir())?;
            }
            continue;
        }
        if file_type.is_dir() {
            normalise(session, &path, keeps, time)?;
            continue;
        }
        if file_type.is_file() {
            set_mode(&path, mode(&entry)?)?;
        }
        if let Some(time) = time {
            set_time(directory, &entry.file_name(), time)?;
        }
    }
    set_mode(directory, 0o755)?;
    time.map_or(Ok(()), |time| set_time(directory, OsStr::new("."), time))
}

fn remove(path: &Path, is_directory: bool) -> Result<(), GitError> {
    let removed = if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(|source| GitError::file("remove", path, source))
}

fn mode(entry: &DirEntry) -> Result<u32, GitError> {
    let metadata = entry.metadata().map_err(|source| GitError::file("look at", &entry.path(), source))?;
    Ok(if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 })
}

fn set_mode(path: &Path, mode: u32) -> Result<(), GitError> {
    let set = fs::set_permissions(path, Permissions::from_mode(mode));
    set.map_err(|source| GitError::file("set the mode of", path, source))
}

fn set_time(directory: &Path, name: &OsStr, time: i64) -> Result<(), GitError> {
    let set = || -> io::Result<()> {
        let open = sys::file::open_directory(directory)?;
        sys::file::set_time_at(open.as_fd(), name.as_bytes(), (time, 0))
    };
    set().map_err(|source| GitError::file("set the time of", &directory.join(name), source))
}
