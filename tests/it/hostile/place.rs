//! Where hostile images are let in: a store with something beside it that must not change, little memory, and expected
//! words.

use std::ffi::OsStr;
use std::fs::{self, File};
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
    fn outside(&self) -> String {
        let script = "find victim -printf '%p %y %m %U:%G %T@ %n %s\\n' -type f -exec cat {} \\; | sort; ls";
        let output = Command::new("sh").args(["-c", script]).current_dir(self.env.path("")).output().unwrap();
        String::from_utf8(output.stdout).unwrap().replace("store\n", "")
    }

    /// Writes a file beside the store.
    pub(super) fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.env.path(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Loads bytes from a file and as a stream. Gives what is said, which must be the same; whatever it is, the store is
    /// clean afterwards.
    pub(super) fn load(&self, bytes: &[u8]) -> String {
        let path = self.file("hostile.tar", bytes);
        let file = said(&self.run(["load", "-q", "-i", path.to_str().unwrap()], None), "hostile.tar");
        self.assert_clean(&file);
        let stream = said(&self.run(["load", "-q"], Some(&path)), "hostile.tar");
        self.assert_clean(&stream);
        assert_eq!(file, stream);
        file
    }

    /// Sees that nothing is in progress, that a refusal has left nothing, and that the store still takes images.
    /// Removes what there is.
    pub(super) fn assert_clean(&self, said: &str) {
        let root = self.env.root();
        assert_eq!(in_progress(&root), Vec::<String>::new());
        let left = |kind: &str| fs::read_dir(root.join(kind).join("sha256")).unwrap().count();
        let images = || -> Vec<String> {
            let listed = self.env.strata(["images", "-q", "--no-trunc", "--all"]).success().stdout;
            listed.lines().map(str::to_owned).collect()
        };
        if said.starts_with("error: ") {
            assert_eq!((left("blobs"), left("layers"), images()), (0, 0, Vec::new()), "{said}");
        }
        let good = self.file("good.tar", &docker_archive(&[]));
        let _ = self.run(["load", "-q", "-i", good.to_str().unwrap()], None).success();
        fs::remove_file(good).unwrap();
        for image in images() {
            let _ = self.env.strata(["rmi", "-f", &image]).success();
        }
        assert_eq!((left("blobs"), left("layers")), (0, 0), "after everything was removed: {said}");
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
