//! A registry on the loopback interface: Debian's `docker-registry` (distribution 2.8), plain or with TLS, open or
//! with a password or tokens.
//!
//! It ends with its value, and also with the thread that started it: start it from the test's own thread.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::env::Env;
use super::running::Running;
use super::token::TokenServer;

/// Who may come in with [`Auth::Password`].
pub(crate) const USER: &str = "user";
/// Their password, with what is special in a URL, in Basic authorization and in a shell.
pub(crate) const PASSWORD: &str = "p@ss:w rd$";

/// How a registry is reached, and by whom. The default: over plain HTTP, by anybody.
#[derive(Clone, Copy, Default)]
pub(crate) struct Kind<'a> {
    /// Over TLS, with a certificate of an authority that nobody knows.
    pub(crate) tls: bool,
    /// Only by clients with a certificate of that authority. Implies TLS.
    pub(crate) client_certificate: bool,
    pub(crate) auth: Auth<'a>,
}

/// What a registry wants to see.
#[derive(Clone, Copy, Default)]
pub(crate) enum Auth<'a> {
    #[default]
    Nothing,
    /// [`USER`] and [`PASSWORD`], by Basic authorization.
    Password,
    /// A token of this server.
    Token(&'a TokenServer),
}

/// A registry that runs.
pub(crate) struct Registry {
    dir: TempDir,
    address: String,
    _program: Running,
}

impl Registry {
    /// Over plain HTTP, for anybody.
    pub(crate) fn plain() -> Self {
        Self::start(Kind::default())
    }

    /// Starts a registry, empty, and waits until it listens.
    pub(crate) fn start(kind: Kind<'_>) -> Self {
        let dir = TempDir::new().unwrap();
        let config = dir.path().join("config.yml");
        if kind.tls || kind.client_certificate {
            make_certificates(dir.path());
        }
        if let Auth::Password = kind.auth {
            fs::write(dir.path().join("htpasswd"), htpasswd()).unwrap();
        }
        // JSON is YAML.
        fs::write(&config, settings(dir.path(), kind).to_string()).unwrap();
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "docker-registry", "serve"]).arg(&config).env_clear();
        command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin");
        let mut program = Running::start(command, Stdio::null());
        let mut address = String::new();
        let listens = program.wait_for(|line| {
            let place = line.split("listening on ").nth(1).map(|rest| {
                rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect()
            });
            address = place.unwrap_or_default();
            !address.is_empty()
        });
        assert!(listens, "docker-registry does not run: {:?}", program.end());
        Self { dir, address, _program: program }
    }

    /// Host and port, as in a reference.
    pub(crate) fn host(&self) -> &str {
        &self.address
    }

    /// A name of an image in this registry.
    pub(crate) fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.address)
    }

    /// The certificate of the authority.
    pub(crate) fn ca(&self) -> PathBuf {
        self.dir.path().join("ca.crt")
    }

    /// A certificate and its key, for a client.
    pub(crate) fn client_certificate(&self) -> (PathBuf, PathBuf) {
        (self.dir.path().join("client.crt"), self.dir.path().join("client.key"))
    }

    /// The same, where a user trusts it for this registry: below the home of whoever runs the binary.
    pub(crate) fn trust(&self, env: &Env) {
        let directory = env.context(&format!(".config/containers/certs.d/{}", self.address));
        fs::copy(self.ca(), directory.join("ca.crt")).unwrap();
        env.hand_over(&env.path(".config"));
    }

    /// Makes repositories without images.
    pub(crate) fn make_repositories(&self, names: impl Iterator<Item = String>) {
        let repositories = self.dir.path().join("storage/docker/registry/v2/repositories");
        for name in names {
            fs::create_dir_all(repositories.join(name).join("_layers")).unwrap();
        }
    }

    /// Where the registry keeps a blob: `sha256:…`.
    pub(crate) fn blob(&self, digest: &str) -> PathBuf {
        let hex = digest.strip_prefix("sha256:").unwrap();
        let blobs = self.dir.path().join("storage/docker/registry/v2/blobs/sha256");
        blobs.join(&hex[..2]).join(hex).join("data")
    }
}

fn settings(dir: &Path, kind: Kind<'_>) -> Value {
    let path = |name: &str| dir.join(name).to_str().unwrap().to_owned();
    let mut settings = json!({
        "version": "0.1",
        "log": {"accesslog": {"disabled": true}},
        "storage": {"filesystem": {"rootdirectory": path("storage")}, "delete": {"enabled": true}},
        "http": {"addr": "127.0.0.1:0", "secret": "of a test"},
    });
    if kind.tls || kind.client_certificate {
        settings["http"]["tls"] = json!({"certificate": path("server.crt"), "key": path("server.key")});
    }
    if kind.client_certificate {
        settings["http"]["tls"]["clientcas"] = json!([path("ca.crt")]);
    }
    match kind.auth {
        Auth::Nothing => {}
        Auth::Password => {
            settings["auth"] = json!({"htpasswd": {"realm": "a test", "path": path("htpasswd")}});
        }
        Auth::Token(server) => settings["auth"] = json!({"token": server.settings()}),
    }
    settings
}

fn htpasswd() -> Vec<u8> {
    run(Command::new("htpasswd").args(["-B", "-C", "4", "-b", "-n", USER, PASSWORD]))
}

/// An authority, and below it certificates for server and client: programs differ in what they think of a server that
/// shows the authority's own.
fn make_certificates(dir: &Path) {
    let authority = ["-keyout", "ca.key", "-out", "ca.crt", "-subj", "/CN=An authority of a test"];
    make_certificate(dir, &authority, "keyUsage=critical,keyCertSign");
    for (name, names) in [("server", "subjectAltName=DNS:localhost,IP:127.0.0.1"), ("client", "")] {
        let [key, certificate] = ["key", "crt"].map(|kind| format!("{name}.{kind}"));
        let mut args = vec!["-CA", "ca.crt", "-CAkey", "ca.key", "-keyout", &key, "-out", &certificate];
        args.extend(["-subj", "/CN=A test", "-addext", "basicConstraints=critical,CA:FALSE"]);
        let names = if names.is_empty() { "extendedKeyUsage=clientAuth" } else { names };
        make_certificate(dir, &args, names);
    }
}

/// Makes a key and a certificate for it with one more extension.
pub(crate) fn make_certificate(dir: &Path, args: &[&str], extension: &str) {
    let mut command = Command::new("openssl");
    command.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]);
    run(command.args(["-days", "2", "-addext", extension]).args(args).current_dir(dir));
}

/// What a program of the machine prints.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}\n{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
