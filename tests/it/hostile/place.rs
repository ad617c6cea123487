//! Where hostile images are let in: a store with something beside it that must not change, little memory, and expected
//! words.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::image::docker_archive;
use crate::support::env::{Env, Output};
use crate::support::leftovers::in_progress;

/// What the program may have of memory, in bytes: data of all kinds, touched or not, in each of its processes.
const MEMORY: u64 = 150 << 20;

/// Seconds of a processor that it may take: far more than anything here needs, so that what would never end fails.
const SECONDS: u64 = 120;

/// A path of the machine that hostile links and names lead to.
const OUTSIDE: &str = "/strata-hostile";

/// A store, and files beside it.
pub(super) struct Place {
    pub(super) env: Env,
}

impl Place {
    pub(super) fn new() -> Self {
        let env = Env::new();
        for dir in [env.context("victim"), env.context("victim/strata-hostile")] {
            fs::write(dir.join("file"), "safe").unwrap();
        }
        Self { env }
    }

    /// Runs the program with little memory, and what it reads from standard input.
    pub(super) fn run<S: AsRef<OsStr>>(
        &self,
        args: impl IntoIterator<Item = S>,
        stdin: Option<&Path>,
    ) -> Output {
        let plain = self.env.command(args);
        let mut command = Command::new("prlimit");
        command.arg(format!("--data={MEMORY}")).arg(format!("--cpu={SECONDS}")).arg("--nofile=1024:1024");
        command.arg(plain.get_program()).args(plain.get_args()).current_dir(self.env.path(""));
        command.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        command.stdin(stdin.map_or_else(Stdio::null, |path| File::open(path).unwrap().into()));
        let before = self.outside();
        let output = self.env.run(command);
        assert_eq!(self.outside(), before, "something outside was touched");
        assert!(!Path::new(OUTSIDE).exists(), "{OUTSIDE} was made");
        output
    }

    /// What lies beside the store, with its metadata.
    fn outside(&self) -> BTreeSet<String> {
        let names = fs::read_dir(self.env.path("")).unwrap().map(|entry| entry.unwrap().file_name());
        let mut found: BTreeSet<String> =
            names.map(|name| name.into_string().unwrap()).filter(|name| name != "store").collect();
        describe(&self.env.path("victim"), &mut found);
        found
    }

    /// Writes a file beside the store.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.env.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Loads bytes from a file and as a stream. Gives what is said, which must be the same; whatever it is, the store is
    /// clean afterwards and takes the next image.
    pub(super) fn load(&self, bytes: &[u8]) -> String {
        let file = self.load_file(bytes);
        let stream = self.load_stream(bytes);
        assert_eq!(file, stream);
        self.assert_takes_the_next();
        file
    }

    /// Loads bytes from a file, and clears the store.
    pub(super) fn load_file(&self, bytes: &[u8]) -> String {
        let path = self.file("hostile.tar", bytes);
        let said = said(&self.run(["load", "-q", "-i", path.to_str().unwrap()], None), "hostile.tar");
        self.clear(&said);
        said
    }

    /// Loads bytes as a stream, and clears the store.
    pub(super) fn load_stream(&self, bytes: &[u8]) -> String {
        let path = self.file("hostile.tar", bytes);
        let said = said(&self.run(["load", "-q"], Some(&path)), "hostile.tar");
        self.clear(&said);
        said
    }

    /// Sees that nothing is in progress and that a refusal has left nothing. Removes what was taken.
    pub(super) fn clear(&self, said: &str) {
        assert_eq!(in_progress(&self.env.root()), Vec::<String>::new());
        if !said.starts_with("error: ") {
            self.remove_images();
        }
        assert_eq!(self.kept(), BTreeSet::new(), "{said}");
    }

    /// Runs a command that prints which image it has made of what it was given. Nothing is in progress afterwards, and
    /// a refusal has left nothing.
    pub(super) fn admit(&self, args: &[&str], stdin: Option<&Path>) -> Admission {
        let before = self.kept();
        let output = self.run(args, stdin);
        assert_eq!(in_progress(&self.env.root()), Vec::<String>::new());
        if output.status.success() {
            return Admission::Image(output.stdout.split_whitespace().last().unwrap().to_owned());
        }
        let words = said(&output, "hostile.tar");
        assert_eq!(self.kept(), before, "{words}");
        Admission::Refused(words)
    }

    /// Sees that all that the store has is whole, and that nothing stays when it is removed.
    pub(super) fn assert_whole(&self) {
        let _ = self.env.strata(["fsck"]).success();
        self.remove_images();
        let _ = self.env.strata(["prune", "--all", "--force"]).success();
        assert_eq!(self.kept(), BTreeSet::new());
    }

    fn remove_images(&self) {
        let listed = self.env.strata(["images", "-q", "--no-trunc", "--all"]).success().stdout;
        let images: BTreeSet<&str> = listed.lines().collect();
        if !images.is_empty() {
            let _ = self.env.strata(["rmi", "-f"].into_iter().chain(images)).success();
        }
    }

    /// The blobs and layers that the store has.
    fn kept(&self) -> BTreeSet<PathBuf> {
        let kinds = ["blobs/sha256", "layers/sha256"].map(|kind| fs::read_dir(self.env.root().join(kind)));
        kinds.into_iter().flatten().flatten().map(|entry| entry.unwrap().path()).collect()
    }

    /// Sees that the store has nothing and takes an image.
    pub(super) fn assert_takes_the_next(&self) {
        assert_eq!(self.env.strata(["images", "-q", "--all"]).success().stdout, "");
        assert_eq!(self.load_file(&docker_archive(&[])), "accepted\n");
    }
}

/// What became of something that was let in.
pub(super) enum Admission {
    /// What the program said against it.
    Refused(String),
    /// The name or id of the image that it is now.
    Image(String),
}

/// Adds a line about each thing at and below `path`: all that a wrong write could change.
fn describe(path: &Path, found: &mut BTreeSet<String>) {
    let of = fs::symlink_metadata(path).unwrap();
    let times = (of.mtime(), of.mtime_nsec());
    let content = of.is_file().then(|| fs::read(path).unwrap());
    let (owner, mode, links) = ((of.uid(), of.gid()), of.mode(), of.nlink());
    found.insert(format!("{} {mode:o} {owner:?} {times:?} {links} {content:?}", path.display()));
    if of.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            describe(&entry.unwrap().path(), found);
        }
    }
}

/// What the program said: an error, or that there was none. A crash is neither.
pub(super) fn said(output: &Output, input: &str) -> String {
    match output.status.code() {
        Some(0) => "accepted\n".to_owned(),
        Some(1) => output.stderr.replace(&format!("[DIR]/{input}"), "INPUT"),
        _ => panic!("{}\n{}", output.status, output.stderr),
    }
}

/// Sees whether `found` is what a file of `testdata/hostile` holds. `UPDATE_SNAPSHOTS=1` writes it.
pub(super) fn assert_snapshot(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/hostile").join(name);
    if std::env::var_os("UPDATE_SNAPSHOTS").is_some() {
        fs::write(&path, found).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    if expected != found {
        let diff = |(a, b): (&str, &str)| (a != b).then(|| format!("expected {a}\nfound    {b}\n"));
        let lines: String = expected.lines().zip(found.lines()).filter_map(diff).take(9).collect();
        panic!("{} differs; UPDATE_SNAPSHOTS=1 writes what was found\n{lines}", path.display());
    }
}
