//! `testdata/lint/*.case`: a context and what `strata build` answers to calls.
//!
//! After a few words come sections: `--- file PATH` with a file's lines, and `--- CODE ARGUMENTS` with what the command
//! prints, standard output before standard error. Bytes in base64 are shown as `…`. `UPDATE_SNAPSHOTS=1` writes what was found.

use std::fs;
use std::path::Path;

use strata::diagnostic::Source;
use strata::dockerfile;

use crate::support::env::{Env, Output};

#[test]
fn answers_are_as_expected() {
    let folder = super::root().join("testdata/lint");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let found = run(&text);
        if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
            fs::write(&file, &found).unwrap();
        } else {
            assert_eq!(found, text, "{}", file.display());
        }
    }
}

/// Names of images and targets, platforms and files may be wrong; only what cannot be read has no stages to list.
#[test]
fn targets_are_listed_of_every_file_that_can_be_read() {
    let env = Env::new();
    let context = env.context("context");
    let mut listed = [0, 0];
    for folder in ["dockerfiles/good", "dockerfiles/bad", "plan/good", "plan/bad"] {
        for entry in fs::read_dir(super::root().join("testdata").join(folder)).unwrap() {
            let file = entry.unwrap().path();
            if file.extension().is_none_or(|extension| extension != "dockerfile") {
                continue;
            }
            let source = Source::new("Dockerfile", String::from_utf8(fs::read(&file).unwrap()).unwrap());
            let can_be_read = dockerfile::parse(&source).is_ok();
            assert_eq!(can_be_read, folder != "dockerfiles/bad", "{}", file.display());
            let mut command = env.command(["build", "--call=targets", "-f"]);
            command.arg(&file).arg(&context);
            let output = env.run(command).code(i32::from(!can_be_read));
            assert_eq!(output.stdout.is_empty(), !can_be_read, "{}", file.display());
            listed[usize::from(can_be_read)] += 1;
        }
    }
    assert!(listed.iter().all(|&count| count > 20), "{listed:?}");
}

/// What has to be unpacked is looked at like a directory, and is gone afterwards.
#[test]
fn calls_read_what_a_build_would_read() {
    let env = Env::new();
    let context = env.context("context");
    let text = "FROM scratch AS first\nFROM scratch AS Last\nCOPY hidden /\n";
    fs::write(context.join("other"), text).unwrap();
    fs::write(context.join(".dockerignore"), "hidden").unwrap();
    let tar = env.path("context.tar");
    env.host(&context, &format!("tar cf {} .", tar.display()));
    let check = |input: &Path, arguments: &[&str]| {
        let mut command = env.command([&["build", "--call"], arguments].concat());
        command.current_dir(&context).stdin(fs::File::open(input).unwrap());
        env.run(command)
    };
    let rules = |output: Output| {
        let lines = output.code(1).stdout.lines().map(str::to_owned).collect::<Vec<_>>();
        let rules = lines.iter().filter_map(|line| line.strip_prefix("WARNING: ")?.split(' ').next());
        rules.map(str::to_owned).collect::<Vec<_>>()
    };
    let expected = ["StageNameCasing", "CopyIgnoredFile"];
    assert_eq!(rules(check(&context.join("other"), &["check", "-f", "-", "."])), expected);
    assert!(!env.root().exists(), "the store was opened");
    assert_eq!(rules(check(&tar, &["check", "-f", "other", "-"])), expected);
    assert_eq!(rules(check(&context.join("other"), &["check", "-"])), ["StageNameCasing"]);
    let targets = check(&tar, &["targets", "-f", "other", "-"]).success().stdout;
    assert!(targets.contains("\nlast (default)"), "{targets}");
}

/// The text of a case with what was found instead of what was expected.
fn run(text: &str) -> String {
    let env = Env::new();
    let context = env.context("context");
    let mut sections = text.trim_end().split("\n--- ");
    let mut found = sections.next().unwrap_or_default().to_owned();
    for section in sections {
        let (head, body) = section.split_once('\n').unwrap_or((section, ""));
        let body = match head.split_once(' ') {
            Some(("file", path)) => {
                let path = context.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, format!("{body}\n")).unwrap();
                body.to_owned()
            }
            Some((code, arguments)) => call(&env, &context, code, arguments),
            None => panic!("`{head}` has nothing behind it"),
        };
        found.push_str(&format!("\n--- {head}\n{body}"));
    }
    found.truncate(found.trim_end().len());
    found + "\n"
}

fn call(env: &Env, context: &Path, code: &str, arguments: &str) -> String {
    let mut command = env.command(["build"]);
    command.args(arguments.split_whitespace()).arg(".").current_dir(context);
    let output = env.run(command).code(code.parse().unwrap());
    assert!(!env.root().exists(), "the store was opened");
    let text = without_data(&format!("{}{}", output.stdout, output.stderr));
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

/// The text with base64 of files left out: values of `data`, and long strings that are elements of a list.
fn without_data(text: &str) -> String {
    let hide = |line: &str| {
        let value = line.trim().trim_end_matches(',');
        let data = match value.strip_prefix("\"data\": ") {
            Some(data) => data,
            None if value.len() > 24 && value.starts_with('"') && !value.contains([' ', ':']) => value,
            None => return line.to_owned(),
        };
        line.replace(data, "\"…\"")
    };
    text.split('\n').map(hide).collect::<Vec<_>>().join("\n")
}
