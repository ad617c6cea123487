//! Runs `git`.
//!
//! Its environment is made here and holds nothing of ours but what [`Git`] says. It has a process group of its own, so
//! that its helpers end with it when a fetch is given up.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::sys::lock::Lock;

use super::super::Watch;
use super::credentials::Credentials;
use super::process::{Next, Output, Running};
use super::{Git, GitError, GitRequest};

/// Where programs are looked for if the caller does not say.
pub(super) const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How often the caller looks whether it was canceled.
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What is the same for every run. The values of a key that is given twice add up.
const CONFIG: [(&str, &str); 23] = [
    ("advice.detachedHead", "false"),
    ("core.askPass", ""),
    ("core.attributesFile", "/dev/null"),
    ("core.autocrlf", "false"),
    ("core.excludesFile", "/dev/null"),
    ("core.fsmonitor", "false"),
    ("core.hooksPath", "/dev/null"),
    ("core.logAllRefUpdates", "false"),
    ("credential.helper", ""),
    ("fetch.recurseSubmodules", "false"),
    // Packs are synced, loose objects are not.
    ("fetch.unpackLimit", "1"),
    ("gc.auto", "0"),
    ("http.lowSpeedLimit", "1"),
    ("http.lowSpeedTime", "60"),
    ("init.defaultBranch", "main"),
    ("maintenance.auto", "false"),
    // With this no helper for another transport is ever run.
    ("protocol.allow", "never"),
    ("protocol.git.allow", "always"),
    ("protocol.http.allow", "always"),
    ("protocol.https.allow", "always"),
    ("protocol.ssh.allow", "always"),
    ("submodule.recurse", "false"),
    ("transfer.bundleURI", "false"),
];

/// What all runs for one request have in common.
pub(super) struct Session<'a> {
    git: &'a Git,
    pub(super) request: &'a GitRequest,
    pub(super) watch: &'a Watch<'a>,
    /// The address without a password: what `git` and people see.
    pub(super) url: String,
    credentials: Option<Credentials>,
}

impl<'a> Session<'a> {
    /// Refuses a request with texts that `git` would take for something else.
    pub(super) fn new(git: &'a Git, request: &'a GitRequest, watch: &'a Watch<'a>) -> Result<Self, GitError> {
        let source = &request.source;
        let is_option =
            |text: &&str| text.is_empty() || text.starts_with('-') || text.contains(char::is_control);
        let is_pattern = |text: &&str| is_option(text) || text.contains(|c: char| " :*?[^~\\".contains(c));
        let is_outside = |text: &&str| text.starts_with('/') || text.split('/').any(|part| part == "..");
        let url = source.redacted();
        let wrong = Some(url.as_str()).filter(is_option);
        let wrong = wrong.or_else(|| source.reference.as_deref().filter(is_pattern));
        let wrong = wrong.or_else(|| source.subdir.as_deref().filter(is_outside));
        match wrong {
            Some(text) => Err(GitError::Unsafe { text: text.to_owned() }),
            None => Ok(Self { git, request, watch, credentials: Credentials::of(request), url }),
        }
    }

    /// A run that neither reads a repository nor speaks to anybody.
    pub(super) fn command(&self) -> Invocation<'_> {
        let mut command = Command::new(&self.git.program);
        command.env_clear().process_group(0).current_dir("/").stdin(Stdio::null());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
            .env("PATH", self.git.search_path.as_deref().unwrap_or(OsStr::new(SEARCH_PATH)))
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_ATTR_NOSYSTEM", "1")
            .env("GIT_TERMINAL_PROMPT", "0")
            // A repository that `git` would find by itself is not ours.
            .env("GIT_DIR", "/dev/null");
        Invocation { session: self, command, is_remote: false }
    }

    fn cannot_run(&self, source: io::Error) -> GitError {
        let program = self.git.program.clone();
        match source.kind() {
            io::ErrorKind::NotFound => GitError::Missing { program },
            _ => GitError::Run { program, source },
        }
    }
}

/// One run of `git`.
pub(super) struct Invocation<'s> {
    session: &'s Session<'s>,
    command: Command,
    is_remote: bool,
}

impl Invocation<'_> {
    pub(super) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Works on the repository at `directory`.
    pub(super) fn repository(mut self, directory: &Path) -> Self {
        self.command.env("GIT_DIR", directory);
        self
    }

    /// Works on the files in `directory`, whose repository is its `.git`.
    pub(super) fn worktree(mut self, directory: &Path) -> Self {
        self.command.env_remove("GIT_DIR").current_dir(directory);
        // If it has none, no directory above is asked.
        self.command.env("GIT_CEILING_DIRECTORIES", directory.parent().unwrap_or(directory));
        self
    }

    /// Lets `git` hold a lock as long as it lives, also when it outlives us.
    pub(super) fn holding(mut self, lock: &Lock) -> Result<Self, GitError> {
        let copy = lock.as_fd().try_clone_to_owned().map_err(|source| self.session.cannot_run(source))?;
        // The lock's file is empty, so it is as good a standard input as /dev/null.
        self.command.stdin(Stdio::from(copy));
        Ok(self)
    }

    /// Fetches from a repository that we made ourselves.
    pub(super) fn local(mut self) -> Self {
        self.command.env("GIT_ALLOW_PROTOCOL", "file");
        self
    }

    /// Speaks to servers: with credentials, by proxies, with ssh, and not for longer than these stay silent.
    pub(super) fn remote(mut self) -> Self {
        self.is_remote = true;
        let git = self.session.git;
        self.command.env("GIT_SSH_COMMAND", ssh(git.known_hosts.as_deref())).env("GIT_SSH_VARIANT", "ssh");
        if let Some(socket) = &git.ssh_auth_sock {
            self.command.env("SSH_AUTH_SOCK", socket);
        }
        self.command.envs(git.proxies.variables());
        self
    }

    /// Runs it and gives what it printed. `doing` is for messages: what is done to the address.
    pub(super) fn run(self, doing: &'static str) -> Result<String, GitError> {
        let url = self.session.url.clone();
        let log = self.session.watch.log;
        let (status, output) = self.finish(doing, log)?;
        if status.success() {
            return Ok(output.printed());
        }
        Err(GitError::Failed { doing, url, said: output.said(status) })
    }

    /// Runs it and tells whether it succeeded. Why it did not is nobody's business.
    pub(super) fn succeeds(self, doing: &'static str) -> Result<bool, GitError> {
        Ok(self.finish(doing, &|_| ())?.0.success())
    }

    fn finish(mut self, doing: &'static str, log: &dyn Fn(&str)) -> Result<(ExitStatus, Output), GitError> {
        self.configure();
        let session = self.session;
        let mut running = Running::start(&mut self.command).map_err(|source| session.cannot_run(source))?;
        let mut output = Output::default();
        let mut last = Instant::now();
        loop {
            if (session.watch.is_canceled)() {
                return Err(GitError::Canceled { url: session.url.clone() });
            }
            match running.next(BETWEEN_LOOKS) {
                Next::Piece(piece) => {
                    last = Instant::now();
                    output.add(piece, log);
                }
                Next::End => break,
                Next::Nothing => {}
            }
            let after = session.git.stall_timeout;
            if self.is_remote && last.elapsed() >= after {
                return Err(GitError::Timeout { doing, url: session.url.clone(), after });
            }
        }
        let status = running.wait().map_err(|source| session.cannot_run(source))?;
        Ok((status, output))
    }

    /// Hands the configuration over in the environment, where no list of processes shows it.
    fn configure(&mut self) {
        let git = self.session.git;
        let mut config: Vec<(String, OsString)> =
            CONFIG.iter().map(|(key, value)| ((*key).to_owned(), value.into())).collect();
        // To git `user` means: not for submodules.
        let file = if git.allow_file { "user" } else { "never" };
        config.push(("protocol.file.allow".to_owned(), file.into()));
        if let Some(ca_file) = &git.ca_file {
            config.push(("http.sslCAInfo".to_owned(), ca_file.into()));
        }
        if let Some(credentials) = self.session.credentials.as_ref().filter(|_| self.is_remote) {
            let header = credentials.header.as_str();
            config.push((format!("http.{}.extraHeader", credentials.scope), header.into()));
        }
        self.command.env("GIT_CONFIG_COUNT", config.len().to_string());
        for (i, (key, value)) in config.into_iter().enumerate() {
            self.command.env(format!("GIT_CONFIG_KEY_{i}"), key).env(format!("GIT_CONFIG_VALUE_{i}"), value);
        }
    }
}

/// The command for ssh, in the shell's words: no configuration, no questions.
fn ssh(known_hosts: Option<&Path>) -> OsString {
    let mut command =
        OsString::from("ssh -F none -o BatchMode=yes -o ConnectTimeout=30 -o ServerAliveInterval=15");
    if let Some(path) = known_hosts {
        // Ssh splits the value at spaces unless it is in quotes.
        let value = [b"UserKnownHostsFile=\"", path.as_os_str().as_bytes(), b"\""].concat();
        command.push(" -o StrictHostKeyChecking=yes -o ");
        command.push(OsStr::from_bytes(&quoted(&value)));
    }
    command
}

/// A word as the shell reads it back.
fn quoted(word: &[u8]) -> Vec<u8> {
    let mut quoted = vec![b'\''];
    for &byte in word {
        match byte {
            b'\'' => quoted.extend_from_slice(b"'\\''"),
            _ => quoted.push(byte),
        }
    }
    quoted.push(b'\'');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_for_ssh_survives_the_shell() {
        let command = ssh(Some(Path::new("/a b'c")));
        let words = command.into_string().unwrap();
        assert!(
            words.ends_with(r#" -o StrictHostKeyChecking=yes -o 'UserKnownHostsFile="/a b'\''c"'"#),
            "{words}"
        );
        assert!(!ssh(None).into_string().unwrap().contains("StrictHostKeyChecking"));
    }
}
