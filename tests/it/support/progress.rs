//! What plain progress says, step by step.

use std::collections::BTreeMap;

/// A build's report.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// The steps by their numbers.
    steps: BTreeMap<usize, Step>,
    /// Lines that belong to no step, but for the last ones of a build.
    rest: Vec<String>,
}

/// One step.
#[derive(Debug, Default, Clone)]
pub(crate) struct Step {
    pub(crate) name: String,
    /// `cached`, `ran`, `failed`, `canceled`, or empty while it runs.
    pub(crate) state: &'static str,
    /// What strata noted.
    pub(crate) notes: Vec<String>,
    /// What its command wrote.
    pub(crate) log: Vec<String>,
}

impl Report {
    /// Reads what a build wrote to standard error.
    pub(crate) fn read(stderr: &str) -> Self {
        let mut report = Self::default();
        for line in stderr.lines() {
            let numbered = line.strip_prefix('#').and_then(|line| line.split_once(' '));
            match numbered.and_then(|(number, text)| Some((number.parse().ok()?, text))) {
                Some((number, text)) => report.steps.entry(number).or_default().read(text),
                None if line.is_empty()
                    || line.starts_with("built ")
                    || line.starts_with("image sha256:") => {}
                None => report.rest.push(line.to_owned()),
            }
        }
        report
    }

    /// The steps of the Dockerfile, in the order of their names: stage by stage, whatever ran first.
    pub(crate) fn steps(&self) -> Vec<&Step> {
        let mut steps: Vec<&Step> =
            self.steps.values().filter(|step| !step.name.starts_with("[internal]")).collect();
        steps.sort_by_key(|step| &step.name);
        steps
    }

    /// The step whose name ends so.
    pub(crate) fn step(&self, end: &str) -> &Step {
        let found = self.steps.values().find(|step| step.name.ends_with(end));
        found.unwrap_or_else(|| panic!("no step `{end}` in {self:#?}"))
    }

    /// Every step's state and name, with its notes, then what belongs to no step.
    pub(crate) fn states(&self) -> String {
        let mut text = String::new();
        for step in self.steps() {
            text += &format!("{:<7}{}\n", step.state, step.name);
            step.notes.iter().for_each(|note| text += &format!("       {note}\n"));
        }
        self.rest.iter().for_each(|line| text += &format!("{line}\n"));
        text
    }

    /// The rules that were warned of, one a line.
    pub(crate) fn warnings(&self) -> String {
        let codes = self.rest.iter().filter_map(|line| line.strip_prefix("warning[")?.split_once(']'));
        codes.map(|(code, _)| format!("{code}\n")).collect()
    }

    /// What the commands wrote.
    pub(crate) fn log(&self) -> String {
        self.steps().into_iter().flat_map(|step| &step.log).map(|line| format!("{line}\n")).collect()
    }
}

impl Step {
    fn read(&mut self, text: &str) {
        let timed = text.split_once(' ').filter(|(time, _)| is_time(time));
        if self.name.is_empty() {
            text.clone_into(&mut self.name);
        } else if text == "CACHED" {
            self.state = "cached";
        } else if text.starts_with("DONE ") {
            self.state = "ran";
        } else if text == "ERROR" || text.starts_with("ERROR: ") {
            self.state = "failed";
        } else if text == "CANCELED" {
            self.state = "canceled";
        } else if let Some((_, line)) = timed {
            self.log.push(line.to_owned());
        } else if text != "..." && text != self.name && !is_usage(text) {
            self.notes.push(text.to_owned());
        }
    }
}

/// What a command used, which is never twice the same.
fn is_usage(text: &str) -> bool {
    text.starts_with("used ") && text.contains("s of processor time, ")
}

/// Seconds with three digits after the point.
fn is_time(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('.').is_some_and(|(whole, part)| digits(whole) && digits(part) && part.len() == 3)
}
