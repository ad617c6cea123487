//! Cache records and memos, as rows. What they mean is the business of the `cache` module.

use rusqlite::{Connection, OptionalExtension as _, Row};

use super::Store;
use super::database::{Stored, digest, now};
use super::error::StoreError;
use super::work::WorkDir;
use crate::oci::{CacheKey, ContentDigest, DiffId, Digest};

/// A cache record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its row.
    pub id: i64,
    /// What the step was.
    pub action: CacheKey,
    /// What it started from.
    pub chain: CacheKey,
    /// The layer that it made.
    pub layer: DiffId,
    /// That layer's content digest.
    pub content: ContentDigest,
    /// The step's inputs in structured form; the `cache` module writes and reads it.
    pub details: Vec<u8>,
    /// When the step ran, in seconds since 1970.
    pub created: i64,
}

/// A record to be written.
#[derive(Debug, Clone)]
pub struct NewRecord {
    /// What the step was.
    pub action: CacheKey,
    /// What it started from.
    pub chain: CacheKey,
    /// Which step of which kind it was, whatever its inputs: records of one family are compared to explain a miss.
    pub family: CacheKey,
    /// The layer that it made.
    pub layer: DiffId,
    /// That layer's content digest.
    pub content: ContentDigest,
    /// The step's inputs in structured form.
    pub details: Vec<u8>,
    /// When the step ran, in seconds since 1970.
    pub created: i64,
}

const COLUMNS: &str = "id, action, chain, diff_id, content, details, created";

fn record(row: &Row<'_>) -> rusqlite::Result<Record> {
    Ok(Record {
        id: row.get(0)?,
        action: CacheKey(digest(row, 1)?),
        chain: CacheKey(digest(row, 2)?),
        layer: DiffId(digest(row, 3)?),
        content: ContentDigest(digest(row, 4)?),
        details: row.get(5)?,
        created: row.get(6)?,
    })
}

impl Store {
    /// The newest record of this step on this chain, with a lease on its layer.
    pub fn find_record(
        &self,
        action: &CacheKey,
        chain: &CacheKey,
        work: &WorkDir,
    ) -> Result<Option<Record>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM records WHERE action = ?1 AND chain = ?2
             AND diff_id IN (SELECT diff_id FROM layers) ORDER BY id DESC LIMIT 1"
        );
        self.leased_record(&query, (Stored(action.0), Stored(chain.0)), work)
    }

    /// The records of this step on whatever chain, newest first, `limit` at most.
    pub fn records_of_action(&self, action: &CacheKey, limit: u32) -> Result<Vec<Record>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM records WHERE action = ?1 ORDER BY id DESC LIMIT ?2");
        self.list_records(&query, (Stored(action.0), limit))
    }

    /// The records of a family, newest first, `limit` at most.
    pub fn records_of_family(&self, family: &CacheKey, limit: u32) -> Result<Vec<Record>, StoreError> {
        let query = format!("SELECT {COLUMNS} FROM records WHERE family = ?1 ORDER BY id DESC LIMIT ?2");
        self.list_records(&query, (Stored(family.0), limit))
    }

    /// The oldest record whose step started from `chain` and made a layer of this content, with a lease on it.
    pub fn find_result(
        &self,
        chain: &CacheKey,
        content: &ContentDigest,
        work: &WorkDir,
    ) -> Result<Option<Record>, StoreError> {
        let query = format!(
            "SELECT {COLUMNS} FROM records WHERE chain = ?1 AND content = ?2
             AND diff_id IN (SELECT diff_id FROM layers) ORDER BY id LIMIT 1"
        );
        self.leased_record(&query, (Stored(chain.0), Stored(content.0)), work)
    }

    /// The number of the newest record; 0 if there is none.
    pub fn last_record(&self) -> Result<i64, StoreError> {
        self.database.read("look for the newest cache record", |c| {
            c.query_row("SELECT coalesce(max(id), 0) FROM records", [], |row| row.get(0))
        })
    }

    /// Writes a record. Its layer must be published.
    pub fn put_record(&self, new: &NewRecord) -> Result<(), StoreError> {
        self.database.write("write a cache record", |t| {
            t.prepare_cached(
                "INSERT INTO records (action, chain, family, diff_id, content, details, created, last_use)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute((
                Stored(new.action.0),
                Stored(new.chain.0),
                Stored(new.family.0),
                Stored(new.layer.0),
                Stored(new.content.0),
                &new.details,
                new.created,
                now(),
            ))
        })?;
        Ok(())
    }

    /// Notes that these records were used now.
    pub fn touch_records(&self, ids: &[i64]) -> Result<(), StoreError> {
        if ids.is_empty() {
            return Ok(());
        }
        self.database.write("note the use of cache records", |t| {
            let mut update = t.prepare_cached("UPDATE records SET last_use = ?1 WHERE id = ?2")?;
            for id in ids {
                update.execute((now(), id))?;
            }
            Ok(())
        })
    }

    /// The digest that was remembered under `key`.
    pub fn memo(&self, key: &CacheKey) -> Result<Option<Digest>, StoreError> {
        self.database.read("look for a memo", |c| {
            c.prepare_cached("SELECT value FROM memos WHERE key = ?1")?
                .query_row([Stored(key.0)], |row| digest(row, 0))
                .optional()
        })
    }

    /// Remembers a digest that follows from `key` alone.
    pub fn set_memo(&self, key: &CacheKey, value: &Digest) -> Result<(), StoreError> {
        self.database.write("write a memo", |t| {
            t.execute(
                "INSERT OR REPLACE INTO memos (key, value) VALUES (?1, ?2)",
                (Stored(key.0), Stored(*value)),
            )
        })?;
        Ok(())
    }

    fn leased_record(
        &self,
        query: &str,
        params: impl rusqlite::Params,
        work: &WorkDir,
    ) -> Result<Option<Record>, StoreError> {
        let held = self.publishing()?;
        let found = self.database.read("look for a cache record", |c| {
            c.prepare_cached(query)?.query_row(params, record).optional()
        })?;
        if let Some(found) = &found {
            work.lease(&found.layer, &held)?;
        }
        Ok(found)
    }

    fn list_records(&self, query: &str, params: impl rusqlite::Params) -> Result<Vec<Record>, StoreError> {
        let ask = |c: &Connection| c.prepare_cached(query)?.query_map(params, record)?.collect();
        self.database.read("list cache records", ask)
    }
}
