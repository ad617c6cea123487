//! Every file of `testdata/dockerfiles` against its twin.
//!
//! `good/*.dockerfile` have an `.ast` twin with the tree and the warnings, `bad/*.dockerfile` a `.stderr` twin with
//! the errors as a user sees them. `UPDATE_SNAPSHOTS=1` writes the twins; read what changed before you commit it.

use std::fs;
use std::path::{Path, PathBuf};

use super::dump::dump;
use crate::diagnostic::{Diagnostic, Source};
use crate::dockerfile::parse;

fn render<'a, T: 'a>(source: &Source, findings: impl IntoIterator<Item = &'a T>) -> String
where
    Diagnostic: From<&'a T>,
{
    findings.into_iter().map(|finding| Diagnostic::from(finding).render(source, false)).collect()
}

/// The tree with the warnings, or the errors.
fn outcome(text: String) -> Result<String, String> {
    let source = Source::new("Dockerfile", text);
    match parse(&source) {
        Ok(parsed) => Ok(dump(&parsed) + &render(&source, &parsed.warnings)),
        Err(errors) => Err(render(&source, &errors)),
    }
}

/// Compares or writes one twin; says what is wrong.
fn check(case: &Path, extension: &str) -> Option<String> {
    let text = fs::read_to_string(case).expect("cases are UTF-8");
    let found = match (outcome(text), extension) {
        (Ok(tree), "ast") => tree,
        (Err(errors), "stderr") => errors,
        (Ok(_), _) => return Some(format!("{}: is not refused", case.display())),
        (Err(errors), _) => return Some(format!("{}: is refused\n{errors}", case.display())),
    };
    let twin = case.with_extension(extension);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&twin, found).expect("testdata is writable");
        return None;
    }
    match fs::read_to_string(&twin) {
        Ok(expected) if expected == found => None,
        Ok(expected) => {
            Some(format!("{}: differs\n--- expected\n{expected}--- found\n{found}", twin.display()))
        }
        Err(error) => Some(format!("{}: {error}; UPDATE_SNAPSHOTS=1 makes it", twin.display())),
    }
}

fn check_all(folder: &str, extension: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/dockerfiles").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    let (cases, twins): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.extension().is_some_and(|it| it == "dockerfile"));
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let mut wrong: Vec<String> = cases.iter().filter_map(|case| check(case, extension)).collect();
    let orphan = |twin: &&PathBuf| !cases.contains(&twin.with_extension("dockerfile"));
    wrong.extend(twins.iter().filter(orphan).map(|twin| format!("{}: has no case", twin.display())));
    assert!(wrong.is_empty(), "{} of {} cases\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

#[test]
fn good_dockerfiles_give_their_trees() {
    check_all("good", "ast");
}

#[test]
fn bad_dockerfiles_give_their_errors() {
    check_all("bad", "stderr");
}
