//! Ctrl-C, Ctrl-Z and their like. What the process was started to ignore (`nohup`) stays ignored.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
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
    let mut signals = caught(&[SIGINT, SIGTERM, SIGHUP]).map_err(|error| failed(&error))?;
    thread::spawn(move || {
        for (i, signal) in signals.forever().enumerate() {
            if i > 0 {
                end(signal);
            }
            FIRST.store(signal, Ordering::SeqCst);
            first(signal);
        }
    });
    Ok(())
}

/// Ends the process as the signal would have done.
pub(super) fn end(signal: i32) {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

/// From now on passes every signal that asks to end on to `forward`, and, for a command with a terminal, those about
/// the terminal.
pub(super) fn forward(terminal: bool, forward: impl Fn(i32) + Send + 'static) -> Result<(), CliError> {
    let about_terminal: &[i32] = if terminal { &[SIGWINCH] } else { &[] };
    let wanted = [&[SIGINT, SIGTERM, SIGHUP], about_terminal].concat();
    let mut signals = caught(&wanted).map_err(|error| failed(&error))?;
    thread::spawn(move || {
        for signal in signals.forever() {
            let _ = FIRST.compare_exchange(0, signal, Ordering::SeqCst, Ordering::SeqCst);
            forward(signal);
        }
    });
    Ok(())
}

/// From now on calls `resized` when the terminal has another size.
pub(super) fn on_resize(resized: impl Fn(i32) + Send + 'static) -> Result<(), CliError> {
    let mut signals = caught(&[SIGWINCH]).map_err(|error| failed(&error))?;
    thread::spawn(move || signals.forever().for_each(resized));
    Ok(())
}

/// From now on, when the user wants the process to stop for a while, has `around` do what stops it. Where that cannot be
/// had, the process stops as it is.
pub(super) fn on_stop(around: impl Fn(&dyn Fn()) + Send + 'static) {
    let Ok(mut signals) = caught(&[SIGTSTP]) else { return };
    thread::spawn(move || {
        for signal in signals.forever() {
            around(&|| {
                end(signal);
            });
        }
    });
}

/// Those of the signals that are not ignored, from now on as a list instead of what they do.
fn caught(signals: &[i32]) -> io::Result<Signals> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    Signals::new(signals.iter().filter(|&&signal| ignored >> (signal - 1) & 1 == 0))
}

fn failed(error: &io::Error) -> CliError {
    CliError::from_error(ErrorKind::General, error).context("cannot catch signals")
}
