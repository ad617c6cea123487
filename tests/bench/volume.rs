//! The directory that a run works in, on its own volume if wanted; both vanish with the run, however that ends.

use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Result;

/// Enough for the largest workload; the file is sparse.
const VOLUME_SIZE: u64 = 24 << 30;
const PREFIX: &str = "strata-bench.";
/// Set in the process that has a mount namespace of its own.
const UNSHARED: &str = "STRATA_BENCH_UNSHARED";

/// A directory that is removed when this is dropped.
pub(crate) struct Scratch {
    path: PathBuf,
    mounted: bool,
}

impl Scratch {
    /// A directory in `base`, on its file system.
    pub(crate) fn within(base: &Path) -> Result<Self> {
        sweep(base)?;
        let path = base.join(format!("{PREFIX}{}", std::process::id()));
        fs::create_dir(&path).map_err(|error| format!("make {}: {error}", path.display()))?;
        Ok(Self { path, mounted: false })
    }

    /// An ext4 file system in a sparse file in `base`. The file has no name any more once it is mounted and the mount is in a namespace
    /// of this process's own, so neither outlives it.
    pub(crate) fn on_volume(base: &Path) -> Result<Self> {
        if std::env::var_os(UNSHARED).is_none() {
            let error = Command::new("unshare")
                .args(["--mount", "--propagation", "private", "--"])
                .arg(std::env::current_exe()?)
                .args(std::env::args_os().skip(1))
                .env(UNSHARED, "1")
                .exec();
            return Err(format!("unshare: {error}").into());
        }
        let mut scratch = Self::within(base)?;
        let image = base.join(format!(".{PREFIX}{}.ext4", std::process::id()));
        let mounted = make_volume(&image, &scratch.path);
        fs::remove_file(&image)?;
        mounted?;
        scratch.mounted = true;
        Ok(scratch)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }
}

/// Removes what killed runs left behind: the directories named after processes that are no more.
fn sweep(base: &Path) -> Result<()> {
    for entry in fs::read_dir(base).map_err(|error| format!("read {}: {error}", base.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        let owner =
            name.to_str().and_then(|name| name.strip_prefix(PREFIX)).and_then(|id| id.parse::<u32>().ok());
        if owner.is_some_and(|id| !Path::new("/proc").join(id.to_string()).exists()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

fn make_volume(image: &Path, mount_point: &Path) -> Result<()> {
    File::create_new(image)?.set_len(VOLUME_SIZE)?;
    check(Command::new("mkfs.ext4").args(["-q", "-F", "-m", "0"]).arg(image))?;
    // Or the kernel writes inode tables in the background while we measure.
    check(Command::new("mount").args(["-o", "loop,noinit_itable"]).arg(image).arg(mount_point))
}

fn check(command: &mut Command) -> Result<()> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{command:?}: {}\n{}", output.status, said.trim_end()).into());
    }
    Ok(())
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let removed = if self.mounted {
            check(Command::new("umount").arg(&self.path)).and_then(|()| Ok(fs::remove_dir(&self.path)?))
        } else {
            fs::remove_dir_all(&self.path).map_err(Into::into)
        };
        if let Err(error) = removed {
            eprintln!("bench: cannot remove {}: {error}", self.path.display());
        }
    }
}
