//! Ctrl-C and its like.

use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::error::{CliError, ErrorKind};

/// The first signal that asked the process to end; 0 for none. Signals are the process's, so this is, too.
static FIRST: AtomicI32 = AtomicI32::new(0);

/// The signal that ended what was being done.
pub(super) fn first() -> i32 {
    match FIRST.load(Ordering::SeqCst) {
        0 => SIGINT,
        signal => signal,
    }
}

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
            FIRST.store(signal, Ordering::SeqCst);
            first(signal);
        }
    });
    Ok(())
}

/// From now on passes every signal that asks to end on to `forward`.
pub(super) fn forward(forward: impl Fn(i32) + Send + 'static) -> Result<(), CliError> {
    let failed =
        |error: io::Error| CliError::from_error(ErrorKind::General, &error).context("cannot catch signals");
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(failed)?;
    thread::spawn(move || signals.forever().for_each(forward));
    Ok(())
}
