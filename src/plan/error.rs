//! What can be wrong with a Dockerfile beyond its syntax, and what to do about it.
//!
//! An error is a kind and a place. A kind carries data; its text is made here and nowhere else.

use crate::diagnostic::{Diagnostic, Span};
use crate::dockerfile::ast::Network;
use crate::dockerfile::port::PortError;
use crate::dockerfile::remote::RemoteError;
use crate::dockerfile::{ParseError, ParseErrorKind};
use crate::oci::digest::DigestError;
use crate::oci::platform::PlatformError;
use crate::tree::glob::PatternError;

use super::{ChmodError, triggers};

/// A mistake at a place of the source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlanError {
    pub(super) kind: PlanErrorKind,
    /// `None` for what the command line says.
    pub(super) span: Option<Span>,
    /// The ONBUILD trigger that it is about; the place is then that of the FROM.
    pub(super) trigger: Option<String>,
}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanErrorKind {
    #[error("target stage `{name}` could not be found")]
    Target { name: String, similar: Option<String> },
    #[error("`FROM {text}` names no image")]
    EmptyImage { text: String, variable: Option<String> },
    #[error("platform `{text}` is empty after expansion")]
    EmptyPlatform { text: String },
    #[error("image `{reference}` could not be found")]
    ImageNotFound { reference: String },
    #[error("invalid stage index `{name}`: the last stage is {last}")]
    StageIndex { name: String, last: usize },
    #[error("stage `{name}` cannot copy from itself")]
    CopyFromSelf { name: String },
    #[error("cannot copy from stage `{name}`: it must be defined before the current stage")]
    CopyFromLater { name: String },

    #[error("`{instruction}` names cannot be blank")]
    BlankName { instruction: &'static str },
    #[error("`VOLUME` paths cannot be empty")]
    EmptyVolume,
    #[error("invalid user `{text}`: {why}")]
    User { text: String, why: &'static str },
    #[error("invalid signal: `{text}`")]
    Signal { text: String },
    #[error("`{name}` cannot be the name of a file")]
    FileName { name: String },
    #[error("a source of `COPY` cannot be a {remote}")]
    CopyRemote { remote: &'static str },
    #[error("`--checksum` is for a URL or a Git repository, and the source is neither")]
    ChecksumOfLocal,
    #[error("`--checksum` is for a single source, and there are {count}")]
    ChecksumOfSeveral { count: usize },
    #[error("`--keep-git-dir` is for Git repositories, and no source is one")]
    KeepGitDir,
    #[error("`--network={}` is not allowed in this build", network_name(*network))]
    Network { network: Network },

    #[error("`--security=insecure` is not allowed in this build")]
    Insecure,

    #[error("not supported yet: {what}")]
    Unsupported { what: &'static str },
    #[error("`RUN` for platform {platform} needs an emulator, because this machine is {build}")]
    Foreign { platform: String, build: String },

    #[error(transparent)]
    Parse(ParseErrorKind),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Remote(RemoteError),
    #[error(transparent)]
    Digest(DigestError),
    #[error(transparent)]
    Chmod(#[from] ChmodError),
    #[error(transparent)]
    Pattern(#[from] PatternError),
    #[error("`!` has no pattern behind it")]
    LoneExclamation,
    #[error(transparent)]
    Platform(#[from] PlatformError),
}

fn network_name(network: Network) -> &'static str {
    match network {
        Network::Default => "default",
        Network::None => "none",
        Network::Host => "host",
    }
}

impl PlanErrorKind {
    /// Joins the kind and its place.
    pub(super) fn at(self, span: Span) -> PlanError {
        PlanError { kind: self, span: Some(span), trigger: None }
    }

    fn help(&self) -> Option<String> {
        let help = match self {
            Self::Target { similar: Some(similar), .. } => format!("did you mean `{similar}`?"),
            Self::EmptyImage { variable: Some(variable), .. } => {
                format!("give it a value: `ARG {variable}=…` before the first `FROM`")
            }
            Self::Signal { .. } => "write a number or a name such as `SIGTERM`".to_owned(),
            Self::LoneExclamation => "`--exclude=!PATTERN` copies what an earlier one leaves out".to_owned(),
            Self::CopyRemote { .. } => "`ADD` fetches".to_owned(),
            Self::ChecksumOfSeveral { .. } => "write an `ADD` for each".to_owned(),
            Self::Network { network: Network::Host } => {
                "agree to it with `--allow network.host` on the command line".to_owned()
            }
            Self::Insecure => "agree to it with `--allow security.insecure` on the command line".to_owned(),
            Self::Foreign { .. } => {
                "register one with binfmt_misc and its flag `F`, as `apt-get install qemu-user-static` does"
                    .to_owned()
            }
            Self::Parse(kind) => return kind.help(),
            _ => return None,
        };
        Some(help)
    }

    /// Words beside the marked place.
    fn label(&self) -> Option<&'static str> {
        let is_empty = match self {
            Self::EmptyImage { .. }
            | Self::EmptyPlatform { .. }
            | Self::BlankName { .. }
            | Self::EmptyVolume => true,
            Self::Signal { text } => text.is_empty(),
            _ => false,
        };
        is_empty.then_some("nothing is left after expansion")
    }
}

impl From<ParseError> for PlanError {
    fn from(error: ParseError) -> Self {
        PlanErrorKind::Parse(error.kind).at(error.span)
    }
}

impl From<PlanError> for Diagnostic {
    fn from(PlanError { kind, span, trigger }: PlanError) -> Self {
        let mut diagnostic = Self::error(kind.to_string());
        diagnostic.span = span;
        diagnostic.help.extend(kind.help());
        match trigger {
            Some(trigger) => diagnostic.notes.push(triggers::note(&trigger)),
            None => diagnostic.label = kind.label().map(str::to_owned),
        }
        diagnostic
    }
}

/// The errors in the order of their places, as the user sees them.
pub(super) fn diagnostics(mut errors: Vec<PlanError>) -> Vec<Diagnostic> {
    errors.sort_by_key(|error| error.span.map(|span| span.start));
    errors.into_iter().map(Diagnostic::from).collect()
}
