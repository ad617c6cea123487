//! What can be wrong with settings of registries.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub path: PathBuf,
    /// The line, from 1.
    pub line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`, line {}", self.path.display(), self.line)
    }
}

/// A registry cannot be reached as the settings say.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A file or a directory cannot be read.
    #[error("cannot read the settings of registries in `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no TOML, or something in it is not what belongs there.
    #[error("cannot use the settings of registries in {place}: {reason}")]
    Wrong {
        /// Where it is.
        place: Place,
        /// What is wrong.
        reason: String,
    },
    /// Nothing may be had from there.
    #[error("`{name}` is blocked by {place}")]
    Blocked {
        /// What was asked for.
        name: String,
        /// Who says so.
        place: Place,
    },
    /// A location stands for the whole name, and leaves no repository.
    #[error("`{name}` becomes `{moved}` by {place}, and that names no repository")]
    NoRepository {
        /// What was asked for.
        name: String,
        /// Where that is said to be.
        moved: String,
        /// Who says so.
        place: Place,
    },
    /// A client's certificate without its key, or the other way round.
    #[error("`{}` has no `{missing}` beside it", path.display())]
    HalfCertificate {
        /// The file that is there.
        path: PathBuf,
        /// The name of the one that is not.
        missing: String,
    },
}

impl SettingsError {
    /// What to do about it, if there is something.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Blocked { place, .. } => {
                Some(format!("set `blocked = false` in {place}, if that is yours to say"))
            }
            Self::HalfCertificate { path, .. }
                if path.extension().is_some_and(|extension| extension == "cert") =>
            {
                Some("the certificate of an authority is named `*.crt`, that of a client `*.cert`".to_owned())
            }
            _ => None,
        }
    }
}

/// Something in a file that says nothing to this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownSetting {
    /// The file.
    pub path: PathBuf,
    /// The way to it through the document's keys.
    pub key: String,
}

impl fmt::Display for UnknownSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in `{}` is not known and not followed", self.key, self.path.display())?;
        if self.key == "registries" {
            f.write_str(": it is of the old form of the file; write `[[registry]]`")?;
        }
        Ok(())
    }
}
