//! Programs that keep credentials: `docker-credential-NAME`, as Docker calls them.
//!
//! A helper is told what to do by its argument, and for which server on standard input; it answers on standard output,
//! also when it fails. It runs in the environment of this process: a helper needs its own variables.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde::{Deserialize, Serialize};

use super::{Credentials, CredentialsError};

/// What a helper calls the user whose secret is an identity token.
const TOKEN_USER: &str = "<token>";

/// What helpers say on standard output when they know nothing of a server.
const NOT_FOUND: [&str; 2] = ["credentials not found in native keychain", "no credentials server URL"];

/// A helper that a file names.
#[derive(Debug, Clone)]
pub(super) struct Helper<'a> {
    /// The last part of the program's name.
    pub(super) name: &'a str,
    /// The file that names it.
    pub(super) file: &'a Path,
}

/// Credentials on their way to a helper and back.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Message {
    #[serde(rename = "ServerURL", default)]
    server_url: String,
    username: String,
    secret: String,
}

impl Helper<'_> {
    /// What the helper knows of a server.
    pub(super) fn get(&self, server: &str) -> Result<Option<Credentials>, CredentialsError> {
        let output = self.run("get", server, server.as_bytes())?;
        let said = String::from_utf8_lossy(&output.stdout);
        if !output.status.success() {
            return if NOT_FOUND.contains(&said.trim()) {
                Ok(None)
            } else {
                Err(self.failed("get", server, &output))
            };
        }
        let message: Message =
            serde_json::from_slice(&output.stdout).map_err(|_| CredentialsError::Helper {
                program: self.program(),
                action: "get",
                host: server.to_owned(),
                reason: "its answer is not what the protocol of credential helpers says".to_owned(),
            })?;
        let is_identity_token = message.username == TOKEN_USER;
        let username = if is_identity_token { String::new() } else { message.username };
        // A server that the helper was made to forget may have an empty answer.
        let known = !message.secret.is_empty();
        Ok(known.then_some(Credentials { username, secret: message.secret, is_identity_token }))
    }

    /// Has the helper keep credentials.
    pub(super) fn store(&self, server: &str, credentials: &Credentials) -> Result<(), CredentialsError> {
        let username = if credentials.is_identity_token { TOKEN_USER } else { &credentials.username };
        let message = Message {
            server_url: server.to_owned(),
            username: username.to_owned(),
            secret: credentials.secret.clone(),
        };
        let text = serde_json::json!(message).to_string();
        self.change("store", server, text.as_bytes())
    }

    /// Has the helper forget a server.
    pub(super) fn erase(&self, server: &str) -> Result<(), CredentialsError> {
        self.change("erase", server, server.as_bytes())
    }

    fn change(&self, action: &'static str, server: &str, input: &[u8]) -> Result<(), CredentialsError> {
        let output = self.run(action, server, input)?;
        if output.status.success() { Ok(()) } else { Err(self.failed(action, server, &output)) }
    }

    fn program(&self) -> String {
        format!("docker-credential-{}", self.name)
    }

    fn failed(&self, action: &'static str, server: &str, output: &Output) -> CredentialsError {
        let said =
            [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text).trim().to_owned());
        let reason =
            said.into_iter().find(|text| !text.is_empty()).unwrap_or_else(|| output.status.to_string());
        CredentialsError::Helper { program: self.program(), action, host: server.to_owned(), reason }
    }

    fn run(&self, action: &str, server: &str, input: &[u8]) -> Result<Output, CredentialsError> {
        self.start(action, input).map_err(|source| CredentialsError::Start {
            program: self.program(),
            path: PathBuf::from(self.file),
            host: server.to_owned(),
            source,
        })
    }

    fn start(&self, action: &str, input: &[u8]) -> io::Result<Output> {
        if self.name.is_empty() || self.name.contains('/') {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not the name of a program"));
        }
        let mut command = Command::new(self.program());
        command.arg(action).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let stdin = child.stdin.take();
        thread::scope(|scope| {
            scope.spawn(|| {
                // A helper that does not want to know more has said already what is wrong.
                let _ = stdin.map(|mut stdin| stdin.write_all(input));
            });
            child.wait_with_output()
        })
    }
}
