//! A step as the user names it, by its line in the Dockerfile, and finding it there.

use std::str::FromStr;

use crate::diagnostic::{Source, Span, nearest};
use crate::dockerfile::ast::{Dockerfile, Instruction, InstructionKind, Stage};

use super::error::{BuildError, NearStep};

/// The place of a step: `[STAGE:]LINE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepPlace {
    /// The stage that the line must be in, by name or number.
    pub stage: Option<String>,
    /// The line in the Dockerfile, from 1.
    pub line: u32,
}

/// What should be a place of a step is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is no place of a step: it must be `LINE` or `STAGE:LINE`, with a line number of the Dockerfile"
)]
pub struct StepPlaceError(String);

impl FromStr for StepPlace {
    type Err = StepPlaceError;

    fn from_str(text: &str) -> Result<Self, StepPlaceError> {
        let wrong = || StepPlaceError(text.to_owned());
        let (stage, line) = text.rsplit_once(':').map_or((None, text), |(stage, line)| (Some(stage), line));
        let line = line.parse().ok().filter(|&line| line > 0).ok_or_else(wrong)?;
        match stage {
            Some("") => Err(wrong()),
            stage => Ok(Self { stage: stage.map(str::to_owned), line }),
        }
    }
}

/// An instruction that a place names.
pub(super) struct Named<'d> {
    /// What the steps that it makes are known by in a plan.
    pub(super) span: Span,
    stage: &'d Stage,
    /// Whether it is one that makes a step wherever it is carried out.
    steps: bool,
}

impl StepPlace {
    /// The instruction at this place.
    pub(super) fn find<'d>(
        &self,
        dockerfile: &'d Dockerfile,
        source: &Source,
    ) -> Result<Named<'d>, BuildError> {
        let covers = |span: Span| source.line_range(span).contains(&self.line);
        for stage in self.stages(dockerfile)? {
            if covers(stage.from.span) {
                return Ok(Named { span: stage.from.kind.image.span, stage, steps: false });
            }
            if let Some(found) = stage.instructions.iter().find(|found| covers(found.span)) {
                return Ok(Named { span: found.span, stage, steps: makes_step(found) });
            }
        }
        Err(self.no_step(dockerfile, source))
    }

    /// Why a plan has no step of an instruction that was found.
    pub(super) fn blame(&self, named: &Named<'_>, dockerfile: &Dockerfile, source: &Source) -> BuildError {
        if named.steps {
            let stage = named.stage.name().map(str::to_owned);
            BuildError::NotNeeded { line: self.line, stage }
        } else {
            self.no_step(dockerfile, source)
        }
    }

    fn no_step(&self, dockerfile: &Dockerfile, source: &Source) -> BuildError {
        let stages = self.stages(dockerfile).unwrap_or_default();
        let steps = stages.iter().flat_map(|stage| &stage.instructions).filter(|step| makes_step(step));
        let steps = steps.map(|step| NearStep {
            line: source.location(step.span.start).line,
            text: step.text.chars().take(SHOWN).collect(),
        });
        let (mut before, after): (Vec<_>, Vec<_>) = steps.partition(|step| step.line < self.line);
        let near = before.pop().into_iter().chain(after.into_iter().next()).collect();
        BuildError::NoStep { line: self.line, stage: self.stage.clone(), near }
    }

    fn stages<'d>(&self, dockerfile: &'d Dockerfile) -> Result<Vec<&'d Stage>, BuildError> {
        let all = &dockerfile.stages;
        let Some(wanted) = &self.stage else { return Ok(all.iter().collect()) };
        let by_number = wanted.parse::<usize>().ok().and_then(|number| all.get(number));
        let name = wanted.to_lowercase();
        let found: Vec<&Stage> = all.iter().filter(|stage| stage.name() == Some(&name)).collect();
        match by_number {
            Some(stage) if found.is_empty() => Ok(vec![stage]),
            None if found.is_empty() => {
                let similar = nearest(wanted, all.iter().filter_map(Stage::name)).map(str::to_owned);
                Err(BuildError::NoStage { name: wanted.clone(), similar })
            }
            _ => Ok(found),
        }
    }
}

/// So many characters of an instruction say which one it is.
const SHOWN: usize = 60;

fn makes_step(instruction: &Instruction) -> bool {
    use InstructionKind::{Add, Copy, Run, Workdir};
    matches!(instruction.kind, Run(_) | Copy(_) | Add(_) | Workdir(_))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read() {
        let place = |stage: Option<&str>, line| Ok(StepPlace { stage: stage.map(str::to_owned), line });
        for (text, read) in [
            ("7", place(None, 7)),
            ("build:12", place(Some("build"), 12)),
            ("0:3", place(Some("0"), 3)),
            ("", Err(StepPlaceError(String::new()))),
            ("0", Err(StepPlaceError("0".to_owned()))),
            (":3", Err(StepPlaceError(":3".to_owned()))),
            ("build:", Err(StepPlaceError("build:".to_owned()))),
            ("build", Err(StepPlaceError("build".to_owned()))),
            ("3:build", Err(StepPlaceError("3:build".to_owned()))),
        ] {
            assert_eq!(text.parse(), read, "{text}");
        }
    }
}
