//! Rules about package managers: lists that grow old, caches in layers, installs that every edit repeats.

mod caches;
mod dependencies;

use crate::dockerfile::ast::{Instruction, InstructionKind, Run, RunCommand};
use crate::dockerfile::mount::MountKey;

use super::facts::Facts;
use super::shell::{self, Simple};
use super::stage::{At, State};
use super::{Findings, rule};

/// A RUN with what it runs.
struct RunAt<'a> {
    instruction: &'a Instruction,
    run: &'a Run,
    commands: Vec<Simple>,
}

impl RunAt<'_> {
    /// Whether a cache mount's target has one of the words in it.
    fn caches(&self, words: &[&str]) -> bool {
        cache_targets(self.run).any(|target| words.iter().any(|word| target.contains(word)))
    }
}

/// The targets of cache mounts, as written.
fn cache_targets(run: &Run) -> impl Iterator<Item = &str> {
    run.mounts.iter().filter_map(|mount| {
        let value = |key: MountKey| {
            let option = mount.options.iter().rfind(|option| option.key == key)?;
            option.value.as_ref().map(|word| word.text.as_str())
        };
        if value(MountKey::Type) == Some("cache") { value(MountKey::Target) } else { None }
    })
}

/// What a RUN runs, as far as it is a shell's text.
pub(super) fn commands(run: &Run) -> Vec<Simple> {
    match &run.command {
        RunCommand::Exec(words) => match &words[..] {
            [shell, flag, text] if shell.ends_with("sh") && flag == "-c" => shell::commands(text),
            words => Simple::exec(words).into_iter().collect(),
        },
        RunCommand::Script(heredoc) if heredoc.has_shebang() => {
            let content = heredoc.content();
            let first = content.lines().next().unwrap_or_default();
            if first.trim_end().ends_with("sh") { shell::commands(&content) } else { Vec::new() }
        }
        RunCommand::ShellWithHeredocs { text, .. } => shell::commands(text),
        command => shell::commands(&command.shell_text().unwrap_or_default()),
    }
}

/// How the words begin that the rules look for: programs that fetch packages.
const MANAGERS: [&str; 15] = [
    "apk", "apt", "bundle", "cargo", "composer", "dnf", "go", "microdnf", "npm", "pip", "pnpm", "poetry",
    "uv", "yarn", "yum",
];

/// Whether a text may have anything that a rule looks at. Most have nothing, and need not be split.
fn may_manage_packages(text: &str) -> bool {
    let mut words = text.as_bytes().split(|b| !b.is_ascii_alphanumeric());
    words.any(|word| MANAGERS.iter().any(|name| word.starts_with(name.as_bytes())))
}

/// `state` is that at the end of the stage.
pub(super) fn check(facts: &Facts<'_>, index: usize, state: &State, findings: &mut Findings) {
    if !state.shell_is_posix() {
        return;
    }
    let instructions = &facts.stage(index).instructions;
    let runs = instructions.iter().filter_map(|instruction| match &instruction.kind {
        InstructionKind::Run(run) => {
            let text = facts.text(instruction.span);
            let commands = if may_manage_packages(text) { commands(run) } else { Vec::new() };
            Some(RunAt { instruction, run, commands })
        }
        _ => None,
    });
    let runs: Vec<RunAt<'_>> = runs.collect();
    let mut has_lists_from_below = false;
    for run in &runs {
        let at = At { facts, state, instruction: run.instruction };
        if updates_alone(run) {
            has_lists_from_below = true;
            findings
                .add(
                    &rule::APT_UPDATE_ALONE,
                    at.span(),
                    at.place_of(&["apt-get update", "apt update"]),
                    "the package lists of this layer grow old while it is cached, and the next install takes them",
                )
                .help("write it into the RUN that installs: `RUN apt-get update && apt-get install -y … && rm -rf /var/lib/apt/lists/*`");
        } else if !has_lists_from_below && installs_without_update(run) {
            findings
                .add(
                    &rule::APT_INSTALL_WITHOUT_UPDATE,
                    at.span(),
                    at.place_of(&["apt-get install", "apt install", "apt-get", "apt"]),
                    "this installs from the package lists of a layer below, if there are any",
                )
                .help("fetch them in the same RUN: `RUN apt-get update && apt-get install …`");
        }
        if facts.shipped[index] {
            caches::check(&at, run, findings);
        }
    }
    dependencies::check(facts, index, state, &runs, findings);
}

const LISTS: [&str; 1] = ["/var/lib/apt"];

/// What an `apt` or `apt-get` does.
fn apt(simple: &Simple) -> Option<&str> {
    let is_apt = matches!(simple.program(), "apt" | "apt-get");
    is_apt.then(|| simple.verb(&["-o", "-t", "-c", "--option", "--target-release"])).flatten()
}

/// A RUN that fetches the lists, and nothing that could use them.
fn updates_alone(run: &RunAt<'_>) -> bool {
    let is_idle = |simple: &Simple| {
        matches!(apt(simple), Some("update" | "clean" | "autoclean"))
            || matches!(simple.program(), "echo" | "set" | "true" | "rm" | "mkdir" | "date")
    };
    run.commands.iter().any(|simple| apt(simple) == Some("update"))
        && run.commands.iter().all(is_idle)
        && !run.caches(&LISTS)
}

/// Whether a command may do more than its words say.
fn is_opaque(simple: &Simple) -> bool {
    matches!(
        simple.program(),
        "sh" | "bash" | "dash" | "ash" | "zsh" | "eval" | "source" | "." | "make" | "add-apt-repository"
    ) || simple.words[0].contains(['/', '$'])
}

fn installs_without_update(run: &RunAt<'_>) -> bool {
    let installs = |simple: &Simple| {
        let packages = simple.arguments().iter().filter(|word| !word.starts_with('-')).skip(1);
        apt(simple) == Some("install") && packages.into_iter().any(|package| !package.contains('/'))
    };
    run.commands.iter().any(installs)
        && !run.commands.iter().any(|simple| apt(simple) == Some("update") || is_opaque(simple))
        && !run.caches(&LISTS)
}
