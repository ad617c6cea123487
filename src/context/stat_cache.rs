//! What an earlier build knew of a context: one file that says, for each entry, by which status it was read and what
//! that gave.
//!
//! Owns the file's format and the rule by which a record is believed. Must not know how a context is walked.
//!
//! # The rule
//! A record holds if size, mode, device, inode, mtime and ctime are all the same now, *and* both times lie well before
//! the scan that made the record. Without the second half a file that was changed, read and changed again within one
//! step of the file system's clock would look unchanged for ever ("racy git"). A file that changes after the scan
//! began gets a time no earlier than that beginning, less the clock's step; so a record whose times are [`SLACK`]
//! older cannot be about a content that was replaced later under the same times.
//!
//! # The format
//! Little-endian: [`MAGIC`]; the beginning of the scan (`i64` seconds, `u32` nanoseconds); records in the order of
//! `TreePath`; the SHA-256 of all that. A record: `u16` how many bytes of the previous path begin this one,
//! `u16` and the rest of the path; mode `u32`; device, inode, size `u64`; mtime, ctime (`i64`, `u32`); for files
//! the 32 bytes of the digest; `u16` the number of extended attributes, each `u16` and name, `u32` and value. A file
//! that is damaged, or of another version, is as good as none.

use std::cmp::Ordering;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use rustix::fs::FileType;

use super::found::{Found, Status, What};
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::{Time, Xattr, compare};

/// Begins the file; a change of the format changes the number.
const MAGIC: &[u8] = b"strata stat cache 1\n";

/// Seconds by which an entry's times must precede the scan. The coarsest clock is FAT's with two seconds; the kernel's
/// own lags behind the time of day by at most one tick.
const SLACK: i64 = 3;

const DIGEST_LENGTH: usize = 32;

/// A loaded cache: the file's bytes, checked and not yet decoded.
#[derive(Debug)]
pub(super) struct StatCache {
    bytes: Vec<u8>,
}

/// One record; its path is the reader's.
struct Record<'a> {
    status: Status,
    digest: Option<Digest>,
    xattrs: Reader<'a>,
}

/// A cache of fewer bytes is that of some thousand files at most.
const SMALL: u64 = 128 << 10;

impl StatCache {
    /// Whether the cache in this file is that of a small tree; if there is none, nobody knows.
    pub(super) fn is_small(file: &Path) -> bool {
        fs::metadata(file).is_ok_and(|file| file.len() < SMALL)
    }

    /// Reads a cache. `None` if there is none, or none that can be used.
    pub(super) fn load(file: &Path) -> Option<Self> {
        let mut bytes = fs::read(file).ok()?;
        let end = bytes.len().checked_sub(DIGEST_LENGTH)?;
        if !bytes.starts_with(MAGIC) || Digest::of(&bytes[..end]).as_bytes() != &bytes[end..] {
            return None;
        }
        bytes.truncate(end);
        Some(Self { bytes })
    }

    /// Completes those of `entries`, which are in order, that have a record that is to be believed.
    pub(super) fn apply(&self, entries: &mut [Found]) {
        let mut reader = Reader { rest: self.bytes.get(MAGIC.len()..).unwrap_or_default() };
        let Some(scanned) = reader.time() else { return };
        let mut path = Vec::new();
        let Some(mut record) = reader.record(&mut path) else { return };
        for found in entries {
            let order = loop {
                match compare(&path, found.path.as_bytes()) {
                    Ordering::Less => match reader.record(&mut path) {
                        Some(next) => record = next,
                        None => return,
                    },
                    order => break order,
                }
            };
            if order == Ordering::Equal && is_believed(&record.status, &found.status, scanned) {
                record.complete(found);
            }
        }
    }
}

fn is_believed(recorded: &Status, now: &Status, scanned: Time) -> bool {
    let limit = Time { seconds: scanned.seconds.saturating_sub(SLACK), ..scanned };
    recorded == now && now.mtime < limit && now.ctime < limit
}

impl Record<'_> {
    fn complete(&self, found: &mut Found) {
        let mut reader = Reader { rest: self.xattrs.rest };
        let Some(xattrs) = reader.xattrs() else { return };
        if let What::File(digest) = &mut found.what {
            *digest = self.digest;
        }
        found.xattrs = Some(xattrs);
    }
}

/// Writes the records of all complete `entries`, which are in order and were found by a scan that began at `scanned`.
/// The file appears whole or not at all.
pub(super) fn save(file: &Path, entries: &[Found], scanned: Time) -> io::Result<()> {
    let mut name = OsString::from(file);
    name.push(format!(".{}.tmp", std::process::id()));
    let temporary = PathBuf::from(name);
    let result = write(&temporary, entries, scanned).and_then(|()| fs::rename(&temporary, file));
    if result.is_err() {
        // It may not even have come into being; the first error is the one that tells.
        let _ = fs::remove_file(&temporary);
    }
    result
}

fn write(file: &Path, entries: &[Found], scanned: Time) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(file)?;
    let mut out = BufWriter::with_capacity(64 << 10, Digester::new(file));
    out.write_all(MAGIC)?;
    write_time(&mut out, scanned)?;
    let mut previous: &[u8] = b"";
    for found in entries {
        if write_record(&mut out, previous, found)? {
            previous = found.path.as_bytes();
        }
    }
    let (mut file, digest, _): (File, _, _) = out.into_inner()?.finish();
    file.write_all(digest.as_bytes())
}

/// Writes a record, if the entry is complete and everything about it fits.
fn write_record(out: &mut impl Write, previous: &[u8], found: &Found) -> io::Result<bool> {
    let path = found.path.as_bytes();
    let Some(xattrs) = found.xattrs.as_ref().filter(|_| found.is_complete()) else { return Ok(false) };
    let fits = u16::try_from(path.len()).is_ok() && u16::try_from(xattrs.len()).is_ok();
    if !fits {
        return Ok(false);
    }
    let shared = path.iter().zip(previous).take_while(|(a, b)| a == b).count();
    out.write_all(&(shared as u16).to_le_bytes())?;
    out.write_all(&((path.len() - shared) as u16).to_le_bytes())?;
    out.write_all(&path[shared..])?;
    let status = &found.status;
    out.write_all(&status.mode.to_le_bytes())?;
    for number in [status.device, status.inode, status.size] {
        out.write_all(&number.to_le_bytes())?;
    }
    write_time(out, status.mtime)?;
    write_time(out, status.ctime)?;
    if let What::File(Some(digest)) = &found.what {
        out.write_all(digest.as_bytes())?;
    }
    out.write_all(&(xattrs.len() as u16).to_le_bytes())?;
    for xattr in xattrs {
        out.write_all(&(xattr.name.len() as u16).to_le_bytes())?;
        out.write_all(&xattr.name)?;
        out.write_all(&(xattr.value.len() as u32).to_le_bytes())?;
        out.write_all(&xattr.value)?;
    }
    Ok(true)
}

fn write_time(out: &mut impl Write, time: Time) -> io::Result<()> {
    out.write_all(&time.seconds.to_le_bytes())?;
    out.write_all(&time.nanos.to_le_bytes())
}

/// Takes values from the front of what is left; `None` if there is too little.
struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Takes the next record, whose path replaces the previous one's.
    fn record(&mut self, path: &mut Vec<u8>) -> Option<Record<'a>> {
        path.truncate(self.u16()?.into());
        let rest = self.u16()?;
        path.extend_from_slice(self.bytes(rest.into())?);
        let mode = self.u32()?;
        let (device, inode, size) = (self.u64()?, self.u64()?, self.u64()?);
        let (mtime, ctime) = (self.time()?, self.time()?);
        let is_file = FileType::from_raw_mode(mode) == FileType::RegularFile;
        let digest = if is_file { Some(Digest::from_bytes(self.array()?)) } else { None };
        let xattrs = Reader { rest: self.rest };
        self.skip_xattrs()?;
        Some(Record { status: Status { device, inode, size, mode, mtime, ctime }, digest, xattrs })
    }

    fn skip_xattrs(&mut self) -> Option<()> {
        for _ in 0..self.u16()? {
            let name = self.u16()?;
            self.bytes(name.into())?;
            let value = self.u32()?;
            self.bytes(value as usize)?;
        }
        Some(())
    }

    fn xattrs(&mut self) -> Option<Vec<Xattr>> {
        let count = self.u16()?;
        let mut xattrs = Vec::with_capacity(count.into());
        for _ in 0..count {
            let name = self.u16()?;
            let name = self.bytes(name.into())?.into();
            let value = self.u32()?;
            let value = self.bytes(value as usize)?.into();
            xattrs.push(Xattr { name, value });
        }
        Some(xattrs)
    }

    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (bytes, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*bytes)
    }

    fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn time(&mut self) -> Option<Time> {
        Some(Time { seconds: self.array().map(i64::from_le_bytes)?, nanos: self.u32()? })
    }
}
