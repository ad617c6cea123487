//! Counts bytes for the progress report, and is where a transfer notices that it was canceled.

use std::fmt;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exec::CancelToken;
use crate::progress::Step;

/// How many bytes pass between two reports.
const STRIDE: u64 = 4 << 20;

/// Counts the bytes of one transfer, from any thread.
pub(super) struct Meter<'a> {
    step: &'a Step<'a>,
    cancel: &'a CancelToken,
    done: AtomicU64,
    total: Option<u64>,
}

/// The transfer was canceled. It travels inside an [`io::Error`] through the writers and readers in between.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("canceled")]
pub(super) struct Canceled;

impl Canceled {
    /// Whether this is what stopped an operation.
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().and_then(|inner| inner.downcast_ref::<Self>()).is_some()
    }
}

impl<'a> Meter<'a> {
    /// A meter for `total` bytes, if that is known.
    pub(super) fn new(step: &'a Step<'a>, cancel: &'a CancelToken, total: Option<u64>) -> Self {
        Self { step, cancel, done: AtomicU64::new(0), total }
    }

    /// Counts `n` more bytes.
    pub(super) fn add(&self, n: u64) -> Result<(), Canceled> {
        let before = self.done.fetch_add(n, Ordering::Relaxed);
        let after = before + n;
        if before / STRIDE != after / STRIDE || Some(after) == self.total {
            if self.cancel.is_canceled() {
                return Err(Canceled);
            }
            self.step.transfer(after, self.total);
        }
        Ok(())
    }

    /// `inner`, with what is written to it counted.
    pub(super) fn metered<W>(&'a self, inner: W) -> Metered<'a, W> {
        Metered { meter: self, inner }
    }
}

impl fmt::Debug for Meter<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meter").field("done", &self.done).field("total", &self.total).finish_non_exhaustive()
    }
}

/// A reader or a writer whose bytes are counted.
pub(super) struct Metered<'a, T> {
    meter: &'a Meter<'a>,
    inner: T,
}

impl<T> Metered<'_, T> {
    fn count(&self, n: usize) -> io::Result<()> {
        self.meter.add(n as u64).map_err(io::Error::other)
    }
}

impl<W: Write> Write for Metered<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(bytes)?;
        self.count(n)?;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(bytes)?;
        self.count(n)?;
        Ok(n)
    }
}
