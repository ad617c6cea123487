//! Flags about what the command of a container may do, spelled as Docker's.

use crate::exec::Capabilities;

use super::error::{CliError, ErrorKind};

/// Rights of a command.
#[derive(Debug, clap::Args)]
pub(super) struct RightsArgs {
    /// Give root in the container a capability, such as `NET_ADMIN`, or `ALL`; may be repeated
    #[arg(long, value_name = "CAPABILITY", help_heading = "Rights")]
    cap_add: Vec<String>,
    /// Take a capability away, or `ALL`; may be repeated
    #[arg(long, value_name = "CAPABILITY", help_heading = "Rights")]
    cap_drop: Vec<String>,
    /// Group that the command is in besides, by name or number; may be repeated
    #[arg(long, value_name = "GROUP", help_heading = "Rights")]
    pub(super) group_add: Vec<String>,
    /// Give the command all rights and devices that strata has
    #[arg(long, help_heading = "Rights")]
    pub(super) privileged: bool,
    /// `seccomp=unconfined` lets the command make all system calls, as strata in a container needs
    #[arg(long = "security-opt", value_name = "OPTION", help_heading = "Rights")]
    security: Vec<String>,
}

/// What is switched off here in any case: no profile of AppArmor and no label of SELinux is given to a container.
const NEVER_THERE: [&str; 2] = ["apparmor=unconfined", "label=disable"];

impl RightsArgs {
    /// The capabilities: the usual ones, or none or all of them where `ALL` is dropped or added, with what is named.
    pub(super) fn capabilities(&self) -> Result<Capabilities, CliError> {
        let named = |flag: &str, names: &[String]| {
            names.iter().try_fold(Capabilities::NONE, |sum, name| -> Result<_, CliError> {
                let one = Capabilities::named(name).ok_or_else(|| {
                    CliError::new(ErrorKind::Run, format!("`{flag} {name}` is no capability"))
                        .hint("capabilities(7) has their names")
                })?;
                Ok(sum.with(one))
            })
        };
        let (added, dropped) = (named("--cap-add", &self.cap_add)?, named("--cap-drop", &self.cap_drop)?);
        let all = |set: Capabilities| set.contains(Capabilities::ALL);
        // As in Docker: of both ALLs the added one wins, and what is named goes before an ALL.
        Ok(match (all(added), all(dropped)) {
            (true, true) => Capabilities::ALL,
            (true, false) => Capabilities::ALL.without(dropped),
            (false, true) => added,
            (false, false) => Capabilities::default().without(dropped).with(added),
        })
    }

    /// Whether the options take the seccomp rules off.
    pub(super) fn unfiltered(&self) -> Result<bool, CliError> {
        let mut unfiltered = false;
        for option in &self.security {
            match option.replacen(':', "=", 1).as_str() {
                "seccomp=unconfined" => unfiltered = true,
                other if NEVER_THERE.contains(&other) => {}
                _ => {
                    return Err(CliError::new(
                        ErrorKind::Run,
                        format!("not supported yet: `--security-opt {option}`"),
                    )
                    .hint("`seccomp=unconfined` is there"));
                }
            }
        }
        Ok(unfiltered)
    }
}
