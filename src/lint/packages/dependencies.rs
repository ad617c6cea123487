//! Installs behind a COPY of everything: any edit of any file repeats them.

use std::path::Path;

use crate::dockerfile::ast::{Instruction, InstructionKind};
use crate::lint::context::{Local, copied_whole, from_context};
use crate::lint::facts::Facts;
use crate::lint::shell::Simple;
use crate::lint::stage::{At, State};
use crate::lint::{Findings, rule};

use super::{cache_targets, commands};

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

pub(super) fn check(facts: &Facts<'_>, index: usize, state: &State, findings: &mut Findings) {
    let root = Local::new(facts).root();
    let mut everything: Option<&Instruction> = None;
    let mut told: Vec<&str> = Vec::new();
    for instruction in &facts.stage(index).instructions {
        if let Some(files) = from_context(&instruction.kind)
            && files.sources.iter().any(|word| copied_whole(&word.text))
        {
            everything = everything.or(Some(instruction));
        }
        let InstructionKind::Run(run) = &instruction.kind else { continue };
        let has_cache = cache_targets(run).next().is_some();
        for mut install in commands(run).iter().filter_map(Install::of) {
            if told.contains(&install.manager) {
                continue;
            }
            told.push(install.manager);
            // Without the cache's help, and with everything copied before.
            let Some(copy) = everything.filter(|_| !has_cache && install.is_of(root)) else { continue };
            let at = At { facts, state, instruction };
            let line = facts.input.source.location(copy.span.start).line;
            let message = format!("an edit of any file that line {line} copies repeats this install");
            findings
                .add(&rule::DEPENDENCIES_AFTER_SOURCE, at.span(), at.place_of(&[install.manager]), message)
                .help(format!(
                    "install before line {line}:\nCOPY {} ./\nRUN {}\n{}",
                    install.manifests.join(" "),
                    install.command,
                    copy.text
                ));
        }
    }
}
