//! What a repository of the user's says of files that lie in it.

use std::ffi::OsStr;
use std::io;
use std::path::Path;
use std::process::{Command, Stdio};

use super::command::SEARCH_PATH;
use super::{Git, GitError};

impl Git {
    /// When the commit was made that is checked out where `directory` is, in seconds since 1970. `None` if there is no
    /// repository, or if its commit has nothing of the directory.
    ///
    /// Whoever the files belong to: only objects are read, and no program that the repository names is run.
    pub fn commit_time(&self, directory: &Path) -> Result<Option<i64>, GitError> {
        if !directory.ancestors().any(|above| above.join(".git").exists()) {
            return Ok(None);
        }
        let listed = self.asked(directory, &["ls-tree", "HEAD", "."])?;
        if listed.is_none_or(|listed| listed.is_empty()) {
            return Ok(None);
        }
        let commit = self.asked(directory, &["cat-file", "commit", "HEAD"])?;
        Ok(commit.as_deref().and_then(committed))
    }

    /// What `git` prints; `None` if it fails.
    fn asked(&self, directory: &Path, arguments: &[&str]) -> Result<Option<String>, GitError> {
        let mut command = Command::new(&self.program);
        command.env_clear().current_dir(directory);
        command
            .env("PATH", self.search_path.as_deref().unwrap_or(OsStr::new(SEARCH_PATH)))
            .env("HOME", "/nonexistent")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_NO_LAZY_FETCH", "1");
        command.args(["--no-replace-objects", "-c", "safe.directory=*", "-c", "core.fsmonitor=false"]);
        command.args(arguments).stdin(Stdio::null()).stderr(Stdio::null());
        let program = || self.program.clone();
        let output = command.output().map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => GitError::Missing { program: program() },
            _ => GitError::Run { program: program(), source },
        })?;
        let printed = || String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(output.status.success().then(printed))
    }
}

/// The committer's time: the last but one word of the line that begins so.
fn committed(commit: &str) -> Option<i64> {
    let mut headers = commit.lines().take_while(|line| !line.is_empty());
    let line = headers.find_map(|line| line.strip_prefix("committer "))?;
    line.rsplit(' ').nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_the_committers() {
        let commit = "tree 1\nparent 2\nauthor a b <c> 5 +0000\ncommitter a > 9 b <c> 7 +0130\n\ncommitter x 8 +0000\n";
        assert_eq!(committed(commit), Some(7));
        assert_eq!(committed("tree 1\n\ncommitter a 8 +0000\n"), None);
    }
}
