//! Files that scripts read when a command has ended: `--iidfile`, `--metadata-file`.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::error::{CliError, ErrorKind};

/// A file that is written at the end, and is not there if there was no good end.
#[derive(Debug)]
pub(super) struct ResultFile(PathBuf);

impl ResultFile {
    /// Takes an old file away, and sees that a new one can be written before hours are spent on what it shall hold.
    /// Devices and pipes stay as they are.
    pub(super) fn prepare(path: &Path) -> Result<Self, CliError> {
        let is_special = fs::metadata(path).is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir());
        if !is_special {
            // Of a link, what it leads to is the file; the link stays.
            let try_out = || File::create(path).and_then(|_| fs::remove_file(fs::canonicalize(path)?));
            try_out().map_err(|error| failed(path, &error))?;
        }
        Ok(Self(path.to_owned()))
    }

    /// Writes the file.
    pub(super) fn write(&self, text: &str) -> Result<(), CliError> {
        fs::write(&self.0, text).map_err(|error| failed(&self.0, &error))
    }
}

fn failed(path: &Path, error: &io::Error) -> CliError {
    CliError::from_error(ErrorKind::General, error).context(format!("cannot write `{}`", path.display()))
}
