//! What can go wrong with a Git repository.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::sys::lock::LockError;

/// A tree could not be fetched. Addresses are without passwords.
#[derive(Debug, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum GitError {
    #[error("Git repositories need the program `{}`, and it is not installed", program.display())]
    Missing { program: PathBuf },
    #[error("cannot run `{}`", program.display())]
    Run { program: PathBuf, source: io::Error },
    #[error("cannot {doing} `{url}`: {said}")]
    Failed { doing: &'static str, url: String, said: String },
    #[error("cannot {doing} `{url}`: the server was silent for {} s", after.as_secs())]
    Timeout { doing: &'static str, url: String, after: Duration },
    #[error("fetching `{url}` was canceled")]
    Canceled { url: String },
    #[error("`{text}` cannot be given to git")]
    Unsafe { text: String },
    #[error("`{url}` has no branch or tag `{reference}`")]
    NoReference { url: String, reference: String },
    #[error("`{url}` has no default branch")]
    NoDefaultBranch { url: String },
    #[error("`{url}` has no commit `{commit}`")]
    NoCommit { url: String, commit: String },
    #[error("`{reference}` of `{url}` is commit `{actual}`, but `{expected}` was asked for")]
    Commit { url: String, reference: String, expected: String, actual: String },
    #[error("`{subdir}` is no directory in commit `{commit}` of `{url}`")]
    Subdir { url: String, commit: String, subdir: String },
    #[error("`{subdir}` in commit `{commit}` of `{url}` leads out of the repository")]
    SubdirOutside { url: String, commit: String, subdir: String },
    #[error("cannot {operation} `{}`", path.display())]
    File { operation: &'static str, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Lock(#[from] LockError),
}

impl GitError {
    pub(super) fn file(operation: &'static str, path: &Path, source: io::Error) -> Self {
        Self::File { operation, path: path.to_owned(), source }
    }

    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Missing { .. } => Some("install it: `apt-get install git`"),
            Self::NoReference { reference, .. } if reference.bytes().all(|b| b.is_ascii_hexdigit()) => {
                Some("a commit has to be named with all of its digits")
            }
            Self::Failed { said, .. } if said.contains("Host key verification failed") => {
                Some("make the host known to ssh: `ssh-keyscan HOST >> ~/.ssh/known_hosts`")
            }
            Self::Failed { said, .. } if said.contains("ould not read Username") => {
                Some("there is no such repository, or it wants credentials")
            }
            Self::Failed { said, .. } if said.contains("cannot run ssh") => {
                Some("install ssh: `apt-get install openssh-client`")
            }
            _ => None,
        }
    }
}
