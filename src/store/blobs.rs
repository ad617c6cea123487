//! Blobs: write-once files named by their digest.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;

use rusqlite::OptionalExtension as _;

use super::Store;
use super::database::Stored;
use super::error::StoreError;
use super::work::{WorkDir, random_name};
use crate::oci::digest::Digester;
use crate::oci::{BlobDigest, DiffId, Digest};

/// Which content a blob must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever was written.
    Any,
    /// This.
    Exactly(BlobDigest),
}

/// A blob that is being written. It becomes one by [`BlobWriter::commit`]; dropped before that, it goes with its work
/// directory.
#[derive(Debug)]
#[must_use = "a blob exists only after commit"]
pub struct BlobWriter<'s> {
    store: &'s Store,
    out: Digester<File>,
    path: PathBuf,
}

/// A blob that has been written and checked. Its file is closed: there may be many of them at a time.
#[derive(Debug)]
#[must_use = "a blob exists only after publish"]
pub struct WrittenBlob<'s> {
    store: &'s Store,
    path: PathBuf,
    digest: BlobDigest,
    size: u64,
}

impl Store {
    /// Starts a blob; its bytes gather in `work`.
    pub fn blob_writer(&self, work: &WorkDir) -> Result<BlobWriter<'_>, StoreError> {
        let path = work.path().join(random_name()?);
        let file = File::create_new(&path).map_err(|e| StoreError::io("make", &path, e))?;
        Ok(BlobWriter { store: self, out: Digester::new(file), path })
    }

    /// Stores a small blob that is in memory.
    pub fn put_blob(&self, work: &WorkDir, bytes: &[u8]) -> Result<BlobDigest, StoreError> {
        let digest = BlobDigest(Digest::of(bytes));
        if self.blob_size(&digest)?.is_some() {
            return Ok(digest);
        }
        let mut writer = self.blob_writer(work)?;
        writer.write_all(bytes).map_err(|e| StoreError::io("write", &writer.path, e))?;
        writer.commit(Expected::Exactly(digest))
    }

    /// Opens a blob for reading.
    pub fn open_blob(&self, digest: &BlobDigest) -> Result<File, StoreError> {
        let path = self.blob_path(digest);
        File::open(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => StoreError::NoBlob(*digest),
            _ => StoreError::io("open", &path, e),
        })
    }

    /// Reads a small blob (a config, a manifest) and verifies it.
    pub fn read_blob(&self, digest: &BlobDigest) -> Result<Vec<u8>, StoreError> {
        let path = self.blob_path(digest);
        let bytes = fs::read(&path).map_err(|e| match e.kind() {
            io::ErrorKind::NotFound => StoreError::NoBlob(*digest),
            _ => StoreError::io("read", &path, e),
        })?;
        let found = Digest::of(&bytes);
        if found != digest.0 {
            return Err(StoreError::Mismatch { expected: digest.0, found });
        }
        Ok(bytes)
    }

    /// The size of a blob in bytes; `None` if the store has none of this digest.
    pub fn blob_size(&self, digest: &BlobDigest) -> Result<Option<u64>, StoreError> {
        self.database
            .read("look for a blob", |c| {
                c.prepare_cached("SELECT size FROM blobs WHERE digest = ?1")?
                    .query_row([Stored(digest.0)], |row| row.get::<_, i64>(0))
                    .optional()
            })
            .map(|size| size.map(|size| size as u64))
    }

    /// The compressed blob of a layer that was made before in the encoding that `encoding` names.
    pub fn encoding(&self, layer: &DiffId, encoding: &str) -> Result<Option<BlobDigest>, StoreError> {
        let found = self.database.read("look for an encoding", |c| {
            c.prepare_cached("SELECT digest FROM encodings WHERE diff_id = ?1 AND encoding = ?2")?
                .query_row((Stored(layer.0), encoding), |row| row.get::<_, Stored>(0))
                .optional()
        })?;
        Ok(found.map(|stored| BlobDigest(stored.0)))
    }

    /// Remembers that `blob` is `layer` in the encoding that `encoding` names.
    pub fn set_encoding(&self, layer: &DiffId, encoding: &str, blob: &BlobDigest) -> Result<(), StoreError> {
        self.database.write("remember an encoding", |t| {
            t.execute(
                "INSERT OR REPLACE INTO encodings (diff_id, encoding, digest) VALUES (?1, ?2, ?3)",
                (Stored(layer.0), encoding, Stored(blob.0)),
            )
        })?;
        Ok(())
    }

    pub(super) fn blob_path(&self, digest: &BlobDigest) -> PathBuf {
        self.root.join("blobs/sha256").join(digest.digest().hex())
    }
}

impl<'s> BlobWriter<'s> {
    /// Checks what was written and makes it a blob.
    pub fn commit(self, expected: Expected) -> Result<BlobDigest, StoreError> {
        self.finish(expected)?.publish()
    }

    /// Checks what was written, and leaves it where it is.
    pub fn finish(self, expected: Expected) -> Result<WrittenBlob<'s>, StoreError> {
        let Self { store, out, path } = self;
        let (_, found, size) = out.finish();
        match expected {
            Expected::Exactly(wanted) if wanted.0 != found => {
                Err(StoreError::Mismatch { expected: wanted.0, found })
            }
            _ => Ok(WrittenBlob { store, path, digest: BlobDigest(found), size }),
        }
    }
}

impl WrittenBlob<'_> {
    /// Its name.
    pub fn digest(&self) -> BlobDigest {
        self.digest
    }

    /// Makes it a blob.
    pub fn publish(self) -> Result<BlobDigest, StoreError> {
        let Self { store, path, digest, size } = self;
        let _publishing = store.publishing()?;
        let place = store.blob_path(&digest);
        fs::rename(&path, &place).map_err(|e| StoreError::io("put in place", &place, e))?;
        store.database.write("record a blob", |t| {
            t.execute(
                "INSERT INTO blobs (digest, size, boot) VALUES (?1, ?2, ?3)
                 ON CONFLICT (digest) DO UPDATE SET boot = excluded.boot, synced = 0",
                (Stored(digest.0), size as i64, &store.boot),
            )
        })?;
        Ok(digest)
    }
}

impl Write for BlobWriter<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.out.write(buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
