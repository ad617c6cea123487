//! ONBUILD triggers: instructions that a stage runs right after its FROM because what it starts from asks for them.
//!
//! A trigger has no place in the file that is built: what is said of it is said at the FROM, with the trigger's text.
//! An image's triggers are known only with its config, a stage's triggers stand in the file. What runs is gone from
//! the config afterwards, and a trigger makes no triggers, so a stage's triggers are those it has itself.

use crate::diagnostic::{Source, Span};
use crate::dockerfile::ast::{Instruction, InstructionKind, Stage};
use crate::dockerfile::parse_trigger;
use crate::oci::Config;

use super::error::PlanError;

/// An instruction that what a stage starts from asks for.
#[derive(Debug, Clone)]
pub(crate) struct Trigger {
    /// As the config of what the stage starts from has it.
    pub(crate) text: String,
    /// What it says. Its places are those of another text.
    pub(crate) instruction: Instruction,
}

impl Trigger {
    /// The triggers of an image. `from` is where the file names the image.
    pub(crate) fn of_image(config: &Config, from: Span) -> Result<Vec<Self>, PlanError> {
        let read = |text: &String| match parse_trigger(&Source::new("ONBUILD", text.as_str())) {
            Ok(instruction) => Ok(Self { text: text.clone(), instruction }),
            Err(error) => Err(PlanError::from(error).of_trigger(text, from)),
        };
        config.on_build.iter().map(read).collect()
    }

    /// The triggers of a stage of this file.
    pub(crate) fn of_stage(stage: &Stage) -> Vec<Self> {
        let triggers = stage.instructions.iter().filter_map(|instruction| match &instruction.kind {
            InstructionKind::OnBuild(on_build) => Some(on_build),
            _ => None,
        });
        let trigger = |it: &crate::dockerfile::ast::OnBuild| Self {
            text: it.trigger.clone(),
            instruction: (*it.instruction).clone(),
        };
        triggers.map(trigger).collect()
    }
}

impl PlanError {
    /// The error as one of a trigger, which the FROM at `from` runs.
    pub(crate) fn of_trigger(self, text: &str, from: Span) -> Self {
        Self { span: Some(from), trigger: Some(text.to_owned()), ..self }
    }
}

/// What is said of a finding that is about a trigger.
pub fn note(text: &str) -> String {
    format!("in the trigger `ONBUILD {text}`")
}
