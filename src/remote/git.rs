//! Trees from Git repositories, by the program `git`.
//!
//! [`Git::resolve`] asks a server which commit a reference means, which is enough to look for an earlier result;
//! [`Git::checkout`] fetches that commit and lays its files out. A mirror of each repository is kept, so that a
//! commit comes once; what is fetched is as little history as the server allows.
//!
//! The repository and its submodules are strangers: `git` reads no configuration but ours, runs no hooks, asks no
//! questions and speaks only HTTP, ssh and its own protocol. No address, reference or path can become an option.
//!
//! The way through the files: `command` says how `git` is run and `process` does it, `mirror` is what is kept, `worktree` makes files of a commit, `local` asks a repository of the user's,
//! `credentials` takes passwords out of addresses, `error` says what went wrong.

mod command;
mod credentials;
mod error;
mod local;
mod mirror;
mod process;
mod worktree;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dockerfile::remote::{GitRef, is_full_commit};

use super::{Authorization, Proxies, Watch};
use command::Session;
use mirror::Mirror;

pub use error::GitError;

/// How `git` is run.
#[derive(Debug, Clone)]
pub struct Git {
    /// The program; a name is looked for in the search path.
    pub program: PathBuf,
    /// The variable `PATH` for it and its helpers.
    pub search_path: Option<OsString>,
    /// The socket of an ssh agent.
    pub ssh_auth_sock: Option<PathBuf>,
    /// The file with the keys of hosts that ssh may speak to, instead of the user's.
    pub known_hosts: Option<PathBuf>,
    /// The file with the authorities for TLS, instead of the machine's.
    pub ca_file: Option<PathBuf>,
    /// Which proxies to go through.
    pub proxies: Proxies,
    /// Whether a repository may be a directory of this machine. Submodules never are.
    pub allow_file: bool,
    /// How long a server may be silent.
    pub stall_timeout: Duration,
}

impl Default for Git {
    fn default() -> Self {
        Self {
            program: PathBuf::from("git"),
            search_path: None,
            ssh_auth_sock: None,
            known_hosts: None,
            ca_file: None,
            proxies: Proxies::default(),
            allow_file: false,
            stall_timeout: Duration::from_secs(300),
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone)]
pub struct GitRequest {
    /// The repository and what of it.
    pub source: GitRef,
    /// The value of an `Authorization` header for the repository's host, over HTTP. It goes before a user and a
    /// password in the address.
    pub authorization: Option<Authorization>,
}

/// Which commit a request means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    commit: String,
    /// The commit, or the tag object that names it.
    object: String,
    /// The reference by its full name, if the server was asked.
    reference: Option<String>,
}

impl Resolved {
    /// The commit, with all digits.
    pub fn commit(&self) -> &str {
        &self.commit
    }
}

/// Files that were checked out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOut {
    /// Of this commit, with all digits.
    pub commit: String,
    /// When it was made, in seconds since 1970.
    pub commit_time: i64,
    /// Where they lie: the directory that was asked for, somewhere below the place that the caller named.
    pub directory: PathBuf,
}

impl Git {
    /// Asks which commit a request means. A full commit needs no asking.
    pub fn resolve(&self, request: &GitRequest, watch: &Watch<'_>) -> Result<Resolved, GitError> {
        let session = Session::new(self, request, watch)?;
        let source = &request.source;
        let given = match (&source.reference, &source.commit) {
            (_, Some(commit)) if source.fetch_by_commit => Some(commit),
            (Some(reference), _) if is_full_commit(reference) => Some(reference),
            (None, Some(commit)) if is_full_commit(commit) => Some(commit),
            _ => None,
        };
        let resolved = match given {
            Some(commit) => {
                let commit = commit.to_ascii_lowercase();
                Resolved { object: commit.clone(), commit, reference: None }
            }
            None => session.ask(source.reference.as_deref())?,
        };
        match &source.commit {
            Some(expected) if !resolved.commit.starts_with(expected.as_str()) => Err(GitError::Commit {
                url: session.url,
                expected: expected.clone(),
                actual: resolved.commit,
                reference: source.reference.clone().unwrap_or_else(|| "HEAD".to_owned()),
            }),
            _ => Ok(resolved),
        }
    }

    /// Fetches what a request was resolved to and lays it out below `into`, which must not exist. Mirrors are kept
    /// below `keep`; of several processes that want the same repository one fetches at a time.
    ///
    /// Files get the modes 0644 and 0755, directories 0755. Of a submodule and of the repository the `.git` goes,
    /// unless the request keeps it; it stands in the root of the repository, so a request for a directory below has
    /// none.
    pub fn checkout(
        &self,
        request: &GitRequest,
        resolved: &Resolved,
        keep: &Path,
        into: &Path,
        watch: &Watch<'_>,
    ) -> Result<CheckedOut, GitError> {
        let session = Session::new(self, request, watch)?;
        let mirror = Mirror::open(keep, &session, resolved)?;
        mirror.fetch(&session, resolved)?;
        let commit_time = mirror.commit_time(&session, &resolved.commit)?;
        fs::create_dir(into).map_err(|source| GitError::file("make the directory", into, source))?;
        let laid_out = worktree::lay_out(&session, &mirror, resolved, commit_time, into);
        match laid_out {
            Ok(directory) => Ok(CheckedOut { commit: resolved.commit.clone(), commit_time, directory }),
            Err(error) => {
                // The caller learns of the error that came first.
                let _ = fs::remove_dir_all(into);
                Err(error)
            }
        }
    }
}

impl Session<'_> {
    /// Asks the server what a reference points to; `None` for the default branch.
    fn ask(&self, reference: Option<&str>) -> Result<Resolved, GitError> {
        let names = candidates(reference.unwrap_or("HEAD"));
        let mut patterns = names.clone();
        patterns.extend(names.iter().map(|name| format!("{name}^{{}}")));
        let listing = self
            .command()
            .args(["ls-remote", "--symref", "--"])
            .args([&self.url])
            .args(&patterns)
            .remote()
            .run("ask for the references of")?;
        find(&listing, &names).ok_or_else(|| match reference {
            None => GitError::NoDefaultBranch { url: self.url.clone() },
            Some(reference) => {
                GitError::NoReference { url: self.url.clone(), reference: reference.to_owned() }
            }
        })
    }
}

/// The full names that a reference may mean, the one to take first. Like `git checkout`, a branch goes before a tag.
fn candidates(reference: &str) -> Vec<String> {
    if reference == "HEAD" || reference.starts_with("refs/") {
        return vec![reference.to_owned()];
    }
    ["refs/heads/", "refs/", "refs/tags/"].iter().map(|prefix| format!("{prefix}{reference}")).collect()
}

/// Looks for the first of `names` in what `git ls-remote --symref` printed. A pattern matches more than the name.
fn find(listing: &str, names: &[String]) -> Option<Resolved> {
    let lines: Vec<(&str, &str)> = listing.lines().filter_map(|line| line.split_once('\t')).collect();
    let id_of = |name: &str| {
        let found = lines.iter().find(|(id, of)| *of == name && is_full_commit(id));
        found.map(|(id, _)| (*id).to_owned())
    };
    names.iter().find_map(|name| {
        let object = id_of(name)?;
        let commit = id_of(&format!("{name}^{{}}")).unwrap_or_else(|| object.clone());
        let branch = lines.iter().find_map(|(of, to)| of.strip_prefix("ref: ").filter(|_| to == name));
        Some(Resolved { commit, object, reference: Some(branch.unwrap_or(name).to_owned()) })
    })
}

#[cfg(test)]
mod tests;
