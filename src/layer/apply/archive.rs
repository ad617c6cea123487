//! Reads a layer tar, entry by entry, whoever wrote it.
//!
//! Owns the formats: ustar and the older form without a magic, PAX records, GNU's long names and binary numbers, files
//! without their holes ([`super::sparse`]). Gives each entry's header in plain numbers, and the very blocks that it was read from. Must not know what entries
//! mean for a tree: names are handed on as they stand.
//!
//! Input is hostile until shown otherwise. No size in it is believed before the bytes have come: memory is taken
//! for what is limited only ([`MAX_EXTENSION`], [`MAX_BLOCKS`]).

use std::io::{self, BufRead, BufReader, Read};

use ::tar::{EntryType, Header as Block};

use super::fields::{Extensions, block_name, checksum_is_right, number, sorted, text};
use super::sparse::{self, Run, Stretch};
use crate::layer::shown::shown;
use crate::layer::tar::{BLOCK, padding};
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::{Device, Time, Xattr};

/// What a single extended header may hold, in bytes. Go's reader has the same limit.
const MAX_EXTENSION: u64 = 1024 * 1024;

/// What all headers of one entry may hold.
const MAX_BLOCKS: usize = 4 * 1024 * 1024;

/// What the holes of a file are called in messages.
const SPARSE_MAP: &str = "map of a sparse file";

/// How much is read, and hashed, at a time.
const BUFFER: usize = 128 * 1024;

/// An archive is not a tar, or not one that can be a layer.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// The bytes cannot be had.
    #[error("cannot read the tar")]
    Read {
        /// Why not.
        source: io::Error,
    },
    /// The archive ends within an entry.
    #[error("the tar is cut off{}", after(name))]
    Truncated {
        /// The entry, or the last one before the cut; empty for none.
        name: Box<[u8]>,
    },
    /// A header's checksum is wrong.
    #[error("the tar is damaged, or it is none: a header{} has a wrong checksum", after(name))]
    Checksum {
        /// The last entry before; empty for none.
        name: Box<[u8]>,
    },
    /// A field of a header has no value that it could have.
    #[error("the entry `{}` has an invalid {field}", shown(name))]
    Field {
        /// The entry.
        name: Box<[u8]>,
        /// The field.
        field: &'static str,
    },
    /// A type of entry that no layer has.
    #[error("the entry `{}` has the type `{}`, which cannot be unpacked", shown(name), kind.escape_ascii())]
    Type {
        /// The entry.
        name: Box<[u8]>,
        /// The byte in the header.
        kind: u8,
    },
    /// Headers that are larger than any real entry's.
    #[error("the tar has a header of over {MAX_EXTENSION} bytes{}", after(name))]
    Huge {
        /// The last entry before; empty for none.
        name: Box<[u8]>,
    },
}

fn after(name: &[u8]) -> String {
    if name.is_empty() { String::new() } else { format!(" after `{}`", shown(name)) }
}

/// What kind of entry a header is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::layer) enum HeaderKind {
    File,
    Directory,
    Symlink,
    Hardlink,
    CharDevice(Device),
    BlockDevice(Device),
    Fifo,
}

/// An entry's header, extended headers included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::layer) struct Header {
    /// The name, as it stands.
    pub(in crate::layer) name: Vec<u8>,
    /// What a link points to, as it stands.
    pub(in crate::layer) link: Vec<u8>,
    pub(in crate::layer) kind: HeaderKind,
    pub(in crate::layer) mode: u32,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) mtime: Time,
    /// Bytes of content, holes included; 0 for everything but files.
    pub(in crate::layer) size: u64,
    /// All extended attributes, sorted; of several with one name the last.
    pub(in crate::layer) xattrs: Vec<Xattr>,
}

/// What is known when all of an archive has been read.
#[derive(Debug)]
pub(super) struct End {
    /// The digest of all bytes.
    pub(super) digest: Digest,
    /// How many there were.
    pub(super) bytes: u64,
    /// Whether nothing but zeros stood where zeros should, and as many as a plain archive ends with.
    pub(super) plain: bool,
}

/// Reads entries from `R`.
#[derive(Debug)]
pub(super) struct Reader<R> {
    input: BufReader<Digester<R>>,
    /// The blocks of the current entry's headers.
    blocks: Vec<u8>,
    /// Stored content of the current entry that has not been read.
    left: u64,
    /// How that and holes make up the rest of the content, the next run last.
    runs: Vec<Run>,
    /// Zeros after the content.
    padding: u64,
    /// The last entry's name, for messages.
    name: Box<[u8]>,
    plain: bool,
    /// Bytes of the end mark that have been read.
    tail: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(input: R) -> Self {
        Self {
            input: BufReader::with_capacity(BUFFER, Digester::new(input)),
            blocks: Vec::new(),
            left: 0,
            runs: Vec::new(),
            padding: 0,
            name: Box::default(),
            plain: true,
            tail: 0,
        }
    }

    /// The blocks that the last header was read from.
    pub(super) fn blocks(&self) -> &[u8] {
        &self.blocks
    }

    /// The next entry's header; what is left of the one before is passed over.
    pub(super) fn next(&mut self) -> Result<Option<Header>, ArchiveError> {
        self.pass_over()?;
        self.blocks.clear();
        self.runs.clear();
        let mut extensions = Extensions::default();
        loop {
            let Some(block) = self.block()? else {
                // Extended headers that no entry follows say nothing, and nobody would write them again.
                self.plain &= self.blocks.is_empty();
                return Ok(None);
            };
            let kind = block.entry_type();
            match kind {
                EntryType::XHeader => {
                    let records = self.extension(&block)?;
                    extensions.parse(&records);
                }
                EntryType::GNULongName => extensions.path = Some(text(&self.extension(&block)?).to_vec()),
                EntryType::GNULongLink => extensions.link = Some(text(&self.extension(&block)?).to_vec()),
                // Says nothing of single entries that a layer could use; `git archive` puts the commit there.
                EntryType::XGlobalHeader => {
                    self.extension(&block)?;
                }
                _ => return self.header(&block, extensions).map(Some),
            }
        }
    }

    /// Fills `out` with the next bytes of the current entry's content, which has that many.
    pub(super) fn read_exact(&mut self, mut out: &mut [u8]) -> Result<(), ArchiveError> {
        while !out.is_empty() {
            let run = self.runs.pop().expect("nobody asks for more than there is");
            let (Run::Hole(length) | Run::Data(length)) = run;
            let (part, rest) = out.split_at_mut(usize::try_from(length).unwrap_or(usize::MAX).min(out.len()));
            let after = length - part.len() as u64;
            match run {
                Run::Hole(_) => part.fill(0),
                Run::Data(_) => self.read_stored(part)?,
            }
            if after > 0 {
                self.runs.push(if let Run::Hole(_) = run { Run::Hole(after) } else { Run::Data(after) });
            }
            out = rest;
        }
        Ok(())
    }

    /// The length of the hole that comes next, which is passed over with it; 0 if data comes.
    pub(super) fn take_hole(&mut self) -> u64 {
        match self.runs.pop_if(|run| matches!(run, Run::Hole(_))) {
            Some(Run::Hole(length)) => length,
            _ => 0,
        }
    }

    fn read_stored(&mut self, out: &mut [u8]) -> Result<(), ArchiveError> {
        self.input.read_exact(out).map_err(|source| self.read_error(source))?;
        self.left -= out.len() as u64;
        Ok(())
    }

    /// Reads what follows the last entry, to the end.
    pub(super) fn finish(mut self) -> Result<End, ArchiveError> {
        loop {
            let bytes = self.input.fill_buf().map_err(|source| ArchiveError::Read { source })?;
            if bytes.is_empty() {
                break;
            }
            self.plain &= bytes.iter().all(|&b| b == 0);
            let len = bytes.len();
            self.tail += len as u64;
            self.input.consume(len);
        }
        let (_, digest, bytes) = self.input.into_inner().finish();
        Ok(End { digest, bytes, plain: self.plain && self.tail == 2 * BLOCK as u64 })
    }

    /// Passes over what is left of the current entry.
    fn pass_over(&mut self) -> Result<(), ArchiveError> {
        let mut left = std::mem::take(&mut self.left);
        while left > 0 {
            left -= self.consume(left, false)?;
        }
        let mut padding = std::mem::take(&mut self.padding);
        while padding > 0 {
            padding -= self.consume(padding, true)?;
        }
        Ok(())
    }

    /// Passes over at most `most` bytes, and sees whether they are zeros where they should be.
    fn consume(&mut self, most: u64, zeros: bool) -> Result<u64, ArchiveError> {
        let bytes = self.input.fill_buf().map_err(|source| ArchiveError::Read { source })?;
        if bytes.is_empty() && zeros {
            // Some writers leave out the last padding with the end mark; nothing is missing of what counts.
            self.plain = false;
            return Ok(most);
        }
        if bytes.is_empty() {
            return Err(ArchiveError::Truncated { name: self.name.clone() });
        }
        let len = bytes.len().min(usize::try_from(most).unwrap_or(usize::MAX));
        self.plain &= !zeros || bytes[..len].iter().all(|&b| b == 0);
        self.input.consume(len);
        Ok(len as u64)
    }

    /// The next header block; `None` at the end mark, or at the end of the archive where an entry could begin.
    fn block(&mut self) -> Result<Option<Block>, ArchiveError> {
        if self.input.fill_buf().map_err(|source| ArchiveError::Read { source })?.is_empty() {
            // Some writers leave out the end mark.
            let whole = self.blocks.is_empty();
            return if whole { Ok(None) } else { Err(ArchiveError::Truncated { name: self.name.clone() }) };
        }
        let mut block = Block::new_old();
        self.input.read_exact(block.as_mut_bytes()).map_err(|source| self.read_error(source))?;
        if block.as_bytes().iter().all(|&b| b == 0) {
            self.tail = BLOCK as u64;
            return Ok(None);
        }
        self.blocks.extend_from_slice(block.as_bytes());
        if !checksum_is_right(&block) {
            return Err(ArchiveError::Checksum { name: self.name.clone() });
        }
        Ok(Some(block))
    }

    /// The content of an extended header.
    fn extension(&mut self, block: &Block) -> Result<Vec<u8>, ArchiveError> {
        let size = number(&block.as_old().size).and_then(|size| u64::try_from(size).ok());
        let size = size.ok_or_else(|| self.field("size"))?;
        if size > MAX_EXTENSION || self.blocks.len() + size as usize > MAX_BLOCKS {
            return Err(ArchiveError::Huge { name: self.name.clone() });
        }
        let mut content = vec![0; size as usize + padding(size)];
        self.input.read_exact(&mut content).map_err(|source| self.read_error(source))?;
        self.blocks.extend_from_slice(&content);
        content.truncate(size as usize);
        Ok(content)
    }

    /// Puts an entry's header together from its block and what was said before it.
    fn header(&mut self, block: &Block, extensions: Extensions) -> Result<Header, ArchiveError> {
        let fields = block.as_old();
        let Extensions { path, mut sparse, .. } = extensions;
        let name = sparse.name.take().or(path).unwrap_or_else(|| block_name(block));
        self.name = name.clone().into();
        if let Some(field) = extensions.invalid {
            return Err(self.field(field));
        }
        let byte = fields.linkflag[0];
        let kind = match byte {
            // The oldest form has no type for directories.
            0 if name.ends_with(b"/") => HeaderKind::Directory,
            0 | b'0' | b'7' | b'S' => HeaderKind::File,
            b'1' => HeaderKind::Hardlink,
            b'2' => HeaderKind::Symlink,
            b'3' => HeaderKind::CharDevice(self.device(block)?),
            b'4' => HeaderKind::BlockDevice(self.device(block)?),
            b'5' => HeaderKind::Directory,
            b'6' => HeaderKind::Fifo,
            kind => return Err(ArchiveError::Type { name: name.into(), kind }),
        };
        let size = match extensions.size {
            Some(size) => size,
            None => self.number(&fields.size, "size")?,
        };
        // Other kinds have no content, whatever the field says; some writers put a link's target's size there.
        self.left = if kind == HeaderKind::File { size } else { 0 };
        self.padding = padding(self.left) as u64;
        let size = self.lay_out(block, kind, &sparse)?;
        let mtime = extensions.mtime.or_else(|| number(&fields.mtime).map(Time::from_seconds));
        let header = Header {
            link: extensions.link.unwrap_or_else(|| text(&fields.linkname).to_vec()),
            kind,
            mode: self.number::<u64>(&fields.mode, "mode")? as u32 & 0o7777,
            uid: self.owner(extensions.uid, &fields.uid, "uid")?,
            gid: self.owner(extensions.gid, &fields.gid, "gid")?,
            mtime: mtime.ok_or_else(|| self.field("mtime"))?.whole(),
            size,
            xattrs: sorted(extensions.xattrs),
            name,
        };
        Ok(header)
    }

    /// Finds out how an entry's content is stored. Gives the size, holes included.
    fn lay_out(
        &mut self,
        block: &Block,
        kind: HeaderKind,
        records: &sparse::Records,
    ) -> Result<u64, ArchiveError> {
        let is_old = block.entry_type() == EntryType::GNUSparse;
        if !is_old && !records.is_sparse() {
            self.runs.push(Run::Data(self.left));
            return Ok(self.left);
        }
        let (map, size) = if is_old {
            self.old_map(block)?
        } else {
            let map = match records.place() {
                Some(sparse::Place::Records(map)) => Some(map),
                Some(sparse::Place::Content) => self.content_map()?,
                None => None,
            };
            (map, records.size)
        };
        let (Some(map), Some(size), HeaderKind::File, false) = (map, size, kind, records.is_invalid()) else {
            return Err(self.field(SPARSE_MAP));
        };
        self.runs = sparse::runs(&map, size, self.left).ok_or_else(|| self.field(SPARSE_MAP))?;
        Ok(size)
    }

    /// The map of a file of type `S`, which may go on in blocks behind the header, and the file's size.
    fn old_map(&mut self, block: &Block) -> Result<(Option<Vec<Stretch>>, Option<u64>), ArchiveError> {
        let bytes = block.as_bytes();
        let size = number(&bytes[483..495]).and_then(|size| u64::try_from(size).ok());
        let mut map = sparse::old_map(&bytes[386..482]);
        let mut goes_on = bytes[482] != 0;
        while goes_on {
            if self.blocks.len() >= MAX_BLOCKS {
                return Err(ArchiveError::Huge { name: self.name.clone() });
            }
            let mut block = [0; BLOCK];
            self.input.read_exact(&mut block).map_err(|source| self.read_error(source))?;
            self.blocks.extend_from_slice(&block);
            map = map.zip(sparse::old_map(&block[..504])).map(|(map, more)| [map, more].concat());
            goes_on = block[504] != 0;
        }
        Ok((map, size))
    }

    /// The map before the content of a file.
    fn content_map(&mut self) -> Result<Option<Vec<Stretch>>, ArchiveError> {
        let mut lines = sparse::Lines::default();
        let mut block = [0; BLOCK];
        while self.left >= BLOCK as u64 {
            if lines.len() >= MAX_BLOCKS {
                return Err(ArchiveError::Huge { name: self.name.clone() });
            }
            self.read_stored(&mut block)?;
            match lines.take(&block) {
                Some(true) => return Ok(lines.map()),
                Some(false) => {}
                None => break,
            }
        }
        Ok(None)
    }

    fn device(&self, block: &Block) -> Result<Device, ArchiveError> {
        // The oldest form has no such fields and no devices.
        let fields = block.as_bytes();
        Ok(Device {
            major: self.number(&fields[329..337], "device number")?,
            minor: self.number(&fields[337..345], "device number")?,
        })
    }

    fn owner(&self, said: Option<u32>, field: &[u8], what: &'static str) -> Result<u32, ArchiveError> {
        let id = said.map_or_else(|| self.number(field, what), Ok)?;
        // chown(2) takes the highest number for "leave it".
        if id == u32::MAX { Err(self.field(what)) } else { Ok(id) }
    }

    fn number<T: TryFrom<i64>>(&self, field: &[u8], what: &'static str) -> Result<T, ArchiveError> {
        number(field).and_then(|n| T::try_from(n).ok()).ok_or_else(|| self.field(what))
    }

    fn field(&self, field: &'static str) -> ArchiveError {
        ArchiveError::Field { name: self.name.clone(), field }
    }

    fn read_error(&self, source: io::Error) -> ArchiveError {
        match source.kind() {
            io::ErrorKind::UnexpectedEof => ArchiveError::Truncated { name: self.name.clone() },
            _ => ArchiveError::Read { source },
        }
    }
}
