//! Heredocs: their openers in a logical line.
//!
//! An opener is a word `[fd]<<[-][blanks]NAME`. Not openers: `<<<`, anything in quotes or behind an escape, and `<<`
//! in shell arithmetic, `$((1 << 3))`. Quotes in NAME make the body literal; the escape character here is always the
//! backslash, whatever the `escape` directive says, because a shell reads the line too.

use std::borrow::Cow;

use crate::diagnostic::Span;

use super::error::ParseError;
use super::lines::Fragment;
use super::word::{Expanded, Lookup, expand_body};

/// A heredoc: a text between an opener `<<NAME` and a line that is `NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heredoc {
    /// The name, quotes removed. For COPY and ADD it is the file's name.
    pub name: String,
    /// The body as written, final newline included; empty for no lines.
    pub body: String,
    /// Written without quotes: COPY and ADD then expand the body, RUN's shell does so on its own.
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

    /// What COPY and ADD write into the file: the content, expanded unless the name was quoted.
    pub fn expanded(&self, lookup: Lookup<'_>) -> Result<Expanded, ParseError> {
        let content = self.content();
        if !self.expand {
            return Ok(Expanded { text: content.into_owned(), unmatched: Vec::new() });
        }
        expand_body(&content, lookup).map_err(|error| ParseError::new(error, self.body_span))
    }

    /// Does the body name its own interpreter?
    pub fn has_shebang(&self) -> bool {
        self.content().starts_with("#!")
    }
}

/// An opener; its body is still to be read.
pub(super) struct Opener<'l> {
    pub(super) name: String,
    pub(super) expand: bool,
    pub(super) strip_tabs: bool,
    pub(super) fd: u32,
    pub(super) fragment: Fragment<'l>,
}

/// Who reads the words beside the opener.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Reader {
    /// A shell, to which `;`, `|`, `&`, `>`, `(` and `)` end a name.
    Shell,
    /// We ourselves; only white space ends a name.
    Builder,
}

/// The openers in `line`, in order.
pub(super) fn openers(line: Fragment<'_>, reader: Reader) -> Vec<Opener<'_>> {
    if !line.text().contains("<<") {
        return Vec::new();
    }
    Scanner { line, text: line.text(), at: 0, reader }.scan()
}

struct Scanner<'l> {
    line: Fragment<'l>,
    text: &'l str,
    at: usize,
    reader: Reader,
}

impl<'l> Scanner<'l> {
    fn scan(mut self) -> Vec<Opener<'l>> {
        let mut openers = Vec::new();
        let mut word = 0;
        let mut arithmetic = 0_u32;
        while let Some(c) = self.peek() {
            match c {
                '\'' | '"' => {
                    // The shell will complain about a quote that is never closed.
                    if self.quoted().is_none() {
                        break;
                    }
                }
                '\\' => self.skip(2),
                '(' | ')' if self.text[self.at..].starts_with(if c == '(' { "((" } else { "))" }) => {
                    arithmetic = if c == '(' { arithmetic + 1 } else { arithmetic.saturating_sub(1) };
                    self.skip(2);
                }
                '<' => {
                    let is_fd = self.text[word..self.at].bytes().all(|b| b.is_ascii_digit());
                    let opener = if is_fd && arithmetic == 0 { self.opener(word) } else { None };
                    match opener {
                        Some(opener) => openers.push(opener),
                        None => self.skip(self.rest().chars().take_while(|c| *c == '<').count()),
                    }
                }
                _ => self.skip(1),
            }
            let separates = |c: char| c.is_whitespace() || (self.reader == Reader::Shell && is_operator(c));
            if separates(c) {
                word = self.at;
            }
        }
        openers
    }

    /// Reads an opener whose word starts at `word`; reads nothing if there is none.
    fn opener(&mut self, word: usize) -> Option<Opener<'l>> {
        let rest = self.rest().strip_prefix("<<").filter(|rest| !rest.starts_with('<'))?;
        let strip_tabs = rest.starts_with('-');
        let rest = rest.strip_prefix('-').unwrap_or(rest).trim_start_matches([' ', '\t']);
        let fd = self.text[word..self.at].parse().unwrap_or(0);
        let before = std::mem::replace(&mut self.at, self.text.len() - rest.len());
        let name = self.name();
        if name.as_ref().is_none_or(|(name, _)| name.is_empty()) {
            self.at = before;
        }
        let (name, quoted) = name.filter(|(name, _)| !name.is_empty())?;
        let fragment = self.line.sub(word, self.at);
        Some(Opener { name, expand: !quoted, strip_tabs, fd, fragment })
    }

    /// Reads a name: without its quotes, and whether it had some. `None` if it cannot be one.
    fn name(&mut self) -> Option<(String, bool)> {
        let mut name = String::new();
        let mut quoted = false;
        while let Some(c) = self.peek() {
            match c {
                '\'' | '"' => {
                    quoted = true;
                    name.push_str(self.quoted()?);
                }
                '\\' => {
                    self.skip(1);
                    name.extend(self.peek());
                    self.skip(1);
                }
                '<' => return None,
                _ if c.is_whitespace() => break,
                _ if self.reader == Reader::Shell && is_operator(c) => break,
                _ => {
                    name.push(c);
                    self.skip(1);
                }
            }
        }
        Some((name, quoted))
    }

    /// Reads a quoted text; `None` if its quote is never closed.
    fn quoted(&mut self) -> Option<&'l str> {
        let quote = self.peek()?;
        let start = self.at + 1;
        self.skip(1);
        while let Some(c) = self.peek() {
            if c == quote {
                let text = &self.text[start..self.at];
                self.skip(1);
                return Some(text);
            }
            self.skip(if c == '\\' && quote == '"' { 2 } else { 1 });
        }
        None
    }

    fn rest(&self) -> &'l str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn skip(&mut self, chars: usize) {
        self.at += self.rest().chars().take(chars).map(char::len_utf8).sum::<usize>();
    }
}

/// Does a shell read it as more than a part of a word?
fn is_operator(c: char) -> bool {
    matches!(c, ';' | '|' | '&' | '>' | '(' | ')')
}
