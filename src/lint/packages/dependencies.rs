//! Installs behind a COPY of everything: any edit of any file repeats them.

use std::path::Path;

use crate::dockerfile::ast::{Instruction, InstructionKind};
use crate::lint::context::{Local, copied_whole, from_context};
use crate::lint::facts::Facts;
use crate::lint::shell::Simple;
use crate::lint::stage::{At, State};
use crate::lint::{Findings, rule};

use super::{RunAt, cache_targets};

/// An install of what manifests name.
struct Install {
    /// What the manager is called; one finding each.
    manager: &'static str,
    /// The files that name the dependencies.
    manifests: Vec<String>,
    /// What installs them without the sources.
    command: String,
}

impl Install {
    fn of(simple: &Simple) -> Option<Self> {
        let words = simple.words.join(" ");
        let verb = simple.verb(&[]);
        // `npm install express` names its dependency itself.
        let names_packages = simple.arguments().iter().filter(|word| !word.starts_with('-')).count() > 1;
        let new = |manager, manifests: &[&str], command: &str| {
            let manifests = manifests.iter().map(|&name| name.to_owned()).collect();
            Some(Self { manager, manifests, command: command.to_owned() })
        };
        match (simple.program(), verb) {
            ("npm", Some("ci" | "install" | "i")) if !names_packages => {
                new("npm", &["package.json", "package-lock.json"], &words)
            }
            ("yarn", None | Some("install")) => new("yarn", &["package.json", "yarn.lock"], &words),
            ("pnpm", Some("install" | "i")) if !names_packages => {
                new("pnpm", &["package.json", "pnpm-lock.yaml"], &words)
            }
            ("poetry", Some("install")) => {
                new("poetry", &["pyproject.toml", "poetry.lock"], "poetry install --no-root")
            }
            ("uv", Some("sync")) => new("uv", &["pyproject.toml", "uv.lock"], "uv sync --no-install-project"),
            ("bundle" | "bundler", Some("install")) => new("bundler", &["Gemfile", "Gemfile.lock"], &words),
            ("composer", Some("install")) => new(
                "composer",
                &["composer.json", "composer.lock"],
                "composer install --no-scripts --no-autoloader",
            ),
            ("go", Some("mod")) if simple.has("download") => new("go", &["go.mod", "go.sum"], &words),
            ("go", Some("build" | "install")) => new("go", &["go.mod", "go.sum"], "go mod download"),
            ("cargo", Some("build" | "fetch" | "install")) => {
                new("cargo", &["Cargo.toml", "Cargo.lock"], "mkdir -p src && touch src/lib.rs && cargo fetch")
            }
            _ => requirements(simple).map(|file| Self {
                manager: "pip",
                manifests: vec![file],
                command: words,
            }),
        }
    }

    /// Takes the manifests that are not in the context away; whether one is left.
    fn is_of(&mut self, root: Option<&Path>) -> bool {
        if let Some(root) = root {
            self.manifests.retain(|name| root.join(name).is_file());
        }
        !self.manifests.is_empty()
    }
}

/// The file of `pip install -r FILE`.
fn requirements(simple: &Simple) -> Option<String> {
    let program = simple.program();
    let arguments = simple.arguments();
    let is_pip = program.starts_with("pip")
        || program.starts_with("python") && arguments.get(1).is_some_and(|word| word == "pip");
    if !is_pip || !simple.has("install") {
        return None;
    }
    let flag = arguments.iter().position(|word| word == "-r" || word == "--requirement")?;
    arguments.get(flag + 1).filter(|file| !file.starts_with('/')).cloned()
}

/// A COPY of everything.
struct Whole<'a> {
    instruction: &'a Instruction,
    destination: &'a str,
    /// The working directory there.
    directory: String,
}

impl Whole<'_> {
    /// The lines that do the same with the install first. `None` if the install, in `directory`, does not find the
    /// manifests at the top of what is copied, or if the lines would mean something else at another place.
    fn rewrite(&self, install: &Install, directory: &str) -> Option<String> {
        let moves = self.directory != directory;
        if joined(&self.directory, self.destination) != directory || moves && !is_absolute(self.destination) {
            return None;
        }
        let workdir = if moves { format!("WORKDIR {directory}\n") } else { String::new() };
        let Install { manifests, command, .. } = install;
        let (manifests, copy) = (manifests.join(" "), &self.instruction.text);
        Some(format!("{workdir}COPY {manifests} ./\nRUN {command}\n{copy}"))
    }
}

/// A path as written, seen from a directory; the base image's working directory is the empty path.
fn joined(directory: &str, path: &str) -> String {
    let base = if is_absolute(path) { "" } else { directory };
    let root = if path.starts_with('/') || base.starts_with('/') { "/" } else { "" };
    let parts = base.split('/').chain(path.split('/')).filter(|part| !matches!(*part, "" | "."));
    format!("{root}{}", parts.collect::<Vec<_>>().join("/"))
}

/// Variables mostly hold whole paths.
fn is_absolute(path: &str) -> bool {
    path.starts_with(['/', '$'])
}

/// `runs` are the RUNs of the stage.
pub(super) fn check(
    facts: &Facts<'_>,
    index: usize,
    state: &State,
    runs: &[RunAt<'_>],
    findings: &mut Findings,
) {
    let mut runs = runs.iter();
    let root = Local::new(facts).root();
    let mut everything: Option<Whole<'_>> = None;
    let mut directory = String::new();
    let mut told: Vec<&str> = Vec::new();
    for instruction in &facts.stage(index).instructions {
        if let InstructionKind::Workdir(path) = &instruction.kind {
            directory = joined(&directory, &path.text);
        }
        if let Some(files) = from_context(&instruction.kind)
            && files.sources.iter().any(|word| copied_whole(&word.text))
        {
            let destination = files.destination.text.as_str();
            let copy = Whole { instruction, destination, directory: directory.clone() };
            everything = everything.or(Some(copy));
        }
        let InstructionKind::Run(_) = &instruction.kind else { continue };
        let Some(RunAt { run, commands, .. }) = runs.next() else { return };
        let has_cache = cache_targets(run).next().is_some();
        let stays = !commands.iter().any(|simple| simple.program() == "cd");
        for mut install in commands.iter().filter_map(Install::of) {
            if told.contains(&install.manager) {
                continue;
            }
            told.push(install.manager);
            // Without the cache's help, and with everything copied before.
            let Some(copy) = everything.as_ref().filter(|_| !has_cache && install.is_of(root)) else {
                continue;
            };
            let at = At { facts, state, instruction };
            let line = facts.input.source.location(copy.instruction.span.start).line;
            let message = format!("an edit of any file that line {line} copies repeats this install");
            let help = match copy.rewrite(&install, &directory).filter(|_| stays) {
                Some(lines) => format!("install before line {line}:\n{lines}"),
                None => format!(
                    "before line {line}, copy only what names the dependencies (`{}`), and install there",
                    install.manifests.join("`, `")
                ),
            };
            let place = at.place_of(&[install.manager]);
            findings.add(&rule::DEPENDENCIES_AFTER_SOURCE, at.span(), place, message).help(help);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_seen_from_the_working_directory() {
        for (directory, path, expected) in [
            ("", ".", ""),
            ("", "./", ""),
            ("", "app/", "app"),
            ("/app", ".", "/app"),
            ("/app", "./x/./y", "/app/x/y"),
            ("/app", "/srv/", "/srv"),
            ("/app", "/", "/"),
            ("/", "app", "/app"),
            ("/app", "$HOME/x", "$HOME/x"),
        ] {
            assert_eq!(joined(directory, path), expected, "{path} in {directory}");
        }
    }
}
