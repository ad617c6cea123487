//! Asking the person at the terminal.

use std::io::{self, BufRead, IsTerminal as _};
use std::os::fd::AsFd as _;

use signal_hook::consts::SIGINT;

use crate::sys::terminal::RawMode;

use super::complain;
use super::error::{CliError, ErrorKind};

/// Keys, as a terminal sends them.
const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const BACKSPACE: [u8; 2] = [0x08, 0x7f];
const ERASE_LINE: u8 = 0x15;
const ENTER: [u8; 2] = [b'\r', b'\n'];

/// Whether there is somebody to ask.
pub(super) fn is_possible() -> bool {
    io::stdin().is_terminal()
}

/// Asks for a line of text; empty if nothing is said.
pub(super) fn line(question: &str) -> Result<String, CliError> {
    complain(question);
    let mut text = String::new();
    io::stdin().lock().read_line(&mut text).map_err(|error| cannot_read(&error))?;
    Ok(text.trim().to_owned())
}

/// Asks for something that is not shown while it is typed; empty if nothing is said.
pub(super) fn hidden(question: &str) -> Result<String, CliError> {
    let stdin = io::stdin();
    let mode = RawMode::set(stdin.as_fd()).map_err(|errno| cannot_read(&errno.into()))?;
    // Who sees the question may type at once.
    complain(question);
    let typed = read_hidden(stdin.lock());
    drop(mode);
    complain("\n");
    typed
        .map_err(|error| cannot_read(&error))?
        .ok_or_else(|| CliError::new(ErrorKind::Interrupted(SIGINT), "interrupted"))
}

/// What is typed up to the end of the line; nothing if the user wants to end it all. A raw terminal does none of this
/// by itself, and an interrupt that it does not send cannot leave it silent.
fn read_hidden(keys: impl BufRead) -> io::Result<Option<String>> {
    let mut typed = Vec::new();
    for key in keys.bytes() {
        match key? {
            INTERRUPT => return Ok(None),
            END if typed.is_empty() => break,
            key if ENTER.contains(&key) => break,
            key if BACKSPACE.contains(&key) => {
                // A character may have several bytes; only its first one is none of these.
                while typed.pop().is_some_and(|byte| byte & 0xc0 == 0x80) {}
            }
            ERASE_LINE => typed.clear(),
            key => typed.push(key),
        }
    }
    let text = String::from_utf8(typed);
    text.map(Some).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8"))
}

fn cannot_read(error: &io::Error) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot read what is typed")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_edit_what_is_typed() {
        for (keys, expected) in [
            ("secret\rmore", Some("secret")),
            ("secret\n", Some("secret")),
            ("a b\tc\r", Some("a b\tc")),
            ("wrong\x15right\r", Some("right")),
            ("xä\x7f\x7f\x7fy\x08z\r", Some("z")),
            ("\x04x\r", Some("")),
            ("a\x04b\r", Some("a\x04b")),
            ("cut", Some("cut")),
            ("sec\x03", None),
        ] {
            assert_eq!(read_hidden(keys.as_bytes()).unwrap().as_deref(), expected, "{keys:?}");
        }
    }
}
