//! A tree as text again: of all ways to write a thing, one.
//!
//! What the parser makes of the text is the tree that was printed, apart from places and the texts that repeat the
//! source (see [`super::places::forget`]). Words stand as they were written, because they are unexpanded.

use crate::dockerfile::ast::*;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::mount::{Mount, MountOption};
use crate::dockerfile::word::Word;

pub(super) fn print(dockerfile: &Dockerfile) -> String {
    let Dockerfile { directives, global_args, stages } = dockerfile;
    let mut out = Printer { text: String::new(), escape: directives.escape.char() };
    out.directives(directives);
    for arg in global_args {
        out.statement(arg, &arg_items(&arg.kind));
    }
    for Stage { from, instructions } in stages {
        out.statement(from, &out.from(&from.kind));
        for instruction in instructions {
            out.statement(instruction, &out.kind(&instruction.kind));
        }
    }
    out.text
}

/// The opener of a heredoc.
pub(super) fn opener(heredoc: &Heredoc) -> String {
    let Heredoc { name, expand, strip_tabs, fd, .. } = heredoc;
    let fd = if *fd == 0 { String::new() } else { fd.to_string() };
    let dash = if *strip_tabs { "-" } else { "" };
    let name = if *expand {
        let special = |c: char| c.is_whitespace() || "\\'\"<;|&>()".contains(c);
        name.chars().flat_map(|c| special(c).then_some('\\').into_iter().chain([c])).collect()
    } else {
        // Nothing is special between single quotes but themselves.
        format!("'{}'", name.replace('\'', r#"'"'"'"#))
    };
    format!("{fd}<<{dash}{name}")
}

/// What follows a keyword on its line, and the lines of heredocs below.
#[derive(Default)]
struct Rest {
    flags: String,
    arguments: String,
    bodies: String,
}

impl Rest {
    fn arguments(arguments: impl Into<String>) -> Self {
        Self { arguments: arguments.into(), ..Self::default() }
    }

    fn with_bodies(mut self, heredocs: &[Heredoc]) -> Self {
        for Heredoc { name, body, .. } in heredocs {
            self.bodies.extend([body, name.as_str(), "\n"]);
        }
        self
    }

    fn line(&self) -> String {
        // What looks like a flag would be taken for one.
        let end = if self.arguments.starts_with("--") { "-- " } else { "" };
        format!("{}{end}{}", self.flags, self.arguments)
    }
}

struct Printer {
    text: String,
    escape: char,
}

impl Printer {
    fn directives(&mut self, directives: &Directives) {
        if let Some(syntax) = &directives.syntax {
            self.text += &format!("# syntax={}\n", syntax.value);
        }
        if directives.escape != Escape::default() {
            self.text += &format!("# escape={}\n", self.escape);
        }
        if let Some(check) = &directives.check {
            let Check { skip, experimental, error } = &check.value;
            let skip = rules("skip", skip);
            let experimental = rules("experimental", experimental);
            self.text += &format!("# check={skip}{experimental}error={error}\n");
        }
        // Or a comment of the first statement could be taken for a directive.
        self.text.push('\n');
    }

    fn statement<T>(&mut self, statement: &Statement<T>, rest: &Rest) {
        for comment in &statement.comments {
            self.text += &format!("# {}\n", comment.value);
        }
        let line = format!("{} {}", statement.keyword.value, rest.line());
        self.text += &line;
        let end = line.trim_end_matches([' ', '\t']);
        // White space to the parser, but none that may stand behind a continuation.
        if end.ends_with(self.escape) {
            self.text.push('\u{b}');
        }
        self.text.push('\n');
        self.text += &rest.bodies;
    }

    fn flag(&self, name: &str, value: &str) -> String {
        let special = |c: char| c.is_whitespace() || c == '"' || c == '\'' || c == self.escape;
        let value: String =
            value.chars().flat_map(|c| special(c).then_some(self.escape).into_iter().chain([c])).collect();
        format!("--{name}={value} ")
    }

    fn flags<'a>(&self, name: &str, values: impl IntoIterator<Item = &'a Word>) -> String {
        values.into_iter().map(|value| self.flag(name, &value.text)).collect()
    }

    fn from(&self, from: &From) -> Rest {
        let From { platform, image, name } = from;
        let name = name.as_ref().map_or_else(String::new, |name| format!(" AS {}", name.value));
        Rest { flags: self.flags("platform", platform), ..Rest::arguments(image.text.clone() + &name) }
    }

    fn kind(&self, kind: &InstructionKind) -> Rest {
        match kind {
            InstructionKind::Run(run) => self.run(run),
            InstructionKind::Copy(Copy { files, from, parents }) => {
                let mut rest = self.files(files);
                rest.flags += &from.as_ref().map_or_else(String::new, |from| self.flag("from", &from.value));
                rest.flags += if *parents { "--parents " } else { "" };
                rest
            }
            InstructionKind::Add(Add { files, checksum, keep_git_dir, unpack }) => {
                let mut rest = self.files(files);
                rest.flags += &self.flags("checksum", checksum);
                for (name, value) in [("keep-git-dir", keep_git_dir), ("unpack", unpack)] {
                    rest.flags += &value.map_or_else(String::new, |value| format!("--{name}={value} "));
                }
                rest
            }
            InstructionKind::Arg(arg) => arg_items(arg),
            InstructionKind::Env(pairs) | InstructionKind::Label(pairs) => {
                let sign = if pairs.legacy { ' ' } else { '=' };
                let pair = |Pair { key, value }: &Pair| format!("{}{sign}{}", key.text, value.text);
                Rest::arguments(pairs.pairs.iter().map(pair).collect::<Vec<_>>().join(" "))
            }
            InstructionKind::Expose(words) => Rest::arguments(list(words)),
            InstructionKind::Volume(words) => Rest::arguments(list_or_json(words)),
            InstructionKind::User(word)
            | InstructionKind::Workdir(word)
            | InstructionKind::StopSignal(word) => Rest::arguments(&word.text),
            InstructionKind::Cmd(it) | InstructionKind::Entrypoint(it) => Rest::arguments(command(it)),
            InstructionKind::Shell(arguments) => Rest::arguments(json(arguments)),
            InstructionKind::Healthcheck(check) => healthcheck(check),
            InstructionKind::Maintainer(text) => Rest::arguments(text),
            InstructionKind::OnBuild(OnBuild { instruction, .. }) => {
                let rest = self.kind(&instruction.kind);
                let line = format!("{} {}", instruction.keyword.value, rest.line());
                Rest { bodies: rest.bodies, ..Rest::arguments(line) }
            }
        }
    }

    fn run(&self, run: &Run) -> Rest {
        let Run { command, mounts, network, security, devices } = run;
        let mut flags = String::new();
        for Mount { options, .. } in mounts {
            let fields: Vec<String> = options.iter().map(mount_option).collect();
            flags += &self.flag("mount", &fields.join(","));
        }
        if let Some(network) = network {
            flags += match network.value {
                Network::Default => "--network=default ",
                Network::None => "--network=none ",
                Network::Host => "--network=host ",
            };
        }
        if let Some(security) = security {
            flags += match security.value {
                Security::Sandbox => "--security=sandbox ",
                Security::Insecure => "--security=insecure ",
            };
        }
        for device in devices {
            let Device { name, required } = &device.value;
            flags += &self.flag("device", &format!("name={name},required={required}"));
        }
        let rest = match command {
            RunCommand::Exec(arguments) => Rest::arguments(json(arguments)),
            RunCommand::Shell(text) => Rest::arguments(text),
            RunCommand::Script(heredoc) => {
                Rest::arguments(opener(heredoc)).with_bodies(std::slice::from_ref(heredoc))
            }
            RunCommand::ShellWithHeredocs { text, heredocs } => Rest::arguments(text).with_bodies(heredocs),
        };
        Rest { flags, ..rest }
    }

    fn files(&self, files: &Files) -> Rest {
        let Files { sources, heredocs, destination, chown, chmod, link, exclude } = files;
        let words: Vec<Word> = sources.iter().chain([destination]).cloned().collect();
        let arguments = if heredocs.is_empty() {
            list_or_json(&words)
        } else {
            // In front, so that no quote of a word can hide them.
            let openers: Vec<String> = heredocs.iter().map(opener).collect();
            format!("{} {}", openers.join(" "), list(&words))
        };
        let mut flags = self.flags("chown", chown) + &self.flags("chmod", chmod);
        flags += &self.flags("exclude", exclude);
        flags += if *link { "--link " } else { "" };
        Rest { flags, ..Rest::arguments(arguments).with_bodies(heredocs) }
    }
}

fn rules(name: &str, rules: &Rules) -> String {
    match rules {
        Rules::None => String::new(),
        Rules::All => format!("{name}=all;"),
        Rules::Named(names) => format!("{name}={};", names.join(",")),
    }
}

fn arg_items(arg: &Arg) -> Rest {
    let item = |ArgItem { name, default }: &ArgItem| match default {
        Some(default) => format!("{}={}", name.text, default.text),
        None => name.text.clone(),
    };
    Rest::arguments(arg.items.iter().map(item).collect::<Vec<_>>().join(" "))
}

fn list(words: &[Word]) -> String {
    words.iter().map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
}

/// As a list, unless that would be read as something else.
fn list_or_json(words: &[Word]) -> String {
    let odd = |text: &str| text.is_empty() || text.contains(char::is_whitespace) || text.contains("<<");
    if words.iter().any(|word| odd(&word.text)) || words.first().is_some_and(|it| it.text.starts_with('[')) {
        return json(&words.iter().map(|word| word.text.clone()).collect::<Vec<_>>());
    }
    list(words)
}

fn json(arguments: &[String]) -> String {
    serde_json::to_string(arguments).expect("strings are JSON")
}

fn command(command: &Command) -> String {
    match command {
        Command::Exec(arguments) => json(arguments),
        Command::Shell(text) => text.clone(),
    }
}

fn healthcheck(check: &Healthcheck) -> Rest {
    let Healthcheck::Test { command: test, interval, timeout, start_period, start_interval, retries } = check
    else {
        return Rest::arguments("NONE");
    };
    let durations = [
        ("interval", interval),
        ("timeout", timeout),
        ("start-period", start_period),
        ("start-interval", start_interval),
    ];
    let mut flags = String::new();
    for (name, value) in durations {
        flags += &value.map_or_else(String::new, |value| format!("--{name}={value}ns "));
    }
    flags += &retries.map_or_else(String::new, |retries| format!("--retries={retries} "));
    Rest { flags, ..Rest::arguments(format!("CMD {}", command(test))) }
}

/// One field of a mount's line, in quotes if it needs them.
fn mount_option(option: &MountOption) -> String {
    let field = match &option.value {
        Some(value) => format!("{}={}", option.key.name(), value.text),
        None => option.key.name().to_owned(),
    };
    if field.contains([',', '"']) { format!("\"{}\"", field.replace('"', "\"\"")) } else { field }
}
