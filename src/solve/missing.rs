//! Why a source of COPY or ADD is not there, in words.

use std::convert::Infallible;

use crate::diagnostic::nearest;
use crate::plan::ContextName;
use crate::tree::{IndexFileError, Lookup as _, ResolveError, SelectError, TreePath, View};

use super::context::Context;
use super::error::StepError;

/// A source that the context has not. `place` is what the context is called.
pub(super) fn no_context_source(
    pattern: &str,
    error: &SelectError<Infallible>,
    context: &Context,
    place: Option<&ContextName>,
) -> StepError {
    match DeadEnd::of(error) {
        None => bad(pattern, error),
        Some(dead_end) => StepError::NoSource {
            source_path: pattern.to_owned(),
            place: match place {
                Some(ContextName::Named(name)) => format!("the named context `{name}`"),
                Some(ContextName::Main) | None => "the build context".to_owned(),
            },
            why: dead_end.tell(|| Some(context.absence(dead_end.at))),
            similar: dead_end.similar(|dir| context.names_in(dir)),
        },
    }
}

/// A source that a stage or an image has not.
pub(super) fn no_state_source(pattern: &str, error: SelectError<IndexFileError>, view: &View) -> StepError {
    let Some(dead_end) = DeadEnd::of(&error) else {
        return match error {
            SelectError::Resolve(ResolveError::Lookup(error)) => StepError::Index(error),
            other => bad(pattern, &other),
        };
    };
    let names = |dir: &TreePath| {
        let children = view.children(dir).unwrap_or_default();
        children.iter().map(|(path, _)| shown(path)).collect()
    };
    StepError::NoSource {
        source_path: pattern.to_owned(),
        place: "the stage or image that it is copied from".to_owned(),
        why: dead_end.tell(|| None),
        similar: dead_end.similar(names),
    }
}

fn bad<E: std::error::Error>(pattern: &str, error: &SelectError<E>) -> StepError {
    StepError::BadSource { source_path: pattern.to_owned(), why: error.to_string() }
}

/// Where the way to a source ends.
#[derive(Clone, Copy)]
struct DeadEnd<'e> {
    /// What was asked for.
    path: &'e TreePath,
    /// The first component that is wrong, with links resolved above it.
    at: &'e TreePath,
    /// Whether that is there, but no directory.
    is_directory_wanted: bool,
}

impl<'e> DeadEnd<'e> {
    fn of<E>(error: &'e SelectError<E>) -> Option<Self> {
        match error {
            SelectError::Resolve(ResolveError::Missing { path, at }) => {
                Some(Self { path, at, is_directory_wanted: false })
            }
            SelectError::Resolve(ResolveError::NotADirectory { path, at }) => {
                Some(Self { path, at, is_directory_wanted: true })
            }
            _ => None,
        }
    }

    /// What the way came to. `absence` is more on why nothing is there, if nothing is.
    fn tell(&self, absence: impl FnOnce() -> Option<String>) -> Option<String> {
        let at = shown(self.at);
        match (self.is_as_written(), self.is_directory_wanted) {
            (true, true) => Some(format!("`{at}` is not a directory")),
            (true, false) => absence(),
            (false, true) => Some(format!("{}, which is not a directory", self.detour())),
            (false, false) => match absence() {
                Some(why) => Some(format!("{}: {why}", self.detour())),
                None => Some(format!("{}, which does not exist", self.detour())),
            },
        }
    }

    fn detour(&self) -> String {
        format!("a symbolic link leads from `{}` to `{}`", shown(self.path), shown(self.at))
    }

    /// What was meant, perhaps. Where a link leads, nobody mistyped a source.
    fn similar(&self, names_in: impl Fn(&TreePath) -> Vec<String>) -> Option<String> {
        if !self.is_as_written() {
            return None;
        }
        let names = names_in(&self.at.parent().unwrap_or_default());
        nearest(&shown(self.at), names.iter().map(String::as_str)).map(str::to_owned)
    }

    fn is_as_written(&self) -> bool {
        self.path.is_below(self.at)
    }
}

/// A path as sources are written.
fn shown(path: &TreePath) -> String {
    String::from_utf8_lossy(path.as_bytes()).into_owned()
}
