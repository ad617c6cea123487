//! Certificates for one registry, in a directory with its name: Docker's and podman's `certs.d`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::error::SettingsError;

/// What a directory has for a registry.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Certificates {
    /// Those of authorities: `*.crt`.
    pub(super) ca: Vec<PathBuf>,
    /// The client's, `*.cert`, and its key, `*.key`: the first of them by name.
    pub(super) client: Option<(PathBuf, PathBuf)>,
}

impl Certificates {
    /// Looks for a registry in these directories; the first one that has a place for it counts.
    pub(super) fn find(directories: &[PathBuf], host: &str) -> Result<Self, SettingsError> {
        for directory in directories {
            let directory = directory.join(host);
            match fs::read_dir(&directory) {
                Ok(entries) => return Self::read(&directory, entries),
                Err(error) if is_none_of_ours(&error) => {}
                Err(source) => return Err(SettingsError::Read { path: directory, source }),
            }
        }
        Ok(Self::default())
    }

    fn read(directory: &Path, entries: fs::ReadDir) -> Result<Self, SettingsError> {
        let error = |source| SettingsError::Read { path: directory.to_owned(), source };
        let paths = entries.map(|entry| entry.map(|entry| entry.path()));
        let mut paths: Vec<PathBuf> = paths.collect::<Result<_, _>>().map_err(error)?;
        paths.sort();
        let mut found = Self::default();
        for path in &paths {
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("crt") => found.ca.push(path.clone()),
                Some("cert") => {
                    let key = half(&paths, path, "key")?;
                    found.client.get_or_insert_with(|| (path.clone(), key));
                }
                Some("key") => {
                    half(&paths, path, "cert")?;
                }
                _ => {}
            }
        }
        Ok(found)
    }
}

/// The file beside `path` that differs in what its name ends with.
fn half(paths: &[PathBuf], path: &Path, extension: &str) -> Result<PathBuf, SettingsError> {
    let other = path.with_extension(extension);
    if paths.contains(&other) {
        return Ok(other);
    }
    let missing = other.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Err(SettingsError::HalfCertificate { path: path.to_owned(), missing })
}

/// Whether the directory is not there, or not for this user: what root keeps to itself need not be what is missing.
fn is_none_of_ours(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::PermissionDenied
    )
}
