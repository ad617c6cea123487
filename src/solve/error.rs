//! What can go wrong while a plan is carried out.

use std::io;
use std::path::PathBuf;

use crate::cgroup::CgroupError;
use crate::context::{ContextError, DockerignoreError};
use crate::diagnostic::Span;
use crate::exec::{ExecError, Status};
use crate::layer::{ApplyError, PartsError, PlaceError, StreamError};
use crate::network::NetworkError;
use crate::remote::git::GitError;
use crate::remote::http::HttpError;
use crate::store::StoreError;
use crate::sys::lock::LockError;
use crate::tree::{IndexFileError, TreePath};

use super::assemble::AssembleError;

/// A step failed.
#[derive(Debug, thiserror::Error)]
#[error("failed at `{name}`")]
pub struct SolveError {
    /// The step, as progress shows it.
    pub name: String,
    /// The instruction in the Dockerfile.
    pub span: Span,
    /// The text of the ONBUILD trigger that the step comes from.
    pub trigger: Option<String>,
    /// Under which id what its command left is kept.
    pub kept: Option<String>,
    /// What went wrong.
    pub source: Box<StepError>,
}

/// What went wrong in a step.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The command of a RUN failed.
    #[error("the command `{command}` {}", ended(*status))]
    Command {
        /// The command.
        command: String,
        /// How it ended.
        status: Status,
    },
    /// The command of a RUN failed after the kernel had killed processes for want of memory.
    #[error("the command `{command}` ran out of memory: {why}")]
    OutOfMemory {
        /// The command.
        command: String,
        /// What there was not enough of.
        why: String,
    },
    /// A control group for a sandbox cannot be made.
    #[error(transparent)]
    Cgroup(#[from] CgroupError),
    /// Nothing in the image can be typed at.
    #[error("there is no shell in the image: neither {}", tried.iter().map(|program| format!("`{program}`")).collect::<Vec<_>>().join(" nor "))]
    NoShell {
        /// The programs that were looked for.
        tried: Vec<String>,
    },
    /// What a failed step left cannot be understood.
    #[error("what is kept of the failed step cannot be read")]
    Scene {
        /// Why not.
        source: serde_json::Error,
    },
    /// The sandbox could not be set up or the command not be started.
    #[error(transparent)]
    Sandbox(#[from] ExecError),
    /// A source is not there.
    #[error("`{source_path}` is not found in {place}{}", why.as_ref().map(|why| format!(": {why}")).unwrap_or_default())]
    NoSource {
        /// As written.
        source_path: String,
        /// Where it was looked for, in words.
        place: String,
        /// Why it is not there, if that is known.
        why: Option<String>,
        /// The names that are near it.
        similar: Option<String>,
    },
    /// Something is wrong with one of a copy's sources.
    #[error("{error}")]
    Source {
        /// Which one, from 0.
        number: usize,
        /// What.
        error: Box<StepError>,
    },
    /// A COPY needs a context, and the build has none.
    #[error("there is no build context to copy from")]
    NoContext,
    /// A source's pattern is malformed or leads through links without an end.
    #[error("`{source_path}` cannot be looked for: {why}")]
    BadSource {
        /// As written.
        source_path: String,
        /// Why not.
        why: String,
    },
    /// Files cannot be put where they should go.
    #[error(transparent)]
    Assemble(#[from] AssembleError<IndexFileError>),
    /// A name in `--chown` cannot be looked up because there is nothing to look in.
    #[error("`--chown={owner}` has a name in it, and an image from `scratch` has no accounts to look it up")]
    NoAccounts {
        /// As written.
        owner: String,
    },
    /// The user of a WORKDIR cannot be looked up because there is nothing to look in.
    #[error(
        "the directory shall belong to the user `{user}`, and an image from `scratch` has no accounts to look it up"
    )]
    NoAccountsForUser {
        /// As USER says.
        user: String,
    },
    /// A name in `--chown` cannot be looked up because of `--link`.
    #[error("`--chown={owner}` has a name in it, and with `--link` nothing is looked up in the image")]
    LinkedOwner {
        /// As written.
        owner: String,
    },
    /// A pattern of `--exclude` is malformed.
    #[error(transparent)]
    Exclude(#[from] DockerignoreError),
    /// What a cache mount is to begin with is no directory.
    #[error("`{0}` is not a directory, and a cache can only begin as one")]
    SeedNotDirectory(TreePath),
    /// A RUN needs a secret, and it was not given.
    #[error("the secret `{id}` is required, and was not given")]
    NoSecret {
        /// Its name.
        id: String,
    },
    /// A RUN needs an SSH agent, and none was given.
    #[error("the SSH agent `{id}` is required, and was not given")]
    NoAgent {
        /// Its name.
        id: String,
    },
    /// An archive among the sources of an ADD cannot be unpacked.
    #[error("cannot unpack `{path}`")]
    Unpack {
        /// The archive.
        path: TreePath,
        /// Why not.
        source: ApplyError,
    },
    /// A file cannot be fetched.
    #[error(transparent)]
    Http(HttpError),
    /// A tree cannot be fetched.
    #[error(transparent)]
    Git(GitError),
    /// A network for a sandbox cannot be made.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// The context cannot be read, or changed under the build.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A file changed between the look at it and its copy.
    #[error("`{0}` changed during the build")]
    Changed(TreePath),
    /// The result of a RUN cannot be made a layer.
    #[error(transparent)]
    Commit(#[from] crate::layer::CommitError),
    /// A layer's content cannot be moved.
    #[error(transparent)]
    Stream(Box<StreamError<StepError>>),
    /// An entry of a layer cannot be made.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// A stored layer cannot be read.
    #[error(transparent)]
    Parts(#[from] PartsError),
    /// The store refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A stored tree index cannot be read.
    #[error(transparent)]
    Index(#[from] IndexFileError),
    /// A lock cannot be had.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// A file operation failed.
    #[error("cannot {operation} `{}`", path.display())]
    Io {
        /// What was being done.
        operation: &'static str,
        /// To what.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The build was interrupted, or another step failed.
    #[error("canceled")]
    Canceled,
}

impl From<HttpError> for StepError {
    fn from(error: HttpError) -> Self {
        match error {
            HttpError::Canceled { .. } => Self::Canceled,
            error => Self::Http(error),
        }
    }
}

impl From<GitError> for StepError {
    fn from(error: GitError) -> Self {
        match error {
            GitError::Canceled { .. } => Self::Canceled,
            error => Self::Git(error),
        }
    }
}

impl StepError {
    /// The error as one about a copy's source, counted from 0.
    pub(super) fn of_source(self, number: usize) -> Self {
        match self {
            Self::Canceled => Self::Canceled,
            error => Self::Source { number, error: Box::new(error) },
        }
    }

    /// The message for a place where the step's command stands already.
    pub(super) fn without_command(&self) -> String {
        match self {
            Self::Command { status, .. } => format!("the command {}", ended(*status)),
            other => other.to_string(),
        }
    }
}

fn ended(status: Status) -> String {
    match status {
        Status::Exit(code) => format!("did not complete successfully: exit code {code}"),
        Status::Signal(signal) => format!("was ended by signal {signal}"),
    }
}
