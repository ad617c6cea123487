//! Terminals: making one, its size, its mode.
#![expect(unsafe_code, reason = "terminal ioctls have no safe wrapper among the features that are used")]

use std::fs::File;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::path::Path;

use rustix::fs::{CWD, Mode, OFlags};
use rustix::io::Errno;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

use super::process::check;

/// Rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size {
    /// Rows.
    pub rows: u16,
    /// Columns.
    pub columns: u16,
}

/// The two ends of a new terminal, see pty(7).
#[derive(Debug)]
pub struct Pair {
    /// The end of whoever plays the terminal.
    pub master: OwnedFd,
    /// The end that programs have as their terminal.
    pub slave: OwnedFd,
}

/// Makes a terminal by the multiplexer at `ptmx`.
pub fn open_pair(ptmx: &Path) -> Result<Pair, Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = rustix::fs::openat(CWD, ptmx, flags, Mode::empty())?;
    let unlock: libc::c_int = 0;
    // SAFETY: TIOCSPTLCK reads an int.
    check(unsafe { libc::ioctl(master.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlock) }.into())?;
    let flags = libc::O_RDWR | libc::O_NOCTTY | libc::O_CLOEXEC;
    // SAFETY: TIOCGPTPEER takes flags and gives a new descriptor, which nothing else owns.
    let slave = unsafe {
        let fd = check(libc::ioctl(master.as_raw_fd(), libc::TIOCGPTPEER, flags).into())?;
        OwnedFd::from_raw_fd(fd as i32)
    };
    Ok(Pair { master, slave })
}

/// Makes a terminal the controlling one of the calling process, which must lead a session without one.
pub fn control(terminal: BorrowedFd<'_>) -> Result<(), Errno> {
    // SAFETY: TIOCSCTTY takes a number.
    check(unsafe { libc::ioctl(terminal.as_raw_fd(), libc::TIOCSCTTY, 0) }.into())?;
    Ok(())
}

/// The size of a terminal; an error if it is none.
pub fn size(terminal: BorrowedFd<'_>) -> Result<Size, Errno> {
    let size = rustix::termios::tcgetwinsize(terminal)?;
    Ok(Size { rows: size.ws_row, columns: size.ws_col })
}

/// Sets the size of a terminal; its foreground processes are told.
pub fn resize(terminal: BorrowedFd<'_>, size: Size) -> Result<(), Errno> {
    let Size { rows, columns } = size;
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size)
}

/// A terminal that passes everything on as it comes; as before when this is dropped.
#[derive(Debug)]
pub struct RawMode {
    terminal: File,
    before: Termios,
}

impl RawMode {
    /// Makes a terminal raw.
    pub fn set(terminal: BorrowedFd<'_>) -> Result<Self, Errno> {
        let terminal = terminal.try_clone_to_owned().map_err(|_| Errno::MFILE)?;
        let before = tcgetattr(&terminal)?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&terminal, OptionalActions::Now, &raw)?;
        Ok(Self { terminal: terminal.into(), before })
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // A terminal that has gone away needs no mode.
        let _ = tcsetattr(self.terminal.as_fd(), OptionalActions::Drain, &self.before);
    }
}
