//! Ordinary users of the machine that tests run the binary as. They are made when they are missing, and stay.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use strata::sys::lock::{Lock, Mode};

/// An ordinary user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

/// Tests run at the same time, and useradd fails for the second who calls it.
const LOCK: &str = "/tmp/strata-test-users.lock";

impl User {
    /// One with ranges of ids besides the own one.
    pub(crate) fn with_ranges() -> Self {
        assert!(Path::new("/usr/bin/newuidmap").exists(), "newuidmap is missing: apt-get install uidmap");
        let name = "strata-test";
        let _lock = Lock::wait(Path::new(LOCK), Mode::Exclusive).unwrap();
        let user = Self::account(name, &[]);
        for file in ["/etc/subuid", "/etc/subgid"] {
            let has =
                fs::read_to_string(file).unwrap().lines().any(|line| line.starts_with(&format!("{name}:")));
            assert!(
                has,
                "{name} has no range in {file}: usermod --add-subuids 200000-265535 --add-subgids 200000-265535 {name}"
            );
        }
        user
    }

    /// One that has no other id.
    pub(crate) fn single() -> Self {
        let _lock = Lock::wait(Path::new(LOCK), Mode::Exclusive).unwrap();
        // System users get no ranges.
        Self::account("strata-single", &["--system"])
    }

    fn account(name: &str, flags: &[&str]) -> Self {
        if let Some(user) = Self::find(name) {
            return user;
        }
        let shell = ["--no-create-home", "--no-user-group", "--shell", "/usr/sbin/nologin", name];
        let made = Command::new("useradd").args(flags).args(shell).output().unwrap();
        assert!(made.status.success(), "useradd {name}: {}", String::from_utf8_lossy(&made.stderr));
        Self::find(name).unwrap()
    }

    fn find(name: &str) -> Option<Self> {
        let accounts = fs::read_to_string("/etc/passwd").unwrap();
        let mut fields =
            accounts.lines().map(|line| line.split(':')).find(|line| line.clone().next() == Some(name))?;
        Some(Self { uid: fields.nth(2)?.parse().unwrap(), gid: fields.next()?.parse().unwrap() })
    }

    /// Gives the user `path` itself, to write there, and below it what nobody else may read: the rest keeps its owners,
    /// which archives of it have.
    pub(crate) fn own(self, path: &Path) {
        self.take(path);
        if path.is_dir() {
            self.own_private(path);
        }
    }

    fn own_private(self, dir: &Path) {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let metadata = fs::symlink_metadata(&path).unwrap();
            let needed = if metadata.is_dir() { 0o5 } else { 0o4 };
            if !metadata.is_symlink() && metadata.mode() & needed != needed {
                self.take(&path);
            }
            if metadata.is_dir() {
                self.own_private(&path);
            }
        }
    }

    /// Gives the user one thing, with the mode that it has: the call takes the set-user-ID bit off.
    fn take(self, path: &Path) {
        let metadata = fs::metadata(path).unwrap();
        if metadata.uid() != self.uid {
            chown(path, Some(self.uid), Some(self.gid)).unwrap();
            fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777)).unwrap();
        }
    }
}

/// Lets everybody open the device that networks of ordinary users need, as distributions have it.
pub(crate) fn open_tun() {
    let tun = Path::new("/dev/net/tun");
    assert!(tun.exists(), "/dev/net/tun is missing: modprobe tun");
    fs::set_permissions(tun, Permissions::from_mode(0o666)).unwrap();
}
