//! An SSH agent for a build: OpenSSH's own, with the keys that the user named.
//!
//! Invariant: the agent ends with the value, and also if this process is killed: it belongs to a shell that waits for
//! the end of its standard input.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// Why there is no agent.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// It cannot be started.
    #[error("cannot run `ssh-agent`")]
    Start(#[from] io::Error),
    /// It does not take the keys.
    #[error("`ssh-add` says: {0}")]
    Refused(String),
}

/// An agent with keys.
#[derive(Debug)]
pub(super) struct KeyAgent {
    socket: PathBuf,
    shell: Child,
    /// The shell waits for its end.
    input: Option<ChildStdin>,
    /// The directory that the socket is in, which its path names by this descriptor.
    _directory: File,
}

/// Where programs are looked for if the caller does not say.
const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Adds the keys, says so, and ends the agent when nobody needs it any more.
const SCRIPT: &str = r#"ssh-add -q -- "$@" </dev/null && echo && read -r _; kill "$SSH_AGENT_PID""#;

impl KeyAgent {
    /// Starts an agent with the keys in `files`. Its socket lies in `directory` and has `number` in its name.
    pub(super) fn start(
        files: &[PathBuf],
        directory: &Path,
        number: usize,
        search_path: Option<&OsStr>,
    ) -> Result<Self, KeysError> {
        let files = files.iter().map(std::path::absolute).collect::<io::Result<Vec<_>>>()?;
        let directory = File::open(directory)?;
        // However deep the store lies, this fits an address (unix(7): 108 bytes).
        let (process, number_of) = (std::process::id(), directory.as_raw_fd());
        let socket = PathBuf::from(format!("/proc/{process}/fd/{number_of}/keys-{number}"));
        let mut command = Command::new("ssh-agent");
        command.env_clear().process_group(0).current_dir("/");
        command
            .env("PATH", search_path.unwrap_or(OsStr::new(SEARCH_PATH)))
            .env("HOME", "/nonexistent")
            .env("LC_ALL", "C")
            // Nobody can be asked for a passphrase: the terminal is the build's.
            .env("SSH_ASKPASS", "/bin/false")
            .env("SSH_ASKPASS_REQUIRE", "force");
        command.arg("-a").arg(&socket).args(["/bin/sh", "-c", SCRIPT, "sh"]).args(files);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut shell = command.spawn()?;
        let input = shell.stdin.take();
        let mut agent = Self { socket, shell, input, _directory: directory };
        agent.wait_for_keys()?;
        Ok(agent)
    }

    /// Waits until the shell has said something, which it does if all keys were added.
    fn wait_for_keys(&mut self) -> Result<(), KeysError> {
        let mut said = [0];
        if let Some(stdout) = &mut self.shell.stdout
            && stdout.read(&mut said)? > 0
        {
            return Ok(());
        }
        let mut why = String::new();
        if let Some(stderr) = &mut self.shell.stderr {
            stderr.read_to_string(&mut why)?;
        }
        // A frame of `@` is drawn around warnings.
        let lines = why.lines().map(|line| line.trim_matches(['@', ' ', '\r']));
        let why: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
        Err(KeysError::Refused(why.join("; ")))
    }

    /// The agent's socket.
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for KeyAgent {
    fn drop(&mut self) {
        self.input = None;
        let _ = self.shell.wait();
    }
}
