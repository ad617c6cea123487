//! Who runs the command. Ordinary users become root of a user namespace before anything else is done, and have a store
//! of their own.

use std::ffi::OsString;
use std::path::PathBuf;

use crate::sys::user_namespace::account;
use crate::user::{self, EnterError};

use super::error::{CliError, ErrorKind};

/// The store of root, where nothing else is said (hier(7), /var/lib).
const ROOTS_STORE: &str = "/var/lib/strata";

/// The store where nothing else is said. To be asked before [`become_root`].
pub(super) fn default_store() -> Result<PathBuf, CliError> {
    let uid = rustix::process::geteuid();
    if uid.is_root() {
        return Ok(ROOTS_STORE.into());
    }
    let home = || account(uid.as_raw()).map(|account| account.home.into_os_string());
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    store_of(set("XDG_DATA_HOME"), set("HOME").or_else(home)).ok_or_else(|| {
        CliError::new(ErrorKind::General, "there is no home directory to keep the store in")
            .hint("name a directory with `--root` or `STRATA_ROOT`")
    })
}

/// A user's store, by the XDG base directory specification: relative paths do not count.
fn store_of(data: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: Option<OsString>| path.map(PathBuf::from).filter(|path| path.is_absolute());
    let data = absolute(data).or_else(|| absolute(home).map(|home| home.join(".local/share")))?;
    Some(data.join("strata"))
}

/// Makes the process root of a user namespace, unless it is root already. To be called while there is one thread.
pub(super) fn become_root() -> Result<(), CliError> {
    if !user::is_needed() {
        return Ok(());
    }
    user::enter().map_err(|error: EnterError| {
        let text = CliError::from_error(ErrorKind::General, &error);
        error.remedy().into_iter().fold(text, CliError::hint)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_users_store_is_where_the_data_are() {
        let path = |text: &str| Some(OsString::from(text)).filter(|text| !text.is_empty());
        for (data, home, expected) in [
            ("/data", "/home/u", Some("/data/strata")),
            ("", "/home/u", Some("/home/u/.local/share/strata")),
            ("data", "/home/u", Some("/home/u/.local/share/strata")),
            ("", "home", None),
            ("", "", None),
        ] {
            assert_eq!(store_of(path(data), path(home)), expected.map(PathBuf::from), "{data:?} {home:?}");
        }
    }
}
