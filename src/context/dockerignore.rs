//! Which paths of a context an ignore file hides.
//!
//! Owns the ignore file's lines, their order and what follows from it; the patterns themselves are
//! [`crate::tree::glob`]'s. Pure but for [`Dockerignore::find`]; must not know how a context is walked.
//!
//! The rule that everything rests on: of all lines that fit a path *or a directory above it*, the last decides. So
//! the verdict on a path is the later one of its directory's verdict and the last line that fits the path itself,
//! and a walk never looks at a line twice for one component.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::lines::Normal;
use self::rules::Rules;
use crate::tree::TreePath;
use crate::tree::glob::{Pattern, PatternError, Stars};

mod lines;
mod rules;

/// The lines of an ignore file, compiled.
#[derive(Debug, Default)]
pub struct Dockerignore {
    file: Option<PathBuf>,
    lines: Vec<Line>,
    rules: Rules,
}

/// A line that holds a pattern.
#[derive(Debug)]
pub struct Line {
    /// Its number in the file, from 1.
    pub number: usize,
    /// The line as it was written, without white space around it; bytes that are not UTF-8 are replaced.
    pub text: Box<str>,
    /// Whether it begins with `!` and so makes visible what it fits.
    shows: bool,
    pattern: Pattern,
}

/// What the lines say of a path: which of them decides, if any.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// One more than the place of the deciding line among the lines with patterns; 0 for none. More is later.
    rank: u32,
    hidden: bool,
}

impl Verdict {
    /// Whether the path itself is hidden. A hidden directory is still there if something below it is visible.
    pub fn is_hidden(self) -> bool {
        self.hidden
    }
}

/// An ignore file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DockerignoreError {
    /// It cannot be read.
    #[error("cannot read the ignore file `{}`", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A line has nothing but a `!`.
    #[error("{} line {line}: `!` has no pattern behind it", name(file.as_deref()))]
    LoneExclamation {
        /// The file, if the lines came from one.
        file: Option<PathBuf>,
        /// The line's number, from 1.
        line: usize,
    },
    /// A pattern is malformed.
    #[error("{} line {line}", name(file.as_deref()))]
    Pattern {
        /// The file, if the lines came from one.
        file: Option<PathBuf>,
        /// The line's number, from 1.
        line: usize,
        /// What is wrong with it.
        source: PatternError,
    },
}

fn name(file: Option<&Path>) -> String {
    file.map_or_else(|| "exclusion".to_owned(), |file| format!("`{}`", file.display()))
}

impl Dockerignore {
    /// Reads the ignore file of a build: `<dockerfile>.dockerignore` beside the Dockerfile if it is there, else
    /// `.dockerignore` in the context, else nothing is hidden.
    pub fn find(context: &Path, dockerfile: Option<&Path>) -> Result<Self, DockerignoreError> {
        for file in dockerfile.map(Self::beside).into_iter().chain([context.join(".dockerignore")]) {
            if let Some(ignore) = Self::read(file)? {
                return Ok(ignore);
            }
        }
        Ok(Self::default())
    }

    /// Where a Dockerfile's own ignore file is, if it has one.
    pub fn beside(dockerfile: &Path) -> PathBuf {
        let mut file = dockerfile.as_os_str().to_owned();
        file.push(".dockerignore");
        PathBuf::from(file)
    }

    /// Reads an ignore file; `None` if there is none.
    pub fn read(file: PathBuf) -> Result<Option<Self>, DockerignoreError> {
        match fs::read(&file) {
            Ok(text) => Self::parse(&text, Some(file)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DockerignoreError::Read { file, source }),
        }
    }

    /// Compiles the text of an ignore file; `file` is its name in messages.
    pub fn parse(text: &[u8], file: Option<PathBuf>) -> Result<Self, DockerignoreError> {
        Self::compile(lines::of_text(text), file)
    }

    /// Compiles single patterns, such as those of `--exclude`, as if each were a line.
    pub fn from_patterns<'a>(
        patterns: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, DockerignoreError> {
        let lines = patterns.into_iter().enumerate();
        Self::compile(lines.filter_map(|(i, pattern)| lines::normalise(i + 1, pattern)), None)
    }

    fn compile<'a>(
        normal: impl Iterator<Item = Normal<'a>>,
        file: Option<PathBuf>,
    ) -> Result<Self, DockerignoreError> {
        let mut lines = Vec::new();
        for Normal { number, text, shows, pattern } in normal {
            if pattern.is_empty() {
                return Err(DockerignoreError::LoneExclamation { file, line: number });
            }
            let pattern = match Pattern::new(&pattern, Stars::Double) {
                Ok(pattern) => pattern,
                Err(source) => return Err(DockerignoreError::Pattern { file, line: number, source }),
            };
            lines.push(Line { number, text: String::from_utf8_lossy(text).into(), shows, pattern });
        }
        let rules = Rules::new(lines.iter().map(|line| &line.pattern));
        Ok(Self { file, lines, rules })
    }

    /// The file that the lines came from.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether there is no line at all, so that nothing is hidden.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Whether a line makes visible what an earlier one hides.
    pub fn has_exceptions(&self) -> bool {
        self.lines.iter().any(|line| line.shows)
    }

    /// The verdict on a path. The root is never hidden.
    pub fn verdict(&self, path: &TreePath) -> Verdict {
        self.verdict_on(path.as_bytes())
    }

    /// [`Dockerignore::verdict`] on a path in normal form.
    pub(super) fn verdict_on(&self, path: &[u8]) -> Verdict {
        let mut verdict = Verdict::default();
        if path.is_empty() || self.is_empty() {
            return verdict;
        }
        for (end, _) in path.iter().enumerate().filter(|&(_, &b)| b == b'/') {
            verdict = self.verdict_in(verdict, &path[..end]);
        }
        self.verdict_in(verdict, path)
    }

    /// The verdict on a path in normal form, given that on its directory. Not for the root.
    pub fn verdict_in(&self, directory: Verdict, path: &[u8]) -> Verdict {
        match self.rules.last_fit(path, directory.rank, &self.lines) {
            None => directory,
            Some(place) => Verdict { rank: place as u32 + 1, hidden: !self.lines[place].shows },
        }
    }

    /// The line that a verdict rests on; `None` if no line fits.
    pub fn deciding(&self, verdict: Verdict) -> Option<&Line> {
        self.lines.get((verdict.rank as usize).checked_sub(1)?)
    }

    /// Whether nothing below the directory `dir`, on which the verdict is `verdict`, can be visible: it is hidden, and
    /// no later line that makes paths visible could fit anything below it.
    pub fn can_prune(&self, dir: &[u8], verdict: Verdict) -> bool {
        let later = &self.lines[verdict.rank as usize..];
        verdict.hidden && !later.iter().any(|line| line.shows && line.pattern.could_match_below(dir))
    }
}

#[cfg(test)]
pub(super) mod tests;
