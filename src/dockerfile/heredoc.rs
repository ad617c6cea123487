//! Heredocs: openers in a logical line, bodies below it.

use std::borrow::Cow;

use crate::diagnostic::Span;

/// A heredoc: a text between an opener `<<NAME` and a line that is `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The name, quotes removed. For COPY and ADD it is the file's name.
    pub name: String,
    /// The body as written, final newline included; empty for no lines.
    pub body: String,
    /// Written without quotes: COPY and ADD expand the body (with `Expansion::Heredoc` rules), RUN's shell does.
    pub expand: bool,
    /// Written `<<-`: leading tabs do not belong to the lines.
    pub strip_tabs: bool,
    /// The file descriptor before `<<`; 0 if there is none.
    pub fd: u32,
    /// The opener.
    pub span: Span,
    /// The body's lines, without the terminator.
    pub body_span: Span,
}

impl Heredoc {
    /// The body as its reader shall see it: for `<<-` without the tabs at the start of each line.
    pub fn content(&self) -> Cow<'_, str> {
        if !self.strip_tabs || !self.body.contains('\t') {
            return Cow::Borrowed(&self.body);
        }
        Cow::Owned(self.body.split_inclusive('\n').map(|line| line.trim_start_matches('\t')).collect())
    }

    /// Does the body name its own interpreter?
    pub fn has_shebang(&self) -> bool {
        self.body.starts_with("#!")
    }
}
