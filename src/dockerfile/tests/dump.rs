//! The tree in a form that people can review: a line for each instruction, its parts below it, no spans.

use std::fmt::Write as _;

use crate::diagnostic::Spanned;
use crate::dockerfile::Parsed;
use crate::dockerfile::ast::*;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::mount::Mount;
use crate::dockerfile::word::Word;

pub(super) fn dump(parsed: &Parsed) -> String {
    let mut out = Dump(String::new());
    let Dockerfile { directives, global_args, stages } = &parsed.dockerfile;
    if let Some(syntax) = &directives.syntax {
        out.line(0, format_args!("syntax {:?}", syntax.value));
    }
    if directives.escape != Escape::default() {
        out.line(0, format_args!("escape {:?}", directives.escape.char()));
    }
    if let Some(check) = &directives.check {
        out.line(0, format_args!("check {:?}", check.value));
    }
    for arg in global_args {
        out.statement(0, arg);
        out.arg(1, &arg.kind);
    }
    for stage in stages {
        out.statement(0, &stage.from);
        let From { platform, image, name } = &stage.from.kind;
        out.word(1, "platform", platform.as_ref());
        out.word(1, "image", Some(image));
        if let Some(name) = name {
            out.line(1, format_args!("name {:?}", name.value));
        }
        for instruction in &stage.instructions {
            out.statement(1, instruction);
            out.kind(2, &instruction.kind);
        }
    }
    out.0
}

struct Dump(String);

impl Dump {
    fn line(&mut self, depth: usize, text: std::fmt::Arguments<'_>) {
        writeln!(self.0, "{:1$}{text}", "", depth * 2).expect("a string takes everything");
    }

    fn statement<T>(&mut self, depth: usize, statement: &Statement<T>) {
        for comment in &statement.comments {
            self.line(depth, format_args!("# {}", comment.value));
        }
        self.line(depth, format_args!("{}: {:?}", statement.keyword.value, statement.text));
    }

    fn word(&mut self, depth: usize, label: &str, word: Option<&Word>) {
        if let Some(word) = word {
            self.line(depth, format_args!("{label} {:?}", word.text));
        }
    }

    fn words(&mut self, depth: usize, label: &str, words: &[Word]) {
        for word in words {
            self.word(depth, label, Some(word));
        }
    }

    fn spanned<T: std::fmt::Debug>(&mut self, depth: usize, label: &str, value: Option<&Spanned<T>>) {
        if let Some(value) = value {
            self.line(depth, format_args!("{label} {:?}", value.value));
        }
    }

    fn kind(&mut self, depth: usize, kind: &InstructionKind) {
        match kind {
            InstructionKind::Run(run) => self.run(depth, run),
            InstructionKind::Copy(Copy { files, from, parents }) => {
                self.spanned(depth, "from", from.as_ref());
                self.line(depth, format_args!("parents {parents}"));
                self.files(depth, files);
            }
            InstructionKind::Add(Add { files, checksum, keep_git_dir, unpack }) => {
                self.word(depth, "checksum", checksum.as_ref());
                self.line(depth, format_args!("keep-git-dir {keep_git_dir:?} unpack {unpack:?}"));
                self.files(depth, files);
            }
            InstructionKind::Arg(arg) => self.arg(depth, arg),
            InstructionKind::Env(Pairs { pairs, legacy })
            | InstructionKind::Label(Pairs { pairs, legacy }) => {
                let form = if *legacy { "legacy pair" } else { "pair" };
                for Pair { key, value } in pairs {
                    self.line(depth, format_args!("{form} {:?} {:?}", key.text, value.text));
                }
            }
            InstructionKind::Expose(words) => self.words(depth, "ports", words),
            InstructionKind::Volume(words) => self.words(depth, "path", words),
            InstructionKind::User(word)
            | InstructionKind::Workdir(word)
            | InstructionKind::StopSignal(word) => self.word(depth, "word", Some(word)),
            InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => {
                self.line(depth, format_args!("{command:?}"));
            }
            InstructionKind::Shell(arguments) => self.line(depth, format_args!("{arguments:?}")),
            InstructionKind::Healthcheck(check) => self.line(depth, format_args!("{check:?}")),
            InstructionKind::Maintainer(text) => self.line(depth, format_args!("{text:?}")),
            InstructionKind::OnBuild(OnBuild { instruction, trigger }) => {
                self.line(depth, format_args!("trigger {trigger:?}"));
                self.kind(depth + 1, &instruction.kind);
            }
        }
    }

    fn run(&mut self, depth: usize, run: &Run) {
        for Mount { options, .. } in &run.mounts {
            let option = |option: &crate::dockerfile::mount::MountOption| match &option.value {
                Some(word) => format!("{}={:?}", option.key.name(), word.text),
                None => option.key.name().to_owned(),
            };
            self.line(
                depth,
                format_args!("mount {}", options.iter().map(option).collect::<Vec<_>>().join(" ")),
            );
        }
        self.spanned(depth, "network", run.network.as_ref());
        self.spanned(depth, "security", run.security.as_ref());
        for device in &run.devices {
            self.spanned(depth, "device", Some(device));
        }
        match &run.command {
            RunCommand::Exec(arguments) => self.line(depth, format_args!("exec {arguments:?}")),
            RunCommand::Shell(text) => self.line(depth, format_args!("shell {text:?}")),
            RunCommand::Script(heredoc) => self.heredoc(depth, "script", heredoc),
            RunCommand::ShellWithHeredocs { text, heredocs } => {
                self.line(depth, format_args!("shell {text:?}"));
                for heredoc in heredocs {
                    self.heredoc(depth, "heredoc", heredoc);
                }
            }
        }
    }

    fn files(&mut self, depth: usize, files: &Files) {
        self.line(depth, format_args!("link {}", files.link));
        self.word(depth, "chown", files.chown.as_ref());
        self.word(depth, "chmod", files.chmod.as_ref());
        self.words(depth, "exclude", &files.exclude);
        self.words(depth, "source", &files.sources);
        for heredoc in &files.heredocs {
            self.heredoc(depth, "heredoc", heredoc);
        }
        self.word(depth, "destination", Some(&files.destination));
    }

    fn heredoc(&mut self, depth: usize, label: &str, heredoc: &Heredoc) {
        let Heredoc { name, body, expand, strip_tabs, fd, .. } = heredoc;
        self.line(
            depth,
            format_args!("{label} {name:?} fd {fd} expand {expand} strip-tabs {strip_tabs} {body:?}"),
        );
    }

    fn arg(&mut self, depth: usize, arg: &Arg) {
        for ArgItem { name, default } in &arg.items {
            self.line(
                depth,
                format_args!("arg {:?} {:?}", name.text, default.as_ref().map(|word| &word.text)),
            );
        }
    }
}
