//! `--change`: Dockerfile instructions applied to the config of an imported image, or of a container.

use std::collections::BTreeMap;

use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile;
use crate::dockerfile::ast::{Dockerfile, InstructionKind};
use crate::oci::{Config, ImageConfig, Platform};
use crate::plan::{self, BaseImage, NetworkMode};

use super::error::EngineError;

/// The config that `changes`, one instruction each, give an image that has none.
pub(super) fn apply(changes: &[String]) -> Result<Config, EngineError> {
    if changes.is_empty() {
        return Ok(Config::default());
    }
    let parsed = parse("scratch", changes)?;
    let mut config = lower(&parsed.dockerfile, None)?;
    // A stage from scratch has a search path of its own; an import has what it was told.
    let sets_path = parsed.dockerfile.stages[0].instructions.iter().any(|instruction| {
        matches!(&instruction.kind, InstructionKind::Env(env) if env.pairs.iter().any(|pair| pair.key.text == "PATH"))
    });
    if !sets_path {
        config.env.retain(|pair| !pair.starts_with("PATH="));
    }
    Ok(config)
}

/// What `changes` make of `config`.
pub(super) fn apply_to(mut config: Config, changes: &[String]) -> Result<Config, EngineError> {
    if changes.is_empty() {
        return Ok(config);
    }
    // The triggers are for builds from this image; nothing is built from it here.
    let triggers = std::mem::take(&mut config.on_build);
    let mut changed = lower(&parse("base", changes)?.dockerfile, Some(&config))?;
    changed.on_build.splice(0..0, triggers);
    Ok(changed)
}

/// The changes as the body of a stage that starts from `base`: one language, one set of rules.
fn parse(base: &str, changes: &[String]) -> Result<dockerfile::Parsed, EngineError> {
    let text = format!("FROM {base}\n{}\n", changes.join("\n"));
    let parsed = dockerfile::parse(&Source::new("--change", text))
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
    Ok(parsed)
}

/// The config of the only stage, whose base has `config` if it has a base.
fn lower(dockerfile: &Dockerfile, config: Option<&Config>) -> Result<Config, EngineError> {
    let options = plan::Options {
        build_args: BTreeMap::new(),
        target: None,
        labels: BTreeMap::new(),
        platform: Platform::host(),
        chosen: plan::Chosen::No,
        build_platform: Platform::host(),
        emulated: Vec::new(),
        contexts: BTreeMap::new(),
        no_cache_stages: Vec::new(),
        network: NetworkMode::None,
        host_network_allowed: false,
        insecure_allowed: false,
        circumstances: Vec::new(),
    };
    let refused = |found: Vec<Diagnostic>| wrong(found.into_iter().map(|finding| finding.message).collect());
    let mut bases = BTreeMap::new();
    for base in plan::bases(dockerfile, &options, &bases).map_err(refused)? {
        let config = ImageConfig { config: config.cloned().unwrap_or_default(), ..ImageConfig::default() };
        bases
            .insert(base.key(), BaseImage { name: base.reference, config, manifest: None, is_public: false });
    }
    Ok(plan::lower(dockerfile, &options, &bases).map_err(refused)?.target.config)
}

fn wrong(messages: Vec<String>) -> EngineError {
    EngineError::Change(messages)
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
