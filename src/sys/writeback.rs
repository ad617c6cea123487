//! Telling the kernel that dirty pages should go to the disk soon.
#![expect(unsafe_code, reason = "sync_file_range(2) has no safe wrapper")]

use std::fs::File;
use std::os::fd::AsRawFd;

/// Starts to write what is dirty of `file`, and does not wait for it. Nothing is durable by this: whoever needs that
/// syncs later, finds less to do, and is told there of anything that went wrong.
pub fn start(file: &File) {
    // SAFETY: no memory is passed, and the descriptor is open while `file` is borrowed.
    let _ = unsafe { libc::sync_file_range(file.as_raw_fd(), 0, 0, libc::SYNC_FILE_RANGE_WRITE) };
}
