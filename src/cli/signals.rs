//! Ctrl-C and its like.

use std::io;
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGWINCH};
use signal_hook::iterator::Signals;

use super::error::{CliError, ErrorKind};

/// From now on calls `first` on the first signal that asks the process to end, with the signal; a second one ends
/// the process at once. Sandboxes end with it.
pub(super) fn on_interrupt(first: impl Fn(i32) + Send + 'static) -> Result<(), CliError> {
    let failed =
        |error: io::Error| CliError::from_error(ErrorKind::General, &error).context("cannot catch signals");
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    thread::spawn(move || {
        for (i, signal) in signals.forever().enumerate() {
            if i > 0 {
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
            first(signal);
        }
    });
    Ok(())
}

/// From now on passes every signal that asks to end on to `forward`, and, for a command with a terminal, those about
/// the terminal.
pub(super) fn forward(terminal: bool, forward: impl Fn(i32) + Send + 'static) -> Result<(), CliError> {
    let failed =
        |error: io::Error| CliError::from_error(ErrorKind::General, &error).context("cannot catch signals");
    let resized = terminal.then_some(SIGWINCH);
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP].into_iter().chain(resized)).map_err(failed)?;
    thread::spawn(move || signals.forever().for_each(forward));
    Ok(())
}
