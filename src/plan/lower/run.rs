//! RUN.

use std::borrow::Cow;
use std::sync::Arc;

use crate::dockerfile::ast::{self, Instruction, Network, RunCommand, Security};
use crate::dockerfile::heredoc::Heredoc;
use crate::oci::Config;

use super::super::error::{PlanError, PlanErrorKind};
use super::super::scope::proxies;
use super::super::{NetworkMode, Run, Script, StepKind};
use super::mounts::Mounts;
use super::{Stage, upper_case_keyword};

/// The shell of an image that names none.
const DEFAULT_SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// Where scripts are while they run: the place that BuildKit uses, because the history shows it.
const SCRIPTS: &str = "/dev/pipes";

impl Stage<'_, '_> {
    pub(super) fn run(&mut self, instruction: &Instruction, run: &ast::Run) -> Result<(), PlanError> {
        supported(run)?;
        self.can_run(instruction)?;
        let network = self.network(run)?;
        let Mounts { mounts, variables: secret_variables } = self.mounts(run)?;
        let (args, script) = match &run.command {
            RunCommand::Exec(args) => (args.clone(), None),
            RunCommand::Script(heredoc) if heredoc.has_shebang() => {
                let script = script(heredoc);
                (self.in_shell(&script.path), Some(script))
            }
            command => (self.in_shell(&command.shell_text().unwrap_or_default()), None),
        };
        let insecure = self.insecure(run)?;
        let created_by = self.created_by(&args);
        let kind =
            StepKind::Run(Run { script, mounts, secret_variables, insecure, ..self.seen_by(args, network) });
        self.step(kind, &shown(instruction, run), created_by, instruction.span, Vec::new());
        Ok(())
    }

    /// A command with what every command sees here.
    pub(super) fn seen_by(&self, args: Vec<String>, network: NetworkMode) -> Run {
        let state = &self.state;
        let variables = state.scope.variables();
        let proxies = proxies(self.options).into_iter().filter(|(name, _)| !variables.contains_key(name));
        Run {
            env: Arc::clone(variables),
            ignored_env: proxies.collect(),
            cwd: if state.config.working_dir.is_empty() { "/" } else { &state.config.working_dir }.to_owned(),
            user: state.config.user.clone(),
            args,
            network,
            script: None,
            mounts: Vec::new(),
            secret_variables: Vec::new(),
            insecure: false,
            circumstances: self.options.circumstances.clone(),
        }
    }

    /// A text as arguments for the stage's shell.
    pub(super) fn in_shell(&self, text: &str) -> Vec<String> {
        shell_of(&self.state.config).into_iter().chain([text.to_owned()]).collect()
    }

    /// The program of the stage's shell.
    pub(super) fn shell_program(&self) -> String {
        shell_of(&self.state.config).swap_remove(0)
    }

    fn can_run(&self, instruction: &Instruction) -> Result<(), PlanError> {
        let (platform, build) = (&self.state.platform, &self.options.build_platform);
        let is_emulated = platform.os == build.os && self.options.emulated.contains(&platform.architecture);
        if build.runs(platform) || is_emulated {
            return Ok(());
        }
        let (platform, build) = (platform.to_string(), build.to_string());
        Err(PlanErrorKind::Foreign { platform, build }.at(instruction.keyword.span))
    }

    fn network(&self, run: &ast::Run) -> Result<NetworkMode, PlanError> {
        let Some(network) = &run.network else {
            return Ok(self.options.network);
        };
        match network.value {
            Network::Default => Ok(self.options.network),
            Network::None => Ok(NetworkMode::None),
            Network::Host if self.options.host_network_allowed => Ok(NetworkMode::Host),
            Network::Host => Err(PlanErrorKind::Network { network: network.value }.at(network.span)),
        }
    }

    fn insecure(&self, run: &ast::Run) -> Result<bool, PlanError> {
        match &run.security {
            Some(security) if security.value == Security::Insecure => {
                if self.options.insecure_allowed {
                    Ok(true)
                } else {
                    Err(PlanErrorKind::Insecure.at(security.span))
                }
            }
            _ => Ok(false),
        }
    }

    fn created_by(&self, args: &[String]) -> String {
        let arguments = self.state.scope.shown_arguments();
        let length = arguments.len() + args.iter().map(|arg| arg.len() + 1).sum::<usize>();
        let mut text = String::with_capacity("RUN # buildkit".len() + length);
        text.extend(["RUN", arguments]);
        for arg in args {
            text.extend([" ", arg]);
        }
        text.push_str(" # buildkit");
        text
    }
}

/// The shell of a stage with its arguments; never empty.
pub(super) fn shell_of(config: &Config) -> Vec<String> {
    match config.shell.as_deref() {
        None | Some([]) => DEFAULT_SHELL.map(str::to_owned).to_vec(),
        Some(shell) => shell.to_vec(),
    }
}

/// Fails for flags that cannot be obeyed yet.
fn supported(run: &ast::Run) -> Result<(), PlanError> {
    match run.devices.first() {
        Some(device) => Err(PlanErrorKind::Unsupported { what: "`RUN --device`" }.at(device.span)),
        None => Ok(()),
    }
}

fn script(heredoc: &Heredoc) -> Script {
    // The name is only a delimiter to whoever wrote it; what does not fit a file name must not lead elsewhere.
    let name = heredoc.name.rsplit('/').next().filter(|name| !matches!(*name, "" | "." | ".."));
    Script {
        path: format!("{SCRIPTS}/{}", name.unwrap_or("script")),
        content: heredoc.content().into_owned(),
    }
}

/// What progress shows. Variables stay as they are: it is the shell that expands them.
fn shown<'i>(instruction: &'i Instruction, run: &ast::Run) -> Cow<'i, str> {
    let text = upper_case_keyword(&instruction.text);
    let RunCommand::Script(heredoc) = &run.command else { return text };
    let body = heredoc.body.trim();
    let first = body.lines().next().unwrap_or_default();
    let more = if body.lines().nth(1).is_some() { "..." } else { "" };
    format!("{text} ({first}{more})").into()
}
