//! Every file of `testdata/plan` against its twin.
//!
//! `good/*.dockerfile` have a `.plan` twin, `bad/*.dockerfile` a `.stderr` twin with the errors as a user sees them.
//! A first line `#: …` holds flags of the build. `UPDATE_SNAPSHOTS=1` writes the twins; read what changed before you
//! commit it.

use std::fs;
use std::path::{Path, PathBuf};

use super::fixtures::{plan, read_options};
use crate::diagnostic::Source;

/// The plan, or the errors.
fn outcome(text: &str) -> Result<String, String> {
    let flags = text.lines().next().and_then(|line| line.strip_prefix("#:")).unwrap_or_default();
    let source = Source::new("Dockerfile", text);
    let found = plan(text, &read_options(flags));
    found
        .map(|plan| plan.to_string())
        .map_err(|errors| errors.iter().map(|error| error.render(&source, false)).collect())
}

/// Compares or writes one twin; says what is wrong.
fn check(case: &Path, extension: &str) -> Option<String> {
    let text = fs::read_to_string(case).expect("cases are UTF-8");
    let found = match (outcome(&text), extension) {
        (Ok(plan), "plan") => plan,
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
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/plan").join(folder);
    let entries = fs::read_dir(&folder).expect("the folder is part of the repository");
    let mut files: Vec<PathBuf> =
        entries.map(|entry| entry.expect("the folder can be read").path()).collect();
    files.sort();
    let (cases, twins): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| file.extension().is_some_and(|it| it == "dockerfile"));
    assert!(!cases.is_empty(), "no cases in {}", folder.display());
    let mut problems: Vec<String> = cases.iter().filter_map(|case| check(case, extension)).collect();
    let orphans = twins.iter().filter(|twin| !cases.contains(&twin.with_extension("dockerfile")));
    problems.extend(orphans.map(|twin| format!("{}: belongs to no case", twin.display())));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

#[test]
fn good_files_have_these_plans() {
    check_all("good", "plan");
}

#[test]
fn bad_files_have_these_errors() {
    check_all("bad", "stderr");
}
