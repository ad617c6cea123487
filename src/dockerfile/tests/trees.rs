//! Syntax trees made up for tests: everything that a text could have given, without places.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::print::opener;
use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast::*;
use crate::dockerfile::heredoc::Heredoc;
use crate::dockerfile::mount::{Mount, MountKey, MountOption};
use crate::dockerfile::word::Word;

pub(super) fn dockerfile() -> impl Strategy<Value = Dockerfile> {
    let args = vec(statement("ARG", arg()), 0..3);
    let stage = (statement("FROM", from()), vec(instruction(), 0..8))
        .prop_map(|(from, instructions)| Stage { from, instructions });
    (directives(), args, vec(stage, 1..3)).prop_map(|(directives, global_args, stages)| Dockerfile {
        directives,
        global_args,
        stages,
    })
}

fn spanned<T>(value: T) -> Spanned<T> {
    Spanned::new(value, Span::default())
}

fn word_of(text: impl Strategy<Value = String>) -> impl Strategy<Value = Word> {
    text.prop_map(|text| Word { text, span: Span::default() })
}

/// A word of a list.
fn word() -> impl Strategy<Value = Word> {
    word_of("[a-zé0-9./$*{}=:_-]{1,6}")
}

/// A word that a JSON array can hold.
fn any_word() -> impl Strategy<Value = Word> {
    prop_oneof![word(), word_of("[a\\[\\]\"'\\\\` <\n\u{a0}-]{0,5}")]
}

/// A word with quotes that does not fall apart.
fn quoted() -> impl Strategy<Value = Word> {
    word_of(
        vec(prop_oneof!["[a-z$]{1,3}", "\"[a-z '#$]{0,3}\"", "'[a-z \"=$]{0,3}'", "[=/,]"], 0..4)
            .prop_map(|parts| parts.concat()),
    )
}

/// A line without white space at its ends that is no JSON and has no heredoc.
fn text() -> impl Strategy<Value = String> {
    "[a-zé$&|;'\"{}#`\\\\-]([a-zé$&|;'\"{}#` \t\\\\-]{0,8}[a-zé$&|;'\"{}#`\\\\-])?"
}

fn statement<T: std::fmt::Debug>(
    keyword: &'static str,
    kind: impl Strategy<Value = T>,
) -> impl Strategy<Value = Statement<T>> {
    let keywords = vec![keyword.to_owned(), keyword.to_lowercase(), keyword.replace('R', "r")];
    let comment = prop_oneof![Just(String::new()), "[a-z#=]", "[a-z#=][a-z =]{0,6}[a-z#=]"];
    (kind, select(keywords), vec(comment.prop_map(spanned), 0..2)).prop_map(|(kind, keyword, comments)| {
        Statement { kind, span: Span::default(), keyword: spanned(keyword), text: String::new(), comments }
    })
}

fn directives() -> impl Strategy<Value = Directives> {
    let names = || vec("[A-Za-z]{1,5}", 1..3).prop_map(Rules::Named);
    let rules = || prop_oneof![Just(Rules::None), Just(Rules::All), names()];
    let check = (rules(), rules(), any::<bool>())
        .prop_map(|(skip, experimental, error)| spanned(Check { skip, experimental, error }));
    let escape = select(vec![Escape::Backslash, Escape::Backtick]);
    (option::of("[a-z/:.]{1,9}".prop_map(spanned)), escape, option::of(check))
        .prop_map(|(syntax, escape, check)| Directives { syntax, escape, check })
}

fn from() -> impl Strategy<Value = From> {
    let name = "[a-z][a-z0-9._-]{0,4}".prop_map(spanned);
    (option::of(flag_value()), word(), option::of(name)).prop_map(|(platform, image, name)| From {
        platform,
        image,
        name,
    })
}

/// A flag's value has lost its quotes, so it may be anything but empty.
fn flag_value() -> impl Strategy<Value = Word> {
    word_of("[a-z0-9:,= \"'`\\\\$é]{1,6}")
}

fn arg() -> impl Strategy<Value = Arg> {
    let item = (word_of("[a-zA-Z_]{1,4}"), option::of(quoted()))
        .prop_map(|(name, default)| ArgItem { name, default });
    vec(item, 1..4).prop_map(|items| Arg { items })
}

fn pairs() -> impl Strategy<Value = Pairs> {
    let pair = || (word_of("[a-zA-Z_.%]{1,4}"), quoted()).prop_map(|(key, value)| Pair { key, value });
    let legacy = (word_of("[a-zA-Z_.]{1,4}"), word_of(text())).prop_map(|(key, value)| Pair { key, value });
    prop_oneof![
        vec(pair(), 1..4).prop_map(|pairs| Pairs { pairs, legacy: false }),
        legacy.prop_map(|pair| Pairs { pairs: vec![pair], legacy: true }),
    ]
}

fn exec() -> impl Strategy<Value = Vec<String>> {
    vec("[a\\[\\]\"'\\\\` <\n\u{1}é$]{0,5}", 1..4)
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        vec(".{0,4}", 0..3).prop_map(Command::Exec),
        option::of(text()).prop_map(|text| Command::Shell(text.unwrap_or_default())),
    ]
}

fn heredoc() -> impl Strategy<Value = Heredoc> {
    let name =
        prop_oneof![("[A-Z<;é\"'\\\\ ]{0,3}[A-Z]", Just(true)), ("[A-Z\"' ;|<$`é]{0,3}[A-Z]", Just(false))];
    let line = "[a-z #$\"'<\t\\\\\r`]{0,6}";
    (name, any::<bool>(), 0..12_u32, vec(line, 0..3)).prop_map(|((name, expand), strip_tabs, fd, lines)| {
        let body = lines.iter().map(|line| format!("{line}\n")).collect();
        Heredoc { name, body, expand, strip_tabs, fd, span: Span::default(), body_span: Span::default() }
    })
}

fn run() -> impl Strategy<Value = Run> {
    let several = (option::of(text()), vec(heredoc(), 1..3), "[a-z ]{0,3}[a-z]").prop_map(
        |(before, heredocs, behind)| {
            // A quote in front that stays open would hide the openers.
            let before = before.unwrap_or_default().replace(['\'', '"', '\\'], "q");
            let openers: Vec<String> = heredocs.iter().map(opener).collect();
            let text = format!("{before} {} {behind}", openers.join(" ")).trim().to_owned();
            RunCommand::ShellWithHeredocs { text, heredocs }
        },
    );
    let command = prop_oneof![
        exec().prop_map(RunCommand::Exec),
        text().prop_map(RunCommand::Shell),
        heredoc().prop_map(RunCommand::Script),
        several,
    ];
    let network = select(vec![Network::Default, Network::None, Network::Host]).prop_map(spanned);
    let security = select(vec![Security::Sandbox, Security::Insecure]).prop_map(spanned);
    let device =
        ("[a-z./=-]{1,6}", any::<bool>()).prop_map(|(name, required)| spanned(Device { name, required }));
    (command, vec(mount(), 0..3), option::of(network), option::of(security), vec(device, 0..2)).prop_map(
        |(command, mounts, network, security, devices)| Run { command, mounts, network, security, devices },
    )
}

fn mount() -> impl Strategy<Value = Mount> {
    let switches = || select(vec![None, Some("true"), Some("false")]);
    // Without a variable, a value is expanded when it is parsed, and has to be right.
    let value = prop_oneof!["[a-z/,= é]{1,6}", "[$][a-z/,\"' =é\\\\`]{1,6}"];
    let cases = select(vec![("bind", MountKey::Source), ("cache", MountKey::Id), ("secret", MountKey::Id)]);
    (cases, value, switches(), "/[a-z][a-z/]{0,4}").prop_map(|((kind, key), value, switch, target)| {
        let option = |key: MountKey, value: Option<&str>| MountOption {
            key,
            value: value.map(|text| Word { text: text.to_owned(), span: Span::default() }),
            span: Span::default(),
        };
        let is_secret = kind == "secret";
        let switch = option(if is_secret { MountKey::Required } else { MountKey::ReadOnly }, switch);
        let options = vec![
            option(MountKey::Type, Some(kind)),
            option(key, Some(&value)),
            option(MountKey::Target, Some(&target)),
            switch,
        ];
        Mount { options, span: Span::default() }
    })
}

fn files() -> impl Strategy<Value = Files> {
    let plain = (vec(any_word(), 1..4), any_word(), Just(Vec::new()));
    let with_heredocs = (vec(word(), 0..2), word(), vec(heredoc(), 1..3));
    let flags = (option::of(flag_value()), option::of(flag_value()), any::<bool>(), vec(flag_value(), 0..2));
    (prop_oneof![plain, with_heredocs], flags).prop_map(
        |((sources, destination, heredocs), (chown, chmod, link, exclude))| Files {
            sources,
            heredocs,
            destination,
            chown,
            chmod,
            link,
            exclude,
        },
    )
}

fn healthcheck() -> impl Strategy<Value = Healthcheck> {
    let command = prop_oneof![exec().prop_map(Command::Exec), text().prop_map(Command::Shell)];
    let duration = || option::of(prop_oneof![Just(0), 1_000_000..u64::MAX / 2]);
    let retries = option::of(0..i32::MAX.unsigned_abs());
    let test = (command, duration(), duration(), duration(), duration(), retries).prop_map(
        |(command, interval, timeout, start_period, start_interval, retries)| Healthcheck::Test {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        },
    );
    prop_oneof![Just(Healthcheck::None), test]
}

/// Everything that may stand behind ONBUILD.
fn trigger() -> impl Strategy<Value = Instruction> {
    use InstructionKind as Kind;
    let copy = (files(), option::of("[a-z0-9:'\" ]{1,4}".prop_map(spanned)), any::<bool>())
        .prop_map(|(files, from, parents)| Kind::Copy(Copy { files, from, parents }));
    let add = (files(), option::of(flag_value()), any::<Option<bool>>(), any::<Option<bool>>()).prop_map(
        |(files, checksum, keep_git_dir, unpack)| Kind::Add(Add { files, checksum, keep_git_dir, unpack }),
    );
    let volume = word_of("[a-z\\[\"/$]{1,3}([ ,]?[a-z\\]\"]){0,3}");
    prop_oneof![
        statement("RUN", run().prop_map(Kind::Run)),
        statement("COPY", copy),
        statement("ADD", add),
        statement("ARG", arg().prop_map(Kind::Arg)),
        statement("ENV", pairs().prop_map(Kind::Env)),
        statement("LABEL", pairs().prop_map(Kind::Label)),
        statement("EXPOSE", vec(word(), 1..3).prop_map(Kind::Expose)),
        statement("USER", word_of(text()).prop_map(Kind::User)),
        statement("WORKDIR", word_of(text()).prop_map(Kind::Workdir)),
        statement("VOLUME", vec(volume, 1..3).prop_map(Kind::Volume)),
        statement("CMD", command().prop_map(Kind::Cmd)),
        statement("ENTRYPOINT", command().prop_map(Kind::Entrypoint)),
        statement("SHELL", exec().prop_map(Kind::Shell)),
        statement("STOPSIGNAL", word_of(text()).prop_map(Kind::StopSignal)),
        statement("HEALTHCHECK", healthcheck().prop_map(Kind::Healthcheck)),
    ]
}

fn instruction() -> impl Strategy<Value = Instruction> {
    let on_build = trigger().prop_map(|mut instruction| {
        instruction.comments.clear();
        InstructionKind::OnBuild(OnBuild { instruction: Box::new(instruction), trigger: String::new() })
    });
    prop_oneof![
        12 => trigger(),
        1 => statement("ONBUILD", on_build),
        1 => statement("MAINTAINER", text().prop_map(InstructionKind::Maintainer)),
    ]
}
