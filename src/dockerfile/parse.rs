//! Logical lines to the tree.
//!
//! Goes on after a mistake with the next instruction, so that one run tells as much as the text allows; mistakes
//! that only follow from an earlier one are left out.

mod arguments;
mod files;
mod statement;
mod values;

use crate::diagnostic::{Source, Span};

use super::ast::{Arg, Dockerfile, Escape, Instruction, InstructionKind, Stage, Statement};
use super::directives;
use super::error::{ParseError, ParseErrorKind, Warning};
use super::lines::{Lines, Logical};
use statement::{Kind, Reader};

/// A Dockerfile and what is odd about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// The tree.
    pub dockerfile: Dockerfile,
    /// In the order of their places.
    pub warnings: Vec<Warning>,
}

/// Parses a Dockerfile. Errors come in the order of their places, at least one.
pub fn parse(source: &Source) -> Result<Parsed, Vec<ParseError>> {
    let mut errors = Vec::new();
    let directives = directives::read(source, &mut errors);
    let lines = Lines::new(source.text(), directives.escape);
    let mut reader = Reader::new(source, lines, directives.escape);
    let mut progress = Progress::default();
    while let Some(logical) = reader.lines.next_logical() {
        let read = reader.statement(logical.fragment());
        if let Err(error) = progress.add(&logical, read, directives.escape) {
            errors.extend(error);
        }
    }
    errors.append(&mut reader.lines.errors);
    if errors.is_empty() && progress.stages.is_empty() {
        errors.push(progress.nothing_to_build(source));
    }
    if !errors.is_empty() {
        errors.sort_by_key(|error| error.span.start);
        return Err(errors);
    }
    let Progress { global_args, stages, .. } = progress;
    Ok(Parsed { dockerfile: Dockerfile { directives, global_args, stages }, warnings: reader.lines.warnings })
}

/// Parses one instruction: a trigger that an image config holds (see
/// [`OnBuild::trigger`](super::ast::OnBuild::trigger)). The escape character is the backslash.
pub fn parse_trigger(source: &Source) -> Result<Instruction, ParseError> {
    let escape = Escape::default();
    let mut reader = Reader::new(source, Lines::new(source.text(), escape), escape);
    let everything = Span::new(0, source.text().len() as u32);
    let not_single = || ParseError::new(ParseErrorKind::TriggerNotSingle, everything);
    let logical = reader.lines.next_logical().ok_or_else(not_single)?;
    let read = reader.trigger(logical.fragment())?;
    if reader.lines.next_logical().is_some() {
        return Err(not_single());
    }
    match reader.lines.errors.pop() {
        Some(error) => Err(error),
        None => Ok(read.statement(&logical)),
    }
}

/// What has been read so far.
#[derive(Default)]
struct Progress {
    global_args: Vec<Statement<Arg>>,
    stages: Vec<Stage>,
    /// The last line began with no known keyword; the next such line is probably a part of the same mistake.
    after_unknown: bool,
    /// A FROM may have been missed, or its lack has been told.
    lacks_from: bool,
}

impl Progress {
    /// Adds what was read. An error without content is one that only follows from an earlier one.
    fn add(
        &mut self,
        logical: &Logical<'_>,
        read: Result<statement::Read<Kind>, ParseError>,
        escape: Escape,
    ) -> Result<(), Option<ParseError>> {
        let after_unknown = std::mem::take(&mut self.after_unknown);
        let mut error = match read {
            Ok(read) => return self.add_statement(read.statement(logical)).map_err(Some),
            Err(error) => error,
        };
        self.lacks_from = true;
        if let ParseErrorKind::UnknownInstruction { similar, continues, .. } = &mut error.kind {
            self.after_unknown = true;
            if similar.is_none() {
                if after_unknown {
                    return Err(None);
                }
                let begins_line = error.span.start == logical.fragment().span().start;
                *continues = (begins_line && !self.stages.is_empty()).then(|| escape.char());
            }
        }
        Err(Some(error))
    }

    fn add_statement(&mut self, statement: Statement<Kind>) -> Result<(), ParseError> {
        let Statement { kind, span, keyword, text, comments } = statement;
        match kind {
            Kind::From(kind) => {
                let from = Statement { kind, span, keyword, text, comments };
                self.stages.push(Stage { from, instructions: Vec::new() });
            }
            Kind::Instruction(InstructionKind::Arg(kind)) if self.stages.is_empty() => {
                self.global_args.push(Statement { kind, span, keyword, text, comments });
            }
            Kind::Instruction(kind) => match self.stages.last_mut() {
                Some(stage) => stage.instructions.push(Statement { kind, span, keyword, text, comments }),
                None if self.lacks_from => {}
                None => {
                    self.lacks_from = true;
                    let instruction = kind.keyword();
                    return Err(ParseError::new(ParseErrorKind::BeforeFrom { instruction }, keyword.span));
                }
            },
        }
        Ok(())
    }

    fn nothing_to_build(&self, source: &Source) -> ParseError {
        let end = source.text().trim_end().len() as u32;
        let kind = match self.global_args.last() {
            Some(arg) => return ParseError::new(ParseErrorKind::NoStages, arg.span),
            None if end == 0 => ParseErrorKind::EmptyFile,
            None => ParseErrorKind::NoInstructions,
        };
        ParseError::new(kind, Span::new(0, end))
    }
}
