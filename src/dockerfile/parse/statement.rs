//! One instruction with its heredocs.

use crate::diagnostic::{Source, Span, Spanned, nearest};
use crate::dockerfile::ast::{
    Arg, Command, Escape, Files, From, Healthcheck, InstructionKind, Network, OnBuild, Run, RunCommand,
    Security, Statement,
};
use crate::dockerfile::error::{ParseError, ParseErrorKind};
use crate::dockerfile::flags::Flags;
use crate::dockerfile::heredoc::{self, Heredoc};
use crate::dockerfile::lines::{Fragment, Lines, Logical};
use crate::dockerfile::mount::Mount;
use crate::dockerfile::parse::{arguments, files, values};

/// Every keyword.
const KEYWORDS: [&str; 18] = [
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
];

/// An instruction, or the FROM that begins a stage.
pub(super) enum Kind {
    From(From),
    Instruction(InstructionKind),
}

/// What a logical line and the heredocs below it say.
pub(super) struct Read<K> {
    kind: K,
    keyword: Spanned<String>,
    /// From the keyword to the end of the last heredoc's terminator.
    span: Span,
}

impl<K> Read<K> {
    /// Joins it with what the logical line knows besides.
    pub(super) fn statement(self, logical: &Logical<'_>) -> Statement<K> {
        Statement {
            kind: self.kind,
            span: self.span,
            keyword: self.keyword,
            text: logical.fragment().text().to_owned(),
            comments: logical.comments.clone(),
        }
    }
}

/// The arguments of an instruction with everything that was read before them.
struct Call<'l> {
    instruction: &'static str,
    keyword: Fragment<'l>,
    flags: Flags,
    /// What follows the flags.
    arguments: Fragment<'l>,
    /// The arguments, if they are a JSON array of strings.
    json: Option<Vec<String>>,
    escape: Escape,
}

/// Heredocs with their openers.
struct Heredocs<'l> {
    bodies: Vec<Heredoc>,
    openers: Vec<Fragment<'l>>,
    end: Option<u32>,
}

pub(super) struct Reader<'s> {
    source: &'s Source,
    pub(super) lines: Lines<'s>,
    escape: Escape,
}

impl<'s> Reader<'s> {
    pub(super) fn new(source: &'s Source, lines: Lines<'s>, escape: Escape) -> Self {
        Self { source, lines, escape }
    }

    /// Reads an instruction; the lines of its heredocs are taken from the source even if it is wrong.
    pub(super) fn statement(&mut self, line: Fragment<'_>) -> Result<Read<Kind>, ParseError> {
        let (keyword, rest) = line.split_word();
        let instruction = known(keyword)?;
        let (flags, arguments) = match Flags::parse(instruction, rest, self.escape.char()) {
            Ok((flags, arguments)) => (Ok(flags), arguments),
            Err(error) => (Err(error), rest),
        };
        if instruction == "ONBUILD" {
            flags?;
            return self.on_build(line, keyword, arguments);
        }
        let json = match instruction {
            "ADD" | "CMD" | "COPY" | "ENTRYPOINT" | "RUN" | "SHELL" | "VOLUME" => {
                arguments::json(instruction, arguments)?
            }
            _ => None,
        };
        let heredocs = match instruction {
            "ADD" | "COPY" if json.is_none() => self.heredocs(arguments, heredoc::Reader::Builder)?,
            "RUN" if json.is_none() => self.heredocs(arguments, heredoc::Reader::Shell)?,
            _ => Heredocs { bodies: Vec::new(), openers: Vec::new(), end: None },
        };
        let span = line.span();
        let span = Span::new(span.start, heredocs.end.unwrap_or(span.end));
        let call = Call { instruction, keyword, flags: flags?, arguments, json, escape: self.escape };
        Ok(Read { kind: self.kind(call, heredocs)?, keyword: keyword.spanned(), span })
    }

    /// Reads an instruction that may stand behind ONBUILD.
    pub(super) fn trigger(&mut self, line: Fragment<'_>) -> Result<Read<InstructionKind>, ParseError> {
        let (keyword, _) = line.split_word();
        match known(keyword)? {
            "ONBUILD" => return Err(keyword.error(ParseErrorKind::OnBuildChain)),
            instruction @ ("FROM" | "MAINTAINER") => {
                return Err(keyword.error(ParseErrorKind::OnBuildTrigger { instruction }));
            }
            _ => {}
        }
        let Read { kind, keyword: place, span } = self.statement(line)?;
        match kind {
            Kind::Instruction(kind) => Ok(Read { kind, keyword: place, span }),
            Kind::From(_) => Err(keyword.error(ParseErrorKind::OnBuildTrigger { instruction: "FROM" })),
        }
    }

    fn on_build(
        &mut self,
        line: Fragment<'_>,
        keyword: Fragment<'_>,
        arguments: Fragment<'_>,
    ) -> Result<Read<Kind>, ParseError> {
        if arguments.is_empty() {
            return Err(keyword.error(ParseErrorKind::AtLeastOneArgument { instruction: "ONBUILD" }));
        }
        let Read { kind, keyword: inner, span } = self.trigger(arguments)?;
        let mut trigger = arguments.text().to_owned();
        for heredoc in heredocs_of(&kind) {
            trigger.push('\n');
            trigger.push_str(&heredoc.body);
            trigger.push_str(&heredoc.name);
        }
        let text = arguments.text().to_owned();
        let instruction = Box::new(Statement { kind, span, keyword: inner, text, comments: Vec::new() });
        Ok(Read {
            kind: Kind::Instruction(InstructionKind::OnBuild(OnBuild { instruction, trigger })),
            keyword: keyword.spanned(),
            span: line.span().to(span),
        })
    }

    /// Finds openers and reads their bodies from the lines below.
    fn heredocs<'l>(
        &mut self,
        arguments: Fragment<'l>,
        reader: heredoc::Reader,
    ) -> Result<Heredocs<'l>, ParseError> {
        let mut heredocs = Heredocs { bodies: Vec::new(), openers: Vec::new(), end: None };
        for opener in heredoc::openers(arguments, reader) {
            let heredoc::Opener { name, expand, strip_tabs, fd, fragment } = opener;
            let Some(body) = self.lines.heredoc_body(&name, strip_tabs) else {
                return Err(fragment.error(ParseErrorKind::UnterminatedHeredoc { name }));
            };
            heredocs.bodies.push(Heredoc {
                name,
                body: self.source.slice(body.span).to_owned(),
                expand,
                strip_tabs,
                fd,
                span: fragment.span(),
                body_span: body.span,
            });
            heredocs.openers.push(fragment);
            heredocs.end = Some(body.end);
        }
        Ok(heredocs)
    }

    fn kind(&self, call: Call<'_>, heredocs: Heredocs<'_>) -> Result<Kind, ParseError> {
        let arguments = call.arguments;
        let escape = self.escape.char();
        Ok(Kind::Instruction(match call.instruction {
            "FROM" => return call.from().map(Kind::From),
            "RUN" => InstructionKind::Run(call.run(heredocs)?),
            "COPY" => InstructionKind::Copy(files::copy(call.files(heredocs)?, &call.flags)?),
            "ADD" => InstructionKind::Add(files::add(call.files(heredocs)?, &call.flags)),
            "ARG" => {
                call.some()?;
                InstructionKind::Arg(Arg { items: arguments::arg_items(arguments, escape)? })
            }
            "ENV" => InstructionKind::Env(arguments::pairs("ENV", call.some()?, escape)?),
            "LABEL" => InstructionKind::Label(arguments::pairs("LABEL", call.some()?, escape)?),
            "EXPOSE" => InstructionKind::Expose(call.some()?.words().map(Fragment::word).collect()),
            "USER" => InstructionKind::User(call.one()?.word()),
            "WORKDIR" => InstructionKind::Workdir(call.one()?.word()),
            "STOPSIGNAL" => InstructionKind::StopSignal(call.one()?.word()),
            "MAINTAINER" => InstructionKind::Maintainer(call.one()?.text().to_owned()),
            "VOLUME" => InstructionKind::Volume(arguments::volumes(call.some()?, call.json)?),
            "CMD" => InstructionKind::Cmd(call.command()),
            "ENTRYPOINT" => InstructionKind::Entrypoint(call.command()),
            "SHELL" => InstructionKind::Shell(call.shell()?),
            _ => InstructionKind::Healthcheck(call.healthcheck()?),
        }))
    }
}

impl<'l> Call<'l> {
    /// The arguments, which must not be empty.
    fn some(&self) -> Result<Fragment<'l>, ParseError> {
        let kind = ParseErrorKind::AtLeastOneArgument { instruction: self.instruction };
        if self.arguments.is_empty() { Err(self.keyword.error(kind)) } else { Ok(self.arguments) }
    }

    /// The arguments as one text, which must not be empty.
    fn one(&self) -> Result<Fragment<'l>, ParseError> {
        let kind = ParseErrorKind::ExactlyOneArgument { instruction: self.instruction };
        if self.arguments.is_empty() { Err(self.keyword.error(kind)) } else { Ok(self.arguments) }
    }

    fn from(self) -> Result<From, ParseError> {
        let words: Vec<Fragment<'_>> = self.arguments.words().collect();
        let (image, name) = match words[..] {
            [image] => (image, None),
            [image, word, name] if word.text().eq_ignore_ascii_case("as") => (image, Some(name)),
            [_, word, _] => {
                return Err(word.error(ParseErrorKind::FromWithoutAs { word: word.text().to_owned() }));
            }
            [] => return Err(self.keyword.error(ParseErrorKind::FromArguments)),
            _ => return Err(self.arguments.error(ParseErrorKind::FromArguments)),
        };
        let name = name.map(stage_name).transpose()?;
        Ok(From { platform: self.flags.word("platform"), image: image.word(), name })
    }

    fn run(self, heredocs: Heredocs<'_>) -> Result<Run, ParseError> {
        let Heredocs { mut bodies, openers, .. } = heredocs;
        let text = self.arguments.text();
        let is_script = openers.first().is_some_and(|opener| opener.text() == text);
        let command = match (self.json, bodies.pop()) {
            (Some(arguments), _) if !arguments.is_empty() => RunCommand::Exec(arguments),
            (None, Some(heredoc)) if is_script => RunCommand::Script(heredoc),
            (None, Some(last)) => {
                bodies.push(last);
                RunCommand::ShellWithHeredocs { text: text.to_owned(), heredocs: bodies }
            }
            (None, None) if !text.is_empty() => RunCommand::Shell(text.to_owned()),
            _ => return Err(self.keyword.error(ParseErrorKind::RunWithoutCommand)),
        };
        let networks = [("default", Network::Default), ("none", Network::None), ("host", Network::Host)];
        let securities = [("sandbox", Security::Sandbox), ("insecure", Security::Insecure)];
        Ok(Run {
            command,
            mounts: self
                .flags
                .list("mount")
                .map(|value| Mount::parse(value, self.escape))
                .collect::<Result<_, _>>()?,
            network: self.flags.choice("network", &networks, "`default`, `none` or `host`")?,
            security: self.flags.choice("security", &securities, "`sandbox` or `insecure`")?,
            devices: values::devices(&self.flags)?,
        })
    }

    fn files(&self, heredocs: Heredocs<'_>) -> Result<Files, ParseError> {
        let Heredocs { bodies, openers, .. } = heredocs;
        let words = match &self.json {
            Some(texts) => files::Words::json(texts, self.arguments.span()),
            None => files::Words::list(self.arguments, &openers, bodies),
        };
        let place = if self.arguments.is_empty() { self.keyword } else { self.arguments };
        words.files(self.instruction, place.span(), &self.flags)
    }

    fn command(self) -> Command {
        match self.json {
            Some(arguments) => Command::Exec(arguments),
            None => Command::Shell(self.arguments.text().to_owned()),
        }
    }

    fn shell(self) -> Result<Vec<String>, ParseError> {
        self.some()?;
        match self.json {
            Some(arguments) if arguments.is_empty() => {
                Err(self.arguments.error(ParseErrorKind::AtLeastOneArgument { instruction: "SHELL" }))
            }
            Some(arguments) => Ok(arguments),
            None => Err(self.arguments.error(ParseErrorKind::ShellNotJson)),
        }
    }

    fn healthcheck(self) -> Result<Healthcheck, ParseError> {
        let (word, rest) = self.some()?.split_word();
        if word.text().eq_ignore_ascii_case("none") {
            if !rest.is_empty() {
                return Err(rest.error(ParseErrorKind::HealthcheckNone));
            }
            return Ok(Healthcheck::None);
        }
        if !word.text().eq_ignore_ascii_case("cmd") {
            return Err(word.error(ParseErrorKind::HealthcheckType { word: word.text().to_owned() }));
        }
        let command = match arguments::json("HEALTHCHECK", rest)? {
            Some(list) if !list.is_empty() => Command::Exec(list),
            None if !rest.is_empty() => Command::Shell(rest.text().to_owned()),
            _ => return Err(word.error(ParseErrorKind::HealthcheckWithoutCommand)),
        };
        Ok(Healthcheck::Test {
            command,
            interval: values::interval(&self.flags, "interval")?,
            timeout: values::interval(&self.flags, "timeout")?,
            start_period: values::interval(&self.flags, "start-period")?,
            start_interval: values::interval(&self.flags, "start-interval")?,
            retries: values::retries(&self.flags)?,
        })
    }
}

/// The keyword in capitals.
fn known(keyword: Fragment<'_>) -> Result<&'static str, ParseError> {
    let word = keyword.text();
    KEYWORDS.into_iter().find(|known| word.eq_ignore_ascii_case(known)).ok_or_else(|| {
        let similar = nearest(word, KEYWORDS);
        keyword.error(ParseErrorKind::UnknownInstruction { word: word.to_owned(), similar, continues: None })
    })
}

fn stage_name(word: Fragment<'_>) -> Result<Spanned<String>, ParseError> {
    let name = word.text().to_lowercase();
    let follows = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_' | b'.');
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.bytes().all(follows) {
        return Err(word.error(ParseErrorKind::StageName { name: word.text().to_owned() }));
    }
    Ok(Spanned::new(name, word.span()))
}

fn heredocs_of(kind: &InstructionKind) -> &[Heredoc] {
    match kind {
        InstructionKind::Copy(copy) => &copy.files.heredocs,
        InstructionKind::Add(add) => &add.files.heredocs,
        InstructionKind::Run(run) => match &run.command {
            RunCommand::Script(heredoc) => std::slice::from_ref(heredoc),
            RunCommand::ShellWithHeredocs { heredocs, .. } => heredocs,
            RunCommand::Exec(_) | RunCommand::Shell(_) => &[],
        },
        _ => &[],
    }
}
