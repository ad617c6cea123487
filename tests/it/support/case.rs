//! Builds as data: a file that makes a context, builds it, edits it, builds again, and holds what is expected.
//!
//! A case begins with a few words on what it shows. Then come sections, each a line `--- COMMAND WORDS` and the lines
//! below it, that are done in order in the context's directory:
//!
//! ```text
//! file PATH [MODE]       a file with the lines below; its time is always the same
//! file! PATH             other bytes in a file that is there, without a change of its size and times
//! dir PATH [MODE] · link PATH TARGET · socket PATH
//! host SCRIPT            runs a script here, for what the other commands cannot make, such as archives
//! remove PATH · rename PATH OTHER · chmod PATH MODE · chown PATH UID:GID · touch PATH
//! elsewhere              from now on the context is a copy of itself in another directory
//! build FLAGS            builds the image `image`; expects the steps, what was cached, and which image it is
//! fails CODE FLAGS       builds; expects this exit code and message
//! log                    expects what the last build's commands wrote
//! tree PATHS             expects what lies there in the image
//! sh SCRIPT              expects what a script prints in the image
//! web PATH               a file at `http://web.test/PATH`; one that ends in `.bare` has neither a tag nor a time
//! commit REPO PATH       a commit in `http://web.test/REPO.git`, with the lines below in a file
//! git REPO ARGS          runs `git` in that repository
//! requests               expects what the last build asked of `web.test`
//! inspect TEMPLATE       expects what `strata inspect --format` prints
//! history                expects the image's history, and which entries have a layer
//! ```
//!
//! A `␣` in a path stands for a blank. Images are told apart by letters in the order of their appearance.
//! `UPDATE_SNAPSHOTS=1` writes what was found as what is expected; read what changed before you commit it.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, SystemTime};

use super::env::Env;
use super::progress::Report;
use super::tree;
use super::web::Web;

/// The time of all files of a case: 2001-02-03 04:05:06 UTC.
const TIME: Duration = Duration::from_secs(981_173_106);

/// One section.
struct Section {
    line: usize,
    head: String,
    body: String,
}

/// Runs every case of a folder of `testdata`, each with a store of its own.
pub(crate) fn run_all(folder: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata").join(folder);
    let entries = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    assert!(!files.is_empty(), "no cases in {}", folder.display());
    let (left, failures) = (Mutex::new(files.into_iter()), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let Some(file) = left.lock().unwrap().next() else { return };
                    let result = panic::catch_unwind(|| run(&file));
                    let failure = result.unwrap_or_else(|_| Some(format!("{}: panicked", file.display())));
                    failures.lock().unwrap().extend(failure);
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Runs one case; says what differs, or panics where it makes no sense.
fn run(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).unwrap();
    let (title, mut sections) = parse(&text);
    assert!(!title.is_empty(), "{}: says nothing of what it shows", file.display());
    let mut state = State::new();
    let update = std::env::var_os("UPDATE_SNAPSHOTS").is_some();
    let mut failures = String::new();
    for section in &mut sections {
        let place = format!("{}:{}: {}", file.display(), section.line, section.head);
        let Some(found) = state.step(section, &place) else { continue };
        if found != section.body && !update {
            failures += &format!("{place}\n--- expected\n{}--- found\n{found}", section.body);
        }
        section.body = found;
    }
    if update {
        let text: String = sections.iter().map(|it| format!("--- {}\n{}", it.head, it.body)).collect();
        fs::write(file, title + &text).unwrap();
    }
    (!failures.is_empty()).then_some(failures)
}

fn parse(text: &str) -> (String, Vec<Section>) {
    let (mut title, mut sections) = (String::new(), Vec::<Section>::new());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        if let Some(head) = line.strip_prefix("--- ") {
            sections.push(Section { line: index + 1, head: head.trim_end().to_owned(), body: String::new() });
        } else {
            sections.last_mut().map_or(&mut title, |section| &mut section.body).push_str(line);
        }
    }
    (title, sections)
}

/// What a case has done so far.
struct State {
    env: Env,
    context: PathBuf,
    /// The images that were seen, by their letters.
    images: Vec<String>,
    log: String,
    web: Option<Web>,
}

impl State {
    fn new() -> Self {
        let env = Env::with_busybox();
        let context = env.context("context");
        Self { env, context, images: Vec::new(), log: String::new(), web: None }
    }

    /// Does one section; gives what was found, if it expects something.
    fn step(&mut self, section: &Section, place: &str) -> Option<String> {
        let (command, rest) = section.head.split_once(' ').unwrap_or((&section.head, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        match command {
            "build" => Some(self.build(&words, place)),
            "fails" => Some(self.fails(&words)),
            "log" => Some(self.log.clone()),
            "requests" => Some(self.web().take_requests()),
            "tree" => Some(tree::list(&self.env, "image", &words)),
            "sh" => Some(self.env.sh("image", rest)),
            "inspect" => Some(self.env.strata(["inspect", "--format", rest, "image"]).success().stdout),
            "history" => Some(self.history()),
            _ => {
                let takes_lines = command.starts_with("file") || matches!(command, "web" | "commit");
                assert!(section.body.is_empty() || takes_lines, "{place}: takes no lines");
                self.edit(command, &words, &section.body)
                    .unwrap_or_else(|| panic!("{place}: is not understood"));
                None
            }
        }
    }

    /// The web, from its first use on.
    fn web(&mut self) -> &Web {
        let env = &self.env;
        self.web.get_or_insert_with(|| Web::new(env.context("web")))
    }

    /// The binary with arguments, in the context.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.env.command(args);
        command.current_dir(&self.context);
        if let Some(web) = &self.web {
            let _ = web.take_requests();
            command.env("http_proxy", web.proxy()).env("no_proxy", "127.0.0.1");
        }
        command
    }

    fn edit(&mut self, command: &str, words: &[&str], body: &str) -> Option<()> {
        let path = |index: usize| words.get(index).map(|word| self.context.join(word.replace('␣', " ")));
        let mode = |word: &str| Permissions::from_mode(u32::from_str_radix(word, 8).unwrap());
        let (first, second) = (path(0), words.get(1).copied());
        match command {
            "file" => {
                let file = first?;
                fs::create_dir_all(file.parent().unwrap()).unwrap();
                fs::write(&file, body).unwrap();
                fs::set_permissions(&file, mode(second.unwrap_or("644"))).unwrap();
                set_time(&file, SystemTime::UNIX_EPOCH + TIME);
            }
            "file!" => {
                let file = first?;
                let before = fs::metadata(&file).unwrap();
                assert_eq!(before.len(), body.len() as u64, "the size must stay");
                File::options().write(true).open(&file).unwrap().write_all(body.as_bytes()).unwrap();
                set_time(&file, before.modified().unwrap());
            }
            "dir" => {
                fs::create_dir_all(first.clone()?).unwrap();
                fs::set_permissions(first?, mode(second.unwrap_or("755"))).unwrap();
            }
            "link" => symlink(second?, first?).unwrap(),
            "host" => {
                let script = words.join(" ");
                let mut command = Command::new("sh");
                let done = command.args(["-ec", &script]).current_dir(&self.context).status().unwrap();
                assert!(done.success(), "{script}: {done}");
            }
            "socket" => drop(UnixListener::bind(first?).unwrap()),
            "remove" if first.as_ref()?.is_dir() => fs::remove_dir_all(first?).unwrap(),
            "remove" => fs::remove_file(first?).unwrap(),
            "rename" => fs::rename(first?, path(1)?).unwrap(),
            "chmod" => fs::set_permissions(first?, mode(second?)).unwrap(),
            "chown" => {
                let (user, group) = second?.split_once(':')?;
                chown(first?, user.parse().ok(), group.parse().ok()).unwrap();
            }
            "web" => self.web().put(words.first()?, body.as_bytes(), SystemTime::UNIX_EPOCH + TIME),
            "commit" => self.web().commit(words.first()?, second?, body),
            "git" => self.web().git(words.first()?, &words[1..]),
            "touch" => set_time(&first?, SystemTime::now()),
            "elsewhere" => {
                let copy = self.context.with_extension("copy");
                assert!(
                    Command::new("cp").arg("-a").args([&self.context, &copy]).status().unwrap().success()
                );
                self.context = copy;
            }
            _ => return None,
        }
        Some(())
    }

    /// Builds, and gives the steps' states with the image's letter.
    fn build(&mut self, flags: &[&str], place: &str) -> String {
        let mut command = self.command(&["build", "--progress=plain", "-t", "image"]);
        let output = self.env.run({
            command.args(flags).arg(".");
            command
        });
        assert!(output.status.success(), "{place}: {}\n{}", output.status, output.stderr);
        let report = Report::read(&output.stderr);
        self.log = report.log();
        format!("{}image {}\n", report.states(), self.letter())
    }

    fn letter(&mut self) -> char {
        let id = self.env.image_id("image");
        let index = self.images.iter().position(|seen| *seen == id).unwrap_or_else(|| {
            self.images.push(id);
            self.images.len() - 1
        });
        char::from(b'A' + u8::try_from(index).unwrap())
    }

    fn fails(&mut self, words: &[&str]) -> String {
        let (code, flags) = words.split_first().expect("an exit code");
        let mut command = self.command(&["build", "--progress=plain"]);
        command.args(flags).arg(".");
        let stderr = self.env.run(command).code(code.parse().unwrap()).stderr;
        // What comes before is progress.
        stderr.find("error: ").map_or(String::new(), |start| stderr[start..].to_owned())
    }

    fn history(&self) -> String {
        let config = self.env.image_config("image");
        let entries = config["history"].as_array().unwrap().iter().map(|entry| {
            let kind = if entry["empty_layer"] == true { "empty" } else { "layer" };
            format!("{kind} {}\n", entry["created_by"].as_str().unwrap_or_default())
        });
        entries.collect()
    }
}

fn set_time(path: &Path, time: SystemTime) {
    File::open(path).unwrap().set_times(FileTimes::new().set_modified(time)).unwrap();
}
