//! What the user gives to a build's commands: secrets and SSH agents, as `docker buildx build` writes them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use crate::engine::{AgentSource, SecretSource};
use crate::exec::Secret;

use super::error::{CliError, ErrorKind};

/// Reads `--secret`s. A secret whose variable is not set is not given.
pub(super) fn secrets(typed: &[String]) -> Result<BTreeMap<String, SecretSource>, CliError> {
    let mut secrets = BTreeMap::new();
    for text in typed {
        let wanted = Typed::parse(text).map_err(|why| usage(format!("`--secret {text}`: {why}")))?;
        if let Some(source) = wanted.source(|name| std::env::var_os(name)) {
            secrets.insert(wanted.id.to_owned(), source);
        }
    }
    Ok(secrets)
}

/// Reads `--ssh`s: the name of an agent, and its socket or files with keys for it.
pub(super) fn agents(typed: &[String]) -> Result<BTreeMap<String, AgentSource>, CliError> {
    let agent = |text: &String| {
        let (id, paths) = text.split_once('=').unwrap_or((text, ""));
        if id.is_empty() {
            return Err(usage(format!("`--ssh {text}` has no name")));
        }
        let source = match paths {
            "" => AgentSource::Socket(own_agent(text)?),
            paths => agent_source(text, paths.split(',').map(PathBuf::from).collect())?,
        };
        Ok((id.to_owned(), source))
    };
    typed.iter().map(agent).collect()
}

/// The socket of the agent that the user has.
fn own_agent(text: &str) -> Result<PathBuf, CliError> {
    let socket = std::env::var_os("SSH_AUTH_SOCK").filter(|socket| !socket.is_empty());
    let socket = PathBuf::from(socket.ok_or_else(|| {
        usage(format!("`--ssh {text}` needs an SSH agent, and `SSH_AUTH_SOCK` names none"))
            .hint(format!("start one with `ssh-agent`, or name a socket or a key: `--ssh {text}=FILE`"))
    })?);
    if !is_socket(&socket)? {
        let message = format!("`SSH_AUTH_SOCK` is `{}`, which is not a socket", socket.display());
        return Err(usage(message));
    }
    Ok(socket)
}

fn agent_source(text: &str, mut paths: Vec<PathBuf>) -> Result<AgentSource, CliError> {
    let mut sockets = 0;
    for path in &paths {
        sockets += usize::from(is_socket(path)?);
    }
    match (sockets, paths.len()) {
        (0, _) => Ok(AgentSource::Keys(paths)),
        (1, 1) => Ok(AgentSource::Socket(paths.remove(0))),
        _ => Err(usage(format!("`--ssh {text}` names a socket and something else"))
            .hint("name one socket, or files with keys")),
    }
}

fn is_socket(path: &Path) -> Result<bool, CliError> {
    let metadata = path.metadata().map_err(|error| {
        let shown = path.display();
        CliError::from_error(ErrorKind::Usage, &error).context(format!("cannot use `{shown}` for SSH"))
    })?;
    Ok(metadata.file_type().is_socket())
}

fn usage(message: String) -> CliError {
    CliError::new(ErrorKind::Usage, message)
}

/// A `--secret`, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
struct Typed<'t> {
    id: &'t str,
    file: Option<&'t str>,
    variable: Option<&'t str>,
    kind: Option<&'t str>,
}

impl<'t> Typed<'t> {
    fn parse(text: &'t str) -> Result<Self, String> {
        let mut typed = Self::default();
        for pair in text.split(',') {
            let (key, value) =
                pair.split_once('=').ok_or_else(|| format!("`{pair}` is not of the form `key=value`"))?;
            match key {
                "id" => typed.id = value,
                "src" | "source" => typed.file = Some(value),
                "env" => typed.variable = Some(value),
                "type" if matches!(value, "file" | "env") => typed.kind = Some(value),
                "type" => return Err(format!("unknown type `{value}`: expected `file` or `env`")),
                _ => return Err(format!("unknown key `{key}`: expected `id`, `src`, `env` or `type`")),
            }
        }
        match typed {
            Self { id: "", .. } => Err("it has no `id`".to_owned()),
            Self { file: Some(_), variable: Some(_), .. } => Err("it has both `src` and `env`".to_owned()),
            Self { kind: Some("file"), variable: Some(_), .. } => Err("a file has no `env`".to_owned()),
            // As in BuildKit, a source is a variable's name if the type says so.
            Self { kind: Some("env"), file: Some(name), id, .. } => {
                Ok(Self { id, variable: Some(name), ..Self::default() })
            }
            typed => Ok(typed),
        }
    }

    /// Where the secret is. If nothing is said of that, it is the variable called like it, or the file.
    fn source(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<SecretSource> {
        let value = |name| variable(name).map(|value| SecretSource::Value(Secret(value.into_vec())));
        let file = |path: &str| Some(SecretSource::File(PathBuf::from(path)));
        match (self.file, self.variable, self.kind) {
            (Some(path), ..) => file(path),
            (None, Some(name), _) => value(name),
            (None, None, Some("file")) => file(self.id),
            (None, None, Some(_)) => value(self.id),
            (None, None, None) => value(self.id).or_else(|| file(self.id)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_files_or_variables() {
        let file = |path: &str| Some(SecretSource::File(path.into()));
        let value = || Some(SecretSource::Value(Secret(b"v".to_vec())));
        for (text, expected) in [
            ("id=a,src=/f", file("/f")),
            ("id=a,source=f", file("f")),
            ("type=file,id=a", file("a")),
            ("id=a,env=V", value()),
            ("id=a,type=env,src=V", value()),
            ("id=V", value()),
            ("id=a", file("a")),
            ("id=a,env=NONE", None),
            ("id=a,type=env", None),
        ] {
            let variable = |name: &str| (name == "V").then(|| OsString::from("v"));
            assert_eq!(Typed::parse(text).unwrap().source(variable), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_secret_is_refused() {
        for (text, why) in [
            ("src=f", "it has no `id`"),
            ("id=a,src=f,env=V", "it has both `src` and `env`"),
            ("id=a,type=file,env=V", "a file has no `env`"),
            ("id", "`id` is not of the form `key=value`"),
            ("id=a,x=y", "unknown key `x`: expected `id`, `src`, `env` or `type`"),
            ("id=a,type=x", "unknown type `x`: expected `file` or `env`"),
        ] {
            assert_eq!(Typed::parse(text), Err(why.to_owned()), "{text}");
        }
    }
}
