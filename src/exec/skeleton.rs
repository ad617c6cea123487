//! The directory of mount points that lies below all layers.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::error::ExecError;

const DIRS: [&str; 4] = ["dev", "proc", "sys", "etc"];
const FILES: [&str; 2] = ["etc/hosts", "etc/resolv.conf"];

/// Makes `dir` a skeleton: empty `dev`, `proc`, `sys`, `etc/hosts` and `etc/resolv.conf`. What is there already is
/// left as it is, so it may be called by several processes at once and before every run.
pub fn skeleton(dir: &Path) -> Result<(), ExecError> {
    make(dir, || fs::create_dir_all(dir), 0o755)?;
    for name in DIRS {
        let path = dir.join(name);
        make(&path, || fs::create_dir(&path), 0o755)?;
    }
    for name in FILES {
        let path = dir.join(name);
        make(&path, || fs::File::create_new(&path).map(drop), 0o644)?;
    }
    Ok(())
}

/// Makes one entry if it is missing. The mode is set apart from the making, which the umask narrows.
fn make(path: &Path, create: impl FnOnce() -> io::Result<()>, mode: u32) -> Result<(), ExecError> {
    let error = |source| ExecError::Skeleton { path: path.to_owned(), source };
    match path.symlink_metadata() {
        Ok(metadata) if metadata.permissions().mode() & 0o7777 == mode => return Ok(()),
        Ok(_) => {}
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => match create() {
            Err(source) if source.kind() != io::ErrorKind::AlreadyExists => return Err(error(source)),
            _ => {}
        },
        Err(source) => return Err(error(source)),
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(error)
}
