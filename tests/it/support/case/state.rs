//! What a case does, section by section.

use std::fs::{self, File, FileTimes, Permissions};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::Section;
use crate::support::env::{COPIES, Env};
use crate::support::layers;
use crate::support::progress::Report;
use crate::support::server::Server;
use crate::support::tree;

/// The time of all files of a case: 2001-02-03 04:05:06 UTC.
const TIME: Duration = Duration::from_secs(981_173_106);

/// What a case has done so far.
pub(crate) struct State {
    env: Arc<Env>,
    server: Arc<Server>,
    /// What everything of the case is called in a store that others use too; nothing if no others do.
    name: String,
    context: PathBuf,
    /// The image that sections are about.
    image: String,
    /// The images that were seen, by their letters.
    images: Vec<String>,
    report: Report,
}

impl State {
    /// The beginning of a case that has a store of its own.
    pub(super) fn new(env: Env) -> Self {
        env.add_busybox();
        let env = Arc::new(env);
        let server = Arc::new(Server::start(&env));
        Self { image: "image".to_owned(), ..Self::shared(&env, &server, "") }
    }

    /// The beginning of the case `name`, in a store that others use at the same time.
    pub(crate) fn shared(env: &Arc<Env>, server: &Arc<Server>, name: &str) -> Self {
        let context = env.context(Path::new(name).join("context").to_str().unwrap());
        if !name.is_empty() {
            env.hand_over(&env.path(name));
        }
        Self {
            context,
            env: Arc::clone(env),
            server: Arc::clone(server),
            name: name.to_owned(),
            image: name.to_owned(),
            images: Vec::new(),
            report: Report::default(),
        }
    }

    /// Does one section; gives what was found, if it expects something.
    pub(super) fn step(&mut self, section: &Section, place: &str) -> Option<String> {
        let head = self.addressed(&section.head);
        let (command, rest) = head.split_once(' ').unwrap_or((&head, ""));
        let words: Vec<&str> = rest.split_whitespace().collect();
        let found = match command {
            "build" => self.build(&words),
            "fails" => self.fails(&words),
            "call" => self.call(&words),
            "look" => self.look(&words),
            "log" => self.report.log(),
            "warnings" => self.report.warnings(),
            "steps" => self.report.states(),
            "requests" => self.server.take_requests(),
            "tree" => tree::list(&self.env, &self.image, &words),
            "layers" => layers::list(&self.env, &self.image, rest.parse().unwrap_or(0)),
            "sh" => self.env.sh(&self.image, rest),
            "inspect" => self.env.strata(["inspect", "--format", rest, &self.image]).success().stdout,
            "history" => self.history(),
            "prints" => self.env.host(&self.context, rest),
            "raw" => layers::without_digests(&self.env.image_config_text(&self.image)),
            _ => {
                let takes_lines = command.starts_with("file") || command == "host";
                assert!(section.body.is_empty() || takes_lines, "{place}: takes no lines");
                let body = self.addressed(&section.body);
                self.edit(command, &words, &body).unwrap_or_else(|| panic!("{place}: is not understood"));
                return None;
            }
        };
        Some(self.server.redact(&found, &self.name))
    }

    /// The text with the addresses that its words stand for.
    fn addressed(&self, text: &str) -> String {
        self.server.address(text, &self.name)
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
            "socket" => drop(UnixListener::bind(first?).unwrap()),
            "remove" if first.as_ref()?.is_dir() => fs::remove_dir_all(first?).unwrap(),
            "remove" => fs::remove_file(first?).unwrap(),
            "rename" => fs::rename(first?, path(1)?).unwrap(),
            "chmod" => fs::set_permissions(first?, mode(second?)).unwrap(),
            "chown" => {
                let (user, group) = second?.split_once(':')?;
                chown(first?, user.parse().ok(), group.parse().ok()).unwrap();
            }
            "touch" => set_time(&first?, SystemTime::now()),
            "made" => {
                let flags: Vec<&str> = words.iter().copied().chain(["--no-cache"]).collect();
                self.succeed(&flags);
            }
            "refused" => {
                let found = self.fails(&["1"]);
                assert!(found.contains(&words.join(" ")), "{found}");
            }
            "image" => words.first().copied()?.clone_into(&mut self.image),
            "host" => drop(self.env.host(&self.context, body)),
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
    fn build(&mut self, flags: &[&str]) -> String {
        self.succeed(flags);
        format!("{}image {}\n", self.report.states(), self.letter())
    }

    /// What the command prints, standard output first.
    fn call(&self, words: &[&str]) -> String {
        let (code, flags) = words.split_first().expect("an exit code");
        let mut command = self.env.command(["build"]);
        command.args(flags).arg(".").current_dir(&self.context);
        let output = self.env.run(command).code(code.parse().unwrap());
        output.stdout + &output.stderr
    }

    /// What the binary prints, without what differs from day to day: digests, and times of now.
    fn look(&self, words: &[&str]) -> String {
        let mut command = self.env.command(words.iter().map(|word| word.replace('␣', " ")));
        command.current_dir(&self.context);
        let output = self.env.run(command);
        let code = output.status.code().unwrap_or(-1);
        let ending = if code == 0 { String::new() } else { format!("exit code {code}\n") };
        layers::timeless(&(output.stdout + &output.stderr)) + &ending
    }

    fn succeed(&mut self, flags: &[&str]) {
        self.env.hand_over(&self.context);
        let mut command = self.env.command(["build", "--progress=plain", "-t", &self.image]);
        command.args(flags).arg(".").current_dir(&self.context);
        let output = self.env.run(command);
        self.report = Report::read(&output.success().stderr.replace(COPIES, ""));
    }

    fn letter(&mut self) -> char {
        let id = self.env.image_id(&self.image);
        let index = self.images.iter().position(|seen| *seen == id).unwrap_or_else(|| {
            self.images.push(id);
            self.images.len() - 1
        });
        char::from(b'A' + u8::try_from(index).unwrap())
    }

    fn fails(&mut self, words: &[&str]) -> String {
        let (code, flags) = words.split_first().expect("an exit code");
        self.env.hand_over(&self.context);
        let mut command = self.env.command(["build", "--progress=plain"]);
        command.args(flags).arg(".").current_dir(&self.context);
        let stderr = self.env.run(command).code(code.parse().unwrap()).stderr;
        self.report = Report::read(&stderr);
        // What comes before is progress, and warnings.
        let is_message = |at: usize| at == 0 || stderr[..at].ends_with('\n');
        let start = stderr.match_indices("error: ").map(|(at, _)| at).find(|at| is_message(*at));
        start.map_or(String::new(), |start| stderr[start..].to_owned())
    }

    fn history(&self) -> String {
        let config = self.env.image_config(&self.image);
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
