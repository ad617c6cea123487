//! Places in a source text and messages about them.
//!
//! Owns [`Source`], [`Span`], [`Diagnostic`] and their drawing; the only module that names the renderer crate.
//! A span is a pair of byte offsets into the text of one source, and is only meaningful with that source.
//! Must not know what a Dockerfile is: whoever finds a mistake says it in words here.

mod nearest;
mod render;
mod source;

pub use nearest::nearest;
pub use source::{Location, Source, Span, Spanned};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Nothing is wrong.
    Note,
    /// The text means something, though perhaps not what its author meant.
    Warning,
    /// The text has no meaning.
    Error,
}

/// A message about a place in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The name of the rule that fired, for findings that can be switched off by name.
    pub code: Option<&'static str>,
    /// One sentence: lower case, no final stop, backticks around what the user wrote.
    pub message: String,
    /// The place; without one the message is about the file, or about none.
    pub span: Option<Span>,
    /// A few words beside the marked place.
    pub label: Option<String>,
    /// What the user can do about it, one remedy each.
    pub help: Vec<String>,
    /// What is worth knowing besides.
    pub notes: Vec<String>,
}

impl Diagnostic {
    /// An error without a place.
    pub fn error(message: impl Into<String>) -> Self {
        Self::new(Severity::Error, message.into())
    }

    /// A warning of the rule `code`, without a place.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { code: Some(code), ..Self::new(Severity::Warning, message.into()) }
    }

    fn new(severity: Severity, message: String) -> Self {
        Self { severity, code: None, message, span: None, label: None, help: Vec::new(), notes: Vec::new() }
    }

    /// Marks the place.
    #[must_use]
    pub fn at(self, span: Span) -> Self {
        Self { span: Some(span), ..self }
    }

    /// Says a few words beside the marked place.
    #[must_use]
    pub fn label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// Adds a remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds something worth knowing.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// The message with the lines that it is about, the place marked, and a final newline.
    ///
    /// `color` asks for ANSI escapes; what they say is also said without them.
    pub fn render(&self, source: &Source, color: bool) -> String {
        render::render(self, source, color)
    }
}
