//! `login`, `logout`.

use std::io::{self, Read as _};
use std::process::ExitCode;

use crate::oci::Reference;
use crate::registry::credentials::Kept;
use crate::registry::{CredentialStore, Credentials, CredentialsError, RegistryError, Watch};

use super::error::{CliError, ErrorKind};
use super::{App, complain, print, prompt, remotes};

/// The registry that is meant if none is named.
pub(super) const DOCKER_HUB: &str = "docker.io";
/// What Docker calls it in its messages.
const DOCKER_HUB_SHOWN: &str = "https://index.docker.io/v1/";
/// Names of hosts that are Docker Hub.
const DOCKER_HUB_HOSTS: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// The most that is read of a password, in bytes.
const PASSWORD_MAX: u64 = 1 << 20;

/// Log in to a registry
#[derive(Debug, clap::Args)]
pub(super) struct LoginArgs {
    /// Name of the user
    #[arg(short, long)]
    username: Option<String>,
    /// Password, which other users of the machine can see then
    #[arg(short, long, conflicts_with = "password_stdin")]
    password: Option<String>,
    /// Read the password from standard input
    #[arg(long, requires = "username")]
    password_stdin: bool,
    /// Host of the registry [default: Docker Hub]
    server: Option<String>,
}

pub(super) fn login(app: &App, args: &LoginArgs) -> Result<ExitCode, CliError> {
    let host = host(args.server.as_deref())?;
    let login = Login { app, host: &host };
    if args.username.is_none() && args.password.is_none() && login.with_what_is_known()? {
        return succeeded();
    }
    let username = match &args.username {
        Some(username) => username.clone(),
        None => login.ask_for_user()?,
    };
    let secret = password(args)?;
    let credentials = Credentials { username, secret, is_identity_token: false };
    let kept = login.check(&credentials).map_err(|error| refused(&error))?;
    let what = if kept.is_identity_token { "identity token" } else { "password" };
    match login.store().save(&host, &kept).map_err(|error| credentials_error(&error))? {
        Kept::File(path) => {
            let path = path.display();
            complain(&format!(
                "warning: the {what} is kept unencrypted in `{path}`; a credential helper can keep it: `credsStore` there\n"
            ));
        }
        Kept::Helper(_) => {}
    }
    succeeded()
}

fn succeeded() -> Result<ExitCode, CliError> {
    print("Login Succeeded\n")?;
    Ok(ExitCode::SUCCESS)
}

/// One attempt to be let in.
struct Login<'a> {
    app: &'a App,
    host: &'a str,
}

impl Login<'_> {
    fn store(&self) -> &CredentialStore {
        &self.app.registry_files.credentials
    }

    /// Tries what has been kept; whether that is enough.
    fn with_what_is_known(&self) -> Result<bool, CliError> {
        let known = self.store().find(self.host, "").map_err(|error| credentials_error(&error))?;
        let Some(known) = known else { return Ok(false) };
        print("Authenticating with existing credentials...\n")?;
        match self.check(&known) {
            Ok(kept) => {
                // A server of tokens may have given a new one, or one in the place of a password.
                if kept != known {
                    self.store().save(self.host, &kept).map_err(|error| credentials_error(&error))?;
                }
                Ok(true)
            }
            Err(error @ RegistryError::Unauthorized { .. }) if prompt::is_possible() => {
                complain(&format!("warning: {error}\n"));
                Ok(false)
            }
            Err(error) => Err(refused(&error)),
        }
    }

    fn ask_for_user(&self) -> Result<String, CliError> {
        if !prompt::is_possible() {
            return Err(nobody_to_ask("--username"));
        }
        let known = self.store().find(self.host, "").map_err(|error| credentials_error(&error))?;
        let known = known.map(|known| known.username).filter(|name| !name.is_empty());
        let question =
            known.as_ref().map_or_else(|| "Username: ".to_owned(), |name| format!("Username ({name}): "));
        let typed = prompt::line(&question)?;
        let name = if typed.is_empty() { known.unwrap_or_default() } else { typed };
        given(name, "user name")
    }

    /// Asks the registry; returns what is to be kept.
    fn check(&self, credentials: &Credentials) -> Result<Credentials, RegistryError> {
        let endpoint = self.app.registry_files.settings.host(self.host)?;
        remotes::registries(self.app).log_in(&endpoint, credentials, &Watch::nothing())
    }
}

fn password(args: &LoginArgs) -> Result<String, CliError> {
    if let Some(password) = &args.password {
        complain(
            "warning: other users can see a password that stands in a command: use `--password-stdin`\n",
        );
        return given(password.clone(), "password");
    }
    if !args.password_stdin {
        if !prompt::is_possible() {
            return Err(nobody_to_ask("--password-stdin"));
        }
        return given(prompt::hidden("Password: ")?, "password");
    }
    let mut text = String::new();
    let read = io::stdin().lock().take(PASSWORD_MAX).read_to_string(&mut text);
    read.map_err(|error| {
        CliError::from_error(ErrorKind::General, &error)
            .context("cannot read the password from standard input")
    })?;
    let line = text.strip_suffix('\n').unwrap_or(&text);
    given(line.strip_suffix('\r').unwrap_or(line).to_owned(), "password")
}

fn given(text: String, what: &str) -> Result<String, CliError> {
    if text.is_empty() {
        return Err(CliError::new(ErrorKind::Usage, format!("the {what} is empty")));
    }
    Ok(text)
}

fn nobody_to_ask(flag: &str) -> CliError {
    CliError::new(ErrorKind::Usage, "cannot ask who you are: standard input is no terminal")
        .hint(format!("use `--username` and `--password-stdin`: `{flag}` is missing"))
}

/// Log out from a registry
#[derive(Debug, clap::Args)]
pub(super) struct LogoutArgs {
    /// Host of the registry [default: Docker Hub]
    server: Option<String>,
}

pub(super) fn logout(app: &App, args: &LogoutArgs) -> Result<ExitCode, CliError> {
    let host = host(args.server.as_deref())?;
    let store = &app.registry_files.credentials;
    let shown = if host == DOCKER_HUB { DOCKER_HUB_SHOWN } else { &host };
    let did = if store.erase(&host).map_err(|error| credentials_error(&error))? {
        format!("Removing login credentials for {shown}\n")
    } else {
        format!("Not logged in to {shown}\n")
    };
    print(&did)?;
    for path in store.elsewhere(&host).map_err(|error| credentials_error(&error))? {
        let path = path.display();
        complain(&format!(
            "warning: `{path}`, which another program wrote, has credentials for `{host}` too\n"
        ));
    }
    Ok(ExitCode::SUCCESS)
}

/// The host of a server as people name it; Docker takes URLs and whole names, too.
pub(super) fn host(server: Option<&str>) -> Result<String, CliError> {
    let Some(server) = server else { return Ok(DOCKER_HUB.to_owned()) };
    let rest = server.split_once("://").map_or(server, |(_, rest)| rest);
    let host = rest.split('/').next().unwrap_or(rest);
    if host == DOCKER_HUB || DOCKER_HUB_HOSTS.contains(&host) {
        return Ok(DOCKER_HUB.to_owned());
    }
    // A host that no image's name can begin with would never be asked.
    let name: Option<Reference> = format!("{host}/x").parse().ok();
    if name.is_none_or(|name| name.domain() != host) {
        return Err(CliError::new(ErrorKind::Usage, format!("`{server}` is not a registry"))
            .hint("name its host, such as `quay.io` or `localhost:5000`"));
    }
    Ok(host.to_owned())
}

/// Why a registry did not let somebody in. That one may log in is not what they want to hear here.
fn refused(error: &RegistryError) -> CliError {
    let text = CliError::from_error(ErrorKind::General, error).detailed(error);
    match error {
        RegistryError::Unauthorized { .. } => text.hint("check the user name and the password"),
        other => other.remedy().into_iter().fold(text, CliError::hint),
    }
}

fn credentials_error(error: &CredentialsError) -> CliError {
    let text = CliError::from_error(ErrorKind::General, error);
    error.remedy().into_iter().fold(text, CliError::hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_are_hosts_however_they_are_written() {
        for (server, expected) in [
            (None, Some("docker.io")),
            (Some("docker.io"), Some("docker.io")),
            (Some("https://index.docker.io/v1/"), Some("docker.io")),
            (Some("quay.io"), Some("quay.io")),
            (Some("https://quay.io:443/v2/"), Some("quay.io:443")),
            (Some("quay.io/team"), Some("quay.io")),
            (Some("localhost"), Some("localhost")),
            (Some("[::1]:5000"), Some("[::1]:5000")),
            (Some("team"), None),
            (Some("a b.example"), None),
            (Some(""), None),
        ] {
            assert_eq!(host(server).ok().as_deref(), expected, "{server:?}");
        }
    }
}
