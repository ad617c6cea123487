//! Words: pieces of text in which variables are expanded and quotes removed.
//!
//! | Expanded by | Where |
//! |---|---|
//! | [`Word::expand`] | everything that the tree has as a [`Word`] |
//! | [`Word::expand_words`] | EXPOSE only: what comes out is split at white space |
//! | [`expand_body`] | bodies of COPY's and ADD's heredocs with unquoted names: quotes are text there |
//!
//! What the tree has as a `String` is never expanded. An instruction sees the variables as they were before it; the
//! items of an ARG, one after the other, are the exception. Must not know where variables come from.

mod expand;
mod pattern;

pub use expand::ExpandError;

use crate::diagnostic::Span;

use super::ast::Escape;
use super::error::ParseError;
use expand::{Expander, Quotes};

/// Gives the value of a variable; `None` if it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A word as written: continuations joined, nothing else done to it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Word {
    /// The text, quotes and escapes included.
    pub text: String,
    /// Its place; covers the continuations inside of it.
    pub span: Span,
}

/// What became of a word.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expanded {
    /// The text.
    pub text: String,
    /// Variables that were used but are not set, each once, in order. Those with their own answer to that, such as
    /// `${x:-y}` and `${x+y}`, are left out.
    pub unmatched: Vec<String>,
}

/// What became of a word that is split afterwards.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpandedWords {
    /// The words, none of them empty.
    pub words: Vec<String>,
    /// As in [`Expanded`].
    pub unmatched: Vec<String>,
}

impl Word {
    /// Expands variables, removes quotes and escapes. The error is at the word's place.
    pub fn expand(&self, lookup: Lookup<'_>, escape: Escape) -> Result<Expanded, ParseError> {
        expand_text(&self.text, lookup, escape).map_err(|error| ParseError::new(error, self.span))
    }

    /// As [`Word::expand`], then splits at white space, whether written or in a variable's value, but not quoted.
    pub fn expand_words(&self, lookup: Lookup<'_>, escape: Escape) -> Result<ExpandedWords, ParseError> {
        Expander::new(&self.text, lookup, escape, Quotes::Remove)
            .words()
            .map_err(|error| ParseError::new(error, self.span))
    }

    /// Does it refer to a variable, so that its value cannot be known from the text alone?
    pub fn has_variable(&self) -> bool {
        self.text.contains('$')
    }
}

/// Expands a text by the rules of [`Word::expand`].
pub fn expand_text(text: &str, lookup: Lookup<'_>, escape: Escape) -> Result<Expanded, ExpandError> {
    if !text.bytes().any(|b| matches!(b, b'$' | b'\'' | b'"') || b == escape.byte()) {
        return Ok(Expanded { text: text.to_owned(), unmatched: Vec::new() });
    }
    Expander::new(text, lookup, escape, Quotes::Remove).text()
}

/// Expands the body of a heredoc: variables are expanded, quotes are text, a backslash is removed and makes the
/// next character text. The `escape` directive does not matter.
pub fn expand_body(body: &str, lookup: Lookup<'_>) -> Result<Expanded, ExpandError> {
    Expander::new(body, lookup, Escape::Backslash, Quotes::Keep).text()
}
