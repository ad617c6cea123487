//! eStargz: gzip whose members a reader can fetch one by one (stargz-snapshotter, `docs/estargz.md`).
//!
//! Owns where members begin: at the content of every file, and every [`CHUNK`] bytes in it, so that the table of
//! contents can say where each content lies in the blob. The tar itself passes unchanged, its end mark included; what
//! the format adds stands behind that: a landmark that says that nothing need be fetched ahead, the table, and a footer
//! that says where the table begins. Tools that know nothing of the format stop at the end mark and see the same files as
//! in any other layer. The bytes depend on the tar and the level alone.

mod toc;

use std::io::{self, Sink, Write};

use ::tar::{EntryType, Header as Block};

use self::toc::Toc;
use super::gzip::GzipWriter;
use crate::layer::apply::{HeaderKind, header_of};
use crate::layer::tar::{BLOCK, END, encode_header, padding};
use crate::oci::Digest;
use crate::oci::digest::Digester;
use crate::tree::{Entry, Kind, Time, TreePath};

/// The most content of a file in one chunk, in bytes: that of the format's other writers.
const CHUNK: u64 = 4 << 20;

/// What all headers of one entry may hold, in bytes. No layer in a store has more.
const MAX_HEADERS: usize = 4 << 20;

/// The file that says that nothing need be fetched ahead, and what is in it.
const LANDMARK: (&str, &[u8]) = (".no.prefetch.landmark", &[0x0f]);

/// The file with the table.
const TOC_FILE: &str = "stargz.index.json";

/// What an eStargz layer is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seal {
    /// The digest of the table of contents, for the annotation `containerd.io/snapshot/stargz/toc.digest`.
    pub toc: Digest,
    /// The digest of all that the blob holds decompressed, which is the layer's diff id.
    pub tar: Digest,
}

/// Passes a tar on to gzip, cut where the format wants it.
pub(super) struct EstargzWriter<W: Write> {
    gzip: GzipWriter<W>,
    /// Hashes all that is compressed.
    whole: Digester<Sink>,
    toc: Toc,
    /// The headers of the next entry so far.
    headers: Vec<u8>,
    state: State,
}

/// What comes next.
enum State {
    /// A header's block.
    Header,
    /// The rest of an extended header: this many bytes.
    Extension(usize),
    /// A file's content.
    Content(Box<Content>),
    /// The zeros after a content: this many bytes.
    Padding(usize),
    /// What follows the end mark.
    Tail,
}

/// A file's content on its way.
struct Content {
    size: u64,
    left: u64,
    /// What is left of the chunk.
    chunk: u64,
    chunk_hash: Digester<Sink>,
    /// Hashes a content of several chunks.
    hash: Option<Digester<Sink>>,
    /// Its place in the table.
    entry: usize,
}

fn hasher() -> Digester<Sink> {
    Digester::new(io::sink())
}

fn damaged(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the tar of a layer {what}"))
}

impl<W: Write> EstargzWriter<W> {
    pub(super) fn new(gzip: GzipWriter<W>) -> Self {
        Self { gzip, whole: hasher(), toc: Toc::default(), headers: Vec::new(), state: State::Header }
    }

    /// Takes some of the tar's next bytes; says how many.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.state {
            State::Header => {
                let n = bytes.len().min(BLOCK - self.headers.len() % BLOCK);
                self.headers.extend_from_slice(&bytes[..n]);
                self.pass(&bytes[..n])?;
                if self.headers.len().is_multiple_of(BLOCK) {
                    self.block()?;
                }
                Ok(n)
            }
            State::Extension(left) => {
                let n = bytes.len().min(*left);
                *left -= n;
                if *left == 0 {
                    self.state = State::Header;
                }
                self.headers.extend_from_slice(&bytes[..n]);
                self.pass(&bytes[..n])?;
                Ok(n)
            }
            State::Content(_) => self.content(bytes),
            State::Padding(left) => {
                let n = bytes.len().min(*left);
                *left -= n;
                if *left == 0 {
                    self.state = State::Header;
                }
                self.pass(&bytes[..n])?;
                Ok(n)
            }
            State::Tail => {
                self.pass(bytes)?;
                Ok(bytes.len())
            }
        }
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.gzip.flush()
    }

    fn write_all(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let n = self.write(bytes)?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// Compresses bytes, whatever they are.
    fn pass(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        self.whole.write_all(bytes)?;
        while !bytes.is_empty() {
            let n = self.gzip.write(bytes)?;
            bytes = &bytes[n..];
        }
        Ok(())
    }

    /// A block of a header is complete, the last one in `headers`.
    fn block(&mut self) -> io::Result<()> {
        let block = Block::from_byte_slice(&self.headers[self.headers.len() - BLOCK..]);
        if block.as_bytes().iter().all(|&byte| byte == 0) {
            self.headers.clear();
            self.state = State::Tail;
            return Ok(());
        }
        let extends = matches!(
            block.entry_type(),
            EntryType::XHeader | EntryType::GNULongName | EntryType::GNULongLink | EntryType::XGlobalHeader
        );
        if !extends {
            return self.entry();
        }
        let size = block.entry_size()?;
        let whole = usize::try_from(size).ok().and_then(|len| len.checked_add(padding(size)));
        match whole.filter(|whole| self.headers.len() + whole <= MAX_HEADERS) {
            Some(0) => Ok(()),
            Some(whole) => {
                self.state = State::Extension(whole);
                Ok(())
            }
            None => Err(damaged("has headers that are too large")),
        }
    }

    /// All headers of an entry are there.
    fn entry(&mut self) -> io::Result<()> {
        let header = header_of(&self.headers).map_err(io::Error::other)?;
        self.headers.clear();
        let Some(header) = header else { return Err(damaged("ends within an entry")) };
        let entry = self.toc.add(&header);
        if header.kind == HeaderKind::File && header.size > 0 {
            let size = header.size;
            let hash = (size > CHUNK).then(hasher);
            self.state = State::Content(Box::new(Content {
                size,
                left: size,
                chunk: size.min(CHUNK),
                chunk_hash: hasher(),
                hash,
                entry,
            }));
            let piece = self.gzip.cut()?;
            self.toc.starts(entry, piece, (size > CHUNK).then_some(CHUNK));
        }
        Ok(())
    }

    fn content(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let State::Content(content) = &mut self.state else { return Ok(0) };
        let n = bytes.len().min(usize::try_from(content.chunk).unwrap_or(usize::MAX));
        let part = &bytes[..n];
        content.chunk_hash.write_all(part)?;
        if let Some(hash) = &mut content.hash {
            hash.write_all(part)?;
        }
        content.chunk -= n as u64;
        content.left -= n as u64;
        let chunk_ends = content.chunk == 0;
        self.pass(part)?;
        if chunk_ends {
            self.chunk_ended()?;
        }
        Ok(n)
    }

    fn chunk_ended(&mut self) -> io::Result<()> {
        let State::Content(content) = &mut self.state else { return Ok(()) };
        let digest = std::mem::replace(&mut content.chunk_hash, hasher()).finish().1;
        self.toc.chunk_digest(digest);
        if content.left > 0 {
            content.chunk = content.left.min(CHUNK);
            let (entry, offset) = (content.entry, content.size - content.left);
            let whole = (content.left > CHUNK).then_some(CHUNK);
            let piece = self.gzip.cut()?;
            self.toc.chunk(entry, offset, piece, whole);
            return Ok(());
        }
        let all = content.hash.take().map_or(digest, |hash| hash.finish().1);
        self.toc.digest(content.entry, all);
        let zeros = padding(content.size);
        self.state = if zeros == 0 { State::Header } else { State::Padding(zeros) };
        Ok(())
    }

    /// Writes what the format adds, and gives back the inner writer.
    pub(super) fn finish(mut self) -> io::Result<(W, Seal)> {
        if !matches!(self.state, State::Tail | State::Header) || !self.headers.is_empty() {
            return Err(damaged("ends within an entry"));
        }
        // A tar of its own behind the layer's.
        self.state = State::Header;
        let (name, content) = LANDMARK;
        self.write_all(&file_header(name, content)?)?;
        self.write_all(content)?;
        self.write_all(&END[..padding(content.len() as u64)])?;

        let piece = self.gzip.cut()?;
        self.gzip.drain()?;
        let json = self.toc.write_json(|piece| self.gzip.start_of(piece));
        self.pass(&file_header(TOC_FILE, &json)?)?;
        self.pass(&json)?;
        self.pass(&END[..padding(json.len() as u64)])?;
        self.pass(&END)?;
        let table = self.gzip.start_of(piece);
        let mut inner = self.gzip.finish()?;
        inner.write_all(&footer(table))?;
        Ok((inner, Seal { toc: Digest::of(&json), tar: self.whole.finish().1 }))
    }
}

/// The header of a small file of root's.
fn file_header(name: &str, content: &[u8]) -> io::Result<Vec<u8>> {
    let kind = Kind::File { size: content.len() as u64, digest: Digest::of(content) };
    let mut blocks = Vec::new();
    encode_header(&Entry::new(TreePath::from(name), kind, 0o444, Time::default()), &mut blocks)
        .map_err(io::Error::other)?;
    Ok(blocks)
}

/// The last 51 bytes: an empty gzip member with the place of the table in its extra field.
fn footer(table: u64) -> Vec<u8> {
    // Deflate, an extra field, no time, no hint, an unknown system.
    let mut footer = vec![0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 0xff];
    let text = format!("{table:016x}STARGZ");
    let len = text.len() as u16;
    footer.extend((len + 4).to_le_bytes());
    footer.extend(b"SG");
    footer.extend(len.to_le_bytes());
    footer.extend(text.as_bytes());
    // One stored block, which is the last and empty; then the checksum and the size of nothing.
    footer.extend([1, 0, 0, 0xff, 0xff]);
    footer.extend([0; 8]);
    footer
}

#[cfg(test)]
mod tests;
