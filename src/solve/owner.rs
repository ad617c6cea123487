//! Users and groups by name, as an image's own files know them.

use crate::cache::Observer;
use crate::progress;
use crate::tree::{LastLink, ResolveError, View};

use super::error::StepError;
use super::state::Opened;

/// What `/etc/passwd` and `/etc/group` of a root file system say; empty where a file is missing.
#[derive(Debug, Default)]
pub(super) struct Accounts {
    pub(super) passwd: Vec<u8>,
    pub(super) group: Vec<u8>,
}

/// A name that no account has, for a note to the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unknown {
    User(String),
    Group(String),
}

/// The numbers that `text` stands for in a state; unknown names are told to the user.
pub(super) fn resolve_owner(
    text: &str,
    opened: &Opened,
    observer: &Observer<'_, View>,
    running: &progress::Step<'_>,
) -> Result<(u32, u32), StepError> {
    let mut accounts = Accounts::default();
    if needs_accounts(text) {
        let read = |name: &str| -> Result<Vec<u8>, StepError> {
            let path = match crate::tree::resolve(observer, &name.into(), LastLink::Follow) {
                Ok(path) => path,
                Err(ResolveError::Lookup(error)) => return Err(error.into()),
                Err(_) => return Ok(Vec::new()),
            };
            observer.content(&path)?;
            Ok(opened.read_file(&path)?.unwrap_or_default())
        };
        accounts = Accounts { passwd: read("etc/passwd")?, group: read("etc/group")? };
    }
    let (owner, unknown) = resolve(text, &accounts);
    for name in unknown {
        running.note(match name {
            Unknown::User(name) => {
                format!("warning: the image has no user `{name}`; 0:0 is used, as BuildKit does")
            }
            Unknown::Group(name) => {
                format!("warning: the image has no group `{name}`; {} is used, as BuildKit does", owner.1)
            }
        });
    }
    Ok(owner)
}

/// Whether `text`, in the form `user[:group]`, has a name in it that must be looked up.
pub(super) fn needs_accounts(text: &str) -> bool {
    text.split(':').any(|part| !part.is_empty() && part.parse::<u32>().is_err())
}

/// The user and group that `text`, in the form `user[:group]`, stands for.
///
/// As BuildKit does (see the architecture page): a number without a group is its own group, an unknown user is
/// 0:0, and an unknown group leaves the group that follows from the user. The caller warns of unknown names.
pub(super) fn resolve(text: &str, accounts: &Accounts) -> ((u32, u32), Vec<Unknown>) {
    let (user, group) = text.split_once(':').map_or((text, None), |(user, group)| (user, Some(group)));
    let mut unknown = Vec::new();
    let (uid, mut gid) = match user.parse::<u32>() {
        Ok(uid) => (uid, uid),
        Err(_) if user.is_empty() => (0, 0),
        Err(_) => find_user(&accounts.passwd, user).unwrap_or_else(|| {
            unknown.push(Unknown::User(user.to_owned()));
            (0, 0)
        }),
    };
    if let Some(group) = group.filter(|group| !group.is_empty()) {
        match group.parse::<u32>().ok().or_else(|| find_group(&accounts.group, group)) {
            Some(found) => gid = found,
            None => unknown.push(Unknown::Group(group.to_owned())),
        }
    }
    ((uid, gid), unknown)
}

fn find_user(passwd: &[u8], name: &str) -> Option<(u32, u32)> {
    let fields = find_line(passwd, name)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

fn find_group(group: &[u8], name: &str) -> Option<u32> {
    find_line(group, name)?.get(2)?.parse().ok()
}

fn find_line<'f>(file: &'f [u8], name: &str) -> Option<Vec<&'f str>> {
    file.split(|&b| b == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .map(|line| line.split(':').collect::<Vec<_>>())
        .find(|fields| fields[0] == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers() {
        let accounts = Accounts {
            passwd: b"root:x:0:0::/root:/bin/sh\nuser:x:1000:50::/:/bin/sh\n".to_vec(),
            group: b"root:x:0:\nstaff:x:50:\nweb:x:80:user\n".to_vec(),
        };
        let unknown_user = Unknown::User("nosuch".into());
        let unknown_group = Unknown::Group("nosuch".into());
        for (text, owner, unknown) in [
            ("1000", (1000, 1000), vec![]),
            ("user", (1000, 50), vec![]),
            ("user:web", (1000, 80), vec![]),
            ("1000:user", (1000, 1000), vec![Unknown::Group("user".into())]),
            ("7:8", (7, 8), vec![]),
            ("nosuch", (0, 0), vec![unknown_user]),
            ("1000:nosuch", (1000, 1000), vec![unknown_group]),
            (":web", (0, 80), vec![]),
        ] {
            assert_eq!(resolve(text, &accounts), (owner, unknown), "{text}");
        }
        assert!(
            needs_accounts("user:1")
                && needs_accounts("1:web")
                && !needs_accounts("1:2")
                && !needs_accounts("5")
        );
    }
}
