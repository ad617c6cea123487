//! Runs one command and says how long it took and how much memory its largest process had; medians of several such runs.

use std::fs::File;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::Result;

/// One run of a command.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    pub(crate) elapsed: Duration,
    /// The largest resident set of the command or of a process that it waited for, in KiB. This program's own size at the time of
    /// the fork is a lower bound, which is why it keeps itself small.
    pub(crate) peak_kib: u64,
}

/// Runs a command to its end without its output; an error shows what it wrote to stderr, which goes through the file `log`.
pub(crate) fn run(command: &mut Command, log: &Path) -> Result<Sample> {
    let stderr = File::create(log)?;
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
    let start = Instant::now();
    let child = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
    let (status, peak_kib) = wait(&child)?;
    let elapsed = start.elapsed();
    if !status.success() {
        let said = std::fs::read_to_string(log).unwrap_or_default();
        return Err(format!("{command:?}: {status}\n{}", said.trim_end()).into());
    }
    Ok(Sample { elapsed, peak_kib })
}

/// Waits for a child and returns its peak memory in KiB with its status, which std's `wait` does not.
#[expect(unsafe_code, reason = "neither std nor rustix has wait4")]
fn wait(child: &Child) -> io::Result<(ExitStatus, u64)> {
    let mut status = 0;
    // SAFETY: all of rusage's fields are integers, for which zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live variables of the types that wait4(2) writes.
        let pid = unsafe { libc::wait4(child.id().cast_signed(), &raw mut status, 0, &raw mut usage) };
        if pid >= 0 {
            return Ok((ExitStatus::from_raw(status), usage.ru_maxrss.cast_unsigned()));
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// The median time and the greatest peak of several runs.
pub(crate) fn median(mut samples: Vec<Sample>) -> Sample {
    samples.sort_by_key(|sample| sample.elapsed);
    let peak_kib = samples.iter().map(|sample| sample.peak_kib).max().unwrap_or_default();
    let elapsed = samples.get(samples.len() / 2).map(|sample| sample.elapsed).unwrap_or_default();
    Sample { elapsed, peak_kib }
}

/// Measures ours and the limit in turns, so that both see the same moods of the machine. Each is told the number of the run.
pub(crate) fn in_turns(
    runs: usize,
    mut ours: impl FnMut(usize) -> Result<Sample>,
    mut limit: impl FnMut(usize) -> Result<Sample>,
) -> Result<(Sample, Sample)> {
    let [ours, limit] = all_in_turns(runs, [&mut ours, &mut limit])?;
    Ok((ours, limit))
}

/// The same for any number of things.
pub(crate) fn all_in_turns<const N: usize>(
    runs: usize,
    mut things: [&mut dyn FnMut(usize) -> Result<Sample>; N],
) -> Result<[Sample; N]> {
    let mut samples = [const { Vec::new() }; N];
    for number in 0..runs {
        for (measure, samples) in things.iter_mut().zip(&mut samples) {
            samples.push(measure(number)?);
        }
    }
    Ok(samples.map(median))
}

/// What `work` takes in this process, whose memory says nothing.
pub(crate) fn here(work: impl FnOnce() -> io::Result<()>) -> Result<Sample> {
    let start = Instant::now();
    work()?;
    Ok(Sample { elapsed: start.elapsed(), peak_kib: 0 })
}

/// The median of one thing alone.
pub(crate) fn alone(runs: usize, one: impl FnMut(usize) -> Result<Sample>) -> Result<Sample> {
    Ok(median((0..runs).map(one).collect::<Result<_>>()?))
}
