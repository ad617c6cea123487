//! `--volume` and `--tmpfs`, as Docker writes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::exec::{Mount, MountSource};

use super::limits::{self, LimitError};

/// A `--volume` or `--tmpfs` that cannot be carried out.
#[derive(Debug, thiserror::Error)]
pub(super) enum VolumeError {
    #[error("`--volume {text}` is no volume, as in `/on/the/machine:/inside` or `./data:/inside:ro`")]
    Form { text: String },
    #[error("not supported yet: `--volume {text}` without a directory of the machine")]
    Anonymous { text: String },
    #[error("not supported yet: `--volume {text}`, which names a volume; a directory begins with `/` or `.`")]
    Named { text: String },
    #[error("not supported yet: `{flag} {text}` with the option `{option}`")]
    Option { flag: &'static str, text: String, option: String },
    #[error("`{flag} {text}`: `{target}` is not absolute")]
    Relative { flag: &'static str, text: String, target: String },
    #[error("`--volume {text}`: cannot make `{}`", path.display())]
    Make { text: String, path: PathBuf, source: io::Error },
    #[error("`--volume {text}`: cannot use `{}`", path.display())]
    Use { text: String, path: PathBuf, source: io::Error },
    #[error(transparent)]
    Size(#[from] LimitError),
}

/// Reads `SOURCE:TARGET[:ro|rw]`. As in Docker, a source that is missing becomes a directory.
pub(super) fn volume(text: &str) -> Result<Mount, VolumeError> {
    let own = || text.to_owned();
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] if target.starts_with('/') => return Err(VolumeError::Anonymous { text: own() }),
        [source, target] => (source, target, ""),
        [source, target, options] => (source, target, options),
        _ => return Err(VolumeError::Form { text: own() }),
    };
    if source.is_empty() || target.is_empty() {
        return Err(VolumeError::Form { text: own() });
    }
    if !source.starts_with(['/', '.']) {
        return Err(VolumeError::Named { text: own() });
    }
    let mut read_only = false;
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => read_only = true,
            "rw" => read_only = false,
            _ => {
                return Err(VolumeError::Option { flag: "--volume", text: own(), option: option.to_owned() });
            }
        }
    }
    let target = absolute("--volume", text, target)?;
    let path = Path::new(source);
    if !path.try_exists().map_err(|source| VolumeError::Use { text: own(), path: path.into(), source })? {
        fs::create_dir_all(path).map_err(|source| VolumeError::Make {
            text: own(),
            path: path.into(),
            source,
        })?;
    }
    // What is mounted is what a link leads to.
    let path = fs::canonicalize(path).map_err(|source| VolumeError::Use {
        text: own(),
        path: path.into(),
        source,
    })?;
    Ok(Mount { target, source: MountSource::Host { path, inside: PathBuf::new() }, read_only })
}

/// Reads `TARGET[:size=BYTES]`.
pub(super) fn tmpfs(text: &str) -> Result<Mount, VolumeError> {
    let (target, options) = text.split_once(':').unwrap_or((text, ""));
    let mut size = None;
    for option in options.split(',').filter(|option| !matches!(*option, "" | "rw" | "nosuid" | "nodev")) {
        let Some(bytes) = option.strip_prefix("size=") else {
            let (text, option) = (text.to_owned(), option.to_owned());
            return Err(VolumeError::Option { flag: "--tmpfs", text, option });
        };
        size = Some(limits::size("--tmpfs", bytes)?);
    }
    let target = absolute("--tmpfs", text, target)?;
    Ok(Mount { target, source: MountSource::Memory { size }, read_only: false })
}

fn absolute(flag: &'static str, text: &str, target: &str) -> Result<String, VolumeError> {
    if target.starts_with('/') {
        return Ok(target.to_owned());
    }
    Err(VolumeError::Relative { flag, text: text.to_owned(), target: target.to_owned() })
}
