//! Every place that a tree speaks of, for what has to hold for all of them and for trees that shall be compared
//! without them.

use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast::*;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::mount::{Mount, MountOption};
use crate::dockerfile::word::Word;

/// Shows every span of the tree to `see`, statement by statement.
pub(super) fn visit(dockerfile: &mut Dockerfile, see: &mut dyn FnMut(&mut Span)) {
    let mut places = Places(see);
    let Dockerfile { directives, global_args, stages } = dockerfile;
    let Directives { syntax, escape: _, check } = directives;
    places.spanned(syntax);
    places.spanned(check);
    for arg in global_args {
        places.statement(arg);
        places.arg(&mut arg.kind);
    }
    for Stage { from, instructions } in stages {
        places.statement(from);
        let From { platform, image, name } = &mut from.kind;
        places.words(platform);
        places.word(image);
        places.spanned(name);
        for instruction in instructions {
            places.instruction(instruction);
        }
    }
}

/// Leaves of the tree what it means: places are dropped, and the texts that only repeat the source, such as
/// [`Statement::text`].
pub(super) fn forget(dockerfile: &mut Dockerfile) {
    visit(dockerfile, &mut |span| *span = Span::default());
    for arg in &mut dockerfile.global_args {
        arg.text.clear();
    }
    for Stage { from, instructions } in &mut dockerfile.stages {
        from.text.clear();
        instructions.iter_mut().for_each(forget_text);
    }
}

fn forget_text(instruction: &mut Instruction) {
    instruction.text.clear();
    if let InstructionKind::OnBuild(OnBuild { instruction, trigger }) = &mut instruction.kind {
        trigger.clear();
        forget_text(instruction);
    }
}

struct Places<'f>(&'f mut dyn FnMut(&mut Span));

impl Places<'_> {
    fn see(&mut self, span: &mut Span) {
        (self.0)(span);
    }

    fn spanned<'a, T: 'a>(&mut self, values: impl IntoIterator<Item = &'a mut Spanned<T>>) {
        for value in values {
            self.see(&mut value.span);
        }
    }

    fn word(&mut self, word: &mut Word) {
        self.see(&mut word.span);
    }

    fn words<'a>(&mut self, words: impl IntoIterator<Item = &'a mut Word>) {
        for word in words {
            self.word(word);
        }
    }

    fn statement<T>(&mut self, statement: &mut Statement<T>) {
        self.see(&mut statement.span);
        self.see(&mut statement.keyword.span);
        self.spanned(&mut statement.comments);
    }

    fn instruction(&mut self, instruction: &mut Instruction) {
        self.statement(instruction);
        match &mut instruction.kind {
            InstructionKind::Run(run) => self.run(run),
            InstructionKind::Copy(Copy { files, from, parents: _ }) => {
                self.spanned(from);
                self.files(files);
            }
            InstructionKind::Add(Add { files, checksum, keep_git_dir: _, unpack: _ }) => {
                self.words(checksum);
                self.files(files);
            }
            InstructionKind::Arg(arg) => self.arg(arg),
            InstructionKind::Env(Pairs { pairs, legacy: _ })
            | InstructionKind::Label(Pairs { pairs, legacy: _ }) => {
                for Pair { key, value } in pairs {
                    self.word(key);
                    self.word(value);
                }
            }
            InstructionKind::Expose(words) | InstructionKind::Volume(words) => self.words(words),
            InstructionKind::User(word)
            | InstructionKind::Workdir(word)
            | InstructionKind::StopSignal(word) => self.word(word),
            InstructionKind::Cmd(_)
            | InstructionKind::Entrypoint(_)
            | InstructionKind::Shell(_)
            | InstructionKind::Healthcheck(_)
            | InstructionKind::Maintainer(_) => {}
            InstructionKind::OnBuild(on_build) => self.instruction(&mut on_build.instruction),
        }
    }

    fn run(&mut self, run: &mut Run) {
        let Run { command, mounts, network, security, devices } = run;
        for Mount { options, span } in mounts {
            self.see(span);
            for MountOption { key: _, value, span } in options {
                self.see(span);
                self.words(value);
            }
        }
        self.spanned(network);
        self.spanned(security);
        self.spanned(devices);
        match command {
            RunCommand::Exec(_) | RunCommand::Shell(_) => {}
            RunCommand::Script(heredoc) => self.heredoc(heredoc),
            RunCommand::ShellWithHeredocs { text: _, heredocs } => {
                for heredoc in heredocs {
                    self.heredoc(heredoc);
                }
            }
        }
    }

    fn files(&mut self, files: &mut Files) {
        let Files { sources, heredocs, destination, chown, chmod, link: _, exclude } = files;
        self.words(sources);
        for heredoc in heredocs {
            self.heredoc(heredoc);
        }
        self.word(destination);
        self.words(chown);
        self.words(chmod);
        self.words(exclude);
    }

    fn heredoc(&mut self, heredoc: &mut Heredoc) {
        self.see(&mut heredoc.span);
        self.see(&mut heredoc.body_span);
    }

    fn arg(&mut self, arg: &mut Arg) {
        for ArgItem { name, default } in &mut arg.items {
            self.word(name);
            self.words(default);
        }
    }
}
