//! Writes blobs and the documents that list them, as a tar or as a directory.
//!
//! Owns the order and the metadata of the files. Must not know what the documents say.

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use crate::layer::{END, encode_header, padding};
use crate::oci::Digest;
use crate::oci::layout::{BLOBS_DIR, INDEX_FILE, blob_path};
use crate::progress::Step;
use crate::tree::{Entry, Kind, Time, TreePath};

use super::Session;
use super::destination::{NewFile, Out};
use super::error::ExportError;
use super::layer_source;
use super::meter::Meter;
use super::pack::{Blobs, Content};

/// The files of a layout.
#[derive(Debug)]
pub(super) struct BlobFiles {
    /// What lies in `blobs/sha256/`.
    pub(super) blobs: Blobs,
    /// What lies beside `blobs/`, by name.
    pub(super) documents: BTreeMap<&'static str, Vec<u8>>,
}

impl BlobFiles {
    /// Writes everything as a tar. Entries are in the order of their names, as Docker has them.
    pub(super) fn write_tar(
        &self,
        session: Session<'_>,
        out: &mut Out<'_>,
        step: &Step<'_>,
    ) -> Result<(), ExportError> {
        let meter = self.meter(session, step);
        for directory in [BLOBS_DIR.to_owned(), format!("{BLOBS_DIR}/{}", Digest::ALGORITHM)] {
            write_header(out, &Entry::directory(directory.as_str().into(), 0o755, Time::default()))?;
        }
        for (digest, (size, content)) in &self.blobs {
            write_header(out, &file(&blob_path(digest), *size, *digest))?;
            write_content(session, content, out, &meter)?;
            out.write_all(&END[..padding(*size)]).map_err(ExportError::write)?;
        }
        for (name, bytes) in &self.documents {
            write_header(out, &file(name, bytes.len() as u64, Digest::of(bytes)))?;
            out.write_all(bytes).map_err(ExportError::write)?;
            out.write_all(&END[..padding(bytes.len() as u64)]).map_err(ExportError::write)?;
        }
        out.write_all(&END).map_err(ExportError::write)
    }

    /// Writes everything into `dir`. The index comes last, so that a reader never finds a blob missing; a blob that
    /// is there already stays.
    pub(super) fn write_directory(
        &self,
        session: Session<'_>,
        dir: &Path,
        step: &Step<'_>,
    ) -> Result<(), ExportError> {
        let meter = self.meter(session, step);
        let blobs = dir.join(BLOBS_DIR).join(Digest::ALGORITHM);
        fs::create_dir_all(&blobs).map_err(|source| ExportError::io("make", &blobs, source))?;
        for (digest, (size, content)) in &self.blobs {
            let path = dir.join(blob_path(digest));
            if fs::metadata(&path).is_ok_and(|there| there.is_file() && there.len() == *size) {
                meter.add(*size).map_err(|_| ExportError::Canceled)?;
                continue;
            }
            let mut file = NewFile::create(&path)?;
            write_content(session, content, &mut file.out(), &meter)?;
            file.commit()?;
        }
        let (index, others): (Vec<_>, Vec<_>) =
            self.documents.iter().partition(|(name, _)| **name == INDEX_FILE);
        for (name, bytes) in others.into_iter().chain(index) {
            let path = dir.join(name);
            let mut file = NewFile::create(&path)?;
            file.out().write_all(bytes).map_err(|source| ExportError::io("write", &path, source))?;
            file.commit()?;
        }
        Ok(())
    }

    fn meter<'a>(&self, session: Session<'a>, step: &'a Step<'a>) -> Meter<'a> {
        Meter::new(step, session.cancel, Some(self.blobs.values().map(|(size, _)| size).sum()))
    }
}

fn file(name: &str, size: u64, digest: Digest) -> Entry {
    Entry::new(TreePath::from(name), Kind::File { size, digest }, 0o644, Time::default())
}

fn write_header(out: &mut Out<'_>, entry: &Entry) -> Result<(), ExportError> {
    let mut blocks = Vec::new();
    encode_header(entry, &mut blocks)?;
    out.write_all(&blocks).map_err(ExportError::write)
}

fn write_content(
    session: Session<'_>,
    content: &Content,
    out: &mut Out<'_>,
    meter: &Meter<'_>,
) -> Result<(), ExportError> {
    match content {
        Content::Bytes(bytes) => {
            io::copy(&mut &bytes[..], &mut meter.metered(out)).map_err(ExportError::write)?;
            Ok(())
        }
        Content::Fresh(blob) => layer_source::copy_blob(session, blob, out, meter),
        Content::Blob(blob) => layer_source::write_blob(session, blob, out, meter),
        Content::Tar(layer) => layer_source::write_tar(session, layer, out, meter),
    }
}
