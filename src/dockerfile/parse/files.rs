//! COPY and ADD.

use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast::{Add, Copy, Files};
use crate::dockerfile::error::{ParseError, ParseErrorKind};
use crate::dockerfile::flags::Flags;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::lines::Fragment;
use crate::dockerfile::word::Word;

/// The arguments, sources and heredocs apart.
pub(super) struct Words {
    paths: Vec<Word>,
    heredocs: Vec<Heredoc>,
    ends_with_heredoc: bool,
}

impl Words {
    /// From the JSON form, where heredocs cannot be.
    pub(super) fn json(texts: &[String], span: Span) -> Self {
        let paths = texts.iter().map(|text| Word { text: text.clone(), span }).collect();
        Self { paths, heredocs: Vec::new(), ends_with_heredoc: false }
    }

    /// From a list; `openers` are the places of `heredocs` in it.
    pub(super) fn list(arguments: Fragment<'_>, openers: &[Fragment<'_>], heredocs: Vec<Heredoc>) -> Self {
        let mut paths = Vec::new();
        let mut ends_with_heredoc = false;
        for word in arguments.words() {
            ends_with_heredoc = openers.iter().any(|opener| opener.overlaps(word));
            if !ends_with_heredoc {
                paths.push(word.word());
            }
        }
        Self { paths, heredocs, ends_with_heredoc }
    }

    /// Takes the last word as the destination, and the flags that COPY and ADD share. `place` is what is blamed
    /// if there is none.
    pub(super) fn files(
        mut self,
        instruction: &'static str,
        place: Span,
        flags: &Flags,
    ) -> Result<Files, ParseError> {
        if self.paths.len() + self.heredocs.len() < 2 {
            return Err(ParseError::new(ParseErrorKind::NoDestination { instruction }, place));
        }
        let destination = self.paths.pop().filter(|_| !self.ends_with_heredoc).ok_or_else(|| {
            let span = self.heredocs.last().map_or(place, |heredoc| heredoc.span);
            ParseError::new(ParseErrorKind::HeredocDestination { instruction }, span)
        })?;
        Ok(Files {
            sources: self.paths,
            heredocs: self.heredocs,
            destination,
            chown: flags.word("chown"),
            chmod: flags.word("chmod"),
            link: flags.boolean("link").unwrap_or(false),
            exclude: flags.list("exclude").filter(|pattern| !pattern.text.is_empty()).cloned().collect(),
        })
    }
}

pub(super) fn copy(files: Files, flags: &Flags) -> Result<Copy, ParseError> {
    let from = flags.word("from");
    if let Some(from) = from.as_ref().filter(|from| from.has_variable()) {
        return Err(ParseError::new(ParseErrorKind::FromVariable { value: from.text.clone() }, from.span));
    }
    let from = from.map(|from| Spanned::new(from.text, from.span));
    Ok(Copy { files, from, parents: flags.boolean("parents").unwrap_or(false) })
}

pub(super) fn add(files: Files, flags: &Flags) -> Add {
    Add {
        files,
        checksum: flags.word("checksum"),
        keep_git_dir: flags.boolean("keep-git-dir"),
        unpack: flags.boolean("unpack"),
    }
}
