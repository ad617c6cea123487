//! Words: pieces of text in which variables are expanded and quotes removed.

use crate::diagnostic::Span;

/// A word as written: continuations joined, nothing else done to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The text, quotes and escapes included.
    pub text: String,
    /// Its place; covers the continuations inside of it.
    pub span: Span,
}
