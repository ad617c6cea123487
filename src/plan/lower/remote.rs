//! Sources of ADD that have to be fetched, and the flags that are about them.

use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast;
use crate::dockerfile::remote::{self, GitRef, HttpUrl, RemoteError, RemoteSource};
use crate::oci::Digest;

use super::super::Source;
use super::super::error::{PlanError, PlanErrorKind};

/// What the flags of an ADD say of what it fetches.
#[derive(Debug)]
pub(super) struct Fetching<'a> {
    /// `--checksum`, expanded, unless it is empty.
    pub(super) checksum: Option<Spanned<String>>,
    /// The instruction.
    pub(super) add: &'a ast::Add,
    /// Where the instruction is.
    pub(super) span: Span,
}

impl Fetching<'_> {
    /// A source as written, variables expanded; `None` for a path.
    pub(super) fn source(&self, text: &str, span: Span) -> Result<Option<Source>, PlanError> {
        match remote::parse(text) {
            None => Ok(None),
            Some(Err(error)) => Err(PlanErrorKind::Remote(error).at(span)),
            Some(Ok(RemoteSource::Http(url))) => self.file(url).map(Some),
            Some(Ok(RemoteSource::Git(tree))) => self.tree(tree).map(Some),
        }
    }

    /// Refuses flags that are not about any of `sources`.
    pub(super) fn check(&self, sources: &[Source]) -> Result<(), PlanError> {
        let is_tree = |source: &Source| matches!(source, Source::Git(_));
        if self.add.keep_git_dir == Some(true) && !sources.iter().any(is_tree) {
            return Err(PlanErrorKind::KeepGitDir.at(self.span));
        }
        if let Some(checksum) = &self.checksum {
            let wrong = match sources {
                [Source::Http { .. } | Source::Git(_)] => None,
                [_] => Some(PlanErrorKind::ChecksumOfLocal),
                _ => Some(PlanErrorKind::ChecksumOfSeveral { count: sources.len() }),
            };
            if let Some(kind) = wrong {
                return Err(kind.at(checksum.span));
            }
        }
        Ok(())
    }

    fn file(&self, url: HttpUrl) -> Result<Source, PlanError> {
        let checksum = match &self.checksum {
            None => None,
            Some(text) => {
                let digest = text.value.parse::<Digest>();
                Some(digest.map_err(|error| PlanErrorKind::Digest(error).at(text.span))?)
            }
        };
        Ok(Source::Http { url, checksum })
    }

    fn tree(&self, mut tree: GitRef) -> Result<Source, PlanError> {
        if let Some(keep) = self.add.keep_git_dir {
            if tree.keep_git_dir.is_some() {
                return Err(twice("--keep-git-dir", "keep-git-dir").at(self.span));
            }
            tree.keep_git_dir = Some(keep);
        }
        if let Some(checksum) = &self.checksum {
            if tree.commit.is_some() {
                return Err(twice("--checksum", "commit").at(checksum.span));
            }
            let required = tree.require_commit(&checksum.value);
            required.map_err(|error| PlanErrorKind::Remote(error).at(checksum.span))?;
        }
        Ok(Source::Git(tree))
    }
}

/// The error for a flag that says what a repository's query says.
fn twice(flag: &'static str, key: &'static str) -> PlanErrorKind {
    PlanErrorKind::Remote(RemoteError::Conflict { first: flag, second: key })
}

/// The error for a source of COPY that has to be fetched.
pub(super) fn refuse_in_copy(text: &str, span: Span) -> Result<(), PlanError> {
    match remote::kind(text) {
        None => Ok(()),
        Some(kind) => Err(PlanErrorKind::CopyRemote { remote: kind.name() }.at(span)),
    }
}
