//! The ordinary user as whom some workloads run: an account with ranges of ids, made when it is missing.

use std::fs;
use std::process::Command;

use crate::Result;

/// The account of the integration tests.
const NAME: &str = "strata-test";

/// An ordinary user.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) uid: u32,
    pub(crate) gid: u32,
}

impl User {
    /// One with ranges of ids besides the own one, and all that a network of its own needs.
    pub(crate) fn with_ranges() -> Result<Self> {
        let user = match Self::find()? {
            Some(user) => user,
            None => Self::make()?,
        };
        for file in ["/etc/subuid", "/etc/subgid"] {
            let ranges = fs::read_to_string(file).map_err(|error| format!("read {file}: {error}"))?;
            if !ranges.lines().any(|line| line.starts_with(&format!("{NAME}:"))) {
                return Err(format!("{NAME} has no range in {file}").into());
            }
        }
        // Without them a build would go on with the machine's network, and the figures would be of that.
        for (needed, test) in [
            ("pasta (package passt)", "test -x /usr/bin/pasta"),
            ("/dev/net/tun, open to users", "test -w /dev/net/tun"),
        ] {
            if !user.run("sh", &["-c", test])? {
                return Err(format!("{needed} is missing").into());
            }
        }
        Ok(user)
    }

    fn find() -> Result<Option<Self>> {
        let accounts = fs::read_to_string("/etc/passwd")?;
        let account = accounts.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix(':'));
        let Some(account) = account else { return Ok(None) };
        let number = |at: usize| account.split(':').nth(at).and_then(|id| id.parse().ok());
        let (uid, gid) = number(1).zip(number(2)).ok_or_else(|| format!("{NAME} has no ids"))?;
        Ok(Some(Self { uid, gid }))
    }

    fn make() -> Result<Self> {
        let shell = ["--no-create-home", "--no-user-group", "--shell", "/usr/sbin/nologin", NAME];
        let made = Command::new("useradd").args(shell).output()?;
        if !made.status.success() {
            return Err(format!("useradd {NAME}: {}", String::from_utf8_lossy(&made.stderr)).into());
        }
        Self::find()?.ok_or_else(|| format!("useradd made no {NAME}").into())
    }

    fn run(self, program: &str, arguments: &[&str]) -> Result<bool> {
        let mut command = Command::new(program);
        self.is_to_run(&mut command);
        Ok(command.args(arguments).status()?.success())
    }

    /// Has a command run as this user.
    pub(crate) fn is_to_run(self, command: &mut Command) {
        use std::os::unix::process::CommandExt as _;
        command.uid(self.uid).gid(self.gid).env("HOME", "/nonexistent");
    }
}
