//! The SQLite database: opening, schema, transactions.

use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::types::{FromSql, FromSqlError, FromSqlResult, ToSqlOutput, ValueRef};
use rusqlite::{Connection, Row, ToSql, Transaction, TransactionBehavior};

use super::error::StoreError;
use crate::oci::Digest;

/// What `PRAGMA user_version` must say, once the steps that a database lacks have been taken.
const FORMAT: i64 = STEPS.len() as i64;

/// What makes a database of each format from one of the format before; the first makes it from nothing. A step that has
/// been released is never changed.
const STEPS: [&str; 5] = [FIRST, REGISTRIES, CONTAINERS, INDEXES, LEASES];

const FIRST: &str = "
CREATE TABLE blobs (
    digest BLOB PRIMARY KEY, size INTEGER NOT NULL, boot TEXT NOT NULL, synced INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE layers (
    diff_id BLOB PRIMARY KEY, content BLOB NOT NULL, tar_size INTEGER NOT NULL, size INTEGER NOT NULL, source BLOB, implied INTEGER NOT NULL,
    boot TEXT NOT NULL, synced INTEGER NOT NULL DEFAULT 0, created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE parts (
    diff_id BLOB NOT NULL REFERENCES layers ON DELETE CASCADE, ordinal INTEGER NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (diff_id, ordinal)
) WITHOUT ROWID;
CREATE INDEX parts_by_path ON parts (path);
CREATE TABLE images (
    manifest BLOB PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, config BLOB NOT NULL,
    created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE refs (name TEXT PRIMARY KEY, manifest BLOB NOT NULL REFERENCES images ON DELETE CASCADE) WITHOUT ROWID;
CREATE INDEX refs_by_manifest ON refs (manifest);
CREATE TABLE records (
    id INTEGER PRIMARY KEY, action BLOB NOT NULL, chain BLOB NOT NULL, family BLOB NOT NULL, diff_id BLOB NOT NULL,
    content BLOB NOT NULL, details BLOB NOT NULL, created INTEGER NOT NULL, last_use INTEGER NOT NULL
);
CREATE INDEX records_by_action ON records (action, chain);
CREATE INDEX records_by_family ON records (family, id);
CREATE INDEX records_by_result ON records (chain, content);
CREATE INDEX records_by_layer ON records (diff_id);
CREATE TABLE memos (key BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE encodings (
    diff_id BLOB NOT NULL, encoding TEXT NOT NULL, digest BLOB NOT NULL, PRIMARY KEY (diff_id, encoding)
) WITHOUT ROWID;
CREATE TABLE leases (work TEXT NOT NULL, diff_id BLOB NOT NULL, PRIMARY KEY (work, diff_id)) WITHOUT ROWID;
";

const REGISTRIES: &str = "
CREATE TABLE repo_digests (
    repository TEXT NOT NULL, digest BLOB NOT NULL, manifest BLOB NOT NULL REFERENCES images ON DELETE CASCADE,
    PRIMARY KEY (repository, digest, manifest)
) WITHOUT ROWID;
CREATE INDEX repo_digests_by_manifest ON repo_digests (manifest);
CREATE TABLE distributed (
    digest BLOB NOT NULL, repository TEXT NOT NULL, last_use INTEGER NOT NULL, PRIMARY KEY (digest, repository)
) WITHOUT ROWID;
";

const CONTAINERS: &str = "
CREATE TABLE containers (
    id TEXT PRIMARY KEY, name TEXT NOT NULL UNIQUE, image BLOB NOT NULL, layer BLOB, details BLOB NOT NULL,
    created INTEGER NOT NULL, finished INTEGER, code INTEGER
) WITHOUT ROWID;
CREATE TABLE container_layers (
    container TEXT NOT NULL REFERENCES containers ON DELETE CASCADE, ordinal INTEGER NOT NULL, diff_id BLOB NOT NULL,
    PRIMARY KEY (container, ordinal)
) WITHOUT ROWID;
";

const INDEXES: &str = "
CREATE TABLE indexes (
    digest BLOB PRIMARY KEY, media_type TEXT NOT NULL, size INTEGER NOT NULL, created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE index_images (
    index_digest BLOB NOT NULL REFERENCES indexes ON DELETE CASCADE, ordinal INTEGER NOT NULL,
    manifest BLOB NOT NULL REFERENCES images, PRIMARY KEY (index_digest, ordinal)
) WITHOUT ROWID;
CREATE INDEX index_images_by_manifest ON index_images (manifest);
CREATE TABLE index_blobs (
    index_digest BLOB NOT NULL REFERENCES indexes ON DELETE CASCADE, blob BLOB NOT NULL,
    PRIMARY KEY (index_digest, blob)
) WITHOUT ROWID;
ALTER TABLE refs ADD COLUMN index_digest BLOB REFERENCES indexes ON DELETE SET NULL;
CREATE INDEX refs_by_index ON refs (index_digest);
";

/// They are files of the work directories now.
const LEASES: &str = "DROP TABLE leases;";

/// How long a transaction waits for those of others.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the log may be when a build has ended, in bytes.
const LOG_MAX: u64 = 256 << 10;

/// The connection, shared by the threads of one process.
#[derive(Debug)]
pub(super) struct Database(Mutex<Connection>);

impl Database {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path).map_err(failed("open a file"))?;
        connection.busy_timeout(PATIENCE).map_err(failed("set a time-out"))?;
        // A checkpoint at the end of every command would sync the disk each time: see `fold_log`.
        connection
            .set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .map_err(failed("set the checkpoints"))?;
        // NORMAL: a commit is atomic but not durable by itself; the sync at the end of a build makes it so.
        connection
            .execute_batch(
                "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA foreign_keys = ON;",
            )
            .map_err(failed("set the journal mode"))?;
        let database = Self(Mutex::new(connection));
        database.make_schema(path)?;
        Ok(database)
    }

    fn make_schema(&self, path: &Path) -> Result<(), StoreError> {
        let version = |connection: &Connection| {
            connection.query_row("PRAGMA user_version", [], |row| row.get::<_, i64>(0))
        };
        let mut found = self.read("read the format", version)?;
        if (0..FORMAT).contains(&found) {
            // Two processes may make the store at once: the one that comes second finds the schema there.
            found = self.write("make the schema", |transaction| {
                let found = version(transaction)?;
                let lacking = usize::try_from(found).ok().and_then(|found| STEPS.get(found..)).unwrap_or(&[]);
                for step in lacking {
                    transaction.execute_batch(step)?;
                }
                let format = found.max(FORMAT);
                transaction.pragma_update(None, "user_version", format)?;
                Ok(format)
            })?;
        }
        if found == FORMAT {
            return Ok(());
        }
        let root = path.parent().unwrap_or(path).to_owned();
        Err(StoreError::Format { root, found, expected: FORMAT })
    }

    /// Asks without changing anything.
    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(&self.0.lock().unwrap_or_else(PoisonError::into_inner)).map_err(failed(operation))
    }

    /// One transaction. It takes the write lock at its start, because a transaction that reads first and writes
    /// then fails at once, whatever the time-out, when another process wrote in between.
    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        let mut connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let run = || {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let result = change(&transaction)?;
            transaction.commit()?;
            Ok(result)
        };
        run().map_err(failed(operation))
    }

    /// Writes the log into the database, if it has grown and nobody is reading: who opens the database while nobody else
    /// has it open reads all of the log, so that a long one makes every command slower. It costs two syncs.
    pub(super) fn fold_log(&self) -> Result<(), StoreError> {
        let connection = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let log = connection.path().map(|path| format!("{path}-wal"));
        let size = log.and_then(|log| fs::metadata(log).ok()).map_or(0, |log| log.len());
        if size <= LOG_MAX {
            return Ok(());
        }
        connection.busy_timeout(Duration::ZERO).map_err(failed("set a time-out"))?;
        // All that was committed stands in the log. Whatever is in the way, the next one does it.
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
        connection.busy_timeout(PATIENCE).map_err(failed("set a time-out"))
    }
}

fn failed(operation: &'static str) -> impl Fn(rusqlite::Error) -> StoreError {
    move |source| StoreError::Database { operation, source }
}

/// A digest of whatever meaning in a row: its 32 bytes.
pub(super) struct Stored(pub(super) Digest);

impl ToSql for Stored {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(ValueRef::Blob(self.0.as_bytes())))
    }
}

impl FromSql for Stored {
    fn column_result(value: ValueRef<'_>) -> FromSqlResult<Self> {
        let bytes: [u8; 32] = value.as_blob()?.try_into().map_err(|_| FromSqlError::InvalidType)?;
        Ok(Self(Digest::from_bytes(bytes)))
    }
}

/// The digest in a row's column.
pub(super) fn digest(row: &Row<'_>, column: usize) -> rusqlite::Result<Digest> {
    row.get::<_, Stored>(column).map(|stored| stored.0)
}

/// Seconds since 1970, for rows.
pub(super) fn now() -> i64 {
    jiff::Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_cannot_be_folded_is_left_to_the_next_one() {
        let directory = tempfile::tempdir().unwrap();
        let database = Database::open(&directory.path().join("strata.db")).unwrap();
        let fill = "INSERT INTO memos (key, value) VALUES (?1, zeroblob(?2))";
        database.write("fill the log", |t| t.execute(fill, (&b"key"[..], 2 * LOG_MAX as i64))).unwrap();
        let ask = |query: &str| database.read("ask", |c| c.query_row(query, [], |row| row.get::<_, i64>(0)));
        // A transaction that is open on the connection itself makes the checkpoint an error.
        database.read("begin", |c| c.execute_batch("BEGIN")).unwrap();
        assert_eq!(ask("SELECT count(*) FROM memos").unwrap(), 1);
        assert!(ask("PRAGMA wal_checkpoint(TRUNCATE)").is_err());
        database.fold_log().unwrap();
        assert_eq!(ask("PRAGMA busy_timeout").unwrap(), PATIENCE.as_millis() as i64);
        database.read("end", |c| c.execute_batch("COMMIT")).unwrap();
        database.fold_log().unwrap();
        assert_eq!(fs::metadata(directory.path().join("strata.db-wal")).unwrap().len(), 0);
    }
}
