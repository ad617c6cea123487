//! Whether a layer's directories hold what its index says, and give the tar that it is named after.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use super::super::Engine;
use crate::layer::{Decompressor, Limits, Parts, StreamError, StreamOptions, stream};
use crate::oci::digest::Digester;
use crate::oci::{DiffId, Digest};
use crate::store::{Layer, StoreError, TarSource};
use crate::sys::reach::Reach;
use crate::tree::{Entry, Index, Kind, TreePath};

/// What is wrong with a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LayerProblem {
    /// Its index cannot be read.
    Index(String),
    /// Something is not as the index has it.
    Entry {
        /// Where.
        path: TreePath,
        /// What about it.
        what: &'static str,
    },
    /// Something is there that the index has not.
    Extra(PathBuf),
    /// The contents cannot be read, or are others.
    Content(String),
    /// What comes out is not the tar that it is named after.
    Tar(Digest),
}

impl Engine {
    /// What is wrong with a layer; `None` also if it is gone. Contents are read unless `quick` is set.
    pub(super) fn layer_problem(
        &self,
        diff_id: &DiffId,
        quick: bool,
    ) -> Result<Option<LayerProblem>, StoreError> {
        let Some(layer) = self.store.peek_layer(diff_id)? else { return Ok(None) };
        let index = match self.store.layer_index(diff_id).and_then(|index| Ok(index.read_all()?)) {
            Ok(index) => index,
            Err(error) => return Ok(Some(LayerProblem::Index(error.to_string()))),
        };
        let marks = self.store.has_overlays();
        let on_disk = |entry: &&Entry| marks || !matches!(entry.kind, Kind::Whiteout);
        for entry in index.entries().iter().filter(on_disk) {
            let Some(part) = layer.parts.get(usize::from(entry.part)) else {
                let what = "is in a part that the layer has not";
                return Ok(Some(LayerProblem::Entry { path: entry.path.clone(), what }));
            };
            if let Some(what) = difference(&part.join(entry.path.as_path()), entry) {
                return Ok(Some(LayerProblem::Entry { path: entry.path.clone(), what }));
            }
        }
        if let Some(extra) = extra(&layer, &index) {
            return Ok(Some(LayerProblem::Extra(extra)));
        }
        if quick {
            return Ok(None);
        }
        Ok(match self.digest_of_tar(&layer, &index) {
            Ok(found) if found == diff_id.0 => None,
            Ok(found) => Some(LayerProblem::Tar(found)),
            Err(error) => Some(LayerProblem::Content(error)),
        })
    }

    /// The digest of a layer's tar, as it would go out now.
    fn digest_of_tar(&self, layer: &Layer, index: &Index) -> Result<Digest, String> {
        let mut tar = Digester::new(io::sink());
        // Contents are compared one by one, so that the file that is damaged can be named.
        let options = StreamOptions { threads: 1, ..StreamOptions::default() };
        let read = stream(index.entries(), &Parts(&layer.parts), &mut tar, options);
        read.map_err(|error| match error {
            StreamError::Content(error) => error.to_string(),
            other => other.to_string(),
        })?;
        let TarSource::Blob(blob) = layer.source else { return Ok(tar.finish().1) };
        let mut tar = Digester::new(io::sink());
        let file = self.store.open_blob(&blob).map_err(|error| error.to_string())?;
        let mut plain = Decompressor::new(file, Limits::NONE).map_err(|error| error.to_string())?;
        io::copy(&mut plain, &mut tar).map_err(|error| error.to_string())?;
        Ok(tar.finish().1)
    }
}

/// In what the file at `path` is another than `entry` says.
fn difference(path: &Path, entry: &Entry) -> Option<&'static str> {
    let found = Reach::to(path).and_then(|path| Ok((fs::symlink_metadata(&path)?, path)));
    let Ok((metadata, path)) = found else { return Some("is missing") };
    let kind = metadata.file_type();
    let same_type = match &entry.kind {
        Kind::File { size, .. } => {
            if kind.is_file() && metadata.len() != *size {
                return Some("has another size");
            }
            kind.is_file()
        }
        Kind::Directory { .. } => kind.is_dir(),
        Kind::Symlink { target } => {
            let text = fs::read_link(path);
            if text.is_ok_and(|text| text.as_os_str().as_bytes() != &**target) {
                return Some("leads elsewhere");
            }
            kind.is_symlink()
        }
        // What it is another name of is an entry of its own.
        Kind::Hardlink { .. } => return kind.is_dir().then_some("is something else"),
        Kind::CharDevice(device) | Kind::BlockDevice(device) => {
            let number = rustix::fs::makedev(device.major, device.minor);
            (kind.is_char_device() || kind.is_block_device()) && metadata.rdev() == number
        }
        Kind::Fifo => kind.is_fifo(),
        Kind::Socket => kind.is_socket(),
        Kind::Whiteout => {
            return (!kind.is_char_device() || metadata.rdev() != 0).then_some("is not removed");
        }
    };
    if !same_type {
        return Some("is something else");
    }
    if entry.implied {
        return None;
    }
    if !kind.is_symlink() && metadata.mode() & 0o7777 != entry.mode {
        return Some("has another mode");
    }
    if (metadata.uid(), metadata.gid()) != (entry.uid, entry.gid) {
        return Some("has another owner");
    }
    (!kind.is_dir() && !is_kept_as(entry.mtime.seconds, metadata.mtime())).then_some("has another time")
}

/// Whether a file system that was given the time `given` may have `found`. Of one that it cannot hold it takes the
/// nearest that it can; there is none that ends before 2038 or begins after 1970.
fn is_kept_as(given: i64, found: i64) -> bool {
    given == found || (given > found && found >= i32::MAX.into()) || (given < found && found <= 0)
}

/// Something in the layer's own part that is not in its index.
fn extra(layer: &Layer, index: &Index) -> Option<PathBuf> {
    let root = layer.parts.first()?;
    let known: HashSet<&Path> = index.entries().iter().map(|entry| entry.path.as_path()).collect();
    let mut waiting = vec![PathBuf::new()];
    while let Some(directory) = waiting.pop() {
        let place = root.join(&directory);
        let listed = Reach::to(&place).and_then(fs::read_dir);
        for entry in listed.ok()?.filter_map(Result::ok) {
            let path = directory.join(entry.file_name());
            if !known.contains(path.as_path()) {
                return Some(path);
            }
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                waiting.push(path);
            }
        }
    }
    None
}
