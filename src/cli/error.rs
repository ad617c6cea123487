//! What a command says when it fails, and with which code it exits.
//!
//! Library errors become a [`CliError`] in one place: kind, the chain of causes, and hints that were chosen by the
//! error's type. The text is
//!
//! ```text
//! error: cannot read the Dockerfile `Dockerfile`
//! caused by: No such file or directory (os error 2)
//! help: name another file with `--file`
//! ```

use std::error::Error;
use std::fmt::Write as _;
use std::process::ExitCode;

use super::human;

/// How long a message may be, in characters.
const MESSAGE_WIDTH: usize = 4000;

/// Why a command failed; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// Anything without a code of its own.
    General,
    /// The command line does not make sense.
    Usage,
    /// `run` and `debug`: strata could not start a command at all.
    Run,
    /// The same: the command exists but cannot be executed.
    NotExecutable,
    /// The same: there is no such command in the image.
    NotFound,
    /// This signal ended strata.
    Interrupted(i32),
}

impl ErrorKind {
    /// The exit code: Docker's, and the shell's.
    pub fn code(self) -> u8 {
        match self {
            Self::General | Self::Usage => 1,
            Self::Run => 125,
            Self::NotExecutable => 126,
            Self::NotFound => 127,
            Self::Interrupted(signal) => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }
}

/// A command's failure in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CliError {
    kind: ErrorKind,
    /// What failed, then what caused it, and so on.
    chain: Vec<String>,
    /// Text that was drawn elsewhere, with the place in a file; stands for the chain.
    drawn: Option<Box<str>>,
    hints: Vec<String>,
    /// The library's error as it is, for `--debug`.
    details: Option<Box<str>>,
    /// What failed besides.
    others: Vec<CliError>,
}

impl CliError {
    /// A failure that has no library error.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self::of(kind, vec![message.into()], None)
    }

    fn of(kind: ErrorKind, chain: Vec<String>, drawn: Option<Box<str>>) -> Self {
        Self { kind, chain, drawn, hints: Vec::new(), details: None, others: Vec::new() }
    }

    /// A library's error with its causes.
    pub fn from_error(kind: ErrorKind, error: &dyn Error) -> Self {
        let mut chain = vec![error.to_string()];
        let mut cause = error.source();
        while let Some(error) = cause {
            let message = error.to_string();
            // Errors of other crates often repeat their cause in their own message.
            if !chain.last().is_some_and(|last| last.ends_with(&message)) {
                chain.push(message);
            }
            cause = error.source();
        }
        Self::of(kind, chain, None)
    }

    /// Diagnostics that were drawn already, with their own `error:` lines.
    pub fn drawn(kind: ErrorKind, text: impl Into<Box<str>>) -> Self {
        Self::of(kind, Vec::new(), Some(text.into()))
    }

    /// Several failures as one, which has the kind of the first; `None` for none.
    pub fn all(failures: Vec<Self>) -> Option<Self> {
        let mut failures = failures.into_iter();
        let first = failures.next()?;
        Some(Self { others: failures.collect(), ..first })
    }

    /// Says before everything else what could not be done because of this.
    #[must_use]
    pub fn context(mut self, message: impl Into<String>) -> Self {
        self.chain.insert(0, message.into());
        self
    }

    /// Adds what the user can do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// The same failure with another kind.
    #[must_use]
    pub fn with_kind(self, kind: ErrorKind) -> Self {
        Self { kind, ..self }
    }

    /// Keeps the error as it is inside, for `--debug`.
    #[must_use]
    pub fn detailed(self, error: &dyn std::fmt::Debug) -> Self {
        Self { details: Some(format!("{error:#?}").into()), ..self }
    }

    /// The error as it is inside, if it came from the library.
    pub fn details(&self) -> Option<&str> {
        self.details.as_deref()
    }

    /// Why the command failed.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The process's exit code.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind.code())
    }

    /// The text for standard error, each line with its end. Colours mark the labels and say nothing by themselves.
    pub fn render(&self, colour: bool) -> String {
        let (red, cyan, bold, reset) =
            if colour { ("\x1b[1;31m", "\x1b[1;36m", "\x1b[1m", "\x1b[0m") } else { ("", "", "", "") };
        let mut text = String::new();
        if let Some(drawn) = &self.drawn {
            text.push_str(drawn.trim_end());
            text.push('\n');
        }
        for (i, message) in self.chain.iter().enumerate() {
            let (label, style) =
                if i == 0 && self.drawn.is_none() { ("error", red) } else { ("caused by", bold) };
            let _ = writeln!(text, "{style}{label}:{reset} {}", indented(message));
        }
        for hint in &self.hints {
            let _ = writeln!(text, "{cyan}help:{reset} {}", indented(hint));
        }
        text.extend(self.others.iter().map(|other| other.render(colour)));
        text
    }
}

/// A message whose further lines do not look like labels of their own. It may repeat what a hostile archive holds: what
/// could control a terminal is escaped, and what nobody would read is cut off.
fn indented(message: &str) -> String {
    let message = human::cut(message.trim_end(), MESSAGE_WIDTH);
    message.split('\n').map(human::harmless).collect::<Vec<_>>().join("\n  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the store `/s`")]
    struct Outer {
        source: Middle,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot lock: {source}")]
    struct Middle {
        source: Inner,
    }

    #[derive(Debug, thiserror::Error)]
    #[error("permission denied")]
    struct Inner;

    fn nested() -> CliError {
        CliError::from_error(ErrorKind::General, &Outer { source: Middle { source: Inner } })
    }

    #[test]
    fn causes_are_listed_once() {
        assert_eq!(
            nested().hint("run as root").render(false),
            "error: cannot open the store `/s`\ncaused by: cannot lock: permission denied\nhelp: run as root\n"
        );
        assert_eq!(
            nested().context("cannot build").render(false),
            "error: cannot build\ncaused by: cannot open the store `/s`\ncaused by: cannot lock: permission denied\n"
        );
    }

    #[test]
    fn colours_mark_labels_only() {
        let error = CliError::new(ErrorKind::Usage, "two\nlines").hint("x");
        assert_eq!(error.render(true), "\x1b[1;31merror:\x1b[0m two\n  lines\n\x1b[1;36mhelp:\x1b[0m x\n");
    }

    #[test]
    fn drawn_diagnostics_stand_for_the_message() {
        let error = CliError::drawn(ErrorKind::General, "error: x\n --> Dockerfile:1\n\n").hint("y");
        assert_eq!(error.render(false), "error: x\n --> Dockerfile:1\nhelp: y\n");
    }

    #[test]
    fn several_failures_are_all_told() {
        assert_eq!(CliError::all(Vec::new()), None);
        let failures = ["a", "b"].map(|text| CliError::new(ErrorKind::Usage, text).hint(text.repeat(2)));
        let all = CliError::all(failures.to_vec()).unwrap();
        assert_eq!(all.kind(), ErrorKind::Usage);
        assert_eq!(all.render(false), "error: a\nhelp: aa\nerror: b\nhelp: bb\n");
    }

    #[test]
    fn kinds_decide_the_exit_code() {
        for (kind, code) in [
            (ErrorKind::General, 1),
            (ErrorKind::Usage, 1),
            (ErrorKind::Run, 125),
            (ErrorKind::NotExecutable, 126),
            (ErrorKind::NotFound, 127),
            (ErrorKind::Interrupted(libc::SIGINT), 130),
            (ErrorKind::Interrupted(libc::SIGTERM), 143),
        ] {
            assert_eq!(nested().with_kind(kind).kind().code(), code);
        }
    }

    #[test]
    fn what_a_message_repeats_is_harmless() {
        let error = CliError::new(ErrorKind::General, "no `\x1b]0;x\x07\u{202e}`\nerror: y");
        assert_eq!(error.render(false), "error: no `\\u{1b}]0;x\\u{7}\\u{202e}`\n  error: y\n");
        let long = CliError::new(ErrorKind::General, "x".repeat(9000)).render(false);
        assert_eq!(long.chars().count(), "error: \n".len() + MESSAGE_WIDTH);
    }
}
