//! What the store holds, listed for accounts and for pruning: nothing is changed or held here.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::Store;
use super::collect::names;
use super::database::digest;
use super::error::StoreError;
use crate::oci::{BlobDigest, DiffId, Digest};
use crate::sys::lock::{Lock, Mode};

/// A layer with cache records: what a build step made.
#[derive(Debug, Clone)]
pub struct CachedLayer {
    /// The layer.
    pub layer: DiffId,
    /// How many records name it.
    pub records: u64,
    /// What the newest of them says.
    pub details: Vec<u8>,
    /// When the first one was written, in seconds since 1970.
    pub created: i64,
    /// When one was used last, likewise.
    pub last_use: i64,
}

/// A compressed form of a layer that an export made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodingRow {
    /// The layer.
    pub layer: DiffId,
    /// The compression and its level.
    pub encoding: String,
    /// The blob.
    pub blob: BlobDigest,
}

/// A directory or file that is kept for later builds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stashed {
    /// What it is called below its place in the store.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// What it is, in the words that were kept with it; may be empty.
    pub about: String,
    /// When it came, as far as that can be told.
    pub created: SystemTime,
    /// When it was used last, likewise.
    pub last_use: SystemTime,
    /// Whether somebody uses it now.
    pub in_use: bool,
}

impl Store {
    /// All layers that cache records name.
    pub fn cached_layers(&self) -> Result<Vec<CachedLayer>, StoreError> {
        self.database.read("list cache records", |c| {
            c.prepare(
                "SELECT r.diff_id, t.records, r.details, t.created, t.last_use FROM records r
                 JOIN (SELECT max(id) AS newest, count(*) AS records, min(created) AS created,
                       max(last_use) AS last_use FROM records GROUP BY diff_id) t ON t.newest = r.id
                 WHERE r.diff_id IN (SELECT diff_id FROM layers)",
            )?
            .query_map([], |row| {
                Ok(CachedLayer {
                    layer: DiffId(digest(row, 0)?),
                    records: row.get::<_, i64>(1)? as u64,
                    details: row.get(2)?,
                    created: row.get(3)?,
                    last_use: row.get(4)?,
                })
            })?
            .collect()
        })
    }

    /// The directories of each layer that has a row, relative to the root, topmost first.
    pub fn layer_parts(&self) -> Result<BTreeMap<DiffId, Vec<String>>, StoreError> {
        self.database.read("list the parts of layers", |c| {
            let mut parts: BTreeMap<DiffId, Vec<String>> = BTreeMap::new();
            let mut query = c.prepare("SELECT diff_id, path FROM parts ORDER BY diff_id, ordinal")?;
            let mut rows = query.query([])?;
            while let Some(row) = rows.next()? {
                parts.entry(DiffId(digest(row, 0)?)).or_default().push(row.get(1)?);
            }
            Ok(parts)
        })
    }

    /// All compressed forms of layers that exports made.
    pub fn encodings(&self) -> Result<Vec<EncodingRow>, StoreError> {
        self.database.read("list encodings", |c| {
            c.prepare("SELECT diff_id, encoding, digest FROM encodings ORDER BY diff_id, encoding")?
                .query_map([], |row| {
                    Ok(EncodingRow {
                        layer: DiffId(digest(row, 0)?),
                        encoding: row.get(1)?,
                        blob: BlobDigest(digest(row, 2)?),
                    })
                })?
                .collect()
        })
    }

    /// The blobs that layers are kept as, each with its layer.
    pub fn layer_sources(&self) -> Result<Vec<(DiffId, BlobDigest)>, StoreError> {
        self.database.read("list the blobs of layers", |c| {
            c.prepare("SELECT diff_id, source FROM layers WHERE source IS NOT NULL")?
                .query_map([], |row| Ok((DiffId(digest(row, 0)?), BlobDigest(digest(row, 1)?))))?
                .collect()
        })
    }

    /// Where a blob is.
    pub fn blob_file(&self, digest: &Digest) -> PathBuf {
        self.blob_path(&BlobDigest(*digest))
    }

    /// The directories that cache mounts have filled, by `KEY/NUMBER`.
    pub fn cache_mounts(&self) -> Result<Vec<Stashed>, StoreError> {
        let mut mounts = Vec::new();
        for key in listed(&self.root.join("mounts"))? {
            let all = self.root.join("mounts").join(&key);
            let about = fs::read_to_string(all.join("about")).unwrap_or_default();
            for number in listed(&all)?.into_iter().filter(|name| name != "about") {
                let place = all.join(&number);
                if place.join("data").is_dir() {
                    mounts.push(Stashed {
                        created: modified(&all.join("about")),
                        last_use: modified(&place.join("lock")),
                        in_use: is_held(&place.join("lock")),
                        name: format!("{key}/{number}"),
                        path: place.join("data"),
                        about: about.clone(),
                    });
                }
            }
        }
        Ok(mounts)
    }

    /// Files that were fetched, by what their directories are called.
    pub fn fetched_files(&self) -> Result<Vec<Stashed>, StoreError> {
        self.stashed("sources/http", "", "lock", "meta.json")
    }

    /// Mirrors of Git repositories, by what their directories are called.
    pub fn git_mirrors(&self) -> Result<Vec<Stashed>, StoreError> {
        self.stashed("sources/git", "git", "lock", "HEAD")
    }

    /// Directories of `place` whose names end with `extension`; each has its lock beside it, and was made when its file
    /// `born` was.
    fn stashed(
        &self,
        place: &str,
        extension: &str,
        lock: &str,
        born: &str,
    ) -> Result<Vec<Stashed>, StoreError> {
        let place = self.root.join(place);
        let mut all = Vec::new();
        for name in listed(&place)? {
            let path = place.join(&name);
            if !path.is_dir() || path.extension().unwrap_or_default() != extension {
                continue;
            }
            all.push(Stashed {
                created: modified(&path.join(born)),
                last_use: modified(&path),
                in_use: is_held(&path.with_extension(lock)),
                about: fs::read_to_string(path.join(ABOUT)).unwrap_or_default(),
                name,
                path,
            });
        }
        Ok(all)
    }

    /// Stat caches of contexts, by the digest of the context's path.
    pub fn stat_caches(&self) -> Result<Vec<Stashed>, StoreError> {
        let place = self.root.join("stat");
        let stashed = |name: String| {
            let path = place.join(&name);
            let (created, last_use) = (modified(&path), modified(&path));
            Stashed { name, path, about: String::new(), created, last_use, in_use: false }
        };
        Ok(listed(&place)?.into_iter().map(stashed).collect())
    }

    /// Whether somebody looks at what is kept of a failed step.
    pub fn is_kept_in_use(&self, id: &str) -> bool {
        is_held(&self.kept_place(id).join("lock"))
    }

    /// Where what is kept of a failed step lies.
    pub fn kept_place(&self, id: &str) -> PathBuf {
        self.all_kept().join(id)
    }
}

/// The file in a directory of `sources` that says in words what was fetched.
pub(super) const ABOUT: &str = "about";

/// The names in a directory that may not be there.
pub(super) fn listed(directory: &Path) -> Result<Vec<String>, StoreError> {
    if directory.is_dir() { names(directory) } else { Ok(Vec::new()) }
}

/// When a file was changed last; the beginning of time for one that is not there.
fn modified(path: &Path) -> SystemTime {
    fs::metadata(path).and_then(|metadata| metadata.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

/// Whether somebody holds the lock at `path`, which is not made if it is not there.
fn is_held(path: &Path) -> bool {
    path.exists() && matches!(Lock::try_lock(path, Mode::Exclusive), Ok(None))
}
