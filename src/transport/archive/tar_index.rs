//! Where the files of a tar lie.
//!
//! Owns the reading of headers: ustar, PAX's paths and sizes, GNU's long names. Contents are passed over. Input is
//! hostile: no size is believed that the file does not have, and names, extensions and their number are limited.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use ::tar::{EntryType, Header};

use super::Member;
use crate::layer::padding;

const BLOCK: u64 = 512;

/// What an extended header may hold, in bytes.
const MAX_EXTENSION: u64 = 64 << 10;

/// The most entries of an archive of images. Each costs some hundred bytes of memory.
const MAX_ENTRIES: usize = 200_000;

/// What all names and links may have, in bytes: a hundred times what an archive of images needs.
const MAX_NAMES: usize = 32 << 20;

/// Links that lead to links: as many as the kernel follows.
const MAX_LINKS: usize = 40;

/// An archive is no tar, or not a whole one.
#[derive(Debug, thiserror::Error)]
pub enum DamagedTar {
    /// The bytes cannot be had.
    #[error("cannot read the archive")]
    Read(#[source] io::Error),
    /// It begins as no tar does.
    #[error("the archive is not a tar")]
    NotTar,
    /// It ends within an entry.
    #[error("the archive is cut off{}", within(name))]
    Truncated {
        /// The entry; empty if even its name is missing.
        name: String,
    },
    /// A header cannot be right.
    #[error("the archive is damaged{}: {what}", within(name))]
    Header {
        /// The entry, or the one before it.
        name: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A name leads out of the archive.
    #[error("the archive has an entry `{name}`, whose name leads out of it")]
    Outside {
        /// The name as it stands.
        name: String,
    },
    /// There are more entries than any real archive has.
    #[error("the archive has more than {MAX_ENTRIES} entries")]
    TooMany,
    /// Their names are longer than those of any real archive.
    #[error("the names in the archive have more than {MAX_NAMES} bytes")]
    Names,
}

fn within(name: &str) -> String {
    if name.is_empty() { String::new() } else { format!(" at `{name}`") }
}

/// The entries of a tar on disk, by name.
#[derive(Debug)]
pub(in crate::transport) struct TarIndex {
    file: Arc<File>,
    entries: HashMap<Vec<u8>, Place>,
}

/// What an entry is, as far as finding files goes.
#[derive(Debug)]
enum Place {
    File {
        offset: u64,
        size: u64,
    },
    /// To a path that is taken from the root.
    Link(Vec<u8>),
    Other,
}

/// What extended headers say of the next entry.
#[derive(Debug, Default)]
struct Extension {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl TarIndex {
    /// Reads all headers of `file`. Of several entries with one name the last counts, as if they were unpacked.
    pub(super) fn read(file: File) -> Result<Self, DamagedTar> {
        let len = file.metadata().map_err(DamagedTar::Read)?.len();
        let mut scan = Scan { file: &file, len, offset: 0, name: String::new() };
        let mut entries = HashMap::new();
        let mut names = 0;
        while let Some((name, place)) = scan.next()? {
            if entries.len() >= MAX_ENTRIES {
                return Err(DamagedTar::TooMany);
            }
            names += name.len() + if let Place::Link(target) = &place { target.len() } else { 0 };
            if names > MAX_NAMES {
                return Err(DamagedTar::Names);
            }
            if !name.is_empty() {
                entries.insert(name, place);
            }
        }
        Ok(Self { file: Arc::new(file), entries })
    }

    /// The file called `name`; links lead to other entries only.
    pub(super) fn find(&self, name: &[u8]) -> Option<Member> {
        let mut name = clean(name)?;
        for _ in 0..MAX_LINKS {
            match self.entries.get(&name)? {
                Place::Link(target) => name.clone_from(target),
                Place::Other => return None,
                &Place::File { offset, size } => {
                    return Some(Member::within(&self.file, offset, size));
                }
            }
        }
        None
    }
}

/// The reading of the headers.
struct Scan<'a> {
    file: &'a File,
    len: u64,
    offset: u64,
    /// The last entry, for messages.
    name: String,
}

impl Scan<'_> {
    /// The next entry's name and place; its content is passed over.
    fn next(&mut self) -> Result<Option<(Vec<u8>, Place)>, DamagedTar> {
        let mut extension = Extension::default();
        loop {
            let Some(header) = self.header()? else { return Ok(None) };
            let own_size = header.entry_size().map_err(|_| self.damaged("an invalid size"))?;
            match header.entry_type() {
                EntryType::XHeader => self.records(own_size, &mut extension)?,
                EntryType::GNULongName => extension.path = Some(self.text(own_size)?),
                EntryType::GNULongLink => extension.link = Some(self.text(own_size)?),
                EntryType::XGlobalHeader => self.pass(own_size)?,
                EntryType::GNUSparse => return Err(self.damaged("a sparse file, which no image archive has")),
                kind => {
                    let size = extension.size.unwrap_or(own_size);
                    let raw = extension.path.take().unwrap_or_else(|| header.path_bytes().into_owned());
                    self.name = String::from_utf8_lossy(&raw).into_owned();
                    let Some(name) = clean(&raw) else {
                        return Err(DamagedTar::Outside { name: self.name.clone() });
                    };
                    let link = extension
                        .link
                        .take()
                        .unwrap_or_else(|| header.link_name_bytes().unwrap_or_default().into_owned());
                    let place = self.place(kind, &name, &link, size)?;
                    return Ok(Some((name, place)));
                }
            }
        }
    }

    fn place(&mut self, kind: EntryType, name: &[u8], link: &[u8], size: u64) -> Result<Place, DamagedTar> {
        match kind {
            EntryType::Regular | EntryType::Continuous => {
                let offset = self.offset;
                self.pass(size)?;
                Ok(Place::File { offset, size })
            }
            // A link to nowhere is found missing when somebody looks for it.
            EntryType::Symlink => Ok(symlink(name, link).map_or(Place::Other, Place::Link)),
            EntryType::Link => Ok(clean(link).map_or(Place::Other, Place::Link)),
            _ => {
                self.pass(size)?;
                Ok(Place::Other)
            }
        }
    }

    /// The next header block; `None` at the end mark or the end of the file.
    fn header(&mut self) -> Result<Option<Header>, DamagedTar> {
        if self.offset == self.len && self.offset > 0 {
            // Some writers leave out the end mark.
            return Ok(None);
        }
        let mut header = Header::new_old();
        if self.len - self.offset < BLOCK {
            return Err(if self.offset == 0 { DamagedTar::NotTar } else { self.truncated() });
        }
        self.file.read_exact_at(header.as_mut_bytes(), self.offset).map_err(DamagedTar::Read)?;
        let bytes = header.as_bytes();
        if bytes.iter().all(|&b| b == 0) {
            return Ok(None);
        }
        let sum: u32 = bytes[..148].iter().chain(&bytes[156..]).map(|&b| u32::from(b)).sum();
        if header.cksum().ok() != Some(sum + 8 * u32::from(b' ')) {
            let first = self.offset == 0;
            return Err(if first { DamagedTar::NotTar } else { self.damaged("a wrong checksum after it") });
        }
        self.offset += BLOCK;
        Ok(Some(header))
    }

    /// Passes over content and the zeros after it.
    fn pass(&mut self, size: u64) -> Result<(), DamagedTar> {
        let end = self.offset.checked_add(size).filter(|&end| end <= self.len);
        let end = end.ok_or_else(|| self.truncated())?;
        // The zeros after the last content may be missing.
        self.offset = (end + padding(size) as u64).min(self.len);
        Ok(())
    }

    /// An extended header's content.
    fn extension(&mut self, size: u64) -> Result<Vec<u8>, DamagedTar> {
        if size > MAX_EXTENSION {
            return Err(self.damaged("a header that is too long after it"));
        }
        let offset = self.offset;
        self.pass(size)?;
        let mut bytes = vec![0; size as usize];
        self.file.read_exact_at(&mut bytes, offset).map_err(DamagedTar::Read)?;
        Ok(bytes)
    }

    /// A GNU long name: it ends with a zero.
    fn text(&mut self, size: u64) -> Result<Vec<u8>, DamagedTar> {
        let mut bytes = self.extension(size)?;
        let end = bytes.iter().position(|&b| b == 0).unwrap_or(bytes.len());
        bytes.truncate(end);
        Ok(bytes)
    }

    /// PAX records.
    fn records(&mut self, size: u64, into: &mut Extension) -> Result<(), DamagedTar> {
        let bytes = self.extension(size)?;
        for record in ::tar::PaxExtensions::new(&bytes) {
            let record = record.map_err(|_| self.damaged("an invalid extended header after it"))?;
            let value = record.value_bytes();
            match record.key_bytes() {
                b"path" => into.path = Some(value.to_vec()),
                b"linkpath" => into.link = Some(value.to_vec()),
                b"size" => {
                    let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                    into.size = Some(size.ok_or_else(|| self.damaged("an invalid size after it"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn truncated(&self) -> DamagedTar {
        DamagedTar::Truncated { name: self.name.clone() }
    }

    fn damaged(&self, what: &'static str) -> DamagedTar {
        DamagedTar::Header { name: self.name.clone(), what }
    }
}

/// A name without `.` and empty components; `None` if it leads out of the archive.
fn clean(name: &[u8]) -> Option<Vec<u8>> {
    let mut parts = Vec::new();
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

/// Where a symbolic link at `name` leads to; `None` for out of the archive.
fn symlink(name: &[u8], target: &[u8]) -> Option<Vec<u8>> {
    if target.first() == Some(&b'/') {
        return None;
    }
    let mut parts: Vec<&[u8]> = name.split(|&b| b == b'/').collect();
    parts.pop();
    for part in target.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_stay_inside_the_archive() {
        for (name, target, expected) in [
            ("a/layer.tar", "../b/layer.tar", Some("b/layer.tar")),
            ("a/b/c", "../../d", Some("d")),
            ("a", "b", Some("b")),
            ("a", "../b", None),
            ("a/b", "../../b", None),
            ("a/b", "/etc/passwd", None),
        ] {
            let found = symlink(name.as_bytes(), target.as_bytes());
            assert_eq!(found.as_deref(), expected.map(str::as_bytes), "{name} -> {target}");
        }
    }

    #[test]
    fn names_lose_what_means_nothing() {
        for (name, expected) in
            [("./a//b/", Some("a/b")), ("/a", Some("a")), ("./", Some("")), ("a/../b", None), ("..", None)]
        {
            assert_eq!(clean(name.as_bytes()).as_deref(), expected.map(str::as_bytes), "{name}");
        }
    }
}
