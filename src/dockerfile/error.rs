//! What can be wrong with a Dockerfile, and what to do about it.
//!
//! An error is a kind and a place. A kind carries data; its text is made here and nowhere else: `Display` says what
//! is wrong, [`ParseErrorKind::help`] what helps.

use std::fmt;

use crate::diagnostic::{Diagnostic, Span};

use super::mount::MountError;
use super::word::ExpandError;

/// A mistake at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub kind: ParseErrorKind,
    /// Where.
    pub span: Span,
}

impl ParseError {
    /// Joins a kind and its place.
    pub fn new(kind: impl Into<ParseErrorKind>, span: Span) -> Self {
        Self { kind: kind.into(), span }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl std::error::Error for ParseError {}

impl From<ParseError> for Diagnostic {
    fn from(error: ParseError) -> Self {
        (&error).into()
    }
}

impl From<&ParseError> for Diagnostic {
    fn from(error: &ParseError) -> Self {
        let diagnostic = Diagnostic::error(error.to_string()).at(error.span);
        match error.kind.help() {
            Some(help) => diagnostic.help(help),
            None => diagnostic,
        }
    }
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(
    missing_docs,
    reason = "the message says what a variant is, its fields are the words in the message"
)]
pub enum ParseErrorKind {
    #[error("the Dockerfile cannot be empty")]
    EmptyFile,
    #[error("file with no instructions")]
    NoInstructions,
    #[error("no stages to build: there is no `FROM`")]
    NoStages,
    #[error("line of {length} bytes is larger than the allowed size of {max} bytes", max = super::lines::MAX_LINE)]
    LineTooLong { length: usize },

    #[error("only one `{name}` parser directive can be used")]
    RepeatedDirective { name: &'static str },
    #[error("invalid escape character `{value}`: expected `\\` or `` ` ``")]
    InvalidEscape { value: String },
    #[error("invalid `check` directive: `{part}`")]
    InvalidCheck { part: String },

    #[error("unknown instruction: `{word}`")]
    UnknownInstruction {
        word: String,
        similar: Option<&'static str>,
        /// The escape character, if the word may be a part of the instruction above it.
        continues: Option<char>,
    },
    #[error("no build stage in current context: `{instruction}` comes before the first `FROM`")]
    BeforeFrom { instruction: &'static str },
    #[error("heredoc is not terminated: no line is `{name}`")]
    UnterminatedHeredoc { name: String },
    #[error("JSON form of `{instruction}` may only contain strings")]
    NotStrings { instruction: &'static str },
    #[error("`{instruction}` needs exactly one argument")]
    ExactlyOneArgument { instruction: &'static str },
    #[error("`{instruction}` needs at least one argument")]
    AtLeastOneArgument { instruction: &'static str },

    #[error("unknown flag: `--{flag}`")]
    UnknownFlag { flag: String, instruction: &'static str, similar: Option<&'static str> },
    #[error("duplicate flag: `--{flag}` may be given only once")]
    DuplicateFlag { flag: &'static str },
    #[error("missing a value on flag `--{flag}`")]
    FlagWithoutValue { flag: &'static str },
    #[error("expecting boolean value `true` or `false` for flag `--{flag}`, not `{value}`")]
    FlagNotBoolean { flag: &'static str, value: String },
    #[error("invalid value `{value}` for flag `--{flag}`")]
    FlagValue { flag: &'static str, value: String, expected: &'static str },
    #[error("variable expansion is not supported in `--from={value}`")]
    FromVariable { value: String },

    #[error("`FROM` needs either one or three arguments")]
    FromArguments,
    #[error("expected `AS` before the name of the stage, not `{word}`")]
    FromWithoutAs { word: String },
    #[error("invalid name for build stage: `{name}`")]
    StageName { name: String },

    #[error("`{instruction}` names cannot be blank")]
    BlankName { instruction: &'static str },
    #[error("cannot find `=` in `{word}`: must be of the form `name=value`")]
    NotAPair { word: String },
    #[error("`{instruction}` needs a value for `{key}`")]
    NameWithoutValue { instruction: &'static str, key: String },

    #[error("`{instruction}` needs at least one source and a destination")]
    NoDestination { instruction: &'static str },
    #[error("`{instruction}` cannot accept a heredoc as its destination")]
    HeredocDestination { instruction: &'static str },

    #[error("`SHELL` needs its arguments in JSON form")]
    ShellNotJson,
    #[error("`VOLUME` paths cannot be empty")]
    EmptyVolume,
    #[error("`RUN` needs a command")]
    RunWithoutCommand,
    #[error("unknown type `{word}` in `HEALTHCHECK`")]
    HealthcheckType { word: String },
    #[error("`HEALTHCHECK NONE` takes no arguments")]
    HealthcheckNone,
    #[error("missing command after `HEALTHCHECK CMD`")]
    HealthcheckWithoutCommand,
    #[error("`--{flag}` cannot be less than 1ms")]
    DurationTooShort { flag: &'static str },
    #[error("`ONBUILD ONBUILD` is not allowed")]
    OnBuildChain,
    #[error("`{instruction}` is not allowed as an `ONBUILD` trigger")]
    OnBuildTrigger { instruction: &'static str },
    #[error("an `ONBUILD` trigger must be a single instruction")]
    TriggerNotSingle,

    #[error(transparent)]
    Mount(#[from] MountError),
    #[error(transparent)]
    Expand(#[from] ExpandError),
}

impl ParseErrorKind {
    /// What the user can do about it.
    pub fn help(&self) -> Option<String> {
        let help = match self {
            Self::UnknownInstruction { similar: Some(similar), .. } => format!("did you mean `{similar}`?"),
            Self::UnknownInstruction { continues: Some(escape), .. } => {
                format!("if it belongs to the instruction above, end the line above with `{escape}`")
            }
            Self::UnterminatedHeredoc { name } => format!("end it with a line that holds only `{name}`"),
            Self::UnknownFlag { similar: Some(similar), .. } => format!("did you mean `--{similar}`?"),
            Self::UnknownFlag { instruction, .. } => match super::flags::names(instruction) {
                names if names.is_empty() => format!("`{instruction}` has no flags"),
                names => format!("`{instruction}` knows {}", names.join(", ")),
            },
            Self::NoStages | Self::BeforeFrom { .. } => "only `ARG` may come before the first `FROM`".into(),
            Self::FlagValue { expected, .. } => format!("expected {expected}"),
            Self::FromVariable { .. } => {
                "give the image a name with `FROM … AS name` and use that name here".into()
            }
            Self::InvalidCheck { .. } => {
                "expected `skip=<rules>`, `experimental=<rules>` or `error=true`, separated by `;`".into()
            }
            Self::FromArguments => "write `FROM image` or `FROM image AS name`".into(),
            Self::StageName { .. } => {
                "a name begins with a letter and goes on with letters, digits, `-`, `_` and `.`".into()
            }
            Self::ShellNotJson => "write `SHELL [\"executable\", \"parameter\"]`".into(),
            Self::HealthcheckType { .. } => "write `HEALTHCHECK CMD command` or `HEALTHCHECK NONE`".into(),
            Self::NameWithoutValue { instruction, key } => format!("write `{instruction} {key}=value`"),
            Self::Mount(error) => return error.help(),
            _ => return None,
        };
        Some(help)
    }
}

/// Something that means something, though perhaps not what its author meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What is odd.
    pub kind: WarningKind,
    /// Where.
    pub span: Span,
}

/// What is odd.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum WarningKind {
    /// An empty line between the lines of an instruction.
    // BuildKit's words, because other programs look for them.
    #[error("Empty continuation line")]
    NoEmptyContinuation,
}

impl WarningKind {
    /// The name of the rule, as a `check` directive writes it.
    pub fn rule(self) -> &'static str {
        match self {
            Self::NoEmptyContinuation => "NoEmptyContinuation",
        }
    }
}

impl From<&Warning> for Diagnostic {
    fn from(warning: &Warning) -> Self {
        let WarningKind::NoEmptyContinuation = warning.kind;
        Diagnostic::warning(warning.kind.rule(), warning.kind.to_string())
            .at(warning.span)
            .help("remove the empty line, or write a comment there")
    }
}
