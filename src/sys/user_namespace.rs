//! User namespaces: making one, telling whether one is in the first, and what the machine knows of an account.
#![expect(unsafe_code, reason = "unshare(2) and getpwuid_r(3) have no safe wrapper")]

use std::ffi::{CStr, OsString};
use std::fs;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::OnceLock;

use rustix::io::Errno;
use rustix::thread::{CapabilitySet, UnshareFlags, capabilities};

/// The inode of the first user namespace in `/proc/PID/ns`, the same on every kernel (linux/nsfs.h).
const FIRST: u64 = 0xefff_fffd;

/// Whether the process is in the user namespace that the machine was started with. A process without `/proc` is taken
/// to be. Asked once: a process that changes its namespace must do so before it asks.
pub fn is_first() -> bool {
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| fs::metadata("/proc/self/ns/user").map_or(true, |found| found.ino() == FIRST))
}

/// Whether the calling thread may do this in its user namespace.
pub fn may(capability: CapabilitySet) -> bool {
    capabilities(None).is_ok_and(|sets| sets.effective.contains(capability))
}

/// Moves the process into a new user namespace, in which it has every capability and, until its maps are written, no
/// id; and into a mount namespace of that, because it may mount nothing in the old one. Only for processes with a single
/// thread: the kernel refuses others.
pub fn unshare() -> Result<(), Errno> {
    // SAFETY: the flags are none of those that change what descriptors or memory threads share.
    unsafe { rustix::thread::unshare_unsafe(UnshareFlags::NEWUSER | UnshareFlags::NEWNS) }
}

/// A user's account, wherever the machine keeps it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// The login name.
    pub name: String,
    /// The home directory.
    pub home: PathBuf,
}

/// Enough for an entry of passwd(5); longer ones are asked for again with more.
const ENTRY: usize = 4096;

/// The account of a user id; `None` if there is none, or it cannot be had.
pub fn account(uid: u32) -> Option<Account> {
    let mut buffer = vec![0_u8; ENTRY];
    loop {
        let mut entry = MaybeUninit::<libc::passwd>::uninit();
        let mut found: *mut libc::passwd = std::ptr::null_mut();
        // SAFETY: all pointers are valid for the call, and the length is the buffer's.
        let error = unsafe {
            libc::getpwuid_r(
                uid,
                entry.as_mut_ptr(),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
                &raw mut found,
            )
        };
        if error == libc::ERANGE && buffer.len() < ENTRY << 8 {
            buffer.resize(buffer.len() * 2, 0);
            continue;
        }
        if error != 0 || found.is_null() {
            return None;
        }
        // SAFETY: `found` points to `entry`, whose strings end in NUL and lie in `buffer`; both outlive the copies.
        let text = |field: fn(&libc::passwd) -> *mut libc::c_char| unsafe {
            let start = field(&*found);
            if start.is_null() { Vec::new() } else { CStr::from_ptr(start).to_bytes().to_vec() }
        };
        let name = String::from_utf8(text(|entry| entry.pw_name)).ok()?;
        return Some(Account { name, home: OsString::from_vec(text(|entry| entry.pw_dir)).into() });
    }
}

/// A setting of the kernel's below `/proc/sys`, if it has it.
pub fn setting(name: &str) -> Option<i64> {
    let text: io::Result<String> = fs::read_to_string(format!("/proc/sys/{name}"));
    text.ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_has_an_account_and_nobody_has_the_last_number() {
        let root = Account { name: "root".to_owned(), home: "/root".into() };
        assert_eq!(account(0), Some(root));
        assert_eq!(account(u32::MAX - 1), None);
    }
}
