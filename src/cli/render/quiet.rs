//! Nothing, unless a step fails: then the last lines of its output, because the error alone rarely says enough.

use std::collections::BTreeMap;
use std::time::Duration;

use super::lines::{Splitter, Tail, clean_name};
use super::{Output, Screen};
use crate::progress::Event;

/// How many lines of a failed step are shown.
const TAIL: usize = 20;

/// Shows only failures.
pub(super) struct Quiet {
    output: Output,
    steps: BTreeMap<usize, Step>,
}

struct Step {
    name: String,
    splitter: Splitter,
    tail: Tail,
}

impl Quiet {
    /// Starts without steps.
    pub(super) fn new(output: Output) -> Self {
        Self { output, steps: BTreeMap::new() }
    }
}

impl Screen for Quiet {
    fn event(&mut self, event: Event, _now: Duration) {
        match event {
            Event::Started { step, name } => {
                let name = clean_name(&name);
                self.steps.insert(step, Step { name, splitter: Splitter::default(), tail: Tail::new(TAIL) });
            }
            Event::Output { step, stream, bytes } => {
                if let Some(Step { splitter, tail, .. }) = self.steps.get_mut(&step) {
                    splitter.push(stream, &bytes, |line| tail.push(line));
                }
            }
            Event::Failed { step, canceled, .. } => {
                if let Some(Step { name, mut splitter, mut tail }) = self.steps.remove(&step)
                    && !canceled
                {
                    splitter.finish(|line| tail.push(line));
                    self.output.write(&tail.block(&name));
                }
            }
            Event::Done { step, .. } | Event::Cached { step } => {
                self.steps.remove(&step);
            }
            Event::Note { .. } | Event::Used { .. } | Event::Transfer { .. } | Event::Warning { .. } => {}
        }
    }

    fn tick(&mut self, _now: Duration) {}

    fn finish(&mut self, _now: Duration) {}
}

#[cfg(test)]
mod tests {
    use super::super::capture::Capture;
    use super::*;
    use crate::progress::Stream;

    #[test]
    fn only_failures_are_shown() {
        let capture = Capture::default();
        let mut quiet = Quiet::new(capture.output());
        for step in 1..=3 {
            quiet.event(Event::Started { step, name: format!("[{step}/3] RUN x") }, Duration::ZERO);
            let bytes = format!("line of {step}\nrest").into_bytes();
            quiet.event(Event::Output { step, stream: Stream::Stdout, bytes }, Duration::ZERO);
        }
        let elapsed = Duration::ZERO;
        quiet.event(Event::Warning { text: "old syntax".to_owned() }, elapsed);
        quiet.event(Event::Done { step: 1, elapsed }, elapsed);
        assert_eq!(capture.take(), "");
        let reason = String::new();
        quiet.event(Event::Failed { step: 2, elapsed, canceled: false, reason: reason.clone() }, elapsed);
        quiet.event(Event::Failed { step: 3, elapsed, canceled: true, reason }, elapsed);
        quiet.finish(elapsed);
        assert_eq!(capture.take(), "------\n > [2/3] RUN x:\nline of 2\nrest\n------\n");
    }
}
