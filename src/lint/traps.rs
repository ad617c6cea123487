//! Rules about instructions that do something else than they look like.

use crate::diagnostic::{Span, Spanned};
use crate::dockerfile::ast::{Add, Command, Files, InstructionKind, RunCommand, Stage};

use super::stage::At;
use super::{Findings, packages, rule};

/// Ends of names of archives that an ADD unpacks.
const ARCHIVES: [&str; 12] =
    [".tar", ".gz", ".tgz", ".bz2", ".tbz", ".tbz2", ".xz", ".txz", ".lzma", ".zst", ".tzst", ".z"];

/// What changes only the shell that runs it.
const LOST: [&str; 3] = ["cd", "export", "alias"];

pub(super) fn check(at: &At<'_, '_>, findings: &mut Findings) {
    malformed_json(at, findings);
    match &at.instruction.kind {
        InstructionKind::Run(run) if at.state.shell_is_posix() => {
            // Most texts have none of the words, and need not be split.
            let text = at.facts.text(at.span());
            if LOST.iter().any(|program| text.contains(program)) {
                effect_lost(at, &packages::commands(run), findings);
            }
        }
        InstructionKind::Copy(copy) => {
            empty_source(at, &copy.files, findings);
            several_sources(at, &copy.files, findings);
            link_with_chmod(at, &copy.files, findings);
        }
        InstructionKind::Add(add) => {
            empty_source(at, &add.files, findings);
            several_sources(at, &add.files, findings);
            link_with_chmod(at, &add.files, findings);
            copy_preferred(at, add, findings);
        }
        _ => {}
    }
}

/// A JSON form that is none: with single quotes, or with text behind it.
fn malformed_json(at: &At<'_, '_>, findings: &mut Findings) {
    let text = match &at.instruction.kind {
        InstructionKind::Run(run) => match &run.command {
            RunCommand::Shell(text) => text.as_str(),
            _ => return,
        },
        InstructionKind::Cmd(Command::Shell(text)) | InstructionKind::Entrypoint(Command::Shell(text)) => {
            text
        }
        InstructionKind::Copy(ast) => first_source(&ast.files),
        InstructionKind::Add(ast) => first_source(&ast.files),
        InstructionKind::Volume(words) => words.first().map_or("", |word| &word.text),
        _ => return,
    };
    if !looks_like_json(text) {
        return;
    }
    let keyword = at.instruction.kind.keyword();
    let meaning = match &at.instruction.kind {
        InstructionKind::Run(_) | InstructionKind::Cmd(_) | InstructionKind::Entrypoint(_) => {
            "a shell's command"
        }
        _ => "a list of words",
    };
    findings
        .add(
            &rule::MALFORMED_JSON_FORM,
            at.span(),
            at.place_of(&[text.split_whitespace().next().unwrap_or_default()]),
            format!("this is not valid JSON, so all of it is {meaning}, brackets included"),
        )
        .help(format!(
            "write `{keyword} [\"…\", \"…\"]`: double quotes, commas between, nothing behind the `]`"
        ));
}

fn first_source(files: &Files) -> &str {
    files.sources.first().map_or("", |word| &word.text)
}

/// `["` begins no command of a shell; `[ "$a" = b ]` does, but not with a comma behind the string.
fn looks_like_json(text: &str) -> bool {
    let Some(rest) = text.strip_prefix('[') else { return false };
    let inner = rest.trim_start();
    let Some(quote) = inner.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
    if inner.len() == rest.len() {
        return true;
    }
    inner[1..].split_once(quote).is_some_and(|(_, behind)| behind.trim_start().starts_with(','))
}

/// A RUN of which nothing is left when its shell ends.
fn effect_lost(at: &At<'_, '_>, commands: &[super::shell::Simple], findings: &mut Findings) {
    let is_of_the_shell = |program: &str| {
        matches!(program, "cd" | "export" | "alias" | "umask" | "set" | "ulimit" | "shopt" | "true")
    };
    let writes = |word: &String| word.contains('>');
    let programs: Vec<&str> = commands.iter().map(|simple| simple.words[0].as_str()).collect();
    let changes = programs.iter().find(|program| LOST.contains(program));
    let (Some(program), true) = (changes, programs.iter().all(|program| is_of_the_shell(program))) else {
        return;
    };
    if commands.iter().any(|simple| simple.arguments().iter().any(writes)) {
        return;
    }
    let (lost, help) = match *program {
        "cd" => ("directory", "write `WORKDIR` instead, or put the `cd` into the RUN that needs it"),
        "export" => ("variables", "write `ENV` instead, or put the `export` into the RUN that needs it"),
        _ => ("aliases", "put it into the RUN that needs it"),
    };
    let message = format!("the next instruction does not see the {lost} of this shell");
    findings.add(&rule::EFFECT_LOST_AFTER_RUN, at.span(), at.place_of(&[program]), message).help(help);
}

fn several_sources(at: &At<'_, '_>, files: &Files, findings: &mut Findings) {
    if files.sources.len() + files.heredocs.len() < 2 {
        return;
    }
    let Ok(destination) = at.state.scope.expand(&files.destination) else { return };
    let path = destination.text;
    if path.is_empty() || path.ends_with('/') || path.ends_with("/.") || matches!(path.as_str(), "." | "..") {
        return;
    }
    findings
        .add(
            &rule::SEVERAL_SOURCES_ONE_NAME,
            at.span(),
            files.destination.span,
            format!("if `{path}` is not a directory yet, each source takes the place of the one before it"),
        )
        .help(format!("write `{}/`", files.destination.text));
}

fn empty_source(at: &At<'_, '_>, files: &Files, findings: &mut Findings) {
    for word in &files.sources {
        let Ok(source) = at.state.scope.expand(word) else { continue };
        let (missing, state) = (&source.unmatched, at.state);
        // Another rule has a word on variables that are not declared, and a base image that is not known may set one.
        let is_told = missing.iter().any(|name| !state.scope.is_declared(name));
        if source.text.is_empty() && !is_told && (missing.is_empty() || state.knows_all_variables) {
            findings
                .add(
                    &rule::EMPTY_SOURCE,
                    at.span(),
                    word.span,
                    "this source is empty, so everything is copied",
                )
                .help("write `.` if that is meant");
        }
    }
}

fn link_with_chmod(at: &At<'_, '_>, files: &Files, findings: &mut Findings) {
    let (true, Some(chmod)) = (files.link, &files.chmod) else { return };
    findings
        .add(
            &rule::LINK_DROPPED_BY_CHMOD,
            at.span(),
            chmod.span,
            "BuildKit ignores `--link` where there is a `--chmod`: the layer depends on what is below it",
        )
        .help("leave one of them out; the mode can also be set in the context");
}

fn copy_preferred(at: &At<'_, '_>, add: &Add, findings: &mut Findings) {
    if add.checksum.is_some() || add.keep_git_dir.is_some() || add.unpack.is_some() {
        return;
    }
    let is_plain = |source: &str| {
        let name = source.to_ascii_lowercase();
        let is_remote = source.contains("://") || source.contains('@');
        // What a wildcard at the end or a variable fits may well be an archive.
        let is_open = source.contains('$') || name.ends_with(['*', '?', ']']);
        !is_remote && !is_open && !ARCHIVES.iter().any(|end| name.ends_with(end))
    };
    let sources: &[_] = &add.files.sources;
    if sources.iter().all(|word| is_plain(&word.text)) {
        let keyword: &Spanned<String> = &at.instruction.keyword;
        findings
            .add(&rule::COPY_PREFERRED, at.span(), keyword.span, "nothing here is fetched or unpacked")
            .help("write `COPY`, which never does either");
    }
}

/// A CMD behind an ENTRYPOINT that takes no arguments.
pub(super) fn entrypoint(stage: &Stage, findings: &mut Findings) {
    let last =
        |keyword: &str| stage.instructions.iter().rfind(|instruction| instruction.kind.keyword() == keyword);
    let (Some(entrypoint), Some(cmd)) = (last("ENTRYPOINT"), last("CMD")) else { return };
    let InstructionKind::Entrypoint(Command::Shell(text)) = &entrypoint.kind else { return };
    let is_empty = match &cmd.kind {
        InstructionKind::Cmd(Command::Exec(words)) => words.is_empty(),
        InstructionKind::Cmd(Command::Shell(text)) => text.is_empty(),
        _ => true,
    };
    // A text may ask for its arguments: `$0`, `$1`, `$@`, `$*`.
    let asks = text.split('$').skip(1).any(|rest| {
        rest.trim_start_matches('{').starts_with(|c: char| c.is_ascii_digit() || matches!(c, '@' | '*'))
    });
    if is_empty || text.is_empty() || asks {
        return;
    }
    let place: Span = cmd.span;
    let words = json_form(text)
        .unwrap_or_else(|| format!("[\"/bin/sh\", \"-c\", {:?}, \"--\"]", format!("{text} \"$@\"")));
    findings
        .add(
            &rule::ENTRYPOINT_SWALLOWS_CMD,
            place,
            place,
            "the shell of the `ENTRYPOINT` does not pass these arguments on, nor those of `docker run`",
        )
        .help(format!("write the `ENTRYPOINT` in JSON form: `ENTRYPOINT {words}`"));
}

/// The words of a plain command as the JSON form; `None` for a text that needs a shell.
pub(super) fn json_form(text: &str) -> Option<String> {
    let is_plain =
        |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | '/' | '.' | '=' | ':' | ',');
    let words: Vec<String> = text.split_whitespace().map(|word| format!("{word:?}")).collect();
    // `A=b c` sets a variable.
    let sets = words.first().is_some_and(|word| word.contains('='));
    (!words.is_empty() && !sets && text.chars().all(is_plain)).then(|| format!("[{}]", words.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::looks_like_json;

    #[test]
    fn tests_of_a_shell_are_no_json() {
        let json = [r#"["a", "b"] c"#, "['a']", r#"[ "a", "b" ] c"#, r#"["a" "b"]"#];
        let shell = [r#"[ "$a" = b ] && c"#, "[ -e /x ]", "[[ a ]]", "a", "", "[", r#"[ "a" ]"#];
        for text in json {
            assert!(looks_like_json(text), "{text}");
        }
        for text in shell {
            assert!(!looks_like_json(text), "{text}");
        }
    }
}
