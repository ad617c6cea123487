//! The tree index on disk.
//!
//! A file of records in the order of their paths, then a table of the records' offsets, so that a path is found by
//! a binary search that reads a few records and not the file. All numbers are little-endian. The layout is
//! described in `docs/store-format.md`; [`VERSION`] changes with it.
//!
//! ```text
//! "strataix"  version u32  count u32  table u64     header: table is where the offsets begin
//! record …                                          see `encode`
//! offset u64 …                                      one a record
//! checksum 32 bytes                                 sha256 of all before it
//! ```

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::entry::{Device, Entry, Kind, Time, Xattr};
use super::index::Index;
use super::path::{self, TreePath};
use crate::oci::Digest;
use crate::oci::digest::Digester;

const MAGIC: &[u8; 8] = b"strataix";
const VERSION: u32 = 1;
const HEADER: u64 = 24;
const CHECKSUM: u64 = 32;
/// Below this size a file is read once instead of record by record.
const SMALL: u64 = 256 << 10;

/// A tree index on disk cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IndexFileError {
    /// Reading or writing failed.
    #[error("cannot read the tree index {}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The content is not what was written.
    #[error("the tree index {} is damaged: {what}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
}

/// Writes `index` to `out` in the form that [`IndexFile`] reads.
pub fn write_index(index: &Index, out: impl Write) -> io::Result<()> {
    let mut out = Digester::new(BufWriter::with_capacity(128 << 10, out));
    let count = index.entries().len();
    let mut offsets = Vec::with_capacity(count);
    let mut records = Vec::new();
    // The header names the table's place, so the records are encoded before the header is written.
    for entry in index.entries() {
        offsets.push(HEADER + records.len() as u64);
        encode(entry, &mut records);
    }
    out.write_all(MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&u32::try_from(count).map_err(io::Error::other)?.to_le_bytes())?;
    out.write_all(&(HEADER + records.len() as u64).to_le_bytes())?;
    out.write_all(&records)?;
    for offset in offsets {
        out.write_all(&offset.to_le_bytes())?;
    }
    let (mut out, checksum, _) = out.finish();
    out.write_all(checksum.as_bytes())?;
    out.flush()
}

/// A tree index on disk, open for look-ups.
#[derive(Debug)]
pub struct IndexFile {
    path: PathBuf,
    bytes: Bytes,
    count: usize,
    table: u64,
}

#[derive(Debug)]
enum Bytes {
    Memory(Vec<u8>),
    Disk(File),
}

impl IndexFile {
    /// Opens the index at `path`.
    pub fn open(path: &Path) -> Result<Self, IndexFileError> {
        let io = |source| IndexFileError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let len = file.metadata().map_err(io)?.len();
        let bytes = if len <= SMALL {
            let mut bytes = vec![0; len as usize];
            file.read_exact_at(&mut bytes, 0).map_err(io)?;
            Bytes::Memory(bytes)
        } else {
            Bytes::Disk(file)
        };
        let mut index = Self { path: path.to_owned(), bytes, count: 0, table: 0 };
        let header = index.read(0, HEADER as usize)?.into_owned();
        if !header.starts_with(MAGIC) {
            return Err(index.damaged("it does not begin as one"));
        }
        let mut fields = Fields(&header[8..]);
        if fields.u32() != Some(VERSION) {
            return Err(index.damaged("it is of another version"));
        }
        index.count = fields.u32().unwrap_or(0) as usize;
        index.table = fields.u64().unwrap_or(0);
        if index.table.checked_add(8 * index.count as u64 + CHECKSUM) != Some(len) {
            return Err(index.damaged("it is cut off"));
        }
        Ok(index)
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether it has no entries.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The entry at `path`.
    pub fn get(&self, path: &TreePath) -> Result<Option<Entry>, IndexFileError> {
        let position = self.lower_bound(path, 0)?;
        self.entry_if(position, |entry| &entry.path == path)
    }

    /// `dir`'s own entry, if there is one, and all entries below it, in order.
    pub fn subtree(&self, dir: &TreePath) -> Result<Vec<Entry>, IndexFileError> {
        let start = self.lower_bound(dir, 0)?;
        let end = self.end_of_subtree(dir, start)?;
        self.range(start, end)
    }

    /// The entries directly in `dir`, in order.
    pub fn children(&self, dir: &TreePath) -> Result<Vec<Entry>, IndexFileError> {
        let mut position = self.lower_bound(dir, 0)?;
        if self.entry_if(position, |entry| &entry.path == dir)?.is_some() {
            position += 1;
        }
        let mut children = Vec::new();
        while let Some(entry) = self.entry_if(position, |entry| entry.path.is_below(dir))? {
            position = self.end_of_subtree(&entry.path, position + 1)?;
            children.push(entry);
        }
        Ok(children)
    }

    /// The whole index, after checking it against its checksum.
    pub fn read_all(&self) -> Result<Index, IndexFileError> {
        let len = self.table as usize + 8 * self.count;
        let bytes = self.read(0, len + CHECKSUM as usize)?;
        if Digest::of(&bytes[..len]).as_bytes()[..] != bytes[len..] {
            return Err(self.damaged("its checksum is wrong"));
        }
        let mut fields = Fields(&bytes[HEADER as usize..self.table as usize]);
        let entries: Option<Vec<Entry>> = (0..self.count).map(|_| decode(&mut fields)).collect();
        let entries = entries.ok_or_else(|| self.damaged("a record is malformed"))?;
        Index::from_sorted(entries).map_err(|_| self.damaged("its records are out of order"))
    }

    fn range(&self, start: usize, end: usize) -> Result<Vec<Entry>, IndexFileError> {
        if start >= end {
            return Ok(Vec::new());
        }
        let from = self.offset(start)?;
        let bytes = self.read(from, self.offset(end)?.saturating_sub(from) as usize)?;
        let mut fields = Fields(&bytes);
        let entries: Option<Vec<Entry>> = (start..end).map(|_| decode(&mut fields)).collect();
        entries.ok_or_else(|| self.damaged("a record is malformed"))
    }

    fn entry_if(
        &self,
        position: usize,
        wanted: impl FnOnce(&Entry) -> bool,
    ) -> Result<Option<Entry>, IndexFileError> {
        if position >= self.count {
            return Ok(None);
        }
        let record = self.record(position)?;
        let entry = decode(&mut Fields(&record)).ok_or_else(|| self.damaged("a record is malformed"))?;
        Ok(wanted(&entry).then_some(entry))
    }

    /// The first position at or after `from` whose path is not less than `path`.
    fn lower_bound(&self, path: &TreePath, from: usize) -> Result<usize, IndexFileError> {
        self.partition(from, self.count, |bytes| path::compare(bytes, path.as_bytes()) == Ordering::Less)
    }

    /// The first position at or after `from` that does not lie below `dir`; `from` is at `dir` or just after it.
    fn end_of_subtree(&self, dir: &TreePath, from: usize) -> Result<usize, IndexFileError> {
        let below = |bytes: &[u8]| {
            let dir = dir.as_bytes();
            dir.is_empty() || (bytes.starts_with(dir) && matches!(bytes.get(dir.len()), None | Some(b'/')))
        };
        // Most entries are files: their subtree ends at once, so look near first and take longer strides then.
        let (mut low, mut stride) = (from, 1);
        while low + stride <= self.count && self.path_at(low + stride - 1, below)? {
            low += stride;
            stride *= 2;
        }
        self.partition(low, self.count.min(low + stride), below)
    }

    fn partition(
        &self,
        mut low: usize,
        mut high: usize,
        before: impl Fn(&[u8]) -> bool,
    ) -> Result<usize, IndexFileError> {
        while low < high {
            let middle = low + (high - low) / 2;
            if self.path_at(middle, &before)? {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    fn path_at<T>(&self, position: usize, look: impl Fn(&[u8]) -> T) -> Result<T, IndexFileError> {
        let record = self.record(position)?;
        let mut fields = Fields(&record);
        let path = fields.bytes().ok_or_else(|| self.damaged("a record is malformed"))?;
        Ok(look(path))
    }

    fn record(&self, position: usize) -> Result<Cow<'_, [u8]>, IndexFileError> {
        let table = self.table + 8 * position as u64;
        let last = position + 1 == self.count;
        let pair = self.read(table, if last { 8 } else { 16 })?;
        let mut fields = Fields(&pair);
        let start = fields.u64().unwrap_or(0);
        let end = if last { self.table } else { fields.u64().unwrap_or(0) };
        if start < HEADER || end < start || end > self.table {
            return Err(self.damaged("an offset is wrong"));
        }
        self.read(start, (end - start) as usize)
    }

    fn offset(&self, position: usize) -> Result<u64, IndexFileError> {
        if position >= self.count {
            return Ok(self.table);
        }
        let bytes = self.read(self.table + 8 * position as u64, 8)?;
        let offset = Fields(&bytes).u64().unwrap_or(0);
        if offset < HEADER || offset > self.table {
            return Err(self.damaged("an offset is wrong"));
        }
        Ok(offset)
    }

    fn read(&self, offset: u64, len: usize) -> Result<Cow<'_, [u8]>, IndexFileError> {
        match &self.bytes {
            Bytes::Memory(bytes) => {
                let range = offset as usize..(offset as usize).saturating_add(len);
                bytes.get(range).map(Cow::Borrowed).ok_or_else(|| self.damaged("it is cut off"))
            }
            Bytes::Disk(file) => {
                let mut bytes = vec![0; len];
                file.read_exact_at(&mut bytes, offset)
                    .map_err(|source| IndexFileError::Io { path: self.path.clone(), source })?;
                Ok(Cow::Owned(bytes))
            }
        }
    }

    fn damaged(&self, what: &'static str) -> IndexFileError {
        IndexFileError::Damaged { path: self.path.clone(), what }
    }
}

/// Appends one record: path, type, flags, part, mode, owner, time, what the type has, extended attributes.
fn encode(entry: &Entry, out: &mut Vec<u8>) {
    put_bytes(out, entry.path.as_bytes());
    let (tag, opaque) = match &entry.kind {
        Kind::File { .. } => (1, false),
        Kind::Directory { opaque } => (2, *opaque),
        Kind::Symlink { .. } => (3, false),
        Kind::Hardlink { .. } => (4, false),
        Kind::CharDevice(_) => (5, false),
        Kind::BlockDevice(_) => (6, false),
        Kind::Fifo => (7, false),
        Kind::Socket => (8, false),
        Kind::Whiteout => (9, false),
    };
    out.extend_from_slice(&[tag, u8::from(opaque) | u8::from(entry.implied) << 1, entry.part]);
    out.extend_from_slice(&entry.mode.to_le_bytes());
    out.extend_from_slice(&entry.uid.to_le_bytes());
    out.extend_from_slice(&entry.gid.to_le_bytes());
    out.extend_from_slice(&entry.mtime.seconds.to_le_bytes());
    out.extend_from_slice(&entry.mtime.nanos.to_le_bytes());
    match &entry.kind {
        Kind::File { size, digest } => {
            out.extend_from_slice(&size.to_le_bytes());
            out.extend_from_slice(digest.as_bytes());
        }
        Kind::Symlink { target } => put_bytes(out, target),
        Kind::Hardlink { target } => put_bytes(out, target.as_bytes()),
        Kind::CharDevice(device) | Kind::BlockDevice(device) => {
            out.extend_from_slice(&device.major.to_le_bytes());
            out.extend_from_slice(&device.minor.to_le_bytes());
        }
        Kind::Directory { .. } | Kind::Fifo | Kind::Socket | Kind::Whiteout => {}
    }
    out.extend_from_slice(&(entry.xattrs.len() as u32).to_le_bytes());
    for xattr in &entry.xattrs {
        put_bytes(out, &xattr.name);
        put_bytes(out, &xattr.value);
    }
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn decode(fields: &mut Fields<'_>) -> Option<Entry> {
    let path = TreePath::from_normal(fields.bytes()?)?;
    let &[tag, flags, part] = fields.take(3)? else { return None };
    let (mode, uid, gid) = (fields.u32()?, fields.u32()?, fields.u32()?);
    let mtime = Time { seconds: fields.u64()? as i64, nanos: fields.u32()? };
    let kind = match tag {
        1 => {
            Kind::File { size: fields.u64()?, digest: Digest::from_bytes(fields.take(32)?.try_into().ok()?) }
        }
        2 => Kind::Directory { opaque: flags & 1 != 0 },
        3 => Kind::Symlink { target: fields.bytes()?.into() },
        4 => Kind::Hardlink { target: TreePath::from_normal(fields.bytes()?)? },
        5 => Kind::CharDevice(Device { major: fields.u32()?, minor: fields.u32()? }),
        6 => Kind::BlockDevice(Device { major: fields.u32()?, minor: fields.u32()? }),
        7 => Kind::Fifo,
        8 => Kind::Socket,
        9 => Kind::Whiteout,
        _ => return None,
    };
    let count = fields.u32()?;
    let mut xattrs = Vec::new();
    for _ in 0..count {
        xattrs.push(Xattr { name: fields.bytes()?.into(), value: fields.bytes()?.into() });
    }
    Some(Entry { path, kind, mode, uid, gid, mtime, xattrs, implied: flags & 2 != 0, part })
}

/// The rest of a record; each call takes the next field, or says that there is none.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }

    fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.u32()?;
        self.take(len as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Index {
        let file = |path: &str, n: u64| {
            Entry::new(
                path.into(),
                Kind::File { size: n, digest: Digest::of(&n.to_le_bytes()) },
                0o644,
                Time::default(),
            )
        };
        let mut entries = vec![
            Entry::directory("d".into(), 0o755, Time { seconds: -5, nanos: 7 }),
            Entry::new(
                "d/link".into(),
                Kind::Symlink { target: b"../\xff"[..].into() },
                0o777,
                Time::default(),
            ),
            Entry::new(
                "d/null".into(),
                Kind::CharDevice(Device { major: 1, minor: 3 }),
                0o666,
                Time::default(),
            ),
            Entry::whiteout("gone".into()),
            Entry::new("hard".into(), Kind::Hardlink { target: "big/00".into() }, 0o644, Time::default()),
            Entry::directory("big".into(), 0o700, Time::default()),
            file("d.txt", 3),
        ];
        entries[0].xattrs = vec![Xattr { name: b"user.x"[..].into(), value: vec![0; 300].into() }];
        entries.extend((0..5000).map(|i| file(&format!("big/{i:02}"), i)));
        Index::from_unsorted(entries)
    }

    fn on_disk(index: &Index) -> (tempfile::TempDir, IndexFile) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("index");
        write_index(index, File::create(&path).unwrap()).unwrap();
        let file = IndexFile::open(&path).unwrap();
        (dir, file)
    }

    #[test]
    fn what_is_written_is_read() {
        let index = sample();
        let (_dir, file) = on_disk(&index);
        assert!(matches!(file.bytes, Bytes::Disk(_)), "the sample should be too large to be read at once");
        assert_eq!(file.read_all().unwrap(), index);
        for entry in index.entries() {
            assert_eq!(file.get(&entry.path).unwrap().as_ref(), Some(entry));
        }
        assert_eq!(file.get(&"d/none".into()).unwrap(), None);
        for dir in ["", "d", "big", "none"] {
            let dir = TreePath::from(dir);
            assert_eq!(file.subtree(&dir).unwrap(), index.subtree(&dir), "{dir}");
            let children: Vec<_> = index.children(&dir).cloned().collect();
            assert_eq!(file.children(&dir).unwrap(), children, "{dir}");
        }
    }

    #[test]
    fn damage_is_an_error() {
        let (dir, _) = on_disk(&sample());
        let path = dir.path().join("index");
        let good = std::fs::read(&path).unwrap();
        std::fs::write(&path, &good[..good.len() - 1]).unwrap();
        assert!(matches!(IndexFile::open(&path), Err(IndexFileError::Damaged { what: "it is cut off", .. })));
        let mut bad = good.clone();
        bad[40] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(IndexFile::open(&path).unwrap().read_all().is_err());
    }
}
