//! The syntax tree: what a Dockerfile says, with nothing expanded, resolved or inherited.
//!
//! Invariants, held by the parser: a stage's name is lower-cased and well formed; lists that the syntax wants to
//! be non-empty are non-empty; spans point into the source that was parsed. A [`Word`] is unexpanded; everything
//! that has another type is final.

use std::borrow::Cow;

use crate::diagnostic::{Span, Spanned};

use super::heredoc::Heredoc;
use super::mount::Mount;
use super::word::Word;

/// A whole Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The parser directives at its top.
    pub directives: Directives,
    /// The ARG instructions before the first FROM; only FROM lines see them.
    pub global_args: Vec<Statement<Arg>>,
    /// The stages, at least one, in order.
    pub stages: Vec<Stage>,
}

/// Parser directives: comments at the top of the file that change how it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directives {
    /// `# syntax=`: the frontend image that the author wants.
    pub syntax: Option<Spanned<String>>,
    /// `# escape=`: the escape and continuation character.
    pub escape: Escape,
    /// `# check=`: which lint rules apply.
    pub check: Option<Spanned<Check>>,
}

/// The escape character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Escape {
    /// `\`.
    #[default]
    Backslash,
    /// `` ` ``, so that Windows paths need no doubling.
    Backtick,
}

impl Escape {
    /// The character.
    pub fn char(self) -> char {
        char::from(self.byte())
    }

    /// The character as the ASCII byte that it is.
    pub fn byte(self) -> u8 {
        match self {
            Self::Backslash => b'\\',
            Self::Backtick => b'`',
        }
    }
}

/// What a `check` directive says, for the file or for the instruction below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Check {
    /// Rules that shall not report.
    pub skip: Rules,
    /// Experimental rules that shall report.
    pub experimental: Rules,
    /// Is a finding an error?
    pub error: bool,
}

/// A choice of lint rules.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Rules {
    /// None.
    #[default]
    None,
    /// Every rule.
    All,
    /// Those with these names, as written.
    Named(Vec<String>),
}

/// A FROM with the instructions up to the next one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage {
    /// What the stage starts from.
    pub from: Statement<From>,
    /// What is done to it.
    pub instructions: Vec<Instruction>,
}

impl Stage {
    /// The stage's name, lower-cased; `None` for a stage without AS.
    pub fn name(&self) -> Option<&str> {
        self.from.kind.name.as_ref().map(|name| name.value.as_str())
    }
}

/// An instruction of a stage.
pub type Instruction = Statement<InstructionKind>;

/// One instruction as a place in the file, and what it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<T> {
    /// What it says.
    pub kind: T,
    /// From the keyword to the last argument or, with heredocs, to the end of the last terminator line.
    pub span: Span,
    /// The keyword, in the case in which it was written.
    pub keyword: Spanned<String>,
    /// The instruction on one line: continuations joined, comment lines between them dropped, heredoc bodies left
    /// out, white space at both ends cut. This is what progress shows.
    pub text: String,
    /// The comment lines directly above, without `#` and surrounding white space.
    pub comments: Vec<Spanned<String>>,
}

impl<T> Statement<T> {
    /// The description in the comment line directly above: for a FROM … AS or ARG called `name`, a comment
    /// `# name text` describes it as `text`.
    pub fn description(&self, name: &str) -> Option<&str> {
        let comment = self.comments.last()?.value.as_str();
        let (first, text) = comment.split_once(char::is_whitespace)?;
        (first == name).then(|| text.trim())
    }
}

/// What an instruction of a stage says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstructionKind {
    /// `RUN`.
    Run(Run),
    /// `COPY`.
    Copy(Copy),
    /// `ADD`.
    Add(Add),
    /// `ARG` inside of a stage.
    Arg(Arg),
    /// `ENV`.
    Env(Pairs),
    /// `LABEL`.
    Label(Pairs),
    /// `EXPOSE`: each word is expanded with [`Word::expand_words`] and each result given to
    /// [`parse_ports`](super::port::parse_ports).
    Expose(Vec<Word>),
    /// `USER`: the complete rest of the line, expanded as one word.
    User(Word),
    /// `WORKDIR`: the complete rest of the line, expanded as one word.
    Workdir(Word),
    /// `VOLUME`: at least one path, none of them empty as written.
    Volume(Vec<Word>),
    /// `CMD`.
    Cmd(Command),
    /// `ENTRYPOINT`.
    Entrypoint(Command),
    /// `SHELL`: at least one argument; nothing is expanded.
    Shell(Vec<String>),
    /// `STOPSIGNAL`: expanded as one word, then checked with [`is_valid`](super::signal::is_valid).
    StopSignal(Word),
    /// `HEALTHCHECK`.
    Healthcheck(Healthcheck),
    /// `MAINTAINER`: taken as written.
    Maintainer(String),
    /// `ONBUILD`.
    OnBuild(OnBuild),
}

impl InstructionKind {
    /// The keyword in capitals.
    pub fn keyword(&self) -> &'static str {
        match self {
            Self::Run(_) => "RUN",
            Self::Copy(_) => "COPY",
            Self::Add(_) => "ADD",
            Self::Arg(_) => "ARG",
            Self::Env(_) => "ENV",
            Self::Label(_) => "LABEL",
            Self::Expose(_) => "EXPOSE",
            Self::User(_) => "USER",
            Self::Workdir(_) => "WORKDIR",
            Self::Volume(_) => "VOLUME",
            Self::Cmd(_) => "CMD",
            Self::Entrypoint(_) => "ENTRYPOINT",
            Self::Shell(_) => "SHELL",
            Self::StopSignal(_) => "STOPSIGNAL",
            Self::Healthcheck(_) => "HEALTHCHECK",
            Self::Maintainer(_) => "MAINTAINER",
            Self::OnBuild(_) => "ONBUILD",
        }
    }
}

/// `FROM [--platform=p] image [AS name]`; its words see the global ARGs only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// `--platform`, expanded before it is read.
    pub platform: Option<Word>,
    /// An earlier stage, a named context, an image or `scratch`.
    pub image: Word,
    /// The stage's name, lower-cased.
    pub name: Option<Spanned<String>>,
}

/// An argument vector, or a text for a shell. Never expanded by the builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// The JSON form; may be empty.
    Exec(Vec<String>),
    /// The rest of the line, white space at both ends cut; may be empty.
    Shell(String),
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What runs.
    pub command: RunCommand,
    /// `--mount`s, as written.
    pub mounts: Vec<Mount>,
    /// `--network`; `None` is the build's default.
    pub network: Option<Spanned<Network>>,
    /// `--security`.
    pub security: Option<Spanned<Security>>,
    /// `--device`s.
    pub devices: Vec<Spanned<Device>>,
}

/// What a RUN runs. Never expanded by the builder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RunCommand {
    /// The JSON form: an argument vector, not empty.
    Exec(Vec<String>),
    /// A text for the shell, not empty.
    Shell(String),
    /// Only a heredoc: its body is the text for the shell, or a file to execute if it begins with `#!`.
    Script(Heredoc),
    /// A text for the shell that has heredocs in it, at least one.
    ShellWithHeredocs {
        /// The line, openers included.
        text: String,
        /// The bodies, in the order of their openers.
        heredocs: Vec<Heredoc>,
    },
}

impl RunCommand {
    /// The text to give to the shell. `None` if no shell is wanted: for the JSON form, and for a script that names
    /// its interpreter, which is to be executed as a file with [`Heredoc::content`].
    pub fn shell_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Exec(_) => None,
            Self::Shell(text) => Some(Cow::Borrowed(text)),
            Self::Script(heredoc) => (!heredoc.has_shebang()).then(|| heredoc.content()),
            Self::ShellWithHeredocs { text, heredocs } => {
                let mut text = text.clone();
                for heredoc in heredocs {
                    // The shell strips the tabs of `<<-`.
                    text.extend(["\n", &heredoc.body, &heredoc.name]);
                }
                Some(Cow::Owned(text))
            }
        }
    }
}

/// `RUN --network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Network {
    /// A network of its own, with a way out.
    Default,
    /// Loopback only.
    None,
    /// The host's.
    Host,
}

/// `RUN --security`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Security {
    /// The usual capabilities and filters.
    Sandbox,
    /// Every capability and device.
    Insecure,
}

/// `RUN --device=name[,required]`: a device of the Container Device Interface.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// Does the step fail without it?
    pub required: bool,
}

/// `COPY [flags] source… destination`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// What goes where.
    pub files: Files,
    /// `--from`: a stage, a named context or an image; taken as written.
    pub from: Option<Spanned<String>>,
    /// `--parents`.
    pub parents: bool,
}

/// `ADD [flags] source… destination`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// What goes where.
    pub files: Files,
    /// `--checksum`.
    pub checksum: Option<Word>,
    /// `--keep-git-dir`.
    pub keep_git_dir: Option<bool>,
    /// `--unpack`; `None` unpacks local archives only.
    pub unpack: Option<bool>,
}

/// What COPY and ADD have in common. At least one source or heredoc.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Files {
    /// The sources that are not heredocs, in order.
    pub sources: Vec<Word>,
    /// The sources that are heredocs, in order: a file each, called [`Heredoc::name`].
    pub heredocs: Vec<Heredoc>,
    /// Where to.
    pub destination: Word,
    /// `--chown`.
    pub chown: Option<Word>,
    /// `--chmod`.
    pub chmod: Option<Word>,
    /// `--link`.
    pub link: bool,
    /// `--exclude`s.
    pub exclude: Vec<Word>,
}

/// `ARG name[=default]…`, evaluated from left to right: an item sees those before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// At least one.
    pub items: Vec<ArgItem>,
}

/// One name of an ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgItem {
    /// The name, which is expanded too; not empty as written.
    pub name: Word,
    /// The default, if the item has a `=`.
    pub default: Option<Word>,
}

/// The pairs of an ENV or LABEL. All of them see the variables before the instruction, not each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pairs {
    /// At least one.
    pub pairs: Vec<Pair>,
    /// Was it written in the old form `key value`, which has exactly one pair?
    pub legacy: bool,
}

/// A key and its value; both are expanded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Not empty as written.
    pub key: Word,
    /// The value.
    pub value: Word,
}

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `NONE`: switches an inherited one off.
    None,
    /// `CMD`. Durations are nanoseconds, 0 or at least 1 ms; `None` inherits or takes the runtime's default.
    Test {
        /// What to run; not empty.
        command: Command,
        /// `--interval`.
        interval: Option<u64>,
        /// `--timeout`.
        timeout: Option<u64>,
        /// `--start-period`.
        start_period: Option<u64>,
        /// `--start-interval`.
        start_interval: Option<u64>,
        /// `--retries`.
        retries: Option<u32>,
    },
}

/// `ONBUILD instruction`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OnBuild {
    /// The trigger, read with this file's escape character. Its keyword is none of ONBUILD, FROM, MAINTAINER.
    pub instruction: Box<Instruction>,
    /// The trigger as the image config stores it: one line, then the heredocs with their terminators. Give it to
    /// [`parse_trigger`](super::parse_trigger).
    pub trigger: String,
}
