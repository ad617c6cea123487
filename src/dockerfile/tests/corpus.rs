//! Every file of `testdata/corpus`: right texts that together use all of the language.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::laws;
use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile::ast::*;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::{Parsed, parse};

/// What the corpus has to show besides one of each instruction.
const CORNERS: [&str; 75] = [
    "add checksum",
    "add chown",
    "add exclude",
    "add heredoc",
    "add keep-git-dir",
    "add link",
    "add unpack=false",
    "add unpack=true",
    "arg before from",
    "arg with default",
    "arg without default",
    "byte-order mark",
    "carriage return",
    "check directive",
    "check error",
    "check experimental",
    "check skip",
    "comment above",
    "comment in continuation",
    "continuation at end",
    "copy chmod",
    "copy chown",
    "copy exclude",
    "copy from",
    "copy heredoc",
    "copy link",
    "copy parents",
    "copy several heredocs",
    "device",
    "device required",
    "doubled escape at end",
    "empty continuation",
    "empty exec form",
    "empty shell form",
    "end of flags",
    "escape backslash",
    "escape backtick",
    "exec form",
    "from platform",
    "from with name",
    "from without name",
    "health check exec",
    "health check none",
    "health check shell",
    "health interval",
    "health retries",
    "health start interval",
    "health start period",
    "health timeout",
    "heredoc empty",
    "heredoc fd",
    "heredoc literal",
    "heredoc quoted name",
    "heredoc shebang",
    "heredoc tabs",
    "json words",
    "legacy env",
    "legacy label",
    "lower-case keyword",
    "mount",
    "mount quoted",
    "network default",
    "network host",
    "network none",
    "no final newline",
    "not ascii",
    "onbuild heredoc",
    "run script",
    "run several heredocs",
    "security insecure",
    "security sandbox",
    "shell form",
    "shebang",
    "syntax directive",
    "variable operator",
];

/// Name and text of each file, sorted.
pub(super) fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/corpus");
    let entries = fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut files: Vec<(String, String)> = entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            assert!(path.extension().is_some_and(|it| it == "Dockerfile"), "{}", path.display());
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).expect("the corpus is UTF-8"))
        })
        .collect();
    files.sort();
    assert!(files.len() >= 100, "only {} files", files.len());
    files
}

#[test]
fn all_of_the_corpus_is_right() {
    let mut wrong = String::new();
    for (name, text) in files() {
        let source = Source::new(format!("{name}.Dockerfile"), text);
        for error in parse(&source).err().into_iter().flatten() {
            wrong += &Diagnostic::from(&error).render(&source, false);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn the_laws_hold_for_the_corpus() {
    for (_, text) in files() {
        laws::parsing(&text);
    }
}

/// Files that are cut off anywhere are what people have in their editors.
#[test]
fn the_laws_hold_for_beginnings_of_the_corpus() {
    for (_, text) in files() {
        for (end, _) in text.char_indices().filter(|(end, _)| end % 7 == 0) {
            laws::parsing(&text[..end]);
        }
    }
}

#[test]
fn the_corpus_uses_all_of_the_language() {
    let mut seen = Seen::default();
    for (_, text) in files() {
        let source = Source::new("Dockerfile", text);
        if let Ok(parsed) = parse(&source) {
            seen.file(source.text(), &parsed);
        }
    }
    let all = "ADD ARG CMD COPY ENTRYPOINT ENV EXPOSE HEALTHCHECK LABEL MAINTAINER ONBUILD RUN SHELL STOPSIGNAL \
               USER VOLUME WORKDIR";
    let triggers = all.split(' ').filter(|it| !matches!(*it, "ONBUILD" | "MAINTAINER"));
    let wanted: BTreeSet<String> = CORNERS
        .iter()
        .map(|corner| (*corner).to_owned())
        .chain(all.split(' ').map(str::to_owned))
        .chain(triggers.map(|keyword| format!("ONBUILD {keyword}")))
        .collect();
    let missing: Vec<_> = wanted.difference(&seen.0).collect();
    assert!(missing.is_empty(), "no file shows {missing:?}");
    let unknown: Vec<_> = seen.0.difference(&wanted).collect();
    assert!(unknown.is_empty(), "not in the list: {unknown:?}");
}

/// Which corners were met.
#[derive(Default)]
struct Seen(BTreeSet<String>);

impl Seen {
    fn see(&mut self, corner: impl Into<String>) {
        self.0.insert(corner.into());
    }

    fn when(&mut self, condition: bool, corner: &str) {
        if condition {
            self.see(corner);
        }
    }

    fn file(&mut self, text: &str, Parsed { dockerfile, warnings }: &Parsed) {
        self.when(text.starts_with('\u{feff}'), "byte-order mark");
        self.when(text.starts_with("#!"), "shebang");
        self.when(text.contains("\r\n"), "carriage return");
        self.when(!text.ends_with('\n'), "no final newline");
        self.when(!text.is_ascii(), "not ascii");
        self.when(text.ends_with("\\\n"), "continuation at end");
        self.when(text.contains("\\\\\n"), "doubled escape at end");
        self.when(!warnings.is_empty(), "empty continuation");
        self.when(text.contains(":-") || text.contains("//"), "variable operator");
        self.when(text.contains("\\\n#"), "comment in continuation");
        self.when(text.contains(" -- "), "end of flags");
        let Directives { syntax, escape, check } = &dockerfile.directives;
        self.when(syntax.is_some(), "syntax directive");
        self.when(text.contains("escape=\\"), "escape backslash");
        self.when(*escape == Escape::Backtick, "escape backtick");
        if let Some(check) = check {
            self.see("check directive");
            self.when(check.value.error, "check error");
            self.when(check.value.experimental != Rules::None, "check experimental");
            self.when(check.value.skip != Rules::None, "check skip");
        }
        for arg in &dockerfile.global_args {
            self.see("arg before from");
            self.arg(&arg.kind);
        }
        for Stage { from, instructions } in &dockerfile.stages {
            self.when(from.kind.platform.is_some(), "from platform");
            self.see(if from.kind.name.is_some() { "from with name" } else { "from without name" });
            for instruction in instructions {
                self.when(!instruction.comments.is_empty(), "comment above");
                self.when(instruction.keyword.value.starts_with(char::is_lowercase), "lower-case keyword");
                self.see(instruction.kind.keyword());
                self.kind(&instruction.kind);
            }
        }
    }

    fn kind(&mut self, kind: &InstructionKind) {
        match kind {
            InstructionKind::Run(run) => self.run(run),
            InstructionKind::Copy(Copy { files, from, parents }) => {
                self.when(from.is_some(), "copy from");
                self.when(*parents, "copy parents");
                self.when(files.link, "copy link");
                self.when(files.chown.is_some(), "copy chown");
                self.when(files.chmod.is_some(), "copy chmod");
                self.when(!files.exclude.is_empty(), "copy exclude");
                self.when(!files.heredocs.is_empty(), "copy heredoc");
                self.when(files.heredocs.len() > 1, "copy several heredocs");
                self.when(files.destination.text.contains(' '), "json words");
                self.heredocs(&files.heredocs);
            }
            InstructionKind::Add(Add { files, checksum, keep_git_dir, unpack }) => {
                self.when(checksum.is_some(), "add checksum");
                self.when(keep_git_dir.is_some(), "add keep-git-dir");
                self.when(*unpack == Some(true), "add unpack=true");
                self.when(*unpack == Some(false), "add unpack=false");
                self.when(files.link, "add link");
                self.when(files.chown.is_some(), "add chown");
                self.when(!files.exclude.is_empty(), "add exclude");
                self.when(!files.heredocs.is_empty(), "add heredoc");
                self.heredocs(&files.heredocs);
            }
            InstructionKind::Arg(arg) => self.arg(arg),
            InstructionKind::Env(pairs) => self.when(pairs.legacy, "legacy env"),
            InstructionKind::Label(pairs) => self.when(pairs.legacy, "legacy label"),
            InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => self.command(command),
            InstructionKind::Healthcheck(check) => self.healthcheck(check),
            InstructionKind::OnBuild(OnBuild { instruction, trigger }) => {
                self.see(format!("ONBUILD {}", instruction.kind.keyword()));
                self.when(trigger.contains('\n'), "onbuild heredoc");
            }
            _ => {}
        }
    }

    fn run(&mut self, run: &Run) {
        let Run { command, mounts, network, security, devices } = run;
        self.when(!mounts.is_empty(), "mount");
        let fields = mounts.iter().flat_map(|mount| &mount.options).filter_map(|it| it.value.as_ref());
        fields.for_each(|value| self.when(value.text.contains(','), "mount quoted"));
        match network.as_ref().map(|network| network.value) {
            Some(Network::Default) => self.see("network default"),
            Some(Network::None) => self.see("network none"),
            Some(Network::Host) => self.see("network host"),
            None => {}
        }
        match security.as_ref().map(|security| security.value) {
            Some(Security::Sandbox) => self.see("security sandbox"),
            Some(Security::Insecure) => self.see("security insecure"),
            None => {}
        }
        for device in devices {
            self.see(if device.value.required { "device required" } else { "device" });
        }
        match command {
            RunCommand::Exec(_) => self.see("exec form"),
            RunCommand::Shell(_) => self.see("shell form"),
            RunCommand::Script(heredoc) => {
                self.see("run script");
                self.when(heredoc.has_shebang(), "heredoc shebang");
                self.heredocs(std::slice::from_ref(heredoc));
            }
            RunCommand::ShellWithHeredocs { heredocs, .. } => {
                self.when(heredocs.len() > 1, "run several heredocs");
                self.heredocs(heredocs);
            }
        }
    }

    fn heredocs(&mut self, heredocs: &[Heredoc]) {
        for heredoc in heredocs {
            self.when(heredoc.strip_tabs, "heredoc tabs");
            self.when(heredoc.fd > 0, "heredoc fd");
            self.when(!heredoc.expand, "heredoc literal");
            self.when(heredoc.body.is_empty(), "heredoc empty");
            self.when(heredoc.name.contains(' '), "heredoc quoted name");
        }
    }

    fn arg(&mut self, arg: &Arg) {
        for item in &arg.items {
            self.see(if item.default.is_some() { "arg with default" } else { "arg without default" });
        }
    }

    fn command(&mut self, command: &Command) {
        self.see(match command {
            Command::Exec(arguments) if arguments.is_empty() => "empty exec form",
            Command::Shell(text) if text.is_empty() => "empty shell form",
            Command::Exec(_) => "exec form",
            Command::Shell(_) => "shell form",
        });
    }

    fn healthcheck(&mut self, check: &Healthcheck) {
        let Healthcheck::Test { command, interval, timeout, start_period, start_interval, retries } = check
        else {
            return self.see("health check none");
        };
        self.see(match command {
            Command::Exec(_) => "health check exec",
            Command::Shell(_) => "health check shell",
        });
        self.when(interval.is_some(), "health interval");
        self.when(timeout.is_some(), "health timeout");
        self.when(start_period.is_some(), "health start period");
        self.when(start_interval.is_some(), "health start interval");
        self.when(retries.is_some(), "health retries");
    }
}
