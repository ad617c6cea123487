//! Builds as data: a file that makes a context, builds it, edits it, builds again, and holds what is expected.
//!
//! A file is one case, or several with a line `=== TITLE` before each. A case begins with a few words on what it
//! shows. Then come sections, each a line `--- COMMAND WORDS` and the lines below it, that are done in order in the
//! context's directory:
//!
//! ```text
//! file PATH [MODE]       a file with the lines below; its time is always the same
//! file! PATH             other bytes in a file that is there, without a change of its size and times
//! dir PATH [MODE] · link PATH TARGET · socket PATH
//! remove PATH · rename PATH OTHER · chmod PATH MODE · chown PATH UID:GID · touch PATH
//! elsewhere              from now on the context is a copy of itself in another directory
//! host                   a shell script for the machine; `strata` in it is the one under test
//! prints SCRIPT          expects what a shell script prints on the machine
//! image NAME             what follows is about an image of this name
//! build FLAGS            builds the image; expects the steps, what was cached, and which image it is
//! made FLAGS             builds the image, whatever is cached
//! warnings               expects the rules that the last build warned of
//! fails CODE FLAGS       builds; expects this exit code and message
//! refused TEXT           builds; it must not succeed, and say this
//! call CODE FLAGS        builds or looks into the Dockerfile; expects this exit code, and what is printed
//! look ARGUMENTS         calls the binary; expects what it prints and, if that is not 0, its exit code
//! log                    expects what the last build's commands wrote
//! steps                  expects the last build's steps
//! requests               expects what was asked of `{{http}}` and `{{git}}` since the last time
//! tree PATHS             expects what lies there in the image
//! layers N               expects what is in the image's layers above the first N
//! sh SCRIPT              expects what a script prints in the image
//! inspect TEMPLATE       expects what `strata inspect --format` prints
//! history                expects the image's history, and which entries have a layer
//! raw                    expects the image's config as it is stored, but for digests and times
//! ```
//!
//! A `␣` in a path stands for a blank; `{{http}}` stands for the address of the directory `http` beside the context,
//! `{{git}}` for that of the Git repositories in the directory `git` there, and in the checklist of BuildKit's behaviour
//! `{{registry}}` for host and port of a registry. Images are told apart by letters in the
//! order of their appearance. `UPDATE_SNAPSHOTS=1` writes what was found as what is expected; read what changed before
//! you commit it.

mod state;

use std::fs;
use std::panic::{self, AssertUnwindSafe};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread;

use super::env::Env;
pub(crate) use state::State;

/// One section.
#[derive(Clone)]
struct Section {
    line: usize,
    head: String,
    body: String,
}

/// One case.
#[derive(Clone)]
pub(crate) struct Case {
    file: PathBuf,
    /// What it shows, with the line that tells it from the one before.
    pub(crate) title: String,
    sections: Vec<Section>,
}

/// What came of a case.
pub(crate) enum Outcome {
    /// What is expected.
    Passed,
    /// Something else, which is now what is expected; how it differs.
    Differs(String),
    /// It makes no sense: what was said last.
    Failed(String),
}

/// Runs every case of a folder of `testdata`, each with a store of its own.
pub(crate) fn run_all(folder: &str) {
    run_all_in(folder, Env::new);
}

/// The same in places of one's own making.
pub(crate) fn run_all_in(folder: &str, place: impl Fn() -> Env + Sync) {
    run_all_but(&[], folder, place);
}

/// The same without the cases of some files.
pub(crate) fn run_all_but(files: &[&str], folder: &str, place: impl Fn() -> Env + Sync) {
    let mut cases = load(folder);
    cases.retain(|case| !files.iter().any(|file| case.file.ends_with(file)));
    let failures = run_each(&mut cases, |case| case.check(&mut State::new(place())));
    finish(&cases, &failures);
}

/// The cases of all files of a folder of `testdata`.
pub(crate) fn load(folder: &str) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    files.iter().flat_map(|file| parse(file)).collect()
}

/// Runs cases on as many threads as there are cores; gives what `run` says is wrong.
pub(crate) fn run_each(cases: &mut [Case], run: impl Fn(&mut Case) -> Option<String> + Sync) -> Vec<String> {
    let (left, failures) = (Mutex::new(cases.iter_mut()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(case) = left.lock().unwrap().next() else { return };
                    let failure = run(case);
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    failures.into_inner().unwrap()
}

/// Writes the cases back, if that is wished, and fails if something is wrong.
pub(crate) fn finish(cases: &[Case], failures: &[String]) {
    if updates() {
        for of_file in cases.chunk_by(|one, other| one.file == other.file) {
            fs::write(&of_file[0].file, of_file.iter().map(Case::text).collect::<String>()).unwrap();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn updates() -> bool {
    std::env::var_os("UPDATE_SNAPSHOTS").is_some()
}

impl Case {
    /// Runs the case; says what is wrong, which is not what differs if that is what is wished.
    pub(crate) fn check(&mut self, state: &mut State) -> Option<String> {
        match self.run(state) {
            Outcome::Failed(why) => Some(why),
            Outcome::Differs(how) if !updates() => Some(how),
            Outcome::Differs(_) | Outcome::Passed => None,
        }
    }

    /// Runs the case.
    pub(crate) fn run(&mut self, state: &mut State) -> Outcome {
        match panic::catch_unwind(AssertUnwindSafe(|| self.differences(state))) {
            Ok(differences) if differences.is_empty() => Outcome::Passed,
            Ok(differences) => Outcome::Differs(differences),
            Err(panic) => {
                let said = panic.downcast_ref::<String>().map_or("panicked", String::as_str);
                Outcome::Failed(format!("{}: {}{said}", self.file.display(), self.title))
            }
        }
    }

    fn differences(&mut self, state: &mut State) -> String {
        let mut differences = String::new();
        for section in &mut self.sections {
            let place = format!("{}:{}: {}", self.file.display(), section.line, section.head);
            let Some(found) = state.step(section, &place) else { continue };
            if found != section.body {
                differences += &format!("{place}\n--- expected\n{}--- found\n{found}", section.body);
            }
            section.body = found;
        }
        differences
    }

    fn text(&self) -> String {
        let sections = self.sections.iter().map(|it| format!("--- {}\n{}", it.head, it.body));
        std::iter::once(self.title.clone()).chain(sections).collect()
    }
}

fn parse(file: &Path) -> Vec<Case> {
    let text = fs::read_to_string(file).unwrap();
    let mut cases: Vec<Case> = Vec::new();
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if cases.is_empty() || line.starts_with("=== ") {
            cases.push(Case { file: file.to_owned(), title: String::new(), sections: Vec::new() });
        }
        let Some(case) = cases.last_mut() else { continue };
        if let Some(head) = line.strip_prefix("--- ") {
            let head = head.trim_end().to_owned();
            case.sections.push(Section { line: index + 1, head, body: String::new() });
        } else {
            case.sections.last_mut().map_or(&mut case.title, |section| &mut section.body).push_str(line);
        }
    }
    for case in &cases {
        assert!(!case.title.is_empty(), "{}: says nothing of what it shows", file.display());
    }
    cases
}
