//! Files over HTTP.
//!
//! A file is kept with its `ETag` and `Last-Modified`, and fetched again only if the server says that it has changed.
//! A server that cannot be reached is an error also when there is a copy, unless the caller knows the digest: then
//! the copy is as good as what the server would send.
//!
//! The way through the files: `kept` is the directory of one URL, `connection` does the talking in a thread of its
//! own, `error` says what went wrong.

mod connection;
mod date;
mod error;
mod kept;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::dockerfile::remote::HttpUrl;
use crate::oci::Digest;
use crate::oci::digest::Digester;

use super::{Authorization, Proxies, Watch};
use connection::{Conditions, Connection, Exchange, Head};
use kept::{Entry, Meta};

pub use error::HttpError;

/// How files are fetched.
#[derive(Debug, Clone)]
pub struct HttpClient {
    /// Which proxies to go through.
    pub proxies: Proxies,
    /// How long a connection may take to come about.
    pub connect_timeout: Duration,
    /// How long a server may be silent.
    pub stall_timeout: Duration,
}

impl Default for HttpClient {
    fn default() -> Self {
        Self {
            proxies: Proxies::default(),
            connect_timeout: Duration::from_secs(30),
            stall_timeout: Duration::from_secs(60),
        }
    }
}

/// What to fetch.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// Where it is.
    pub url: HttpUrl,
    /// What its bytes have to be.
    pub checksum: Option<Digest>,
    /// The value of an `Authorization` header for the URL's host. Another host, after a redirect, does not get it.
    pub authorization: Option<Authorization>,
}

/// A file that was fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetched {
    /// Where it lies: where the caller wanted it. It may be one file with the copy that is kept, so it must not be
    /// changed.
    pub path: PathBuf,
    /// What its bytes are.
    pub digest: Digest,
    /// How many these are.
    pub size: u64,
    /// When it was changed last, in seconds since 1970, if the server said so.
    pub last_modified: Option<i64>,
    /// The name that it has if nobody gives it another.
    pub file_name: Option<String>,
    /// What the server had to do with it.
    pub origin: Origin,
}

/// How a file came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The server sent it.
    Downloaded,
    /// The server said that the copy is still good.
    Unchanged,
    /// The copy has the digest that was asked for; the server was not asked.
    Kept,
}

impl HttpClient {
    /// Fetches a file and puts it at `into`, where nothing may be. Copies are kept below `keep`, in a directory for
    /// each URL; of several processes that want the same URL one asks, and the others wait for it.
    pub fn fetch(
        &self,
        request: &HttpRequest,
        keep: &Path,
        into: &Path,
        watch: &Watch<'_>,
    ) -> Result<Fetched, HttpError> {
        let entry = Entry::lock(keep, &request.url, watch)?;
        let (meta, origin) = match entry.read(watch)? {
            Some(kept) if request.checksum == Some(kept.digest) => (kept, Origin::Kept),
            kept => self.ask(request, &entry, kept, watch)?,
        };
        entry.give(into)?;
        Ok(Fetched {
            path: into.to_owned(),
            digest: meta.digest,
            size: meta.size,
            last_modified: meta.last_modified.as_deref().and_then(date::seconds),
            file_name: request.url.file_name(),
            origin,
        })
    }

    /// Asks the server for the file, or whether the copy is still good. What is kept afterwards has been checked.
    fn ask(
        &self,
        request: &HttpRequest,
        entry: &Entry,
        kept: Option<Meta>,
        watch: &Watch<'_>,
    ) -> Result<(Meta, Origin), HttpError> {
        let conditions = kept
            .as_ref()
            .map(|meta| Conditions { etag: meta.etag.clone(), last_modified: meta.last_modified.clone() });
        let url = request.url.redacted();
        let exchange = Exchange { client: self.clone(), request: request.clone(), conditions };
        let mut connection = Connection::start(exchange, watch)?;
        let head = connection.head()?;
        match (head.status, kept) {
            (304, Some(meta)) => {
                check(request, meta.digest)?;
                Ok((meta, Origin::Unchanged))
            }
            (200..=299, _) => {
                Ok((download(request, entry, &mut connection, head, watch)?, Origin::Downloaded))
            }
            (status, _) => Err(HttpError::Status { url, status, reason: head.reason }),
        }
    }
}

/// Takes the body of a response into the place of the copy.
fn download(
    request: &HttpRequest,
    entry: &Entry,
    connection: &mut Connection<'_>,
    head: Head,
    watch: &Watch<'_>,
) -> Result<Meta, HttpError> {
    let mut part = entry.part()?;
    let mut digester = Digester::new(&mut part.file);
    while let Some(chunk) = connection.chunk()? {
        digester.write_all(&chunk).map_err(|source| entry.error("write", source))?;
        (watch.received)(digester.count(), head.length);
    }
    let (_, digest, size) = digester.finish();
    check(request, digest)?;
    let meta = Meta { etag: head.etag, last_modified: head.last_modified, digest, size };
    entry.publish(&part, &meta)?;
    Ok(meta)
}

/// Compares a digest with the one that was asked for.
fn check(request: &HttpRequest, actual: Digest) -> Result<(), HttpError> {
    match request.checksum {
        Some(expected) if expected != actual => {
            Err(HttpError::Checksum { url: request.url.redacted(), expected, actual })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
