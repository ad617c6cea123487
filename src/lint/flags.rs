//! Flags that mean nothing to the file.

use crate::diagnostic::{Diagnostic, Severity, nearest};

use super::Input;

/// What is said of stages that are to be built anew and are not there.
pub(super) fn unknown_stages(input: &Input<'_>) -> Vec<Diagnostic> {
    let stages = input.parsed.dockerfile.stages.iter().enumerate();
    // A stage without a name is called by its number, as in BuildKit.
    let names: Vec<String> = stages
        .map(|(index, stage)| stage.name().map_or_else(|| format!("stage-{index}"), str::to_owned))
        .collect();
    let is_there = |wanted: &str| names.iter().any(|name| name.eq_ignore_ascii_case(wanted));
    let hint = |wanted: &String| {
        let message = format!("`--no-cache-filter={wanted}` has no effect: there is no stage of that name");
        let hint = Diagnostic { severity: Severity::Note, ..Diagnostic::error(message) };
        match nearest(wanted, names.iter().map(String::as_str)) {
            Some(similar) => hint.help(format!("did you mean `{similar}`?")),
            None => hint,
        }
    };
    input.options.no_cache_stages.iter().filter(|wanted| !is_there(wanted)).map(hint).collect()
}
