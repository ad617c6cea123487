//! Takes in an archive's entries one by one.
//!
//! Owns the meaning of a sequence of entries: what replaces what, where marks act, and whether our own writer would
//! have written the same. Decides with [`Names`], lets contents be written by [`Pool`].

use std::io::Read;
use std::thread::Scope;

use super::archive::{End, Header, HeaderKind, Reader};
use super::names::Names;
use super::pool::{Batch, Failed, PIECE, Piece, Pool};
use super::{ApplyError, ApplyOptions, Contents, MAX_COMPONENT, MAX_TARGET, Problem, TEXT, TEXT_OF_ENTRY};
use crate::layer::place::Placer;
use crate::layer::tar::{MAX_PATH, WHITEOUT_PREFIX, encode_header};
use crate::layer::whiteout::{self, Name};
use crate::oci::Digest;
use crate::tree::{Device, Entry, Kind, TreePath, Xattr};

/// Why unpacking stopped: its own error, or one that a worker keeps.
pub(super) enum Stop {
    Error(ApplyError),
    Worker,
}

impl<E: Into<ApplyError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

impl From<Failed> for Stop {
    fn from(_: Failed) -> Self {
        Self::Worker
    }
}

/// A layer that is being unpacked.
pub(super) struct Unpacking<'scope, 'env> {
    placer: &'scope Placer,
    pool: &'scope Pool<'scope>,
    scope: &'scope Scope<'scope, 'env>,
    options: ApplyOptions,
    pub(super) names: Names,
    batch: Batch,
    /// Hard links that are not on disk yet: their targets may still be on their way there.
    pub(super) links: Vec<(TreePath, TreePath)>,
    content: u64,
    /// Entries of the archive so far, and the bytes of their names, links and attributes.
    entries: u64,
    text: u64,
    pub(super) regenerates: bool,
    /// The path that came last, and the blocks that our writer would have for the entry at hand.
    last: TreePath,
    blocks: Vec<u8>,
}

/// A name from the archive, taken apart.
struct Split<'a> {
    parent: Vec<u8>,
    name: &'a [u8],
}

impl<'scope, 'env> Unpacking<'scope, 'env> {
    pub(super) fn new(
        placer: &'scope Placer,
        pool: &'scope Pool<'scope>,
        scope: &'scope Scope<'scope, 'env>,
        options: ApplyOptions,
    ) -> Self {
        Self {
            placer,
            pool,
            scope,
            options,
            names: Names::default(),
            batch: Batch::default(),
            links: Vec::new(),
            content: 0,
            entries: 0,
            text: 0,
            regenerates: true,
            last: TreePath::root(),
            blocks: Vec::new(),
        }
    }

    /// Takes in all of an archive.
    pub(super) fn run<R: Read>(&mut self, mut reader: Reader<R>) -> Result<End, Stop> {
        while let Some(header) = reader.next()? {
            if self.names.len() >= self.options.max_entries {
                return Err(ApplyError::Entries { limit: self.options.max_entries }.into());
            }
            self.entries += 1;
            let attributes = header.xattrs.iter().map(|xattr| xattr.name.len() + xattr.value.len());
            self.take_text(header.name.len() + header.link.len() + attributes.sum::<usize>())?;
            self.entry(&header, &mut reader)?;
        }
        let end = reader.finish()?;
        let batch = std::mem::take(&mut self.batch);
        self.pool.write_here(&batch)?;
        Ok(end)
    }

    /// Takes in one entry of the archive.
    fn entry<R: Read>(&mut self, header: &Header, reader: &mut Reader<R>) -> Result<(), Stop> {
        let Some(Split { parent, name }) = split(&header.name)? else {
            // The root itself is no entry of a layer.
            self.regenerates = false;
            return Ok(());
        };
        let problem = |problem| ApplyError::Name { name: header.name.clone().into(), problem };
        let meaning = |component| match whiteout::meaning(component) {
            Name::Plain => Name::Plain,
            _ if self.options.contents == Contents::Files => Name::Nonsense,
            name => name,
        };
        for component in parent.split(|&b| b == b'/') {
            match meaning(component) {
                Name::Plain => {}
                Name::Aufs => {
                    self.regenerates = false;
                    return Ok(());
                }
                _ => return Err(problem(Problem::Reserved).into()),
            }
        }
        match meaning(name) {
            Name::Plain => {
                let parent = self.parent(&parent, &header.name)?;
                self.plain(header, parent.child(name), reader)
            }
            Name::Removes(name) => {
                let parent = self.parent(&parent, &header.name)?;
                self.removed(parent.child(name), reader.blocks());
                Ok(())
            }
            Name::Opaque if parent.is_empty() => Err(problem(Problem::OpaqueRoot).into()),
            Name::Opaque => {
                let dir = self.parent(&parent, &header.name)?;
                self.opaque(&dir, reader.blocks());
                Ok(())
            }
            Name::Aufs => {
                self.regenerates = false;
                Ok(())
            }
            Name::Nonsense => Err(problem(Problem::Reserved).into()),
        }
    }

    /// Where the parent `raw` of `name` is; it exists from then on.
    fn parent(&mut self, raw: &[u8], name: &[u8]) -> Result<TreePath, Stop> {
        let parent = self.names.resolve(raw, name)?;
        for path in parent.missing {
            self.take_text(path.as_bytes().len())?;
            self.placer.make_directory(&path)?;
            self.names.add(Names::implied(path));
        }
        Ok(parent.path)
    }

    /// Counts the bytes of names, links and attributes, which stay in memory.
    fn take_text(&mut self, bytes: usize) -> Result<(), ApplyError> {
        self.text = self.text.saturating_add(bytes as u64);
        let limit = TEXT + TEXT_OF_ENTRY * self.entries;
        if self.text > limit {
            return Err(ApplyError::Text { entries: self.entries, bytes: limit });
        }
        Ok(())
    }

    /// An entry that is no mark.
    fn plain<R: Read>(
        &mut self,
        header: &Header,
        path: TreePath,
        reader: &mut Reader<R>,
    ) -> Result<(), Stop> {
        if path.as_bytes().len() > MAX_PATH {
            return Err(ApplyError::Name { name: header.name.clone().into(), problem: Problem::Long }.into());
        }
        if header.kind == HeaderKind::Hardlink {
            return self.hard_link(header, &path, reader.blocks());
        }
        let entry = describe(header, path)?;
        if entry.is_whiteout() && self.options.contents == Contents::Files {
            let (name, problem) = (header.name.clone().into(), Problem::WhiteoutDevice);
            return Err(ApplyError::Name { name, problem }.into());
        }
        if entry.is_whiteout() {
            self.regenerates = false;
            self.removed(entry.path, reader.blocks());
            return Ok(());
        }
        self.compare(&entry, reader.blocks());
        if self.names.get(&entry.path).is_some_and(Entry::is_directory) && entry.is_directory() {
            self.names.describe_directory(entry);
            return Ok(());
        }
        self.make_room(&entry.path)?;
        let node = self.names.add(entry.clone());
        match entry.kind {
            Kind::Directory { .. } => self.placer.make_directory(&entry.path)?,
            Kind::File { size, .. } => self.file(node, entry, size, reader)?,
            _ => self.placer.place(&entry)?,
        }
        Ok(())
    }

    /// The content of a file.
    fn file<R: Read>(
        &mut self,
        node: usize,
        entry: Entry,
        size: u64,
        reader: &mut Reader<R>,
    ) -> Result<(), Stop> {
        self.content = self.content.saturating_add(size);
        if self.content > self.options.max_bytes {
            return Err(ApplyError::Bytes { limit: self.options.max_bytes }.into());
        }
        if size <= PIECE as u64 {
            reader.read_exact(self.batch.add(node, entry, size as usize))?;
            return if self.batch.is_full() { self.flush() } else { Ok(()) };
        }
        let pieces = self.pool.send_large(self.scope, node, entry)?;
        let mut left = size;
        while left > 0 {
            let hole = reader.take_hole();
            let piece = if hole > 0 {
                Piece::Hole(hole)
            } else {
                let mut bytes = vec![0; left.min(PIECE as u64) as usize];
                reader.read_exact(&mut bytes)?;
                Piece::Bytes(bytes)
            };
            left -= piece.len();
            pieces.send(piece).map_err(|_| Failed)?;
        }
        Ok(())
    }

    fn hard_link(&mut self, header: &Header, path: &TreePath, blocks: &[u8]) -> Result<(), Stop> {
        let unusable = |problem| ApplyError::Target {
            name: header.name.clone().into(),
            target: header.link.clone().into(),
            problem,
        };
        let target = match split(&header.link) {
            Ok(Some(target)) => target,
            Ok(None) => return Err(unusable(Problem::Empty).into()),
            Err(ApplyError::Name { problem, .. }) => return Err(unusable(problem).into()),
            Err(error) => return Err(error.into()),
        };
        let parent = self.names.resolve(&target.parent, &header.name)?;
        let target = parent.path.child(target.name);
        let file = self.names.get(&target).filter(|entry| !entry.is_directory() && !entry.is_whiteout());
        let Some(file) = file.filter(|_| target != *path && parent.missing.is_empty()) else {
            return Err(ApplyError::LinkTarget { name: header.name.clone().into(), target }.into());
        };
        let kind = Kind::Hardlink { target: file.path.clone() };
        let entry = Entry { path: path.clone(), kind, ..file.clone() };
        self.compare(&entry, blocks);
        self.make_room(path)?;
        // Making room may have taken the target away, if it lay below.
        let Some(file) = self.names.get(&target) else {
            return Err(ApplyError::LinkTarget { name: header.name.clone().into(), target }.into());
        };
        self.links.push((file.path.clone(), path.clone()));
        self.names.add_link(&target, path);
        Ok(())
    }

    /// A mark for a removed path.
    fn removed(&mut self, path: TreePath, blocks: &[u8]) {
        let entry = Entry::whiteout(path);
        self.compare(&entry, blocks);
        match self.names.get(&entry.path) {
            None => {
                self.names.add(entry);
            }
            Some(present) => {
                self.regenerates = false;
                if present.is_directory() {
                    self.names.make_opaque(&entry.path);
                }
            }
        }
    }

    /// A mark for an opaque directory. Our writer puts it right behind the directory.
    fn opaque(&mut self, dir: &TreePath, blocks: &[u8]) {
        self.blocks.clear();
        let mark = Entry { kind: Kind::Directory { opaque: true }, ..Names::implied(dir.clone()) };
        let same = encode_header(&mark, &mut self.blocks).is_ok() && self.blocks == blocks;
        self.regenerates &= same && self.last == *dir;
        self.names.make_opaque(dir);
    }

    /// Sees whether our writer would have put `entry` here, with the same bytes.
    fn compare(&mut self, entry: &Entry, blocks: &[u8]) {
        if !self.regenerates {
            return;
        }
        self.blocks.clear();
        let same = encode_header(entry, &mut self.blocks).is_ok() && self.blocks == blocks;
        self.regenerates = same && self.last < entry.path;
        self.last = entry.path.clone();
    }

    /// Takes away what an entry at `path` replaces.
    fn make_room(&mut self, path: &TreePath) -> Result<(), Stop> {
        if self.names.get(path).is_none_or(Entry::is_whiteout) {
            return Ok(());
        }
        // What is replaced must be there, and what links to it must not lose it.
        self.flush()?;
        self.pool.drain()?;
        for (target, path) in self.links.drain(..) {
            self.placer.link(&target, &path)?;
        }
        for (path, directory) in self.names.remove(path) {
            if directory { self.placer.remove_directory(&path)? } else { self.placer.remove(&path)? }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Stop> {
        if !self.batch.is_empty() {
            let batch = std::mem::take(&mut self.batch);
            self.pool.send(self.scope, batch)?;
        }
        Ok(())
    }
}

/// A header as an entry of the layer. The digest of a file follows when it has been written.
fn describe(header: &Header, path: TreePath) -> Result<Entry, ApplyError> {
    let kind = match header.kind {
        HeaderKind::File => Kind::File { size: header.size, digest: Digest::from_bytes([0; 32]) },
        HeaderKind::Directory => Kind::Directory { opaque: false },
        HeaderKind::Symlink | HeaderKind::Hardlink => Kind::Symlink { target: link_text(header)? },
        HeaderKind::CharDevice(Device { major: 0, minor: 0 }) => Kind::Whiteout,
        HeaderKind::CharDevice(device) => Kind::CharDevice(device),
        HeaderKind::BlockDevice(device) => Kind::BlockDevice(device),
        HeaderKind::Fifo => Kind::Fifo,
    };
    Ok(Entry {
        // The kernel has no other permissions for links.
        mode: if matches!(kind, Kind::Symlink { .. }) { 0o777 } else { header.mode },
        uid: header.uid,
        gid: header.gid,
        xattrs: header.xattrs.iter().filter(|xattr| Xattr::is_kept(&xattr.name)).cloned().collect(),
        ..Entry::new(path, kind, header.mode, header.mtime)
    })
}

fn link_text(header: &Header) -> Result<Box<[u8]>, ApplyError> {
    let problem = match &header.link[..] {
        [] => Problem::Empty,
        text if text.len() > MAX_TARGET => Problem::Long,
        text if text.contains(&0) => Problem::Zero,
        text => return Ok(text.into()),
    };
    Err(ApplyError::Target { name: header.name.clone().into(), target: header.link.clone().into(), problem })
}

/// Takes a name apart, cleaned of empty and `.` components; `None` for the root.
fn split(name: &[u8]) -> Result<Option<Split<'_>>, ApplyError> {
    let refuse = |problem| Err(ApplyError::Name { name: name.into(), problem });
    if name.contains(&0) {
        return refuse(Problem::Zero);
    }
    if name.len() > MAX_PATH + WHITEOUT_PREFIX.len() {
        return refuse(Problem::Long);
    }
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in name.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => return refuse(Problem::Up),
            part if part.len() > MAX_COMPONENT => return refuse(Problem::Long),
            part => parts.push(part),
        }
    }
    Ok(parts.pop().map(|name| Split { parent: parts.join(&b'/'), name }))
}
