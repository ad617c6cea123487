//! Ordinary users of the machine that tests run the binary as. They are made when they are missing, and stay.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, lchown};
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

    /// Gives the user what is at and below `path`, with the modes that it has.
    pub(crate) fn own(self, path: &Path) {
        let metadata = fs::symlink_metadata(path).unwrap();
        if metadata.uid() != self.uid {
            lchown(path, Some(self.uid), Some(self.gid)).unwrap();
            if !metadata.is_symlink() {
                // The call takes the set-user-ID bit off.
                fs::set_permissions(path, Permissions::from_mode(metadata.mode() & 0o7777)).unwrap();
            }
        }
        if metadata.is_dir() {
            for entry in fs::read_dir(path).unwrap() {
                self.own(&entry.unwrap().path());
            }
        }
    }
}

/// Lets everybody open the device that networks of ordinary users need, as distributions have it.
pub(crate) fn open_tun() {
    let tun = Path::new("/dev/net/tun");
    assert!(tun.exists(), "/dev/net/tun is missing: modprobe tun");
    fs::set_permissions(tun, Permissions::from_mode(0o666)).unwrap();
}
