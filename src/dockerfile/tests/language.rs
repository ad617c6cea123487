//! Places, triggers, descriptions, mounts: what the twins of `testdata` do not show.

use crate::diagnostic::Source;
use crate::dockerfile::ast::{Add, Copy, Dockerfile, Instruction, InstructionKind, RunCommand};
use crate::dockerfile::mount::{
    BindMount, CacheMount, MountSpec, Owner, SecretMount, Sharing, SshMount, TmpfsMount,
};
use crate::dockerfile::{ParseErrorKind, detect_syntax, parse, parse_trigger};

fn tree(text: &str) -> Dockerfile {
    parse(&Source::new("Dockerfile", text)).expect("the text is right").dockerfile
}

/// The only instruction behind a FROM.
fn instruction(text: &str) -> Instruction {
    let mut stages = tree(&format!("FROM a\n{text}")).stages;
    let mut instructions = stages.remove(0).instructions;
    assert_eq!(instructions.len(), 1, "{text}");
    instructions.remove(0)
}

/// The kinds of all errors, with the texts that they mark.
fn marked(text: &str) -> Vec<(String, String)> {
    let source = Source::new("Dockerfile", text);
    let errors = parse(&source).expect_err("the text is wrong");
    errors.iter().map(|error| (error.to_string(), source.slice(error.span).to_owned())).collect()
}

#[test]
fn places_skip_what_a_continuation_dropped() {
    let text = "FROM a\nCOPY --chown=1 \\\n  # why\n  first \\\n  sec\\\nond /to\n";
    let source = Source::new("Dockerfile", text);
    let stages = parse(&source).expect("the text is right").dockerfile.stages;
    let copy = &stages[0].instructions[0];
    let InstructionKind::Copy(kind) = &copy.kind else { panic!("{copy:?}") };
    let words: Vec<(&str, &str)> = kind
        .files
        .sources
        .iter()
        .chain([&kind.files.destination])
        .chain(&kind.files.chown)
        .map(|word| (word.text.as_str(), source.slice(word.span)))
        .collect();
    assert_eq!(words, [("first", "first"), ("second", "sec\\\nond"), ("/to", "/to"), ("1", "1")]);
    assert_eq!(source.slice(copy.span), text[7..].trim_end());
    assert_eq!(source.line_range(copy.span), 2..=6);
    assert_eq!(copy.text, "COPY --chown=1   first   second /to");
}

#[test]
fn a_heredoc_belongs_to_its_instruction() {
    let text = "FROM a\nRUN cat <<ONE <<TWO\n1\nONE\n2\nTWO\nUSER u\n";
    let source = Source::new("Dockerfile", text);
    let stages = parse(&source).expect("the text is right").dockerfile.stages;
    let [run, user] = &stages[0].instructions[..] else { panic!("two instructions") };
    assert_eq!(source.line_range(run.span), 2..=6);
    assert_eq!(source.line_range(user.span), 7..=7);
    let InstructionKind::Run(kind) = &run.kind else { panic!("{run:?}") };
    let RunCommand::ShellWithHeredocs { heredocs, .. } = &kind.command else { panic!("{kind:?}") };
    let places: Vec<_> = heredocs
        .iter()
        .map(|heredoc| (source.slice(heredoc.span), source.slice(heredoc.body_span)))
        .collect();
    assert_eq!(places, [("<<ONE", "1\n"), ("<<TWO", "2\n")]);
}

#[test]
fn one_run_tells_every_independent_mistake() {
    let text = "FROM a AS 1\nRUN --bogus x\nCOPY one\nADD --link=x a <<EOF\nEOF\nWORKDIR\n";
    let expected = [
        ("invalid name for build stage: `1`", "1"),
        ("unknown flag: `--bogus`", "--bogus"),
        ("`COPY` needs at least one source and a destination", "one"),
        ("expecting boolean value `true` or `false` for flag `--link`, not `x`", "x"),
        ("`WORKDIR` needs exactly one argument", "WORKDIR"),
    ];
    let expected = expected.map(|(message, place)| (message.to_owned(), place.to_owned()));
    assert_eq!(marked(text), expected);
}

#[test]
fn mistakes_that_only_follow_are_not_told() {
    let unknown = |word: &str| (format!("unknown instruction: `{word}`"), word.to_owned());
    // The lines of a script whose continuation was forgotten.
    assert_eq!(marked("FROM a\nRUN x &&\n  make\n  install\nUSER u\n"), [unknown("make")]);
    // Each of these is a slip of its own.
    assert_eq!(marked("FROM a\nRNU x\nCOPPY a b\n"), [unknown("RNU"), unknown("COPPY")]);
    // Without its FROM, everything comes before the first one.
    assert_eq!(marked("FORM a\nRUN x\n"), [unknown("FORM")]);
    // The rest of the file is the heredoc's.
    let unterminated = ("heredoc is not terminated: no line is `EOF`".to_owned(), "<<EOF".to_owned());
    assert_eq!(marked("FROM a\nRUN <<EOF\nnonsense\n"), [unterminated]);
}

#[test]
fn runs_say_what_their_shell_gets() {
    let cases = [
        ("RUN  a  b ", Some("a  b")),
        ("RUN [\"a\"]", None),
        ("RUN <<EOF\n\ta $b\nEOF", Some("\ta $b\n")),
        ("RUN <<-EOF\n\t\ta\n\t b\n\tEOF", Some("a\n b\n")),
        ("RUN <<EOF\n#!/bin/x\nEOF", None),
        ("RUN cat <<A - <<-'B C'\n1\nA\n\t2\n\tB C", Some("cat <<A - <<-'B C'\n1\nA\n\t2\nB C")),
        ("RUN <<EOF cat\n1\nEOF", Some("<<EOF cat\n1\nEOF")),
    ];
    for (text, expected) in cases {
        let InstructionKind::Run(run) = instruction(text).kind else { panic!("{text}") };
        assert_eq!(run.command.shell_text().as_deref(), expected, "{text}");
    }
}

#[test]
fn heredoc_files_are_expanded_unless_their_name_is_quoted() {
    let cases = [
        ("COPY <<EOF /f\na $V '\\$V'\nEOF", "a v '$V'\n"),
        ("COPY <<'EOF' /f\na $V\nEOF", "a $V\n"),
        ("ADD <<-\"EOF\" /f\n\ta $V\n\tEOF", "a $V\n"),
        ("ADD <<-EOF /f\n\ta ${V}\n\tEOF", "a v\n"),
    ];
    for (text, expected) in cases {
        let kind = instruction(text).kind;
        let (InstructionKind::Copy(Copy { files, .. }) | InstructionKind::Add(Add { files, .. })) = &kind
        else {
            panic!("{text}")
        };
        let lookup = |name: &str| (name == "V").then(|| "v".to_owned());
        let expanded = files.heredocs[0].expanded(&lookup).map(|expanded| expanded.text);
        assert_eq!(expanded.as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn triggers_come_back_from_their_stored_text() {
    let cases = [
        ("ONBUILD run x  y", "run x  y"),
        ("onbuild COPY --from=b a /", "COPY --from=b a /"),
        ("ONBUILD COPY <<EOF /f\na\n$b\nEOF", "COPY <<EOF /f\na\n$b\nEOF"),
        ("ONBUILD RUN <<A cat <<-'B'\n1\nA\n\t2\n\tB", "RUN <<A cat <<-'B'\n1\nA\n\t2\nB"),
        ("ONBUILD ENV a=b \\\n  c=d", "ENV a=b   c=d"),
    ];
    for (text, expected) in cases {
        let InstructionKind::OnBuild(on_build) = instruction(text).kind else { panic!("{text}") };
        assert_eq!(on_build.trigger, expected, "{text}");
        let again = parse_trigger(&Source::new("trigger", expected)).expect("what we store can be read");
        assert_eq!(again.kind.keyword(), on_build.instruction.kind.keyword(), "{text}");
        assert_eq!(again.text, on_build.instruction.text, "{text}");
    }
}

#[test]
fn stored_triggers_are_single_instructions() {
    let cases = [
        ("", ParseErrorKind::TriggerNotSingle),
        ("# only", ParseErrorKind::TriggerNotSingle),
        ("RUN a\nRUN b", ParseErrorKind::TriggerNotSingle),
        ("ONBUILD RUN a", ParseErrorKind::OnBuildChain),
        ("FROM a", ParseErrorKind::OnBuildTrigger { instruction: "FROM" }),
        ("MAINTAINER a", ParseErrorKind::OnBuildTrigger { instruction: "MAINTAINER" }),
        ("NOPE", ParseErrorKind::UnknownInstruction { word: "NOPE".into(), similar: None, continues: None }),
    ];
    for (text, expected) in cases {
        let error = parse_trigger(&Source::new("trigger", text)).expect_err(text);
        assert_eq!(error.kind, expected, "{text}");
    }
}

#[test]
fn a_comment_directly_above_describes() {
    let text = "# A which kind\nARG A=1\n# up  builds it \nFROM a AS up\n# up not me\n\nFROM b AS up\n";
    let Dockerfile { global_args, stages, .. } = tree(text);
    assert_eq!(global_args[0].description("A"), Some("which kind"));
    assert_eq!(global_args[0].description("B"), None);
    assert_eq!(stages[0].from.description("up"), Some("builds it"));
    assert_eq!(stages[1].from.description("up"), None);
}

#[test]
fn syntax_is_found_in_texts_that_are_no_dockerfiles() {
    let cases = [
        ("# SyNtAx = example/df:1 extra\n", Some("example/df:1")),
        ("#!/bin/x\n// syntax=img\n", Some("img")),
        ("// escape=x\n// syntax=img\n", Some("img")),
        ("{\"a\": 1, \"syntax\": \"img\"}", Some("img")),
        ("{\"syntax\": 1}", None),
        ("{\"syntax\": \"img\"", None),
        ("\u{feff}#syntax=a", Some("a")),
        ("\n# syntax=late\n", None),
        ("# hello\n# syntax=late\n", None),
        ("# syntax=\n", None),
        ("FROM a\n", None),
    ];
    for (text, expected) in cases {
        let found = detect_syntax(&Source::new("f", text)).map(|syntax| syntax.value);
        assert_eq!(found.as_deref(), expected, "{text}");
    }
}

/// Resolves the only mount of a RUN; the only variable is V, `/v`.
fn mount(options: &str) -> Result<MountSpec, String> {
    let InstructionKind::Run(run) = instruction(&format!("RUN --mount={options} x")).kind else {
        panic!("{options}")
    };
    let lookup = |name: &str| (name == "V").then(|| "/v".to_owned());
    run.mounts[0]
        .resolve(&mut |word| Ok(word.expand(&lookup, crate::dockerfile::ast::Escape::Backslash)?.text))
        .map_err(|error| error.to_string())
}

#[test]
fn mounts_get_their_defaults() {
    let text = |text: &str| Some(text.to_owned());
    let owner = Owner::default();
    let secret = |id: &str, target: Option<String>, env: Option<String>| {
        MountSpec::Secret(SecretMount { id: id.to_owned(), target, env, required: false, owner })
    };
    let bind = |source: Option<String>, read_write| {
        MountSpec::Bind(BindMount { target: "/x".to_owned(), source, from: None, read_write })
    };
    let cache = CacheMount {
        target: "/x".to_owned(),
        id: None,
        source: None,
        from: None,
        sharing: Sharing::Shared,
        read_only: false,
        owner,
    };
    let cases = [
        ("target=/x", bind(None, false)),
        ("type=bind,src=a,dst=/x,rw", bind(text("a"), true)),
        ("dst=/x,rw,ro=true", bind(None, false)),
        ("dst=/x,rw=false", bind(None, false)),
        ("source=$V/a,target=/x", bind(text("/v/a"), false)),
        ("TYPE=cache,destination=/x", MountSpec::Cache(cache.clone())),
        (
            "type=cache,target=/x,id=i,sharing=LOCKED,ro,mode=0700,uid=1,gid=2",
            MountSpec::Cache(CacheMount {
                id: text("i"),
                sharing: Sharing::Locked,
                read_only: true,
                owner: Owner { mode: Some(0o700), uid: Some(1), gid: Some(2) },
                ..cache
            }),
        ),
        (
            "type=tmpfs,target=/x,size=1k",
            MountSpec::Tmpfs(TmpfsMount { target: "/x".into(), size: Some(1024) }),
        ),
        ("type=secret,id=k", secret("k", text("/run/secrets/k"), None)),
        ("type=secret,src=k,target=/k", secret("k", text("/k"), None)),
        ("type=secret,target=/a/k", secret("k", text("/a/k"), None)),
        ("type=secret,id=k,env=K", secret("k", None, text("K"))),
        ("type=secret,id=k,env=K,target=k", secret("k", text("k"), text("K"))),
        (
            "type=ssh,required",
            MountSpec::Ssh(SshMount { id: "default".into(), target: None, required: true, owner }),
        ),
    ];
    for (options, expected) in cases {
        assert_eq!(mount(options), Ok(expected), "{options}");
    }
}

#[test]
fn mounts_with_variables_are_checked_when_they_are_resolved() {
    let cases = [
        ("type=$V,target=/x", "unsupported mount type `/v`"),
        ("type=cache,target=$W", "mount of type `cache` needs a `target`"),
        ("type=cache,target=/x,mode=$V", "invalid value `/v` for mount option `mode`"),
        ("target=${V:?}/../..,from=b,source=${W:?}", "W: is not allowed to be unset"),
    ];
    for (options, expected) in cases {
        assert_eq!(mount(options), Err(expected.to_owned()), "{options}");
    }
}
