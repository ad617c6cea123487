//! COPY and ADD.

use crate::diagnostic::Spanned;
use crate::dockerfile::ast::{self, Files, Instruction};
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::word::Word;
use crate::tree::glob::{Pattern, Stars};
use crate::tree::{TreePath, check_source};

use super::super::error::{PlanError, PlanErrorKind};
use super::super::stages::Origin;
use super::super::{
    Chmod, ContextId, ContextName, Copy, Destination, ImageKey, InlineFile, Place, Root, Source, StepKind,
    Unpack,
};
use super::config::{absolute, check_user};
use super::remote::{Fetching, refuse_in_copy};
use super::{Stage, not_found};

/// What only one of COPY and ADD has.
enum Verb<'a> {
    Copy { parents: bool },
    Add { unpack: Unpack, fetching: Fetching<'a> },
}

impl Stage<'_, '_> {
    pub(super) fn copy(&mut self, instruction: &Instruction, copy: &ast::Copy) -> Result<(), PlanError> {
        let source = match &copy.from {
            None => self.main_context(),
            Some(from) => self.copied(from)?,
        };
        self.files(instruction, &copy.files, source, &Verb::Copy { parents: copy.parents })
    }

    pub(super) fn add(&mut self, instruction: &Instruction, add: &ast::Add) -> Result<(), PlanError> {
        let checksum = match &add.checksum {
            None => None,
            Some(word) => Some(Spanned { value: self.expand(word)?, span: word.span }),
        };
        let checksum = checksum.filter(|checksum| !checksum.value.is_empty());
        let fetching = Fetching { checksum, add, span: instruction.span };
        let unpack = match add.unpack {
            None => Unpack::Local,
            Some(true) => Unpack::Always,
            Some(false) => Unpack::Never,
        };
        let from = self.main_context();
        self.files(instruction, &add.files, from, &Verb::Add { unpack, fetching })
    }

    pub(super) fn main_context(&mut self) -> Place {
        Place::Context(self.graph.context(ContextName::Main))
    }

    /// What `--from` means.
    pub(super) fn copied(&mut self, from: &Spanned<String>) -> Result<Place, PlanError> {
        match self.stages.copy_origin(self.index, from)? {
            Origin::Scratch => Ok(Place::Root(Root::Scratch)),
            Origin::Stage(index) => match self.done.get(&index) {
                Some(state) => Ok(Place::Root(state.root)),
                // Something is wrong in that stage, and was said.
                None => Ok(Place::Root(Root::Scratch)),
            },
            Origin::Files(name) => Ok(Place::Context(self.graph.context(ContextName::Named(name)))),
            Origin::Image(reference) => {
                let platform = self.options.platform.clone();
                let key = ImageKey { reference, platform };
                let image = self.graph.image(&key).ok_or_else(|| not_found(&key.reference, from.span))?;
                let name = format!("FROM {}", image.name);
                let place = self.place(from.span);
                Ok(Place::Root(Root::Base(self.graph.base(image, key, name, place))))
            }
        }
    }

    fn files(
        &mut self,
        instruction: &Instruction,
        files: &Files,
        from: Place,
        verb: &Verb<'_>,
    ) -> Result<(), PlanError> {
        let (parents, unpack) = match verb {
            Verb::Copy { parents } => (*parents, Unpack::Never),
            Verb::Add { unpack, .. } => (false, *unpack),
        };
        let mut created_by = instruction.kind.keyword().to_owned();
        if parents {
            created_by.push_str(" --parents");
        }
        let chown = self.flag(files.chown.as_ref(), "--chown", &mut created_by)?;
        if let (Some(chown), Some(word)) = (&chown, &files.chown) {
            check_user(chown, word.span)?;
        }
        let chmod = match (self.flag(files.chmod.as_ref(), "--chmod", &mut created_by)?, &files.chmod) {
            (Some(text), Some(word)) => {
                Some(text.parse::<Chmod>().map_err(|error| PlanErrorKind::Chmod(error).at(word.span))?)
            }
            _ => None,
        };
        let exclude = self.exclude(&files.exclude)?;
        let mut sources = Vec::with_capacity(files.sources.len() + files.heredocs.len());
        let mut places = Vec::with_capacity(sources.capacity());
        for word in &files.sources {
            let text = self.expand(word)?;
            created_by.extend([" ", &text]);
            let fetched = match verb {
                Verb::Copy { .. } => refuse_in_copy(&text, word.span).map(|()| None)?,
                Verb::Add { fetching, .. } => fetching.source(&text, word.span)?,
            };
            sources.push(match fetched {
                Some(fetched) => fetched,
                None => Source::Pattern(pattern(&text, parents, word)?),
            });
            places.push(self.place(word.span));
        }
        for heredoc in &files.heredocs {
            created_by.extend([" <<", &heredoc.name]);
            sources.push(Source::Inline(self.inline(heredoc)?));
            places.push(self.place(heredoc.span));
        }
        let text = self.expand(&files.destination)?;
        created_by.extend([" ", &text, " # buildkit"]);
        let destination = self.destination(&text);
        if let Verb::Add { fetching, .. } = verb {
            fetching.check(&sources)?;
        }
        // As in BuildKit, a mode undoes the link.
        let link = files.link && chmod.is_none();
        let copy = Copy { from, sources, destination, chown, chmod, exclude, parents, link, unpack };
        let shown = self.shown(instruction);
        self.step(StepKind::Copy(copy), &shown, created_by, instruction.span, places);
        Ok(())
    }

    /// The value of a flag, unless it is empty; also written down for the history.
    fn flag(
        &mut self,
        word: Option<&Word>,
        name: &str,
        created_by: &mut String,
    ) -> Result<Option<String>, PlanError> {
        let Some(word) = word else {
            return Ok(None);
        };
        let value = self.expand(word)?;
        if value.is_empty() {
            return Ok(None);
        }
        created_by.extend([" ", name, "=", &value]);
        Ok(Some(value))
    }

    /// The patterns of `--exclude`, without those that are empty.
    fn exclude(&mut self, words: &[Word]) -> Result<Vec<String>, PlanError> {
        let mut patterns = Vec::with_capacity(words.len());
        for word in words {
            let text = self.expand(word)?;
            let text = text.trim();
            if text.is_empty() {
                continue;
            }
            let pattern = text.strip_prefix('!').unwrap_or(text).trim_start();
            if pattern.is_empty() {
                return Err(PlanErrorKind::LoneExclamation.at(word.span));
            }
            Pattern::new(pattern.as_bytes(), Stars::Double)
                .map_err(|error| PlanErrorKind::Pattern(error).at(word.span))?;
            patterns.push(text.to_owned());
        }
        Ok(patterns)
    }

    fn inline(&mut self, heredoc: &Heredoc) -> Result<InlineFile, PlanError> {
        let name = &heredoc.name;
        if name.contains('/') || matches!(name.as_str(), "." | "..") {
            return Err(PlanErrorKind::FileName { name: name.clone() }.at(heredoc.span));
        }
        let expanded = self.state.scope.with_lookup(|lookup| heredoc.expanded(lookup))?;
        Ok(InlineFile { name: name.clone(), content: expanded.text })
    }

    fn destination(&self, text: &str) -> Destination {
        let directory = matches!(text, "" | "." | "..") || text.ends_with('/') || text.ends_with("/.");
        let path = TreePath::clean(absolute(&self.state.config.working_dir, text).as_bytes());
        Destination { directory: directory || path.is_root(), path }
    }
}

/// All that is in a context, as it is.
pub(in crate::plan) fn everything(context: ContextId) -> Copy {
    Copy {
        from: Place::Context(context),
        sources: vec![Source::Pattern(String::new())],
        destination: Destination { path: TreePath::root(), directory: true },
        chown: None,
        chmod: None,
        exclude: Vec::new(),
        parents: false,
        link: false,
        unpack: Unpack::Never,
    }
}

/// A source that is a path or a pattern, in normal form.
fn pattern(text: &str, parents: bool, word: &Word) -> Result<String, PlanError> {
    let (pattern, stars) = if parents { (kept(text), Stars::Double) } else { (clean(text), Stars::Single) };
    // The part before `/./` is a pattern of its own.
    let parts = pattern.split_once("/./").map_or([pattern.as_str(), ""], |(before, kept)| [kept, before]);
    for (part, stars) in parts.into_iter().zip([stars, Stars::Single]) {
        check_source(part.as_bytes(), stars).map_err(|error| PlanErrorKind::Pattern(error).at(word.span))?;
    }
    Ok(pattern)
}

/// A path below the root of what is copied from, in normal form.
fn clean(path: &str) -> String {
    absolute("", path).split_off(1)
}

/// A source with `--parents`, in normal form but for the first `/./`, behind which its kept part begins.
fn kept(source: &str) -> String {
    match source.split_once("/./") {
        Some((before, kept)) if !clean(before).is_empty() => format!("{}/./{}", clean(before), clean(kept)),
        Some((_, kept)) => clean(kept),
        None => clean(source),
    }
}
