//! The bench's surroundings: a scratch directory, stores in it, the release binary and shell commands run against them.

use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::Result;
use crate::measure::{self, Sample};
use crate::user::User;

/// The binary that is measured, built by the same `cargo bench`.
const STRATA: &str = env!("CARGO_BIN_EXE_strata");
const BASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/bases/make");

/// Where and how the workloads run.
pub(crate) struct Bench {
    scratch: PathBuf,
    runs: Option<usize>,
}

impl Bench {
    pub(crate) fn new(scratch: &Path, runs: Option<usize>) -> Result<Self> {
        if cfg!(debug_assertions) {
            return Err("this is a debug build: use `cargo bench`".into());
        }
        Ok(Self { scratch: scratch.to_owned(), runs })
    }

    /// How often to repeat a measurement: what the user asked for, or the workload's own number.
    pub(crate) fn runs(&self, own: usize) -> usize {
        self.runs.unwrap_or(own)
    }

    /// A path in the scratch directory, which may not exist.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.scratch.join(name)
    }

    /// An empty directory in the scratch directory.
    pub(crate) fn fresh(&self, name: &str) -> Result<PathBuf> {
        let path = self.path(name);
        if path.symlink_metadata().is_ok() {
            fs::remove_dir_all(&path)?;
        }
        fs::create_dir(&path)?;
        Ok(path)
    }

    /// An empty store; a store of the same name is removed.
    pub(crate) fn store(&self, name: &str) -> Result<Store<'_>> {
        self.store_of(name, None)
    }

    /// The same for an ordinary user, as whom the store's commands run then.
    pub(crate) fn store_of(&self, name: &str, user: Option<User>) -> Result<Store<'_>> {
        let root = self.fresh(name)?;
        if let Some(user) = user {
            chown(&root, Some(user.uid), Some(user.gid))?;
        }
        Ok(Store { root, user, bench: self })
    }

    /// Measures a shell command, run in the scratch directory. What earlier commands left unwritten is written before.
    pub(crate) fn shell(&self, script: &str) -> Result<Sample> {
        self.settle()?;
        self.shell_now(script)
    }

    /// The same without waiting for the disk, for preparations.
    pub(crate) fn shell_now(&self, script: &str) -> Result<Sample> {
        let mut command = Command::new("bash");
        command.args(["-euo", "pipefail", "-c", script]).current_dir(&self.scratch);
        measure::run(&mut command, &self.log())
    }

    /// The path of the root file system's tar of one of the recipes in `fixtures/bases`.
    pub(crate) fn base_tar(name: &str) -> Result<PathBuf> {
        let output = Command::new(BASES).args(["--tar", name]).output()?;
        if !output.status.success() {
            return Err(format!("{BASES} --tar {name}: {}", String::from_utf8_lossy(&output.stderr)).into());
        }
        Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim_end()))
    }

    /// Waits until files that were just made are old enough to be believed unchanged. Those of the last seconds are
    /// read again by every build, because a change in the same tick of the clock could not be seen.
    pub(crate) fn lie_still() {
        std::thread::sleep(Duration::from_secs(4));
    }

    /// Empties the scratch directory, so that no workload pays for another's files.
    pub(crate) fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.scratch)? {
            let entry = entry?;
            let removed = if entry.file_type()?.is_dir() {
                // A volume brings this one, and it is not ours.
                if entry.file_name() == "lost+found" {
                    continue;
                }
                fs::remove_dir_all(entry.path())
            } else {
                fs::remove_file(entry.path())
            };
            removed.map_err(|error| format!("remove {}: {error}", entry.path().display()))?;
        }
        self.settle()
    }

    fn settle(&self) -> Result<()> {
        let mut command = Command::new("sync");
        command.arg("--file-system").arg(&self.scratch);
        measure::run(&mut command, &self.log()).map(drop)
    }

    fn log(&self) -> PathBuf {
        self.path("stderr.log")
    }
}

/// A store of strata's in the scratch directory.
pub(crate) struct Store<'b> {
    root: PathBuf,
    user: Option<User>,
    bench: &'b Bench,
}

impl Store<'_> {
    /// Measures a strata command, run in the scratch directory, with the disk at rest before.
    pub(crate) fn strata(&self, arguments: &[&str]) -> Result<Sample> {
        self.bench.settle()?;
        let mut command = Command::new(STRATA);
        command.arg("--root").arg(&self.root).args(arguments).current_dir(&self.bench.scratch);
        if let Some(user) = self.user {
            user.is_to_run(&mut command);
        }
        measure::run(&mut command, &self.bench.log())
    }

    /// Measures `strata build` of a context directory, with more options before it.
    pub(crate) fn build(&self, options: &[&str], context: &Path) -> Result<Sample> {
        let context = context.to_str().ok_or("the scratch directory's name is not UTF-8")?;
        self.strata(&[&["build", "--progress", "plain"], options, &[context]].concat())
    }

    /// Has one of the images of `fixtures/bases` in the store.
    pub(crate) fn base(&self, name: &str) -> Result<()> {
        let mut command = Command::new(BASES);
        command.arg(name).env("STRATA", STRATA).env("STRATA_ROOT", &self.root);
        measure::run(&mut command, &self.bench.log()).map(drop)
    }

    /// Removes the store, which nobody has to wait for any more.
    pub(crate) fn remove(self) -> Result<()> {
        Ok(fs::remove_dir_all(self.root)?)
    }
}
