//! The same texts through a parser that somebody else wrote.
//!
//! Compared is what both parsers have: which instructions there are, where each begins, and their words and
//! flags; texts of ENV, ARG, LABEL and of shell commands apart from white space. [`SKIPPED`] says which files of the
//! corpus the other parser does not read, or reads otherwise, and why.

use proptest::prelude::*;

use super::corpus;
use crate::diagnostic::Source;
use crate::dockerfile::ast::*;
use crate::dockerfile::mount::Mount;
use crate::dockerfile::parse;
use crate::dockerfile::word::Word;

/// An instruction as both parsers see it.
#[derive(Debug, PartialEq, Eq)]
struct Outline {
    start: usize,
    keyword: &'static str,
    /// Sorted.
    flags: Vec<String>,
    words: Vec<String>,
}

fn ours(text: &str) -> Option<Vec<Outline>> {
    let dockerfile = parse(&Source::new("Dockerfile", text)).ok()?.dockerfile;
    let mut outlines = Vec::new();
    for arg in &dockerfile.global_args {
        let words = vec![behind_keyword(&arg.keyword.value, &arg.text)];
        outlines.push(Outline { start: arg.span.start as usize, keyword: "ARG", flags: Vec::new(), words });
    }
    for Stage { from, instructions } in &dockerfile.stages {
        let From { platform, image, name } = &from.kind;
        let mut words = vec![image.text.clone()];
        words.extend(name.as_ref().map(|name| name.value.clone()));
        let flags = platform.iter().map(|it| format!("platform={}", it.text)).collect();
        outlines.push(Outline { start: from.span.start as usize, keyword: "FROM", flags, words });
        outlines.extend(instructions.iter().map(|instruction| our_outline(text, instruction)));
    }
    Some(outlines)
}

fn our_outline(text: &str, instruction: &Instruction) -> Outline {
    let mut flags = Vec::new();
    let mut flag = |name: &str, word: Option<&Word>| {
        flags.extend(word.map(|word| format!("{name}={}", word.text)));
    };
    let texts = |words: &[Word]| words.iter().map(|word| word.text.clone()).collect();
    let words = match &instruction.kind {
        InstructionKind::Run(Run { command, mounts, network, security, devices }) => {
            let place = |span: crate::diagnostic::Span| &text[span.start as usize..span.end as usize];
            flags.extend(mounts.iter().map(|Mount { span, .. }| format!("mount={}", place(*span))));
            flags.extend(network.iter().map(|it| format!("network={}", place(it.span))));
            flags.extend(security.iter().map(|it| format!("security={}", place(it.span))));
            flags.extend(devices.iter().map(|it| format!("device={}", place(it.span))));
            match command {
                RunCommand::Exec(arguments) => arguments.clone(),
                RunCommand::Shell(text) => vec![squeezed(text)],
                RunCommand::Script(heredoc) => vec![heredoc.content().into_owned()],
                RunCommand::ShellWithHeredocs { text, .. } => vec![text.clone()],
            }
        }
        InstructionKind::Copy(Copy { files, from, parents }) => {
            flags.extend(from.iter().map(|from| format!("from={}", from.value)));
            flags.extend(parents.then(|| "parents=true".to_owned()));
            our_files(files, &mut flags)
        }
        InstructionKind::Add(Add { files, checksum, keep_git_dir, unpack }) => {
            flag("checksum", checksum.as_ref());
            flags.extend(keep_git_dir.map(|value| format!("keep-git-dir={value}")));
            flags.extend(unpack.map(|value| format!("unpack={value}")));
            our_files(files, &mut flags)
        }
        InstructionKind::Arg(_) | InstructionKind::Env(_) | InstructionKind::Label(_) => {
            vec![behind_keyword(&instruction.keyword.value, &instruction.text)]
        }
        InstructionKind::Expose(words) | InstructionKind::Volume(words) => texts(words),
        InstructionKind::User(word) | InstructionKind::Workdir(word) | InstructionKind::StopSignal(word) => {
            vec![word.text.clone()]
        }
        InstructionKind::Maintainer(text) => vec![text.clone()],
        InstructionKind::Cmd(command) | InstructionKind::Entrypoint(command) => our_command(command),
        InstructionKind::Shell(arguments) => arguments.clone(),
        InstructionKind::Healthcheck(Healthcheck::None) => vec!["NONE".to_owned()],
        InstructionKind::Healthcheck(Healthcheck::Test { command, retries, .. }) => {
            flags.extend(retries.map(|retries| format!("retries={retries}")));
            our_command(command)
        }
        InstructionKind::OnBuild(OnBuild { instruction, .. }) => {
            let inner = our_outline(text, instruction);
            flags = inner.flags;
            std::iter::once(inner.keyword.to_owned()).chain(inner.words).collect()
        }
    };
    flags.sort();
    let start = instruction.span.start as usize;
    Outline { start, keyword: instruction.kind.keyword(), flags, words }
}

fn our_files(files: &Files, flags: &mut Vec<String>) -> Vec<String> {
    let Files { sources, heredocs, destination, chown, chmod, link, exclude } = files;
    let named = [("chown", chown.as_ref()), ("chmod", chmod.as_ref())];
    let excludes = exclude.iter().map(|word| ("exclude", Some(word)));
    for (name, word) in named.into_iter().chain(excludes) {
        flags.extend(word.map(|word| format!("{name}={}", word.text)));
    }
    flags.extend(link.then(|| "link=true".to_owned()));
    let bodies = heredocs.iter().map(|heredoc| heredoc.content().into_owned());
    sources.iter().map(|word| word.text.clone()).chain(bodies).chain([destination.text.clone()]).collect()
}

fn our_command(command: &Command) -> Vec<String> {
    match command {
        Command::Exec(arguments) => arguments.clone(),
        Command::Shell(text) => vec![squeezed(text)],
    }
}

/// Without regard to white space.
fn squeezed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn behind_keyword(keyword: &str, text: &str) -> String {
    squeezed(text.strip_prefix(keyword).expect("the text begins with the keyword"))
}

/// What the other parser sees, or why it refuses the text.
fn theirs(text: &str) -> Result<Vec<Outline>, String> {
    let dockerfile = parse_dockerfile::parse(text).map_err(|error| error.to_string())?;
    Ok(dockerfile.instructions.iter().map(their_outline).collect())
}

fn their_outline(instruction: &parse_dockerfile::Instruction<'_>) -> Outline {
    use parse_dockerfile::{HealthcheckArguments, Instruction, JsonOrStringArray};
    let one = |word: &parse_dockerfile::UnescapedString<'_>| vec![word.value.to_string()];
    let (place, keyword, flags, words) = match instruction {
        Instruction::From(it) => {
            let mut words = one(&it.image);
            words.extend(it.as_.as_ref().map(|(_, name)| name.value.to_lowercase()));
            (&it.from, "FROM", their_flags(&it.options), words)
        }
        Instruction::Copy(it) => (&it.copy, "COPY", their_flags(&it.options), their_files(&it.src, &it.dest)),
        Instruction::Add(it) => (&it.add, "ADD", their_flags(&it.options), their_files(&it.src, &it.dest)),
        Instruction::Cmd(it) => (&it.cmd, "CMD", Vec::new(), their_command(&it.arguments)),
        Instruction::Entrypoint(it) => {
            (&it.entrypoint, "ENTRYPOINT", Vec::new(), their_command(&it.arguments))
        }
        Instruction::Run(it) => {
            let words = match &it.here_docs[..] {
                [] => their_command(&it.arguments),
                bodies => bodies.iter().map(|body| body.value.to_string()).collect(),
            };
            (&it.run, "RUN", their_flags(&it.options), words)
        }
        Instruction::User(it) => (&it.user, "USER", Vec::new(), one(&it.arguments)),
        Instruction::Workdir(it) => (&it.workdir, "WORKDIR", Vec::new(), one(&it.arguments)),
        Instruction::Stopsignal(it) => (&it.stopsignal, "STOPSIGNAL", Vec::new(), one(&it.arguments)),
        Instruction::Maintainer(it) => (&it.maintainer, "MAINTAINER", Vec::new(), one(&it.name)),
        Instruction::Arg(it) => (&it.arg, "ARG", Vec::new(), vec![squeezed(&it.arguments.value)]),
        Instruction::Env(it) => (&it.env, "ENV", Vec::new(), vec![squeezed(&it.arguments.value)]),
        Instruction::Label(it) => (&it.label, "LABEL", Vec::new(), vec![squeezed(&it.arguments.value)]),
        Instruction::Expose(it) => (&it.expose, "EXPOSE", Vec::new(), strings(&it.arguments)),
        Instruction::Shell(it) => (&it.shell, "SHELL", Vec::new(), strings(&it.arguments)),
        Instruction::Volume(it) => {
            let words = match &it.arguments {
                JsonOrStringArray::Json(words) => strings(&words.value),
                JsonOrStringArray::String(words) => strings(words),
            };
            (&it.volume, "VOLUME", Vec::new(), words)
        }
        Instruction::Healthcheck(it) => {
            let words = match &it.arguments {
                HealthcheckArguments::Cmd { arguments, .. } => their_command(arguments),
                _ => vec!["NONE".to_owned()],
            };
            // Ours are durations already.
            let mut flags = their_flags(&it.options);
            flags.retain(|flag| flag.starts_with("retries"));
            (&it.healthcheck, "HEALTHCHECK", flags, words)
        }
        Instruction::Onbuild(it) => {
            let Outline { keyword, flags, words, .. } = their_outline(&it.instruction);
            (&it.onbuild, "ONBUILD", flags, std::iter::once(keyword.to_owned()).chain(words).collect())
        }
        other => panic!("an instruction that nobody has: {other:?}"),
    };
    Outline { start: place.span.start, keyword, flags, words }
}

fn strings(words: &[parse_dockerfile::UnescapedString<'_>]) -> Vec<String> {
    words.iter().map(|word| word.value.to_string()).collect()
}

/// Sorted, without those that say `false`, which is what is meant without them too.
fn their_flags(flags: &[parse_dockerfile::Flag<'_>]) -> Vec<String> {
    let flag = |flag: &parse_dockerfile::Flag<'_>| {
        let value = flag.value.as_ref().map_or("true", |value| &value.value);
        format!("{}={value}", flag.name.value)
    };
    let mut flags: Vec<String> = flags.iter().map(flag).collect();
    flags.retain(|flag| flag != "link=false" && flag != "parents=false");
    flags.sort();
    flags
}

fn their_files(
    sources: &[parse_dockerfile::Source<'_>],
    destination: &parse_dockerfile::UnescapedString<'_>,
) -> Vec<String> {
    let source = |source: &parse_dockerfile::Source<'_>| match source {
        parse_dockerfile::Source::Path(path) => path.value.to_string(),
        parse_dockerfile::Source::HereDoc(body) => body.value.to_string(),
        other => panic!("a source that nobody has: {other:?}"),
    };
    sources.iter().map(source).chain([destination.value.to_string()]).collect()
}

fn their_command(command: &parse_dockerfile::Command<'_>) -> Vec<String> {
    match command {
        parse_dockerfile::Command::Exec(arguments) => strings(&arguments.value),
        parse_dockerfile::Command::Shell(text) => vec![joined(text.value)],
        other => panic!("a command that nobody has: {other:?}"),
    }
}

/// The other parser leaves continuations and the comments between them in the texts of shell commands.
fn joined(text: &str) -> String {
    let mut lines = text.lines();
    let mut joined = lines.next().unwrap_or_default().to_owned();
    for line in lines.filter(|line| !line.trim_start().starts_with('#')) {
        let end = joined.trim_end().len().saturating_sub(1);
        joined.truncate(end);
        joined += if line.trim().is_empty() { "\\" } else { line };
    }
    squeezed(&joined)
}

/// Files of the corpus that the other parser sees in another way.
const SKIPPED: [(&str, &str); 15] = [
    ("byte-order-mark", "does not count the mark in its places"),
    ("cmd-and-entrypoint-forms", "refuses an empty CMD or ENTRYPOINT"),
    ("continuation-at-end-of-file", "keeps the escape character"),
    ("continuation-doubled-escape", "takes a doubled escape character for a continuation"),
    ("copy-quoted-flag-values", "ends a flag at a blank in quotes, and keeps quotes"),
    ("heredoc-names", "ends a heredoc's name at a blank in quotes"),
    ("heredoc-run-interpreters", "knows a heredoc in a RUN only as its first word"),
    ("heredoc-run-pipes", "the same"),
    ("heredoc-run-several", "the same"),
    ("heredoc-run-tabs", "knows no blank before a heredoc's name"),
    ("mounts-every-type", "ends a flag at a blank in quotes, and keeps quotes"),
    ("platform-fixed-and-variable", "keeps the quotes of a flag"),
    ("python-heredoc-script", "knows a heredoc in a RUN only as its first word"),
    ("run-end-of-flags", "does not know that `--` ends the flags"),
    ("stages-same-name-twice", "refuses a second stage of the same name"),
];

#[test]
fn both_parsers_see_the_same_in_the_corpus() {
    let files = corpus::files();
    for (skipped, _) in SKIPPED {
        assert!(files.iter().any(|(name, _)| name == skipped), "{skipped} is skipped and not there");
    }
    let mut compared = 0;
    let mut wrong = String::new();
    for (name, text) in files {
        let skipped = SKIPPED.iter().any(|(skipped, _)| *skipped == name);
        let ours = ours(&text).expect("the corpus is right");
        let differs = match theirs(&text) {
            Ok(theirs) if ours == theirs => None,
            Ok(theirs) => {
                let pairs = ours.iter().zip(&theirs).filter(|(ours, theirs)| ours != theirs);
                let pairs = pairs.map(|(ours, theirs)| format!("  ours   {ours:?}\n  theirs {theirs:?}\n"));
                let counts = format!("  ours has {} instructions, theirs {}\n", ours.len(), theirs.len());
                Some(pairs.chain([counts]).collect::<String>())
            }
            Err(error) => Some(format!("  refused: {error}\n")),
        };
        match (differs, skipped) {
            (None, false) => compared += ours.len(),
            (Some(_), true) => {}
            (None, true) => wrong += &format!("{name}: is the same and need not be skipped\n"),
            (Some(why), false) => wrong += &format!("{name}:\n{why}"),
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(compared >= 600, "only {compared} instructions were compared");
}

/// White space between two words.
fn gap() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        " ",
        "  ",
        "\t",
        " \\\n",
        " \\ \t\n  ",
        " \\\n# comment\n ",
        " \\\n\t#\n# two\n\t",
    ])
}

fn words(count: std::ops::Range<usize>) -> impl Strategy<Value = String> {
    prop::collection::vec((gap(), "[a-z/.$={}:][a-z0-9/._$-]{0,6}"), count)
        .prop_map(|words| words.iter().flat_map(|(gap, word)| [*gap, word.as_str()]).collect())
}

fn line() -> impl Strategy<Value = String> {
    prop_oneof![
        (prop::sample::select(vec!["RUN", "run", "Run --network=none"]), words(1..5))
            .prop_map(|(keyword, words)| format!("{keyword}{words}")),
        (prop::sample::select(vec!["COPY", "COPY --link", "COPY --from=x --chown=1:2"]), words(2..5))
            .prop_map(|(keyword, words)| format!("{keyword}{words}")),
        ("[a-z]{1,3}", "(AS|as)", "[a-zA-Z]{1,3}")
            .prop_map(|(image, word, name)| format!("FROM {image} {word} {name}@")),
        ("[a-z]{1,3}", "[a-z ]{0,3}").prop_map(|(a, b)| format!("CMD [\"{a}\", \"{b}\\t\"]")),
        ("[a-z]{1,3}", words(0..1)).prop_map(|(key, value)| format!("ENV {key}=1{value}")),
        Just("ARG A=1".to_owned()),
        "[a-z/]{1,5}".prop_map(|path| format!("WORKDIR {path}")),
        "[a-z:]{1,5}".prop_map(|user| format!("  USER {user}  ")),
        "[ a-z]{0,5}".prop_map(|text| format!("#{text}")),
        Just(String::new()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn both_parsers_see_the_same(lines in prop::collection::vec(line(), 0..12), end in "(\n|\r\n)") {
        // The other parser refuses a second stage of the same name.
        let lines = lines.iter().enumerate().map(|(index, line)| line.replace('@', &index.to_string()));
        let text = format!("FROM scratch{end}{}{end}", lines.collect::<Vec<_>>().join(&end));
        let (ours, theirs) = (ours(&text), theirs(&text).ok());
        prop_assert!(ours.is_some(), "we refuse\n{}", text);
        prop_assert_eq!(ours, theirs, "\n{}", text);
    }
}
