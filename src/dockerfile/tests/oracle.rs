//! The same texts through a parser that somebody else wrote.
//!
//! `parse-dockerfile` knows no second heredoc and leaves ENV, ARG and LABEL as text, so the comparison is of what both
//! have: which instructions there are and where, and the words of the simple ones.

use proptest::prelude::*;

use crate::diagnostic::Source;
use crate::dockerfile::ast::{Command, InstructionKind, Statement};
use crate::dockerfile::parse;

/// Offset of an instruction, its keyword, and its words where both parsers have them.
type Outline = Vec<(usize, &'static str, Vec<String>)>;

fn ours(text: &str) -> Option<Outline> {
    let dockerfile = parse(&Source::new("Dockerfile", text)).ok()?.dockerfile;
    let mut outline = Vec::new();
    for arg in &dockerfile.global_args {
        outline.push((arg.keyword.span.start as usize, "ARG", Vec::new()));
    }
    for stage in &dockerfile.stages {
        let from = &stage.from.kind;
        let mut words = vec![from.image.text.clone()];
        words.extend(from.name.as_ref().map(|name| name.value.clone()));
        outline.push((stage.from.keyword.span.start as usize, "FROM", words));
        for Statement { kind, keyword, .. } in &stage.instructions {
            let words = match kind {
                InstructionKind::Copy(copy) => copy
                    .files
                    .sources
                    .iter()
                    .chain([&copy.files.destination])
                    .map(|word| word.text.clone())
                    .collect(),
                InstructionKind::Cmd(Command::Exec(words)) => words.clone(),
                InstructionKind::User(word) | InstructionKind::Workdir(word) => vec![word.text.clone()],
                _ => Vec::new(),
            };
            outline.push((keyword.span.start as usize, kind.keyword(), words));
        }
    }
    Some(outline)
}

fn theirs(text: &str) -> Option<Outline> {
    use parse_dockerfile::{Command, Instruction, Source};
    let dockerfile = parse_dockerfile::parse(text).ok()?;
    let outline = |instruction: &Instruction<'_>| match instruction {
        Instruction::From(it) => {
            let mut words = vec![it.image.value.to_string()];
            words.extend(it.as_.as_ref().map(|(_, name)| name.value.to_lowercase()));
            (it.from.span.start, "FROM", words)
        }
        Instruction::Copy(it) => {
            let source = |source: &Source<'_>| match source {
                Source::Path(path) => path.value.to_string(),
                _ => "a heredoc".to_owned(),
            };
            let words = it.src.iter().map(source).chain([it.dest.value.to_string()]).collect();
            (it.copy.span.start, "COPY", words)
        }
        Instruction::Cmd(it) => {
            let words = match &it.arguments {
                Command::Exec(words) => words.value.iter().map(|word| word.value.to_string()).collect(),
                _ => Vec::new(),
            };
            (it.cmd.span.start, "CMD", words)
        }
        Instruction::User(it) => (it.user.span.start, "USER", vec![it.arguments.value.to_string()]),
        Instruction::Workdir(it) => (it.workdir.span.start, "WORKDIR", vec![it.arguments.value.to_string()]),
        Instruction::Arg(it) => (it.arg.span.start, "ARG", Vec::new()),
        Instruction::Env(it) => (it.env.span.start, "ENV", Vec::new()),
        Instruction::Run(it) => (it.run.span.start, "RUN", Vec::new()),
        other => panic!("the texts have no {other:?}"),
    };
    Some(dockerfile.instructions.iter().map(outline).collect())
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
        let (ours, theirs) = (ours(&text), theirs(&text));
        prop_assert!(ours.is_some(), "we refuse\n{}", text);
        prop_assert_eq!(ours, theirs, "\n{}", text);
    }
}
