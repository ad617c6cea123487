//! The layer tar as strata writes it: writer v1.
//!
//! Owns which bytes stand for an [`Entry`]: ustar headers, with a PAX record only where ustar cannot say a thing
//! (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Extended Header"), whiteouts by the names of the
//! image-spec (layer.md). Must not know where contents come from; [`super::stream`] moves them.
//!
//! Invariants: the bytes depend on the entry alone, and never change for an entry: a stored layer's digest is the
//! digest of what this module writes. Another form is another version beside this one.

use std::io::{self, Read, Write};

use ::tar::{EntryType, Header, UstarHeader};

use super::shown::shown;
use crate::tree::{Device, Entry, Kind, TreePath};

/// The unit in which a tar is written, in bytes.
pub(super) const BLOCK: usize = 512;

/// What stands after the last entry: two blocks of zeros.
pub const END: [u8; 2 * BLOCK] = [0; 2 * BLOCK];

/// The longest path of an entry, in bytes: longer ones can be made step by step, and are of no use to most programs.
pub(super) const MAX_PATH: usize = 4096;

/// How the name of a mark for a removed path starts; a name in a tree must not.
pub const WHITEOUT_PREFIX: &[u8] = b".wh.";

/// The name of the mark that makes its directory opaque.
pub const OPAQUE_MARK: &[u8] = b".wh..wh..opq";

/// The largest number of a seven digit field: owners and devices.
const MAX_SHORT: u32 = 0o777_7777;

/// The largest number of an eleven digit field: sizes and times.
const MAX_LONG: u64 = 0o777_7777_7777;

/// An entry cannot stand in a layer tar, or the tar cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum TarError {
    /// A component of the path starts with `.wh.`, which marks removed paths.
    #[error("`{path}` cannot be in a layer: names that start with `.wh.` mark removed files")]
    Reserved {
        /// The entry.
        path: TreePath,
    },
    /// The path is longer than we read one.
    #[error("`{}` cannot be in a layer: the path has more than {MAX_PATH} bytes", shown(path.to_string().as_bytes()))]
    Long {
        /// The entry.
        path: TreePath,
    },
    /// The path, a link's text or the name of an extended attribute has a byte that the format cannot carry: zero,
    /// or `=` in the name of an attribute.
    #[error("`{path}` cannot be in a layer: its {what} has a byte that a tar cannot hold")]
    Byte {
        /// The entry.
        path: TreePath,
        /// What has the byte.
        what: &'static str,
    },
    /// A device number is too large for its field; Linux has none that large.
    #[error("`{path}` cannot be in a layer: device {}:{} has a number over {MAX_SHORT}", device.major, device.minor)]
    Device {
        /// The entry.
        path: TreePath,
        /// The device.
        device: Device,
    },
    /// Sockets have no form in a tar.
    #[error("`{path}` cannot be in a layer: it is a socket")]
    Socket {
        /// The entry.
        path: TreePath,
    },
    /// The content is shorter or longer than the entry says.
    #[error("`{path}` has not the {expected} bytes that it should have")]
    Size {
        /// The entry.
        path: TreePath,
        /// What the entry says.
        expected: u64,
    },
    /// The content of a file could not be read.
    #[error("cannot read the content of `{path}`")]
    Read {
        /// The entry.
        path: TreePath,
        /// Why not.
        source: io::Error,
    },
    /// The tar could not be written.
    #[error("cannot write the layer tar")]
    Write {
        /// Why not.
        source: io::Error,
    },
}

/// The number of zeros after `size` bytes of content, up to the next whole block.
pub const fn padding(size: u64) -> usize {
    (size.wrapping_neg() % BLOCK as u64) as usize
}

/// Appends all header blocks of `entry` to `out`: everything that stands for it but content and padding.
///
/// The root and implied directories are not written; an opaque directory is followed by its mark. On an error `out`
/// is as it was.
pub fn encode_header(entry: &Entry, out: &mut Vec<u8>) -> Result<(), TarError> {
    check(entry)?;
    let mark = |dir: TreePath, name: &[u8]| Entry::whiteout(dir.child(name));
    if matches!(entry.kind, Kind::Whiteout) {
        let name = [WHITEOUT_PREFIX, entry.path.name()].concat();
        append_entry(&mark(entry.path.parent().unwrap_or_default(), &name), out);
        return Ok(());
    }
    if !entry.path.is_root() && !entry.implied {
        append_entry(entry, out);
    }
    if matches!(entry.kind, Kind::Directory { opaque: true }) {
        append_entry(&mark(entry.path.clone(), OPAQUE_MARK), out);
    }
    Ok(())
}

/// Refuses what has no form in a layer tar.
fn check(entry: &Entry) -> Result<(), TarError> {
    let path = || entry.path.clone();
    let byte = |what| Err(TarError::Byte { path: path(), what });
    if entry.path.components().any(|name| name.starts_with(WHITEOUT_PREFIX)) {
        return Err(TarError::Reserved { path: path() });
    }
    if entry.path.as_bytes().len() > MAX_PATH {
        return Err(TarError::Long { path: path() });
    }
    if entry.path.as_bytes().contains(&0) {
        return byte("path");
    }
    if entry.xattrs.iter().any(|xattr| xattr.name.iter().any(|&b| matches!(b, 0 | b'='))) {
        return byte("extended attribute");
    }
    match &entry.kind {
        Kind::Socket => Err(TarError::Socket { path: path() }),
        Kind::Symlink { target } if target.contains(&0) => byte("text"),
        Kind::Hardlink { target } if target.as_bytes().contains(&0) => byte("target"),
        Kind::CharDevice(device) | Kind::BlockDevice(device)
            if device.major.max(device.minor) > MAX_SHORT =>
        {
            Err(TarError::Device { path: path(), device: *device })
        }
        _ => Ok(()),
    }
}

/// Appends the blocks of an entry that has a name and metadata of its own; a whiteout's is the name of its mark.
fn append_entry(entry: &Entry, out: &mut Vec<u8>) {
    let mut header = Header::new_ustar();
    let mut records = Vec::new();
    header.set_entry_type(type_of(&entry.kind));
    // Symbolic links have no permissions; Linux shows all of them.
    header.set_mode(if matches!(entry.kind, Kind::Symlink { .. }) { 0o777 } else { entry.mode & 0o7777 });

    let mut name = entry.path.as_bytes().to_vec();
    match &entry.kind {
        Kind::Directory { .. } => name.push(b'/'),
        Kind::Symlink { target } => set_link(&mut header, &mut records, target),
        Kind::Hardlink { target } => set_link(&mut header, &mut records, target.as_bytes()),
        Kind::CharDevice(device) | Kind::BlockDevice(device) => {
            let fields = ustar(&mut header);
            fields.set_device_major(device.major);
            fields.set_device_minor(device.minor);
        }
        _ => {}
    }
    set_name(&mut header, &mut records, &name);

    // A number that does not fit is zero in the header, and a record says it.
    header.set_uid(number(entry.uid.into(), MAX_SHORT.into(), "uid", &mut records));
    header.set_gid(number(entry.gid.into(), MAX_SHORT.into(), "gid", &mut records));
    header.set_size(number(entry.size(), MAX_LONG, "size", &mut records));
    match u64::try_from(entry.mtime.seconds) {
        Ok(seconds) => header.set_mtime(number(seconds, MAX_LONG, "mtime", &mut records)),
        Err(_) => push_record(&mut records, b"mtime", entry.mtime.seconds.to_string().as_bytes()),
    }
    for xattr in &entry.xattrs {
        push_record(&mut records, &[b"SCHILY.xattr.", &*xattr.name].concat(), &xattr.value);
    }

    if !records.is_empty() {
        append_records(entry.path.name(), &records, out);
    }
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
}

/// What a header says an entry is.
fn type_of(kind: &Kind) -> EntryType {
    match kind {
        Kind::Directory { .. } => EntryType::Directory,
        Kind::Symlink { .. } => EntryType::Symlink,
        Kind::Hardlink { .. } => EntryType::Link,
        Kind::CharDevice(_) => EntryType::Char,
        Kind::BlockDevice(_) => EntryType::Block,
        Kind::Fifo => EntryType::Fifo,
        Kind::File { .. } | Kind::Whiteout | Kind::Socket => EntryType::Regular,
    }
}

/// The fields of a header that was made as ustar.
fn ustar(header: &mut Header) -> &mut UstarHeader {
    header.as_ustar_mut().expect("the header was made by `new_ustar`")
}

/// Sets the name, in two parts where that helps; where it does not, its beginning, and a record says all of it.
fn set_name(header: &mut Header, records: &mut Vec<u8>, name: &[u8]) {
    let fields = ustar(header);
    let (prefix, rest) = split_name(name).unwrap_or_else(|| {
        push_record(records, b"path", name);
        (&[], name)
    });
    fill(&mut fields.prefix, prefix);
    fill(&mut fields.name, rest);
}

/// `name` as prefix and name of a ustar header, if it fits: the prefix is as long as it can be.
fn split_name(name: &[u8]) -> Option<(&[u8], &[u8])> {
    if name.len() <= 100 {
        return Some((&[], name));
    }
    // The slash of a directory belongs to the last component: no name may be empty.
    let last = name.len() - 1;
    let border = name[..last.min(156)].iter().rposition(|&b| b == b'/')?;
    let rest = &name[border + 1..];
    (rest.len() <= 100).then_some((&name[..border], rest))
}

/// Sets the text of a link; what does not fit is said by a record.
fn set_link(header: &mut Header, records: &mut Vec<u8>, target: &[u8]) {
    let field = &mut ustar(header).linkname;
    if target.len() > field.len() {
        push_record(records, b"linkpath", target);
    }
    fill(field, target);
}

/// Copies as much of `text` as fits; zeros follow already.
fn fill(field: &mut [u8], text: &[u8]) {
    let len = text.len().min(field.len());
    field[..len].copy_from_slice(&text[..len]);
}

/// `value` if a field holds it; zero otherwise, and a record says it.
fn number(value: u64, max: u64, key: &str, records: &mut Vec<u8>) -> u64 {
    if value <= max {
        return value;
    }
    push_record(records, key.as_bytes(), value.to_string().as_bytes());
    0
}

/// Appends a PAX record: its own length in digits, a space, `key=value` and a line feed.
fn push_record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + 3;
    let mut len = rest + 1;
    while rest + len.to_string().len() != len {
        len += 1;
    }
    records.extend_from_slice(len.to_string().as_bytes());
    records.push(b' ');
    records.extend_from_slice(key);
    records.push(b'=');
    records.extend_from_slice(value);
    records.push(b'\n');
}

/// Appends the extended header that stands before the header of an entry called `name`.
fn append_records(name: &[u8], records: &[u8], out: &mut Vec<u8>) {
    let mut header = Header::new_ustar();
    header.set_entry_type(EntryType::XHeader);
    // Readers that do not know extended headers make a file of this name.
    fill(&mut ustar(&mut header).name, &[b"PaxHeaders.0/", name].concat());
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(records.len() as u64);
    header.set_cksum();
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(records);
    out.resize(out.len() + padding(records.len() as u64), 0);
}

/// Writes a layer tar entry by entry.
#[derive(Debug)]
pub struct TarWriter<W> {
    inner: W,
    blocks: Vec<u8>,
    buffer: Box<[u8]>,
}

impl<W: Write> TarWriter<W> {
    /// Starts a tar on `inner`, which is written to in small pieces.
    pub fn new(inner: W) -> Self {
        Self { inner, blocks: Vec::new(), buffer: vec![0; 64 * 1024].into() }
    }

    /// Writes `entry`, which must follow the entries before it in the order of a walk. `content` is read for a
    /// regular file only and must hold exactly the bytes that the entry says. After an error the tar is of no use.
    pub fn append(&mut self, entry: &Entry, content: impl Read) -> Result<(), TarError> {
        let size = entry.size();
        self.blocks.clear();
        encode_header(entry, &mut self.blocks)?;
        self.inner.write_all(&self.blocks).map_err(write_error)?;
        if matches!(entry.kind, Kind::File { .. }) {
            self.copy(entry, content)?;
        }
        self.inner.write_all(&END[..padding(size)]).map_err(write_error)
    }

    /// Writes the end of the tar and gives back the inner writer.
    pub fn finish(mut self) -> Result<W, TarError> {
        self.inner.write_all(&END).map_err(write_error)?;
        Ok(self.inner)
    }

    fn copy(&mut self, entry: &Entry, content: impl Read) -> Result<(), TarError> {
        let expected = entry.size();
        // One byte more than there should be, so that a longer content is seen.
        let mut content = content.take(expected.saturating_add(1));
        let mut left = expected;
        loop {
            let n = match content.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => return Err(TarError::Read { path: entry.path.clone(), source }),
            };
            left = left
                .checked_sub(n as u64)
                .ok_or_else(|| TarError::Size { path: entry.path.clone(), expected })?;
            self.inner.write_all(&self.buffer[..n]).map_err(write_error)?;
        }
        if left > 0 {
            return Err(TarError::Size { path: entry.path.clone(), expected });
        }
        Ok(())
    }
}

fn write_error(source: io::Error) -> TarError {
    TarError::Write { source }
}

#[cfg(test)]
mod tests;
