//! What a record holds besides its keys, and how a miss is explained with it.

use serde::{Deserialize, Serialize};

use super::observe::Observed;

/// A step's inputs in structured form, for people and for later looks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Details {
    /// The step's line, such as `COPY . /app`.
    pub step: String,
    /// Everything that its action key was made of, each under a name that people understand.
    pub inputs: Vec<Input>,
    /// What it looked at in the file system below it; empty for a step that depends on all of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observed: Vec<Observed>,
    /// When the step ran, in nanoseconds since 1970: the time of its layer in the image's history.
    pub created: i64,
}

/// One named input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Input {
    /// What it is, such as `variable VERSION`.
    pub name: String,
    /// Its value, or a digest of it.
    pub value: String,
}

impl Input {
    /// An input.
    pub fn new(name: impl Into<String>, value: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into() }
    }
}

impl Details {
    /// Reads details as a record holds them; `None` if another version wrote them.
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok()
    }

    /// The details as a record holds them.
    pub fn to_json(&self) -> Vec<u8> {
        serde_json::to_vec(self)
            .unwrap_or_else(|error| unreachable!("details are always valid JSON: {error}"))
    }
}

/// How many changes an explanation names.
const SHOWN: usize = 3;

/// Says in one sentence why a step with `now` as inputs did not use the record that has `before`.
/// `same_chain` tells whether it starts from the same file system.
pub fn explain(before: &Details, now: &[Input], same_chain: bool) -> String {
    let old = |name: &str| before.inputs.iter().find(|input| input.name == name);
    let mut changes: Vec<String> = Vec::new();
    for input in now {
        match old(&input.name) {
            None => changes.push(format!("{} is new", input.name)),
            Some(other) if other.value != input.value => changes.push(format!("{} changed", input.name)),
            Some(_) => {}
        }
    }
    for input in &before.inputs {
        if !now.iter().any(|other| other.name == input.name) {
            changes.push(format!("{} is gone", input.name));
        }
    }
    if changes.is_empty() {
        let reason = if same_chain {
            "its earlier result is not in the store any more"
        } else {
            "the steps before it changed"
        };
        return reason.to_owned();
    }
    let more = changes.len().saturating_sub(SHOWN);
    changes.truncate(SHOWN);
    let text = changes.join(", ");
    if more > 0 { text + &format!(" and {more} more") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_miss_names_what_differs() {
        let before = Details {
            step: "RUN x".into(),
            inputs: vec![
                Input::new("command", "x"),
                Input::new("variable A", "1"),
                Input::new("variable B", "1"),
            ],
            observed: Vec::new(),
            created: 0,
        };
        let now = [Input::new("command", "x"), Input::new("variable A", "2"), Input::new("variable C", "1")];
        assert_eq!(explain(&before, &now, true), "variable A changed, variable C is new, variable B is gone");
        assert_eq!(explain(&before, &before.inputs, false), "the steps before it changed");
    }
}
