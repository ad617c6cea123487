//! What is kept of a repository: a bare one at `<keep>/<sha256 of the address>.git`, beside its lock.
//!
//! It grows by what is fetched, under `refs/strata/`, and is shallow unless a server refuses that. Whoever works on it
//! holds the lock, and so does every `git` that writes to it, as long as it lives.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::oci::Digest;
use crate::sys::lock::Lock;

use super::command::{Invocation, Session};
use super::{GitError, Resolved};

/// How long a waiter for the lock sleeps between two tries.
const BETWEEN_TRIES: Duration = Duration::from_millis(20);

/// Locks of git's own that a killed one may have left.
const STALE: [&str; 4] = ["shallow.lock", "packed-refs.lock", "config.lock", "HEAD.lock"];

/// A mirror, locked.
pub(super) struct Mirror {
    directory: PathBuf,
    lock: Lock,
}

impl Mirror {
    /// Waits for the mirror of the session's repository and makes it if there is none.
    pub(super) fn open(keep: &Path, session: &Session<'_>, resolved: &Resolved) -> Result<Self, GitError> {
        fs::create_dir_all(keep).map_err(|source| GitError::file("make the directory", keep, source))?;
        let keep = fs::canonicalize(keep).map_err(|source| GitError::file("find", keep, source))?;
        let format = object_format(&resolved.commit);
        let name = Digest::of(format!("{format} {}", session.url).as_bytes()).hex();
        let lock = wait(&keep.join(format!("{name}.lock")), session)?;
        let mirror = Self { directory: keep.join(format!("{name}.git")), lock };
        if mirror.directory.exists() {
            mirror.remove_stale()?;
        } else {
            mirror.make(session, format)?;
        }
        Ok(mirror)
    }

    /// Where it is.
    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Fetches what a reference was resolved to, if it is not there yet.
    pub(super) fn fetch(&self, session: &Session<'_>, resolved: &Resolved) -> Result<(), GitError> {
        if self.has(session, resolved)? {
            return Ok(());
        }
        // The tip alone; the commit alone, if the tip has moved on or is not known; everything.
        let commit = format!("+{0}:refs/strata/{0}", resolved.commit);
        let tip =
            resolved.reference.as_deref().map(|name| format!("+{name}:refs/strata/{}", resolved.object));
        for refspec in tip.iter().chain([&commit]) {
            match self.fetching(session)?.args(["--depth=1", "--", &session.url, refspec]).run("fetch") {
                Ok(_) if self.has(session, resolved)? => return Ok(()),
                // The server may have no shallow history to give, or no commits that it does not name.
                Ok(_) | Err(GitError::Failed { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        self.fetch_all(session)?;
        if self.has(session, resolved)? {
            return Ok(());
        }
        Err(GitError::NoCommit { url: session.url.clone(), commit: resolved.commit.clone() })
    }

    /// When a commit was made.
    pub(super) fn commit_time(&self, session: &Session<'_>, commit: &str) -> Result<i64, GitError> {
        let show = session.command().repository(&self.directory);
        let text = show.args(["show", "--no-patch", "--format=%ct", commit, "--"]).run("read a commit of")?;
        text.trim()
            .parse()
            .map_err(|_| GitError::NoCommit { url: session.url.clone(), commit: commit.to_owned() })
    }

    fn fetch_all(&self, session: &Session<'_>) -> Result<(), GitError> {
        let unshallow = self.directory.join("shallow").exists().then_some("--unshallow");
        let all = ["--prune", "--", &session.url, "+refs/heads/*:refs/strata/all/heads/*"];
        let fetch = self.fetching(session)?.args(unshallow).args(all);
        fetch.args(["+refs/tags/*:refs/strata/all/tags/*"]).run("fetch").map(drop)
    }

    fn fetching<'s>(&self, session: &'s Session<'_>) -> Result<Invocation<'s>, GitError> {
        let fetch = session.command().repository(&self.directory).remote().holding(&self.lock)?;
        Ok(fetch.args(["fetch", "--progress", "--no-tags", "--no-write-fetch-head", "--force"]))
    }

    fn has(&self, session: &Session<'_>, resolved: &Resolved) -> Result<bool, GitError> {
        let commit = format!("{}^{{commit}}", resolved.commit);
        for object in [&commit, &resolved.object] {
            let look = session.command().repository(&self.directory).args(["cat-file", "-e", object]);
            if !look.succeeds("look into the mirror of")? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Makes an empty one under another name first, so that a half-made one is never taken for it.
    fn make(&self, session: &Session<'_>, format: &str) -> Result<(), GitError> {
        let new = self.directory.with_extension("new");
        match fs::remove_dir_all(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(GitError::file("remove", &new, error));
            }
            _ => {}
        }
        fs::create_dir(&new).map_err(|source| GitError::file("make the directory", &new, source))?;
        let init = session.command().repository(&new).args(["init", "--quiet", "--bare", "--template="]);
        init.args([format!("--object-format={format}")]).run("make a mirror of")?;
        // For people who look at what is kept.
        let about = new.join("about");
        fs::write(&about, &session.url).map_err(|source| GitError::file("write", &about, source))?;
        fs::rename(&new, &self.directory).map_err(|source| GitError::file("rename", &new, source))
    }

    fn remove_stale(&self) -> Result<(), GitError> {
        for name in STALE {
            let path = self.directory.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(GitError::file("remove", &path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// How a repository names its objects, by the length of a name.
pub(super) fn object_format(commit: &str) -> &'static str {
    if commit.len() == 64 { "sha256" } else { "sha1" }
}

fn wait(path: &Path, session: &Session<'_>) -> Result<Lock, GitError> {
    loop {
        if let Some(lock) = Lock::try_exclusive(path)? {
            return Ok(lock);
        }
        if (session.watch.is_canceled)() {
            return Err(GitError::Canceled { url: session.url.clone() });
        }
        thread::sleep(BETWEEN_TRIES);
    }
}
