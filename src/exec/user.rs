//! Who the command runs as: `USER` looked up in the root's `/etc/passwd` and `/etc/group`, by Docker's rules.
//!
//! Names come before numbers, the first matching line wins, lines that are not well formed are passed over. Both ids
//! given as numbers need no file at all; a number without an entry is fine, a name without one is not.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use rustix::fs::{CWD, FileType, Mode, OFlags, ResolveFlags, fstat, openat2};
use rustix::io::Errno;

use super::channel::Failure;
use super::error::UserProblem;
use super::init::Step as _;
use crate::user::IdMap;

/// The largest id that Docker takes.
const MAX_ID: u32 = i32::MAX as u32;

/// No line of passwd or group that is longer is looked at.
const MAX_LINE: u64 = 1 << 20;

/// The ids of a process and the home directory of its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct User {
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Supplementary groups, `gid` first.
    pub(super) groups: Vec<u32>,
    pub(super) home: Vec<u8>,
}

/// A line of passwd.
struct Account {
    name: String,
    uid: u32,
    gid: u32,
    home: Vec<u8>,
}

/// Looks `user` up in the files under `root`; see [`Spec::user`](super::Spec::user) for its form. One whose ids do not
/// exist here is an error; supplementary groups that do not are left out. It is in `groups`, by name or number, besides.
pub(super) fn find((user, groups): (&str, &[String]), root: &Path, ids: &IdMap) -> Result<User, Failure> {
    let mut found = look_up(user, root)?;
    for group in groups {
        let group = find_group(group, number(group)?, root)?;
        if !found.groups.contains(&group) {
            found.groups.push(group);
        }
    }
    let User { uid, gid, .. } = found;
    if !ids.has_owner((uid, gid)) {
        return Err(Failure::User(UserProblem::Unmapped { uid, gid }));
    }
    found.groups.retain(|&group| ids.has_group(group));
    Ok(found)
}

fn look_up(user: &str, root: &Path) -> Result<User, Failure> {
    let (name, group) = user.split_once(':').map_or((user, ""), |(name, group)| (name, group));
    let name = if name.is_empty() { "0" } else { name };
    let (uid, gid) = (number(name)?, number(group)?);

    let account = find_account(name, uid, root)?;
    if let (Some(uid), Some(gid)) = (uid, gid) {
        let account = account.filter(|account| account.uid == uid);
        return Ok(User { uid, gid, groups: vec![gid], home: home(account) });
    }
    let (uid, main_gid) = match (&account, uid) {
        (Some(account), _) => (account.uid, account.gid),
        (None, Some(uid)) => (uid, 0),
        (None, None) => return Err(Failure::User(UserProblem::NoUser(name.to_owned()))),
    };
    let (gid, mut groups) = match (&account, group) {
        (Some(account), "") => (main_gid, groups_of(&account.name, root)?),
        (None, "") => (main_gid, Vec::new()),
        _ => (find_group(group, gid, root)?, Vec::new()),
    };
    groups.retain(|&other| other != gid);
    groups.insert(0, gid);
    Ok(User { uid, gid, groups, home: home(account) })
}

fn home(account: Option<Account>) -> Vec<u8> {
    account.map(|account| account.home).filter(|home| !home.is_empty()).unwrap_or_else(|| b"/".to_vec())
}

/// A number within Docker's range, or `None` for what is no number.
fn number(text: &str) -> Result<Option<u32>, Failure> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let id = text.parse().ok().filter(|&id| id <= MAX_ID);
    id.map(Some).ok_or_else(|| Failure::User(UserProblem::Range(text.to_owned())))
}

fn find_account(name: &str, uid: Option<u32>, root: &Path) -> Result<Option<Account>, Failure> {
    let parse = |line: &[u8]| {
        let mut fields = line.split(|&byte| byte == b':');
        let mut text = || std::str::from_utf8(fields.next()?).ok();
        let (entry, _password) = (text()?, text()?);
        let (entry_uid, gid) = (text()?.parse().ok()?, text()?.parse().ok()?);
        let home = fields.nth(1).unwrap_or_default().to_vec();
        let matches = entry == name || Some(entry_uid) == uid;
        matches.then(|| Account { name: entry.to_owned(), uid: entry_uid, gid, home })
    };
    Ok(lines(&root.join("etc/passwd"), parse)?.into_iter().next())
}

/// Name, id and members of a line of group.
fn parse_group(line: &[u8]) -> Option<(&str, u32, &str)> {
    let mut fields = std::str::from_utf8(line).ok()?.split(':');
    let name = fields.next()?;
    let gid = fields.nth(1)?.parse().ok()?;
    Some((name, gid, fields.next().unwrap_or_default()))
}

fn find_group(wanted: &str, number: Option<u32>, root: &Path) -> Result<u32, Failure> {
    let parse = |line: &[u8]| {
        let (name, gid, _) = parse_group(line)?;
        (name == wanted || Some(gid) == number).then_some(gid)
    };
    let found = lines(&root.join("etc/group"), parse)?;
    found.first().copied().or(number).ok_or_else(|| Failure::User(UserProblem::NoGroup(wanted.to_owned())))
}

fn groups_of(user: &str, root: &Path) -> Result<Vec<u32>, Failure> {
    lines(&root.join("etc/group"), |line| {
        let (_, gid, members) = parse_group(line)?;
        members.split(',').any(|member| member == user).then_some(gid)
    })
}

/// What `parse` makes of each line; nothing if there is no such file. Only a regular file is read: the image might
/// hold a fifo in its place.
fn lines<T>(path: &Path, mut parse: impl FnMut(&[u8]) -> Option<T>) -> Result<Vec<T>, Failure> {
    let step = || format!("read {}", path.display());
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = match openat2(CWD, path, flags, Mode::empty(), ResolveFlags::NO_MAGICLINKS) {
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => return Ok(Vec::new()),
        result => result.step(&step())?,
    };
    if FileType::from_raw_mode(fstat(&file).step(&step())?.st_mode) != FileType::RegularFile {
        return Ok(Vec::new());
    }
    let mut reader = BufReader::new(File::from(file));
    let mut found = Vec::new();
    let mut line = Vec::new();
    while reader.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).step(&step())? > 0 {
        found.extend(parse(line.trim_ascii()));
        line.clear();
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\nbroken:x\nu:x:1000:1001:U:/home/u:/bin/sh\n\
                          nohome:x:1002:1002:::\n4242:x:7:8::/seven:\nu:x:9:9::/second:\n";
    const GROUP: &str = "root:x:0:\nbin:x:1:root,u\nug:x:1001:\nextra:x:50:u\nnoise:x:51:uu,xu\n4243:x:60:";

    fn look_up_in(user: &str, files: bool) -> Result<User, Failure> {
        let root = tempfile::tempdir().unwrap();
        if files {
            std::fs::create_dir(root.path().join("etc")).unwrap();
            std::fs::write(root.path().join("etc/passwd"), PASSWD).unwrap();
            std::fs::write(root.path().join("etc/group"), GROUP).unwrap();
        }
        look_up(user, root.path())
    }

    #[test]
    fn users_and_groups_are_found_as_docker_finds_them() {
        let cases: [(&str, u32, u32, &[u32], &str); 14] = [
            ("", 0, 0, &[0, 1], "/root"),
            ("root", 0, 0, &[0, 1], "/root"),
            ("0", 0, 0, &[0, 1], "/root"),
            ("u", 1000, 1001, &[1001, 1, 50], "/home/u"),
            ("1000", 1000, 1001, &[1001, 1, 50], "/home/u"),
            ("u:extra", 1000, 50, &[50], "/home/u"),
            ("u:70", 1000, 70, &[70], "/home/u"),
            ("1000:1001", 1000, 1001, &[1001], "/home/u"),
            ("1042:1043", 1042, 1043, &[1043], "/"),
            ("1042", 1042, 0, &[0], "/"),
            ("nohome", 1002, 1002, &[1002], "/"),
            ("4242", 7, 8, &[8], "/seven"),
            ("4242:5", 4242, 5, &[5], "/"),
            ("u:4243", 1000, 60, &[60], "/home/u"),
        ];
        for (user, uid, gid, groups, home) in cases {
            let expected = User { uid, gid, groups: groups.to_vec(), home: home.into() };
            assert_eq!(look_up_in(user, true), Ok(expected), "USER {user}");
        }
    }

    #[test]
    fn numbers_need_no_files_and_names_do() {
        let ids = |user| look_up_in(user, false).map(|user| (user.uid, user.gid));
        assert_eq!(ids(""), Ok((0, 0)));
        assert_eq!(ids("5:6"), Ok((5, 6)));
        assert_eq!(ids("root"), Err(Failure::User(UserProblem::NoUser("root".into()))));
        assert_eq!(ids("0:staff"), Err(Failure::User(UserProblem::NoGroup("staff".into()))));
        assert_eq!(ids("2147483648"), Err(Failure::User(UserProblem::Range("2147483648".into()))));
    }

    #[test]
    fn a_fifo_in_place_of_passwd_is_passed_over() {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("etc")).unwrap();
        let fifo = root.path().join("etc/passwd");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o644), 0).unwrap();
        assert_eq!(look_up("3", root.path()).map(|user| user.uid), Ok(3));
    }
}
