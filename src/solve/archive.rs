//! Archives among the sources of an ADD.
//!
//! Owns how they are told from other files, by their content, and how they become pieces: each is unpacked into a
//! directory of the step's own, by the reader that layers pass through, so that nothing in it leads out of there or is
//! without limits. Must not know where the pieces go.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use crate::exec::CancelToken;
use crate::layer::{
    ApplyError, ApplyOptions, ArchiveError, Contents, Decompressor, Limits, Marks, apply, begins_tar,
};
use crate::oci::digest::Digester;
use crate::tree::{Entry, Index, Kind, TreePath};

use super::context::Context;
use super::error::StepError;
use super::source::{ItemKind, Origin, Piece, SourceItem};

/// Unpacks archives for one step.
pub(super) struct Unpacker<'a> {
    /// Where files of the context are opened.
    pub(super) context: Option<&'a Context>,
    /// A directory of the step's own.
    pub(super) scratch: &'a Path,
    pub(super) cancel: &'a CancelToken,
    /// How many archives there were.
    pub(super) count: usize,
}

impl Unpacker<'_> {
    /// What is in `item`, if it is an archive, or `item` itself.
    pub(super) fn unpacked(&mut self, item: SourceItem) -> Result<SourceItem, StepError> {
        let [Piece { entry, origin: Some(origin), .. }] = &item.pieces[..] else { return Ok(item) };
        let Kind::File { digest: expected, .. } = entry.kind else { return Ok(item) };
        let is_archive = |file| Decompressor::new(file, Limits::FOREIGN).is_ok_and(begins_tar);
        if item.kind != ItemKind::File || !is_archive(origin.open(self.context)?) {
            return Ok(item);
        }
        let directory = self.scratch.join(format!("archive-{}", self.count));
        self.count += 1;
        let mut file = Digester::new(Cancelable { inner: origin.open(self.context)?, cancel: self.cancel });
        let index = unpack(&mut file, &directory)?;
        // What follows the archive belongs to the file as well.
        let rest = io::copy(&mut file, &mut io::sink());
        if self.cancel.is_canceled() {
            return Err(StepError::Canceled);
        }
        // If the file is not what the key was made of, that is the better explanation of what went wrong with it.
        if rest.is_ok() && file.finish().1 != expected {
            return Err(StepError::Changed(item.real));
        }
        let index = index.map_err(|source| StepError::Unpack { path: item.real.clone(), source })?;
        Ok(SourceItem { kind: ItemKind::Archive, pieces: pieces(&index, &directory), ..item })
    }
}

/// Unpacks `archive` into the new directory `place`.
fn unpack(archive: impl Read, place: &Path) -> Result<Result<Index, ApplyError>, StepError> {
    let failed = |operation| move |source| StepError::Io { operation, path: place.to_owned(), source };
    fs::create_dir(place).map_err(failed("make"))?;
    let root = File::open(place).map_err(failed("open"))?;
    let options = ApplyOptions {
        contents: Contents::Files,
        max_bytes: Limits::FOREIGN.bytes,
        ..ApplyOptions::new(Marks::None)
    };
    Ok(Decompressor::new(archive, Limits::FOREIGN)
        .map_err(|source| ArchiveError::Read { source }.into())
        .and_then(|tar| apply(tar, root.into(), options))
        .map(|applied| applied.index))
}

/// The entries of an archive that lies unpacked in `place`. Directories that it does not list are made when something
/// in them is put somewhere.
fn pieces(index: &Index, place: &Path) -> Vec<Piece> {
    let carrier = |entry: &Entry| -> TreePath {
        match &entry.kind {
            Kind::Hardlink { target } => target.clone(),
            _ => entry.path.clone(),
        }
    };
    let number = |path: &TreePath| index.entries().binary_search_by(|entry| entry.path.cmp(path)).ok();
    let piece = |entry: &Entry| {
        let carrier = carrier(entry);
        let file = number(&carrier)?;
        let carried = &index.entries()[file];
        let is_file = matches!(carried.kind, Kind::File { .. });
        Some(Piece {
            entry: Entry { path: entry.path.clone(), ..carried.clone() },
            origin: is_file.then(|| Origin::File(place.join(carrier.as_path()))),
            file: (!carried.is_directory()).then_some(file),
        })
    };
    index.entries().iter().filter(|entry| !entry.implied).filter_map(piece).collect()
}

/// Stops giving bytes when the build is canceled.
struct Cancelable<'a, R> {
    inner: R,
    cancel: &'a CancelToken,
}

impl<R: Read> Read for Cancelable<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancel.is_canceled() {
            return Err(io::Error::other("canceled"));
        }
        self.inner.read(buffer)
    }
}
