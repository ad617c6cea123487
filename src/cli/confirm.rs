//! Questions before something is removed.

use std::io::{self, BufRead as _, IsTerminal as _};

use super::complain;
use super::error::{CliError, ErrorKind};

/// Whether the user agrees to what `warning` says; `force` is that already. Without a terminal nobody can be asked.
pub(super) fn agreed(warning: &str, force: bool) -> Result<bool, CliError> {
    if force {
        return Ok(true);
    }
    if !io::stdin().is_terminal() {
        return Err(CliError::new(
            ErrorKind::Usage,
            "cannot ask whether to remove this: standard input is no terminal",
        )
        .hint("say `--force` to remove it without a question"));
    }
    complain(&format!("{warning}\nAre you sure you want to continue? [y/N] "));
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer).map_err(|error| {
        CliError::from_error(ErrorKind::General, &error).context("cannot read the answer")
    })?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
