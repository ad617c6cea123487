//! `--change`: Dockerfile instructions applied to the config of an imported image.

use std::collections::BTreeMap;

use crate::diagnostic::Source;
use crate::dockerfile;
use crate::dockerfile::ast::InstructionKind;
use crate::oci::{Config, Platform};
use crate::plan::{self, NetworkMode};

use super::error::EngineError;

/// The config that `changes`, one instruction each, give an image that has none.
pub(super) fn apply(changes: &[String]) -> Result<Config, EngineError> {
    if changes.is_empty() {
        return Ok(Config::default());
    }
    // The changes are the body of a stage that starts from nothing: one language, one set of rules.
    let text = format!("FROM scratch\n{}\n", changes.join("\n"));
    let source = Source::new("--change", text);
    let wrong = |messages: Vec<String>| EngineError::Change(messages);
    let parsed = dockerfile::parse(&source)
        .map_err(|errors| wrong(errors.iter().map(ToString::to_string).collect()))?;
    let [stage] = &parsed.dockerfile.stages[..] else {
        return Err(wrong(vec!["`FROM` cannot be a change".to_owned()]));
    };
    let refused: Vec<String> = stage
        .instructions
        .iter()
        .filter(|instruction| !is_change(&instruction.kind))
        .map(|instruction| {
            format!("`{}` cannot be a change: it does more than set the config", instruction.text)
        })
        .collect();
    if !refused.is_empty() {
        return Err(wrong(refused));
    }
    let options = plan::Options {
        build_args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        platform: Platform::host(),
        platform_is_chosen: false,
        build_platform: Platform::host(),
        emulated: Vec::new(),
        contexts: BTreeMap::new(),
        no_cache_stages: Vec::new(),
        network: NetworkMode::None,
        host_network_allowed: false,
        insecure_allowed: false,
        circumstances: Vec::new(),
    };
    let plan = plan::lower(&parsed.dockerfile, &options, &BTreeMap::new())
        .map_err(|found| wrong(found.into_iter().map(|finding| finding.message).collect()))?;
    let mut config = plan.target.config;
    // A stage from scratch has a search path of its own; an import has what it was told.
    let sets_path = stage.instructions.iter().any(|instruction| match &instruction.kind {
        InstructionKind::Env(env) => env.pairs.iter().any(|pair| pair.key.text == "PATH"),
        _ => false,
    });
    if !sets_path {
        config.env.retain(|pair| !pair.starts_with("PATH="));
    }
    Ok(config)
}

fn is_change(kind: &InstructionKind) -> bool {
    !matches!(
        kind,
        InstructionKind::Run(_)
            | InstructionKind::Copy(_)
            | InstructionKind::Add(_)
            | InstructionKind::Arg(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Maintainer(_)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_set_the_config_and_nothing_else() {
        let changes = ["ENV A=b", "CMD [\"node\"]", "WORKDIR /app", "LABEL x=y"].map(str::to_owned);
        let config = apply(&changes).unwrap();
        assert_eq!(config.env, ["A=b"]);
        assert_eq!(config.cmd, Some(vec!["node".to_owned()]));
        assert_eq!(config.working_dir, "/app");
        assert_eq!(config.labels["x"], "y");
    }

    #[test]
    fn what_is_no_change_is_refused() {
        for change in ["RUN true", "FROM x", "COPY a b", "NONSENSE"] {
            assert!(matches!(apply(&[change.to_owned()]), Err(EngineError::Change(_))), "{change}");
        }
    }
}
